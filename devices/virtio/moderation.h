/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When to interrupt a driver for requests that are done. An interrupt costs a guest several exits. A driver
 * that has many requests on their way is better off with one for many of them; one that waits for a single
 * request wants it at once. Where the host is faster than the driver, a device cannot see which it is: what
 * comes is done before the next one comes. So the interrupt is held back at times, and what the driver does
 * meanwhile tells: it sends more, or it waits.
 *
 * An interrupt is due when `target` requests are done, or nothing happens any more for as long as some
 * requests usually take to come. In the first case the target is raised now and then; in the second it
 * becomes a little less than what there was. A driver that waits is tried ever less often.
 *
 * Requests may also come one by one from many who each wait for theirs, or at a pace of their own; that cannot be
 * told from a driver with many on their way. So nothing is held back for longer than some times what an interrupt
 * costs the driver: what it takes to acknowledge one, the shortest time of late. And not at all where so few
 * requests come in that time that there is nothing to gain.
 *
 * Not for several threads: the device's lock is held around each call but moderation_acknowledged().
 */
#ifndef VIREO_DEVICES_VIRTIO_MODERATION_H
#define VIREO_DEVICES_VIRTIO_MODERATION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/clock.h"

struct moderation {
	struct clock *clock;
	struct clock_timer *timer; /* whose fire() calls moderation_expired() */

	unsigned int target;       /* requests to a driver's interrupt */
	unsigned int held;         /* requests that are done and not told of */
	unsigned int trust;        /* so many interrupts until a higher target is tried */
	unsigned int doubt;        /* that many after a driver was found to wait */
	uint64_t spacing;          /* ns between requests, on average */
	uint64_t came;             /* when the last one came, ns */
	uint64_t held_since, last; /* the first that is held, and the last that came or was done; ns */
	bool is_armed;

	_Atomic uint64_t sent_at; /* the interrupt that is not acknowledged yet, ns; 0: none */
	_Atomic uint64_t cost;    /* ns from an interrupt to its acknowledgement; 0: not known */
};

/* Belongs to the device, as `timer` does. */
void moderation_init(struct moderation *m, struct clock *clock, struct clock_timer *timer);

/* As it was at first: the driver has gone. Nothing is armed. */
void moderation_reset(struct moderation *m);

/* `count` requests have come. */
void moderation_came(struct moderation *m, unsigned int count);

/*
 * `count` requests, not 0, have been done and shown. True: interrupt the driver now. False: the timer will
 * tell. `urgent`: the driver surely waits for one of them.
 */
bool moderation_done(struct moderation *m, unsigned int count, bool urgent);

/* The timer has fired. True: interrupt the driver now. */
bool moderation_expired(struct moderation *m);

/* The driver is going to be interrupted; and: it was not, for it wants none. */
void moderation_sending(struct moderation *m);
void moderation_not_sent(struct moderation *m);

/* It has acknowledged an interrupt. Any thread. */
void moderation_acknowledged(struct moderation *m);

#endif
