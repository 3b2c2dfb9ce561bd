/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtiofsd, the vhost-user back end that shares a directory: the one written in C that Debian 12 has, and
 * the one in Rust that came after it.
 */
#ifndef VIREO_HOST_VIRTIOFSD_H
#define VIREO_HOST_VIRTIOFSD_H

#include <stdbool.h>

#include "host/daemon.h"
#include "host/loop.h"
#include "host/vhost_user.h"
#include "kvm/err.h"

/* How virtiofsd keeps itself to the directory. */
enum sandbox {
	SANDBOX_AUTO,      /* the first of the next two that works, with a warning for the second */
	SANDBOX_NAMESPACE, /* namespaces of its own, in which the directory is the root */
	SANDBOX_CHROOT,    /* only that */
};

/* Whether mount points below the directory are mount points in the guest, too. */
enum submounts {
	SUBMOUNTS_AUTO, /* as virtiofsd does by itself: that in C not, later ones in Rust do */
	SUBMOUNTS_ON,
	SUBMOUNTS_OFF, /* they are directories like others; an overlay of the guest's goes through these alone */
};

struct virtiofsd_config {
	const char *name; /* "share src": begins log lines and errors */
	const char *dir;
	bool read_only; /* for whatever virtiofsd does */
	enum sandbox sandbox;
	enum submounts submounts;
	struct loop *loop; /* of the main thread, where this is called: see daemon_start() */
};

/*
 * Starts virtiofsd and greets it; both results are the caller's. If this program is not run by root,
 * virtiofsd runs in a user namespace, and can do to files what the user can. 0 or a negative errno.
 */
int virtiofsd_start(struct vhost_user **vu, struct daemon **daemon, const struct virtiofsd_config *config,
		    struct err *err);

#endif
