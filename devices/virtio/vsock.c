// SPDX-License-Identifier: BSD-2-Clause
/*
 * The socket device (Virtual I/O Device (VIRTIO) Version 1.2, "Socket Device"): packets from the guest are
 * taken apart, packets for the guest are made when it has a buffer for them.
 *
 * Nothing here queues packets: a connection remembers which it owes (vsock_conn.owed) and whether its
 * stream can be read, so that what a guest can make us keep is bounded by the number of connections. Only
 * answers to packets of no connection are kept, and while there is no room for one more, no packet is
 * taken ("Virtqueue Flow Control").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/vsock_internal.h"

enum {
	QUEUE_RX, /* to the guest */
	QUEUE_TX, /* from the guest */
	QUEUE_EVENT,
};

#define VIRTIO_VSOCK_F_STREAM (1ULL << 0)

/* "Device Operation: Packet": the most payload that we send in one. */
#define MAX_PAYLOAD (64u << 10)

/* --- packets to the guest --- */

static struct vsock_header make_header(const struct vsock *v, struct vsock_conn *conn, enum vsock_op op)
{
	conn->told_fwd_cnt = conn->fwd_cnt;
	return (struct vsock_header){
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = v->cid,
		.src_port = conn->host_port,
		.dst_port = conn->guest_port,
		.type = VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = VSOCK_BUFFER,
		.fwd_cnt = conn->fwd_cnt,
	};
}

/* What the guest is to be told by SHUTDOWN; 0: nothing new. */
static uint32_t shutdown_to_tell(const struct vsock_conn *conn)
{
	uint32_t flags = 0;

	if (conn->state != VSOCK_OPEN)
		return 0;
	if (conn->host_eof)
		flags |= VSOCK_SHUTDOWN_SEND;
	if (conn->host_gone || (conn->host_eof && conn->hung_up))
		flags |= VSOCK_SHUTDOWN_RCV;
	flags |= conn->told_shutdown;
	return flags == conn->told_shutdown ? 0 : flags;
}

/* The program's bytes are wanted, and may be there. */
static bool may_read(const struct vsock_conn *conn)
{
	return conn->state == VSOCK_OPEN && conn->stream && conn->readable && !conn->host_eof &&
	       !(conn->guest_shutdown & VSOCK_SHUTDOWN_RCV);
}

/* Reads from the program into the guest's buffer behind the header. How many bytes; 0: nothing now. */
static uint32_t read_stream(struct vsock *v, struct vsock_conn *conn, const struct virtq_chain *chain)
{
	struct iovec part[VSOCK_QUEUE_SIZE];
	uint64_t room = chain->write_size - sizeof(struct vsock_header);
	uint32_t len = vsock_credit(conn);
	unsigned int parts;
	ssize_t got;

	if (!len) {
		if (!conn->asked_credit)
			conn->owed |= VSOCK_OWE(VSOCK_OP_CREDIT_REQUEST);
		conn->asked_credit = true;
		return 0;
	}
	if (len > room)
		len = (uint32_t)room;
	if (len > MAX_PAYLOAD)
		len = MAX_PAYLOAD;
	parts = iov_slice(chain_in(chain), chain->nr_write, sizeof(struct vsock_header), len, part,
			  VSOCK_QUEUE_SIZE);
	got = v->host->ops->receive(v->host, conn->stream, part, parts);
	if (got > 0) {
		conn->tx_cnt += (uint32_t)got;
		return (uint32_t)got;
	}
	conn->readable = false;
	if (got == -EAGAIN)
		return 0;
	conn->host_eof = true;
	if (got < 0)
		conn->hung_up = true;
	return 0;
}

/* The first of these that is owed. */
static enum vsock_op take_owed(struct vsock_conn *conn)
{
	static const enum vsock_op order[] = {
		VSOCK_OP_RST,           VSOCK_OP_REQUEST,        VSOCK_OP_RESPONSE,
		VSOCK_OP_CREDIT_UPDATE, VSOCK_OP_CREDIT_REQUEST,
	};

	for (unsigned int i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (conn->owed & VSOCK_OWE(order[i])) {
			conn->owed &= ~VSOCK_OWE(order[i]);
			return order[i];
		}
	}
	return VSOCK_OP_INVALID;
}

static void put_header(const struct virtq_chain *chain, const struct vsock_header *header)
{
	iov_write(chain_in(chain), chain->nr_write, 0, header, sizeof(*header));
}

/* Puts the connection's next packet into the chain. False: it has none. It may be gone after that. */
static bool make_packet(struct vsock *v, struct vsock_conn *conn, const struct virtq_chain *chain,
			uint32_t *len)
{
	enum vsock_op op = take_owed(conn);
	struct vsock_header header;
	uint32_t flags;

	*len = 0;
	if (op == VSOCK_OP_INVALID && may_read(conn)) {
		*len = read_stream(v, conn, chain);
		op = *len ? VSOCK_OP_RW : take_owed(conn);
	}
	flags = op == VSOCK_OP_INVALID ? shutdown_to_tell(conn) : 0;
	if (flags)
		op = VSOCK_OP_SHUTDOWN;
	if (op == VSOCK_OP_INVALID)
		return false;
	header = make_header(v, conn, op);
	header.len = *len;
	header.flags = flags;
	put_header(chain, &header);

	if (op == VSOCK_OP_RST) {
		vsock_remove(v, conn);
		return true;
	}
	if (op == VSOCK_OP_SHUTDOWN) {
		conn->told_shutdown = flags;
		/* The guest's RST is all that is left to come. */
		if (flags == VSOCK_SHUTDOWN_BOTH)
			vsock_close_stream(v, conn);
	}
	if (conn->owed || may_read(conn) || shutdown_to_tell(conn))
		vsock_set_ready(v, conn);
	return true;
}

static void make_refusal(struct vsock *v, const struct virtq_chain *chain)
{
	const struct vsock_refusal *refusal = &v->refusal[v->first_refusal];
	const struct vsock_header header = {
		.src_cid = refusal->cid,
		.dst_cid = v->cid,
		.src_port = refusal->host_port,
		.dst_port = refusal->guest_port,
		.type = refusal->type,
		.op = VSOCK_OP_RST,
	};

	v->first_refusal = (v->first_refusal + 1) % VSOCK_MAX_REFUSALS;
	v->nr_refusals--;
	put_header(chain, &header);
}

/* One packet of whoever has one. False: nobody has. */
static bool fill_chain(struct vsock *v, const struct virtq_chain *chain, uint32_t *len)
{
	struct vsock_conn *conn;

	*len = 0;
	if (v->nr_refusals) {
		make_refusal(v, chain);
		return true;
	}
	while ((conn = vsock_next_ready(v)))
		if (make_packet(v, conn, chain, len))
			return true;
	return false;
}

static bool has_packets(const struct vsock *v)
{
	return v->nr_refusals || v->ready_first;
}

/* Sends what there is buffers for, and not more than a queue's worth: others want the worker too. */
static void send_packets(struct vsock *v)
{
	struct virtio_device *vdev = &v->vdev;
	struct virtq *q = &vdev->queue[QUEUE_RX];
	struct iovec iov[VSOCK_QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = VSOCK_QUEUE_SIZE };
	unsigned int sent = 0;

	virtq_disable_notify(q);
	do {
		while (has_packets(v) && sent < VSOCK_QUEUE_SIZE && virtio_pop(vdev, QUEUE_RX, &chain)) {
			uint32_t len;

			if (chain.write_size <= sizeof(struct vsock_header)) {
				virtio_broken(vdev, "a buffer of %llu bytes for packets, which are longer",
					      (unsigned long long)chain.write_size);
				return;
			}
			if (!fill_chain(v, &chain, &len)) {
				virtq_unpop(q, 1);
				break;
			}
			virtq_push(q, chain.head, (uint32_t)sizeof(struct vsock_header) + len);
			sent++;
		}
		if (!virtio_is_live(vdev))
			return;
		if (has_packets(v) && sent == VSOCK_QUEUE_SIZE) {
			vdev->notify(vdev, QUEUE_RX);
			break;
		}
	} while (has_packets(v) && virtq_enable_notify(q));
	if (sent)
		virtio_signal(vdev, QUEUE_RX);
	if (v->tx_stopped && v->nr_refusals < VSOCK_MAX_REFUSALS) {
		v->tx_stopped = false;
		vdev->notify(vdev, QUEUE_TX);
	}
}

/* --- packets from the guest --- */

/* There is room for one: send_packets() and take_packets() see to that. */
static void refuse(struct vsock *v, const struct vsock_header *header)
{
	unsigned int last = (v->first_refusal + v->nr_refusals) % VSOCK_MAX_REFUSALS;

	if (header->op == VSOCK_OP_RST)
		return;
	v->refusal[last] = (struct vsock_refusal){
		.cid = header->dst_cid,
		.guest_port = header->src_port,
		.host_port = header->dst_port,
		.type = header->type,
	};
	v->nr_refusals++;
}

static void request(struct vsock *v, const struct vsock_header *header)
{
	struct vsock_stream *stream = NULL;
	struct vsock_conn *conn;

	if (v->host->ops->connect(v->host, header->dst_port, &stream) < 0) {
		refuse(v, header);
		return;
	}
	conn = vsock_add(v, header->src_port, header->dst_port, stream, VSOCK_OPEN);
	if (!conn) {
		v->host->ops->close(v->host, stream);
		refuse(v, header);
		return;
	}
	conn->peer_alloc = header->buf_alloc;
	conn->peer_fwd = header->fwd_cnt;
	conn->owed = VSOCK_OWE(VSOCK_OP_RESPONSE);
	vsock_set_ready(v, conn);
}

/* What the guest says to an offer that it has heard of can only be yes or no. */
static void response(struct vsock *v, struct vsock_conn *conn, uint16_t op)
{
	if (op != VSOCK_OP_RESPONSE || conn->owed ||
	    v->host->ops->accepted(v->host, conn->stream, conn->host_port) < 0) {
		vsock_reset_conn(v, conn);
		return;
	}
	conn->state = VSOCK_OPEN;
	vsock_set_ready(v, conn);
}

/* A packet of a connection that is open. */
static void open_packet(struct vsock *v, struct vsock_conn *conn, const struct vsock_header *header,
			const struct iovec *payload, unsigned int count)
{
	switch (header->op) {
	case VSOCK_OP_SHUTDOWN:
		conn->guest_shutdown |= header->flags & VSOCK_SHUTDOWN_BOTH;
		break;
	case VSOCK_OP_RW:
		vsock_from_guest(v, conn, payload, count, header->len);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		conn->owed |= VSOCK_OWE(VSOCK_OP_CREDIT_UPDATE);
		break;
	default:
		vsock_reset_conn(v, conn);
	}
	vsock_settle(v, conn);
	vsock_set_ready(v, conn);
}

static void conn_packet(struct vsock *v, struct vsock_conn *conn, const struct vsock_header *header,
			const struct iovec *payload, unsigned int count)
{
	if (header->op == VSOCK_OP_RST) {
		vsock_leave(v, conn);
		return;
	}
	if (conn->state == VSOCK_RESET)
		return; /* it will hear of that */
	conn->peer_alloc = header->buf_alloc;
	conn->peer_fwd = header->fwd_cnt;
	/* One that answers "none" is not asked again: it will say when there is some. */
	if (vsock_credit(conn))
		conn->asked_credit = false;
	if (conn->state == VSOCK_OFFERED)
		response(v, conn, header->op);
	else
		open_packet(v, conn, header, payload, count);
}

static void packet(struct vsock *v, const struct vsock_header *header, const struct iovec *payload,
		   unsigned int count)
{
	struct vsock_conn *conn;

	if (header->src_cid != v->cid)
		return; /* from nobody, so nobody can be answered */
	if (header->dst_cid != VSOCK_HOST_CID || header->type != VSOCK_TYPE_STREAM) {
		refuse(v, header);
		return;
	}
	conn = vsock_find(v, header->src_port, header->dst_port);
	if (conn)
		conn_packet(v, conn, header, payload, count);
	else if (header->op == VSOCK_OP_REQUEST)
		request(v, header);
	else
		refuse(v, header);
}

/* False: the device is broken. */
static bool take_packet(struct vsock *v, const struct virtq_chain *chain)
{
	struct iovec payload[VSOCK_QUEUE_SIZE];
	struct vsock_header header;
	unsigned int count = 0;

	if (iov_read(chain->iov, chain->nr_read, 0, &header, sizeof(header)) < sizeof(header)) {
		virtio_broken(&v->vdev, "a packet of %llu bytes, less than a header",
			      (unsigned long long)chain->read_size);
		return false;
	}
	if (header.len > chain->read_size - sizeof(header)) {
		virtio_broken(&v->vdev, "a packet of %llu bytes that says it has %lu more than its header",
			      (unsigned long long)chain->read_size, (unsigned long)header.len);
		return false;
	}
	if (header.len)
		count = iov_slice(chain->iov, chain->nr_read, sizeof(header), header.len, payload,
				  VSOCK_QUEUE_SIZE);
	packet(v, &header, payload, count);
	return true;
}

static void take_packets(struct vsock *v)
{
	struct virtio_device *vdev = &v->vdev;
	struct virtq *q = &vdev->queue[QUEUE_TX];
	struct iovec iov[VSOCK_QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = VSOCK_QUEUE_SIZE };
	unsigned int taken = 0;

	virtq_disable_notify(q);
	do {
		while (v->nr_refusals < VSOCK_MAX_REFUSALS && taken < VSOCK_QUEUE_SIZE &&
		       virtio_pop(vdev, QUEUE_TX, &chain)) {
			if (!take_packet(v, &chain))
				return;
			virtq_push(q, chain.head, 0);
			taken++;
		}
		if (!virtio_is_live(vdev))
			return;
		v->tx_stopped = v->nr_refusals == VSOCK_MAX_REFUSALS;
		if (taken == VSOCK_QUEUE_SIZE)
			vdev->notify(vdev, QUEUE_TX);
	} while (!v->tx_stopped && taken < VSOCK_QUEUE_SIZE && virtq_enable_notify(q));
	if (taken)
		virtio_signal(vdev, QUEUE_TX);
}

/* --- the host side calls --- */

static bool offer(void *ctx, struct vsock_stream *stream, uint32_t port)
{
	struct vsock *v = ctx;
	struct vsock_conn *conn = NULL;

	pthread_mutex_lock(&v->vdev.lock);
	if (virtio_is_live(&v->vdev))
		conn = vsock_add(v, port, vsock_free_port(v, port), stream, VSOCK_OFFERED);
	if (conn) {
		conn->owed = VSOCK_OWE(VSOCK_OP_REQUEST);
		vsock_set_ready(v, conn);
		send_packets(v);
	}
	pthread_mutex_unlock(&v->vdev.lock);
	return conn;
}

/* A program that leaves before the guest has answered. */
static void offer_withdrawn(struct vsock *v, struct vsock_conn *conn)
{
	if (conn->owed)
		vsock_remove(v, conn); /* the guest knows nothing of it yet */
	else
		vsock_reset_conn(v, conn);
}

static void ready(void *ctx, struct vsock_stream *stream, unsigned int what)
{
	struct vsock *v = ctx;
	struct vsock_conn *conn;

	pthread_mutex_lock(&v->vdev.lock);
	conn = stream->conn;
	if (!conn)
		goto out;
	conn->hung_up |= (what & VSOCK_HANGUP) != 0;
	conn->readable |= (what & (VSOCK_READABLE | VSOCK_HANGUP)) != 0;
	conn->writable |= (what & (VSOCK_WRITABLE | VSOCK_HANGUP)) != 0;
	if (conn->state == VSOCK_OFFERED) {
		if (conn->hung_up)
			offer_withdrawn(v, conn);
	} else if (conn->state == VSOCK_LEFT) {
		vsock_leave(v, conn);
	} else {
		vsock_drain(v, conn);
		vsock_settle(v, conn);
		vsock_set_ready(v, conn);
	}
	if (virtio_is_live(&v->vdev))
		send_packets(v);
out:
	pthread_mutex_unlock(&v->vdev.lock);
}

/* --- the device --- */

static void vsock_kick(struct virtio_device *vdev, unsigned int index)
{
	struct vsock *v = (struct vsock *)vdev;

	/* There is nothing to say by the event queue: a guest does not move between hosts. */
	if (index == QUEUE_TX)
		take_packets(v);
	if (index != QUEUE_EVENT && virtio_is_live(vdev))
		send_packets(v);
}

static void vsock_reset(struct virtio_device *vdev)
{
	struct vsock *v = (struct vsock *)vdev;

	vsock_remove_all(v);
	v->next_port = VSOCK_FIRST_PORT;
	v->first_refusal = v->nr_refusals = 0;
	v->tx_stopped = false;
}

static void vsock_destroy(struct virtio_device *vdev)
{
	struct vsock *v = (struct vsock *)vdev;

	vsock_drain_all(v);
	vsock_remove_all(v);
	v->host->ops->destroy(v->host);
	virtio_finish(vdev);
	free(v);
}

static const struct virtio_class vsock_class = {
	.name = "virtio-vsock",
	.id = VIRTIO_ID_VSOCK,
	.kick = vsock_kick,
	.reset = vsock_reset,
	.destroy = vsock_destroy,
};

int virtio_vsock_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
			uint32_t cid, struct vsock_host *host, struct err *err)
{
	const uint64_t guest_cid = cid;
	struct vsock *v = calloc(1, sizeof(*v));
	int ret;

	if (!v)
		return err_host(err, ENOMEM, "%s", name);
	ret = virtio_init(&v->vdev, &vsock_class, mem, name, VIRTIO_VSOCK_F_STREAM, VSOCK_QUEUES,
			  VSOCK_QUEUE_SIZE, sizeof(guest_cid), err);
	if (ret < 0) {
		free(v);
		return ret;
	}
	memcpy(v->vdev.config, &guest_cid, sizeof(guest_cid));
	v->cid = cid;
	v->next_port = VSOCK_FIRST_PORT;
	v->host = host;
	host->offer = offer;
	host->ready = ready;
	host->ctx = v;
	*out = &v->vdev;
	return 0;
}
