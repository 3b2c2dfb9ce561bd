// SPDX-License-Identifier: BSD-2-Clause
#include "host/port_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LOG_AREA AREA_CONSOLE
#include "kvm/log.h"

struct port_file {
	struct chardev chr; /* first */
	struct loop *loop;
	struct loop_source file;
	const char *path;
	bool is_watched; /* it is a file that can be waited for */
	bool is_lost;    /* it cannot be written any more: output is dropped */
};

/* A FIFO whose reader had gone may have another. */
static bool watch_again(struct port_file *pf)
{
	struct err ignored;

	if (!pf->is_watched)
		pf->is_watched = loop_add(pf->loop, &pf->file, 0, &ignored) == 0;
	return pf->is_watched;
}

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct port_file *pf = (struct port_file *)chr;
	size_t written = 0;

	while (!pf->is_lost && written < len) {
		ssize_t n = write(pf->file.fd, buf + written, len - written);

		if (n >= 0) {
			written += (size_t)n;
		} else if (errno == EAGAIN && watch_again(pf)) {
			loop_change(pf->loop, &pf->file, EPOLLOUT);
			return written;
		} else if (errno != EINTR) {
			log_warn("%s cannot be written any more (%s); the guest's output to it is dropped",
				 pf->path, strerrordesc_np(errno));
			pf->is_lost = true;
		}
	}
	return len;
}

static void stop_watching(struct port_file *pf)
{
	if (pf->is_watched)
		loop_remove(pf->loop, &pf->file);
	pf->is_watched = false;
}

static void file_ready(void *ctx, uint32_t events)
{
	struct port_file *pf = ctx;

	/* An error shows in the next write; it must not come here again and again. */
	if (events & (EPOLLERR | EPOLLHUP))
		stop_watching(pf);
	else
		loop_change(pf->loop, &pf->file, 0);
	if (pf->chr.writable)
		pf->chr.writable(pf->chr.ctx);
}

static void destroy(struct chardev *chr)
{
	struct port_file *pf = (struct port_file *)chr;

	stop_watching(pf);
	close(pf->file.fd);
	free(pf);
}

static const struct chardev_ops file_ops = {
	.put = put,
	.get = chardev_get_nothing,
	.destroy = destroy,
};

int port_file_create(struct chardev **out, const char *path, struct loop *loop, struct err *err)
{
	struct port_file *pf = calloc(1, sizeof(*pf));
	int fd, ret;

	if (!pf)
		return err_host(err, ENOMEM, "%s", path);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (fd < 0) {
		ret = err_place(err, errno,
				errno == ENXIO ? "a FIFO that nobody reads: start its reader first" : NULL,
				"%s", path);
		free(pf);
		return ret;
	}
	pf->chr.ops = &file_ops;
	pf->chr.connected = true;
	pf->loop = loop;
	pf->path = path;
	pf->file = (struct loop_source){ .fd = fd, .ready = file_ready, .ctx = pf };
	ret = loop_add(loop, &pf->file, 0, err);
	pf->is_watched = !ret;
	if (ret < 0 && ret != -EPERM) { /* that is a file which is always ready */
		destroy(&pf->chr);
		return ret;
	}
	*out = &pf->chr;
	return 0;
}
