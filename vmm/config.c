// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/log.h"
#include "vmm/config_parse.h"
#include "vmm/config_read.h"
#include "vmm/devices.h"
#include "vmm/exec.h"
#include "vmm/matrix.h"
#include "vmm/options.h"
#include "vmm/smoke.h"

void config_init(struct vm_config *cfg)
{
	*cfg = (struct vm_config){
		.cpus = 1,
		.memory = 256ULL << 20,
		.memory_backing = BACKING_AUTO,
		.irqchip = CHOOSE_AUTO,
		.ioapics = 1,
		.gic_irqs = 128,
		.stop_timeout = STOP_TIMEOUT,
		.gic_dist = ARM_GIC_DIST_BASE,
		.gic_cpu = ARM_GIC_CPU_BASE,
		.gic_its = ARM_GIC_ITS_BASE,
		.gic_v2m = ARM_GIC_V2M_BASE,
		.its = ITS_AUTO,
		.on_reboot = ON_REBOOT_EXIT,
		.console = CONSOLE_AUTO,
		.log_format = LOG_TEXT,
		.trace_size = TRACE_SIZE,
	};
}

bool config_name_ok(const char *name)
{
	return device_id_ok(name) && !strchr("-_.", *name);
}

void config_finish(struct vm_config *cfg)
{
	option_free_texts(cfg, option_table);
	devices_finish(cfg);
	free(cfg->files);
	text_list_clear(&cfg->names);
	matrix_free(cfg->matrix);
	while (cfg->nr_tests)
		config_finish(&cfg->tests[--cfg->nr_tests]);
	free(cfg->tests);
	free(cfg->test_name);
	text_list_clear(&cfg->command);
	config_init(cfg);
}

enum console_choice config_console(const struct vm_config *cfg)
{
	if (cfg->console != CONSOLE_AUTO)
		return cfg->console;
	return cfg->serial ? CONSOLE_NULL : CONSOLE_SERIAL;
}

bool config_has_hvc(const struct vm_config *cfg)
{
	enum console_choice console = config_console(cfg);

	return console == CONSOLE_VIRTIO || console == CONSOLE_BOTH || cfg->hvc;
}

/* Is what goes to `place` to be seen by anybody? */
static bool is_somewhere(const char *place)
{
	return place && strcmp(place, "null");
}

/* The last one named is /dev/console in the guest. What is said before hvc0 is there is on ttyS0 only. */
const char *config_default_cmdline(const struct vm_config *cfg)
{
	enum console_choice console = config_console(cfg);
	bool serial = console == CONSOLE_SERIAL || console == CONSOLE_BOTH || is_somewhere(cfg->serial);
	bool hvc = console == CONSOLE_VIRTIO || console == CONSOLE_BOTH || is_somewhere(cfg->hvc);

	if (serial && hvc)
		return console == CONSOLE_SERIAL ? "console=hvc0 console=ttyS0"
						 : "console=ttyS0 console=hvc0";
	return hvc ? "console=hvc0" : "console=ttyS0";
}

char *config_cmdline(const struct vm_config *cfg)
{
	const char *first = cfg->cmdline ? cfg->cmdline : config_default_cmdline(cfg);
	const char *then = cfg->append ? cfg->append : "";
	char *all;

	if (asprintf(&all, "%s%s%s", first, *first && *then ? " " : "", then) < 0)
		return NULL;
	return all;
}

enum kvm_ram_backing config_memory_backing(const struct vm_config *cfg)
{
	switch (cfg->memory_backing) {
	case BACKING_AUTO:
		break;
	case BACKING_ANONYMOUS:
		return KVM_RAM_ANONYMOUS;
	case BACKING_MEMFD:
		return KVM_RAM_MEMFD;
	case BACKING_HUGETLB:
		return KVM_RAM_HUGETLB;
	}
	return devices_sharing_memory(cfg) ? KVM_RAM_MEMFD : KVM_RAM_ANONYMOUS;
}

static bool *given(struct words *words, const struct option *opt)
{
	return &words->given[opt - option_table];
}

/* The command is this argument and all that follow, whatever they look like. */
static int take_command(struct vm_config *cfg, struct option_scan *scan, struct err *err)
{
	scan->next--;
	while (scan->next < scan->argc)
		if (!text_list_add(&cfg->command, scan->argv[scan->next++]))
			return err_host(err, ENOMEM, "command");
	return 0;
}

/* What an argument without an option means: dump's first one says what to dump, else it is the kernel. */
static int take_positional(struct vm_config *cfg, struct option_scan *scan, struct words *words,
			   struct option_word *word, struct err *err)
{
	enum config_command command = scan->command;
	unsigned int index = words->positionals++;

	if (command == COMMAND_EXEC)
		return take_command(cfg, scan, err);

	if (command == COMMAND_PROBE || command == COMMAND_PS)
		return err_user(err, "\"%s\": \"vireo %s\" takes no argument", quote(word->value).text,
				command_names[command]);
	if (command == COMMAND_CTL) {
		if (index == CONTROL_OPERANDS)
			return err_user(err, "\"%s\": no command of \"vireo ctl\" takes so many arguments",
					quote(word->value).text);
		cfg->operand[cfg->nr_operands++] = word->value;
		return 0;
	}
	if (command == COMMAND_CHECK) {
		cfg->files[cfg->nr_files++] = word->value;
		return 0;
	}
	if (command == COMMAND_DUMP && index == 0) {
		if (strcmp(word->value, "dtb") && strcmp(word->value, "config"))
			return err_user(err, "\"%s\" cannot be dumped; allowed is dtb or config",
					quote(word->value).text);
		cfg->dump = strcmp(word->value, "dtb") ? DUMP_CONFIG : DUMP_DTB;
		return 0;
	}
	word->option = option_by_name("kernel");
	for (unsigned int i = 0; i < words->count; i++)
		if (words->word[i].option == word->option)
			return err_user(err,
					"\"%s\": one argument too many, the kernel is already given: \"%s\"",
					quote(word->value).text, quote(words->word[i].value).text);
	return 0;
}

/* Collects the words up to the end or to -h. */
static int collect(struct vm_config *cfg, struct option_scan *scan, struct words *words, struct err *err)
{
	struct option_word word;
	int ret;

	while ((ret = option_next(scan, &word, err)) > 0) {
		if (!word.option && !word.kind)
			ret = take_positional(cfg, scan, words, &word, err);
		else if (word.option && *given(words, word.option) && !word.option->repeats)
			ret = err_user(err, "--%s: given twice; once is allowed", word.option->name);
		if (ret < 0)
			return ret;
		if (word.option || word.kind)
			words->word[words->count++] = word;
		if (word.option)
			*given(words, word.option) = true;
		if (word.option && word.option == option_by_name("help"))
			return config_set(cfg, word.option, NULL, &command_line, err);
	}
	return ret;
}

/* One more of an option that repeats goes behind what it has. */
static int add_text(struct vm_config *cfg, const struct option_word *word, struct err *err)
{
	const char *first = option_text(cfg, word->option);
	char *joined;
	int ret;

	if (asprintf(&joined, "%s%s%s", first, *first && *word->value ? " " : "", word->value) < 0)
		return err_host(err, ENOMEM, "--%s", word->option->name);
	ret = config_set(cfg, word->option, joined, &command_line, err);
	free(joined);
	return ret;
}

/* --send TEXT after REGEX as one text, whose first " after " is the one between: TEXT has none. */
static int join_send(const struct option_word *word, char **joined, struct err *err)
{
	size_t size;
	FILE *out = open_memstream(joined, &size);

	if (!out)
		return err_host(err, errno, "--%s", word->option->name);
	for (const char *c = word->value; *c; c++) {
		if (!strncmp(c, " after", 6))
			fputs("\\x20", out);
		else
			fputc(*c, out);
	}
	fprintf(out, " after %s", word->after);
	return fclose(out) ? err_host(err, ENOMEM, "--%s", word->option->name) : 0;
}

/* One more of a list, whose first one takes the place of all that the definition file has. */
static int add_item(struct vm_config *cfg, const struct option_word *word, bool is_first, struct err *err)
{
	char *joined = NULL;
	int ret = word->after ? join_send(word, &joined, err) : 0;

	if (is_first)
		config_unset(cfg, word->option);
	if (!ret)
		ret = config_set(cfg, word->option, joined ? joined : word->value, &command_line, err);
	free(joined);
	return ret;
}

static int apply(struct vm_config *cfg, const struct words *words, struct err *err)
{
	bool applied[OPTIONS_MAX] = { false };
	int ret = 0;

	for (unsigned int i = 0; i < words->count && !ret; i++) {
		const struct option_word *word = &words->word[i];

		if (word->kind) {
			ret = devices_add_option(cfg, word->kind, word->value, &command_line, err);
			continue;
		}
		if (word->option->type == OPTION_LIST)
			ret = add_item(cfg, word, !applied[word->option - option_table], err);
		else if (applied[word->option - option_table])
			ret = add_text(cfg, word, err);
		else
			ret = config_set(cfg, word->option, word->value, &command_line, err);
		applied[word->option - option_table] = true;
	}
	devices_give_ids(cfg);
	return ret;
}

/* The definition file that the command line names, if it names one. */
static int read_definition(struct vm_config *cfg, const struct words *words, struct err *err)
{
	const struct option *config = option_by_name("config");
	int ret;

	for (unsigned int i = 0; i < words->count; i++) {
		if (words->word[i].option != config)
			continue;
		ret = config_set(cfg, config, words->word[i].value, &command_line, err);
		return ret ? ret : config_read_file(cfg, cfg->config_file, err);
	}
	return 0;
}

int config_use_words(struct vm_config *cfg, struct words *words, struct err *err)
{
	if (*given(words, option_by_name("cmdline"))) {
		/* --cmdline replaces it all: also what the file would have added. */
		config_unset(cfg, option_by_name("append"));
	}
	return apply(cfg, words, err);
}

static int parse_words(struct vm_config *cfg, struct option_scan *scan, struct words *words, struct err *err)
{
	int ret = collect(cfg, scan, words, err);

	if (ret || cfg->help)
		return ret;
	ret = read_definition(cfg, words, err);
	if (!ret && cfg->matrix)
		return config_parse_tests(cfg, scan->command, words, err);
	if (!ret)
		ret = config_use_words(cfg, words, err);
	if (ret)
		return ret;
	if (cfg->only || cfg->jobs)
		return err_user(err, "--%s: is for a definition file with [test NAME] or [matrix]",
				cfg->only ? "only" : "jobs");
	if (scan->command == COMMAND_EXEC) {
		ret = exec_complete(cfg, err);
		if (ret)
			return ret;
	}
	return config_check_complete(cfg, scan->command, words, err);
}

int config_parse(struct vm_config *cfg, enum config_command command, int argc, char *const argv[],
		 struct err *err)
{
	struct option_scan scan = { .command = command, .argc = argc, .argv = argv };
	struct words words = { .word = calloc((size_t)argc + 1, sizeof(*words.word)) };
	int ret;

	config_init(cfg);
	if (command == COMMAND_SMOKE) {
		cfg->timeout = SMOKE_SECONDS;
		cfg->takes_tests = true;
	}
	cfg->files = calloc((size_t)argc + 1, sizeof(*cfg->files));
	if (!words.word || !cfg->files) {
		free(words.word);
		return err_host(err, ENOMEM, "command line");
	}
	ret = parse_words(cfg, &scan, &words, err);
	free(words.word);
	return ret;
}
