// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/matrix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/devices.h"

struct key {
	const struct option *opt;       /* NULL: */
	const struct device_kind *kind; /* a device */
	struct option_origin at;        /* its file's name is the config's */
	char *value;
};

struct list {
	const struct option *opt;
	struct option_origin at;
	struct text_list values;
};

struct test {
	char name[DEVICE_ID_MAX + 1];
	struct option_origin at;
	struct key *key;
	unsigned int nr_keys;
};

struct matrix {
	struct test *test;
	unsigned int nr_tests;
	struct list *list;
	unsigned int nr_lists;
	bool in_lists; /* the section that was begun last */
};

static int at_error(struct err *err, const struct option_origin *at, const char *text, const char *name)
{
	return err_user(err, "%s:%u: section [%s]: %s", quote_path(at->file).text, at->line, name, text);
}

static struct matrix *need(struct vm_config *cfg, const char *section, const struct option_origin *at,
			   struct err *err)
{
	if (!cfg->takes_tests) {
		at_error(err, at, "describes several VMs, which only \"vireo smoke\" boots", section);
		return NULL;
	}
	if (!cfg->matrix)
		cfg->matrix = calloc(1, sizeof(*cfg->matrix));
	if (!cfg->matrix)
		err_host(err, ENOMEM, "section [%s]", section);
	return cfg->matrix;
}

int matrix_begin_test(struct vm_config *cfg, const char *name, const struct option_origin *at,
		      struct err *err)
{
	struct matrix *m = need(cfg, "test NAME", at, err);
	struct test *tests, *test;

	if (!m)
		return cfg->takes_tests ? -ENOMEM : -EINVAL;
	if (!device_id_ok(name))
		return at_error(err, at, "its NAME is not allowed; allowed is " DEVICE_ID_ALLOWED,
				"test NAME");
	for (test = m->test; test < m->test + m->nr_tests; test++)
		if (!strcmp(test->name, name))
			return at_error(err, at, "another test has its NAME", "test NAME");
	tests = reallocarray(m->test, m->nr_tests + 1, sizeof(*tests));
	if (!tests)
		return err_host(err, ENOMEM, "section [test %s]", name);
	m->test = tests;
	test = &m->test[m->nr_tests++];
	*test = (struct test){ .at = *at };
	snprintf(test->name, sizeof(test->name), "%s", name);
	m->in_lists = false;
	return 0;
}

int matrix_begin_lists(struct vm_config *cfg, const struct option_origin *at, struct err *err)
{
	struct matrix *m = need(cfg, "matrix", at, err);

	if (!m)
		return cfg->takes_tests ? -ENOMEM : -EINVAL;
	m->in_lists = true;
	return 0;
}

/* Would the value be taken? Where it stands is known now. */
static int try(const struct option *opt, const char *value, const struct option_origin *at, struct err *err)
{
	struct vm_config scratch;
	int ret;

	config_init(&scratch);
	ret = option_set(&scratch, opt, value, at, err);
	config_finish(&scratch);
	return ret;
}

static int append_key(struct test *test, const struct option *opt, const struct device_kind *kind,
		      const char *value, const struct option_origin *at, struct err *err)
{
	struct key *keys = reallocarray(test->key, test->nr_keys + 1, sizeof(*keys));

	if (!keys)
		return err_host(err, ENOMEM, "section [test %s]", test->name);
	test->key = keys;
	keys[test->nr_keys] = (struct key){
		.opt = opt,
		.kind = kind,
		.at = *at,
		.value = strdup(value),
	};
	if (!keys[test->nr_keys].value)
		return err_host(err, ENOMEM, "section [test %s]", test->name);
	test->nr_keys++;
	return 0;
}

static int add_key(struct test *test, const struct option *opt, const char *value,
		   const struct option_origin *at, struct err *err)
{
	int ret = try(opt, value, at, err);

	for (unsigned int i = 0; i < test->nr_keys && !ret; i++)
		if (test->key[i].opt == opt && opt->type != OPTION_LIST)
			return option_error(err, at, opt->name, "given before, in line %u; once is allowed",
					    test->key[i].at.line);
	return ret ? ret : append_key(test, opt, NULL, value, at, err);
}

/* A kind whose option may stand alone has "on" where the command line has nothing. */
static int put_device(struct vm_config *cfg, const struct device_kind *kind, const char *value,
		      const struct option_origin *at, struct err *err)
{
	bool alone = !kind->value_key && !strcmp(value, "on");

	return devices_add_option(cfg, kind, alone ? NULL : value, at, err);
}

/* Would it be taken, together with the test's devices before it? */
static int try_device(const struct test *test, const struct device_kind *kind, const char *value,
		      const struct option_origin *at, struct err *err)
{
	struct vm_config scratch;
	int ret = 0;

	config_init(&scratch);
	for (unsigned int i = 0; i < test->nr_keys && !ret; i++)
		if (test->key[i].kind)
			ret = put_device(&scratch, test->key[i].kind, test->key[i].value, &test->key[i].at,
					 err);
	if (!ret)
		ret = put_device(&scratch, kind, value, at, err);
	devices_give_ids(&scratch);
	if (!ret)
		ret = devices_check(&scratch, NULL, err);
	config_finish(&scratch);
	return ret;
}

/* The next value of "a, b,, c": up to a comma that stands alone, without blanks around it. */
static char *next_value(const char **text)
{
	const char *from = *text + strspn(*text, " \t");
	char *value = malloc(strlen(from) + 1), *to = value;

	while (value && *from && !(from[0] == ',' && from[1] != ',')) {
		from += from[0] == ',';
		*to++ = *from++;
	}
	while (to > value && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	if (value)
		*to = '\0';
	*text = *from ? from + 1 : NULL;
	return value;
}

static int add_value(struct list *list, const char *value, struct err *err)
{
	int ret = try(list->opt, value, &list->at, err);

	if (ret)
		return ret;
	if (text_list_has(&list->values, value))
		return option_error(err, &list->at, list->opt->name, "\"%s\" stands there twice",
				    quote(value).text);
	return text_list_add(&list->values, value) ? 0 : err_host(err, ENOMEM, "section [matrix]");
}

static int add_list(struct matrix *m, const struct option *opt, const char *value,
		    const struct option_origin *at, struct err *err)
{
	struct list *lists, *list;
	int ret = 0;

	if (opt->type == OPTION_LIST)
		return option_error(err, at, opt->name,
				    "cannot be a list in [matrix]; put it under [%s] or [test NAME]",
				    opt->section);
	if (matrix_has_list(m, opt))
		return option_error(err, at, opt->name, "given before; once is allowed");
	lists = reallocarray(m->list, m->nr_lists + 1, sizeof(*lists));
	if (!lists)
		return err_host(err, ENOMEM, "section [matrix]");
	m->list = lists;
	list = &lists[m->nr_lists++];
	*list = (struct list){ .opt = opt, .at = *at };
	while (value && !ret) {
		char *one = next_value(&value);

		ret = one ? add_value(list, one, err) : err_host(err, ENOMEM, "section [matrix]");
		free(one);
	}
	return ret;
}

int matrix_add(struct vm_config *cfg, const struct option *opt, const char *value,
	       const struct option_origin *at, struct err *err)
{
	struct matrix *m = cfg->matrix;

	return m->in_lists ? add_list(m, opt, value, at, err)
			   : add_key(&m->test[m->nr_tests - 1], opt, value, at, err);
}

int matrix_add_device(struct vm_config *cfg, const struct device_kind *kind, const char *value,
		      const struct option_origin *at, struct err *err)
{
	struct matrix *m = cfg->matrix;
	struct test *test;
	int ret;

	if (m->in_lists)
		return option_error(
			err, at, kind->name,
			"is a device, and cannot be a list in [matrix]; put it under [test NAME], or "
			"write a section [%s%s]",
			kind->name, kind->single ? "" : " ID");
	test = &m->test[m->nr_tests - 1];
	ret = try_device(test, kind, value, at, err);
	return ret ? ret : append_key(test, NULL, kind, value, at, err);
}

bool matrix_has_list(const struct matrix *m, const struct option *opt)
{
	for (unsigned int i = 0; i < m->nr_lists; i++)
		if (m->list[i].opt == opt)
			return true;
	return false;
}

/* --- the tests it comes to --- */

static unsigned int combinations(const struct matrix *m)
{
	unsigned int all = 1;

	for (unsigned int i = 0; i < m->nr_lists && all <= MATRIX_TESTS_MAX; i++)
		all *= m->list[i].values.count < MATRIX_TESTS_MAX ? m->list[i].values.count
								  : MATRIX_TESTS_MAX;
	return all;
}

int matrix_count(const struct matrix *m, struct err *err)
{
	unsigned int tests = m->nr_tests ? m->nr_tests : 1, each = combinations(m);

	for (unsigned int i = 0; i < m->nr_tests; i++)
		for (unsigned int j = 0; j < m->test[i].nr_keys; j++)
			if (m->test[i].key[j].opt && matrix_has_list(m, m->test[i].key[j].opt))
				return option_error(err, &m->test[i].key[j].at, m->test[i].key[j].opt->name,
						    "is one of the lists of [matrix], too; leave one out");
	if (tests > MATRIX_TESTS_MAX || each > MATRIX_TESTS_MAX || tests * each > MATRIX_TESTS_MAX)
		return err_user(err, "the definition describes more than %d VMs", MATRIX_TESTS_MAX);
	return (int)(tests * each);
}

/* Which value of each list test `i` has: the last list's change first. */
static const char *value_of(const struct matrix *m, unsigned int i, unsigned int list)
{
	for (unsigned int j = m->nr_lists - 1; j > list; j--)
		i /= m->list[j].values.count;
	return m->list[list].values.text[i % m->list[list].values.count];
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* A file's name without its directory, if no other one of the list has the same. */
static const char *short_value(const struct list *list, const char *value)
{
	unsigned int same = 0;

	if (list->opt->type != OPTION_FILE)
		return value;
	for (unsigned int i = 0; i < list->values.count; i++)
		same += !strcmp(base_name(list->values.text[i]), base_name(value));
	return same == 1 ? base_name(value) : value;
}

void matrix_name(const struct matrix *m, unsigned int i, char name[MATRIX_NAME_MAX])
{
	size_t len = 0;

	name[0] = '\0';
	if (m->nr_tests)
		len += (size_t)snprintf(name, MATRIX_NAME_MAX, "%s", m->test[i / combinations(m)].name);
	for (unsigned int j = 0; j < m->nr_lists && len < MATRIX_NAME_MAX; j++)
		len += (size_t)snprintf(name + len, MATRIX_NAME_MAX - len, "%s%s=%s", len ? " " : "",
					m->list[j].opt->name, short_value(&m->list[j], value_of(m, i, j)));
}

/* A test's list takes the place of the definition's, and its `cmdline` drops what that appends, as --cmdline does. */
static void make_room(const struct test *test, struct vm_config *cfg)
{
	for (unsigned int i = 0; i < test->nr_keys; i++) {
		if (test->key[i].kind)
			continue;
		if (test->key[i].opt->type == OPTION_LIST)
			config_unset(cfg, test->key[i].opt);
		if (test->key[i].opt == option_by_name("cmdline"))
			config_unset(cfg, option_by_name("append"));
	}
}

int matrix_apply(const struct matrix *m, unsigned int i, struct vm_config *cfg, struct err *err)
{
	const struct test *test = m->nr_tests ? &m->test[i / combinations(m)] : NULL;
	int ret = 0;

	if (test)
		make_room(test, cfg);
	for (unsigned int j = 0; test && j < test->nr_keys && !ret; j++)
		ret = test->key[j].kind
			      ? put_device(cfg, test->key[j].kind, test->key[j].value, &test->key[j].at, err)
			      : config_set(cfg, test->key[j].opt, test->key[j].value, &test->key[j].at, err);
	for (unsigned int j = 0; j < m->nr_lists && !ret; j++)
		ret = config_set(cfg, m->list[j].opt, value_of(m, i, j), &m->list[j].at, err);
	return ret;
}

void matrix_free(struct matrix *m)
{
	if (!m)
		return;
	for (unsigned int i = 0; i < m->nr_tests; i++) {
		while (m->test[i].nr_keys)
			free(m->test[i].key[--m->test[i].nr_keys].value);
		free(m->test[i].key);
	}
	for (unsigned int i = 0; i < m->nr_lists; i++)
		text_list_clear(&m->list[i].values);
	free(m->test);
	free(m->list);
	free(m);
}
