// SPDX-License-Identifier: BSD-2-Clause
/*
 * A network card as a VM runs it: the driver on one thread, the card's queues on another, and a peer on a third
 * that sends back what it gets. For ThreadSanitizer, and for resets at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/net.h"
#include "host/net_stream.h"
#include "host/worker.h"
#include "tests/unit/virtio_rig.h"

#define ROUNDS 300
#define FRAMES 8
#define SIZE   1500u

static struct vrig v;
static struct worker worker;
static struct loop_source bell[3]; /* by queue */
static sem_t interrupts;

static void rung(void *ctx, uint32_t events)
{
	struct loop_source *source = ctx;
	uint64_t count;

	(void)events;
	(void)!read(source->fd, &count, sizeof(count));
	virtio_kick(v.vdev, (unsigned int)(source - bell));
}

static void notify(struct virtio_device *vdev, unsigned int index)
{
	const uint64_t one = 1;

	(void)vdev;
	(void)!write(bell[index].fd, &one, sizeof(one));
}

static void interrupt(struct virtio_device *vdev, uint32_t bits)
{
	(void)vdev;
	(void)bits;
	sem_post(&interrupts);
}

static void *echo_peer(void *arg)
{
	int fd = *(int *)arg;
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		if (send(fd, data, (size_t)n, MSG_NOSIGNAL) < 0)
			break;
	return NULL;
}

static void fill_queues(void)
{
	for (unsigned int i = 0; i < FRAMES; i++) {
		struct vrig_buf in = vrig_in(&v, SIZE), out = { .addr = vrig_alloc(&v, SIZE), .len = SIZE };

		vrig_add(&v, 0, &in, 1);
		vrig_add(&v, 1, &out, 1);
	}
	vrig_notify(&v, 0);
	vrig_notify(&v, 1);
}

static void test_resets_while_frames_come_and_go(void **state)
{
	static const struct virtio_transport_ops ops = { .interrupt = interrupt };
	static const uint8_t mac[6] = { 2 };
	struct netdev *nd;
	pthread_t peer;
	struct err err;
	int fd[2];

	(void)state;
	sem_init(&interrupts, 0, 0);
	vrig_init(&v);
	assert_int_equal(worker_init(&worker, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(net_stream_new(&nd, &worker.loop, fd[0], "net test", "peer", &err), 0);
	assert_int_equal(virtio_net_create(&v.vdev, &v.mem, "net test", mac, nd, &err), 0);
	vrig_plug(&v);
	v.vdev->notify = notify;
	v.vdev->transport = &ops;
	for (unsigned int i = 0; i < 3; i++) {
		bell[i] = (struct loop_source){ .ready = rung, .ctx = &bell[i] };
		bell[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_int_equal(loop_add(&worker.loop, &bell[i], EPOLLIN, &err), 0);
	}
	assert_int_equal(pthread_create(&peer, NULL, echo_peer, &fd[1]), 0);
	assert_int_equal(worker_start(&worker, "net test", &err), 0);

	for (unsigned int round = 0; round < ROUNDS; round++) {
		v.allocated = 0;
		vrig_start(&v, VIRTIO_NET_F_MRG_RXBUF);
		fill_queues();
		/* Sometimes all is waited for, sometimes a part, sometimes nothing. */
		while (vrig_used(&v, 0) < round % 3 * (FRAMES / 2))
			sem_wait(&interrupts);
		vrig_reset(&v);
	}

	worker_stop(&worker);
	v.vdev->transport = NULL;
	vrig_finish(&v);
	pthread_join(peer, NULL);
	close(fd[1]);
	worker_finish(&worker);
	for (unsigned int i = 0; i < 3; i++)
		close(bell[i].fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resets_while_frames_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
