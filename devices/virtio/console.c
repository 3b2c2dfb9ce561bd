// SPDX-License-Identifier: BSD-2-Clause
/*
 * The console device (Virtual I/O Device (VIRTIO) Version 1.2, "Console Device").
 *
 * Neither direction has a buffer here. Output that the host has no room for stays in the guest's queue, and
 * input that the guest has no buffers for stays with the host: each side waits for the other, nothing is
 * dropped, and memory is bounded.
 */
#include "devices/virtio/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOG_AREA AREA_CONSOLE
#include "kvm/log.h"

/* "Feature bits". */
#define F_SIZE      (1ULL << 0)
#define F_MULTIPORT (1ULL << 1)

/* "Device configuration layout". */
enum {
	CONFIG_COLUMNS = 0, /* 16 bits, as the next one */
	CONFIG_ROWS = 2,
	CONFIG_MAX_PORTS = 4, /* 32 bits */
	CONFIG_SIZE = 8,
};

/* "Virtqueues". Those of port 0 are 0 and 1, of port n > 0 2n + 2 and 2n + 3: to the guest, and from it. */
enum {
	QUEUE_TO_GUEST = 0,
	QUEUE_FROM_GUEST = 1,
	QUEUE_CONTROL_TO_GUEST = 2,
	QUEUE_CONTROL_FROM_GUEST = 3,
};

#define QUEUE_SIZE 128

/* "Multiport Device Operation". */
enum {
	DEVICE_READY = 0,
	DEVICE_ADD = 1,
	PORT_READY = 3,
	PORT_OPEN = 6,
	PORT_NAME = 7,
};

struct control {
	uint32_t port;
	uint16_t event, value;
};

/* What the guest is yet to be told of a port, in this order. */
enum {
	TELL_ADD = 1,
	TELL_NAME = 2,
	TELL_CLOSED = 4,
	TELL_OPEN = 8,
};

#define PIECE 4096u /* bytes that are moved at once */

/* Bytes and chains that are dealt with before others get their turn. */
#define TURN 65536u

struct console;

struct port {
	struct console *con;
	struct chardev *chr;
	const char *name;

	/* Under vdev.lock. */
	uint64_t sent;   /* bytes of the first chain of the queue from the guest that the host has taken */
	bool blocked;    /* the host has no room, and will tell */
	bool input;      /* the host may have input */
	bool connected;  /* as the host said last */
	bool ready;      /* the guest has the port set up */
	bool guest_open; /* somebody in the guest reads from it, as far as can be known */
	unsigned int tell;
};

struct console {
	struct virtio_device vdev;
	bool multiport; /* a set of ports; else a console */
	bool ready;     /* under vdev.lock: the guest listens to control messages */
	unsigned int nr_ports;
	struct port port[];
};

static unsigned int queue_to_guest(const struct port *port)
{
	unsigned int index = (unsigned int)(port - port->con->port);

	return index ? 2 * index + 2 : QUEUE_TO_GUEST;
}

static unsigned int queue_from_guest(const struct port *port)
{
	return queue_to_guest(port) + 1;
}

/* A driver that knows nothing of ports has no use for a set of them. */
static bool is_usable(const struct console *con, unsigned int queue)
{
	const struct virtio_device *vdev = &con->vdev;

	return virtio_is_live(vdev) && vdev->queue[queue].ready &&
	       (!con->multiport || virtio_has(vdev, F_MULTIPORT));
}

/* --- data --- */

/* Fills a chain with input. False: there is none; the chain was not used. */
static bool get_chain(struct port *port, const struct virtq_chain *chain, unsigned int *turn)
{
	struct virtq *q = &port->con->vdev.queue[queue_to_guest(port)];
	uint8_t buf[PIECE];
	size_t room = chain->write_size < sizeof(buf) ? (size_t)chain->write_size : sizeof(buf);
	size_t got = room ? port->chr->ops->get(port->chr, buf, room) : 0;

	port->input = got == room; /* else until readable() */
	if (room && !got)
		return false;
	*turn -= got < *turn ? (unsigned int)got : *turn;
	virtq_push(q, chain->head, (uint32_t)iov_write(chain_in(chain), chain->nr_write, 0, buf, got));
	return true;
}

/*
 * From the host to the guest. A port that nobody in the guest has open drops what it is sent: so it waits
 * with the host. Without input, notifications are off.
 */
static void receive(struct port *port)
{
	struct virtio_device *vdev = &port->con->vdev;
	unsigned int index = queue_to_guest(port), turn = TURN;
	struct virtq *q = &vdev->queue[index];
	struct iovec iov[QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = QUEUE_SIZE };
	bool any = false;

	if (!is_usable(port->con, index))
		return;
	virtq_disable_notify(q);
	if (!port->guest_open)
		return;
	do {
		while (turn && port->input && virtio_pop(vdev, index, &chain)) {
			turn--;
			if (get_chain(port, &chain, &turn))
				any = true;
			else
				virtq_unpop(q, 1);
		}
	} while (turn && port->input && virtio_is_live(vdev) && virtq_enable_notify(q));
	if (any)
		virtio_signal(vdev, index);
	if (!turn)
		vdev->notify(vdev, index);
}

/*
 * A console has no message that says when its driver begins to read, and Linux's drops what comes earlier. Its
 * first output says so, and so does who types: what was piped to the console before waits for one of them.
 */
static void begin_input(struct port *port)
{
	if (port->con->multiport || port->guest_open)
		return;
	port->guest_open = true;
	receive(port);
}

/* Hands a chain on. False: not all of it, because there is no room or the turn is over. */
static bool put_chain(struct port *port, const struct virtq_chain *chain, unsigned int *turn)
{
	uint8_t buf[PIECE];
	size_t len, taken;

	while (*turn && (len = iov_read(chain->iov, chain->nr_read, port->sent, buf, sizeof(buf)))) {
		taken = port->chr->ops->put(port->chr, buf, len);
		port->sent += taken;
		*turn -= taken < *turn ? (unsigned int)taken : *turn;
		port->blocked = taken < len;
		if (port->blocked)
			return false;
	}
	if (port->sent < chain->read_size)
		return false;
	port->sent = 0;
	return true;
}

/* From the guest to the host. While that has no room, notifications are off. */
static void transmit(struct port *port)
{
	struct virtio_device *vdev = &port->con->vdev;
	unsigned int index = queue_from_guest(port), turn = TURN;
	struct virtq *q = &vdev->queue[index];
	struct iovec iov[QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = QUEUE_SIZE };
	bool any = false;

	if (!is_usable(port->con, index) || port->blocked)
		return;
	virtq_disable_notify(q);
	do {
		while (turn && !port->blocked && virtio_pop(vdev, index, &chain)) {
			turn--;
			if (!put_chain(port, &chain, &turn)) {
				virtq_unpop(q, 1);
				continue;
			}
			virtq_push(q, chain.head, 0);
			any = true;
		}
	} while (turn && !port->blocked && virtio_is_live(vdev) && virtq_enable_notify(q));
	if (any)
		virtio_signal(vdev, index);
	if (!turn)
		vdev->notify(vdev, index);
	if (any)
		begin_input(port);
}

/* --- control messages --- */

static const struct port *port_to_tell(const struct console *con)
{
	for (unsigned int i = 0; i < con->nr_ports; i++)
		if (con->port[i].tell)
			return &con->port[i];
	return NULL;
}

/* The next message on the port; returns its length. */
static size_t make_message(struct port *port, uint8_t message[sizeof(struct control) + CONSOLE_NAME_MAX])
{
	struct control c = { .port = (uint32_t)(port - port->con->port) };
	unsigned int what = port->tell & -port->tell;
	size_t len = sizeof(c);

	port->tell &= ~what;
	if (what == TELL_ADD) {
		c.event = DEVICE_ADD;
	} else if (what == TELL_NAME) {
		c.event = PORT_NAME;
		c.value = 1;
		memcpy(message + len, port->name, strlen(port->name));
		len += strlen(port->name);
	} else {
		c.event = PORT_OPEN;
		c.value = what == TELL_OPEN;
	}
	memcpy(message, &c, sizeof(c));
	return len;
}

/*
 * What is to be told is kept as bits, not as messages: a guest that gives no buffers for them does not make
 * them pile up.
 */
static void tell_guest(struct console *con)
{
	struct virtq *q = &con->vdev.queue[QUEUE_CONTROL_TO_GUEST];
	uint8_t message[sizeof(struct control) + CONSOLE_NAME_MAX];
	struct iovec iov[QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = QUEUE_SIZE };
	struct port *port;
	bool any = false;

	if (!is_usable(con, QUEUE_CONTROL_TO_GUEST))
		return;
	virtq_disable_notify(q);
	do {
		while ((port = (struct port *)port_to_tell(con)) &&
		       virtio_pop(&con->vdev, QUEUE_CONTROL_TO_GUEST, &chain)) {
			size_t len = make_message(port, message);

			if (chain.write_size < len) {
				virtio_broken(&con->vdev,
					      "a control message of %zu bytes has no room in %llu", len,
					      (unsigned long long)chain.write_size);
				return;
			}
			iov_write(chain_in(&chain), chain.nr_write, 0, message, len);
			virtq_push(q, chain.head, (uint32_t)len);
			any = true;
		}
	} while (port && virtio_is_live(&con->vdev) && virtq_enable_notify(q));
	if (any)
		virtio_signal(&con->vdev, QUEUE_CONTROL_TO_GUEST);
}

static void take_message(struct console *con, const struct control *c)
{
	struct port *port = c->port < con->nr_ports ? &con->port[c->port] : NULL;

	if (c->event == DEVICE_READY && c->value && !con->ready) {
		con->ready = true;
		for (unsigned int i = 0; i < con->nr_ports; i++)
			con->port[i].tell = TELL_ADD;
	} else if (c->event == PORT_READY && port && con->ready && c->value && !port->ready) {
		port->ready = true;
		port->tell |= TELL_NAME | (port->connected ? TELL_OPEN : 0);
	} else if (c->event == PORT_OPEN && port && con->ready) {
		port->guest_open = c->value;
		receive(port);
	} else {
		log_debug_once("%s: a control message that means nothing: port %u, event %u, value %u",
			       con->vdev.name, c->port, c->event, c->value);
	}
}

static void listen_to_guest(struct console *con)
{
	struct virtq *q = &con->vdev.queue[QUEUE_CONTROL_FROM_GUEST];
	struct iovec iov[QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = QUEUE_SIZE };
	unsigned int turn = QUEUE_SIZE;
	struct control c;

	virtq_disable_notify(q);
	do {
		for (; turn && virtio_pop(&con->vdev, QUEUE_CONTROL_FROM_GUEST, &chain); turn--) {
			if (iov_read(chain.iov, chain.nr_read, 0, &c, sizeof(c)) == sizeof(c))
				take_message(con, &c);
			virtq_push(q, chain.head, 0);
		}
	} while (turn && virtio_is_live(&con->vdev) && virtq_enable_notify(q));
	if (turn < QUEUE_SIZE)
		virtio_signal(&con->vdev, QUEUE_CONTROL_FROM_GUEST);
	if (!turn)
		con->vdev.notify(&con->vdev, QUEUE_CONTROL_FROM_GUEST);
	tell_guest(con);
}

/* --- the host's side: the main loop's thread --- */

static void on_readable(void *ctx)
{
	struct port *port = ctx;

	pthread_mutex_lock(&port->con->vdev.lock);
	port->input = true;
	if (virtio_is_live(&port->con->vdev))
		begin_input(port);
	receive(port);
	pthread_mutex_unlock(&port->con->vdev.lock);
}

static void on_writable(void *ctx)
{
	struct port *port = ctx;

	pthread_mutex_lock(&port->con->vdev.lock);
	port->blocked = false;
	transmit(port);
	pthread_mutex_unlock(&port->con->vdev.lock);
}

/* Each end of a connection is told, unless its beginning was not told yet: then neither was. */
static void take_connection(struct port *port)
{
	if (port->connected == port->chr->connected)
		return;
	port->connected = port->chr->connected;
	if (!port->ready)
		return;
	if (port->connected)
		port->tell |= TELL_OPEN;
	else if (port->tell & TELL_OPEN)
		port->tell &= ~(unsigned int)TELL_OPEN;
	else
		port->tell |= TELL_CLOSED;
	tell_guest(port->con);
}

static bool take_size(struct console *con)
{
	const struct chardev *chr = con->port[0].chr;
	const uint16_t size[] = { chr->columns, chr->rows };

	if (!memcmp(con->vdev.config + CONFIG_COLUMNS, size, sizeof(size)))
		return false;
	memcpy(con->vdev.config + CONFIG_COLUMNS, size, sizeof(size));
	return true;
}

static void on_changed(void *ctx)
{
	struct port *port = ctx;
	struct console *con = port->con;

	pthread_mutex_lock(&con->vdev.lock);
	if (con->multiport)
		take_connection(port);
	else if (take_size(con))
		virtio_config_changed(&con->vdev);
	pthread_mutex_unlock(&con->vdev.lock);
}

/* --- the class --- */

static void console_kick(struct virtio_device *vdev, unsigned int index)
{
	struct console *con = (struct console *)vdev;
	unsigned int number = index < 2 ? 0 : index / 2 - 1;

	if (!is_usable(con, index))
		return;
	if (con->multiport && index == QUEUE_CONTROL_TO_GUEST)
		tell_guest(con);
	else if (con->multiport && index == QUEUE_CONTROL_FROM_GUEST)
		listen_to_guest(con);
	else if (index % 2)
		transmit(&con->port[number]);
	else
		receive(&con->port[number]);
}

/* Linux looks at a console's size only when it is told of a new one. */
static void console_activate(struct virtio_device *vdev)
{
	if (virtio_has(vdev, F_SIZE))
		virtio_config_changed(vdev);
}

static void console_reset(struct virtio_device *vdev)
{
	struct console *con = (struct console *)vdev;

	con->ready = false;
	for (unsigned int i = 0; i < con->nr_ports; i++) {
		struct port *port = &con->port[i];

		port->sent = 0;
		port->blocked = port->ready = port->guest_open = false;
		port->input = true;
		port->tell = 0;
	}
}

static void console_destroy(struct virtio_device *vdev)
{
	struct console *con = (struct console *)vdev;

	for (unsigned int i = 0; i < con->nr_ports; i++) {
		struct chardev *chr = con->port[i].chr;

		chr->readable = chr->writable = chr->changed = NULL;
		chr->ctx = NULL;
		if (chr->ops->destroy)
			chr->ops->destroy(chr);
	}
	virtio_finish(vdev);
	free(vdev);
}

static const struct virtio_class console_class = {
	.name = "virtio-console",
	.id = VIRTIO_ID_CONSOLE,
	.activate = console_activate,
	.kick = console_kick,
	.reset = console_reset,
	.destroy = console_destroy,
};

static int create(struct console **out, const struct guest_mem *mem, const char *name,
		  const struct console_port *port, unsigned int nr_ports, bool multiport, struct err *err)
{
	struct console *con = calloc(1, sizeof(*con) + nr_ports * sizeof(con->port[0]));
	int ret;

	if (!con)
		return err_host(err, ENOMEM, "%s", name);
	ret = virtio_init(&con->vdev, &console_class, mem, name, multiport ? F_MULTIPORT : F_SIZE,
			  multiport ? 2 + 2 * nr_ports : 2, QUEUE_SIZE, CONFIG_SIZE, err);
	if (ret < 0) {
		free(con);
		return ret;
	}
	con->multiport = multiport;
	con->nr_ports = nr_ports;
	for (unsigned int i = 0; i < nr_ports; i++) {
		struct chardev *chr = port[i].chr;

		con->port[i] = (struct port){
			.con = con,
			.chr = chr,
			.name = port[i].name,
			.input = true, /* some may have come before us */
			.connected = chr->connected,
		};
		chr->readable = on_readable;
		chr->writable = on_writable;
		chr->changed = on_changed;
		chr->ctx = &con->port[i];
	}
	*out = con;
	return 0;
}

int virtio_console_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
			  struct chardev *chr, struct err *err)
{
	const struct console_port port = { .chr = chr };
	struct console *con;
	int ret = create(&con, mem, name, &port, 1, false, err);

	if (ret < 0)
		return ret;
	take_size(con);
	*out = &con->vdev;
	return 0;
}

int virtio_ports_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
			const struct console_port *port, unsigned int nr_ports, struct err *err)
{
	struct console *con;
	int ret = create(&con, mem, name, port, nr_ports, true, err);

	if (ret < 0)
		return ret;
	memcpy(con->vdev.config + CONFIG_MAX_PORTS, &nr_ports, sizeof(nr_ports));
	*out = &con->vdev;
	return 0;
}
