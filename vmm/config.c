// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/log.h"
#include "vmm/options.h"

void config_init(struct vm_config *cfg)
{
	*cfg = (struct vm_config){
		.cpus = 1,
		.memory = 256ULL << 20,
		.memory_backing = KVM_RAM_ANONYMOUS,
		.irqchip = CHOOSE_AUTO,
		.ioapics = 1,
		.gic_irqs = 128,
		.gic_dist = ARM_GIC_DIST_BASE,
		.gic_cpu = ARM_GIC_CPU_BASE,
		.gic_its = ARM_GIC_ITS_BASE,
		.gic_v2m = ARM_GIC_V2M_BASE,
		.its = ITS_AUTO,
		.on_reboot = ON_REBOOT_EXIT,
		.console = CONSOLE_STDIO,
		.log_level = LOG_WARN,
		.trace_size = TRACE_SIZE,
	};
}

void config_finish(struct vm_config *cfg)
{
	free(cfg->kernel);
	free(cfg->initrd);
	free(cfg->append);
	free(cfg->cmdline);
	free(cfg->config_file);
	free(cfg->output);
	free(cfg->trace);
	config_init(cfg);
}

char *config_cmdline(const struct vm_config *cfg)
{
	const char *first = cfg->cmdline ? cfg->cmdline : default_cmdline;
	const char *then = cfg->append ? cfg->append : "";
	char *all;

	if (asprintf(&all, "%s%s%s", first, *first && *then ? " " : "", then) < 0)
		return NULL;
	return all;
}

/* The words of one command line, and what is remembered about them. */
struct words {
	struct option_word *word;
	unsigned int count;
	unsigned int positionals;
	uint64_t given; /* bits by index in option_table */
};

static uint64_t option_bit(const struct option *opt)
{
	return 1ULL << (opt - option_table);
}

/* What an argument without an option means: dump's first one says what to dump, else it is the kernel. */
static int take_positional(struct vm_config *cfg, enum config_command command, struct words *words,
			   struct option_word *word, struct err *err)
{
	unsigned int index = words->positionals++;

	if (command == COMMAND_PROBE)
		return err_user(err, "\"%s\": \"vireo probe\" takes no argument", quote(word->value).text);
	if (command == COMMAND_DUMP && index == 0) {
		if (strcmp(word->value, "dtb") && strcmp(word->value, "config"))
			return err_user(err, "\"%s\" cannot be dumped; allowed is dtb or config",
					quote(word->value).text);
		cfg->dump = strcmp(word->value, "dtb") ? DUMP_CONFIG : DUMP_DTB;
		return 0;
	}
	word->option = option_by_name("kernel");
	if (words->given & option_bit(word->option))
		return err_user(err, "\"%s\": one argument too many, the kernel is already given",
				quote(word->value).text);
	return 0;
}

/* Collects the words up to the end or to -h. */
static int collect(struct vm_config *cfg, struct option_scan *scan, struct words *words, struct err *err)
{
	struct option_word word;
	int ret;

	while ((ret = option_next(scan, &word, err)) > 0) {
		if (!word.option)
			ret = take_positional(cfg, scan->command, words, &word, err);
		else if (words->given & option_bit(word.option) && !word.option->repeats)
			ret = err_user(err, "--%s: given twice; once is allowed", word.option->name);
		if (ret < 0)
			return ret;
		if (!word.option)
			continue;
		words->given |= option_bit(word.option);
		words->word[words->count++] = word;
		if (word.option == option_by_name("help"))
			return option_set(cfg, word.option, NULL, &command_line, err);
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
	ret = option_set(cfg, word->option, joined, &command_line, err);
	free(joined);
	return ret;
}

static int apply(struct vm_config *cfg, const struct words *words, struct err *err)
{
	uint64_t applied = 0;
	int ret = 0;

	for (unsigned int i = 0; i < words->count && !ret; i++) {
		const struct option_word *word = &words->word[i];

		if (applied & option_bit(word->option))
			ret = add_text(cfg, word, err);
		else
			ret = option_set(cfg, word->option, word->value, &command_line, err);
		applied |= option_bit(word->option);
	}
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
		ret = option_set(cfg, config, words->word[i].value, &command_line, err);
		return ret ? ret : config_read_file(cfg, cfg->config_file, err);
	}
	return 0;
}

static int check_complete(const struct vm_config *cfg, enum config_command command, const struct words *words,
			  struct err *err)
{
	if (command == COMMAND_PROBE)
		return 0;
	if (command == COMMAND_DUMP && !words->positionals)
		return err_user(err, "say what to dump: \"vireo dump dtb\" or \"vireo dump config\"");
	if (command == COMMAND_RUN && !cfg->kernel)
		return err_user(
			err,
			"no kernel; name one as the argument, with --kernel, or as the key \"kernel\" of a "
			"definition file");
	return platform_check(cfg, err);
}

static int parse_words(struct vm_config *cfg, struct option_scan *scan, struct words *words, struct err *err)
{
	int ret = collect(cfg, scan, words, err);

	if (ret || cfg->help)
		return ret;
	ret = read_definition(cfg, words, err);
	if (ret)
		return ret;
	if (words->given & option_bit(option_by_name("cmdline"))) {
		/* --cmdline replaces it all: also what the file would have added. */
		free(cfg->append);
		cfg->append = NULL;
	}
	ret = apply(cfg, words, err);
	if (ret)
		return ret;
	return check_complete(cfg, scan->command, words, err);
}

int config_parse(struct vm_config *cfg, enum config_command command, int argc, char *const argv[],
		 struct err *err)
{
	struct option_scan scan = { .command = command, .argc = argc, .argv = argv };
	struct words words = { .word = calloc((size_t)argc + 1, sizeof(*words.word)) };
	int ret;

	config_init(cfg);
	if (!words.word)
		return err_host(err, ENOMEM, "command line");
	ret = parse_words(cfg, &scan, &words, err);
	free(words.word);
	return ret;
}
