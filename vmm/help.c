// SPDX-License-Identifier: BSD-2-Clause
/* The help texts. What is said of each option comes from the table of options. */
#include "vmm/help.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/console.h"
#include "vmm/control_commands.h"
#include "vmm/devices.h"
#include "vmm/options.h"

#define WIDTH       80
#define HELP_COLUMN 26 /* where the words about an option begin */

static char page[32768]; /* what help_text() hands out */
static size_t page_length;

static void line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void line(const char *fmt, ...)
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
		line("\n");
		column = 0;
	}
	while (*words) {
		size_t word = strcspn(words, " ");
		bool first = column < HELP_COLUMN;

		if (!first && column + 1 + word > WIDTH) {
			line("\n");
			column = 0;
			first = true;
		}
		line("%*s%.*s", first ? (int)(HELP_COLUMN - column) : 1, "", (int)word, words);
		column = (first ? HELP_COLUMN : column + 1) + word;
		words += word;
		words += strspn(words, " ");
	}
	line("\n");
}

/* What the value may be, behind the name and `before`. */
static void put_placeholder(const struct option *opt, char before)
{
	if (opt->placeholder)
		line("%c%s", before, opt->placeholder);
	else if (opt->type == OPTION_CHOICE)
		for (const struct option_choice *c = opt->choices; c->name; c++)
			line("%c%s", c == opt->choices ? before : '|', c->name);
}

static const char *only_on(unsigned int platforms)
{
	return platforms == 1u << PLATFORM_ARM  ? "aarch64 only: "
	       : platforms == 1u << PLATFORM_PC ? "x86-64 only: "
						: "";
}

/* What an option is for, behind its name, which begins at `start`. The default is a field of `defaults`. */
static void put_meaning(const struct option *opt, const void *defaults, size_t start)
{
	char words[512], value[OPTION_VALUE_MAX] = "";

	if (option_has_value(defaults, opt))
		option_format(defaults, opt, value);
	/* That a flag is off if it is not given goes without saying. */
	if (*value && !(opt->type == OPTION_FLAG && !strcmp(value, "off")))
		snprintf(words, sizeof(words), "%s%s (default %s)", only_on(opt->platforms), opt->help,
			 value);
	else
		snprintf(words, sizeof(words), "%s%s", only_on(opt->platforms), opt->help);
	put_wrapped(words, page_length - start);
}

static void page_option(struct help_writer *w, const struct option *opt)
{
	size_t start = page_length;
	struct vm_config defaults;

	(void)w;
	if (opt->letter)
		line("  -%c, --%s", opt->letter, opt->name);
	else
		line("      --%s", opt->name);
	put_placeholder(opt, ' ');
	config_init(&defaults);
	put_meaning(opt, &defaults, start);
}

static void page_kind(struct help_writer *w, const struct device_kind *kind)
{
	struct device_config *defaults = device_config_new(kind);
	size_t start = page_length;
	char words[512];

	(void)w;
	if (!defaults) {
		line("      --%s: out of memory\n", kind->name);
		return;
	}
	line("      --%s", kind->name);
	if (kind->value_key)
		put_placeholder(device_key(kind, kind->value_key), ' ');
	if (kind->keys->name)
		line(kind->value_key ? "[,KEY=VALUE]..." : "[=KEY=VALUE[,KEY=VALUE]...]");
	snprintf(words, sizeof(words), "%s%s; %s", only_on(kind->platforms), kind->help,
		 kind->single ? "once" : "may repeat");
	put_wrapped(words, page_length - start);
	for (const struct option *key = kind->keys; key->name; key++) {
		start = page_length;
		line("          %s", key->name);
		put_placeholder(key, '=');
		put_meaning(key, defaults, start);
	}
	device_config_free(defaults);
}

static void page_text(struct help_writer *w, const char *text)
{
	(void)w;
	line("%s", text);
}

static struct help_writer page_writer = { .text = page_text, .option = page_option, .kind = page_kind };

/* --- what the topics are written with --- */

static struct help_writer *writer;

static void put(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void put(const char *fmt, ...)
{
	char text[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	writer->text(writer, text);
}

static void put_option(const struct option *opt)
{
	writer->option(writer, opt);
}

static void put_kinds(void)
{
	put("\nDevices. The value that stands first needs no \"KEY=\", a flag no \"=on\"; a comma\n"
	    "in a value is written \",,\". Each device takes the key id=ID as well. In a\n"
	    "definition file it is a section [disk ID] with the same keys, one to a line.\n");
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++)
		writer->kind(writer, *kind);
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

/* Has the section options of this command? */
static bool section_is_for_command(const char *section, enum config_command command)
{
	for (const struct option *opt = option_table; opt->name; opt++)
		if (opt->section && !strcmp(opt->section, section) && option_is_for_command(opt, command))
			return true;
	return false;
}

static void overview(void)
{
	put("Usage: vireo COMMAND [OPTIONS]\n"
	    "\n"
	    "Runs Linux in a virtual machine, with KVM.\n"
	    "\n"
	    "Commands:\n"
	    "  run [OPTIONS] [KERNEL]          boot a kernel\n"
	    "  smoke [OPTIONS] [KERNEL]        boot a kernel, watch its console, end with a\n"
	    "                                  verdict and reports\n"
	    "  exec [OPTIONS] -- COMMAND...    run one command in a guest, on this system's\n"
	    "                                  files\n"
	    "  dump dtb|config [OPTIONS]       print the device tree, or the complete VM\n"
	    "                                  definition, that run would use\n"
	    "  check FILE...                   find the mistakes in VM definitions\n"
	    "  probe [--json]                  say what this host's KVM can do for Vireo\n"
	    "  ps [--json]                     list the VMs that run and have a name\n"
	    "  ctl NAME|PATH COMMAND [ARG...]  have one of them pause, resume, quit, ...\n"
	    "  help [COMMAND]                  explain a command\n"
	    "  --version                       print the version\n"
	    "\n"
	    "Example:\n"
	    "  vireo run -c 2 -m 256M -i initrd.img vmlinuz\n");
}

static void help_run(void)
{
	char keys[CONSOLE_HELP_MAX];

	put("Usage: vireo run [OPTIONS] [KERNEL]\n"
	    "\n"
	    "Boots a kernel in a virtual machine. The guest's serial console is standard\n"
	    "input and output.\n");
	for (const char *const *section = section_names; *section; section++) {
		if (!section_is_for_command(*section, COMMAND_RUN))
			continue;
		put("\nOptions that are also keys of section [%s] of a definition file:\n", *section);
		put_options(*section, COMMAND_RUN);
	}
	if (*device_kinds)
		put_kinds();
	put("\nOptions of the command line only:\n");
	put_options(NULL, COMMAND_RUN);
	put("\n"
	    "A value follows its option as \"--cpus 2\", \"--cpus=2\", \"-c 2\" or \"-c2\"; \"--\" ends\n"
	    "the options. The command line beats the definition file.\n"
	    "\n"
	    "Keys, when standard input is a terminal (see --escape):\n");
	console_help(NULL, "Ctrl-A", "  ", "\n", keys);
	put("%s", keys);
	put("\n"
	    "Exit status:\n"
	    "    0  the guest powered off\n"
	    "    1  the host or the VMM failed\n"
	    "    2  usage or definition error, or a kernel or initrd that cannot be loaded\n"
	    "   10  the guest asked for a reset (with --on-reboot exit, the default)\n"
	    "   11  the guest panicked, where it can be known (pvpanic, SYSTEM_EVENT_CRASH)\n"
	    "   12  the guest died (triple fault, KVM internal error)\n"
	    "  124  the time of --timeout was up\n"
	    "  130  ended by the signal SIGINT, left with Ctrl-A x, or by vireo ctl NAME quit\n"
	    "  143  ended by the signal SIGTERM; other signals: 128 and the signal's number\n"
	    "       (SIGTERM presses the power button first, see --stop-timeout)\n"
	    "  odd  V * 2 + 1 for a guest that wrote V to the port of --debug-exit\n"
	    "\n"
	    "Examples:\n"
	    "  vireo run vmlinuz\n"
	    "  vireo run -c 2 -m 256M -i initrd.img -a quiet vmlinuz\n"
	    "  vireo run -f vm.conf --timeout 60 </dev/null\n");
}

/* The options of a command that run has not. */
static void put_own_options(enum config_command command)
{
	for (const struct option *opt = option_table; opt->name; opt++)
		if (option_is_for_command(opt, command) && !option_is_for_command(opt, COMMAND_RUN))
			put_option(opt);
}

static void help_smoke(void)
{
	put("Usage: vireo smoke [OPTIONS] [KERNEL]\n"
	    "\n"
	    "Boots a kernel, watches its consoles (ttyS0, and hvc0 with --console virtio or\n"
	    "both), and ends with a verdict: one line, PASS or FAIL, on standard error.\n"
	    "Without --expect it passes when init is reached: a small one that is built in,\n"
	    "or that of --initrd or of root=. A kernel that says it crashed, a reset, a\n"
	    "power-off before all was seen and --timeout (default %d) are failures.\n"
	    "\n"
	    "Takes the options of \"vireo run\" (see \"vireo help run\") but --serial,\n"
	    "--hvc, --escape and --stop-timeout: it watches the consoles itself, and whatever\n"
	    "ends it, ends it at once. And:\n",
	    SMOKE_SECONDS);
	put_own_options(COMMAND_SMOKE);
	put("\n"
	    "Exit status:\n"
	    "    0  passed\n"
	    "    1  failed; or the host or the VMM did\n"
	    "    2  usage or definition error, or a kernel or initrd that cannot be loaded\n"
	    "  124  the time of --timeout was up\n"
	    "  130  ended by the signal SIGINT, 143 by SIGTERM\n"
	    "\n"
	    "Examples:\n"
	    "  vireo smoke vmlinuz\n"
	    "  vireo smoke -i initrd.img --expect 'login:' --report smoke.xml vmlinuz\n"
	    "  vireo smoke -i initrd.img --send 'id\\n' after '# ' --expect uid=0 vmlinuz\n");
}

static void help_exec(void)
{
	put("Usage: vireo exec [OPTIONS] [--] COMMAND [ARG...]\n"
	    "\n"
	    "Runs a command in a virtual machine whose root directory is this system's, or\n"
	    "that of --root. What it writes is gone when it ends, but for the directories of\n"
	    "--rw. Its standard input, output and error are this program's; on a terminal it\n"
	    "has one of its own. docs/exec.md says more.\n"
	    "\n"
	    "Takes the options of \"vireo run\" (see \"vireo help run\") but --kernel-format,\n"
	    "--initrd, --on-reboot, --stop-timeout, --console, --serial, --hvc and\n"
	    "--console-log, for which it has its own ways, and:\n");
	put_own_options(COMMAND_EXEC);
	put("\n"
	    "Without --kernel it is /boot/vmlinuz-VERSION, of the version that runs here.\n"
	    "\n"
	    "Exit status:\n"
	    "    the command's own; 128 and N if the signal N ended it\n"
	    "    2  usage or definition error, or a kernel that cannot be loaded\n"
	    "  124  the time of --timeout was up\n"
	    "  125  the host, the VMM, or the guest before the command ran failed\n"
	    "  126  the command is there, but cannot be executed\n"
	    "  127  the command is not there\n"
	    "  255  the guest panicked\n"
	    "\n"
	    "Examples:\n"
	    "  vireo exec -- uname -r\n"
	    "  vireo exec --kernel bzImage --modules none -m 1G -- make test\n"
	    "  vireo exec --rw . -- sh -c 'dmesg >boot.log'\n");
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

static void help_check(void)
{
	put("Usage: vireo check FILE...\n"
	    "\n"
	    "Reads VM definitions, with all that they include, and prints the mistakes in\n"
	    "them as FILE:LINE: TEXT (JSON: FILE: TEXT). What a mistake hides comes when it\n"
	    "is mended. Files that a definition names and that are not there, and that it\n"
	    "has no kernel, are worth a warning only: another host may have them, and the\n"
	    "command line name one. /dev/kvm is not needed.\n"
	    "\n"
	    "Options:\n");
	put_options(NULL, COMMAND_CHECK);
	put("\n"
	    "Exit status: 0 no mistakes, 1 host failure, 2 mistakes or usage error.\n"
	    "\n"
	    "Examples:\n"
	    "  vireo check vm.conf\n"
	    "  vireo check /etc/vireo/*.conf\n");
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

static void help_ps(void)
{
	put("Usage: vireo ps [--json]\n"
	    "\n"
	    "Lists the VMs that run and have a name (--name): those whose control sockets\n"
	    "are in $XDG_RUNTIME_DIR/vireo and /run/vireo.\n"
	    "\n"
	    "Options:\n");
	put_options(NULL, COMMAND_PS);
	put("\n"
	    "Exit status: 0, also if there are none; 1 host failure, 2 usage error.\n");
}

static void help_ctl(void)
{
	put("Usage: vireo ctl [OPTIONS] NAME|PATH COMMAND [ARG...]\n"
	    "\n"
	    "Has a VM that runs do something: the one of that name (--name), or the one whose\n"
	    "control socket (--control) is at PATH, which has a \"/\".\n"
	    "\n"
	    "Commands:\n");
	for (const struct control_command *command = control_commands; command->name; command++)
		put("  %-22s  %s\n", control_usage(command).text, command->help);
	put("\n"
	    "A size is a number with K, M, G or T; a number alone is in MiB.\n"
	    "\n"
	    "Options:\n");
	put_options(NULL, COMMAND_CTL);
	put("\n"
	    "Exit status: 0 done, 1 refused or the VM is gone, 2 usage error, 124 no answer\n"
	    "within the time of --wait.\n"
	    "\n"
	    "Examples:\n"
	    "  vireo ctl web status\n"
	    "  vireo ctl web balloon 512M\n"
	    "  vireo ctl ./vm.sock console\n");
}

static void help_help(void)
{
	put("Usage: vireo help [COMMAND]\n"
	    "\n"
	    "Explains a command: run, smoke, exec, dump, check, probe, ps, ctl or help.\n"
	    "Without one, lists them all. \"vireo COMMAND --help\" does the same.\n");
}

static const struct {
	const char *name;
	void (*write)(void);
} topics[] = {
	{ "run", help_run },   { "smoke", help_smoke }, { "exec", help_exec },
	{ "dump", help_dump }, { "check", help_check }, { "probe", help_probe },
	{ "ps", help_ps },     { "ctl", help_ctl },     { "help", help_help },
};

const char *help_topic(unsigned int index)
{
	return index < sizeof(topics) / sizeof(topics[0]) ? topics[index].name : NULL;
}

bool help_write(const char *topic, struct help_writer *to)
{
	writer = to;
	if (!topic) {
		overview();
		return true;
	}
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		if (!strcmp(topic, topics[i].name)) {
			topics[i].write();
			return true;
		}
	}
	return false;
}

const char *help_text(const char *topic)
{
	page_length = 0;
	return help_write(topic, &page_writer) ? page : NULL;
}
