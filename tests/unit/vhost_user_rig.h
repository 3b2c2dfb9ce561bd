/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vhost-user back end that a test has for itself: a thread behind a socket pair that does what QEMU's
 * "Vhost-user Protocol" demands, remembers what it was told, works on the queues, and answers one message
 * wrongly if it is told to.
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_VHOST_USER_RIG_H
#define VIREO_TESTS_UNIT_VHOST_USER_RIG_H

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "devices/virtio/virtio.h"
#include "host/loop.h"
#include "host/vhost_user_device.h"
#include "tests/unit/virtio_rig.h"

/* "Front-end message types" */
enum {
	M_GET_FEATURES = 1,
	M_SET_FEATURES = 2,
	M_SET_OWNER = 3,
	M_SET_MEM_TABLE = 5,
	M_SET_VRING_NUM = 8,
	M_SET_VRING_ADDR = 9,
	M_SET_VRING_BASE = 10,
	M_GET_VRING_BASE = 11,
	M_SET_VRING_KICK = 12,
	M_SET_VRING_CALL = 13,
	M_SET_VRING_ERR = 14,
	M_GET_PROTOCOL_FEATURES = 15,
	M_SET_PROTOCOL_FEATURES = 16,
	M_GET_QUEUE_NUM = 17,
	M_SET_VRING_ENABLE = 18,
	M_GET_CONFIG = 24,
	M_SET_CONFIG = 25,
	M_RESET_DEVICE = 34,
	M_COUNT,
};

#define BE_PROTOCOL_FEATURES (1ULL << 30)
#define BE_MQ                (1ULL << 0)
#define BE_REPLY_ACK         (1ULL << 3)
#define BE_CONFIG            (1ULL << 9)
#define BE_RESET_DEVICE      (1ULL << 13)

/* What is wrong with an answer. */
enum wrong {
	RIGHT,
	WRONG_REQUEST, /* the answer to another message */
	WRONG_VERSION,
	WRONG_NOT_A_REPLY,
	WRONG_TOO_SHORT,
	WRONG_TOO_LONG,
	WRONG_HUGE,
	WRONG_EMPTY,
	WRONG_VALUE, /* all bits set */
	WRONG_HALF,  /* a part of it, and then the end */
	WRONG_CLOSED,
	WRONG_SILENT, /* nothing, until the other side gives up */
	WRONG_COUNT,
};

#define BE_QUEUES 8

struct be_message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		uint32_t word[100];
		uint8_t bytes[400];
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t count, padding;
			struct {
				uint64_t guest, size, user, offset;
			} region[8];
		} memory;
	};
	int fd[16];
	unsigned int nr_fds;
} __attribute__((packed, aligned(4)));

struct be_queue {
	struct virtq vq;
	int kick, call, err;
	uint32_t base;
	unsigned int enabled; /* the last word on it */
	bool started;
};

struct backend {
	/* What it is; set before be_start(). */
	uint64_t features, protocol;
	uint64_t nr_queues;
	uint8_t config[256];
	unsigned int config_size;
	uint32_t wrong_request; /* which message is answered wrongly */
	enum wrong wrong;
	bool extra_fds;        /* with every answer */
	bool works_at_the_end; /* not at a kick, but before GET_VRING_BASE is answered */

	/* What it was told. Read it while the front end waits for nothing. */
	uint32_t log[200]; /* requests in order */
	unsigned int nr_log;
	uint64_t accepted, accepted_protocol;
	struct be_message memory, last[M_COUNT];
	struct guest_mem mem;
	struct be_queue queue[BE_QUEUES];
	unsigned int resets;
	sem_t silent; /* it keeps silent now */

	int fd, front; /* its own end, and that for the front end */
	pthread_t thread;
	bool is_over; /* the thread is */
};

static inline void be_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline bool be_receive(struct backend *be, struct be_message *m)
{
	union {
		char bytes[CMSG_SPACE(sizeof(m->fd))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = m, .iov_len = 12 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c;

	memset(m, 0, sizeof(*m));
	if (recvmsg(be->fd, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC) != 12)
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (c) {
		m->nr_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fd, CMSG_DATA(c), m->nr_fds * sizeof(int));
	}
	if (m->size > sizeof(m->bytes))
		return false;
	return !m->size || recv(be->fd, m->bytes, m->size, MSG_WAITALL) == (ssize_t)m->size;
}

static inline void be_send(struct backend *be, const void *data, size_t len)
{
	union {
		char bytes[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[3] = { be->fd, be->fd, be->fd };

	if (be->extra_fds) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS,
				       .cmsg_len = CMSG_LEN(sizeof(fds)) };
		memcpy(CMSG_DATA(c), fds, sizeof(fds));
	}
	(void)!sendmsg(be->fd, &msg, MSG_NOSIGNAL);
}

/* Answers with m's payload. False: the connection is over. */
static inline bool be_answer(struct backend *be, struct be_message *m, uint32_t size)
{
	enum wrong wrong = m->request == be->wrong_request ? be->wrong : RIGHT;
	uint32_t sent;

	m->flags = 1 | 4;
	m->size = size;
	sent = 12 + size;
	switch (wrong) {
	case WRONG_REQUEST:
		m->request++;
		break;
	case WRONG_VERSION:
		m->flags = 2 | 4;
		break;
	case WRONG_NOT_A_REPLY:
		m->flags = 1;
		break;
	case WRONG_TOO_SHORT:
		m->size = size - 4;
		sent -= 4;
		break;
	case WRONG_TOO_LONG:
		m->size = size + 4;
		sent += 4;
		break;
	case WRONG_HUGE:
		m->size = 0xfffffff0;
		break;
	case WRONG_EMPTY:
		m->size = 0;
		sent = 12;
		break;
	case WRONG_VALUE:
		memset(m->bytes, 0xff, size);
		break;
	case WRONG_HALF:
		be_send(be, m, 17);
		return false;
	case WRONG_CLOSED:
		return false;
	case WRONG_SILENT:
		sem_post(&be->silent);
		(void)!recv(be->fd, m->bytes, 1, 0); /* until the front end shuts the connection down */
		return false;
	default:
		break;
	}
	be_send(be, m, sent);
	return true;
}

static inline void be_map(struct backend *be, struct be_message *m)
{
	assert_int_equal(m->nr_fds, m->memory.count);
	assert_int_equal(m->size, 8 + 32 * m->memory.count);
	for (unsigned int i = 0; i < be->mem.count; i++)
		munmap(be->mem.range[i].host, be->mem.range[i].size);
	be->mem.count = 0;
	for (unsigned int i = 0; i < m->memory.count; i++) {
		void *host = mmap(NULL, m->memory.region[i].size, PROT_READ | PROT_WRITE, MAP_SHARED,
				  m->fd[i], (off_t)m->memory.region[i].offset);

		assert_ptr_not_equal(host, MAP_FAILED);
		assert_int_equal(guest_mem_add(&be->mem, m->memory.region[i].guest, m->memory.region[i].size,
					       host, false),
				 0);
	}
	be->memory = *m;
}

/* "Memory access": user addresses are those of the table. */
static inline uint64_t be_guest_address(const struct backend *be, uint64_t user)
{
	for (unsigned int i = 0; i < be->memory.memory.count; i++) {
		uint64_t begin = be->memory.memory.region[i].user;

		if (user >= begin && user - begin < be->memory.memory.region[i].size)
			return be->memory.memory.region[i].guest + (user - begin);
	}
	fail_msg("ring at %#llx lies in no region", (unsigned long long)user);
	return 0;
}

/* Every chain that is there: writes "done" into its writable part. */
static inline void be_work(struct be_queue *q)
{
	struct iovec iov[16];
	struct virtq_chain chain = { .iov = iov, .max_iov = 16 };
	const uint64_t one = 1;
	bool any = false;

	while (virtq_pop(&q->vq, &chain) == 1) {
		virtq_push(&q->vq, chain.head,
			   (uint32_t)iov_write(chain_in(&chain), chain.nr_write, 0, "done", 4));
		any = true;
	}
	if (any && virtq_wants_interrupt(&q->vq))
		(void)!write(q->call, &one, sizeof(one));
}

static inline void be_set_addr(struct backend *be, const struct be_message *m)
{
	struct be_queue *q = &be->queue[m->addr.index];
	uint16_t size = q->vq.size;

	virtq_init(&q->vq, &be->mem, VIRTQ_MAX_SIZE);
	q->vq.size = size;
	q->vq.desc = be_guest_address(be, m->addr.desc);
	q->vq.avail = be_guest_address(be, m->addr.avail);
	q->vq.used = be_guest_address(be, m->addr.used);
	assert_int_equal(virtq_start(&q->vq), 0);
}

/* "Ring states": it begins with a kick. */
static inline void be_kicked(struct backend *be, struct be_queue *q)
{
	uint64_t count;

	(void)!read(q->kick, &count, sizeof(count));
	q->started = true;
	if ((q->enabled || !(be->accepted & BE_PROTOCOL_FEATURES)) && !be->works_at_the_end)
		be_work(q);
}

static inline void be_take_fd(struct be_message *m, int *fd)
{
	assert_int_equal(m->nr_fds, 1);
	be_close(fd);
	*fd = m->fd[0];
	m->nr_fds = 0;
}

/* What needs no answer of its own. */
static inline void be_told(struct backend *be, struct be_message *m)
{
	struct be_queue *q = &be->queue[m->state.index % BE_QUEUES];

	if (m->request >= M_SET_VRING_NUM && m->request <= M_SET_VRING_ERR)
		assert_true(m->state.index < BE_QUEUES); /* an fd is there: bit 8 is clear */
	switch (m->request) {
	case M_SET_FEATURES:
		be->accepted = m->u64;
		break;
	case M_SET_PROTOCOL_FEATURES:
		be->accepted_protocol = m->u64;
		break;
	case M_SET_MEM_TABLE:
		be_map(be, m);
		break;
	case M_SET_VRING_NUM:
		q->vq.size = (uint16_t)m->state.num;
		break;
	case M_SET_VRING_BASE:
		q->base = m->state.num;
		break;
	case M_SET_VRING_ADDR:
		be_set_addr(be, m);
		break;
	case M_SET_VRING_KICK:
		be_take_fd(m, &q->kick);
		break;
	case M_SET_VRING_CALL:
		be_take_fd(m, &q->call);
		break;
	case M_SET_VRING_ERR:
		be_take_fd(m, &q->err);
		break;
	case M_SET_VRING_ENABLE:
		q->enabled = m->state.num;
		break;
	case M_SET_CONFIG:
		memcpy(be->config + m->word[0], m->bytes + 12, m->word[1]);
		break;
	case M_RESET_DEVICE:
		be->resets++;
		break;
	default:
		break;
	}
}

/* Takes one message. False: the connection is over. */
static inline bool be_serve(struct backend *be)
{
	struct be_message m;
	bool need_reply, go_on = true;

	if (!be_receive(be, &m))
		return false;
	assert_true(m.request < M_COUNT);
	assert_int_equal(m.flags & ~8u, 1);
	need_reply = m.flags & 8;
	be->last[m.request] = m;
	be->log[be->nr_log++ % 200] = m.request;
	switch (m.request) {
	case M_GET_FEATURES:
		m.u64 = be->features;
		go_on = be_answer(be, &m, 8);
		break;
	case M_GET_PROTOCOL_FEATURES:
		m.u64 = be->protocol;
		go_on = be_answer(be, &m, 8);
		break;
	case M_GET_QUEUE_NUM:
		m.u64 = be->nr_queues;
		go_on = be_answer(be, &m, 8);
		break;
	case M_GET_VRING_BASE: {
		struct be_queue *q = &be->queue[m.state.index];

		if (be->works_at_the_end)
			be_work(q);
		q->started = false;
		be_close(&q->kick);
		be_close(&q->call);
		be_close(&q->err);
		m.state.num = q->vq.next_avail;
		go_on = be_answer(be, &m, 8);
		break;
	}
	case M_GET_CONFIG:
		assert_int_equal(m.size, 12 + m.word[1]);
		memcpy(m.bytes + 12, be->config + m.word[0], m.word[1]);
		go_on = be_answer(be, &m, m.size);
		break;
	default:
		be_told(be, &m);
		if (need_reply) {
			m.u64 = 0;
			go_on = be_answer(be, &m, 8);
		} else if (m.request == be->wrong_request && be->wrong == WRONG_CLOSED) {
			go_on = false;
		}
	}
	for (unsigned int i = 0; i < m.nr_fds; i++)
		close(m.fd[i]);
	return go_on;
}

static inline void *be_main(void *ctx)
{
	struct backend *be = ctx;
	struct pollfd p[1 + BE_QUEUES];

	do {
		p[0] = (struct pollfd){ .fd = be->fd, .events = POLLIN };
		for (unsigned int i = 0; i < BE_QUEUES; i++)
			p[1 + i] = (struct pollfd){ .fd = be->queue[i].kick, .events = POLLIN };
		if (poll(p, 1 + BE_QUEUES, -1) < 0)
			break;
		for (unsigned int i = 0; i < BE_QUEUES; i++)
			if (p[1 + i].revents & POLLIN)
				be_kicked(be, &be->queue[i]);
	} while (!p[0].revents || be_serve(be));
	shutdown(be->fd, SHUT_RDWR);
	return NULL;
}

static inline void be_init(struct backend *be)
{
	memset(be, 0, sizeof(*be));
	be->features = VIRTIO_F_TRANSPORT | BE_PROTOCOL_FEATURES;
	be->protocol = BE_MQ | BE_REPLY_ACK | BE_CONFIG;
	be->nr_queues = BE_QUEUES;
	be->fd = be->front = -1;
	for (unsigned int i = 0; i < BE_QUEUES; i++)
		be->queue[i].kick = be->queue[i].call = be->queue[i].err = -1;
}

/* `be->front` is to be taken by a front end. */
static inline void be_start(struct backend *be)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	be->fd = pair[0];
	be->front = pair[1];
	assert_int_equal(sem_init(&be->silent, 0, 0), 0);
	assert_int_equal(pthread_create(&be->thread, NULL, be_main, be), 0);
}

/* From here on it touches no queue, not for a kick of before either. */
static inline void be_end(struct backend *be)
{
	shutdown(be->fd, SHUT_RDWR);
	if (!be->is_over)
		pthread_join(be->thread, NULL);
	be->is_over = true;
}

/* The end of the back end: its socket is closed. */
static inline void be_stop(struct backend *be)
{
	be_end(be);
	be_close(&be->fd);
	for (unsigned int i = 0; i < BE_QUEUES; i++) {
		be_close(&be->queue[i].kick);
		be_close(&be->queue[i].call);
		be_close(&be->queue[i].err);
	}
	for (unsigned int i = 0; i < be->mem.count; i++)
		munmap(be->mem.range[i].host, be->mem.range[i].size);
	sem_destroy(&be->silent);
}

/* --- a device in front of it, and its driver --- */

static struct vrig v;
static struct backend be;
static struct loop loop;
static struct err err;
static unsigned int open_files;

static inline unsigned int count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static inline int setup(void **state)
{
	(void)state;
	open_files = count_files();
	err.text[0] = '\0';
	assert_int_equal(loop_init(&loop, &err), 0);
	vrig_init(&v);
	vrig_share(&v);
	be_init(&be);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	if (v.vdev) {
		vrig_finish(&v);
	} else {
		munmap(v.ram, VRIG_RAM_SIZE);
		close(v.ram_fd);
		free(v.rom);
	}
	if (be.fd >= 0)
		be_stop(&be);
	loop_finish(&loop);
	assert_int_equal(count_files(), open_files);
	return 0;
}

/* One event of the loop, which is there or will come. */
static inline void pump(void)
{
	struct loop_source *source;
	struct epoll_event ev;

	while (epoll_wait(loop.epoll_fd, &ev, 1, -1) != 1)
		;
	source = ev.data.ptr;
	source->ready(source->ctx, ev.events);
}

/* The back end goes, and the front end takes note. */
static inline void lose_back_end(void)
{
	be_end(&be);
	pump();
}

static inline void pump_until_interrupt(unsigned int count)
{
	for (unsigned int got = 0; got < count; got += vrig_interrupts(&v))
		pump();
}

static inline int create(enum virtio_id id, unsigned int queues, bool control)
{
	uint8_t bytes[64] = { [6] = 1 }; /* a network card: the link is up */
	struct vhost_user_device_config config = {
		.name = "share src",
		.id = id,
		.features = (1ULL << 24) - 1,
		.own_features = control ? 1ULL << 17 : 0,
		.nr_queues = queues,
		.queue_size = 256,
		.has_control = control,
		.config = bytes,
		.config_size = 64,
		.mem = &v.mem,
		.loop = &loop,
	};
	struct vhost_user *vu;
	int ret;

	be_start(&be);
	ret = vhost_user_open(&vu, be.front, "share src", &err);
	if (ret < 0)
		return ret;
	ret = vhost_user_device_create(&v.vdev, vu, &config, &err);
	if (!ret)
		vrig_plug(&v);
	return ret;
}

static inline void start(enum virtio_id id, unsigned int queues)
{
	assert_int_equal(create(id, queues, false), 0);
	vrig_start(&v, 0);
	assert_false(vrig_is_broken(&v));
}

/* A request of 3 bytes, answered by "done" through the back end, with an interrupt. */
static inline void round_trip(unsigned int index)
{
	struct vrig_buf buf[] = { vrig_out(&v, "abc", 3), vrig_in(&v, 16) };

	vrig_send(&v, index, buf, 2);
	while (!(vrig_ack(&v) & VIRTIO_INT_USED))
		pump();
	assert_int_equal(vrig_get(&v, index), 4);
	assert_memory_equal(vrig_host(&v, buf[1].addr, 4), "done", 4);
}

#endif
