// SPDX-License-Identifier: BSD-2-Clause
/* --console virtio: hvc0 on standard input and output. --port: named ports of a device of their own. */
#include <errno.h>
#include <string.h>

#include "devices/virtio/console.h"
#include "host/port_file.h"
#include "host/port_socket.h"
#include "host/unix_listen.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

extern const struct device_kind port_kind;

/* --- hvc0 --- */

static int hvc_create(struct virtio_device **out, const struct device_config *dc,
		      const struct device_place *place, struct err *err)
{
	static struct chardev nobody = { .ops = &chardev_nowhere_ops }; /* in a dry run */
	struct chardev *chr = place->vm->hvc ? place->vm->hvc : &nobody;

	(void)dc;
	return virtio_console_create(out, &place->vm->mem, place->name, chr, err);
}

static const struct device_kind hvc_kind = {
	.name = "console",
	.create = hvc_create,
};

const struct device_config hvc_device = { .kind = &hvc_kind, .id = "hvc0" };

/* --- exec's ports: vm->ports, whose chardevs are exec's --- */

static int exec_create(struct virtio_device **out, const struct device_config *dc,
		       const struct device_place *place, struct err *err)
{
	const struct vm *vm = place->vm;

	(void)dc;
	return virtio_ports_create(out, &vm->mem, place->name, vm->ports, vm->nr_ports, err);
}

static const struct device_kind exec_kind = {
	.name = "streams",
	.create = exec_create,
};

const struct device_config exec_device = { .kind = &exec_kind, .id = "exec" };

/* --- ports --- */

struct port_config {
	struct device_config dc;
	char *name, *socket, *file;
};

#define PLATFORMS (1u << PLATFORM_PC | 1u << PLATFORM_ARM)

static const struct option port_keys[] = {
	{ .name = "name",
	  .type = OPTION_TEXT,
	  .placeholder = "NAME",
	  .offset = offsetof(struct port_config, name),
	  .platforms = PLATFORMS,
	  .help = "what the guest knows it by: /dev/virtio-ports/NAME; if not given, the id" },
	{ .name = "socket",
	  .type = OPTION_FILE,
	  .placeholder = "PATH",
	  .offset = offsetof(struct port_config, socket),
	  .socket = UNIX_PATH_MAX_LENGTH,
	  .platforms = PLATFORMS,
	  .help = "listen at this socket, for one client at a time" },
	{ .name = "file",
	  .type = OPTION_FILE,
	  .output = true,
	  .placeholder = "PATH",
	  .offset = offsetof(struct port_config, file),
	  .platforms = PLATFORMS,
	  .help = "append what the guest writes to this file" },
	{ .name = NULL },
};

static const char *port_name(const struct port_config *pc)
{
	return pc->name ? pc->name : pc->dc.id;
}

/* The next port behind `dc`, or NULL. */
static const struct device_config *next_port(const struct device_config *dc)
{
	do
		dc = dc->next;
	while (dc && dc->kind != &port_kind);
	return dc;
}

static int port_check(const struct device_config *dc, struct err *err)
{
	const struct port_config *pc = (const struct port_config *)dc;
	const char *name = port_name(pc);
	unsigned int count = 1;

	if (!*name || strlen(name) > CONSOLE_NAME_MAX || strchr(name, '/'))
		return device_error(err, dc,
				    "name: \"%s\" is not allowed; allowed are 1 to %d bytes without \"/\"",
				    quote(name).text, CONSOLE_NAME_MAX);
	if (!pc->socket == !pc->file)
		return device_error(err, dc, "one of socket=PATH and file=PATH is needed");
	for (const struct device_config *other = next_port(dc); other; other = next_port(other)) {
		if (++count > CONSOLE_MAX_PORTS)
			return device_error(err, other, "a VM has %d ports at most", CONSOLE_MAX_PORTS);
		if (!strcmp(name, port_name((const struct port_config *)other)))
			return device_error(err, other, "name: port %s is called \"%s\" already", dc->id,
					    quote(name).text);
	}
	return 0;
}

static int open_port(struct console_port *port, const struct port_config *pc, struct loop *loop,
		     struct err *err)
{
	struct err cause;
	int ret;

	port->name = port_name(pc);
	ret = pc->socket ? port_socket_create(&port->chr, pc->socket, loop, &cause)
			 : port_file_create(&port->chr, pc->file, loop, &cause);
	if (ret >= 0)
		return 0;
	device_error(err, &pc->dc, "%s", cause.text);
	err->kind = cause.kind;
	return ret;
}

/* The first port's: all of them are one device, and port_check() has seen that they are not too many. */
static int port_create(struct virtio_device **out, const struct device_config *dc,
		       const struct device_place *place, struct err *err)
{
	struct console_port port[CONSOLE_MAX_PORTS];
	unsigned int count = 0;
	int ret = 0;

	for (; dc && !ret; dc = next_port(dc)) {
		ret = open_port(&port[count], (const struct port_config *)dc, place->loop, err);
		count += !ret;
	}
	if (!ret)
		ret = virtio_ports_create(out, &place->vm->mem, place->name, port, count, err);
	while (ret < 0 && count--)
		port[count].chr->ops->destroy(port[count].chr);
	return ret;
}

const struct device_kind port_kind = {
	.name = "port",
	.value_key = "name",
	.help = "a port of a virtio console, for a program in the guest",
	.joined = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct port_config),
	.keys = port_keys,
	.check = port_check,
	.create = port_create,
};
