// SPDX-License-Identifier: BSD-2-Clause
/*
 * The vhost-user front end between two that do as they like: a driver, and a back end whose answers (QEMU's
 * "Vhost-user Protocol") are right but for some.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "host/vhost_user_device.h"
#include "tests/fuzz/virtio_fuzz.h"

#define QUEUES 2 /* for the back end */
#define LIVES  4 /* so often it answers to a start and a reset */

struct wrong {
	uint8_t at, how;
};

struct back_end {
	int fd;
	uint64_t protocol;
	struct wrong wrong[4];
	unsigned int nr_wrong, nr_answers;
	struct input *in;
};

/* One answer, which may be wrong: another request, other flags, another size, other bytes, more or less of them. */
static void put(struct back_end *b, uint32_t what, const void *payload, uint32_t size)
{
	uint8_t bytes[12 + 256 + 64] = { 0 };
	uint32_t header[3] = { what, 1 | 4, size };
	uint32_t len = 12 + size;

	for (unsigned int i = 0; i < b->nr_wrong; i++) {
		if (b->wrong[i].at != b->nr_answers)
			continue;
		header[b->wrong[i].how % 3] = (uint32_t)take_value(b->in);
		if (b->wrong[i].how & 0x10)
			len = take_below(b->in, sizeof(bytes));
		else if (b->wrong[i].how & 0x20)
			header[b->wrong[i].how % 3] = (const uint32_t[]){ what, 5,
									  size }[b->wrong[i].how % 3];
	}
	memcpy(bytes, header, sizeof(header));
	memcpy(bytes + 12, payload, size);
	for (unsigned int i = 0; i < b->nr_wrong; i++)
		if (b->wrong[i].at == b->nr_answers && b->wrong[i].how & 0x40)
			bytes[12 + b->wrong[i].how % 8] = (uint8_t)take(b->in, 1);
	b->nr_answers++;
	(void)!send(b->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void put_u64(struct back_end *b, uint32_t what, uint64_t value)
{
	put(b, what, &value, sizeof(value));
}

static void acknowledge(struct back_end *b, uint32_t what)
{
	if (b->protocol & VHOST_USER_PROTOCOL_REPLY_ACK)
		put_u64(b, what, 0);
}

/* All that it will ever say, in the order in which it is asked; then the end. */
static void say_all(struct back_end *b, uint64_t features)
{
	static const uint32_t for_each_queue[] = { 8, 10, 9, 14, 13, 12 };
	const uint8_t config[12 + 60] = { [4] = 60 };

	put_u64(b, 1, features);
	put_u64(b, 15, b->protocol);
	if (b->protocol & VHOST_USER_PROTOCOL_MQ)
		put_u64(b, 17, QUEUES);
	acknowledge(b, 3);
	if (b->protocol & VHOST_USER_PROTOCOL_CONFIG)
		put(b, 24, config, sizeof(config));
	for (unsigned int life = 0; life < LIVES; life++) {
		acknowledge(b, 2);
		acknowledge(b, 5);
		for (unsigned int i = 0; i < QUEUES * 6; i++)
			acknowledge(b, for_each_queue[i % 6]);
		for (unsigned int i = 0; i < QUEUES; i++)
			acknowledge(b, 18);
		if (!(b->protocol & VHOST_USER_PROTOCOL_REPLY_ACK))
			put_u64(b, 1, features);
		for (uint32_t i = 0; i < QUEUES; i++)
			put(b, 11, (const uint32_t[]){ i, 0 }, 8);
		if (b->protocol & VHOST_USER_PROTOCOL_RESET_DEVICE)
			acknowledge(b, 34);
	}
	shutdown(b->fd, SHUT_WR);
}

/* It reads, so that the front end never waits for room. */
static void listen_to(const struct back_end *b)
{
	char bytes[4096];

	while (recv(b->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void run_loop(const struct loop *l)
{
	struct epoll_event ev;

	while (epoll_wait(l->epoll_fd, &ev, 1, 0) == 1) {
		struct loop_source *source = ev.data.ptr;

		source->ready(source->ctx, ev.events);
	}
}

static struct back_end be;
static struct loop loop;
static enum virtio_id id;
static int file = -1;

/* The greeting: the back end's answers may be wrong; then there is no device. */
static int greet(struct vfuzz *v, struct vhost_user **vu, unsigned int nr_wrong)
{
	int pair[2], ret;
	struct err err;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	be = (struct back_end){ .fd = pair[0], .in = &v->in, .nr_wrong = nr_wrong };
	be.protocol = take(&v->in, 2);
	for (unsigned int i = 0; i < be.nr_wrong; i++)
		be.wrong[i] = (struct wrong){ (uint8_t)take(&v->in, 1), (uint8_t)take(&v->in, 1) };
	say_all(&be, VIRTIO_F_TRANSPORT | 1ULL << 30 | take(&v->in, 2));
	ret = vhost_user_open(vu, pair[1], "fuzz", &err);
	if (ret < 0)
		close(be.fd);
	return ret;
}

static void create(struct vfuzz *v)
{
	static const enum virtio_id ids[] = { VIRTIO_ID_FS, VIRTIO_ID_BLOCK, VIRTIO_ID_NET };
	uint8_t space[60] = { [6] = 1 };
	struct vhost_user_device_config config = {
		.name = "fuzz",
		.features = (1u << 24) - 1,
		.nr_queues = QUEUES,
		.queue_size = 64,
		.config = space,
		.config_size = sizeof(space),
		.mem = &v->mem,
		.loop = &loop,
	};
	struct vhost_user *vu;
	struct err err;

	if (file < 0)
		file = memfd_create("fuzz", MFD_CLOEXEC); /* nobody maps it */
	must(guest_mem_set_file(&v->mem, VFUZZ_RAM, file, 0) == 0);
	must(loop_init(&loop, &err) == 0);
	config.id = id = ids[take_below(&v->in, 3)];
	config.has_control = id == VIRTIO_ID_NET;
	config.own_features = config.has_control ? 1u << 17 : 0;
	if (greet(v, &vu, take_below(&v->in, 5)) < 0)
		must(greet(v, &vu, 0) == 0);
	if (be.protocol & VHOST_USER_PROTOCOL_CONFIG)
		vhost_user_get_config(vu, space, sizeof(space), &err);
	must(vhost_user_device_create(&v->vdev, vu, &config, &err) == 0);
}

static void destroy(struct vfuzz *v)
{
	(void)v;
	close(be.fd);
	loop_finish(&loop);
}

/* What begins as a request of the device does; all else is the back end's business. */
static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
{
	r->out_len = 40 + take_below(&v->in, 16);
	r->in_len = id == VIRTIO_ID_NET && queue < QUEUES ? 0 : 1 + take_below(&v->in, 600);
	if (id == VIRTIO_ID_FS) {
		memcpy(r->out, &r->out_len, 4);
		r->out[4] = 3;
		r->out[8] = (uint8_t)(1 + take(&v->in, 1));
	} else if (id == VIRTIO_ID_NET && queue == QUEUES) {
		r->out[0] = 4;
		r->out[2] = (uint8_t)take(&v->in, 1);
	}
}

static void outside(struct vfuzz *v)
{
	if (take(&v->in, 1) & 1)
		shutdown(be.fd, SHUT_RDWR);
	run_loop(&loop);
	listen_to(&be);
}

static void check(struct vfuzz *v)
{
	(void)v;
	listen_to(&be);
}

static const struct vfuzz_target target = {
	.create = create,
	.request = request,
	.outside = outside,
	.check = check,
	.destroy = destroy,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return vfuzz_one(&target, data, size);
}
