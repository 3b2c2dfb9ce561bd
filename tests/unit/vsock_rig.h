/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's side of a socket device: a driver that sends packets and takes those that come, on top of
 * virtio_rig.h. Expected values are those of VIRTIO 1.2, "Socket Device".
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_VSOCK_RIG_H
#define VIREO_TESTS_UNIT_VSOCK_RIG_H

#include "devices/virtio/vsock.h"
#include "tests/unit/virtio_rig.h"

#define CID 3

enum { RX, TX, EVENT };
enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };
enum { NO_RECEIVE = 1, NO_SEND = 2 };

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

#define HEADER 44u

#define RX_SIZE 4096u /* bytes of each buffer for packets, as Linux has them */

struct vsock_rig {
	struct vrig v;
	uint64_t rx[16]; /* the buffers, by head */
	uint64_t tx;     /* where packets are put together */
	uint32_t alloc;  /* what the guest says of its own buffer */
	uint32_t fwd;
	struct packet last; /* the packet taken last */
	uint8_t data[RX_SIZE];
};

/* Gives the device one more buffer for packets. */
static inline void guest_post(struct vsock_rig *r)
{
	struct vrig_buf buf = { .addr = vrig_alloc(&r->v, RX_SIZE), .len = RX_SIZE, .write = true };
	uint16_t head = vrig_add(&r->v, RX, &buf, 1);

	r->rx[head] = buf.addr;
	vrig_notify(&r->v, RX);
	vrig_run(&r->v);
}

/* The same buffer again. */
static inline void guest_repost(struct vsock_rig *r, uint64_t addr)
{
	struct vrig_buf buf = { .addr = addr, .len = RX_SIZE, .write = true };
	uint16_t head = vrig_add(&r->v, RX, &buf, 1);

	r->rx[head] = addr;
	vrig_notify(&r->v, RX);
	vrig_run(&r->v);
}

static inline void guest_start(struct vsock_rig *r, unsigned int buffers)
{
	r->v.allocated = 0;
	vrig_start(&r->v, 0);
	r->tx = vrig_alloc(&r->v, 256 << 10);
	r->alloc = 256 << 10;
	r->fwd = 0;
	while (buffers--)
		guest_post(r);
}

/* How many packets have come that were not taken. */
static inline unsigned int guest_waiting(struct vsock_rig *r)
{
	return vrig_used(&r->v, RX);
}

/* Takes the next packet: r->last, r->data; the buffer is given again. */
static inline void guest_take(struct vsock_rig *r)
{
	uint32_t len = vrig_get(&r->v, RX);
	uint64_t addr = r->rx[r->v.queue[RX].last_head];

	assert_true(len >= HEADER && len <= RX_SIZE);
	memcpy(&r->last, vrig_host(&r->v, addr, HEADER), HEADER);
	assert_int_equal(r->last.len, len - HEADER);
	memcpy(r->data, vrig_host(&r->v, addr + HEADER, r->last.len), r->last.len);
	guest_repost(r, addr);
}

/* The next packet is that. */
static inline void guest_expect(struct vsock_rig *r, uint16_t op, uint32_t host_port, uint32_t guest_port)
{
	guest_take(r);
	assert_int_equal(r->last.op, op);
	assert_int_equal(r->last.src_cid, 2);
	assert_int_equal(r->last.dst_cid, CID);
	assert_int_equal(r->last.src_port, host_port);
	assert_int_equal(r->last.dst_port, guest_port);
	assert_int_equal(r->last.type, 1);
}

static inline void guest_expect_data(struct vsock_rig *r, uint32_t host_port, uint32_t guest_port,
				     const char *text)
{
	guest_expect(r, RW, host_port, guest_port);
	assert_int_equal(r->last.len, strlen(text));
	assert_memory_equal(r->data, text, r->last.len);
}

static inline void guest_send_packet(struct vsock_rig *r, const struct packet *packet, const void *data,
				     uint32_t len)
{
	struct vrig_buf buf[2] = { { .addr = r->tx, .len = HEADER }, { .addr = r->tx + HEADER, .len = len } };

	memcpy(vrig_host(&r->v, r->tx, HEADER), packet, HEADER);
	if (len)
		memcpy(vrig_host(&r->v, r->tx + HEADER, len), data, len);
	vrig_send(&r->v, TX, buf, len ? 2 : 1);
	if (vrig_used(&r->v, TX))
		assert_int_equal(vrig_get(&r->v, TX), 0);
}

static inline struct packet guest_packet(const struct vsock_rig *r, uint16_t op, uint32_t guest_port,
					 uint32_t host_port)
{
	return (struct packet){
		.src_cid = CID,
		.dst_cid = 2,
		.src_port = guest_port,
		.dst_port = host_port,
		.type = 1,
		.op = op,
		.buf_alloc = r->alloc,
		.fwd_cnt = r->fwd,
	};
}

static inline void guest_say(struct vsock_rig *r, uint16_t op, uint32_t guest_port, uint32_t host_port)
{
	struct packet packet = guest_packet(r, op, guest_port, host_port);

	guest_send_packet(r, &packet, NULL, 0);
}

static inline void guest_say_shutdown(struct vsock_rig *r, uint32_t flags, uint32_t guest_port,
				      uint32_t host_port)
{
	struct packet packet = guest_packet(r, SHUTDOWN, guest_port, host_port);

	packet.flags = flags;
	guest_send_packet(r, &packet, NULL, 0);
}

static inline void guest_send_bytes(struct vsock_rig *r, uint32_t guest_port, uint32_t host_port,
				    const void *data, uint32_t len)
{
	struct packet packet = guest_packet(r, RW, guest_port, host_port);

	packet.len = len;
	guest_send_packet(r, &packet, data, len);
}

static inline void guest_send_text(struct vsock_rig *r, uint32_t guest_port, uint32_t host_port,
				   const char *text)
{
	guest_send_bytes(r, guest_port, host_port, text, (uint32_t)strlen(text));
}

#endif
