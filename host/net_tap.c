// SPDX-License-Identifier: BSD-2-Clause
#include "host/net_tap.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/vhost_net.h"
#define LOG_AREA AREA_NET
#include "kvm/log.h"
#include "kvm/tun.h"

struct tap_queue {
	struct tap *tap;
	unsigned int index;
	struct loop_source source;
	/* Guarded by tap->lock. */
	bool watched; /* the loop knows it; so it is one of the tap's queues that are used */
	bool wanted;  /* readable() is to be called */
	bool blocked; /* writable() is to be called */

	struct vhost_net vhost; /* guarded by the card's lock */
};

struct tap {
	struct netdev nd;
	struct loop *loop;
	char label[48];
	char ifname[TUN_NAME_MAX + 1];
	bool use_vhost;                                        /* constant */
	bool vhost_failure_is_logged, queue_failure_is_logged; /* a driver may try as often as it likes */

	struct loop_source links; /* a netlink socket that tells when interfaces change; -1: there is none */

	pthread_mutex_t lock; /* nothing is called with it held but the loop */
	bool gone;            /* the interface has been deleted */
	struct tap_queue queue[NETDEV_MAX_PAIRS];
};

static struct tap *to_tap(struct netdev *nd)
{
	return (struct tap *)nd;
}

bool net_tap_name_ok(const char *ifname)
{
	size_t len = strlen(ifname);

	if (!len || len > TUN_NAME_MAX || !strcmp(ifname, ".") || !strcmp(ifname, ".."))
		return false;
	/* "%d" would have the kernel make up a name. */
	for (const char *p = ifname; *p; p++) {
		if (!isgraph((unsigned char)*p) || strchr("/:%", *p))
			return false;
	}
	return true;
}

/* --- frames --- */

/* With tap->lock held. */
static void watch(struct tap_queue *q)
{
	if (q->watched)
		loop_change(q->tap->loop, &q->source,
			    (q->wanted ? EPOLLIN : 0) | (q->blocked ? EPOLLOUT : 0));
}

static int tap_send(struct netdev *nd, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	struct tap *tap = to_tap(nd);
	struct tap_queue *q = &tap->queue[pair];
	bool watched;

	/* Frames that the kernel does not like, or that come while the interface is down, are lost. */
	if (writev(q->source.fd, iov, (int)count) >= 0 || errno != EAGAIN)
		return 0;
	pthread_mutex_lock(&tap->lock);
	watched = q->watched;
	q->blocked = watched;
	watch(q);
	pthread_mutex_unlock(&tap->lock);
	return watched ? -EAGAIN : 0;
}

static ssize_t tap_receive(struct netdev *nd, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	ssize_t n = readv(to_tap(nd)->queue[pair].source.fd, iov, (int)count);

	return n < 0 ? -EAGAIN : n;
}

static void tap_want_input(struct netdev *nd, unsigned int pair, bool want)
{
	struct tap *tap = to_tap(nd);
	struct tap_queue *q = &tap->queue[pair];

	pthread_mutex_lock(&tap->lock);
	if (q->wanted != want) {
		q->wanted = want;
		watch(q);
	}
	pthread_mutex_unlock(&tap->lock);
}

/* What vhost worked on is the model's again: what the driver still sends is lost like any frame. */
static void take_back(struct tap *tap)
{
	if (!tap->use_vhost)
		return;
	pthread_mutex_lock(&tap->nd.vdev->lock);
	for (unsigned int i = 0; i < tap->nd.max_pairs; i++)
		vhost_net_stop(&tap->queue[i].vhost);
	tap->nd.taken = 0;
	pthread_mutex_unlock(&tap->nd.vdev->lock);
}

/* The interface was deleted: nothing will ever come from these descriptors again. */
static void lose(struct tap *tap)
{
	pthread_mutex_lock(&tap->lock);
	tap->gone = true;
	loop_remove(tap->loop, &tap->links);
	for (unsigned int i = 0; i < tap->nd.max_pairs; i++) {
		if (tap->queue[i].watched)
			loop_remove(tap->loop, &tap->queue[i].source);
		tap->queue[i].watched = false;
	}
	pthread_mutex_unlock(&tap->lock);

	log_warn("%s: tap %s is gone; the link is down", tap->label, tap->ifname);
	take_back(tap);
	tap->nd.link_up = false;
	tap->nd.link_changed(tap->nd.ctx);
	for (unsigned int i = 0; i < tap->nd.max_pairs; i++)
		tap->nd.writable(tap->nd.ctx, i);
}

static void ready(void *ctx, uint32_t events)
{
	struct tap_queue *q = ctx;
	struct tap *tap = q->tap;
	bool readable, writable, gone;

	pthread_mutex_lock(&tap->lock);
	/* A queue that is just being given up has an error too; the first belongs to the tap always. */
	gone = events & (EPOLLERR | EPOLLHUP) && !q->index && q->watched;
	readable = events & EPOLLIN && q->wanted;
	writable = events & EPOLLOUT && q->blocked;
	if (writable) {
		q->blocked = false;
		watch(q);
	}
	pthread_mutex_unlock(&tap->lock);

	if (gone) {
		lose(tap);
		return;
	}
	if (writable)
		tap->nd.writable(tap->nd.ctx, q->index);
	if (readable)
		tap->nd.readable(tap->nd.ctx, q->index);
}

/* The first queue belongs to the tap always. */
static bool is_gone(const struct tap *tap)
{
	struct pollfd p = { .fd = tap->queue[0].source.fd };

	return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

/*
 * The deletion of an interface wakes those who wait for its frames. That is not the loop while vhost-net does or
 * the driver has no buffers, so that there are two other ways to notice it. One is that vhost-net fails when it
 * next sends a frame.
 */
static bool is_tap_gone(struct vhost *vhost)
{
	struct tap_queue *q = (struct tap_queue *)((char *)vhost - offsetof(struct tap_queue, vhost.vhost));

	if (!is_gone(q->tap))
		return false;
	if (!q->tap->gone)
		lose(q->tap);
	return true;
}

/*
 * The other is that the kernel tells of all changes of interfaces, as long as the tap is in the namespace where it
 * was opened. Which one has changed and how does not matter, nor whether the socket could not hold it all.
 */
static void links_changed(void *ctx, uint32_t events)
{
	struct tap *tap = ctx;
	char buf[8192];
	bool watched;

	(void)events;
	for (unsigned int left = 64; left; left--) {
		if (recv(tap->links.fd, buf, sizeof(buf), MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			break;
	}
	pthread_mutex_lock(&tap->lock);
	watched = tap->queue[0].watched;
	pthread_mutex_unlock(&tap->lock);
	if (watched && is_gone(tap))
		lose(tap);
}

/* --- what the driver chooses --- */

static unsigned int tun_flags(unsigned int offloads)
{
	return (offloads & NETDEV_CSUM ? TUN_F_CSUM : 0) | (offloads & NETDEV_TSO4 ? TUN_F_TSO4 : 0) |
	       (offloads & NETDEV_TSO6 ? TUN_F_TSO6 : 0) | (offloads & NETDEV_ECN ? TUN_F_TSO_ECN : 0) |
	       (offloads & NETDEV_UFO ? TUN_F_UFO : 0);
}

static void tap_set_offloads(struct netdev *nd, unsigned int offloads)
{
	struct tap *tap = to_tap(nd);

	/* It fails on a tap that is gone, and then it does not matter. */
	(void)tun_set_offloads(tap->queue[0].source.fd, tun_flags(offloads));
}

/* Whether the tap gives frames to this queue, and the loop looks at it. */
static int use_queue(struct tap_queue *q, bool used, struct err *err)
{
	struct tap *tap = q->tap;
	int ret = 0;

	pthread_mutex_lock(&tap->lock);
	q->wanted = q->blocked = false;
	if (q->watched && !used) {
		loop_remove(tap->loop, &q->source);
		q->watched = false;
		if (q->index)
			tun_use_queue(q->source.fd, false);
		else
			loop_remove(tap->loop, &tap->links);
	} else if (!q->watched && used && !tap->gone) {
		ret = q->index ? tun_use_queue(q->source.fd, true) : 0;
		if (ret < 0)
			err_host(err, -ret, "TUNSETQUEUE");
		else
			ret = loop_add(tap->loop, &q->source, 0, err);
		q->watched = !ret;
		if (!ret && !q->index && tap->links.fd >= 0)
			ret = loop_add(tap->loop, &tap->links, EPOLLIN, err);
	}
	pthread_mutex_unlock(&tap->lock);
	return ret;
}

static void start_vhost(struct tap_queue *q)
{
	struct tap *tap = q->tap;
	struct err err;

	if (q->vhost.vhost.running || !q->watched)
		return;
	if (!vhost_net_start(&q->vhost, tap->nd.vdev, q->index, q->source.fd, &err)) {
		tap->nd.taken |= 1u << q->index;
		return;
	}
	if (!tap->vhost_failure_is_logged)
		log_warn("%s: frames go without vhost-net: %s", tap->label, err.text);
	tap->vhost_failure_is_logged = true;
}

static void tap_set_pairs(struct netdev *nd, unsigned int pairs)
{
	struct tap *tap = to_tap(nd);
	struct err err;

	for (unsigned int i = 0; i < nd->max_pairs; i++) {
		struct tap_queue *q = &tap->queue[i];

		if (i >= pairs) {
			vhost_net_stop(&q->vhost);
			nd->taken &= ~(1u << i);
			use_queue(q, false, &err);
		} else if (!q->watched && use_queue(q, true, &err) < 0) {
			if (!tap->queue_failure_is_logged)
				log_warn("%s: queue %u of tap %s is not used: %s", tap->label, i, tap->ifname,
					 err.text);
			tap->queue_failure_is_logged = true;
		} else if (tap->use_vhost) {
			start_vhost(q);
		}
	}
}

/* --- opening --- */

static void tap_destroy(struct netdev *nd)
{
	struct tap *tap = to_tap(nd);

	for (unsigned int i = 0; i < nd->max_pairs; i++) {
		vhost_net_close(&tap->queue[i].vhost);
		if (tap->queue[i].source.fd >= 0)
			close(tap->queue[i].source.fd);
	}
	if (tap->links.fd >= 0)
		close(tap->links.fd);
	pthread_mutex_destroy(&tap->lock);
	free(tap);
}

static int open_tun(const char *label, struct err *err)
{
	int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return err_host(err, errno, "%s: no " TUN_PATH "; load its module (modprobe tun)", label);
	case EACCES:
	case EPERM:
		return err_host(err, errno,
				"%s: " TUN_PATH " is not accessible; give access to it "
				"(chmod 666 " TUN_PATH ") or run as root",
				label);
	default:
		return err_host(err, errno, "%s: open " TUN_PATH, label);
	}
}

static int cannot_attach(const struct tap *tap, int code, struct err *err)
{
	switch (code) {
	case EPERM:
	case EACCES:
		return err_host(
			err, code,
			"%s: tap %s may not be used or created by this user; run with CAP_NET_ADMIN, or have "
			"root create it (ip tuntap add NAME mode tap user USER) and give its name",
			tap->label, tap->ifname);
	case EBUSY:
		return err_host(err, code, "%s: tap %s is used by another program; give another one",
				tap->label, tap->ifname);
	case EINVAL:
		err_host_text(err, "%s: the interface %s exists and is not a tap; give another name",
			      tap->label, tap->ifname);
		return -code;
	default:
		return err_host(err, code, "%s: TUNSETIFF of tap %s", tap->label, tap->ifname);
	}
}

/* Whether a tap has several queues is settled when it is created. */
static int attach_first(struct tap *tap, bool *multi_queue, struct err *err)
{
	int fd = tap->queue[0].source.fd;
	bool several = tap->nd.max_pairs > 1;
	int ret = tun_attach(fd, tap->ifname, several);

	*multi_queue = several;
	if (ret == -EINVAL) {
		*multi_queue = !several;
		ret = tun_attach(fd, tap->ifname, !several);
		if (!ret && several) {
			err_host_text(err,
				      "%s: tap %s has one queue only; create it with several "
				      "(ip tuntap add %s mode tap multi_queue) or give queues=1",
				      tap->label, tap->ifname, tap->ifname);
			return -EINVAL;
		}
	}
	return ret < 0 ? cannot_attach(tap, -ret, err) : 0;
}

static int open_queues(struct tap *tap, struct err *err)
{
	bool multi_queue = false;
	int ret = 0;

	for (unsigned int i = 0; i < tap->nd.max_pairs; i++) {
		struct tap_queue *q = &tap->queue[i];

		ret = open_tun(tap->label, err);
		if (ret < 0)
			return ret;
		q->source.fd = ret;
		if (!i) {
			ret = attach_first(tap, &multi_queue, err);
		} else {
			ret = tun_attach(q->source.fd, tap->ifname, multi_queue);
			if (ret < 0)
				cannot_attach(tap, -ret, err);
		}
		if (ret < 0)
			return ret;
		ret = tun_set_header(q->source.fd, NETDEV_HEADER);
		if (ret < 0)
			return err_host(err, -ret, "%s: TUNSETVNETHDRSZ of tap %s", tap->label, tap->ifname);
		/* Used when the driver asks for it. */
		if (i)
			tun_use_queue(q->source.fd, false);
	}
	return 0;
}

static void open_links(struct tap *tap)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && !bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		tap->links.fd = fd;
	} else {
		log_debug("%s: no news of interfaces: %s", tap->label, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
}

/* Newer kernels know more. */
static void find_offloads(struct tap *tap)
{
	static const unsigned int candidates[] = {
		NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_ECN | NETDEV_UFO,
		NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_ECN,
		NETDEV_CSUM,
		0,
	};

	for (unsigned int i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		tap->nd.offloads = candidates[i];
		if (!tun_set_offloads(tap->queue[0].source.fd, tun_flags(candidates[i])))
			break;
	}
	tun_set_offloads(tap->queue[0].source.fd, 0);
}

static int open_vhost(struct tap *tap, enum vhost_choice choice, struct err *err)
{
	struct err cause;
	int ret = 0;

	for (unsigned int i = 0; i < tap->nd.max_pairs && !ret; i++)
		ret = vhost_net_open(&tap->queue[i].vhost, tap->loop, &cause);
	if (!ret) {
		for (unsigned int i = 0; i < tap->nd.max_pairs; i++)
			tap->queue[i].vhost.vhost.is_host_error = is_tap_gone;
		tap->use_vhost = true;
		log_info("%s: vhost-net moves the frames", tap->label);
		return 0;
	}
	if (choice == VHOST_ON) {
		err_host_text(err, "%s: vhost=on: %.600s", tap->label, cause.text);
		return ret;
	}
	log_info("%s: without vhost-net: %s", tap->label, cause.text);
	for (unsigned int i = 0; i < tap->nd.max_pairs; i++)
		vhost_net_close(&tap->queue[i].vhost);
	return 0;
}

static const struct netdev_ops tap_ops = {
	.send = tap_send,
	.receive = tap_receive,
	.want_input = tap_want_input,
	.set_offloads = tap_set_offloads,
	.set_pairs = tap_set_pairs,
	.destroy = tap_destroy,
};

int net_tap_open(struct netdev **out, struct loop *loop, const struct net_tap_config *config, struct err *err)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	bool existed = config->ifname && if_nametoindex(config->ifname);
	int ret;

	if (!tap)
		return err_host(err, ENOMEM, "%s", config->name);
	tap->nd = (struct netdev){ .ops = &tap_ops, .max_pairs = config->pairs, .link_up = true };
	tap->nd.peer = tap->ifname;
	tap->loop = loop;
	tap->links = (struct loop_source){ .fd = -1, .ready = links_changed, .ctx = tap };
	pthread_mutex_init(&tap->lock, NULL);
	snprintf(tap->label, sizeof(tap->label), "%s", config->name);
	snprintf(tap->ifname, sizeof(tap->ifname), "%s", config->ifname ? config->ifname : "vireo%d");
	for (unsigned int i = 0; i < config->pairs; i++) {
		tap->queue[i] = (struct tap_queue){ .tap = tap, .index = i };
		tap->queue[i].source =
			(struct loop_source){ .fd = -1, .ready = ready, .ctx = &tap->queue[i] };
	}

	ret = open_queues(tap, err);
	if (ret < 0)
		goto fail;
	open_links(tap);
	find_offloads(tap);
	if (config->vhost != VHOST_OFF) {
		ret = open_vhost(tap, config->vhost, err);
		if (ret < 0)
			goto fail;
	}
	/* A new interface is useless until it is up; one that was there is the administrator's. */
	if (!existed) {
		ret = tun_set_up(tap->ifname);
		if (ret < 0)
			log_warn("%s: tap %s cannot be set up: %s", tap->label, tap->ifname, strerror(-ret));
	}
	ret = tun_get_mtu(tap->ifname);
	tap->nd.mtu = ret > 0 && ret <= UINT16_MAX ? (uint16_t)ret : 0;
	log_info("%s: tap %s%s", tap->label, tap->ifname, existed ? "" : ", which was created");
	*out = &tap->nd;
	return 0;

fail:
	tap_destroy(&tap->nd);
	return ret;
}
