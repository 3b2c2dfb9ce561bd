/* SPDX-License-Identifier: BSD-2-Clause */
/* The device model at a character device, in tests of what the device is on the host. Include after <cmocka.h>. */
#ifndef VIREO_TESTS_UNIT_CHARDEV_RIG_H
#define VIREO_TESTS_UNIT_CHARDEV_RIG_H

#include <string.h>

#include "devices/chardev.h"

/* How often the model was told each of these. */
struct chardev_rig {
	unsigned int readable, writable, changed, broken;
};

static inline void chardev_rig_readable(void *ctx)
{
	((struct chardev_rig *)ctx)->readable++;
}

static inline void chardev_rig_writable(void *ctx)
{
	((struct chardev_rig *)ctx)->writable++;
}

static inline void chardev_rig_changed(void *ctx)
{
	((struct chardev_rig *)ctx)->changed++;
}

static inline void chardev_rig_broken(void *ctx)
{
	((struct chardev_rig *)ctx)->broken++;
}

static inline void chardev_rig_plug(struct chardev_rig *rig, struct chardev *chr)
{
	memset(rig, 0, sizeof(*rig));
	chr->readable = chardev_rig_readable;
	chr->writable = chardev_rig_writable;
	chr->changed = chardev_rig_changed;
	chr->broken = chardev_rig_broken;
	chr->ctx = rig;
}

/* How many bytes of the text the host has taken. */
static inline size_t chardev_rig_put(struct chardev *chr, const char *text)
{
	return chr->ops->put(chr, (const uint8_t *)text, strlen(text));
}

/* That text is all the input that waits. */
static inline void chardev_rig_gets(struct chardev *chr, const char *text)
{
	uint8_t buf[256];
	size_t got = chr->ops->get(chr, buf, sizeof(buf));

	assert_int_equal(got, strlen(text));
	assert_memory_equal(buf, text, got);
}

#endif
