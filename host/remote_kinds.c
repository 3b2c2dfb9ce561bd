// SPDX-License-Identifier: BSD-2-Clause
/* Remote consoles at a pseudo-terminal, a socket and a file: how somebody comes to be there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "host/remote_internal.h"
#define LOG_AREA AREA_CONSOLE
#include "kvm/log.h"

/* --- a pseudo-terminal --- */

/*
 * A terminal in cooked mode would send the guest's own output back to it as input. Through the master this
 * sets what the terminal itself has (tty_ioctl(4), of TIOCGWINSZ and its like: either side).
 */
static void make_raw(int master)
{
	struct termios raw;

	if (tcgetattr(master, &raw) < 0)
		return;
	cfmakeraw(&raw);
	tcsetattr(master, TCSANOW, &raw);
}

/*
 * A master whose terminal nobody has open polls as hung up all the time: it is watched only from when somebody
 * opens the terminal, which inotify tells, to when the last one has closed it.
 */
static void terminal_opened(void *ctx, uint32_t events)
{
	char buf[sizeof(struct inotify_event) + NAME_MAX + 1];
	struct remote *r = ctx;
	struct err err;

	(void)events;
	while (read(r->opened.fd, buf, sizeof(buf)) > 0)
		;
	if (r->peer.fd >= 0 && !r->hung_up) {
		remote_write(r); /* what could not be written while nobody was there */
		return;
	}
	if (r->peer.fd >= 0)
		remote_detach(r); /* who was there before has left input that the guest has not taken yet */
	make_raw(r->master);
	if (remote_attach(r, r->master, &err) < 0)
		log_warn("%s: %s: %s", r->name, r->terminal, err.text);
}

static int open_terminal(struct remote *r, struct err *err)
{
	r->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (r->master < 0 || grantpt(r->master) < 0 || unlockpt(r->master) < 0 ||
	    ptsname_r(r->master, r->terminal, sizeof(r->terminal)))
		return err_host(err, errno, "%s: a pseudo-terminal", r->name);
	make_raw(r->master);
	r->opened = (struct loop_source){ .ready = terminal_opened, .ctx = r };
	r->opened.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->opened.fd < 0 || inotify_add_watch(r->opened.fd, r->terminal, IN_OPEN) < 0) {
		err_host(err, errno, "%s: inotify for %s", r->name, r->terminal);
		goto fail;
	}
	if (!loop_add(r->loop, &r->opened, EPOLLIN, err))
		return 0;
fail:
	if (r->opened.fd >= 0)
		close(r->opened.fd);
	r->opened.fd = -1;
	return -EIO;
}

int remote_pty_create(struct chardev **out, const char *name, struct loop *loop, struct err *err)
{
	struct remote *r = remote_new(name, loop, err);

	if (!r)
		return -ENOMEM;
	r->path = r->terminal;
	if (open_terminal(r, err) < 0) {
		remote_console_destroy(&r->chr, false);
		return -EIO;
	}
	log_always("%s is at %s", name, r->terminal);
	*out = &r->chr;
	return 0;
}

/* --- a socket --- */

static void client_comes(void *ctx, uint32_t events)
{
	static const char busy[] = "vireo: this console has a client already; try again when it has gone\r\n";
	struct remote *r = ctx;
	int fd = unix_acceptor_take(&r->acceptor);
	struct err err;

	(void)events;
	if (fd < 0)
		return;
	if (r->peer.fd >= 0) {
		(void)!send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
	} else if (remote_attach(r, fd, &err) < 0) {
		log_warn("%s: %s: %s", r->name, r->path, err.text);
		close(fd);
	}
}

int remote_socket_create(struct chardev **out, const char *name, const char *path, struct loop *loop,
			 struct err *err)
{
	struct remote *r = remote_new(name, loop, err);
	struct err cause;
	int ret;

	if (!r)
		return -ENOMEM;
	r->path = path;
	r->is_socket = true;
	ret = unix_listen(&r->listener, path, ACCESSPERMS, &cause);
	if (ret < 0) {
		*err = cause;
		snprintf(err->text, sizeof(err->text), "%s: %.700s", name, cause.text);
	} else {
		ret = unix_acceptor_start(&r->acceptor, loop, r->listener.fd, r->path, client_comes, r, err);
		if (ret < 0)
			unix_unlisten(&r->listener);
	}
	if (ret < 0) {
		remote_console_destroy(&r->chr, false);
		return ret;
	}
	*out = &r->chr;
	return 0;
}

/* --- a file --- */

int remote_file_create(struct chardev **out, const char *name, const char *path, struct loop *loop,
		       struct err *err)
{
	struct remote *r = remote_new(name, loop, err);
	int fd, ret;

	if (!r)
		return -ENOMEM;
	r->path = path;
	r->is_lossless = true;
	r->in_done = true;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (fd < 0)
		ret = err_place(err, errno,
				errno == ENXIO ? "a FIFO that nobody reads: start its reader first" : NULL,
				"%s: %s", name, path);
	else
		ret = remote_attach(r, fd, err);
	if (ret < 0) {
		if (fd >= 0)
			close(fd);
		remote_console_destroy(&r->chr, false);
		return ret;
	}
	*out = &r->chr;
	return 0;
}
