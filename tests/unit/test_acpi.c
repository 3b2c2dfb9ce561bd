// SPDX-License-Identifier: BSD-2-Clause
/*
 * The ACPI tables, found and checked the way an operating system does it: by walking from the RSDP.
 * Offsets and values are those of the ACPI Specification 6.5. Where iasl is installed, it judges
 * every table, and the DSDT is compared with what it assembles from the same story told in ASL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/acpi.h"

#define BASE 0xe0000ULL
#define ROOM (128U << 10)

/* The tables as the guest sees them. */
struct tables {
	uint8_t bytes[ROOM];
	size_t len;
	const uint8_t *fadt, *madt, *dsdt;
};

static struct machine make(unsigned int cpus)
{
	struct machine m;
	struct err err;

	assert_int_equal(machine_init(&m, PLATFORM_PC, cpus, 256ULL << 20, &err), 0);
	assert_int_equal(machine_add_virtio(&m, 32, &err), 0);
	m.irqchip = (struct irqchip_desc){ .kind = IRQCHIP_APIC,
					   .lapic_base = 0xfee00000,
					   .ioapic = { { .base = 0xfec00000, .id = 5, .pins = 24 } },
					   .nr_ioapics = 1 };
	return m;
}

static uint64_t get(const uint8_t *at, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static uint32_t table_length(const uint8_t *table)
{
	return (uint32_t)get(table + 4, 4);
}

static uint8_t sum(const uint8_t *bytes, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *bytes++;
	return s;
}

/* The table at a guest-physical address: within the blob, signed, summing up to zero. */
static const uint8_t *table_at(const struct tables *t, uint64_t gpa, const char *signature)
{
	const uint8_t *table;

	assert_in_range(gpa, BASE + 36, BASE + t->len - 36);
	table = t->bytes + (gpa - BASE);
	assert_memory_equal(table, signature, 4);
	assert_in_range(table_length(table), 36, BASE + t->len - gpa);
	assert_int_equal(sum(table, table_length(table)), 0);
	return table;
}

static struct tables *build(const struct machine *m)
{
	struct tables *t = calloc(1, sizeof(*t));
	const uint8_t *rsdp = t->bytes, *xsdt;
	struct err err;
	long len;

	assert_non_null(t);
	memset(t->bytes, 0xcc, ROOM);
	len = acpi_build(m, BASE, t->bytes, ROOM, &err);
	assert_in_range(len, 1, ROOM);
	t->len = (size_t)len;

	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(get(rsdp + 20, 4), 36);
	assert_int_equal(sum(rsdp, 36), 0);

	xsdt = table_at(t, get(rsdp + 24, 8), "XSDT");
	assert_int_equal(table_length(xsdt), 36 + 2 * 8);
	t->fadt = table_at(t, get(xsdt + 36, 8), "FACP");
	t->madt = table_at(t, get(xsdt + 44, 8), "APIC");
	t->dsdt = table_at(t, get(t->fadt + 140, 8), "DSDT");
	return t;
}

static void walk_from_rsdp(void **state)
{
	static const unsigned int cpus[] = { 1, 2, 4, 255, 256, 1024 };

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		struct machine m = make(cpus[i]);

		free(build(&m));
	}
}

/* A generic address: one byte in I/O space. */
static void check_gas(const uint8_t *gas, uint64_t address)
{
	assert_int_equal(gas[0], 1); /* system I/O */
	assert_int_equal(gas[1], 8);
	assert_int_equal(gas[2], 0);
	assert_int_equal(gas[3], 1); /* byte access */
	assert_int_equal(get(gas + 4, 8), address);
}

static void fadt(void **state)
{
	struct machine m = make(1);
	struct tables *t = build(&m);

	(void)state;
	assert_int_equal(table_length(t->fadt), 276);
	assert_int_equal(t->fadt[8], 6);            /* major version */
	assert_int_equal(t->fadt[131], 5);          /* minor version */
	assert_int_equal(get(t->fadt + 36, 4), 0);  /* FIRMWARE_CTRL: no FACS */
	assert_int_equal(get(t->fadt + 132, 8), 0); /* X_FIRMWARE_CTRL */
	assert_int_equal(t->fadt[108], 0x32);       /* CENTURY, where PCs have it */
	/* IAPC_BOOT_ARCH: VGA not present; no 8042; the CMOS RTC (bit 5 clear) is there */
	assert_int_equal(get(t->fadt + 109, 2), 1 << 2);
	/* WBINVD, PROC_C1, no fixed buttons, RESET_REG_SUP, HW_REDUCED_ACPI */
	assert_int_equal(get(t->fadt + 112, 4), 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 20);
	check_gas(t->fadt + 116, 0x602); /* RESET_REG */
	assert_int_equal(t->fadt[128], 1);
	check_gas(t->fadt + 244, 0x600); /* SLEEP_CONTROL_REG */
	check_gas(t->fadt + 256, 0x601); /* SLEEP_STATUS_REG */
	free(t);
}

/* The registers move with the device. */
static void fadt_follows_the_device(void **state)
{
	struct machine m = make(1);
	struct tables *t;

	(void)state;
	for (unsigned int i = 0; i < m.nr_devices; i++)
		if (!strcmp(m.device[i].class->name, "acpi-power"))
			m.device[i].base = 0x1230;
	t = build(&m);
	check_gas(t->fadt + 116, 0x1232);
	check_gas(t->fadt + 244, 0x1230);
	check_gas(t->fadt + 256, 0x1231);
	free(t);
}

static void madt(void **state)
{
	static const unsigned int counts[] = { 1, 2, 255, 256, 1024 };

	(void)state;
	for (unsigned int c = 0; c < 5; c++) {
		struct machine m = make(counts[c]);
		struct tables *t;
		unsigned int cpus = 0, ioapics = 0, nmis = 0, wide_nmis = 0;
		uint32_t len, at = 44;

		m.irqchip.nr_ioapics = c + 1;
		for (unsigned int i = 0; i <= c; i++)
			m.irqchip.ioapic[i] = (struct ioapic_desc){ 0xfec00000 + i * 0x1000, 5 + i, i * 24,
								    24 };
		t = build(&m);
		len = table_length(t->madt);

		assert_int_equal(get(t->madt + 36, 4), 0xfee00000);
		assert_int_equal(get(t->madt + 40, 4), 0); /* no 8259s */
		while (at < len) {
			const uint8_t *e = t->madt + at;

			assert_in_range(e[1], 2, len - at);
			switch (e[0]) {
			case 0: /* local APIC: processor UID, APIC id, enabled */
				assert_int_equal(e[1], 8);
				assert_int_equal(e[2], cpus);
				assert_int_equal(e[3], cpus);
				assert_in_range(e[3], 0, 254); /* 255 is no 8-bit id */
				assert_int_equal(get(e + 4, 4), 1);
				cpus++;
				break;
			case 9: /* local x2APIC: x2APIC id, enabled, processor UID */
				assert_int_equal(e[1], 16);
				assert_int_equal(get(e + 2, 2), 0);
				assert_int_equal(get(e + 4, 4), cpus);
				assert_in_range(get(e + 4, 4), 255, UINT32_MAX); /* others are of type 0 */
				assert_int_equal(get(e + 8, 4), 1);
				assert_int_equal(get(e + 12, 4), cpus);
				cpus++;
				break;
			case 1: /* I/O APIC: id, address, first GSI */
				assert_int_equal(e[1], 12);
				assert_int_equal(e[2], 5 + ioapics);
				assert_int_equal(get(e + 4, 4), 0xfec00000 + ioapics * 0x1000);
				assert_int_equal(get(e + 8, 4), ioapics * 24);
				ioapics++;
				break;
			case 4: /* LINT1 of all processors is NMI */
				assert_int_equal(e[1], 6);
				assert_int_equal(e[2], 0xff);
				assert_int_equal(get(e + 3, 2), 0);
				assert_int_equal(e[5], 1);
				nmis++;
				break;
			case 10: /* the same for those of type 9 */
				assert_int_equal(e[1], 12);
				assert_int_equal(get(e + 2, 2), 0);
				assert_int_equal(get(e + 4, 4), 0xffffffff);
				assert_int_equal(e[8], 1);
				assert_int_equal(get(e + 9, 3), 0);
				wide_nmis++;
				break;
			default:
				fail_msg("MADT structure of type %u", e[0]);
			}
			at += e[1];
		}
		assert_int_equal(at, len);
		assert_int_equal(cpus, counts[c]);
		assert_int_equal(ioapics, c + 1);
		assert_int_equal(nmis, 1);
		assert_int_equal(wide_nmis, counts[c] > 255);
		free(t);
	}
}

static void too_little_room(void **state)
{
	struct machine m = make(2);
	struct tables *t = build(&m);
	uint8_t *small = malloc(t->len);

	(void)state;
	assert_non_null(small);
	for (size_t room = 0; room <= t->len; room++) {
		struct err err;
		long ret;

		memset(small, 0xcc, t->len);
		ret = acpi_build(&m, BASE, small, room, &err);
		if (room == t->len) {
			assert_int_equal(ret, room);
			continue;
		}
		assert_int_equal(ret, -ENOSPC);
		assert_non_null(strstr(err.text, "ACPI"));
		for (size_t i = room; i < t->len; i++)
			assert_int_equal(small[i], 0xcc);
	}
	free(small);
	free(t);
}

static void refuses_what_descriptors_cannot_say(void **state)
{
	static const uint64_t bad[][2] = { { 0x100000000, 0x1000 },
					   { 0xfffff000, 0x2000 },
					   { UINT64_MAX, 2 } };
	struct machine m = make(1);
	uint8_t bytes[4096];
	struct err err;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		m.device[m.nr_devices - 1].base = bad[i][0];
		m.device[m.nr_devices - 1].size = bad[i][1];
		assert_int_equal(acpi_build(&m, BASE, bytes, sizeof(bytes), &err), -EIO);
		assert_non_null(strstr(err.text, "virtio-mmio"));
	}
}

/* --- iasl --- */

/* A directory for iasl's files, made before a test and removed after it, however it ends. */
struct workshop {
	char dir[128];
};

static int open_workshop(void **state)
{
	const char *base = getenv("TMPDIR");
	struct workshop *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	*state = w;
	snprintf(w->dir, sizeof(w->dir), "%s/acpi-XXXXXX", base ? base : P_tmpdir);
	return mkdtemp(w->dir) ? 0 : -1;
}

static int close_workshop(void **state)
{
	struct workshop *w = *state;
	char command[192];

	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	free(w);
	return system(command);
}

static bool have_iasl(void)
{
	if (system("command -v iasl >/dev/null") == 0)
		return true;
	print_message("skipped: iasl is not installed (package acpica-tools)\n");
	return false;
}

static void put_file(const struct workshop *w, const char *name, const void *bytes, size_t len)
{
	char path[192];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static size_t get_file(const struct workshop *w, const char *name, uint8_t *bytes, size_t size)
{
	char path[192];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(bytes, 1, size, f);
	fclose(f);
	return len;
}

/* Runs iasl in the workshop; it must succeed and say none of the words it complains with. */
static void iasl(const struct workshop *w, const char *arguments)
{
	char command[256], said[8192];
	size_t len;
	FILE *out;
	int status;

	snprintf(command, sizeof(command), "cd '%s' && iasl %s 2>&1", w->dir, arguments);
	out = popen(command, "r");
	assert_non_null(out);
	len = fread(said, 1, sizeof(said) - 1, out);
	said[len] = '\0';
	status = pclose(out);
	if (status || strstr(said, "Error  ") || strstr(said, "Warning  ") || strstr(said, "nvalid"))
		print_error("iasl %s:\n%s\n", arguments, said);
	assert_int_equal(status, 0);
	assert_null(strstr(said, "Error  "));
	assert_null(strstr(said, "Warning  "));
	assert_null(strstr(said, "nvalid"));
}

/* Every table disassembles, and assembles again to the same bytes but for the tool's own mark. */
static void iasl_accepts_every_table(void **state)
{
	struct machine m = make(258);
	const struct workshop *w = *state;
	struct tables *t;
	struct {
		const char *name;
		const uint8_t *table;
	} list[3];

	if (!have_iasl())
		skip();
	t = build(&m);
	list[0].name = "dsdt", list[0].table = t->dsdt;
	list[1].name = "facp", list[1].table = t->fadt;
	list[2].name = "apic", list[2].table = t->madt;
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t len = table_length(list[i].table);
		uint8_t again[16384];
		char name[32], arguments[96];

		snprintf(name, sizeof(name), "%s.aml", list[i].name);
		put_file(w, name, list[i].table, len);
		snprintf(arguments, sizeof(arguments), "-d %s", name);
		iasl(w, arguments);
		snprintf(arguments, sizeof(arguments), "-p again %s.dsl", list[i].name);
		iasl(w, arguments);
		assert_int_equal(get_file(w, "again.aml", again, sizeof(again)), len);
		assert_memory_equal(again + 36, list[i].table + 36, len - 36);
	}
	free(t);
}

static void asl_device(FILE *asl, const struct machine_device *dev)
{
	const char *name = dev->class->name;

	fprintf(asl, "Device (%c%c%02X) {\n", toupper(name[0]), toupper(name[1]), dev->instance);
	fprintf(asl, "Name (_HID, \"%s\")\nName (_UID, %u)\n", dev->class->hid, dev->instance);
	fprintf(asl, "Name (_CRS, ResourceTemplate () {\n");
	if (dev->space == SPACE_PIO)
		fprintf(asl, "IO (Decode16, 0x%04x, 0x%04x, 1, %u)\n", (unsigned int)dev->base,
			(unsigned int)dev->base, (unsigned int)dev->size);
	else
		fprintf(asl, "Memory32Fixed (ReadWrite, 0x%08x, 0x%x)\n", (unsigned int)dev->base,
			(unsigned int)dev->size);
	if (dev->line != NO_LINE)
		fprintf(asl, "Interrupt (ResourceConsumer, %s, ActiveHigh, Exclusive) { %d }\n",
			dev->class->edge ? "Edge" : "Level", dev->line);
	fprintf(asl, "})\n}\n");
}

static void dsdt_says_what_the_machine_is(void **state)
{
	struct machine m = make(3);
	const struct workshop *w = *state;
	struct tables *t;
	uint8_t assembled[16384];
	char *source = NULL;
	size_t size = 0;
	FILE *asl;

	if (!have_iasl())
		skip();
	t = build(&m);
	asl = open_memstream(&source, &size);
	assert_non_null(asl);
	fprintf(asl, "DefinitionBlock (\"\", \"DSDT\", 2, \"VIREO\", \"VIREO PC\", 1) {\nScope (\\_SB) {\n");
	for (unsigned int i = 0; i < m.nr_cpus; i++)
		fprintf(asl, "Device (C%03X) { Name (_HID, \"ACPI0007\") Name (_UID, %u) }\n", i, i);
	for (unsigned int i = 0; i < m.nr_devices; i++)
		if (m.device[i].class->hid)
			asl_device(asl, &m.device[i]);
	fprintf(asl, "Device (PWRB) { Name (_HID, \"PNP0C0C\") Name (_UID, 0) }\n");
	fprintf(asl, "Device (GED0) { Name (_HID, \"ACPI0013\") Name (_UID, 0)\n"
		     "Name (_CRS, ResourceTemplate () {\n"
		     "Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 9 }\n})\n"
		     "Method (_EVT, 1) { Notify (PWRB, 0x80) } }\n");
	fprintf(asl, "}\nName (\\_S5, Package () { 5, 0, 0, 0 })\n}\n");
	assert_int_equal(fclose(asl), 0);
	put_file(w, "source.asl", source, size);
	iasl(w, "-p assembled source.asl");

	assert_int_equal(get_file(w, "assembled.aml", assembled, sizeof(assembled)), table_length(t->dsdt));
	assert_memory_equal(assembled + 36, t->dsdt + 36, table_length(t->dsdt) - 36);
	free(source);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_from_rsdp),
		cmocka_unit_test(fadt),
		cmocka_unit_test(fadt_follows_the_device),
		cmocka_unit_test(madt),
		cmocka_unit_test(too_little_room),
		cmocka_unit_test(refuses_what_descriptors_cannot_say),
		cmocka_unit_test_setup_teardown(iasl_accepts_every_table, open_workshop, close_workshop),
		cmocka_unit_test_setup_teardown(dsdt_says_what_the_machine_is, open_workshop, close_workshop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
