/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The definition of a VM: what the command line and a definition file say, checked as far as it
 * can be without a host. One table (vmm/options.c) lists every option with its name, its place in
 * the definition file, its type and its help text; parsing, help and `dump config` come from it.
 */
#ifndef VIREO_VMM_CONFIG_H
#define VIREO_VMM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot.h"
#include "devices/machine.h"
#include "kvm/err.h"
#include "kvm/kvm.h"

/* The platform this program was built for. platform_x86.c, platform_arm64.c. */
extern const enum platform host_platform;
extern const char *const default_cmdline;

enum irqchip_choice {
	CHOOSE_AUTO,       /* aarch64: GICv3, GICv2, the userspace GICv2; x86-64: the same as apic */
	CHOOSE_GICV3,      /* aarch64 only */
	CHOOSE_GICV2,      /* aarch64 only */
	CHOOSE_GICV2_USER, /* aarch64 only */
	CHOOSE_APIC,       /* x86-64 only, and the next two */
	CHOOSE_APIC_SPLIT,
	CHOOSE_APIC_KERNEL,
};

/* Has the GICv3 an ITS? */
enum its_choice {
	ITS_AUTO, /* where the host can */
	ITS_ON,   /* or the VM does not start */
	ITS_OFF,
};

/* How an x86-64 kernel learns of its hardware. */
enum tables_choice {
	TABLES_AUTO, /* TABLES_FDT if the kernel's command line has acpi=off, else TABLES_ACPI */
	TABLES_ACPI,
	TABLES_FDT,
	TABLES_BOTH,
};

enum on_reboot {
	ON_REBOOT_EXIT,
	ON_REBOOT_RESTART,
};

enum console_choice {
	CONSOLE_STDIO,
	CONSOLE_NULL,
};

enum stats_choice {
	STATS_OFF,
	STATS_TABLE,
	STATS_JSON,
};

enum dump_what {
	DUMP_DTB,    /* the device tree that run would use */
	DUMP_CONFIG, /* the complete definition: config_dump() */
};

/* Strings are owned by the config (config_finish frees them); NULL: not given. */
#define TRACE_SIZE 262144 /* records, 12 MiB */

struct vm_config {
	/* [machine] */
	uint32_t cpus;                       /* default 1 */
	uint64_t memory;                     /* bytes; default 256 MiB */
	enum kvm_ram_backing memory_backing; /* default KVM_RAM_ANONYMOUS */
	enum irqchip_choice irqchip;
	uint32_t ioapics;  /* x86-64: at least so many; default 1 */
	uint32_t gic_irqs; /* INTIDs; default 128 */
	uint64_t gic_dist, gic_cpu, gic_redist, gic_its, gic_v2m;
	bool have_gic_redist; /* else redistributors end where the distributor begins */
	enum its_choice its;
	enum on_reboot on_reboot;
	uint32_t timeout;    /* seconds; 0: none */
	uint64_t debug_exit; /* port */
	bool have_debug_exit;
	bool test_device;

	/* [boot] */
	char *kernel, *initrd;
	char *append; /* added to the default command line, or to cmdline; several -a are joined by a blank */
	char *cmdline; /* replaces the default command line */

	enum tables_choice tables;
	enum kernel_format kernel_format;

	/* [console] */
	enum console_choice console;

	/* command line only */
	char *config_file;
	int log_level; /* enum log_level; default LOG_WARN */
	bool dry_run;
	char *trace;             /* --trace FILE */
	uint32_t trace_size;     /* records; default TRACE_SIZE */
	enum stats_choice stats; /* default STATS_OFF */
	bool json;               /* probe */
	enum dump_what dump;     /* dump */
	char *output;            /* dump -o; NULL: stdout */
	bool help;               /* -h: print the command's help, do nothing else */
};

/* Which options a command takes. */
enum config_command {
	COMMAND_RUN,
	COMMAND_DUMP,
	COMMAND_PROBE,
};

/*
 * Fills in `cfg` with defaults, then the definition file (if -f is given), then the command line,
 * and checks the whole: ranges, architecture, overlapping GIC addresses. argv[0] is the command's
 * first argument. For COMMAND_RUN a kernel is required; it may be the one positional argument.
 * For COMMAND_DUMP the first positional argument is dtb or config, a second one the kernel.
 * With -h, parsing ends there: cfg->help is set and nothing is read or checked.
 * Returns 0; -EINVAL or -ENOMEM with one line in `err`. `cfg` needs config_finish() either way.
 */
int config_parse(struct vm_config *cfg, enum config_command command, int argc, char *const argv[],
		 struct err *err);

/*
 * Reads the definition file `path` over what `cfg` holds. Errors name file:line, the key, what is
 * allowed; what depends on several keys is checked by config_parse() alone.
 */
int config_read_file(struct vm_config *cfg, const char *path, struct err *err);

/* Sets defaults, without looking at what was there; frees what a config owns. */
void config_init(struct vm_config *cfg);
void config_finish(struct vm_config *cfg);

/*
 * The kernel's whole command line: `cmdline` or else the default, then `append`. malloc'ed, the
 * caller frees; NULL without memory.
 */
char *config_cmdline(const struct vm_config *cfg);

/*
 * The complete definition as text that config_read_file() reads back to the same definition from
 * any directory: malloc'ed, the caller frees. NULL with the cause in `err`: no memory, or a file's
 * absolute path cannot be found or written in a line.
 */
char *config_dump(const struct vm_config *cfg, struct err *err);

/*
 * The help text of `topic` (run, dump, probe, help) or the overview for NULL; NULL: no such topic.
 * Valid until the next call; not for several threads.
 */
const char *help_text(const char *topic);

#endif
