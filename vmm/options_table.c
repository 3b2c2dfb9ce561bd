// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/options.h"

#include "kvm/log.h"

#define PC   (1u << PLATFORM_PC)
#define ARM  (1u << PLATFORM_ARM)
#define BOTH (PC | ARM)

#define DUMP  (1u << COMMAND_DUMP)
#define PROBE (1u << COMMAND_PROBE)
/* A command line of run is also one of dump: only the word differs. */
#define VM (1u << COMMAND_RUN | DUMP)

#define FIELD(name) .offset = offsetof(struct vm_config, name)
#define UP_TO(most) .max = { [PLATFORM_PC] = (most), [PLATFORM_ARM] = (most) }

/* A GIC of any size must end within 52 bits, the most an Arm physical address can have. */
#define ADDRESS_MAX ((1ULL << 52) - 1)

#define TIMEOUT_MAX 2147483647ULL

const char *const command_names[] = {
	[COMMAND_RUN] = "run",
	[COMMAND_DUMP] = "dump",
	[COMMAND_PROBE] = "probe",
};

const char *const section_names[] = { "boot", "machine", "console", NULL };

const char *const platform_names[] = {
	[PLATFORM_PC] = "x86-64",
	[PLATFORM_ARM] = "aarch64",
};

static const struct option_choice kernel_formats[] = {
	{ "auto", KERNEL_AUTO, ARM },
	{ "flat", KERNEL_FLAT, ARM },
	{ NULL, 0, 0 },
};

static const struct option_choice irqchips[] = {
	{ "auto", CHOOSE_AUTO, BOTH },
	{ "gicv3", CHOOSE_GICV3, ARM },
	{ "gicv2", CHOOSE_GICV2, ARM },
	{ "apic", CHOOSE_APIC, PC },
	{ "apic-split", CHOOSE_APIC_SPLIT, PC },
	{ "apic-kernel", CHOOSE_APIC_KERNEL, PC },
	{ NULL, 0, 0 },
};

static const struct option_choice backings[] = {
	{ "anonymous", KVM_RAM_ANONYMOUS, BOTH },
	{ "memfd", KVM_RAM_MEMFD, BOTH },
	{ "hugetlb", KVM_RAM_HUGETLB, BOTH },
	{ NULL, 0, 0 },
};

static const struct option_choice tables[] = {
	{ "auto", TABLES_AUTO, PC },
	{ "acpi", TABLES_ACPI, PC },
	{ "fdt", TABLES_FDT, PC },
	{ "both", TABLES_BOTH, PC },
	{ NULL, 0, 0 },
};

static const struct option_choice reboots[] = {
	{ "exit", ON_REBOOT_EXIT, BOTH },
	{ "restart", ON_REBOOT_RESTART, BOTH },
	{ NULL, 0, 0 },
};

static const struct option_choice consoles[] = {
	{ "stdio", CONSOLE_STDIO, BOTH },
	{ "null", CONSOLE_NULL, BOTH },
	{ NULL, 0, 0 },
};

static const struct option_choice log_levels[] = {
	{ "error", LOG_ERROR, BOTH },
	{ "warn", LOG_WARN, BOTH },
	{ "info", LOG_INFO, BOTH },
	{ "debug", LOG_DEBUG, BOTH },
	{ NULL, 0, 0 },
};

const struct option option_table[] = {
	{ .name = "kernel",
	  .letter = 'k',
	  .section = "boot",
	  .type = OPTION_FILE,
	  .placeholder = "FILE",
	  FIELD(kernel),
	  .commands = VM,
	  .platforms = BOTH,
	  .help = "the kernel: a bzImage, an ELF vmlinux or a Multiboot kernel on x86-64; an Image (plain, gzip "
		  "or EFI zboot) on aarch64; may also be given as the argument KERNEL" },
	{ .name = "kernel-format",
	  .section = "boot",
	  .type = OPTION_CHOICE,
	  FIELD(kernel_format),
	  .commands = VM,
	  .platforms = ARM,
	  .choices = kernel_formats,
	  .help = "what the kernel is: an Image (auto), or a flat binary without header, which is put 0x80000 "
		  "bytes into RAM and entered at its first byte (flat)" },
	{ .name = "initrd",
	  .letter = 'i',
	  .section = "boot",
	  .type = OPTION_FILE,
	  .placeholder = "FILE",
	  FIELD(initrd),
	  .commands = VM,
	  .platforms = BOTH,
	  .help = "the initial RAM disk; none if not given" },
	{ .name = "append",
	  .letter = 'a',
	  .section = "boot",
	  .type = OPTION_TEXT,
	  .placeholder = "TEXT",
	  FIELD(append),
	  .repeats = true,
	  .commands = VM,
	  .platforms = BOTH,
	  .help = "added to the kernel's command line; several are joined by a blank" },
	{ .name = "cmdline",
	  .section = "boot",
	  .type = OPTION_TEXT,
	  .placeholder = "TEXT",
	  FIELD(cmdline),
	  .commands = VM,
	  .platforms = BOTH,
	  .help = "the kernel's command line, instead of the default \"console=ttyS0\"; drops what the definition "
		  "file appends" },

	{ .name = "tables",
	  .section = "boot",
	  .type = OPTION_CHOICE,
	  FIELD(tables),
	  .commands = VM,
	  .platforms = PC,
	  .choices = tables,
	  .help = "how the kernel learns of its hardware: ACPI tables (acpi), a flattened device tree (fdt), or "
		  "both; auto means fdt if acpi=off is on the command line, else acpi" },
	{ .name = "cpus",
	  .letter = 'c',
	  .section = "machine",
	  .type = OPTION_NUMBER,
	  .placeholder = "N",
	  FIELD(cpus),
	  .commands = VM,
	  .platforms = BOTH,
	  .min = 1,
	  .max = { [PLATFORM_PC] = PC_MAX_CPUS, [PLATFORM_ARM] = ARM_MAX_CPUS },
	  .step = 1,
	  .help = "number of virtual CPUs" },
	{ .name = "memory",
	  .letter = 'm',
	  .section = "machine",
	  .type = OPTION_SIZE,
	  .placeholder = "SIZE",
	  FIELD(memory),
	  .commands = VM,
	  .platforms = BOTH,
	  .min = MACHINE_MIN_RAM_SIZE,
	  UP_TO(MACHINE_MAX_RAM_SIZE),
	  .step = MACHINE_PAGE_SIZE,
	  .help = "size of RAM: a number with K, M, G or T (powers of 1024), such as 256M or 2G; a number alone "
		  "is in MiB" },
	{ .name = "memory-backing",
	  .section = "machine",
	  .type = OPTION_CHOICE,
	  FIELD(memory_backing),
	  .commands = VM,
	  .platforms = BOTH,
	  .choices = backings,
	  .help = "what RAM is made of: anonymous memory, a memfd that can be shared, or huge pages (hugetlb) "
		  "that the host must have reserved" },
	{ .name = "irqchip",
	  .section = "machine",
	  .type = OPTION_CHOICE,
	  FIELD(irqchip),
	  .commands = VM,
	  .platforms = BOTH,
	  .choices = irqchips,
	  .help = "interrupt controller: auto; gicv3 or gicv2 on aarch64, where auto tries them in this order; on "
		  "x86-64 apic (everything in this program, also for auto), apic-split (KVM's LAPICs, this "
		  "program's I/O APICs) or apic-kernel (KVM's LAPICs and I/O APIC)" },
	{ .name = "ioapics",
	  .section = "machine",
	  .type = OPTION_NUMBER,
	  .placeholder = "N",
	  FIELD(ioapics),
	  .commands = VM,
	  .platforms = PC,
	  .min = 1,
	  UP_TO(MACHINE_MAX_IOAPICS),
	  .step = 1,
	  .help = "number of I/O APICs of 24 lines each; more if the devices need them" },
	{ .name = "gic-irqs",
	  .section = "machine",
	  .type = OPTION_NUMBER,
	  .placeholder = "N",
	  FIELD(gic_irqs),
	  .commands = VM,
	  .platforms = ARM,
	  .min = 64,
	  UP_TO(1024),
	  .step = 32,
	  .help = "number of interrupt IDs of the GIC, 64 to 1024, a multiple of 32" },
	{ .name = "gic-dist",
	  .section = "machine",
	  .type = OPTION_ADDRESS,
	  .placeholder = "ADDR",
	  FIELD(gic_dist),
	  .commands = VM,
	  .platforms = ARM,
	  UP_TO(ADDRESS_MAX),
	  .step = GICV2_ALIGN,
	  .help = "address of the GIC's distributor" },
	{ .name = "gic-cpu",
	  .section = "machine",
	  .type = OPTION_ADDRESS,
	  .placeholder = "ADDR",
	  FIELD(gic_cpu),
	  .commands = VM,
	  .platforms = ARM,
	  UP_TO(ADDRESS_MAX),
	  .step = GICV2_ALIGN,
	  .help = "address of a GICv2's CPU interface" },
	{ .name = "gic-redist",
	  .section = "machine",
	  .type = OPTION_ADDRESS,
	  .placeholder = "ADDR",
	  FIELD(gic_redist),
	  .given = offsetof(struct vm_config, have_gic_redist),
	  .commands = VM,
	  .platforms = ARM,
	  UP_TO(ADDRESS_MAX),
	  .step = GICV3_ALIGN,
	  .help = "address of a GICv3's first redistributor; if not given, they end where the distributor "
		  "begins" },
	{ .name = "on-reboot",
	  .section = "machine",
	  .type = OPTION_CHOICE,
	  FIELD(on_reboot),
	  .commands = VM,
	  .platforms = BOTH,
	  .choices = reboots,
	  .help = "when the guest asks for a reset: exit (with status 10) or restart" },
	{ .name = "timeout",
	  .section = "machine",
	  .type = OPTION_NUMBER,
	  .placeholder = "SECONDS",
	  FIELD(timeout),
	  .commands = VM,
	  .platforms = BOTH,
	  UP_TO(TIMEOUT_MAX),
	  .step = 1,
	  .help = "end the run after so many seconds, with status 124; 0: never" },
	{ .name = "debug-exit",
	  .section = "machine",
	  .type = OPTION_ADDRESS,
	  .placeholder = "PORT",
	  FIELD(debug_exit),
	  .given = offsetof(struct vm_config, have_debug_exit),
	  .commands = VM,
	  .platforms = PC,
	  UP_TO(PC_NR_PORTS - DEBUG_EXIT_SIZE),
	  .step = 1,
	  .help = "a write of V to this port, or the next three, ends the run with status V * 2 + 1, as QEMU's "
		  "isa-debug-exit does; kvm-unit-tests uses 0xf4" },
	{ .name = "test-device",
	  .section = "machine",
	  .type = OPTION_FLAG,
	  FIELD(test_device),
	  .commands = VM,
	  .platforms = PC,
	  .help = "the devices that test kernels such as kvm-unit-tests use: those of QEMU's pc-testdev, and "
		  "fw_cfg" },

	{ .name = "console",
	  .section = "console",
	  .type = OPTION_CHOICE,
	  FIELD(console),
	  .commands = VM,
	  .platforms = BOTH,
	  .choices = consoles,
	  .help = "the serial console: stdio (standard input and output) or null (no input, output thrown "
		  "away)" },

	{ .name = "config",
	  .letter = 'f',
	  .type = OPTION_FILE,
	  .placeholder = "FILE",
	  FIELD(config_file),
	  .commands = VM,
	  .platforms = BOTH,
	  .help = "read a VM definition; the command line beats what it says" },
	{ .name = "log",
	  .type = OPTION_CHOICE,
	  .placeholder = "LEVEL",
	  FIELD(log_level),
	  .commands = VM,
	  .platforms = BOTH,
	  .choices = log_levels,
	  .help = "what to report on standard error: error, warn, info or debug" },
	{ .name = "dry-run",
	  .type = OPTION_FLAG,
	  FIELD(dry_run),
	  .commands = VM,
	  .platforms = BOTH,
	  .help = "do everything but run the guest" },
	{ .name = "output",
	  .letter = 'o',
	  .type = OPTION_FILE,
	  .placeholder = "FILE",
	  FIELD(output),
	  .commands = DUMP,
	  .platforms = BOTH,
	  .help = "write to FILE instead of standard output" },
	{ .name = "json",
	  .type = OPTION_FLAG,
	  FIELD(json),
	  .commands = PROBE,
	  .platforms = BOTH,
	  .help = "print the result as JSON" },
	{ .name = "help",
	  .letter = 'h',
	  .type = OPTION_FLAG,
	  FIELD(help),
	  .commands = VM | PROBE,
	  .platforms = BOTH,
	  .help = "print this help" },
	{ .name = NULL },
};
