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

/* Do both make the same VM? The default command line, spelled out or not, is the same one. */
static inline void assert_same_vm(const struct vm_config *a, const struct vm_config *b)
{
	char *a_cmdline = config_cmdline(a), *b_cmdline = config_cmdline(b);

	assert_int_equal(a->cpus, b->cpus);
	assert_int_equal(a->memory, b->memory);
	assert_int_equal(a->irqchip, b->irqchip);
	assert_int_equal(a->ioapics, b->ioapics);
	assert_int_equal(a->gic_irqs, b->gic_irqs);
	assert_int_equal(a->gic_dist, b->gic_dist);
	assert_int_equal(a->gic_cpu, b->gic_cpu);
	assert_int_equal(a->have_gic_redist, b->have_gic_redist);
	assert_int_equal(a->gic_redist, b->gic_redist);
	assert_int_equal(a->its, b->its);
	assert_int_equal(a->gic_its, b->gic_its);
	assert_int_equal(a->gic_v2m, b->gic_v2m);
	assert_int_equal(a->on_reboot, b->on_reboot);
	assert_int_equal(a->timeout, b->timeout);
	assert_int_equal(a->have_debug_exit, b->have_debug_exit);
	assert_int_equal(a->debug_exit, b->debug_exit);
	assert_int_equal(a->test_device, b->test_device);
	assert_int_equal(a->kernel_format, b->kernel_format);
	assert_int_equal(a->console, b->console);
	assert_same_string(a->kernel, b->kernel);
	assert_same_string(a->initrd, b->initrd);
	assert_same_string(a->append, b->append);
	assert_same_string(a_cmdline, b_cmdline);
	free(a_cmdline);
	free(b_cmdline);
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
