/* SPDX-License-Identifier: BSD-2-Clause */
/* What is generated from the table of options, the kinds of devices and the help: manual pages and completions. */
#ifndef VIREO_DOCS_GENERATE_GENERATE_H
#define VIREO_DOCS_GENERATE_GENERATE_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/devices.h"
#include "vmm/help.h"
#include "vmm/options.h"

/*
 * A manual page from `template` (docs/NAME.in), to standard output: its lines are copied but for @VERSION@ and @DATE@,
 * and a line @COMMANDS@, @SECTIONS@ or @DEVICES@, which becomes what the tables say. False: it cannot be read, or has
 * none of them.
 */
bool manual(const char *template, const char *date);

/* The completion of a shell, with what `platform` has. */
void completion_bash(enum platform platform);
void completion_zsh(enum platform platform);
void completion_fish(enum platform platform);

/* What a value completes to. */
enum value_kind {
	VALUE_NONE, /* a flag */
	VALUE_TEXT, /* no completion */
	VALUE_FILE,
	VALUE_DIR,
	VALUE_WORDS, /* opt->choices */
};
enum value_kind value_of(const struct option *opt);

static inline bool is_for(unsigned int platforms, enum platform platform)
{
	return platforms & 1u << platform;
}

/* The first sentence of a command's help, without its full stop; valid until the next call. */
const char *summary_of(const char *topic);

/*
 * What the usage line of a command has as argument number `index` (from 0), if that is one of some words: "dtb config".
 * A command's name itself is "run dump ...". "": something else. Valid until the next call.
 */
const char *argument_words(const char *topic, unsigned int index);

/* The enum config_command of a name; COMMAND_COUNT: it takes no options (help). */
enum config_command command_of(const char *topic);

#endif
