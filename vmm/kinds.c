// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/kinds.h"

/* vmm/device_NAME.c, each */
extern const struct device_kind balloon_kind;
extern const struct device_kind disk_kind;
extern const struct device_kind net_kind;
extern const struct device_kind pmem_kind;
extern const struct device_kind port_kind;
extern const struct device_kind rng_kind;
extern const struct device_kind share_kind;
extern const struct device_kind vhost_user_blk_kind;
extern const struct device_kind vhost_user_net_kind;
extern const struct device_kind vsock_kind;

/* Nothing else is in this file: unit tests link a table of their own in its place. */
const struct device_kind *const device_kinds[] = {
	/* In the order of the alphabet. */
	/* clang-format off */
	&balloon_kind,
	&disk_kind,
	&net_kind,
	&pmem_kind,
	&port_kind,
	&rng_kind,
	&share_kind,
	&vhost_user_blk_kind,
	&vhost_user_net_kind,
	&vsock_kind,
	NULL,
	/* clang-format on */
};
