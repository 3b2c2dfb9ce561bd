// SPDX-License-Identifier: BSD-2-Clause
/*
 * Prints the table of docs/interrupts.md, "LAPIC registers", from the one that the LAPIC itself goes by
 * (`make docs` puts it there). tests/unit/test_lapic_regs.c reads the page and holds it against accesses.
 */
#include <inttypes.h>
#include <stdio.h>

#include "devices/lapic_internal.h"

/* One front end of a register, in the words of the page. */
struct column {
	char access[3], reset[16], writable[32];
};

static const char *access_of(unsigned int access, unsigned int read, unsigned int write)
{
	if (access & read)
		return access & write ? "rw" : "r";
	return access & write ? "w" : "-";
}

static void print_reset(char *to, size_t size, const struct lapic_register *r, bool x2apic)
{
	if (r->power_up == LAPIC_RESET_ID)
		snprintf(to, size, x2apic ? "id" : "id << 24");
	else if (r->power_up == LAPIC_RESET_LOGICAL && x2apic)
		snprintf(to, size, "logical");
	else
		snprintf(to, size, "%#x", r->value);
}

static struct column column_of(const struct lapic_register *r, bool x2apic)
{
	unsigned int read = x2apic ? LAPIC_MR : LAPIC_XR, write = x2apic ? LAPIC_MW : LAPIC_XW;
	/* There the whole 64-bit ICR is one register, and all of the destination is writable. */
	uint64_t more = x2apic && r->offset == LAPIC_ICR_LOW ? 0xffffffffULL << 32 : 0;
	struct column c = { .reset = "-", .writable = "-" };

	snprintf(c.access, sizeof(c.access), "%s", access_of(r->access, read, write));
	if (r->access & read)
		print_reset(c.reset, sizeof(c.reset), r, x2apic);
	if (r->access & write)
		snprintf(c.writable, sizeof(c.writable), "%#" PRIx64, more | r->writable);
	return c;
}

static void print_row(const struct lapic_register *r)
{
	struct column xapic = column_of(r, false), x2apic = column_of(r, true);

	printf("| 0x%03x", r->offset);
	if (r->count > 1)
		printf(" to 0x%03x", r->offset + 16u * (r->count - 1u));
	printf(" | %s | %s | %s | %s | %s | %s | %s | %s | ", r->name, xapic.access, x2apic.access,
	       xapic.reset, x2apic.reset, r->init == LAPIC_RESET_KEPT ? "kept" : "-", xapic.writable,
	       x2apic.writable);
	if (r->access & LAPIC_MW)
		printf("%#x |\n", r->status);
	else
		printf("- |\n");
}

int main(void)
{
	printf("| Offset | Register | xAPIC | x2APIC | Reset, xAPIC | Reset, x2APIC | INIT | Writable, xAPIC "
	       "| Writable, x2APIC | No effect |\n|---|---|---|---|---|---|---|---|---|---|\n");
	for (const struct lapic_register *r = lapic_registers; r->name; r++)
		print_row(r);
	return 0;
}
