// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/consoles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/remote_console.h"
#include "vmm/outfile.h"

/* --- the log --- */

static void on_heard(void *ctx, const char *name, const uint8_t *bytes, size_t len)
{
	struct consoles *c = ctx;

	console_log_put(c->log, name, bytes, len);
}

static int open_log(struct consoles *c, struct loop *loop, struct err *err)
{
	const char *path = c->cfg->console_log;
	int ret = outfile_check_append("console-log", path, c->cfg, err);

	if (ret < 0 || c->cfg->dry_run)
		return ret;
	c->log_fd = outfile_open_append("console-log", path, err);
	if (c->log_fd < 0)
		return c->log_fd;
	ret = console_log_open(&c->log, c->log_fd, path, &loop->clock, err);
	if (ret < 0) {
		close(c->log_fd);
		c->log_fd = -1;
	}
	return ret;
}

/* Puts the log's tap before what a console is connected to, which may be nothing. */
static int tap(struct consoles *c, struct console_place *place, struct loop *loop, struct chardev **chr,
	       struct err *err)
{
	int ret;

	if (!*chr) {
		place->nowhere = (struct chardev){ .ops = &chardev_nowhere_ops, .connected = true };
		*chr = &place->nowhere;
	}
	ret = console_tap_init(&place->tap, *chr, place->name, loop, on_heard, c, err);
	if (ret < 0)
		return ret;
	place->has_tap = true;
	*chr = &place->tap.chr;
	return 0;
}

/* --- all of them --- */

/* A dry run makes what goes away again, a socket, and of a file it only asks whether it could be written. */
static int open_remote(struct console_place *place, const char *option, const char *where,
		       const struct vm_config *cfg, struct loop *loop, struct err *err)
{
	int ret;

	if (!where || !strcmp(where, "null"))
		return 0;
	if (!strcmp(where, "pty"))
		return cfg->dry_run ? 0 : remote_pty_create(&place->remote, place->name, loop, err);
	if (!strncmp(where, "socket=", 7))
		return remote_socket_create(&place->remote, place->name, where + 7, loop, err);
	ret = outfile_check_append(option, where + 5, cfg, err);
	return ret < 0 || cfg->dry_run
		       ? ret
		       : remote_file_create(&place->remote, place->name, where + 5, loop, err);
}

/* Standard input and output come last: a terminal is raw from then on. */
static int open_all(struct consoles *c, struct loop *loop, void (*quit)(void *ctx), void *ctx,
		    struct chardev **serial, struct chardev **hvc, struct err *err)
{
	enum console_choice choice = config_console(c->cfg);
	int ret = open_remote(&c->serial, "serial", c->cfg->serial, c->cfg, loop, err);

	if (!ret)
		ret = open_remote(&c->hvc, "hvc", c->cfg->hvc, c->cfg, loop, err);
	if (!ret && c->cfg->console_log)
		ret = open_log(c, loop, err);
	if (!ret && choice != CONSOLE_NULL && !c->cfg->dry_run) {
		ret = console_init(&c->stdio, loop, choice != CONSOLE_SERIAL, quit, ctx, err);
		c->has_stdio = !ret;
	}
	if (ret < 0)
		return ret;
	if (c->has_stdio && c->cfg->escape)
		c->stdio.escape_key = console_escape_from_text(c->cfg->escape);
	*serial = c->has_stdio && choice != CONSOLE_VIRTIO ? &c->stdio.serial.chr : c->serial.remote;
	*hvc = c->has_stdio && choice != CONSOLE_SERIAL ? &c->stdio.virtio.chr : c->hvc.remote;
	if (c->log)
		ret = tap(c, &c->serial, loop, serial, err);
	if (!ret && c->log && config_has_hvc(c->cfg))
		ret = tap(c, &c->hvc, loop, hvc, err);
	return ret;
}

int consoles_open(struct consoles *c, const struct vm_config *cfg, struct loop *loop, void (*quit)(void *ctx),
		  void *ctx, struct chardev **serial, struct chardev **hvc, struct err *err)
{
	struct err ignored;
	int ret;

	memset(c, 0, sizeof(*c));
	c->cfg = cfg;
	c->log_fd = -1;
	c->serial.name = "ttyS0";
	c->hvc.name = "hvc0";
	ret = open_all(c, loop, quit, ctx, serial, hvc, err);
	if (ret < 0)
		consoles_close(c, false, &ignored);
	return ret;
}

static void close_place(struct console_place *place, bool patient)
{
	if (place->remote)
		remote_console_destroy(place->remote, patient);
	place->remote = NULL;
}

int consoles_close(struct consoles *c, bool patient, struct err *err)
{
	int ret = 0;

	if (c->hvc.has_tap)
		console_tap_finish(&c->hvc.tap);
	if (c->serial.has_tap)
		console_tap_finish(&c->serial.tap);
	if (c->has_stdio)
		console_finish(&c->stdio, patient);
	close_place(&c->hvc, patient);
	close_place(&c->serial, patient);
	if (c->log)
		ret = console_log_close(c->log, err);
	if (c->log_fd >= 0)
		close(c->log_fd);
	return ret;
}

static const char *where(const struct console_place *place, bool here)
{
	if (here)
		return "here";
	return place->remote ? remote_console_path(place->remote) : "nowhere";
}

void consoles_describe(const struct consoles *c, char *text, size_t size)
{
	enum console_choice choice = config_console(c->cfg);
	int len = snprintf(text, size, "ttyS0 is %s",
			   where(&c->serial, choice == CONSOLE_SERIAL || choice == CONSOLE_BOTH));

	if (config_has_hvc(c->cfg) && len > 0 && (size_t)len < size)
		snprintf(text + len, size - (size_t)len, ", hvc0 %s",
			 where(&c->hvc, choice == CONSOLE_VIRTIO || choice == CONSOLE_BOTH));
}
