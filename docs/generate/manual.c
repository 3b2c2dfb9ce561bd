// SPDX-License-Identifier: BSD-2-Clause
/* Manual pages, in the macros of man(7). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docs/generate/generate.h"

/* --- text --- */

/* Characters that typesetting would make others of; and no line begins as a request by accident. */
static void put_escaped(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '\\':
			fputs("\\e", stdout);
			break;
		case '-':
			fputs("\\-", stdout);
			break;
		case '\'':
			fputs("\\(aq", stdout);
			break;
		case '`':
			fputs("\\(ga", stdout);
			break;
		case '^':
			fputs("\\(ha", stdout);
			break;
		case '~':
			fputs("\\(ti", stdout);
			break;
		case '.':
			fputs(i ? "." : "\\&.", stdout);
			break;
		default:
			putchar(text[i]);
		}
	}
}

static void put_text(const char *text)
{
	put_escaped(text, strlen(text));
}

#define LINE 72 /* bytes of a line of the source, about: mandoc's lint wants less than 80 */

/* Running text, in lines of the source. */
static void put_prose(const char *text)
{
	while (*text) {
		size_t len = strlen(text), cut = len;

		if (len > LINE) {
			for (cut = LINE; cut && text[cut] != ' '; cut--)
				;
			if (!cut)
				cut = strcspn(text, " ");
		}
		put_escaped(text, cut);
		text += cut;
		if (*text) {
			printf("\n");
			text++;
		}
	}
}

/* --- options --- */

static const char *only_on(unsigned int platforms)
{
	static char text[32];

	if (platforms == (1u << PLATFORM_PC | 1u << PLATFORM_ARM))
		return "";
	snprintf(text, sizeof(text), "%s only: ", platform_first(platforms));
	return text;
}

/* Behind a name: what its value looks like. */
static void put_value(const struct option *opt, const char *before)
{
	if (opt->placeholder) {
		printf("%s\\fI", before);
		put_text(opt->placeholder);
		printf("\\fP");
	} else if (opt->type == OPTION_CHOICE) {
		for (const struct option_choice *c = opt->choices; c->name; c++) {
			printf("%s\\fB", c == opt->choices ? before : "|");
			put_text(c->name);
			printf("\\fP");
		}
	}
}

static void put_number(const struct option *opt, uint64_t value)
{
	static const char units[] = "KMGT";
	unsigned int unit = 0;

	if (opt->type == OPTION_ADDRESS)
		printf("0x%" PRIx64, value);
	else if (opt->type != OPTION_SIZE || !value)
		printf("%" PRIu64, value);
	else {
		for (; unit < 4 && value % 1024 == 0 && value; value /= 1024)
			unit++;
		printf("%" PRIu64 "%.1s", value, unit ? units + unit - 1 : "");
	}
}

/* The range of numbers; of choices those that one platform alone has. */
static void put_allowed(const struct option *opt)
{
	bool differs = opt->max[PLATFORM_PC] != opt->max[PLATFORM_ARM], first = true;

	if (opt->type == OPTION_NUMBER || opt->type == OPTION_SIZE || opt->type == OPTION_ADDRESS) {
		for (unsigned int p = 0; p < PLATFORM_COUNT; p++) {
			if (!is_for(opt->platforms, (enum platform)p) || (!first && !differs))
				continue;
			printf(first ? "Allowed: " : ", ");
			first = false;
			put_number(opt, opt->min);
			printf(" to ");
			put_number(opt, opt->max[p]);
			if (differs && opt->platforms != 1u << p) {
				printf(" on ");
				put_text(platform_names[p]);
			}
		}
		if (opt->step > 1) {
			printf(", a multiple of ");
			put_number(opt, opt->step);
		}
		printf(".\n");
		return;
	}
	for (const struct option_choice *c = opt->choices; c && c->name; c++) {
		if (c->platforms == (1u << PLATFORM_PC | 1u << PLATFORM_ARM) ||
		    c->platforms == opt->platforms)
			continue;
		printf(first ? "On one platform only:\n" : ", ");
		first = false;
		put_text(c->name);
		printf(" (");
		put_text(platform_first(c->platforms));
		printf(")");
	}
	if (!first)
		printf(".\n");
}

/* What it is for, what is allowed, and the default, which is a field of `defaults`. */
static void put_meaning(const struct option *opt, const void *defaults, bool in_file)
{
	char value[OPTION_VALUE_MAX] = "", help[512];

	printf("\n");
	snprintf(help, sizeof(help), "%s%s", only_on(opt->platforms), opt->help);
	if (help[0] >= 'a' && help[0] <= 'z' && strncmp(help, "aarch64", 7) && strncmp(help, "x86", 3) &&
	    strncmp(help, "io_uring", 8))
		help[0] = (char)(help[0] - 'a' + 'A');
	put_prose(help);
	printf(".\n");
	if (in_file && opt->type == OPTION_LIST)
		printf("May be given several times.\n");
	put_allowed(opt);
	if (option_has_value(defaults, opt))
		option_format(defaults, opt, value);
	if (!*value || (opt->type == OPTION_FLAG && !in_file && !strcmp(value, "off")))
		return;
	printf("The default is ");
	put_text(value);
	printf(".\n");
}

/* A definition's key: NAME = VALUE. */
static void put_key(const struct option *opt, const void *defaults)
{
	printf(".TP\n\\fB");
	put_text(opt->name);
	printf("\\fP = ");
	if (opt->type == OPTION_FLAG)
		printf("\\fBon\\fP|\\fBoff\\fP");
	else
		put_value(opt, "");
	put_meaning(opt, defaults, true);
}

static void put_sections(void)
{
	struct vm_config defaults;

	config_init(&defaults);
	for (const char *const *section = section_names; *section; section++) {
		printf(".SS [%s]\n", *section);
		for (const struct option *opt = option_table; opt->name; opt++)
			if (opt->section && !strcmp(opt->section, *section))
				put_key(opt, &defaults);
	}
}

static void put_devices(void)
{
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++) {
		struct device_config *defaults = device_config_new(*kind);

		if (!defaults)
			continue;
		printf(".SS [");
		put_text((*kind)->name);
		printf("%s]\n", (*kind)->single ? "" : " ID");
		put_text(only_on((*kind)->platforms));
		put_text((*kind)->help);
		printf("%s.\n", (*kind)->single ? "; one at most" : "");
		for (const struct option *key = (*kind)->keys; key->name; key++)
			put_key(key, defaults);
		device_config_free(defaults);
	}
}

/* --- commands: the help, set in type --- */

struct man_writer {
	struct help_writer w;
	char pending[16384]; /* text that has not been put yet */
	bool fresh;          /* nothing was put below the heading yet, where a paragraph begins by itself */
};

enum block {
	BLOCK_NONE,
	BLOCK_PARAGRAPH,
	BLOCK_AS_IS, /* lines that begin with blanks */
};

static void put_line(struct man_writer *m, const char *line, size_t len, enum block *block)
{
	static const char usage[] = "Usage: ";
	bool is_usage = len > sizeof(usage) && !strncmp(line, usage, sizeof(usage) - 1);
	bool as_is = len && (*line == ' ' || is_usage);

	if (*block == BLOCK_AS_IS && !as_is) {
		printf(".fi\n");
		*block = BLOCK_NONE;
	}
	if (!len) {
		*block = *block == BLOCK_AS_IS ? BLOCK_AS_IS : BLOCK_NONE;
		return;
	}
	if (as_is && *block != BLOCK_AS_IS) {
		printf(m->fresh ? ".nf\n" : ".PP\n.nf\n");
		*block = BLOCK_AS_IS;
	} else if (!as_is && *block == BLOCK_NONE) {
		printf(m->fresh ? "" : ".PP\n");
		*block = BLOCK_PARAGRAPH;
	}
	if (is_usage) {
		line += sizeof(usage) - 1;
		len -= sizeof(usage) - 1;
	} else if (as_is) {
		line += 2;
		len -= 2;
	}
	put_escaped(line, len);
	printf("\n");
	m->fresh = false;
}

static void flush_text(struct man_writer *m)
{
	enum block block = BLOCK_NONE;
	char *line = m->pending;

	while (*line) {
		size_t len = strcspn(line, "\n");

		put_line(m, line, len, &block);
		line += len + (line[len] == '\n');
	}
	if (block == BLOCK_AS_IS)
		printf(".fi\n");
	m->pending[0] = '\0';
}

static void take_text(struct help_writer *w, const char *text)
{
	struct man_writer *m = (struct man_writer *)w;
	size_t len = strlen(m->pending);

	snprintf(m->pending + len, sizeof(m->pending) - len, "%s", text);
}

static void put_option(struct help_writer *w, const struct option *opt)
{
	struct vm_config defaults;

	flush_text((struct man_writer *)w);
	printf(".TP\n");
	if (opt->letter)
		printf("\\fB\\-%c\\fP, ", opt->letter);
	printf("\\fB\\-\\-");
	put_text(opt->name);
	printf("\\fP");
	put_value(opt, " ");
	config_init(&defaults);
	put_meaning(opt, &defaults, false);
}

static void put_kind(struct help_writer *w, const struct device_kind *kind)
{
	struct device_config *defaults = device_config_new(kind);

	flush_text((struct man_writer *)w);
	if (!defaults)
		return;
	printf(".TP\n\\fB\\-\\-");
	put_text(kind->name);
	printf("\\fP");
	if (kind->value_key)
		put_value(device_key(kind, kind->value_key), " ");
	if (kind->keys->name)
		printf(kind->value_key ? "[,\\fIKEY\\fP=\\fIVALUE\\fP]..."
				       : "[=\\fIKEY\\fP=\\fIVALUE\\fP,...]");
	printf("\n");
	put_text(only_on(kind->platforms));
	put_text(kind->help);
	printf("; %s.\n.RS\n", kind->single ? "once" : "may repeat");
	for (const struct option *key = kind->keys; key->name; key++) {
		printf(".TP\n\\fB");
		put_text(key->name);
		printf("\\fP");
		put_value(key, "=");
		put_meaning(key, defaults, false);
	}
	printf(".RE\n");
	device_config_free(defaults);
}

static void put_commands(void)
{
	struct man_writer m = { .w = { .text = take_text, .option = put_option, .kind = put_kind } };
	const char *topic;

	for (unsigned int i = 0; (topic = help_topic(i)) != NULL; i++) {
		printf(".SS vireo ");
		put_text(topic);
		printf("\n");
		m.fresh = true;
		help_write(topic, &m.w);
		flush_text(&m);
	}
}

/* --- the page --- */

/* Copies a line, with what its @NAMES@ stand for. */
static void put_template_line(char *line, const char *date)
{
	const struct {
		const char *name, *text;
	} names[] = { { "@VERSION@", VIREO_VERSION }, { "@DATE@", date } };

	while (*line) {
		size_t len = strcspn(line, "@"), i = 0;

		printf("%.*s", (int)len, line);
		line += len;
		while (i < 2 && strncmp(line, names[i].name, strlen(names[i].name)) != 0)
			i++;
		if (i < 2)
			printf("%s", names[i].text);
		else if (*line)
			putchar('@');
		line += i < 2 ? strlen(names[i].name) : *line != '\0';
	}
}

bool manual(const char *template, const char *date)
{
	FILE *in = fopen(template, "re");
	bool generated = false;
	char line[1024];

	if (!in)
		return false;
	while (fgets(line, sizeof(line), in)) {
		generated = generated || line[0] == '@';
		if (!strcmp(line, "@COMMANDS@\n"))
			put_commands();
		else if (!strcmp(line, "@SECTIONS@\n"))
			put_sections();
		else if (!strcmp(line, "@DEVICES@\n"))
			put_devices();
		else
			put_template_line(line, date);
	}
	fclose(in);
	return generated;
}
