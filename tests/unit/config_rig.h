/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of options and definitions share: command lines and definition files written
 * down in a test, and refusals that must be one line which says what is needed.
 *
 * Include after cmocka.h.
 */
#ifndef VIREO_TESTS_UNIT_CONFIG_RIG_H
#define VIREO_TESTS_UNIT_CONFIG_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/config.h"
#include "vmm/devices.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

/* Is the whole text one printable line? */
static inline bool is_one_line(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* What has become of made-up definitions. Many of both, or what they are made of tests nothing. */
struct tally {
	unsigned int taken, refused;
};

/* One more: is it taken? Else it is refused as the user's mistake, in one line. */
static inline bool tally(struct tally *t, int ret, const struct err *err)
{
	if (!ret) {
		t->taken++;
		return true;
	}
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(err->kind, ERR_USER);
	assert_true(is_one_line(err->text));
	t->refused++;
	return false;
}

static inline void assert_many_of_both(const struct tally *t)
{
	assert_true(t->taken > 100 && t->refused > 100);
}

static inline void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/*
 * Parses a command line that ends with NULL. Each argument is a string of its own on the heap, so
 * that reading beyond one is seen.
 */
static inline int parse_args(struct vm_config *cfg, enum config_command command, const char *const *args,
			     struct err *err)
{
	int argc = 0, ret;
	char **argv;

	while (args[argc])
		argc++;
	argv = calloc((size_t)argc + 1, sizeof(*argv));
	assert_non_null(argv);
	for (int i = 0; i < argc; i++) {
		argv[i] = strdup(args[i]);
		assert_non_null(argv[i]);
	}
	ret = config_parse(cfg, command, argc, argv, err);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	free(argv);
	return ret;
}

/* Expects the command line to be accepted. The caller finishes the config. */
static inline struct vm_config accept_args(enum config_command command, const char *const *args)
{
	struct vm_config cfg;
	struct err err;

	if (parse_args(&cfg, command, args, &err))
		fail_msg("refused: %s", err.text);
	return cfg;
}

/* Expects the command line to be refused as the user's mistake, in a line that contains `part`. */
static inline void refuse_args(enum config_command command, const char *part, const char *const *args)
{
	struct vm_config cfg;
	struct err err;
	int ret = parse_args(&cfg, command, args, &err);

	config_finish(&cfg);
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_true(is_one_line(err.text));
	assert_contains(err.text, part);
}

#define ARGS(...)         ((const char *const[]){ __VA_ARGS__, NULL })
#define RUN(...)          accept_args(COMMAND_RUN, ARGS(__VA_ARGS__))
#define DUMP(...)         accept_args(COMMAND_DUMP, ARGS(__VA_ARGS__))
#define REFUSE(part, ...) refuse_args(COMMAND_RUN, part, ARGS(__VA_ARGS__))

/* A file without a name that holds `size` bytes; `path` says where it can be opened. */
static inline int hold_bytes(const void *bytes, size_t size, char path[64])
{
	int fd = memfd_create("definition", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* Reads a definition of `size` bytes over the defaults. The caller finishes the config. */
static inline int read_bytes(struct vm_config *cfg, const void *bytes, size_t size, struct err *err)
{
	char path[64];
	int fd = hold_bytes(bytes, size, path), ret;

	config_init(cfg);
	ret = config_read_file(cfg, path, err);
	close(fd);
	return ret;
}

static inline struct vm_config accept_bytes(const void *bytes, size_t size)
{
	struct vm_config cfg;
	struct err err;

	if (read_bytes(&cfg, bytes, size, &err))
		fail_msg("refused: %s", err.text);
	return cfg;
}

static inline struct vm_config accept_text(const char *text)
{
	return accept_bytes(text, strlen(text));
}

/* Expects a refusal that contains ":LINE: " with that line, and `part`. */
static inline void refuse_bytes(const void *bytes, size_t size, unsigned int line, const char *part)
{
	struct vm_config cfg;
	struct err err;
	char where[24];
	int ret = read_bytes(&cfg, bytes, size, &err);

	config_finish(&cfg);
	snprintf(where, sizeof(where), ":%u: ", line);
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_true(is_one_line(err.text));
	assert_contains(err.text, "/proc/self/fd/");
	assert_contains(err.text, where);
	assert_contains(err.text, part);
}

static inline void refuse_text(const char *text, unsigned int line, const char *part)
{
	refuse_bytes(text, strlen(text), line, part);
}

static inline void assert_same_string(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(a == b);
}

static inline void assert_same_value(const void *a, const void *b, const struct option *opt)
{
	char va[OPTION_VALUE_MAX], vb[OPTION_VALUE_MAX];

	assert_int_equal(option_has_value(a, opt), option_has_value(b, opt));
	if (opt->type == OPTION_LIST) {
		const struct text_list *la = option_list(a, opt), *lb = option_list(b, opt);

		assert_int_equal(la->count, lb->count);
		for (unsigned int i = 0; i < la->count; i++)
			assert_string_equal(la->text[i], lb->text[i]);
		return;
	}
	if (opt->type == OPTION_TEXT || opt->type == OPTION_FILE) {
		assert_same_string(option_text(a, opt), option_text(b, opt));
		return;
	}
	option_format(a, opt, va);
	option_format(b, opt, vb);
	assert_string_equal(va, vb);
}

/* The same kinds, ids and values of keys, in the same order. */
static inline void assert_same_devices(const struct vm_config *a, const struct vm_config *b)
{
	const struct device_config *da = a->devices, *db = b->devices;

	for (; da && db; da = da->next, db = db->next) {
		assert_ptr_equal(da->kind, db->kind);
		assert_string_equal(da->id, db->id);
		for (const struct option *key = da->kind->keys; key->name; key++)
			assert_same_value(da, db, key);
	}
	assert_true(!da && !db);
}

/* Do both make the same VM? The default command line, spelled out or not, is the same one. */
static inline void assert_same_vm(const struct vm_config *a, const struct vm_config *b)
{
	char *a_cmdline = config_cmdline(a), *b_cmdline = config_cmdline(b);

	for (const struct option *opt = option_table; opt->name; opt++)
		if (opt->section && strcmp(opt->name, "cmdline"))
			assert_same_value(a, b, opt);
	assert_same_string(a_cmdline, b_cmdline);
	assert_same_devices(a, b);
	free(a_cmdline);
	free(b_cmdline);
}

/* A dump without the comments that say where its values come from; the caller frees. */
static inline char *without_sources(const char *dump)
{
	char *text = strdup(dump), *to = text;

	assert_non_null(text);
	while (*dump) {
		const char *end = strchrnul(dump, '\n'), *stop = end;

		for (const char *c = end; c > dump; c--)
			if (c[0] == '#' && c[-1] == ' ' && stop == end)
				stop = c - 1;
		while (stop > dump && stop[-1] == ' ')
			stop--;
		memcpy(to, dump, (size_t)(stop - dump));
		to += stop - dump;
		if (*end)
			*to++ = '\n';
		dump = *end ? end + 1 : end;
	}
	*to = '\0';
	return text;
}

/* Dumps a config whose paths are absolute, reads it back, and expects the same VM. */
static inline void assert_survives_dump(const struct vm_config *cfg)
{
	struct vm_config again;
	struct err err;
	char *text = config_dump(cfg, &err);

	if (!text)
		fail_msg("no dump: %s", err.text);
	again = accept_text(text);
	assert_same_vm(cfg, &again);
	config_finish(&again);
	free(text);
}

/* Deterministic bytes for the tests that throw rubbish: xorshift64. */
struct rubbish {
	uint64_t state; /* not 0 */
};

static inline uint32_t rubbish_below(struct rubbish *r, uint32_t limit)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return (uint32_t)(r->state >> 32) % limit;
}

#endif
