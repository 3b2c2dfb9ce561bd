/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of devices for the tests of options and sections, which the program's table gives way to.
 * Include after cmocka.h, in one file of a program.
 */
#ifndef VIREO_TESTS_UNIT_DEVICES_RIG_H
#define VIREO_TESTS_UNIT_DEVICES_RIG_H

#include "tests/unit/config_rig.h"

#define PC   (1u << PLATFORM_PC)
#define ARM  (1u << PLATFORM_ARM)
#define BOTH (PC | ARM)

#define UP_TO(most) .max = { [PLATFORM_PC] = (most), [PLATFORM_ARM] = (most) }

/* --- a kind with a key of each type, and a first value --- */

struct disk {
	struct device_config dc;
	char *path, *serial;
	bool ro;
	unsigned int cache, sync;
	bool have_sync;
	uint32_t queues;
	uint64_t rate, base;
	bool have_base;
};

static const struct option_choice caches[] = {
	{ "writeback", 0, BOTH },
	{ "none", 1, BOTH },
	{ "unsafe", 2, BOTH },
	{ NULL, 0, 0 },
};

#define FIELD(name) .offset = offsetof(struct disk, name), .platforms = BOTH

static const struct option disk_keys[] = {
	{ .name = "path", .type = OPTION_FILE, .placeholder = "FILE", FIELD(path), .help = "the image" },
	{ .name = "ro", .type = OPTION_FLAG, FIELD(ro), .help = "not to be written" },
	{ .name = "cache", .type = OPTION_CHOICE, FIELD(cache), .choices = caches, .help = "how to cache" },
	{ .name = "sync",
	  .type = OPTION_CHOICE,
	  FIELD(sync),
	  .given = offsetof(struct disk, have_sync),
	  .choices = caches,
	  .help = "a choice that need not be made" },
	{ .name = "queues",
	  .type = OPTION_NUMBER,
	  .placeholder = "N",
	  FIELD(queues),
	  .min = 1,
	  UP_TO(16),
	  .step = 1,
	  .help = "number of queues" },
	{ .name = "rate",
	  .type = OPTION_SIZE,
	  .placeholder = "SIZE",
	  FIELD(rate),
	  UP_TO(1ULL << 40),
	  .step = 1024,
	  .help = "bytes per second" },
	{ .name = "base",
	  .type = OPTION_ADDRESS,
	  .placeholder = "ADDR",
	  FIELD(base),
	  .given = offsetof(struct disk, have_base),
	  UP_TO(1ULL << 40),
	  .step = 16,
	  .help = "an address" },
	{ .name = "serial", .type = OPTION_TEXT, .placeholder = "TEXT", FIELD(serial), .help = "a text" },
	{ .name = "elsewhere",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct disk, ro),
#ifdef __x86_64__
	  .platforms = ARM,
#else
	  .platforms = PC,
#endif
	  .help = "a key of the other platform" },
	{ .name = NULL },
};

static void disk_defaults(struct device_config *dc)
{
	struct disk *disk = (struct disk *)dc;

	disk->queues = 4;
	disk->rate = 1 << 20;
}

static int disk_check(const struct device_config *dc, struct err *err)
{
	const struct disk *disk = (const struct disk *)dc;

	return disk->path ? 0 : device_error(err, dc, "no path; it is %s that it needs", "an image");
}

static const struct device_kind disk_kind = {
	.name = "disk",
	.value_key = "path",
	.help = "a disk",
	.platforms = BOTH,
	.config_size = sizeof(struct disk),
	.keys = disk_keys,
	.defaults = disk_defaults,
	.check = disk_check,
};

/* --- one that a VM has once, without a first value --- */

struct rng {
	struct device_config dc;
	uint32_t rate;
};

static const struct option rng_keys[] = {
	{ .name = "rate",
	  .type = OPTION_NUMBER,
	  .placeholder = "N",
	  .offset = offsetof(struct rng, rate),
	  .platforms = BOTH,
	  UP_TO(1000),
	  .step = 1,
	  .help = "bytes per second" },
	{ .name = NULL },
};

static const struct device_kind rng_kind = {
	.name = "rng",
	.help = "random numbers",
	.single = true,
	.platforms = BOTH,
	.config_size = sizeof(struct rng),
	.keys = rng_keys,
};

/* --- one that shares memory, and one of the other platform --- */

struct share {
	struct device_config dc;
	char *dir;
	bool local, dax;
};

static const struct option share_keys[] = {
	{ .name = "dir",
	  .type = OPTION_FILE,
	  .placeholder = "DIR",
	  .offset = offsetof(struct share, dir),
	  .platforms = BOTH,
	  .help = "the directory" },
	{ .name = "local",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct share, local),
	  .platforms = BOTH,
	  .help = "in this process" },
	{ .name = "dax",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct share, dax),
	  .platforms = BOTH,
	  .help = "a flag that is on by default" },
	{ .name = NULL },
};

static void share_defaults(struct device_config *dc)
{
	((struct share *)dc)->dax = true;
}

static const struct device_kind share_kind = {
	.name = "share",
	.value_key = "dir",
	.help = "a directory",
	.platforms = BOTH,
	.config_size = sizeof(struct share),
	.keys = share_keys,
	.defaults = share_defaults,
	.shares_memory = true,
};

static const struct option no_keys[] = { { .name = NULL } };

static const struct device_kind foreign_kind = {
	.name = "foreign",
	.help = "what this platform has not",
#ifdef __x86_64__
	.platforms = ARM,
#else
	.platforms = PC,
#endif
	.config_size = sizeof(struct device_config),
	.keys = no_keys,
};

const struct device_kind *const device_kinds[] = {
	&disk_kind, &foreign_kind, &rng_kind, &share_kind, NULL,
};

/* The device at `index` of the list, which must be of that kind and have that id. */
static inline const void *device(const struct vm_config *cfg, unsigned int index,
				 const struct device_kind *kind, const char *id)
{
	const struct device_config *dc = cfg->devices;

	while (dc && index--)
		dc = dc->next;
	assert_non_null(dc);
	assert_ptr_equal(dc->kind, kind);
	assert_string_equal(dc->id, id);
	return dc;
}

static inline unsigned int count(const struct vm_config *cfg)
{
	unsigned int n = 0;

	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next)
		n++;
	return n;
}

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* A text put together from `nr` parts. */
static inline void make_text(struct rubbish *r, const char *const *parts, size_t nr, unsigned int most,
			     char *text, size_t size)
{
	size_t len = 0;

	*text = '\0';
	for (uint32_t n = rubbish_below(r, most); n && len < size; n--)
		len += (size_t)snprintf(text + len, size - len, "%s", parts[rubbish_below(r, (uint32_t)nr)]);
}

#endif
