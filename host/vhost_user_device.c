// SPDX-License-Identifier: BSD-2-Clause
#include "host/vhost_user_device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/vhost_user_lost.h"
#define LOG_AREA AREA_VIRTIO
#include "kvm/log.h"

/* VIRTIO 1.2, "Block Device", "Feature bits" and "Device configuration layout". */
#define BLK_F_CONFIG_WCE (1ULL << 11)
#define BLK_WRITEBACK    32 /* offset of the only field that a driver writes */

/* "Network Device", "Device configuration layout" and "Control Virtqueue". */
#define NET_STATUS      6 /* offset */
#define NET_CTRL_MQ     4 /* class: "Automatic receive steering in multiqueue mode" */
#define NET_CTRL_MQ_SET 0
#define NET_CTRL_OK     0
#define NET_CTRL_ERR    1
#define CONTROL_BUDGET  16 /* commands in one go */

struct model;

/* One queue that is the back end's business. */
struct back_queue {
	struct model *m;
	int own_kick;            /* an eventfd, where nobody else has one for notifications */
	struct loop_source call; /* an eventfd, where the interrupt controller has none */
	bool taken;
};

struct model {
	struct virtio_device vdev;
	struct vhost_user *vu;
	struct daemon *daemon;
	struct loop *loop;
	struct loop_source hangup; /* the socket; fd -1: not watched */
	struct loop_source error;  /* an eventfd: the back end cannot go on with a queue */
	enum {
		IDLE,   /* no driver, or one that has just begun */
		ACTIVE, /* the back end works on the queues */
		LOST,   /* there is a driver and no back end */
	} state;
	bool told; /* that the back end is lost: once */

	unsigned int nr_queues;
	struct back_queue *queue;       /* nr_queues of them, and the next */
	struct vhost_user_queue *given; /* to the back end */
};

static struct model *to_model(struct virtio_device *vdev)
{
	return (struct model *)vdev;
}

/* --- the back end is lost --- */

static void give_queues_back(struct model *m)
{
	for (unsigned int i = 0; i < m->nr_queues; i++) {
		if (m->queue[i].taken)
			m->vdev.give_queue_back(&m->vdev, i);
		m->queue[i].taken = false;
	}
}

static void tell_of_loss(struct model *m, const char *text)
{
	struct virtio_device *vdev = &m->vdev;
	bool is_net = vdev->class->id == VIRTIO_ID_NET;

	/* The end of a daemon has its own line, and a daemon ends when it has lost its connection. */
	if (!m->told)
		log_line(LOG_AREA, m->daemon ? LOG_INFO : LOG_WARN, "%s: %s; from now on %s", vdev->name,
			 text, is_net ? "its link is down" : "its requests fail");
	m->told = true;
	if (is_net && vdev->config[NET_STATUS]) {
		vdev->config[NET_STATUS] = 0;
		virtio_config_changed(vdev);
	}
}

/* With the lock held: something has gone wrong with the back end, maybe for good. */
static void fail(struct model *m, const char *text)
{
	if (m->vu->cancelled)
		return;
	if (!m->vu->dead) {
		virtio_broken(&m->vdev, "%s", text);
		return;
	}
	tell_of_loss(m, text);
	if (m->state != ACTIVE)
		return;
	m->state = LOST;
	give_queues_back(m);
	for (unsigned int i = 0; i < m->nr_queues; i++)
		if (m->given[i].vq && virtio_is_live(&m->vdev))
			vhost_user_lost_take(&m->vdev, i);
}

/* Nothing is ever read here: what it says is read where it was asked. */
static void hangup_ready(void *ctx, uint32_t events)
{
	struct model *m = ctx;

	(void)events;
	pthread_mutex_lock(&m->vdev.lock);
	loop_remove(m->loop, &m->hangup);
	m->hangup.fd = -1;
	if (!m->vu->dead) {
		m->vu->dead = true;
		fail(m, "vhost-user: the back end closed the connection");
	}
	pthread_mutex_unlock(&m->vdev.lock);
}

static void error_ready(void *ctx, uint32_t events)
{
	struct model *m = ctx;
	uint64_t count;

	(void)events;
	(void)!read(m->error.fd, &count, sizeof(count));
	pthread_mutex_lock(&m->vdev.lock);
	if (m->state == ACTIVE)
		fail(m, "vhost-user: the back end reports an error in a queue");
	pthread_mutex_unlock(&m->vdev.lock);
}

/* --- queues --- */

static void call_ready(void *ctx, uint32_t events)
{
	struct back_queue *q = ctx;
	struct virtio_device *vdev = &q->m->vdev;
	uint64_t count;

	(void)events;
	(void)!read(q->call.fd, &count, sizeof(count));
	pthread_mutex_lock(&vdev->lock);
	if (q->m->state == ACTIVE) /* else it was for a driver that has reset the device since */
		vdev->transport->interrupt(vdev, VIRTIO_INT_USED);
	pthread_mutex_unlock(&vdev->lock);
}

static void take_queue(struct model *m, unsigned int index)
{
	struct virtio_device *vdev = &m->vdev;
	struct vhost_user_queue *given = &m->given[index];
	struct back_queue *q = &m->queue[index];
	int fd;

	fd = vdev->take_queue ? vdev->take_queue(vdev, index) : -1;
	q->taken = fd >= 0;
	*given = (struct vhost_user_queue){
		.vq = &vdev->queue[index],
		.kick_fd = q->taken ? fd : q->own_kick,
		.err_fd = m->error.fd,
		/* Until the driver says how many it uses, that is the first receive and transmit queue. */
		.disabled = vdev->class->id == VIRTIO_ID_NET && index >= 2,
	};
	fd = vdev->transport->interrupt_fd ? vdev->transport->interrupt_fd(vdev) : -1;
	given->call_fd = fd >= 0 ? fd : q->call.fd;
}

static void notify(struct model *m, unsigned int index)
{
	const uint64_t one = 1;

	if (m->given[index].vq)
		(void)!write(m->given[index].kick_fd, &one, sizeof(one));
}

static void start(struct model *m)
{
	struct virtio_device *vdev = &m->vdev;
	struct err err;

	if (m->vu->dead) {
		m->state = LOST;
		if (!m->vu->cancelled)
			tell_of_loss(m, "vhost-user: the back end is lost");
		for (unsigned int i = 0; i < m->nr_queues; i++)
			vhost_user_lost_kick(vdev, i);
		return;
	}
	for (unsigned int i = 0; i < m->nr_queues; i++) {
		if (vdev->queue[i].ready)
			take_queue(m, i);
	}
	m->state = ACTIVE;
	if (vhost_user_start(m->vu, vdev->mem, vdev->accepted, m->given, m->nr_queues, &err) < 0) {
		fail(m, err.text);
		return;
	}
	/* What came before may have been taken by the worker. */
	for (unsigned int i = 0; i < m->nr_queues; i++)
		notify(m, i);
}

/* --- the control queue of a network card --- */

static uint8_t control(struct model *m, const struct virtq_chain *chain)
{
	struct {
		uint8_t class, command;
		uint16_t pairs;
	} cmd;
	struct err err;

	if (iov_read(chain->iov, chain->nr_read, 0, &cmd, sizeof(cmd)) != sizeof(cmd) ||
	    cmd.class != NET_CTRL_MQ || cmd.command != NET_CTRL_MQ_SET || cmd.pairs < 1 ||
	    cmd.pairs > m->nr_queues / 2)
		return NET_CTRL_ERR;
	for (unsigned int i = 0; i < m->nr_queues; i++) {
		bool disabled = i >= 2u * cmd.pairs;

		if (!m->given[i].vq || m->given[i].disabled == disabled)
			continue;
		if (!m->vu->dead && vhost_user_enable(m->vu, i, !disabled, &err) < 0) {
			fail(m, err.text);
			return NET_CTRL_ERR;
		}
		m->given[i].disabled = disabled;
	}
	return NET_CTRL_OK;
}

/* So many commands in one go: a driver that always sends another does not keep the worker. */
static void kick_control(struct model *m, unsigned int index)
{
	struct virtio_device *vdev = &m->vdev;
	struct virtq *q = &vdev->queue[index];
	struct iovec iov[8];
	struct virtq_chain chain = { .iov = iov, .max_iov = 8 };
	unsigned int left = CONTROL_BUDGET;
	bool any = false;

	do {
		for (; left && virtio_pop(vdev, index, &chain); left--) {
			uint8_t ack = control(m, &chain);

			virtq_push(
				q, chain.head,
				(uint32_t)iov_write(chain_in(&chain), chain.nr_write, 0, &ack, sizeof(ack)));
			any = true;
		}
	} while (left && virtio_is_live(vdev) && virtq_enable_notify(q));
	if (any)
		virtio_signal(vdev, index);
	if (!left)
		vdev->notify(vdev, index);
}

/* --- the class --- */

/*
 * The first of these after DRIVER_OK starts the back end: here and not in activate(), so that no vCPU waits
 * for it.
 */
static void vhost_user_kick(struct virtio_device *vdev, unsigned int index)
{
	struct model *m = to_model(vdev);

	if (m->state == IDLE)
		start(m);
	if (index >= m->nr_queues)
		kick_control(m, index);
	else if (m->state == LOST)
		vhost_user_lost_kick(vdev, index);
	else if (m->state == ACTIVE)
		notify(m, index);
}

static void vhost_user_reset(struct virtio_device *vdev)
{
	struct model *m = to_model(vdev);
	struct err err;

	if (m->state == ACTIVE && !m->vu->dead && vhost_user_stop(m->vu, m->given, m->nr_queues, &err) < 0 &&
	    !m->vu->cancelled)
		tell_of_loss(m, err.text);
	m->state = IDLE;
	give_queues_back(m);
	for (unsigned int i = 0; i < m->nr_queues; i++)
		m->given[i].vq = NULL;
}

/*
 * The vCPU waits for the back end, and so it must: from its next request on, which goes past this program, the driver
 * relies on what it has written. (0: what is written is on stable storage.)
 */
static void vhost_user_write_config(struct virtio_device *vdev, unsigned int offset, const void *data,
				    unsigned int len)
{
	struct model *m = to_model(vdev);
	struct err err;
	uint8_t value;

	if (offset != BLK_WRITEBACK || len != 1 || !virtio_has(vdev, BLK_F_CONFIG_WCE) || m->vu->dead)
		return;
	value = *(const uint8_t *)data & 1;
	if (vhost_user_set_config(m->vu, offset, &value, 1, &err) < 0)
		fail(m, err.text);
	else
		vdev->config[offset] = value;
}

static void vhost_user_device_cancel(struct virtio_device *vdev)
{
	struct model *m = to_model(vdev);

	/* It ends when it has lost its connection, and the worker still looks. */
	daemon_expect_end(m->daemon);
	vhost_user_cancel(m->vu);
}

static void unwatch(struct model *m, struct loop_source *source)
{
	if (source->fd >= 0)
		loop_remove(m->loop, source);
}

static void vhost_user_destroy(struct virtio_device *vdev)
{
	struct model *m = to_model(vdev);

	unwatch(m, &m->hangup);
	vhost_user_close(m->vu); /* a good back end ends by that already */
	daemon_stop(m->daemon);
	unwatch(m, &m->error);
	if (m->error.fd >= 0)
		close(m->error.fd);
	for (unsigned int i = 0; m->queue && i < m->nr_queues; i++) {
		unwatch(m, &m->queue[i].call);
		if (m->queue[i].call.fd >= 0)
			close(m->queue[i].call.fd);
		if (m->queue[i].own_kick >= 0)
			close(m->queue[i].own_kick);
	}
	free(m->queue);
	free(m->given);
	virtio_finish(vdev);
	free(m);
}

#define CLASS(text, device, config)                                                                      \
	{                                                                                                \
		.name = text, .id = device, .write_config = config, .kick = vhost_user_kick,             \
		.reset = vhost_user_reset, .halt = vhost_user_reset, .cancel = vhost_user_device_cancel, \
		.destroy = vhost_user_destroy,                                                           \
	}

static const struct virtio_class classes[] = {
	CLASS("virtio-fs", VIRTIO_ID_FS, NULL),
	CLASS("virtio-blk", VIRTIO_ID_BLOCK, vhost_user_write_config),
	CLASS("virtio-net", VIRTIO_ID_NET, NULL),
};

/* --- creation --- */

/* Watches a descriptor; for an eventfd, -1 as `fd` makes one. */
static int watch(struct model *m, struct loop_source *source, int fd, uint32_t events,
		 void (*ready)(void *ctx, uint32_t events), void *ctx, struct err *err)
{
	int ret;

	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_host(err, errno, "%s: eventfd", m->vdev.name);
	*source = (struct loop_source){ .fd = fd, .ready = ready, .ctx = ctx };
	ret = loop_add(m->loop, source, events, err);
	return ret;
}

static int add_queues(struct model *m, struct err *err)
{
	m->queue = calloc(m->nr_queues, sizeof(*m->queue));
	m->given = calloc(m->nr_queues, sizeof(*m->given));
	if (!m->queue || !m->given)
		return err_host(err, ENOMEM, "%s", m->vdev.name);
	for (unsigned int i = 0; i < m->nr_queues; i++) {
		m->queue[i].m = m;
		m->queue[i].own_kick = m->queue[i].call.fd = -1;
	}
	for (unsigned int i = 0; i < m->nr_queues; i++) {
		struct back_queue *q = &m->queue[i];
		int ret = watch(m, &q->call, -1, EPOLLIN, call_ready, q, err);

		if (ret < 0)
			return ret;
		q->own_kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (q->own_kick < 0)
			return err_host(err, errno, "%s: eventfd", m->vdev.name);
	}
	return 0;
}

int vhost_user_device_create(struct virtio_device **out, struct vhost_user *vu,
			     const struct vhost_user_device_config *config, struct err *err)
{
	const struct virtio_class *class = classes;
	uint64_t offered = (config->features & vu->features) | config->own_features;
	struct model *m = calloc(1, sizeof(*m));
	int ret = m ? 0 : err_host(err, ENOMEM, "%s", config->name);

	while (class->id != config->id)
		class ++;
	if (!ret)
		ret = virtio_init(&m->vdev, class, config->mem, config->name, offered,
				  config->nr_queues + config->has_control, config->queue_size,
				  config->config_size, err);
	if (ret < 0) {
		vhost_user_close(vu);
		daemon_stop(config->daemon);
		free(m);
		return ret;
	}
	/* It must know what the transport could do. */
	m->vdev.offered &= ~(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX) | vu->features;
	memcpy(m->vdev.config, config->config, config->config_size);
	m->vu = vu;
	m->daemon = config->daemon;
	m->loop = config->loop;
	m->nr_queues = config->nr_queues;
	m->hangup.fd = m->error.fd = -1;
	ret = add_queues(m, err);
	if (!ret)
		ret = watch(m, &m->error, -1, EPOLLIN, error_ready, m, err);
	if (!ret)
		ret = watch(m, &m->hangup, vu->fd, 0, hangup_ready, m, err);
	if (ret < 0) {
		virtio_destroy(&m->vdev);
		return ret;
	}
	*out = &m->vdev;
	return 0;
}
