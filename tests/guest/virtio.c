// SPDX-License-Identifier: BSD-2-Clause
/*
 * An entropy device in the first virtio-mmio slot, driven as Virtual I/O Device (VIRTIO) Version 1.2 says
 * ("Virtio Over MMIO", "Split Virtqueues", "Entropy Device"): found, set up, used by notifications and
 * interrupts, misused, and reset.
 */
#include "guest.h"
#include "machine.h"

enum {
	MAGIC = 0x000,
	VERSION = 0x004,
	DEVICE_ID = 0x008,
	DEVICE_FEATURES = 0x010,
	DEVICE_FEATURES_SEL = 0x014,
	DRIVER_FEATURES = 0x020,
	DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030,
	QUEUE_NUM_MAX = 0x034,
	QUEUE_NUM = 0x038,
	QUEUE_READY = 0x044,
	QUEUE_NOTIFY = 0x050,
	INTERRUPT_STATUS = 0x060,
	INTERRUPT_ACK = 0x064,
	STATUS = 0x070,
	QUEUE_DESC = 0x080,
	QUEUE_DRIVER = 0x090,
	QUEUE_DEVICE = 0x0a0,

	ENTROPY = 4,

	ACKNOWLEDGE = 1,
	DRIVER = 2,
	DRIVER_OK = 4,
	FEATURES_OK = 8,
	NEEDS_RESET = 64,

	USED_BUFFER = 1,
	CONFIG_CHANGE = 2,

	DESC_F_WRITE = 2,

	SIZE = 8, /* of the queue */
	BYTES = 64,
};

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct desc desc[SIZE] __attribute__((aligned(16)));
static volatile struct {
	uint16_t flags, idx, ring[SIZE], used_event;
} avail __attribute__((aligned(2)));
static volatile struct {
	uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[SIZE];
	uint16_t avail_event;
} used __attribute__((aligned(4)));

static uint8_t buffer[SIZE][BYTES];
static volatile unsigned int interrupted, configured;

static void serve(void)
{
	uint32_t status = slot_read(INTERRUPT_STATUS);

	slot_write(INTERRUPT_ACK, status);
	interrupted += !!(status & USED_BUFFER);
	configured += !!(status & CONFIG_CHANGE);
}

static void set_address(uint32_t reg, const volatile void *area)
{
	slot_write(reg, (uint32_t)(uintptr_t)area);
	slot_write(reg + 4, (uint32_t)((uint64_t)(uintptr_t)area >> 32));
}

static void reset(void)
{
	slot_write(STATUS, 0);
	memset(desc, 0, sizeof(desc));
	memset((void *)&avail, 0, sizeof(avail));
	memset((void *)&used, 0, sizeof(used));
	interrupted = configured = 0;
}

/* Up to FEATURES_OK, with VERSION_1 only. */
static void negotiate(void)
{
	slot_write(STATUS, ACKNOWLEDGE);
	slot_write(STATUS, ACKNOWLEDGE | DRIVER);
	slot_write(DRIVER_FEATURES_SEL, 0);
	slot_write(DRIVER_FEATURES, 0);
	slot_write(DRIVER_FEATURES_SEL, 1);
	slot_write(DRIVER_FEATURES, 1);
	slot_write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static void start(void)
{
	reset();
	negotiate();
	slot_write(QUEUE_SEL, 0);
	slot_write(QUEUE_NUM, SIZE);
	set_address(QUEUE_DESC, desc);
	set_address(QUEUE_DRIVER, &avail);
	set_address(QUEUE_DEVICE, &used);
	slot_write(QUEUE_READY, 1);
	slot_write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/* Makes descriptor `i` available, as a buffer of `len` bytes at `addr`. */
static void offer(unsigned int i, uint64_t addr, uint32_t len)
{
	desc[i] = (struct desc){ .addr = addr, .len = len, .flags = DESC_F_WRITE };
	avail.ring[avail.idx % SIZE] = (uint16_t)i;
	memory_order();
	avail.idx++;
	memory_order();
	slot_write(QUEUE_NOTIFY, 0);
}

static void identity(void)
{
	check_eq("magic", slot_read(MAGIC), 0x74726976);
	check_eq("version", slot_read(VERSION), 2);
	check_eq("device-id", slot_read(DEVICE_ID), ENTROPY);
	slot_write(DEVICE_FEATURES_SEL, 1);
	check_eq("offers-version-1", slot_read(DEVICE_FEATURES) & 1, 1);
	slot_write(QUEUE_SEL, 0);
	check("queue-is-long-enough", slot_read(QUEUE_NUM_MAX) >= SIZE);
	slot_write(QUEUE_SEL, 1);
	check_eq("no-second-queue", slot_read(QUEUE_NUM_MAX), 0);
}

static void negotiation(void)
{
	reset();
	check_eq("reset", slot_read(STATUS), 0);
	slot_write(STATUS, ACKNOWLEDGE | DRIVER);
	slot_write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	check_eq("version-1-is-a-must", slot_read(STATUS), ACKNOWLEDGE | DRIVER);
	reset();
	negotiate();
	check_eq("features-ok", slot_read(STATUS), ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static bool all_zero(const uint8_t *bytes, unsigned int n)
{
	while (n && !*bytes)
		bytes++, n--;
	return !n;
}

static void requests(void)
{
	start();
	interrupts(true);
	offer(0, (uintptr_t)buffer[0], BYTES);
	check("interrupt", wait_until(interrupted == 1));
	check_eq("used-index", used.idx, 1);
	check_eq("used-id", used.ring[0].id, 0);
	check_range("used-length", used.ring[0].len, 1, BYTES);
	check("random-bytes", !all_zero(buffer[0], used.ring[0].len));
	delay(MOMENT);
	check_eq("one-interrupt", interrupted, 1);

	avail.flags = 1; /* no interrupts, please */
	offer(1, (uintptr_t)buffer[1], BYTES);
	check("used-without-interrupt", wait_until(used.idx == 2));
	delay(MOMENT);
	check_eq("no-interrupt", interrupted, 1);
	avail.flags = 0;

	/* Around the ring, an interrupt for each. */
	for (unsigned int i = 2; i < 1000; i++) {
		unsigned int before = interrupted;

		offer(i % SIZE, (uintptr_t)buffer[i % SIZE], BYTES);
		if (!wait_until(used.idx == i + 1 && interrupted != before))
			break;
	}
	check_eq("around-the-ring", used.idx, 1000);
	check_eq("around-the-ring-interrupts", interrupted, 999);
	interrupts(false);
}

static void misuse(void)
{
	start();
	interrupts(true);
	offer(0, 0xfffffffffffff000, 0x1000);
	check("bad-address-needs-reset", wait_until(slot_read(STATUS) & NEEDS_RESET));
	check("bad-address-is-told", wait_until(configured == 1));
	check_eq("bad-address-is-not-used", used.idx, 0);
	start();
	offer(0, (uintptr_t)buffer[0], BYTES);
	check("works-again-after-reset", wait_until(used.idx == 1 && interrupted == 1));
	for (unsigned int i = 0; i < 100; i++) {
		start();
		offer(0, (uintptr_t)buffer[0], BYTES);
	}
	check("reset-at-any-moment", wait_until(used.idx == 1));
	reset();
	interrupts(false);
}

void guest_main(void)
{
	on_slot(serve);
	identity();
	negotiation();
	requests();
	misuse();
}
