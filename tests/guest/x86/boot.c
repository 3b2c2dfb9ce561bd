// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the loader left for the kernel, by the entry this image asks for: registers, command line,
 * memory map, initrd, ACPI tables. On the command line: memory=MIB, cpus=N, initrd=BYTES, sum=N (of
 * the initrd's bytes).
 */
#include "guest.h"

#define CR0_PE 0x1
#define CR0_PG 0x80000000

struct memory_entry {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

#define TYPE_RAM 1

/* Xen, "x86/HVM direct boot ABI". */
struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct module {
	uint64_t addr, size, cmdline, reserved;
};

/* GNU, "Multiboot Specification version 0.6.96", "Boot information format". */
struct multiboot_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
	uint32_t unused[3];
	uint32_t boot_loader_name;
};

struct multiboot_module {
	uint32_t start, end, string, reserved;
};

/* What all ways of booting tell; rsdp 0: it is to be looked for. */
struct told {
	uint64_t rsdp, initrd, initrd_size;
	uint64_t ram;
	bool low_ram; /* below 1 MiB */
	bool covers;  /* the initrd and this program lie in RAM */
};

static void add_memory(struct told *told, uint64_t addr, uint64_t size, uint32_t type)
{
	if (type != TYPE_RAM)
		return;
	told->ram += size;
	told->low_ram |= addr < 0x100000;
	if (addr <= 0x100000 && addr + size > told->initrd + told->initrd_size)
		told->covers = true;
}

static void read_start_info(struct told *told)
{
	const struct start_info *info = (const void *)entry_info;
	const struct module *module = (const void *)info->modules;
	const uint8_t *entry = (const void *)info->memmap;

	check_eq("start-info-magic", info->magic, 0x336ec578);
	check_range("start-info-version", info->version, 1, 1);
	told->rsdp = info->rsdp;
	if (info->nr_modules) {
		told->initrd = module->addr;
		told->initrd_size = module->size;
	}
	for (uint32_t i = 0; i < info->memmap_entries; i++, entry += 24) {
		const struct memory_entry *e = (const void *)entry;

		add_memory(told, e->addr, e->size, e->type);
	}
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void read_multiboot(struct told *told)
{
	const struct multiboot_info *info = (const void *)entry_info;
	const struct multiboot_module *module = (const void *)(uint64_t)info->mods_addr;
	const char *name = (const char *)(uint64_t)info->boot_loader_name;
	uint64_t at = info->mmap_addr, end = at + info->mmap_length;

	check_eq("multiboot-magic", entry_eax, 0x2badb002);
	check_eq("multiboot-flags", info->flags & 0x24d, 0x24d);
	check("loader-name", same(name, "vireo"));
	check("kernel-name-first", !memcmp(cmdline, "boot-multiboot.elf ", 19));
	if (info->mods_count) {
		check_eq("one-module", info->mods_count, 1);
		check("module-string", same((const char *)(uint64_t)module->string, "initrd"));
		told->initrd = module->start;
		told->initrd_size = module->end - module->start;
	}
	for (; at < end; at += *(const uint32_t *)at + 4) {
		const struct memory_entry *e = (const void *)(at + 4);

		add_memory(told, e->addr, e->size, e->type);
		if (!e->addr)
			check_eq("mem-lower", info->mem_lower, e->size / 1024);
		if (e->addr == 0x100000)
			check_eq("mem-upper", info->mem_upper, e->size / 1024);
	}
	check_eq("map-ends", at, end);
}

/* ACPI Specification 6.5, "Finding the RSDP on IA-PC Systems". */
static uint64_t find_rsdp(void)
{
	for (uint64_t at = 0xe0000; at < 0x100000; at += 16)
		if (!memcmp((const void *)at, "RSD PTR ", 8))
			return at;
	return 0;
}

/* Linux, Documentation/arch/x86/zero-page.rst and boot.rst. */
static void read_boot_params(struct told *told)
{
	const uint8_t *zero_page = (const void *)entry_info;

	check_eq("boot-flag", *(const uint16_t *)(zero_page + 0x1fe), 0xaa55);
	check_eq("header-magic", *(const uint32_t *)(zero_page + 0x202), 0x53726448);
	check_eq("type-of-loader", zero_page[0x210], 0xff);
	told->rsdp = *(const uint64_t *)(zero_page + 0x70);
	told->initrd = *(const uint32_t *)(zero_page + 0x218);
	told->initrd_size = *(const uint32_t *)(zero_page + 0x21c);
	for (unsigned int i = 0; i < zero_page[0x1e8]; i++) {
		const struct memory_entry *e = (const void *)(zero_page + 0x2d0 + 20 * i);

		add_memory(told, e->addr, e->size, e->type);
	}
}

/* --- ACPI: every table's bytes add up to zero --- */

static uint8_t sum(const void *data, uint64_t size)
{
	const uint8_t *byte = data;
	uint8_t total = 0;

	while (size--)
		total = (uint8_t)(total + *byte++);
	return total;
}

struct table {
	char signature[4];
	uint32_t length;
};

/* Of the XSDT; not aligned. */
struct entry {
	uint64_t table;
} __attribute__((packed));

/* Enabled processors of the MADT. */
static unsigned int count_cpus(const struct table *madt)
{
	const uint8_t *at = (const uint8_t *)madt + 44, *end = (const uint8_t *)madt + madt->length;
	unsigned int n = 0;

	for (; at < end && at[1]; at += at[1])
		if ((at[0] == 0 && (at[4] & 1)) || (at[0] == 9 && (at[8] & 1)))
			n++;
	return n;
}

static void acpi(uint64_t rsdp)
{
	const uint8_t *root = (const void *)rsdp;
	const struct table *xsdt;

	check_eq("rsdp", *(const uint64_t *)root, 0x2052545020445352); /* "RSD PTR " */
	check_eq("rsdp-sum", sum(root, 20), 0);
	check_eq("rsdp-extended-sum", sum(root, 36), 0);
	xsdt = *(const struct table *const *)(root + 24);
	check_eq("xsdt-sum", sum(xsdt, xsdt->length), 0);
	for (uint64_t at = (uint64_t)xsdt + 36; at < (uint64_t)xsdt + xsdt->length; at += 8) {
		const struct table *t = (const void *)((const struct entry *)at)->table;

		print("INFO table %c%c%c%c\n", t->signature[0], t->signature[1], t->signature[2],
		      t->signature[3]);
		check_eq("table-sum", sum(t, t->length), 0);
		if (!memcmp(t->signature, "APIC", 4))
			check_eq("madt-cpus", count_cpus(t), option_number("cpus", 1));
	}
}

static void check_initrd(const struct told *told)
{
	uint64_t expected = option_number("initrd", 0);

	check_eq("initrd-size", told->initrd_size, expected);
	if (!expected)
		return;
	check_range("initrd-above-kernel", told->initrd, 0x100000, UINT64_MAX);
	check_eq("initrd-sum", sum((const void *)told->initrd, told->initrd_size), option_number("sum", 0));
}

void guest_main(void)
{
	uint64_t memory = option_number("memory", 0) << 20;
	struct told told = { 0 };

	check_eq("interrupts-off", entry_flags & FLAG_IF, 0);
	check_eq("protected-mode", entry_cr0 & CR0_PE, CR0_PE);
	check_eq("paging", entry_cr0 & CR0_PG, entry_kind == ENTRY_LONG ? CR0_PG : 0);
	check_eq("code-segment", entry_cs, 0x10);
	check("command-line", option_is("console", "ttyS0"));
	if (entry_kind == ENTRY_PVH)
		read_start_info(&told);
	else if (entry_kind == ENTRY_MULTIBOOT)
		read_multiboot(&told);
	else
		read_boot_params(&told);
	print("INFO entry %u\n", entry_kind);
	/* All of RAM but what is left out below 1 MiB. */
	check_range("memory", told.ram, memory - 0x80000, memory);
	check("memory-low", told.low_ram);
	check("memory-covers", told.covers);
	check_initrd(&told);
	acpi(told.rsdp ? told.rsdp : find_rsdp());
}
