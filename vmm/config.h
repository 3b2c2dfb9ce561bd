/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The definition of a VM: what the command line and a definition file say, checked as far as it
 * can be without a host. One table (vmm/options_table.c) lists every option with its name, its place in
 * the definition file, its type and its help text; parsing, help and `dump config` come from it.
 */
#ifndef VIREO_VMM_CONFIG_H
#define VIREO_VMM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot.h"
#include "boot/text_list.h"
#include "devices/machine.h"
#include "kvm/err.h"
#include "kvm/kvm.h"

/* The platform this program was built for. platform_x86.c, platform_arm64.c. */
extern const enum platform host_platform;

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

/* What RAM is made of: config_memory_backing(). */
enum backing_choice {
	BACKING_AUTO, /* BACKING_MEMFD if a device shares it with another process, else BACKING_ANONYMOUS */
	BACKING_ANONYMOUS,
	BACKING_MEMFD,
	BACKING_HUGETLB,
};

enum on_reboot {
	ON_REBOOT_EXIT,
	ON_REBOOT_RESTART,
};

/* What of the guest's is on standard input and output. */
enum console_choice {
	CONSOLE_AUTO, /* the serial port, unless that is elsewhere: config_console() */
	CONSOLE_SERIAL,
	CONSOLE_VIRTIO,
	CONSOLE_BOTH, /* output of both, input to the virtio console */
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

/* Does what a guest's kernel says of a crash end a smoke boot? */
enum on_crash {
	ON_CRASH_FAIL,
	ON_CRASH_IGNORE,
};

struct device_config;
struct matrix;

#define OPTIONS_MAX 96 /* entries of option_table[] */

/* Where a value comes from. All zeroes: it is the default. */
struct value_source {
	const char *file;  /* the definition file, owned by the config; NULL: none */
	unsigned int line; /* in it, from 1; 0: not known, as with JSON */
	bool command_line;
};

#define STOP_TIMEOUT 90 /* as service managers have it */

#define TRACE_SIZE 262144 /* records, 12 MiB */

#define CONTROL_OPERANDS 8
#define CONTROL_NONE     "none" /* instead of a path of a control socket */

/* A VM's name: as the id of a device (DEVICE_ID_MAX), and it begins with a letter or a digit. */
#define VM_NAME_ALLOWED "a letter or digit, then letters, digits, \"-\", \"_\" and \".\", 32 at most"

/* Strings are owned by it (config_finish() frees them); NULL: not given. */
struct vm_config {
	/* [machine] */
	uint32_t cpus;   /* default 1 */
	uint64_t memory; /* bytes; default 256 MiB */
	enum backing_choice memory_backing;
	enum irqchip_choice irqchip;
	uint32_t ioapics;  /* x86-64: at least so many; default 1 */
	uint32_t gic_irqs; /* INTIDs; default 128 */
	uint64_t gic_dist, gic_cpu, gic_redist, gic_its, gic_v2m;
	bool have_gic_redist; /* else redistributors end where the distributor begins */
	enum its_choice its;
	enum on_reboot on_reboot;
	uint32_t timeout;      /* seconds; 0: none */
	uint32_t stop_timeout; /* seconds from SIGTERM on; 0: none; default 90 */
	uint64_t debug_exit;   /* port */
	bool have_debug_exit;
	bool test_device;
	char *name;    /* config_name_ok() */
	char *control; /* the control socket; "none": there is none; NULL: named by `name`, if it has one */

	/* [boot] */
	char *kernel, *initrd;
	char *append; /* added to the default command line, or to cmdline; several -a are joined by a blank */
	char *cmdline; /* replaces the default command line */

	enum tables_choice tables;
	enum kernel_format kernel_format;

	/* [console] */
	enum console_choice console;
	char *serial, *hvc; /* where else ttyS0 and hvc0 are: an OPTION_PLACE; NULL: nowhere else */
	char *console_log;
	char *escape; /* for console_escape_from_text(); NULL: CONSOLE_ESCAPE */

	/* [log] */
	char *log;               /* for log_levels_parse(); NULL: warn */
	int log_format;          /* enum log_format */
	char *trace;             /* --trace FILE */
	uint32_t trace_size;     /* records; default TRACE_SIZE */
	enum stats_choice stats; /* default STATS_OFF */

	/* [smoke] */
	struct text_list expect, fail_on; /* regular expressions */
	struct text_list send;            /* "TEXT after REGEX" */
	uint32_t retries;
	enum on_crash on_crash; /* default ON_CRASH_FAIL */

	/* [disk NAME] and all the others of vmm/kinds.h: a list in the order given, owned */
	struct device_config *devices;

	/* command line only */
	char *config_file;
	bool dry_run;
	struct text_list report;               /* smoke: files */
	char *only;                            /* smoke: a pattern for names of tests */
	uint32_t jobs;                         /* smoke: VMs at once; 0: as many as the host has CPUs */
	bool json;                             /* probe, ps, ctl */
	uint32_t wait;                         /* ctl: seconds; 0: as long as it takes */
	const char *operand[CONTROL_OPERANDS]; /* ctl: NAME COMMAND [ARG...]; the command line's own */
	unsigned int nr_operands;
	enum dump_what dump; /* dump */
	char *output;        /* dump -o; NULL: stdout */
	/* exec, filled in by exec_complete() (vmm/exec.h) */
	struct text_list command; /* argv; empty: this is no exec */
	struct text_list rw, env;
	char *root, *user, *directory, *modules;
	bool copies;           /* the command's files are copied, for there is no virtiofsd */
	bool help;             /* -h: print the command's help, do nothing else */
	bool takes_tests;      /* smoke, check: [test NAME] and [matrix] are allowed */
	struct matrix *matrix; /* what they say; NULL: there are none */
	struct vm_config
		*tests; /* smoke: each VM of a matrix on its own, nr_tests of them; NULL: it is one VM */
	unsigned int nr_tests;
	char *test_name;    /* of one of them; owned */
	const char **files; /* check: the definition files, nr_files of them; of argv */
	unsigned int nr_files;

	struct value_source source[OPTIONS_MAX]; /* of each value, by index in option_table[] */
	struct text_list names; /* of the definition files that were read, included ones too; for `source` */
};

/* Which options a command takes. */
enum config_command {
	COMMAND_RUN,
	COMMAND_DUMP,
	COMMAND_PROBE,
	COMMAND_SMOKE,
	COMMAND_CHECK,
	COMMAND_EXEC,
	COMMAND_PS,
	COMMAND_CTL,
	COMMAND_COUNT,
};

/* --timeout of a smoke boot that is not given one, in seconds: a guest that hangs is a verdict. */
#define SMOKE_SECONDS 300

/*
 * Fills in `cfg` with defaults, then the definition file (if -f is given), then the command line,
 * and checks the whole: ranges, architecture, overlapping GIC addresses, each device. argv[0] is the command's
 * first argument. For COMMAND_RUN and COMMAND_SMOKE a kernel is required; it may be the one positional argument.
 * For COMMAND_DUMP the first positional argument is dtb or config, a second one the kernel.
 * With -h, parsing ends there: cfg->help is set and nothing is read or checked.
 * Returns 0; -EINVAL or -ENOMEM with one line in `err`. `cfg` needs config_finish() either way.
 */
int config_parse(struct vm_config *cfg, enum config_command command, int argc, char *const argv[],
		 struct err *err);

/*
 * Reads the definition file `path` over what `cfg` holds: of Vireo's own kind (vmm/config_file.c), with what it
 * includes, or Firecracker's (vmm/config_firecracker.c). Errors name file:line, the key, what is
 * allowed; what depends on several keys is checked by config_parse() alone.
 */
int config_read_file(struct vm_config *cfg, const char *path, struct err *err);

/* Who wants to hear of every mistake in a definition, not only of the first. */
struct mistakes {
	void (*found)(const char *text); /* one line, which begins with FILE:LINE: where there is one */
	unsigned int count;
	const char *test;      /* of several VMs, the one that has it; NULL: it is none of theirs */
	struct text_list told; /* what was found in several VMs: once is enough */
};

/*
 * Fills in `cfg` with defaults and the definition file `path`, and checks the whole. Each mistake goes to `m`.
 * Returns 0, also if there are some; -ENOMEM with a line in `err`. `cfg` needs config_finish() either way.
 */
int config_check_file(struct vm_config *cfg, const char *path, struct mistakes *m, struct err *err);

/*
 * The machine that it describes: CPUs, RAM and all devices with their places; the interrupt controller is for the host to
 * give. 0; or -EINVAL with a line: devices that overlap, or too many of them.
 */
int config_machine(const struct vm_config *cfg, struct machine *m, struct err *err);

/*
 * Makes `to` a copy of what definition files have made of `from`, but for their tests (`matrix`), to be finished as any
 * other. What says where a value comes from points into `from`, which is to last longer. -ENOMEM with a line.
 */
int config_copy(struct vm_config *to, const struct vm_config *from, struct err *err);

/* Sets defaults, without looking at what was there; frees what a config owns. */
void config_init(struct vm_config *cfg);
void config_finish(struct vm_config *cfg);

bool config_name_ok(const char *name);

/* The kernel's command line if `cmdline` does not replace it: it names what is on standard input and output. */
const char *config_default_cmdline(const struct vm_config *cfg);

/*
 * The kernel's whole command line: `cmdline` or else the default, then `append`. malloc'ed, the
 * caller frees; NULL without memory.
 */
char *config_cmdline(const struct vm_config *cfg);

/* What is on standard input and output, never CONSOLE_AUTO. */
enum console_choice config_console(const struct vm_config *cfg);

/* Has the VM a virtio console, hvc0? */
bool config_has_hvc(const struct vm_config *cfg);

/* What RAM is to be made of: memory_backing, its auto resolved by what the devices need. */
enum kvm_ram_backing config_memory_backing(const struct vm_config *cfg);

/*
 * The complete definition as text, with where each value comes from in comments, that config_read_file() reads
 * back to the same definition from any directory: malloc'ed, the caller frees. NULL with the cause in `err`: no memory, or a file's
 * absolute path cannot be found or written in a line.
 */
char *config_dump(const struct vm_config *cfg, struct err *err);

/*
 * The help text of `topic` (run, smoke, dump, check, probe, help) or the overview for NULL; NULL: no such topic.
 * Valid until the next call; not for several threads.
 */
const char *help_text(const char *topic);

#endif
