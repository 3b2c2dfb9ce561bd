// SPDX-License-Identifier: BSD-2-Clause
#include "devices/chardev.h"

size_t chardev_put_nowhere(struct chardev *chr, const uint8_t *buf, size_t len)
{
	(void)chr;
	(void)buf;
	return len;
}

size_t chardev_get_nothing(struct chardev *chr, uint8_t *buf, size_t len)
{
	(void)chr;
	(void)buf;
	(void)len;
	return 0;
}

const struct chardev_ops chardev_nowhere_ops = { .put = chardev_put_nowhere, .get = chardev_get_nothing };
