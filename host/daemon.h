/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that works for a device: started with it, ended with it.
 *
 * What it writes to stdout and stderr becomes log lines at info level; its stdin is empty. Its end is
 * noticed in the event loop. It does not outlive this program, however that ends.
 */
#ifndef VIREO_HOST_DAEMON_H
#define VIREO_HOST_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

#include "host/loop.h"
#include "kvm/err.h"

struct daemon;

struct daemon_config {
	const char *name;  /* "net lan": begins its log lines and errors; copied */
	char *const *argv; /* argv[0]: see daemon_find(); ends with NULL; not used after daemon_start() */
	const char
		*loss; /* what its end means, for the warning: "its link is down"; a literal; NULL: no word */
	const char *hint; /* what to do if argv[0] is not installed: "apt install passt" */
	int keep_fd;      /* above 2: inherited as the same number; -1: none. Stays the caller's */
	/*
	 * It runs as root of a user namespace whose root is this program's user. Its setgroups() does nothing, for
	 * there it could not: it keeps the user's groups.
	 */
	bool fake_root;
	const char *read_only; /* a directory, absolute, that it finds read-only; NULL: none */
	/*
	 * May be NULL. It has ended, and not because of daemon_stop(); a warning that says how, and with
	 * what last words, has been logged. `wait_status` is that of waitpid(). The loop's thread; may call
	 * daemon_stop(), which frees it.
	 */
	void (*exited)(void *ctx, int wait_status);
	void *ctx;
};

/*
 * Starts a program. To be called from the main thread: the kernel ends the program when the THREAD
 * that started it ends. 0, or a negative errno with one line; -ENOENT: not installed.
 */
int daemon_start(struct daemon **out, struct loop *loop, const struct daemon_config *config, struct err *err);

/*
 * Ends it if it still runs: SIGTERM, and SIGKILL if that does not help within 2 s. Then nothing is
 * left of it. NULL is fine. The loop's thread, or any while the loop does not run.
 */
void daemon_stop(struct daemon *d);

/* It is about to be made to end: that it has is not told any more, and exited() not called. NULL is fine. Any thread. */
void daemon_expect_end(struct daemon *d);

/*
 * The last line that it wrote, "" for none; valid until the next call. For one that ended before the loop
 * ran: what it had to say is read first.
 */
const char *daemon_last_words(struct daemon *d);

/*
 * Where a program is installed: in PATH, /usr/lib/qemu, /usr/libexec, /usr/lib or /usr/sbin; a name with a "/"
 * is taken as it is. 0, -ENOENT, or -ENAMETOOLONG.
 */
int daemon_find(char *path, size_t size, const char *program);

/*
 * Runs a program that ends by itself soon (--version, --help) and gives the first `size` - 1 bytes of
 * what it writes to stdout and stderr. 0, or a negative errno with one line; -ETIMEDOUT: after 30 s it
 * still ran, and was killed. `config->exited` is not called.
 */
int daemon_ask(const struct daemon_config *config, char *answer, size_t size, struct err *err);

#endif
