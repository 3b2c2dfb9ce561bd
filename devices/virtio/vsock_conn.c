// SPDX-License-Identifier: BSD-2-Clause
/*
 * The connections of the socket device: their table, the buffer between guest and program, how they end
 * (Virtual I/O Device (VIRTIO) Version 1.2, "Socket Device", "Buffer Space Management" and "Stream
 * Sockets").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/vsock_internal.h"

static unsigned int bucket_of(uint32_t guest_port, uint32_t host_port)
{
	uint32_t mixed = (guest_port ^ (host_port << 16 | host_port >> 16)) * 0x9e3779b1u;

	return mixed >> 24; /* VSOCK_BUCKETS of them */
}

struct vsock_conn *vsock_find(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_conn *conn = v->bucket[bucket_of(guest_port, host_port)];

	while (conn &&
	       (conn->guest_port != guest_port || conn->host_port != host_port || conn->state == VSOCK_LEFT))
		conn = conn->hash_next;
	return conn;
}

/* One that is over on the host's side and waits only for the guest's last word; if there is none, one that the guest left. */
static struct vsock_conn *find_over(const struct vsock *v)
{
	struct vsock_conn *left = NULL;

	for (unsigned int i = 0; i < VSOCK_BUCKETS; i++) {
		for (struct vsock_conn *conn = v->bucket[i]; conn; conn = conn->hash_next) {
			if (!conn->stream && !conn->owed)
				return conn;
			if (conn->state == VSOCK_LEFT)
				left = conn;
		}
	}
	return left;
}

/*
 * Makes room by forgetting one that is over. What the guest may still send for it is answered as for any connection
 * that does not exist.
 */
static void forget_one(struct vsock *v)
{
	struct vsock_conn *conn = find_over(v);

	if (conn)
		vsock_remove(v, conn);
}

struct vsock_conn *vsock_add(struct vsock *v, uint32_t guest_port, uint32_t host_port,
			     struct vsock_stream *stream, enum vsock_state state)
{
	struct vsock_conn **bucket = &v->bucket[bucket_of(guest_port, host_port)];
	struct vsock_conn *conn;

	if (v->nr_conns == VSOCK_MAX_CONNS)
		forget_one(v);
	if (v->nr_conns == VSOCK_MAX_CONNS)
		return NULL;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return NULL;
	conn->state = state;
	conn->guest_port = guest_port;
	conn->host_port = host_port;
	conn->stream = stream;
	conn->readable = conn->writable = true;
	conn->hash_next = *bucket;
	*bucket = conn;
	v->nr_conns++;
	stream->conn = conn;
	return conn;
}

static void drop_buffer(struct vsock_conn *conn)
{
	free(conn->buf);
	conn->buf = NULL;
	conn->fwd_cnt += conn->buf_len;
	conn->buf_start = conn->buf_len = 0;
}

void vsock_close_stream(struct vsock *v, struct vsock_conn *conn)
{
	drop_buffer(conn);
	if (!conn->stream)
		return;
	conn->stream->conn = NULL;
	v->host->ops->close(v->host, conn->stream);
	conn->stream = NULL;
}

static void leave_ready(struct vsock *v, struct vsock_conn *conn)
{
	struct vsock_conn *before = NULL, *at = v->ready_first;

	if (!conn->is_ready)
		return;
	for (; at != conn; at = at->ready_next)
		before = at;
	if (before)
		before->ready_next = conn->ready_next;
	else
		v->ready_first = conn->ready_next;
	if (v->ready_last == conn)
		v->ready_last = before;
	conn->is_ready = false;
}

void vsock_remove(struct vsock *v, struct vsock_conn *conn)
{
	struct vsock_conn **at = &v->bucket[bucket_of(conn->guest_port, conn->host_port)];

	vsock_close_stream(v, conn);
	leave_ready(v, conn);
	while (*at != conn)
		at = &(*at)->hash_next;
	*at = conn->hash_next;
	v->nr_conns--;
	free(conn);
}

void vsock_drain_all(struct vsock *v)
{
	for (unsigned int i = 0; i < VSOCK_BUCKETS; i++)
		for (struct vsock_conn *conn = v->bucket[i]; conn; conn = conn->hash_next) {
			conn->writable = true; /* the loop that would tell has ended */
			vsock_drain(v, conn);
		}
}

void vsock_remove_all(struct vsock *v)
{
	for (unsigned int i = 0; i < VSOCK_BUCKETS; i++)
		while (v->bucket[i])
			vsock_remove(v, v->bucket[i]);
}

/*
 * Linux waits 8 s for the answer to a SHUTDOWN of both, and then says RST and forgets the connection. What it had sent
 * before is not lost by that, as it is not with AF_VSOCK's own transports.
 */
void vsock_leave(struct vsock *v, struct vsock_conn *conn)
{
	if (conn->state == VSOCK_OPEN && (conn->guest_shutdown & VSOCK_SHUTDOWN_SEND)) {
		conn->state = VSOCK_LEFT;
		conn->owed = 0;
		leave_ready(v, conn);
	}
	if (conn->state == VSOCK_LEFT)
		vsock_drain(v, conn);
	if (conn->state != VSOCK_LEFT || !conn->buf_len)
		vsock_remove(v, conn);
}

void vsock_reset_conn(struct vsock *v, struct vsock_conn *conn)
{
	vsock_close_stream(v, conn);
	conn->state = VSOCK_RESET;
	conn->owed = VSOCK_OWE(VSOCK_OP_RST);
	vsock_set_ready(v, conn);
}

uint32_t vsock_free_port(struct vsock *v, uint32_t guest_port)
{
	/* It ends: there are far more ports than connections. */
	for (;;) {
		uint32_t port = v->next_port;

		v->next_port = port == INT32_MAX ? VSOCK_FIRST_PORT : port + 1;
		if (!vsock_find(v, guest_port, port))
			return port;
	}
}

void vsock_set_ready(struct vsock *v, struct vsock_conn *conn)
{
	if (conn->is_ready || conn->state == VSOCK_LEFT)
		return;
	conn->is_ready = true;
	conn->ready_next = NULL;
	if (v->ready_last)
		v->ready_last->ready_next = conn;
	else
		v->ready_first = conn;
	v->ready_last = conn;
}

struct vsock_conn *vsock_next_ready(struct vsock *v)
{
	struct vsock_conn *conn = v->ready_first;

	if (!conn)
		return NULL;
	v->ready_first = conn->ready_next;
	if (!v->ready_first)
		v->ready_last = NULL;
	conn->is_ready = false;
	return conn;
}

/* --- from the guest to the program --- */

/* The guest must learn of room before it has none left: a quarter of the buffer is told of at once. */
static void count_forwarded(struct vsock *v, struct vsock_conn *conn, uint32_t len)
{
	conn->fwd_cnt += len;
	if (conn->fwd_cnt - conn->told_fwd_cnt < VSOCK_BUFFER / 4)
		return;
	conn->owed |= VSOCK_OWE(VSOCK_OP_CREDIT_UPDATE);
	vsock_set_ready(v, conn);
}

/* The program takes nothing any more: what waits for it, and what comes, goes nowhere. */
static void program_is_gone(struct vsock *v, struct vsock_conn *conn)
{
	conn->host_gone = true;
	drop_buffer(conn);
	count_forwarded(v, conn, 0);
	/* It may have left something to read, or else its end. */
	conn->readable = true;
	vsock_set_ready(v, conn);
}

/* Bytes taken: 0 if there is no room now or never. */
static uint32_t send(struct vsock *v, struct vsock_conn *conn, const struct iovec *iov, unsigned int count)
{
	ssize_t sent = v->host->ops->send(v->host, conn->stream, iov, count);

	if (sent > 0)
		return (uint32_t)sent;
	if (!sent || sent == -EAGAIN)
		conn->writable = false;
	else
		program_is_gone(v, conn);
	return 0;
}

/* Appends what begins `offset` bytes in; there is room. */
static int store(struct vsock_conn *conn, const struct iovec *iov, unsigned int count, uint32_t offset,
		 uint32_t len)
{
	uint32_t end = (conn->buf_start + conn->buf_len) % VSOCK_BUFFER;
	uint32_t first = len < VSOCK_BUFFER - end ? len : VSOCK_BUFFER - end;

	if (!conn->buf) {
		conn->buf = malloc(VSOCK_BUFFER);
		if (!conn->buf)
			return -ENOMEM;
	}
	iov_read(iov, count, offset, conn->buf + end, first);
	iov_read(iov, count, offset + first, conn->buf, len - first);
	conn->buf_len += len;
	return 0;
}

void vsock_from_guest(struct vsock *v, struct vsock_conn *conn, const struct iovec *iov, unsigned int count,
		      uint32_t len)
{
	uint32_t sent = 0;

	/* More than it was given room for, or after it said that there would be no more. */
	if (len > VSOCK_BUFFER - conn->buf_len || (conn->guest_shutdown & VSOCK_SHUTDOWN_SEND)) {
		vsock_reset_conn(v, conn);
		return;
	}
	while (sent < len && conn->stream && !conn->host_gone && conn->writable && !conn->buf_len) {
		struct iovec part[VSOCK_QUEUE_SIZE];
		unsigned int parts = iov_slice(iov, count, sent, len - sent, part, VSOCK_QUEUE_SIZE);

		sent += send(v, conn, part, parts);
	}
	if (conn->stream && !conn->host_gone) {
		if (sent < len && store(conn, iov, count, sent, len - sent) < 0) {
			vsock_reset_conn(v, conn);
			return;
		}
	} else {
		sent = len;
	}
	count_forwarded(v, conn, sent);
}

void vsock_drain(struct vsock *v, struct vsock_conn *conn)
{
	while (conn->buf_len && conn->writable) {
		uint32_t first = VSOCK_BUFFER - conn->buf_start;
		struct iovec part[2] = {
			{ .iov_base = conn->buf + conn->buf_start,
			  .iov_len = conn->buf_len < first ? conn->buf_len : first },
			{ .iov_base = conn->buf,
			  .iov_len = conn->buf_len < first ? 0 : conn->buf_len - first },
		};
		uint32_t sent = send(v, conn, part, part[1].iov_len ? 2 : 1);

		if (!conn->buf_len)
			return; /* the program is gone, and so is the buffer */
		conn->buf_start = (conn->buf_start + sent) % VSOCK_BUFFER;
		conn->buf_len -= sent;
		count_forwarded(v, conn, sent);
	}
	if (!conn->buf_len)
		drop_buffer(conn);
}

void vsock_settle(struct vsock *v, struct vsock_conn *conn)
{
	bool sends_no_more = conn->guest_shutdown & VSOCK_SHUTDOWN_SEND;
	bool takes_no_more = conn->guest_shutdown & VSOCK_SHUTDOWN_RCV;

	if (conn->state != VSOCK_OPEN)
		return;
	/* "Stream Sockets": once neither is wanted any more, the connection ends by RST. */
	if (sends_no_more && takes_no_more && !conn->buf_len) {
		vsock_reset_conn(v, conn);
		return;
	}
	if (!conn->stream)
		return;
	if (takes_no_more && !conn->receive_ended) {
		v->host->ops->end_receive(v->host, conn->stream);
		conn->receive_ended = true;
	}
	/* What it has sent before is to arrive. */
	if (sends_no_more && !conn->send_ended && !conn->buf_len) {
		v->host->ops->end_send(v->host, conn->stream);
		conn->send_ended = true;
	}
}

/* --- from the program to the guest --- */

uint32_t vsock_credit(const struct vsock_conn *conn)
{
	/* Whatever the guest says, it is never more than the buffer it says it has. */
	uint32_t under_way = conn->tx_cnt - conn->peer_fwd;

	return under_way < conn->peer_alloc ? conn->peer_alloc - under_way : 0;
}
