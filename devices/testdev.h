/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The windows of the test device: devices/table.c places them, docs/devices.md describes them.
 */
#ifndef VIREO_DEVICES_TESTDEV_H
#define VIREO_DEVICES_TESTDEV_H

/* Of test-irq: the level of GSI n is a byte at offset n; then the registers of MSIs, 32 bits each. */
#define TEST_IRQ_LINES    24
#define TEST_IRQ_MSI_LOW  0x20
#define TEST_IRQ_MSI_HIGH 0x24
#define TEST_IRQ_MSI_DATA 0x28
#define TEST_IRQ_SIZE     0x2c

#define TEST_SCRATCH_SIZE 0xc
#define TEST_MEMORY_SIZE  0x10000

#endif
