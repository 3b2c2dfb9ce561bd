// SPDX-License-Identifier: BSD-2-Clause
#include "host/port_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/terminal.h"
#include "kvm/log.h"

/* A write of at most this many bytes to a pipe that polls writable does not block (PIPE_BUF). */
#define CHUNK 4096u

struct port_fd {
	struct chardev chr; /* first */
	struct loop *loop;
	/* What is read or written. One-shot: else a hangup, which cannot be masked, would come again and again. */
	struct loop_source file;
	const char *what;
	bool is_watched; /* it can be waited for; else it is always ready */
	bool is_own;     /* a description of our own, which does not block */
	bool is_socket;
	bool is_over;            /* the end of input, or nobody reads the output */
	bool has_failed;         /* output: it is over, though there may be who reads it */
	struct clock_timer over; /* fires at once, when no lock of the model is held */
};

static void tell_over(void *ctx)
{
	struct port_fd *pf = ctx;

	if (pf->is_watched)
		loop_remove(pf->loop, &pf->file);
	pf->is_watched = false;
	pf->chr.connected = false;
	if (pf->chr.changed)
		pf->chr.changed(pf->chr.ctx);
}

static void end(struct port_fd *pf)
{
	pf->is_over = true;
	clock_timer_set(&pf->loop->clock, &pf->over, clock_monotonic(&pf->loop->clock));
}

/* What is not ours and may block is asked first. */
static bool would_block(const struct port_fd *pf, short events)
{
	struct pollfd pfd = { .fd = pf->file.fd, .events = events };

	return pf->is_watched && !pf->is_own && !pf->is_socket && poll(&pfd, 1, 0) == 0;
}

static ssize_t read_some(struct port_fd *pf, uint8_t *buf, size_t len)
{
	if (would_block(pf, POLLIN)) {
		errno = EAGAIN;
		return -1;
	}
	return pf->is_socket ? recv(pf->file.fd, buf, len, MSG_DONTWAIT) : read(pf->file.fd, buf, len);
}

static ssize_t write_some(struct port_fd *pf, const uint8_t *buf, size_t len)
{
	if (would_block(pf, POLLOUT)) {
		errno = EAGAIN;
		return -1;
	}
	if (len > CHUNK && !pf->is_own)
		len = CHUNK;
	return pf->is_socket ? send(pf->file.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL)
			     : write(pf->file.fd, buf, len);
}

/* Less than asked for only if no more is there now. */
static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct port_fd *pf = (struct port_fd *)chr;
	size_t got = 0;

	while (!pf->is_over && got < len) {
		ssize_t n = read_some(pf, buf + got, len - got);

		if (n > 0) {
			got += (size_t)n;
		} else if (n < 0 && errno == EAGAIN && pf->is_watched) {
			loop_change(pf->loop, &pf->file, EPOLLIN | EPOLLONESHOT);
			break;
		} else if (n == 0 || errno != EINTR) {
			end(pf); /* a terminal that is gone gives an error */
		}
	}
	return got;
}

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct port_fd *pf = (struct port_fd *)chr;
	size_t written = 0;

	while (!pf->is_over && written < len) {
		ssize_t n = write_some(pf, buf + written, len - written);

		if (n >= 0) {
			written += (size_t)n;
		} else if (errno == EAGAIN && pf->is_watched) {
			loop_change(pf->loop, &pf->file, EPOLLOUT | EPOLLONESHOT);
			return written;
		} else if (errno != EINTR) {
			pf->has_failed = errno != EPIPE; /* that is how a reader says that it has enough */
			if (pf->has_failed)
				log_error("%s cannot be written any more: %s", pf->what,
					  strerrordesc_np(errno));
			end(pf);
		}
	}
	return len;
}

static void input_ready(void *ctx, uint32_t events)
{
	struct port_fd *pf = ctx;

	(void)events; /* an error or a hangup shows in the read */
	if (pf->chr.readable)
		pf->chr.readable(pf->chr.ctx);
}

static void output_ready(void *ctx, uint32_t events)
{
	struct port_fd *pf = ctx;

	if (events & EPOLLOUT)
		loop_change(pf->loop, &pf->file, EPOLLONESHOT);
	else /* the reader is gone: the command need not write to find that out */
		end(pf);
	if (pf->chr.writable)
		pf->chr.writable(pf->chr.ctx);
}

static void destroy(struct chardev *chr)
{
	struct port_fd *pf = (struct port_fd *)chr;

	clock_timer_set(&pf->loop->clock, &pf->over, CLOCK_NEVER);
	if (pf->is_watched)
		loop_remove(pf->loop, &pf->file);
	if (pf->is_own)
		close(pf->file.fd);
	free(pf);
}

static const struct chardev_ops input_ops = { .put = chardev_put_nowhere, .get = get, .destroy = destroy };
static const struct chardev_ops output_ops = { .put = put, .get = chardev_get_nothing, .destroy = destroy };

/* Another description of the same pipe or terminal: O_NONBLOCK on the one we were given would be everybody's. */
static void open_own(struct port_fd *pf, int flags)
{
	char path[32];
	struct stat st;
	int own;

	if (fstat(pf->file.fd, &st) < 0)
		return;
	pf->is_socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pf->file.fd);
	own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return;
	pf->file.fd = own;
	pf->is_own = true;
}

static int create(struct chardev **out, int fd, const char *what, bool input, struct loop *loop,
		  struct err *err)
{
	struct port_fd *pf = calloc(1, sizeof(*pf));
	int ret;

	if (!pf)
		return err_host(err, ENOMEM, "%s", what);
	pf->chr.ops = input ? &input_ops : &output_ops;
	pf->chr.connected = true;
	pf->loop = loop;
	pf->what = what;
	pf->over = (struct clock_timer){ .fire = tell_over, .ctx = pf, .deadline = CLOCK_NEVER };
	pf->file = (struct loop_source){ .fd = fd, .ready = input ? input_ready : output_ready, .ctx = pf };
	/* A terminal in whose background we run would stop us for reading it: that is no input. */
	if (input && isatty(fd) && !terminal_is_ours(fd)) {
		end(pf);
		*out = &pf->chr;
		return 0;
	}
	open_own(pf, input ? O_RDONLY : O_WRONLY);
	ret = loop_add(loop, &pf->file, EPOLLONESHOT | (input ? (uint32_t)EPOLLIN : 0), err);
	pf->is_watched = !ret;
	if (ret < 0 && ret != -EPERM) { /* that is a file which is always ready */
		destroy(&pf->chr);
		return ret;
	}
	*out = &pf->chr;
	return 0;
}

int port_fd_create_input(struct chardev **out, int fd, struct loop *loop, struct err *err)
{
	return create(out, fd, "stdin", true, loop, err);
}

int port_fd_create_output(struct chardev **out, int fd, const char *what, struct loop *loop, struct err *err)
{
	return create(out, fd, what, false, loop, err);
}

bool port_fd_has_failed(const struct chardev *chr)
{
	return ((const struct port_fd *)chr)->has_failed;
}
