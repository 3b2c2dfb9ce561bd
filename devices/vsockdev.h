/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side of a socket device, as its model sees it: streams of bytes, each the host's end of one
 * connection with the guest.
 *
 * Locks: the model calls the operations with its own lock held. The host side calls the model back from
 * the event loop's thread of the device, with none of its own locks held. Neither side ever blocks.
 *
 * Edges: the host side says once that a stream has become readable or writable. The model reads, or
 * writes, until it hears -EAGAIN, and only then is told again. At first a stream may be either.
 */
#ifndef VIREO_DEVICES_VSOCKDEV_H
#define VIREO_DEVICES_VSOCKDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct vsock_host;

/*
 * Embedded in the host side's own structure. After close() the model does not use it any more; the memory
 * stays valid until a callback that is under way has returned.
 */
struct vsock_stream {
	void *conn; /* the model's; NULL: it has none, or has closed it. Guarded by the model's lock */
};

/* What has become of a stream, for ready(). */
#define VSOCK_READABLE 1u
#define VSOCK_WRITABLE 2u
#define VSOCK_HANGUP   4u /* the program at the other end is gone: what it sent can still be read */

struct vsock_host_ops {
	/* The guest wants a connection with `port` of the host. 0 and a stream, or a negative errno. */
	int (*connect)(struct vsock_host *host, uint32_t port, struct vsock_stream **out);
	/* The guest has taken the stream of offer(); `port` is its name on the host. 0, or a negative errno. */
	int (*accepted)(struct vsock_host *host, struct vsock_stream *stream, uint32_t port);
	/* How many bytes were sent; -EAGAIN; or another negative errno: it takes no more, ever. */
	ssize_t (*send)(struct vsock_host *host, struct vsock_stream *stream, const struct iovec *iov,
			unsigned int count);
	/* How many bytes were received; 0: there will be no more; or a negative errno as of send(). */
	ssize_t (*receive)(struct vsock_host *host, struct vsock_stream *stream, const struct iovec *iov,
			   unsigned int count);
	/* Half a close: nothing more will be sent, or received. */
	void (*end_send)(struct vsock_host *host, struct vsock_stream *stream);
	void (*end_receive)(struct vsock_host *host, struct vsock_stream *stream);
	void (*close)(struct vsock_host *host, struct vsock_stream *stream);
	void (*destroy)(struct vsock_host *host); /* the model has closed all streams */
};

struct vsock_host {
	const struct vsock_host_ops *ops;

	/*
	 * Set by the model in its create(). offer(): a program on the host wants a connection with `port` of
	 * the guest. True: the stream is the model's, which closes it if the guest does not want it. False:
	 * refused, and the stream still the host side's.
	 */
	bool (*offer)(void *ctx, struct vsock_stream *stream, uint32_t port);
	void (*ready)(void *ctx, struct vsock_stream *stream, unsigned int what); /* bits VSOCK_* */
	void *ctx;
};

#endif
