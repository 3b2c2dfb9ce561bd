// SPDX-License-Identifier: BSD-2-Clause
/*
 * ACPI tables. Section titles are those of the ACPI Specification 6.5. What the tables contain comes
 * from the machine description; only what the specification itself fixes is written here.
 */
#include "boot/acpi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boot/aml.h"
#include "devices/acpi_power.h"

#define OEM_ID     "VIREO "
#define OEM_TABLE  "VIREO PC"
#define CREATOR_ID "VREO"

/* "Root System Description Pointer (RSDP) Structure" */
struct __attribute__((packed)) rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum; /* of all */
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct rsdp) == 36, "RSDP, revision 2");

/* "System Description Table Header" */
struct __attribute__((packed)) header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
};
_Static_assert(sizeof(struct header) == 36, "table header");

/* "Generic Address Structure (GAS)" */
struct __attribute__((packed)) gas {
	uint8_t space; /* 1: system I/O */
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size; /* 1: byte */
	uint64_t address;
};

/* "Fixed ACPI Description Table (FADT)". What hardware-reduced ACPI does not have is zero. */
struct __attribute__((packed)) fadt {
	struct header header;
	uint8_t legacy_1[108 - 36]; /* FIRMWARE_CTRL to MON_ALRM */
	uint8_t century;            /* index in CMOS RAM */
	uint16_t boot_arch;         /* IAPC_BOOT_ARCH */
	uint8_t reserved_1;
	uint32_t flags;
	struct gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_firmware_ctrl;
	uint64_t x_dsdt;
	uint8_t legacy_2[244 - 148]; /* X_PM1a_EVT_BLK to X_GPE1_BLK */
	struct gas sleep_control_reg;
	struct gas sleep_status_reg;
	char hypervisor[8]; /* "Hypervisor Vendor Identity" */
};
_Static_assert(sizeof(struct fadt) == 276, "FADT, revision 6");

#define FADT_BOOT_ARCH_NO_VGA (1U << 2)

#define FADT_WBINVD     (1U << 0)
#define FADT_PROC_C1    (1U << 2) /* HLT on all processors */
#define FADT_PWR_BUTTON (1U << 4) /* no fixed-feature power button */
#define FADT_SLP_BUTTON (1U << 5) /* no fixed-feature sleep button */
#define FADT_RESET_REG  (1U << 10)
#define FADT_HW_REDUCED (1U << 20)

/* "Multiple APIC Description Table (MADT)" and its structures */
struct __attribute__((packed)) madt {
	struct header header;
	uint32_t lapic_address;
	uint32_t flags; /* PCAT_COMPAT clear: there are no 8259s */
};

struct __attribute__((packed)) madt_lapic {
	uint8_t type, length;
	uint8_t processor_uid;
	uint8_t apic_id;
	uint32_t flags; /* bit 0: enabled */
};

struct __attribute__((packed)) madt_ioapic {
	uint8_t type, length;
	uint8_t id;
	uint8_t reserved;
	uint32_t address;
	uint32_t gsi_base;
};

struct __attribute__((packed)) madt_lapic_nmi {
	uint8_t type, length;
	uint8_t processor_uid; /* 0xff: all */
	uint16_t flags;        /* 0: as the bus has it */
	uint8_t lint;
};

/* For APIC ids of more than 8 bits, and for 255, which is none in 8 bits. */
struct __attribute__((packed)) madt_x2apic {
	uint8_t type, length;
	uint16_t reserved;
	uint32_t apic_id;
	uint32_t flags; /* bit 0: enabled */
	uint32_t processor_uid;
};

struct __attribute__((packed)) madt_x2apic_nmi {
	uint8_t type, length;
	uint16_t flags;         /* 0: as the bus has it */
	uint32_t processor_uid; /* 0xffffffff: all */
	uint8_t lint;
	uint8_t reserved[3];
};

#define MADT_LAPIC      0
#define MADT_IOAPIC     1
#define MADT_LAPIC_NMI  4
#define MADT_X2APIC     9
#define MADT_X2APIC_NMI 10

static uint8_t checksum(const uint8_t *bytes, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum += *bytes++;
	return (uint8_t)-sum;
}

static void align(struct aml *a)
{
	while (a->len % 16 && !a->full)
		aml_number(a, 0, 1);
}

static struct header table_header(const char *signature, uint8_t revision)
{
	struct header h = { .revision = revision, .oem_revision = 1, .creator_revision = 1 };

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_id, OEM_ID, sizeof(h.oem_id));
	memcpy(h.oem_table_id, OEM_TABLE, sizeof(h.oem_table_id));
	memcpy(h.creator_id, CREATOR_ID, sizeof(h.creator_id));
	return h;
}

/* Completes the table that begins at `start` and goes to the end of what is written. */
static void table_end(struct aml *a, size_t start)
{
	struct header h;

	if (a->full)
		return;
	memcpy(&h, a->buf + start, sizeof(h));
	h.length = (uint32_t)(a->len - start);
	memcpy(a->buf + start, &h, sizeof(h));
	h.checksum = checksum(a->buf + start, h.length);
	memcpy(a->buf + start, &h, sizeof(h));
	align(a);
}

/* "_CRS (Current Resource Settings)" */
static void dsdt_resources(struct aml *a, const struct machine_device *dev)
{
	uint8_t bytes[64];
	struct aml res;

	aml_init(&res, bytes, sizeof(bytes));
	if (dev->space == SPACE_PIO)
		aml_resource_io(&res, (uint16_t)dev->base, (uint8_t)dev->size);
	else
		aml_resource_memory32(&res, (uint32_t)dev->base, (uint32_t)dev->size);
	if (dev->line != NO_LINE)
		aml_resource_interrupt(&res, (uint32_t)dev->line, dev->class->edge);
	aml_resource_end(&res);

	aml_name(a, "_CRS");
	aml_buffer(a, res.buf, res.len);
}

/* Named by two letters of its class and its number: SE00, VI00 to VI1F. */
static void dsdt_device(struct aml *a, const struct machine_device *dev)
{
	char name[5];
	size_t device;

	snprintf(name, sizeof(name), "%.2s%02X", dev->class->name, dev->instance & 0xff);
	for (char *c = name; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');

	device = aml_device(a, name);
	aml_name(a, "_HID");
	aml_string(a, dev->class->hid);
	aml_name(a, "_UID");
	aml_integer(a, dev->instance);
	dsdt_resources(a, dev);
	aml_end(a, device);
}

/*
 * The power button: "Control Method Power Button", whose notification 0x80 says that it was pressed, and
 * the "Generic Event Device" that sends it. An interrupt of that line has no other meaning, so _EVT does
 * not ask which it was.
 */
static void dsdt_power_button(struct aml *a, uint32_t gsi)
{
	size_t device, method;
	uint8_t bytes[16];
	struct aml res;

	device = aml_device(a, "PWRB");
	aml_name(a, "_HID");
	aml_string(a, "PNP0C0C");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_end(a, device);

	device = aml_device(a, "GED0");
	aml_name(a, "_HID");
	aml_string(a, "ACPI0013");
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_init(&res, bytes, sizeof(bytes));
	aml_resource_interrupt(&res, gsi, true);
	aml_resource_end(&res);
	aml_name(a, "_CRS");
	aml_buffer(a, res.buf, res.len);
	method = aml_method(a, "_EVT", 1);
	aml_notify(a, "PWRB", 0x80);
	aml_end(a, method);
	aml_end(a, device);
}

/* "Declaring Processors": the MADT refers to them by _UID. */
static void dsdt_processor(struct aml *a, unsigned int index)
{
	char name[5];
	size_t device;

	snprintf(name, sizeof(name), "C%03X", index & 0xfff);
	device = aml_device(a, name);
	aml_name(a, "_HID");
	aml_string(a, "ACPI0007");
	aml_name(a, "_UID");
	aml_integer(a, index);
	aml_end(a, device);
}

/* "System \_Sx states": what goes into the sleep control register; the rest is of other hardware. */
static void dsdt_s5(struct aml *a)
{
	size_t package;

	aml_name(a, "_S5_");
	package = aml_package(a, 4);
	aml_integer(a, ACPI_POWER_SLP_TYP_S5);
	for (unsigned int i = 1; i < 4; i++)
		aml_integer(a, 0);
	aml_end(a, package);
}

static void write_dsdt(struct aml *a, const struct machine *m, const struct machine_device *power)
{
	struct header h = table_header("DSDT", 2); /* 2: integers have 64 bits */
	size_t start = a->len;
	size_t scope;

	aml_bytes(a, &h, sizeof(h));
	scope = aml_scope(a, "_SB_");
	for (unsigned int i = 0; i < m->nr_cpus; i++)
		dsdt_processor(a, i);
	for (unsigned int i = 0; i < m->nr_devices; i++)
		if (m->device[i].class->hid)
			dsdt_device(a, &m->device[i]);
	dsdt_power_button(a, (uint32_t)power->line);
	aml_end(a, scope);
	dsdt_s5(a);
	table_end(a, start);
}

static struct gas power_register(const struct machine_device *power, uint64_t offset)
{
	return (struct gas){ .space = 1, .bit_width = 8, .access_size = 1, .address = power->base + offset };
}

static void write_fadt(struct aml *a, const struct machine_device *power, uint64_t dsdt)
{
	size_t start = a->len;
	struct fadt fadt = {
		.header = table_header("FACP", 6),
		.century = PC_CMOS_CENTURY,
		.boot_arch = FADT_BOOT_ARCH_NO_VGA,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_RESET_REG |
			 FADT_HW_REDUCED,
		.reset_reg = power_register(power, ACPI_POWER_RESET),
		.reset_value = ACPI_POWER_RESET_VALUE,
		.minor_version = 5,
		.x_dsdt = dsdt,
		.sleep_control_reg = power_register(power, ACPI_POWER_SLEEP_CONTROL),
		.sleep_status_reg = power_register(power, ACPI_POWER_SLEEP_STATUS),
		.hypervisor = "Vireo",
	};

	aml_bytes(a, &fadt, sizeof(fadt));
	table_end(a, start);
}

static void madt_processor(struct aml *a, uint32_t uid, uint32_t apic_id)
{
	struct madt_lapic lapic = {
		.type = MADT_LAPIC,
		.length = sizeof(lapic),
		.processor_uid = (uint8_t)uid,
		.apic_id = (uint8_t)apic_id,
		.flags = 1,
	};
	struct madt_x2apic x2apic = {
		.type = MADT_X2APIC,
		.length = sizeof(x2apic),
		.apic_id = apic_id,
		.flags = 1,
		.processor_uid = uid,
	};

	if (apic_id < PC_XAPIC_IDS)
		aml_bytes(a, &lapic, sizeof(lapic));
	else
		aml_bytes(a, &x2apic, sizeof(x2apic));
}

/* LINT1 of all processors; those that a Local x2APIC structure declares have a structure of their own. */
static void madt_nmi(struct aml *a, bool any_x2apic)
{
	struct madt_lapic_nmi nmi = {
		.type = MADT_LAPIC_NMI,
		.length = sizeof(nmi),
		.processor_uid = 0xff,
		.lint = 1,
	};
	struct madt_x2apic_nmi x2apic_nmi = {
		.type = MADT_X2APIC_NMI,
		.length = sizeof(x2apic_nmi),
		.processor_uid = 0xffffffff,
		.lint = 1,
	};

	aml_bytes(a, &nmi, sizeof(nmi));
	if (any_x2apic)
		aml_bytes(a, &x2apic_nmi, sizeof(x2apic_nmi));
}

static void write_madt(struct aml *a, const struct machine *m)
{
	size_t start = a->len;
	struct madt madt = {
		.header = table_header("APIC", 6),
		.lapic_address = (uint32_t)m->irqchip.lapic_base,
	};

	aml_bytes(a, &madt, sizeof(madt));
	for (unsigned int i = 0; i < m->nr_cpus; i++)
		madt_processor(a, i, (uint32_t)machine_cpu_id(m, i));
	for (unsigned int i = 0; i < m->irqchip.nr_ioapics; i++) {
		struct madt_ioapic ioapic = {
			.type = MADT_IOAPIC,
			.length = sizeof(ioapic),
			.id = (uint8_t)m->irqchip.ioapic[i].id,
			.address = (uint32_t)m->irqchip.ioapic[i].base,
			.gsi_base = m->irqchip.ioapic[i].gsi_base,
		};

		aml_bytes(a, &ioapic, sizeof(ioapic));
	}
	madt_nmi(a, machine_cpu_id(m, m->nr_cpus - 1) >= PC_XAPIC_IDS);
	table_end(a, start);
}

/* "Extended System Description Table (XSDT)". The DSDT is not in it: the FADT names it. */
static void write_xsdt(struct aml *a, uint64_t fadt, uint64_t madt)
{
	struct header h = table_header("XSDT", 1);
	size_t start = a->len;

	aml_bytes(a, &h, sizeof(h));
	aml_number(a, fadt, 8);
	aml_number(a, madt, 8);
	table_end(a, start);
}

static void fill_rsdp(uint8_t *out, uint64_t xsdt)
{
	struct rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.revision = 2,
		.length = sizeof(rsdp),
		.xsdt = xsdt,
	};

	memcpy(rsdp.oem_id, OEM_ID, sizeof(rsdp.oem_id));
	memcpy(out, &rsdp, sizeof(rsdp));
	rsdp.checksum = checksum(out, 20);
	memcpy(out, &rsdp, sizeof(rsdp));
	rsdp.extended_checksum = checksum(out, sizeof(rsdp));
	memcpy(out, &rsdp, sizeof(rsdp));
}

/* The descriptors used here have 16 bits for a port and 32 for a memory address. */
static int check_devices(const struct machine *m, struct err *err)
{
	for (unsigned int i = 0; i < m->nr_devices; i++) {
		const struct machine_device *dev = &m->device[i];
		uint64_t limit = dev->space == SPACE_PIO ? UINT16_MAX : UINT32_MAX;

		if (dev->class->hid && (dev->base > limit || dev->size > limit - dev->base + 1))
			return err_host_text(
				err, "ACPI: device %s at 0x%llx is beyond the reach of its descriptor",
				dev->class->name, (unsigned long long)dev->base);
	}
	return 0;
}

long acpi_build(const struct machine *m, uint64_t base, void *buf, size_t size, struct err *err)
{
	const struct machine_device *power = machine_find(m, "acpi-power");
	static const uint8_t room[sizeof(struct rsdp)];
	uint64_t dsdt, fadt, madt, xsdt;
	struct aml a;
	int ret = check_devices(m, err);

	if (ret)
		return ret;
	if (!power)
		return err_host_text(err, "ACPI: the machine has no acpi-power device to switch it off with");

	aml_init(&a, buf, size);
	aml_bytes(&a, room, sizeof(room));
	align(&a);
	dsdt = base + a.len;
	write_dsdt(&a, m, power);
	fadt = base + a.len;
	write_fadt(&a, power, dsdt);
	madt = base + a.len;
	write_madt(&a, m);
	xsdt = base + a.len;
	write_xsdt(&a, fadt, madt);
	if (a.full)
		return err_host(err, ENOSPC, "ACPI: the tables of %u CPUs do not fit in %zu bytes",
				m->nr_cpus, size);
	fill_rsdp(buf, xsdt);
	return (long)a.len;
}
