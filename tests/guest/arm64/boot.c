// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the loader left for the kernel. On the command line: memory=MIB, cpus=N, gic=VERSION,
 * initrd=BYTES, sum=N (of the initrd's bytes).
 */
#include "guest.h"

#define DAIF_ALL  0x3c0
#define SCTLR_MMU 1

static void registers(void)
{
	check_eq("el1", read_sysreg("CurrentEL") >> 2, 1);
	check_eq("x1", entry.x1, 0);
	check_eq("x2", entry.x2, 0);
	check_eq("x3", entry.x3, 0);
	check_eq("interrupts-masked", entry.daif & DAIF_ALL, DAIF_ALL);
	check_eq("mmu-off", entry.sctlr & SCTLR_MMU, 0);
	check_eq("mpidr", read_sysreg("mpidr_el1") & 0xffffff, 0);
	check_range("counter-frequency", read_sysreg("cntfrq_el0"), 1000000, 10000000000);
}

/* Linux, Documentation/arch/arm64/booting.rst, "Setup the device tree". */
static void device_tree(void)
{
	uint64_t memory = option_number("memory", 0) << 20;
	const uint8_t *reg;
	uint32_t size = 0;

	check_eq("dtb-magic", fdt_number((const void *)entry.x0, 4), 0xd00dfeed);
	check_eq("dtb-aligned", entry.x0 % 8, 0);
	check_range("dtb-size", fdt_number((const uint8_t *)entry.x0 + 4, 4), 100, 2 << 20);
	check_range("dtb-in-ram", entry.x0, RAM, RAM + memory);
	check("command-line", option_is("console", "ttyS0"));
	reg = fdt_property("memory@80000000", "reg", &size);
	check_eq("memory-reg", size, 16);
	if (size == 16) {
		check_eq("memory-base", fdt_number(reg, 8), RAM);
		check_eq("memory-size", fdt_number(reg + 8, 8), memory);
	}
	check_eq("gic", gic_version, option_number("gic", 0));
	check("psci", fdt_property("psci", "method", &size) && size == 4);
}

static void initrd(void)
{
	uint64_t expected = option_number("initrd", 0), first, last;
	uint32_t size_1, size_2;
	const void *start = fdt_property("chosen", "linux,initrd-start", &size_1);
	const void *end = fdt_property("chosen", "linux,initrd-end", &size_2);
	uint8_t sum = 0;

	check("initrd", expected ? start && end : !start && !end);
	if (!start || !end)
		return;
	first = fdt_number(start, size_1);
	last = fdt_number(end, size_2);
	check_eq("initrd-size", last - first, expected);
	for (uint64_t at = first; at < last; at++)
		sum = (uint8_t)(sum + *(const uint8_t *)at);
	check_eq("initrd-sum", sum, option_number("sum", 0));
}

void guest_main(void)
{
	registers();
	device_tree();
	initrd();
}
