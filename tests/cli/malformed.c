// SPDX-License-Identifier: BSD-2-Clause
/*
 * malformed DIRECTORY: writes definitions that each have one mistake, made from the program's own tables of sections,
 * keys and values and from the grammar: NUMBER.LINE.conf, where LINE is that of the mistake, and NUMBER.json for
 * Firecracker's. tests/cli/definitions has them refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/devices.h"

static const char *directory;
static unsigned int count;

static void write_file(const char *name, const void *bytes, size_t size)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void bad_bytes(unsigned int line, const void *bytes, size_t size)
{
	char name[32];

	snprintf(name, sizeof(name), "%04u.%u.conf", count++, line);
	write_file(name, bytes, size);
}

static void bad(unsigned int line, const char *text)
{
	bad_bytes(line, text, strlen(text));
}

/* A key with a value, below good lines that are other ones each time. */
static void bad_value(const char *section, const char *key, const char *value)
{
	static const char *const before[] = { "", "# a comment\n\n", "\t; another\r\n",
					      "[log]\n[machine]\n\n" };
	const char *lines = before[count % 4];
	unsigned int line = 2;
	char text[8192];

	for (const char *c = lines; *c; c++)
		line += *c == '\n';
	snprintf(text, sizeof(text), "%s[%s]\n%s = %s\n", lines, section, key, value);
	bad(line, text);
}

static void bad_number(const char *section, const struct option *opt, uint64_t number, const char *behind)
{
	char value[64];

	snprintf(value, sizeof(value), "%" PRIu64 "%s", number, behind);
	bad_value(section, opt->name, value);
}

static void bad_numbers(const char *section, const struct option *opt)
{
	static const char *const never[] = {
		"-1", "+1", "1.5", "one", "1 2", "0x", "99999999999999999999999"
	};
	const char *unit = opt->type == OPTION_SIZE ? "K" : "";
	uint64_t one = opt->type == OPTION_SIZE ? 1024 : 1, most = opt->max[host_platform];

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		bad_value(section, opt->name, never[i]);
	if (opt->min >= one)
		bad_number(section, opt, opt->min / one - 1, unit);
	if (most / one < UINT64_MAX / 2)
		bad_number(section, opt, most / one + 1, unit);
	if (opt->step > one)
		bad_number(section, opt, opt->min / one + 1, unit);
}

/* Everything that cannot be said of a key. */
static void bad_key(const char *section, const struct option *opt)
{
	char text[512], first[64];

	if (!option_is_for_host(opt)) {
		bad_value(section, opt->name, opt->type == OPTION_CHOICE ? opt->choices->name : "0x10000");
		return;
	}
	bad_value(section, opt->name, "");
	bad_value(section, opt->name, "# nothing but a comment");
	bad_value(section, opt->name, "\"no end");
	bad_value(section, opt->name, "\"a\" b");
	bad_value(section, opt->name, "a\"b");
	bad_value(section, opt->name, "\"\\n\"");
	switch (opt->type) {
	case OPTION_FLAG:
	case OPTION_CHOICE:
		bad_value(section, opt->name, "perhaps");
		bad_value(section, opt->name, "ON");
		break;
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_ADDRESS:
		bad_numbers(section, opt);
		break;
	case OPTION_TEXT:
	case OPTION_LIST:
	case OPTION_PLACE:
	case OPTION_FILE:
		bad_value(section, opt->name, "a\001b");
		break;
	}
	/* Twice, with a good value. */
	option_allowed(opt, text);
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(text, ","), text);
	if (opt->type == OPTION_FLAG || opt->type == OPTION_CHOICE) {
		snprintf(text, sizeof(text), "[%s]\n%s = %s\n\n%s = %s\n", section, opt->name, first,
			 opt->name, first);
		bad(4, text);
	}
	/* Misspelt, and without an equals sign. */
	snprintf(text, sizeof(text), "[%s]\nx%sx = 1\n", section, opt->name);
	bad(2, text);
	snprintf(text, sizeof(text), "[%s]\n\n%s\n", section, opt->name);
	bad(3, text);
}

static void bad_options(void)
{
	char text[128];

	for (const struct option *opt = option_table; opt->name; opt++) {
		if (!opt->section) {
			snprintf(text, sizeof(text), "[machine]\n%s = x\n", opt->name);
			bad(2, text);
			continue;
		}
		bad_key(opt->section, opt);
		snprintf(text, sizeof(text), "\n%s = 1\n[%s]\n", opt->name, opt->section);
		bad(2, text);
		snprintf(text, sizeof(text), "[%s]\n%s = 1\n", strcmp(opt->section, "boot") ? "boot" : "log",
			 opt->name);
		bad(2, text);
		snprintf(text, sizeof(text), "[%s\n%s = 1\n", opt->section, opt->name);
		bad(1, text);
	}
}

static void bad_devices(void)
{
	char text[256];

	for (const struct device_kind *const *kind = device_kinds; *kind; kind++) {
		const char *name = (*kind)->name;

		for (const struct option *key = (*kind)->keys; key->name; key++)
			bad_key(name, key);
		snprintf(text, sizeof(text), "[%s]\n\n[%s]\n", name, name);
		bad(3, text);
		snprintf(text, sizeof(text), "[%s a]\n[%s a]\n", name, name);
		bad(2, text);
		snprintf(text, sizeof(text), "\n[%s a b]\n", name);
		bad(2, text);
		snprintf(text, sizeof(text), "\n[%s /]\n", name);
		bad(2, text);
		snprintf(text, sizeof(text), "\n[%s 123456789012345678901234567890123]\n", name);
		bad(2, text);
		snprintf(text, sizeof(text), "[%s x]\nid = y\n", name);
		bad(2, text);
		snprintf(text, sizeof(text), "[%s x]\ncpus = 2\n", name);
		bad(2, text);
		snprintf(text, sizeof(text), "\n\n[%ss]\n", name);
		bad(3, text);
		snprintf(text, sizeof(text), "[%s x] y\n", name);
		bad(1, text);
	}
}

static void bad_lines(void)
{
	static const char nul[] = "[machine]\ncpus = 1\0 2\n";
	char *longest = malloc(20000), text[32];

	if (!longest)
		exit(1);
	bad(1, "[]\n");
	bad(1, "[\n");
	bad(1, "]\n");
	bad(1, "=\n");
	bad(1, "= 1\n");
	bad(2, "\nwhat\n");
	bad(2, "# fine\n\xff\xfe\n");
	bad(1, "include\n");
	bad(1, "include =\n");
	bad(1, "include = absent.conf\n");
	bad(3, "\n[boot]\ninclude = x.conf\n");
	bad(1, "include = .\n");
	for (unsigned char c = 1; c < 0x20; c++) {
		snprintf(text, sizeof(text), "\n[boot]\nappend = a%cb\n", c);
		if (c != '\t' && c != '\n')
			bad(3, text);
	}
	bad_bytes(2, nul, sizeof(nul) - 1);
	memset(longest, 'x', 20000);
	bad_bytes(1, longest, 20000);
	memcpy(longest, "[boot]\nappend = ", 16);
	bad_bytes(2, longest, 16 + 4096);
	free(longest);
}

static void bad_json(const char *text)
{
	char name[32];

	snprintf(name, sizeof(name), "%04u.json", count++);
	write_file(name, text, strlen(text));
}

/* What is no JSON, and JSON that is no configuration. */
static void bad_jsons(void)
{
	static const char good[] =
		"{ \"boot-source\": { \"kernel_image_path\": \"k\", \"boot_args\": \"a\" },\n"
		"\"drives\": [ { \"drive_id\": \"r\", \"path_on_host\": \"p\", "
		"\"is_root_device\": true } ] }";
	static const char *const objects[] = {
		"boot-source", "machine-config", "drives", "network-interfaces", "pmem", "vsock",
		"balloon",     "entropy",        "logger"
	};
	char text[sizeof(good) + 1];

	for (size_t size = 1; size < sizeof(good) - 1; size += 7) {
		snprintf(text, sizeof(text), "%.*s", (int)size, good);
		bad_json(text);
	}
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		snprintf(text, sizeof(text), "{\"%s\": 1}", objects[i]);
		bad_json(text);
		snprintf(text, sizeof(text), "{\"%s\": [{\"x\": 1}]}", objects[i]);
		bad_json(text);
		snprintf(text, sizeof(text), "{\"%s\": {\"x\": 1}}", objects[i]);
		bad_json(text);
		snprintf(text, sizeof(text), "{\"%sx\": {}}", objects[i]);
		bad_json(text);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: malformed DIRECTORY\n", stderr);
		return 2;
	}
	directory = argv[1];
	bad_options();
	bad_devices();
	bad_lines();
	bad_jsons();
	printf("%u\n", count);
	return 0;
}
