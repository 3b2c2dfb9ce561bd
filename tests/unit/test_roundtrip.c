// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every key of the program's own tables, with each kind of value that it takes: what a definition says is what its
 * dump says, and that is read back to the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"

/* Where a key is found in a definition: in a section of the VM's, or in a device's. */
struct key {
	const char *section;
	const struct device_kind *kind; /* NULL: `section` is no device's */
	const struct option *opt;
};

static unsigned int tried;

/* `written`: as it stands in a file; `value`: what that means. */
static void survive(const struct key *key, const char *written, const char *value)
{
	bool is_string = option_is_string(key->opt);
	char text[256], format[OPTION_VALUE_MAX], line[300];
	struct vm_config cfg;
	struct err err;
	const void *base;
	char *dump;

	snprintf(text, sizeof(text), "[%s]\n%s = %s\n", key->section, key->opt->name, written);
	cfg = accept_text(text);
	base = key->kind ? (const void *)cfg.devices : &cfg;
	assert_true(option_has_value(base, key->opt));
	if (is_string) {
		assert_string_equal(option_text(base, key->opt), value);
	} else {
		option_format(base, key->opt, format);
		assert_string_equal(format, value);
	}
	dump = config_dump(&cfg, &err);
	assert_non_null(dump);
	if (!is_string) {
		snprintf(line, sizeof(line), "\n%s = %s ", key->opt->name, value);
		assert_contains(dump, line);
	}
	/* It says where that came from: our second line. */
	assert_contains(dump, ":2\n");
	free(dump);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	tried++;
}

/* A list is given several times; the words suit one of "TEXT after REGEX" as well. */
static void survive_list(const struct key *key)
{
	static const char *const values[] = { "a after b", " \\n after \"#\" ", "c after d" };
	const struct text_list *list;
	struct vm_config cfg;
	char text[256];

	snprintf(text, sizeof(text),
		 "[%s]\n%s = a after b # comment\n%s = \" \\\\n after \\\"#\\\" \"\n%s = c after d\n",
		 key->section, key->opt->name, key->opt->name, key->opt->name);
	cfg = accept_text(text);
	list = option_list(&cfg, key->opt);
	assert_int_equal(list->count, 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_string_equal(list->text[i], values[i]);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	tried++;
}

static void survive_number(const struct key *key, uint64_t number)
{
	static const char units[] = "TGMK";
	char text[40];
	unsigned int shift = 40;

	if (key->opt->type == OPTION_ADDRESS) {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)number);
	} else if (key->opt->type == OPTION_SIZE && number) {
		const char *unit = units;

		for (; number % (1ULL << shift); shift -= 10)
			unit++;
		snprintf(text, sizeof(text), "%llu%c", (unsigned long long)(number >> shift), *unit);
	} else {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	}
	survive(key, text, text);
}

/* A text that is not just any: one of these is what each such key takes. */
static void survive_checked(const struct key *key)
{
	static const char *const texts[] = { "info,net=debug", "^]", "a-name", "52:54:00:12:34:56" };
	unsigned int before = tried;
	char why[OPTION_ALLOWED_MAX];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (key->opt->is_ok(texts[i], why))
			survive(key, texts[i], texts[i]);
	assert_true(tried > before);
}

static void survive_key(const struct key *key)
{
	const struct option *opt = key->opt;
	uint64_t most = opt->max[host_platform];

	switch (opt->type) {
	case OPTION_FLAG:
		survive(key, "on", "on");
		survive(key, "off", "off");
		break;
	case OPTION_CHOICE:
		for (const struct option_choice *c = opt->choices; c->name; c++)
			if (c->platforms & 1u << host_platform)
				survive(key, c->name, c->name);
		break;
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_ADDRESS:
		survive_number(key, opt->min + (opt->min % opt->step ? opt->step - opt->min % opt->step : 0));
		survive_number(key, most - most % opt->step);
		survive_number(key, most / 2 - most / 2 % opt->step);
		break;
	case OPTION_LIST:
		survive_list(key);
		break;
	case OPTION_PLACE:
		survive(key, "pty", "pty");
		survive(key, "null", "null");
		survive(key, "socket=/a/b", "socket=/a/b");
		survive(key, "\"file=/a \\\"b\\\" \\\\c # d\"", "file=/a \"b\" \\c # d");
		break;
	case OPTION_TEXT:
		if (opt->is_ok) {
			survive_checked(key);
			break;
		}
		survive(key, "\"\"", "");
		survive(key, "\" a \"", " a ");
		survive(key, "plain # comment", "plain");
		/* fallthrough */
	case OPTION_FILE:
		survive(key, "/a/b", "/a/b");
		survive(key, "\"/a \\\"b\\\" \\\\c # d ; e\"", "/a \"b\" \\c # d ; e");
		survive(key, "\"/a\tb\"", "/a\tb");
		survive(key, "/\xc3\xa4,b=c", "/\xc3\xa4,b=c");
		break;
	}
}

static void every_key_of_the_vm(void **state)
{
	(void)state;
	tried = 0;
	for (const struct option *opt = option_table; opt->name; opt++) {
		const struct key key = { .section = opt->section, .opt = opt };

		if (opt->section && option_is_for_host(opt))
			survive_key(&key);
	}
	assert_true(tried > 40);
}

static void every_key_of_every_device(void **state)
{
	(void)state;
	tried = 0;
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++) {
		for (const struct option *opt = (*kind)->keys; opt->name; opt++) {
			const struct key key = { .section = (*kind)->name, .kind = *kind, .opt = opt };

			if (option_is_for_host(opt) && (*kind)->platforms & 1u << host_platform)
				survive_key(&key);
		}
	}
	assert_true(tried > 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_vm),
		cmocka_unit_test(every_key_of_every_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
