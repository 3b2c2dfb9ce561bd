// SPDX-License-Identifier: BSD-2-Clause
/* Completion for shells: commands, options, and what their values may be. */
#include <stdio.h>
#include <string.h>

#include "docs/generate/generate.h"

/* --- what completes to what --- */

static bool is_offered(const struct option *opt, enum config_command command, enum platform platform)
{
	return option_is_for_command(opt, command) && is_for(opt->platforms, platform);
}

static void put_choices(const struct option *opt, enum platform platform, const char *between)
{
	bool first = true;

	for (const struct option_choice *c = opt->choices; c->name; c++) {
		if (!is_for(c->platforms, platform))
			continue;
		printf("%s%s", first ? "" : between, c->name);
		first = false;
	}
}

/* Each command, and each kind of devices where `command` takes them. */
#define EACH_TOPIC(i, topic)             \
	unsigned int i = 0;              \
	(topic = help_topic(i)) != NULL; \
	i++
#define EACH_KIND(kind)                                       \
	const struct device_kind *const *kind = device_kinds; \
	*kind;                                                \
	kind++

static bool takes_devices(enum config_command command)
{
	return command < COMMAND_COUNT && DEVICE_COMMANDS & 1u << command;
}

/* The words of a command's first two arguments, each as "COMMAND INDEX WORDS" given to `put`. */
static void each_argument(void (*put)(const char *topic, unsigned int index, const char *words))
{
	const char *topic;

	for (EACH_TOPIC(i, topic))
		for (unsigned int index = 0; index < 2; index++)
			if (*argument_words(topic, index))
				put(topic, index, argument_words(topic, index));
}

/* --- bash --- */

static void put_bash_options(enum platform platform)
{
	const char *topic;

	printf("# The options of a command.\n_vireo_options() {\n\tcase $1 in\n");
	for (EACH_TOPIC(i, topic)) {
		enum config_command command = command_of(topic);

		if (command == COMMAND_COUNT)
			continue;
		printf("\t%s) echo", topic);
		for (const struct option *opt = option_table; opt->name; opt++) {
			if (!is_offered(opt, command, platform))
				continue;
			printf(" --%s", opt->name);
			if (opt->letter)
				printf(" -%c", opt->letter);
		}
		for (EACH_KIND(kind))
			if (takes_devices(command) && is_for((*kind)->platforms, platform))
				printf(" --%s", (*kind)->name);
		printf(" ;;\n");
	}
	printf("\tesac\n}\n\n");
}

static void put_bash_value(const struct option *opt, enum platform platform)
{
	switch (value_of(opt)) {
	case VALUE_NONE:
		printf("<flag>");
		break;
	case VALUE_TEXT:
		printf("<text>");
		break;
	case VALUE_FILE:
		printf("<file>");
		break;
	case VALUE_DIR:
		printf("<dir>");
		break;
	case VALUE_WORDS:
		put_choices(opt, platform, " ");
		break;
	}
}

static void put_bash_values(enum platform platform)
{
	printf("# What the value of an option, or of the key of a device, may be.\n_vireo_value() {\n\tcase $1 in\n");
	for (const struct option *opt = option_table; opt->name; opt++) {
		if (!is_for(opt->platforms, platform))
			continue;
		printf("\t--%s", opt->name);
		if (opt->letter)
			printf(" | -%c", opt->letter);
		printf(") echo '");
		put_bash_value(opt, platform);
		printf("' ;;\n");
	}
	for (EACH_KIND(kind)) {
		if (!is_for((*kind)->platforms, platform))
			continue;
		printf("\t--%s) echo '<device%s>' ;;\n", (*kind)->name, (*kind)->value_key ? "" : ", alone");
		for (const struct option *key = (*kind)->keys; key->name; key++) {
			printf("\t--%s,%s) echo '", (*kind)->name, key->name);
			put_bash_value(key, platform);
			printf("' ;;\n");
		}
	}
	printf("\tesac\n}\n\n");
}

static void put_bash_keys(enum platform platform)
{
	printf("# The keys of a device, the one that needs no name first; and it alone.\n"
	       "_vireo_keys() {\n\tcase $1 in\n");
	for (EACH_KIND(kind)) {
		if (!is_for((*kind)->platforms, platform))
			continue;
		printf("\t--%s) echo id=", (*kind)->name);
		for (const struct option *key = (*kind)->keys; key->name; key++)
			if (is_for(key->platforms, platform))
				printf(" %s%s", key->name, key->type == OPTION_FLAG ? "" : "=");
		printf(" ;;\n");
	}
	printf("\tesac\n}\n\n_vireo_first_key() {\n\tcase $1 in\n");
	for (EACH_KIND(kind))
		if ((*kind)->value_key && is_for((*kind)->platforms, platform))
			printf("\t--%s) echo %s ;;\n", (*kind)->name, (*kind)->value_key);
	printf("\tesac\n}\n\n");
}

static void put_bash_argument(const char *topic, unsigned int index, const char *words)
{
	printf("\t%s,%u) echo %s ;;\n", topic, index, words);
}

static const char bash_code[] =
	"# Completes $2, a value of what $1 says, behind the text $3.\n"
	"_vireo_complete() {\n"
	"\tlocal IFS=$'\\n' word\n"
	"\tcase $1 in\n"
	"\t'<file>' | '<dir>')\n"
	"\t\tlocal action=-f\n"
	"\t\t[[ $1 == '<file>' ]] || action=-d\n"
	"\t\tfor word in $(compgen $action -- \"$2\"); do\n"
	"\t\t\tif [[ -d $word ]]; then\n"
	"\t\t\t\tword+=/\n"
	"\t\t\t\tcompopt -o nospace 2>/dev/null\n"
	"\t\t\tfi\n"
	"\t\t\tCOMPREPLY+=(\"$3$word\")\n"
	"\t\tdone\n"
	"\t\t;;\n"
	"\t'<text>' | '') ;;\n"
	"\t'<flag>') _vireo_complete 'on off' \"$2\" \"$3\" ;;\n"
	"\t*)\n"
	"\t\tIFS=' '\n"
	"\t\tfor word in $1; do\n"
	"\t\t\t[[ $word == \"$2\"* ]] || continue\n"
	"\t\t\t[[ $word != *= ]] || compopt -o nospace 2>/dev/null\n"
	"\t\t\tCOMPREPLY+=(\"$3$word\")\n"
	"\t\tdone\n"
	"\t\t;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"# Completes $2, the value of the device option $1: VALUE[,KEY=VALUE]..., behind the text $3.\n"
	"_vireo_device() {\n"
	"\tlocal last=${2##*,} before=${2%\"${2##*,}\"} first\n"
	"\tfirst=$(_vireo_first_key \"$1\")\n"
	"\tif [[ $last == *=* ]]; then\n"
	"\t\t_vireo_complete \"$(_vireo_value \"$1,${last%%=*}\")\" \"${last#*=}\" \"$3$before${last%%=*}=\"\n"
	"\t\treturn\n"
	"\tfi\n"
	"\t[[ $before || ! $first ]] || _vireo_complete \"$(_vireo_value \"$1,$first\")\" \"$last\" \"$3\"\n"
	"\t_vireo_complete \"$(_vireo_keys \"$1\")\" \"$last\" \"$3$before\"\n"
	"}\n"
	"\n"
	"# Completes $2, the value of the option $1, behind the text $3.\n"
	"_vireo_option_value() {\n"
	"\tlocal value\n"
	"\tvalue=$(_vireo_value \"$1\")\n"
	"\tcase $value in\n"
	"\t'<device'*) _vireo_device \"$1\" \"$2\" \"$3\" ;;\n"
	"\t*) _vireo_complete \"$value\" \"$2\" \"$3\" ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_vireo() {\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} cur= prev command words index=0 word IFS=$' \\t\\n' cut i\n"
	"\tCOMPREPLY=()\n"
	"\tread -ra words <<<\"$line\"\n"
	"\tif [[ $line != *[[:blank:]] ]]; then\n"
	"\t\tcur=${words[${#words[@]} - 1]}\n"
	"\t\tunset \"words[${#words[@]} - 1]\"\n"
	"\tfi\n"
	"\tprev=${words[${#words[@]} - 1]} command=${words[1]-}\n"
	"\tif ((${#words[@]} == 1)); then\n"
	"\t\t_vireo_complete \"$(_vireo_commands) --help --version\" \"$cur\" ''\n"
	"\telif [[ $cur == --*=* ]]; then\n"
	"\t\t_vireo_option_value \"${cur%%=*}\" \"${cur#*=}\" \"${cur%%=*}=\"\n"
	"\telif [[ $prev == -* && $prev != *=* && $prev != -- && $(_vireo_value \"$prev\") != '<flag>' &&\n"
	"\t\t! ($(_vireo_value \"$prev\") == '<device, alone>' && $cur == -*) && $(_vireo_value \"$prev\") ]]; then\n"
	"\t\t_vireo_option_value \"$prev\" \"$cur\" ''\n"
	"\telif [[ $cur == -* ]]; then\n"
	"\t\t_vireo_complete \"$(_vireo_options \"$command\")\" \"$cur\" ''\n"
	"\telse\n"
	"\t\tfor ((i = 2; i < ${#words[@]}; i++)); do\n"
	"\t\t\t[[ ${words[i]} == -* || ${words[i - 1]} == -* ]] || ((index++))\n"
	"\t\tdone\n"
	"\t\tword=$(_vireo_arguments \"$command,$index\")\n"
	"\t\t_vireo_complete \"${word:-<file>}\" \"$cur\" ''\n"
	"\tfi\n"
	"\t# Where = breaks words, bash replaces only what is behind it.\n"
	"\tif [[ $cur == *=* && $COMP_WORDBREAKS == *=* ]]; then\n"
	"\t\tcut=${cur%\"${cur##*=}\"}\n"
	"\t\tfor i in \"${!COMPREPLY[@]}\"; do\n"
	"\t\t\tCOMPREPLY[i]=${COMPREPLY[i]#\"$cut\"}\n"
	"\t\tdone\n"
	"\tfi\n"
	"}\n"
	"\n"
	"complete -F _vireo vireo\n";

void completion_bash(enum platform platform)
{
	const char *topic;

	printf("# bash completion for vireo                             -*- shell-script -*-\n"
	       "# Made from the program's table of options.\n\n"
	       "_vireo_commands() {\n\techo");
	for (EACH_TOPIC(i, topic))
		printf(" %s", topic);
	printf("\n}\n\n");
	put_bash_options(platform);
	put_bash_values(platform);
	put_bash_keys(platform);
	printf("# What the arguments of a command may be.\n_vireo_arguments() {\n\tcase $1 in\n");
	each_argument(put_bash_argument);
	printf("\tesac\n}\n\n%s", bash_code);
}

/* --- zsh --- */

/* A description in a specification of _arguments, within single quotes. */
static void put_zsh_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			printf("'\\'");
		else if (strchr("[]:\\", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void put_zsh_value(const struct option *opt, enum platform platform)
{
	printf(":%s:", opt->placeholder ? opt->placeholder : opt->name);
	switch (value_of(opt)) {
	case VALUE_NONE:
	case VALUE_TEXT:
		break;
	case VALUE_FILE:
		printf("_files");
		break;
	case VALUE_DIR:
		printf("_files -/");
		break;
	case VALUE_WORDS:
		printf("(");
		put_choices(opt, platform, " ");
		printf(")");
		break;
	}
}

static void put_zsh_option(const struct option *opt, enum platform platform)
{
	const char *equals = opt->type == OPTION_FLAG ? "" : "=";

	printf("\t\t\t");
	if (opt->letter)
		printf("%s{-%c%s,--%s%s}'[", opt->repeats ? "\\*" : "", opt->letter, *equals ? "+" : "",
		       opt->name, equals);
	else
		printf("'--%s%s[", opt->name, equals);
	put_zsh_text(opt->help);
	printf("]");
	if (*equals)
		put_zsh_value(opt, platform);
	printf("' \\\n");
}

static void put_zsh_command(const char *topic, enum platform platform)
{
	enum config_command command = command_of(topic);

	printf("\t%s)\n\t\t_arguments -S \\\n", topic);
	for (const struct option *opt = option_table; opt->name && command < COMMAND_COUNT; opt++)
		if (is_offered(opt, command, platform))
			put_zsh_option(opt, platform);
	for (EACH_KIND(kind)) {
		if (!takes_devices(command) || !is_for((*kind)->platforms, platform))
			continue;
		printf("\t\t\t'%s--%s%s[", (*kind)->single ? "" : "*", (*kind)->name,
		       (*kind)->value_key ? "=" : "=-");
		put_zsh_text((*kind)->help);
		printf("]%s:device:_vireo_device %s' \\\n", (*kind)->value_key ? "" : ":", (*kind)->name);
	}
	for (unsigned int index = 0; index < 2; index++)
		if (*argument_words(topic, index))
			printf("\t\t\t'%u:argument:(%s)' \\\n", index + 1, argument_words(topic, index));
	printf("\t\t\t'*:file:_files'\n\t\t;;\n");
}

static void put_zsh_device(const struct device_kind *kind, enum platform platform)
{
	const struct option *first = kind->value_key ? device_key(kind, kind->value_key) : NULL;

	printf("\t%s)\n\t\tkeys=(id=", kind->name);
	for (const struct option *key = kind->keys; key->name; key++)
		if (is_for(key->platforms, platform))
			printf(" %s%s", key->name, key->type == OPTION_FLAG ? "" : "=");
	printf(")\n");
	for (const struct option *key = kind->keys; key->name; key++) {
		if (value_of(key) != VALUE_WORDS || !is_for(key->platforms, platform))
			continue;
		printf("\t\twords[%s]='", key->name);
		put_choices(key, platform, " ");
		printf("'\n");
	}
	if (first && (value_of(first) == VALUE_FILE || value_of(first) == VALUE_DIR))
		printf("\t\tfirst=files\n");
	else if (first && value_of(first) == VALUE_WORDS)
		printf("\t\tfirst=%s\n", first->name);
	printf("\t\t;;\n");
}

void completion_zsh(enum platform platform)
{
	const char *topic;

	printf("#compdef vireo\n# Made from the program's table of options.\n\n"
	       "# VALUE[,KEY=VALUE]... of a kind of devices\n_vireo_device() {\n"
	       "\tlocal -a keys\n\tlocal -A words\n\tlocal first= key\n\tcase $1 in\n");
	for (EACH_KIND(kind))
		if (is_for((*kind)->platforms, platform))
			put_zsh_device(*kind, platform);
	printf("\tesac\n"
	       "\tif compset -P '*,'; then\n\t\tfirst=\n\tfi\n"
	       "\tif [[ $PREFIX == *=* ]]; then\n"
	       "\t\tkey=${PREFIX%%%%=*}\n\t\tcompset -P '*='\n"
	       "\t\tif (( $+words[$key] )); then\n\t\t\tcompadd -- ${=words[$key]}\n"
	       "\t\telse\n\t\t\t_files\n\t\tfi\n\t\treturn\n\tfi\n"
	       "\tif [[ $first == files ]]; then\n\t\t_files\n"
	       "\telif [[ -n $first ]]; then\n\t\tcompadd -- ${=words[$first]}\n\tfi\n"
	       "\tcompadd -S '' -- $keys\n}\n\n"
	       "_vireo() {\n\tlocal -a commands\n\tcommands=(\n");
	for (EACH_TOPIC(i, topic)) {
		printf("\t\t'%s:", topic);
		put_zsh_text(summary_of(topic));
		printf("'\n");
	}
	printf("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
	       "\tshift words\n\t(( CURRENT-- ))\n\tcase $words[1] in\n");
	for (EACH_TOPIC(i, topic))
		put_zsh_command(topic, platform);
	printf("\tesac\n}\n\n_vireo \"$@\"\n");
}

/* --- fish --- */

static void put_fish_text(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

/* The condition that one of the commands was typed that `takes` the option. */
static void put_fish_commands(bool (*takes)(const void *what, enum config_command command), const void *what)
{
	const char *topic;

	printf("complete -c vireo -n '__fish_seen_subcommand_from");
	for (EACH_TOPIC(i, topic)) {
		enum config_command command = command_of(topic);

		if (command < COMMAND_COUNT && takes(what, command))
			printf(" %s", topic);
	}
	printf("'");
}

static bool takes_option(const void *what, enum config_command command)
{
	return option_is_for_command(what, command);
}

static bool takes_kind(const void *what, enum config_command command)
{
	(void)what;
	return takes_devices(command);
}

static void put_fish_option(const struct option *opt, enum platform platform)
{
	put_fish_commands(takes_option, opt);
	printf(" -l %s", opt->name);
	if (opt->letter)
		printf(" -s %c", opt->letter);
	switch (value_of(opt)) {
	case VALUE_NONE:
		break;
	case VALUE_TEXT:
		printf(" -x");
		break;
	case VALUE_FILE:
		printf(" -rF");
		break;
	case VALUE_DIR:
		printf(" -xa '(__fish_complete_directories)'");
		break;
	case VALUE_WORDS:
		printf(" -xa '");
		put_choices(opt, platform, " ");
		printf("'");
		break;
	}
	printf(" -d ");
	put_fish_text(opt->help);
	printf("\n");
}

static void put_fish_kind(const struct device_kind *kind, enum platform platform)
{
	const struct option *first = kind->value_key ? device_key(kind, kind->value_key) : NULL;

	put_fish_commands(takes_kind, kind);
	printf(" -l %s", kind->name);
	if (first && (value_of(first) == VALUE_FILE || value_of(first) == VALUE_DIR)) {
		printf(" -rF");
	} else if (first && value_of(first) == VALUE_WORDS) {
		printf(" -xa '");
		put_choices(first, platform, " ");
		printf("'");
	} else if (first) {
		printf(" -x");
	}
	printf(" -d ");
	put_fish_text(kind->help);
	printf("\n");
}

static void put_fish_argument(const char *topic, unsigned int index, const char *words)
{
	/* vireo, the command, and the arguments before it. */
	printf("complete -c vireo -n '__fish_seen_subcommand_from %s; and test (count (commandline -opc)) -eq %u' -fa '%s'\n",
	       topic, index + 2, words);
}

void completion_fish(enum platform platform)
{
	const char *topic;

	printf("# Made from the program's table of options.\n");
	for (EACH_TOPIC(i, topic)) {
		printf("complete -c vireo -n __fish_use_subcommand -fa %s -d ", topic);
		put_fish_text(summary_of(topic));
		printf("\n");
	}
	printf("complete -c vireo -n __fish_use_subcommand -l version -d 'print the version'\n");
	each_argument(put_fish_argument);
	for (const struct option *opt = option_table; opt->name; opt++)
		if (is_for(opt->platforms, platform))
			put_fish_option(opt, platform);
	for (EACH_KIND(kind))
		if (is_for((*kind)->platforms, platform))
			put_fish_kind(*kind, platform);
}
