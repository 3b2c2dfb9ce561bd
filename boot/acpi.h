/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Renders the machine description as ACPI tables (ACPI Specification 6.5) of the
 * hardware-reduced kind: RSDP, XSDT, FADT, MADT, DSDT.
 */
#ifndef VIREO_BOOT_ACPI_H
#define VIREO_BOOT_ACPI_H

#include <stddef.h>
#include <stdint.h>

#include "devices/machine.h"
#include "kvm/err.h"

/*
 * Writes the tables into buf[size], to be seen by the guest at guest-physical `base` (16-byte
 * aligned). The RSDP comes first, so its address is `base`. Returns the number of bytes used, or
 * a negative errno with the cause in `err` (-ENOSPC: `size` is too small).
 */
long acpi_build(const struct machine *m, uint64_t base, void *buf, size_t size, struct err *err);

#endif
