// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/options_choices.h"

#include "kvm/log.h"

const struct option_choice kernel_formats_choices[] = {
	{ "auto", KERNEL_AUTO, ARM },
	{ "flat", KERNEL_FLAT, ARM },
	{ NULL, 0, 0 },
};

const struct option_choice irqchips_choices[] = {
	{ "auto", CHOOSE_AUTO, BOTH },
	{ "gicv3", CHOOSE_GICV3, ARM },
	{ "gicv2", CHOOSE_GICV2, ARM },
	{ "gicv2-user", CHOOSE_GICV2_USER, ARM },
	{ "apic", CHOOSE_APIC, PC },
	{ "apic-split", CHOOSE_APIC_SPLIT, PC },
	{ "apic-kernel", CHOOSE_APIC_KERNEL, PC },
	{ NULL, 0, 0 },
};

const struct option_choice itss_choices[] = {
	{ "auto", ITS_AUTO, ARM },
	{ "on", ITS_ON, ARM },
	{ "off", ITS_OFF, ARM },
	{ NULL, 0, 0 },
};

const struct option_choice backings_choices[] = {
	{ "auto", BACKING_AUTO, BOTH },
	{ "anonymous", BACKING_ANONYMOUS, BOTH },
	{ "memfd", BACKING_MEMFD, BOTH },
	{ "hugetlb", BACKING_HUGETLB, BOTH },
	{ NULL, 0, 0 },
};

const struct option_choice tables_choices[] = {
	{ "auto", TABLES_AUTO, PC },
	{ "acpi", TABLES_ACPI, PC },
	{ "fdt", TABLES_FDT, PC },
	{ "both", TABLES_BOTH, PC },
	{ NULL, 0, 0 },
};

const struct option_choice reboots_choices[] = {
	{ "exit", ON_REBOOT_EXIT, BOTH },
	{ "restart", ON_REBOOT_RESTART, BOTH },
	{ NULL, 0, 0 },
};

const struct option_choice consoles_choices[] = {
	{ "auto", CONSOLE_AUTO, BOTH },     { "serial", CONSOLE_SERIAL, BOTH },
	{ "virtio", CONSOLE_VIRTIO, BOTH }, { "both", CONSOLE_BOTH, BOTH },
	{ "null", CONSOLE_NULL, BOTH },     { NULL, 0, 0 },
};

const struct option_choice crashes_choices[] = {
	{ "fail", ON_CRASH_FAIL, BOTH },
	{ "ignore", ON_CRASH_IGNORE, BOTH },
	{ NULL, 0, 0 },
};

const struct option_choice stats_choices[] = {
	{ "off", STATS_OFF, BOTH },
	{ "table", STATS_TABLE, BOTH },
	{ "json", STATS_JSON, BOTH },
	{ NULL, 0, 0 },
};

const struct option_choice log_formats_choices[] = {
	{ "text", LOG_TEXT, BOTH },
	{ "json", LOG_JSON, BOTH },
	{ NULL, 0, 0 },
};
