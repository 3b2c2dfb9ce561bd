// SPDX-License-Identifier: BSD-2-Clause
/*
 * What test kernels such as kvm-unit-tests use of QEMU's pc-testdev, and a way to send MSIs. Three
 * windows that share nothing: interrupt lines and MSIs, scratch ports, memory that is no RAM.
 */
#include "devices/testdev.h"
#include "devices/classes.h"

/* --- interrupts --- */

struct test_irq {
	struct device dev;
	uint32_t msi[2]; /* the address of the next MSI: low and high half */
};

static bool test_irq_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct test_irq *t = (struct test_irq *)dev;

	if (size != 4 || (offset != TEST_IRQ_MSI_LOW && offset != TEST_IRQ_MSI_HIGH))
		return false;
	*value = t->msi[offset == TEST_IRQ_MSI_HIGH];
	return true;
}

static bool test_irq_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct test_irq *t = (struct test_irq *)dev;
	struct irqchip *chip = dev->irq.chip;

	if (offset < TEST_IRQ_LINES) {
		if (size != 1)
			return false;
		irq_line_set(&(struct irq_line){ .chip = chip, .line = (uint32_t)offset }, value != 0);
		return true;
	}
	if (size != 4)
		return false;
	switch (offset) {
	case TEST_IRQ_MSI_LOW:
	case TEST_IRQ_MSI_HIGH:
		t->msi[offset == TEST_IRQ_MSI_HIGH] = (uint32_t)value;
		return true;
	case TEST_IRQ_MSI_DATA:
		chip->ops->send_msi(chip, (uint64_t)t->msi[1] << 32 | t->msi[0], (uint32_t)value, 0);
		return true;
	default:
		return false;
	}
}

const struct device_class test_irq_class = {
	.name = "test-irq",
	.size = sizeof(struct test_irq),
	.access_max = 4,
	.read = test_irq_read,
	.write = test_irq_write,
};

/* --- scratch: four bytes to be found at two places, and a port between them that flushes a page --- */

enum {
	SCRATCH_DATA = 0,
	SCRATCH_FLUSH =
		4, /* 32 bits: the address of a page. KVM's own pages need no flush: nothing happens */
	SCRATCH_BYTES = 8, /* the same as SCRATCH_DATA */
	SCRATCH_SIZE = 4,
};

struct test_scratch {
	struct device dev;
	uint8_t data[SCRATCH_SIZE];
};

/* The bytes at an offset, or NULL: not there, or hanging over the end. */
static uint8_t *scratch_at(struct test_scratch *t, uint64_t offset, unsigned int size)
{
	uint64_t at = offset % SCRATCH_SIZE;

	if (offset - at == SCRATCH_FLUSH || at + size > SCRATCH_SIZE)
		return NULL;
	return t->data + at;
}

static bool test_scratch_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	const uint8_t *at = scratch_at((struct test_scratch *)dev, offset, size);

	if (!at)
		return false;
	*value = 0;
	for (unsigned int i = 0; i < size; i++)
		*value |= (uint64_t)at[i] << 8 * i;
	return true;
}

static bool test_scratch_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	uint8_t *at = scratch_at((struct test_scratch *)dev, offset, size);

	if (!at)
		return offset == SCRATCH_FLUSH && size == 4;
	for (unsigned int i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> 8 * i);
	return true;
}

const struct device_class test_scratch_class = {
	.name = "test-scratch",
	.size = sizeof(struct test_scratch),
	.access_max = 4,
	.read = test_scratch_read,
	.write = test_scratch_write,
};

/* --- memory: what is written reads back, by exits --- */

struct test_memory {
	struct device dev;
	uint8_t data[TEST_MEMORY_SIZE];
};

static bool test_memory_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	const struct test_memory *t = (const struct test_memory *)dev;

	*value = 0;
	for (unsigned int i = 0; i < size; i++)
		*value |= (uint64_t)t->data[offset + i] << 8 * i;
	return true;
}

static bool test_memory_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct test_memory *t = (struct test_memory *)dev;

	for (unsigned int i = 0; i < size; i++)
		t->data[offset + i] = (uint8_t)(value >> 8 * i);
	return true;
}

const struct device_class test_memory_class = {
	.name = "test-memory",
	.size = sizeof(struct test_memory),
	.access_max = 8,
	.read = test_memory_read,
	.write = test_memory_write,
};
