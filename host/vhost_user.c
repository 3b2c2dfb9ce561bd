// SPDX-License-Identifier: BSD-2-Clause
#include "host/vhost_user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "devices/virtio/virtio.h"
#define LOG_AREA AREA_VIRTIO
#include "kvm/log.h"

#define PATIENCE 10 /* seconds: how long an answer may take before the VM runs; then it is worth a line */

#define MAX_REGIONS 8 /* "Memory regions description": without asking, a back end may refuse more */

#define F_PROTOCOL_FEATURES (1ULL << 30) /* "Communication": a feature bit that no driver knows of */

/* "Front-end message types". */
enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
	SET_CONFIG = 25,
	RESET_DEVICE = 34,
};

static const char *const request_names[] = {
	[GET_FEATURES] = "GET_FEATURES",
	[SET_FEATURES] = "SET_FEATURES",
	[SET_OWNER] = "SET_OWNER",
	[SET_MEM_TABLE] = "SET_MEM_TABLE",
	[SET_VRING_NUM] = "SET_VRING_NUM",
	[SET_VRING_ADDR] = "SET_VRING_ADDR",
	[SET_VRING_BASE] = "SET_VRING_BASE",
	[GET_VRING_BASE] = "GET_VRING_BASE",
	[SET_VRING_KICK] = "SET_VRING_KICK",
	[SET_VRING_CALL] = "SET_VRING_CALL",
	[SET_VRING_ERR] = "SET_VRING_ERR",
	[GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
	[SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
	[GET_QUEUE_NUM] = "GET_QUEUE_NUM",
	[SET_VRING_ENABLE] = "SET_VRING_ENABLE",
	[GET_CONFIG] = "GET_CONFIG",
	[SET_CONFIG] = "SET_CONFIG",
	[RESET_DEVICE] = "RESET_DEVICE",
};

/* "Header" and "Payload"; everything in the machine's own byte order. */
enum {
	VERSION = 1,
	VERSION_MASK = 3,
	REPLY = 1 << 2,
	NEED_REPLY = 1 << 3,
};

struct header {
	uint32_t request, flags, size;
};

struct vring_state {
	uint32_t index, num;
};

struct vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct region {
	uint64_t guest, size, user, offset;
};

struct mem_table {
	uint32_t count, padding;
	struct region region[MAX_REGIONS];
};

struct config {
	uint32_t offset, size, flags;
	uint8_t bytes[VHOST_USER_MAX_CONFIG];
};

struct message {
	struct header header;
	union {
		uint64_t u64;
		struct vring_state state;
		struct vring_addr addr;
		struct mem_table memory;
		struct config config;
	};
} __attribute__((packed, aligned(4)));

#define CONFIG_HEADER 12u

/* --- the connection --- */

/* Who else is reported to knows the name itself. */
static const char *prefix(const struct vhost_user *vu)
{
	return vu->started ? "" : vu->name;
}

/* The connection is of no use any more. `code` 0: what the back end says is wrong. */
static int lost(struct vhost_user *vu, struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int lost(struct vhost_user *vu, struct err *err, int code, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vu->dead = true;
	shutdown(vu->fd, SHUT_RDWR); /* it is to see that nobody talks to it any more */
	if (code)
		return err_host(err, code, "%svhost-user: %s", prefix(vu), text);
	err_host_text(err, "%svhost-user: %s", prefix(vu), text);
	return -EPROTO;
}

/* One call of send or recv did not do: is it to be tried again? */
static int again(struct vhost_user *vu, const struct header *about, bool *told, struct err *err)
{
	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return lost(vu, err, errno, "%s", request_names[about->request]);
	if (!vu->started)
		return lost(vu, err, ETIMEDOUT, "no answer to %s", request_names[about->request]);
	/* A reset may have to wait for a disk; the guest waits with it. */
	if (!*told)
		log_warn("%svhost-user: waiting for the back end's answer to %s", vu->name,
			 request_names[about->request]);
	*told = true;
	return 0;
}

static int send_message(struct vhost_user *vu, struct message *m, const int *fds, unsigned int nr_fds,
			struct err *err)
{
	union {
		char bytes[CMSG_SPACE(MAX_REGIONS * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(m->header) + m->header.size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool told = false;
	int ret;

	if (nr_fds) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	while (iov.iov_len) {
		ssize_t n = sendmsg(vu->fd, &msg, MSG_NOSIGNAL);

		if (n < 0) {
			ret = again(vu, &m->header, &told, err);
			if (ret < 0)
				return ret;
			continue;
		}
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL; /* descriptors go with the first byte */
		msg.msg_controllen = 0;
	}
	return 0;
}

static time_t seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* recv() and not recvmsg(): descriptors that come along are none that anybody asked for; the kernel drops them. */
static int receive_bytes(struct vhost_user *vu, const struct header *about, void *buf, size_t len,
			 struct err *err)
{
	time_t begun = seconds_now();
	bool told = false;
	int ret;

	for (size_t got = 0; got < len;) {
		ssize_t n = recv(vu->fd, (char *)buf + got, len - got, 0);

		if (n == 0)
			return lost(vu, err, 0, "the back end closed the connection at %s",
				    request_names[about->request]);
		if (n < 0) {
			ret = again(vu, about, &told, err);
			if (ret < 0)
				return ret;
			continue;
		}
		got += (size_t)n;
		/* One that sends a byte now and then does not keep the VM from starting either. */
		if (got < len && !vu->started && seconds_now() - begun > PATIENCE)
			return lost(vu, err, ETIMEDOUT, "no whole answer to %s",
				    request_names[about->request]);
	}
	return 0;
}

/* The reply to a request: exactly of the size that it must have. */
static int receive_reply(struct vhost_user *vu, enum request request, struct message *m, uint32_t size,
			 struct err *err)
{
	const struct header about = { .request = request };
	struct header h;
	int ret = receive_bytes(vu, &about, &h, sizeof(h), err);

	if (ret < 0)
		return ret;
	if (h.request != request || (h.flags & VERSION_MASK) != VERSION || !(h.flags & REPLY))
		return lost(vu, err, 0, "wrong answer to %s: message %u with flags %#x",
			    request_names[request], h.request, h.flags);
	if (h.size != size)
		return lost(vu, err, 0, "the answer to %s has %u bytes instead of %u", request_names[request],
			    h.size, size);
	m->header = h;
	return receive_bytes(vu, &about, &m->u64, size, err);
}

/* Sends a request and, where it has no reply of its own, waits for an acknowledgement if that is negotiated. */
static int request(struct vhost_user *vu, enum request request, struct message *m, uint32_t size,
		   const int *fds, unsigned int nr_fds, struct err *err)
{
	bool ack = vu->protocol & VHOST_USER_PROTOCOL_REPLY_ACK;
	struct message reply;
	int ret;

	if (vu->dead || vu->cancelled) {
		err_host(err, EPIPE, "%svhost-user: %s", prefix(vu), request_names[request]);
		return -EPIPE;
	}
	m->header = (struct header){ .request = request,
				     .flags = VERSION | (ack ? NEED_REPLY : 0),
				     .size = size };
	ret = send_message(vu, m, fds, nr_fds, err);
	if (ret < 0 || !ack)
		return ret;
	/* "VHOST_USER_PROTOCOL_F_REPLY_ACK": 0 is success. */
	ret = receive_reply(vu, request, &reply, sizeof(reply.u64), err);
	if (ret < 0)
		return ret;
	if (reply.u64)
		return lost(vu, err, 0, "the back end refuses %s", request_names[request]);
	return 0;
}

/* A request that has a reply, of `answer` bytes, which come in the same place. */
static int ask(struct vhost_user *vu, enum request request, struct message *m, uint32_t size, uint32_t answer,
	       struct err *err)
{
	int ret;

	if (vu->dead || vu->cancelled) {
		err_host(err, EPIPE, "%svhost-user: %s", prefix(vu), request_names[request]);
		return -EPIPE;
	}
	m->header = (struct header){ .request = request, .flags = VERSION, .size = size };
	ret = send_message(vu, m, NULL, 0, err);
	if (ret < 0)
		return ret;
	return receive_reply(vu, request, m, answer, err);
}

static int ask_u64(struct vhost_user *vu, enum request request, uint64_t *value, struct err *err)
{
	struct message m;
	int ret = ask(vu, request, &m, 0, sizeof(m.u64), err);

	if (!ret)
		*value = m.u64;
	return ret;
}

static int tell_u64(struct vhost_user *vu, enum request what, uint64_t value, struct err *err)
{
	struct message m = { .u64 = value };

	return request(vu, what, &m, sizeof(m.u64), NULL, 0, err);
}

static int tell_state(struct vhost_user *vu, enum request what, uint32_t index, uint32_t num, struct err *err)
{
	struct message m = { .state = { .index = index, .num = num } };

	return request(vu, what, &m, sizeof(m.state), NULL, 0, err);
}

/* Without acknowledgements: an answer to this comes after everything before was taken. */
static int settle(struct vhost_user *vu, struct err *err)
{
	uint64_t features;

	return vu->protocol & VHOST_USER_PROTOCOL_REPLY_ACK ? 0 : ask_u64(vu, GET_FEATURES, &features, err);
}

/* --- beginning --- */

int vhost_user_connect(int *fd, const char *name, const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_user(err, "%s: the path of a Unix socket has at most %zu bytes: %s", name,
				sizeof(addr.sun_path) - 1, path);
	strcpy(addr.sun_path, path);
	/* Not blocking: a program with too many clients waiting would keep this one from starting. */
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return err_host(err, errno, "%s: socket", name);
	if (connect(*fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int ret = err_host(err, errno, "%s: connecting to %s (start what listens at it first)", name,
				   path);

		close(*fd);
		*fd = -1;
		return ret;
	}
	return 0;
}

static int greet(struct vhost_user *vu, struct err *err)
{
	const uint64_t known = VHOST_USER_PROTOCOL_MQ | VHOST_USER_PROTOCOL_REPLY_ACK |
			       VHOST_USER_PROTOCOL_CONFIG | VHOST_USER_PROTOCOL_RESET_DEVICE;
	uint64_t protocol = 0, queues = 0;
	struct message m;
	int ret;

	ret = ask_u64(vu, GET_FEATURES, &vu->features, err);
	if (ret < 0)
		return ret;
	if (vu->features & F_PROTOCOL_FEATURES) {
		ret = ask_u64(vu, GET_PROTOCOL_FEATURES, &protocol, err);
		if (!ret)
			ret = tell_u64(vu, SET_PROTOCOL_FEATURES, protocol & known, err);
		if (ret < 0)
			return ret;
		vu->protocol = protocol & known;
	}
	if (vu->protocol & VHOST_USER_PROTOCOL_MQ) {
		ret = ask_u64(vu, GET_QUEUE_NUM, &queues, err);
		if (ret < 0)
			return ret;
		vu->max_queues = queues < VIRTIO_MAX_QUEUES ? (unsigned int)queues : VIRTIO_MAX_QUEUES;
		if (!vu->max_queues)
			return lost(vu, err, 0, "the back end has no queues");
	}
	return request(vu, SET_OWNER, &m, 0, NULL, 0, err);
}

int vhost_user_open(struct vhost_user **out, int fd, const char *name, struct err *err)
{
	const struct timeval patience = { .tv_sec = PATIENCE };
	struct vhost_user *vu = calloc(1, sizeof(*vu));
	int ret;

	if (!vu) {
		close(fd);
		return err_host(err, ENOMEM, "%s: vhost-user", name);
	}
	vu->fd = fd;
	snprintf(vu->name, sizeof(vu->name), "%s: ", name);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		ret = err_host(err, errno, "%svhost-user: setsockopt", vu->name);
	else
		ret = greet(vu, err);
	if (!ret && !(vu->features & VIRTIO_F_VERSION_1))
		ret = lost(vu, err, 0, "the back end knows only devices from before virtio 1.0");
	if (ret < 0) {
		vhost_user_close(vu);
		return ret;
	}
	*out = vu;
	return 0;
}

void vhost_user_close(struct vhost_user *vu)
{
	if (!vu)
		return;
	close(vu->fd);
	free(vu);
}

void vhost_user_cancel(struct vhost_user *vu)
{
	vu->cancelled = true;
	shutdown(vu->fd, SHUT_RDWR);
}

/* --- configuration space --- */

int vhost_user_get_config(struct vhost_user *vu, void *config, unsigned int size, struct err *err)
{
	struct message m = { .config = { .size = size } };
	int ret;

	if (!(vu->protocol & VHOST_USER_PROTOCOL_CONFIG) || size > VHOST_USER_MAX_CONFIG) {
		err_host_text(err, "%svhost-user: the back end does not give %u bytes of configuration space",
			      prefix(vu), size);
		return -EPROTO;
	}
	ret = ask(vu, GET_CONFIG, &m, CONFIG_HEADER + size, CONFIG_HEADER + size, err);
	if (ret < 0)
		return ret;
	if (m.config.offset != 0 || m.config.size != size)
		return lost(vu, err, 0, "%u bytes of configuration space at %u instead of %u at 0",
			    m.config.size, m.config.offset, size);
	memcpy(config, m.config.bytes, size);
	return 0;
}

int vhost_user_set_config(struct vhost_user *vu, unsigned int offset, const void *data, unsigned int len,
			  struct err *err)
{
	struct message m = { .config = { .offset = offset, .size = len } };
	int ret;

	if (!(vu->protocol & VHOST_USER_PROTOCOL_CONFIG) || len > VHOST_USER_MAX_CONFIG)
		return 0;
	memcpy(m.config.bytes, data, len);
	ret = request(vu, SET_CONFIG, &m, CONFIG_HEADER + len, NULL, 0, err);
	return ret < 0 ? ret : settle(vu, err);
}

/* --- queues --- */

/* A back end maps all memory for writing, so that a range that is not for that cannot be given to it. */
static bool is_shared(const struct guest_range *r)
{
	return r->fd >= 0 && !r->read_only;
}

int vhost_user_check_memory(const struct guest_mem *mem, const char *name, struct err *err)
{
	unsigned int ram = 0, windows = 0;

	for (unsigned int i = 0; i < mem->count; i++) {
		if (is_shared(&mem->range[i]))
			*(mem->range[i].is_window ? &windows : &ram) += 1;
	}
	if (ram + windows <= MAX_REGIONS)
		return 0;
	return err_user(
		err,
		"%s: the program behind it can see %d pieces of memory at most, and here are %u: %u of RAM "
		"and %u with --pmem; at most %u may be without \"ro\"",
		name, MAX_REGIONS, ram + windows, ram, windows, MAX_REGIONS - ram);
}

/*
 * "Memory access": rings are told by user addresses, which the back end only compares with those of the
 * table. Guest addresses serve as such: it need not know where this program keeps its memory.
 */
static int send_memory(struct vhost_user *vu, const struct guest_mem *mem, struct err *err)
{
	struct message m = { .memory = { 0 } };
	int fds[MAX_REGIONS];
	uint32_t n = 0;

	for (unsigned int i = 0; i < mem->count; i++) {
		const struct guest_range *r = &mem->range[i];

		if (!is_shared(r))
			continue;
		if (n == MAX_REGIONS) {
			err_host_text(err, "%svhost-user: guest memory is in more than %d pieces", prefix(vu),
				      MAX_REGIONS);
			return -EINVAL;
		}
		fds[n] = r->fd;
		m.memory.region[n++] = (struct region){
			.guest = r->base,
			.size = r->size,
			.user = r->base,
			.offset = r->offset,
		};
	}
	m.memory.count = n;
	if (!n) {
		err_host_text(err, "%svhost-user: guest memory cannot be shared", prefix(vu));
		return -EINVAL;
	}
	return request(vu, SET_MEM_TABLE, &m, 8 + n * (uint32_t)sizeof(struct region), fds, n, err);
}

static int send_fd(struct vhost_user *vu, enum request what, unsigned int index, int fd, struct err *err)
{
	struct message m = { .u64 = index };

	return request(vu, what, &m, sizeof(m.u64), &fd, 1, err);
}

static int start_queue(struct vhost_user *vu, unsigned int index, const struct vhost_user_queue *q,
		       struct err *err)
{
	struct message m = {
		.addr = { .index = index, .desc = q->vq->desc, .used = q->vq->used, .avail = q->vq->avail }
	};
	int ret;

	ret = tell_state(vu, SET_VRING_NUM, index, q->vq->size, err);
	if (!ret)
		ret = tell_state(vu, SET_VRING_BASE, index, q->vq->next_avail, err);
	if (!ret)
		ret = request(vu, SET_VRING_ADDR, &m, sizeof(m.addr), NULL, 0, err);
	if (!ret)
		ret = send_fd(vu, SET_VRING_ERR, index, q->err_fd, err);
	if (!ret)
		ret = send_fd(vu, SET_VRING_CALL, index, q->call_fd, err);
	if (!ret)
		ret = send_fd(vu, SET_VRING_KICK, index, q->kick_fd, err);
	return ret;
}

int vhost_user_enable(struct vhost_user *vu, unsigned int index, bool enable, struct err *err)
{
	/* "Ring states": without protocol features a ring that is started is enabled. */
	if (!(vu->features & F_PROTOCOL_FEATURES))
		return 0;
	return tell_state(vu, SET_VRING_ENABLE, index, enable, err);
}

int vhost_user_start(struct vhost_user *vu, const struct guest_mem *mem, uint64_t accepted,
		     const struct vhost_user_queue *queues, unsigned int count, struct err *err)
{
	int ret;

	vu->started = true;
	ret = tell_u64(vu, SET_FEATURES, (accepted | F_PROTOCOL_FEATURES) & vu->features, err);
	if (!ret)
		ret = send_memory(vu, mem, err);
	for (unsigned int i = 0; !ret && i < count; i++) {
		if (queues[i].vq)
			ret = start_queue(vu, i, &queues[i], err);
	}
	for (unsigned int i = 0; !ret && i < count; i++) {
		if (queues[i].vq)
			ret = vhost_user_enable(vu, i, !queues[i].disabled, err);
	}
	return ret < 0 ? ret : settle(vu, err);
}

int vhost_user_stop(struct vhost_user *vu, const struct vhost_user_queue *queues, unsigned int count,
		    struct err *err)
{
	struct message m;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < count; i++) {
		if (!queues[i].vq)
			continue;
		m.state = (struct vring_state){ .index = i };
		ret = ask(vu, GET_VRING_BASE, &m, sizeof(m.state), sizeof(m.state), err);
		if (!ret && m.state.index != i)
			ret = lost(vu, err, 0, "GET_VRING_BASE of queue %u is answered for queue %u", i,
				   m.state.index);
	}
	if (!ret && vu->protocol & VHOST_USER_PROTOCOL_RESET_DEVICE)
		ret = request(vu, RESET_DEVICE, &m, 0, NULL, 0, err);
	return ret;
}
