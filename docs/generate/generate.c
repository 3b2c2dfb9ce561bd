// SPDX-License-Identifier: BSD-2-Clause
/*
 * generate man TEMPLATE DATE       a manual page
 * generate bash|zsh|fish PLATFORM  the completion of a shell, for the program of x86-64 or aarch64
 *
 * Prints it. Linked with the program's own tables, so that nothing is said twice (see Makefile, "documentation").
 */
#include "docs/generate/generate.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum value_kind value_of(const struct option *opt)
{
	switch (opt->type) {
	case OPTION_FLAG:
		return VALUE_NONE;
	case OPTION_CHOICE:
		return VALUE_WORDS;
	case OPTION_PLACE:
		return VALUE_FILE;
	case OPTION_FILE:
		return opt->placeholder && !strcmp(opt->placeholder, "DIR") ? VALUE_DIR : VALUE_FILE;
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_ADDRESS:
	case OPTION_TEXT:
	case OPTION_LIST:
		break;
	}
	return VALUE_TEXT;
}

enum config_command command_of(const char *topic)
{
	enum config_command command = 0;

	while (command < COMMAND_COUNT && strcmp(command_names[command], topic))
		command++;
	return command;
}

/* "Usage: vireo COMMAND ...", a blank line, and the first paragraph. */
const char *summary_of(const char *topic)
{
	static char summary[256];
	const char *text = help_text(topic), *from = text ? strstr(text, "\n\n") : NULL;
	size_t len = 0;

	for (; from && *from == '\n'; from++)
		;
	for (; from && *from && len < sizeof(summary) - 1; from++) {
		if ((*from == '.' || *from == ';' || *from == ':') && isspace((unsigned char)from[1]))
			break;
		summary[len++] = *from == '\n' ? ' ' : *from;
	}
	summary[len] = '\0';
	return summary;
}

static const char *all_topics(void)
{
	static char all[256];
	const char *name;

	*all = '\0';
	for (unsigned int i = 0; (name = help_topic(i)) != NULL; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? " " : "", name);
	return all;
}

const char *argument_words(const char *topic, unsigned int index)
{
	static char word[256];
	const char *text = help_text(topic);
	unsigned int skip = index + 3; /* "Usage: vireo COMMAND" */

	while (text && skip-- && *text != '\n') {
		text += strcspn(text, " \n");
		text += *text == ' ';
	}
	if (!text)
		return "";
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, " \n"), text);
	if (!strcmp(word, "[COMMAND]"))
		return all_topics();
	if (!strchr(word, '|') || strspn(word, "abcdefghijklmnopqrstuvwxyz-|") != strlen(word))
		return "";
	for (char *c = word; *c; c++)
		if (*c == '|')
			*c = ' ';
	return word;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	enum platform platform = PLATFORM_PC;

	if (!strcmp(what, "man") && argc == 4) {
		if (manual(argv[2], argv[3]))
			return fflush(stdout) ? 1 : 0;
		fprintf(stderr, "generate: %s: cannot be read, or has no line for what is generated\n",
			argv[2]);
		return 1;
	}
	for (unsigned int p = 0; argc > 2 && p < PLATFORM_COUNT; p++)
		if (!strcmp(platform_names[p], argv[2]))
			platform = (enum platform)p;
	if (!strcmp(what, "bash"))
		completion_bash(platform);
	else if (!strcmp(what, "zsh"))
		completion_zsh(platform);
	else if (!strcmp(what, "fish"))
		completion_fish(platform);
	else
		fputs("usage: generate man TEMPLATE DATE, or generate bash|zsh|fish x86-64|aarch64\n",
		      stderr);
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
