// SPDX-License-Identifier: BSD-2-Clause
/* The help texts. What is said of each option comes from the table of options. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/options.h"

#define WIDTH       80
#define HELP_COLUMN 26 /* where the words about an option begin */

static char page[8192]; /* what help_text() hands out */
static size_t page_length;

static void put(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void put(const char *fmt, ...)
{
	size_t room = sizeof(page) - page_length;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = (size_t)vsnprintf(page + page_length, room, fmt, ap);
	va_end(ap);
	page_length += len < room ? len : room - 1;
}

/* Puts words from HELP_COLUMN on, on as many lines as they need; `column` is where the line stands. */
static void put_wrapped(const char *words, size_t column)
{
	if (column + 1 > HELP_COLUMN) {
		put("\n");
		column = 0;
	}
	while (*words) {
		size_t word = strcspn(words, " ");
		bool first = column < HELP_COLUMN;

		if (!first && column + 1 + word > WIDTH) {
			put("\n");
			column = 0;
			first = true;
		}
		put("%*s%.*s", first ? (int)(HELP_COLUMN - column) : 1, "", (int)word, words);
		column = (first ? HELP_COLUMN : column + 1) + word;
		words += word;
		words += strspn(words, " ");
	}
	put("\n");
}

static void put_placeholder(const struct option *opt)
{
	if (opt->placeholder)
		put(" %s", opt->placeholder);
	else if (opt->type == OPTION_CHOICE)
		for (const struct option_choice *c = opt->choices; c->name; c++)
			put("%c%s", c == opt->choices ? ' ' : '|', c->name);
}

static void put_option(const struct option *opt)
{
	size_t start = page_length;
	char words[512], value[OPTION_VALUE_MAX] = "";
	const char *where = opt->platforms == 1u << PLATFORM_ARM  ? "aarch64 only: "
			    : opt->platforms == 1u << PLATFORM_PC ? "x86-64 only: "
								  : "";
	struct vm_config defaults;

	if (opt->letter)
		put("  -%c, --%s", opt->letter, opt->name);
	else
		put("      --%s", opt->name);
	put_placeholder(opt);

	config_init(&defaults);
	if (option_has_value(&defaults, opt) && opt->type != OPTION_FLAG)
		option_format(&defaults, opt, value);
	if (*value)
		snprintf(words, sizeof(words), "%s%s (default %s)", where, opt->help, value);
	else
		snprintf(words, sizeof(words), "%s%s", where, opt->help);
	put_wrapped(words, page_length - start);
}

/* The options of one section, or with NULL those of the command line alone. */
static void put_options(const char *section, enum config_command command)
{
	for (const struct option *opt = option_table; opt->name; opt++) {
		bool here = section ? opt->section && !strcmp(opt->section, section) : !opt->section;

		if (here && option_is_for_command(opt, command))
			put_option(opt);
	}
}

static void overview(void)
{
	put("Usage: vireo COMMAND [OPTIONS]\n"
	    "\n"
	    "Runs Linux in a virtual machine, with KVM.\n"
	    "\n"
	    "Commands:\n"
	    "  run [OPTIONS] [KERNEL]          boot a kernel\n"
	    "  dump dtb|config [OPTIONS]       print the device tree, or the complete VM\n"
	    "                                  definition, that run would use\n"
	    "  probe [--json]                  say what this host's KVM can do for Vireo\n"
	    "  help [COMMAND]                  explain a command\n"
	    "  --version                       print the version\n"
	    "\n"
	    "Example:\n"
	    "  vireo run -c 2 -m 256M -i initrd.img vmlinuz\n");
}

static void help_run(void)
{
	put("Usage: vireo run [OPTIONS] [KERNEL]\n"
	    "\n"
	    "Boots a kernel in a virtual machine. The guest's serial console is standard\n"
	    "input and output.\n");
	for (const char *const *section = section_names; *section; section++) {
		put("\nOptions that are also keys of section [%s] of a definition file:\n", *section);
		put_options(*section, COMMAND_RUN);
	}
	put("\nOptions of the command line only:\n");
	put_options(NULL, COMMAND_RUN);
	put("\n"
	    "A value follows its option as \"--cpus 2\", \"--cpus=2\", \"-c 2\" or \"-c2\"; \"--\" ends\n"
	    "the options. The command line beats the definition file.\n"
	    "\n"
	    "Keys, when standard input is a terminal:\n"
	    "  Ctrl-A x       leave: ends the virtual machine at once\n"
	    "  Ctrl-A h       list these keys\n"
	    "  Ctrl-A Ctrl-A  send one Ctrl-A to the guest; so does Ctrl-A a\n"
	    "\n"
	    "Exit status:\n"
	    "    0  the guest powered off\n"
	    "    1  the host or the VMM failed\n"
	    "    2  usage or definition error, or a kernel or initrd that cannot be loaded\n"
	    "   10  the guest asked for a reset (with --on-reboot exit, the default)\n"
	    "   11  the guest panicked, where it can be known (pvpanic, SYSTEM_EVENT_CRASH)\n"
	    "   12  the guest died (triple fault, KVM internal error)\n"
	    "  124  the time of --timeout was up\n"
	    "  130  ended by the signal SIGINT, or left with Ctrl-A x\n"
	    "  143  ended by the signal SIGTERM; other signals: 128 and the signal's number\n"
	    "  odd  V * 2 + 1 for a guest that wrote V to the port of --debug-exit\n"
	    "\n"
	    "Examples:\n"
	    "  vireo run vmlinuz\n"
	    "  vireo run -c 2 -m 256M -i initrd.img -a quiet vmlinuz\n"
	    "  vireo run -f vm.conf --timeout 60 </dev/null\n");
}

static void help_dump(void)
{
	put("Usage: vireo dump dtb|config [OPTIONS] [KERNEL] [-o FILE]\n"
	    "\n"
	    "Prints what \"vireo run\" with the same options would use. /dev/kvm is not needed.\n"
	    "  dtb     the flattened device tree, for dtc or fdtdump\n"
	    "  config  the complete VM definition, every key of it, for \"vireo run -f\"\n"
	    "\n"
	    "Takes all options of \"vireo run\" (see \"vireo help run\"), and:\n");
	put_option(option_by_name("output"));
	put("\n"
	    "Exit status: 0 written, 1 host failure, 2 usage or definition error.\n"
	    "\n"
	    "Examples:\n"
	    "  vireo dump dtb -c 2 | dtc -I dtb -O dts\n"
	    "  vireo dump config -c 2 -m 1G vmlinuz -o vm.conf\n");
}

static void help_probe(void)
{
	put("Usage: vireo probe [--json]\n"
	    "\n"
	    "Says what this host's KVM can do for Vireo, item by item, and what to do about\n"
	    "what is missing.\n"
	    "\n"
	    "Options:\n");
	put_options(NULL, COMMAND_PROBE);
	put("\n"
	    "Exit status: 0 Vireo can run here, 1 it cannot, 2 usage error.\n");
}

static void help_help(void)
{
	put("Usage: vireo help [COMMAND]\n"
	    "\n"
	    "Explains a command: run, dump, probe or help. Without one, lists them all.\n"
	    "\"vireo COMMAND --help\" does the same.\n");
}

static const struct {
	const char *name;
	void (*write)(void);
} topics[] = {
	{ "run", help_run },
	{ "dump", help_dump },
	{ "probe", help_probe },
	{ "help", help_help },
};

const char *help_text(const char *topic)
{
	page_length = 0;
	if (!topic) {
		overview();
		return page;
	}
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		if (!strcmp(topic, topics[i].name)) {
			topics[i].write();
			return page;
		}
	}
	return NULL;
}
