/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the socket device share. vsock.c has the queues, vsock_conn.c the connections. */
#ifndef VIREO_DEVICES_VIRTIO_VSOCK_INTERNAL_H
#define VIREO_DEVICES_VIRTIO_VSOCK_INTERNAL_H

#include "devices/virtio/vsock.h"

/* "Device Operation": what is in front of each packet's payload. All of it little-endian. */
struct vsock_header {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len; /* of the payload, bytes */
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
} __attribute__((packed));
_Static_assert(sizeof(struct vsock_header) == 44, "VIRTIO 1.2, struct virtio_vsock_hdr");

enum vsock_op {
	VSOCK_OP_INVALID = 0,
	VSOCK_OP_REQUEST = 1,
	VSOCK_OP_RESPONSE = 2,
	VSOCK_OP_RST = 3,
	VSOCK_OP_SHUTDOWN = 4,
	VSOCK_OP_RW = 5,
	VSOCK_OP_CREDIT_UPDATE = 6,
	VSOCK_OP_CREDIT_REQUEST = 7,
};

#define VSOCK_TYPE_STREAM 1

/* Flags of SHUTDOWN: whoever says so does not receive, or send, any more. */
#define VSOCK_SHUTDOWN_RCV  1u
#define VSOCK_SHUTDOWN_SEND 2u
#define VSOCK_SHUTDOWN_BOTH (VSOCK_SHUTDOWN_RCV | VSOCK_SHUTDOWN_SEND)

enum vsock_state {
	VSOCK_OFFERED, /* the guest was, or will be, asked */
	VSOCK_OPEN,
	VSOCK_RESET, /* it is over; the guest is to hear of it, and that is all */
	VSOCK_LEFT, /* the guest has forgotten it, vsock_find() too; what it sent waits for the program, and that is all */
};

/* Bits of vsock_conn.owed: packets that are to be sent. */
#define VSOCK_OWE(op) (1u << (op))

struct vsock_conn {
	enum vsock_state state;
	uint32_t guest_port, host_port;
	struct vsock_stream *stream; /* NULL: the host's end is closed */
	unsigned int owed;

	/* From the guest to the host. Bytes received = fwd_cnt + buf_len, modulo 2^32. */
	uint8_t *buf;                /* a ring of VSOCK_BUFFER bytes; NULL: empty */
	uint32_t buf_start, buf_len; /* bytes */
	uint32_t fwd_cnt;            /* bytes that have left it, or passed it by */
	uint32_t told_fwd_cnt;       /* what the guest knows of that */
	uint32_t guest_shutdown;     /* VSOCK_SHUTDOWN_*: what the guest has said */
	bool writable;
	bool send_ended, receive_ended; /* the host side was told of guest_shutdown */

	/* From the host to the guest. */
	uint32_t peer_alloc, peer_fwd; /* the guest's buffer */
	uint32_t tx_cnt;               /* bytes sent */
	bool readable;
	bool asked_credit;      /* CREDIT_REQUEST was sent and not answered */
	bool host_eof;          /* the program has sent its last byte */
	bool host_gone;         /* the program takes no more */
	bool hung_up;           /* the program is gone, what it sent may remain */
	uint32_t told_shutdown; /* VSOCK_SHUTDOWN_*: what the guest was told */

	struct vsock_conn *hash_next;
	struct vsock_conn *ready_next; /* in the list of those that may have a packet to send */
	bool is_ready;
};

/* An answer to a packet of no connection. */
struct vsock_refusal {
	uint64_t cid; /* that the guest took for somebody's */
	uint32_t guest_port, host_port;
	uint16_t type;
};

#define VSOCK_BUCKETS      256
#define VSOCK_MAX_REFUSALS 64 /* with more to send, nothing is taken from the guest */

struct vsock {
	struct virtio_device vdev;
	struct vsock_host *host;
	uint32_t cid;

	/* Guarded by vdev.lock. */
	struct vsock_conn *bucket[VSOCK_BUCKETS];
	unsigned int nr_conns;
	uint32_t next_port;
	struct vsock_conn *ready_first, *ready_last;
	struct vsock_refusal refusal[VSOCK_MAX_REFUSALS];
	unsigned int first_refusal, nr_refusals;
	bool tx_stopped; /* for want of room among the refusals */
};

/* --- vsock_conn.c; all with vdev.lock held --- */

struct vsock_conn *vsock_find(struct vsock *v, uint32_t guest_port, uint32_t host_port);

/* NULL: there are too many, or there is no memory. The stream, which is then its own, is ready for anything. */
struct vsock_conn *vsock_add(struct vsock *v, uint32_t guest_port, uint32_t host_port,
			     struct vsock_stream *stream, enum vsock_state state);

/* Closes the host's end; what waits for the program is lost. */
void vsock_close_stream(struct vsock *v, struct vsock_conn *conn);

/* Closes the host's end and forgets the connection. */
void vsock_remove(struct vsock *v, struct vsock_conn *conn);
void vsock_remove_all(struct vsock *v);

/* The guest has forgotten the connection: forgets it too, once the program has what it was sent. */
void vsock_leave(struct vsock *v, struct vsock_conn *conn);

/* Closes the host's end; the guest hears of it by RST, and then the connection is forgotten. */
void vsock_reset_conn(struct vsock *v, struct vsock_conn *conn);

/* A port of the host that no connection with that port of the guest has. */
uint32_t vsock_free_port(struct vsock *v, uint32_t guest_port);

/* The connection may have a packet for the guest. */
void vsock_set_ready(struct vsock *v, struct vsock_conn *conn);
/* The next one that may; NULL: none. It is no longer in the list. */
struct vsock_conn *vsock_next_ready(struct vsock *v);

/* `len` bytes of payload from the guest: on to the program, what it does not take into the buffer. */
void vsock_from_guest(struct vsock *v, struct vsock_conn *conn, const struct iovec *iov, unsigned int count,
		      uint32_t len);

/* The VM ends: all programs get what they have room for now. */
void vsock_drain_all(struct vsock *v);

/* The program takes data again. */
void vsock_drain(struct vsock *v, struct vsock_conn *conn);

/* Does what the guest's SHUTDOWN and the state of the buffer demand. The connection may be at its end then. */
void vsock_settle(struct vsock *v, struct vsock_conn *conn);

/* How many more bytes the guest has room for. */
uint32_t vsock_credit(const struct vsock_conn *conn);

#endif
