/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the targets share that read definitions: a text is made of an input, in which a byte from 0x80 on stands for a word
 * (the last one for the byte behind it); whatever it is, it is refused by one line for each mistake, or its dump means the
 * same.
 */
#ifndef VIREO_TESTS_FUZZ_CONFIG_FUZZ_H
#define VIREO_TESTS_FUZZ_CONFIG_FUZZ_H

#include "kvm/log.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/config_read.h"
#include "vmm/devices.h"

#define FUZZ_PATH  "/nowhere/fuzz.conf"
#define FUZZ_TEXT  65536
#define FUZZ_WORDS 127

struct fuzz_text {
	size_t len;
	char bytes[FUZZ_TEXT + 1];
};

/* One that includes another file by an absolute path could read, or wait for, anything there is. */
static inline bool fuzz_config_text(struct fuzz_text *text, const uint8_t *data, size_t size,
				    const char *const words[FUZZ_WORDS], unsigned int nr_words)
{
	text->len = 0;
	for (size_t i = 0; i < size; i++) {
		char byte = (char)data[i];
		const char *word = &byte;
		size_t len = 1;

		if (data[i] == 0xff && i + 1 < size) {
			byte = (char)data[++i];
		} else if (data[i] >= 0x80 && data[i] < 0xff) {
			word = words[(data[i] - 0x80u) % nr_words];
			len = strlen(word);
		}
		if (len > FUZZ_TEXT - text->len)
			break;
		memcpy(text->bytes + text->len, word, len);
		text->len += len;
	}
	text->bytes[text->len] = '\0';
	return !memmem(text->bytes, text->len, "include", strlen("include"));
}

typedef int fuzz_config_reader(struct reading *r, char *text, size_t size);

static unsigned int fuzz_mistakes;

static void fuzz_is_one_line(const char *text)
{
	must(*text);
	for (; *text; text++)
		must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void fuzz_mistake(const char *text)
{
	fuzz_mistakes++;
	fuzz_is_one_line(text);
	must(!strncmp(text, FUZZ_PATH, strlen(FUZZ_PATH)));
}

/* Reads a copy of `text` that has no byte more than it may look at. `all`: every mistake, not only the first. */
static int fuzz_config_read(struct vm_config *cfg, fuzz_config_reader *reader, const char *text, size_t size,
			    bool all, struct err *err)
{
	struct mistakes mistakes = { .found = fuzz_mistake };
	char *copy = malloc(size + 1);
	unsigned int opened = 1;
	struct reading r = {
		.cfg = cfg, .mistakes = all ? &mistakes : NULL, .number = 1, .opened = &opened, .err = err
	};
	int ret;

	must(copy);
	memcpy(copy, text, size + 1);
	config_init(cfg);
	r.path = config_name(cfg, FUZZ_PATH);
	must(r.path);
	fuzz_mistakes = 0;
	ret = reader(&r, copy, size);
	devices_give_ids(cfg);
	free(copy);
	must(!all || (!ret && mistakes.count == fuzz_mistakes));
	return all ? -(int)fuzz_mistakes : ret;
}

/* Its dump, read by the program: NULL if there cannot be one. */
static char *fuzz_config_dump_again(const char *dump)
{
	struct vm_config cfg;
	struct err err;
	char *again;

	must(!fuzz_config_read(&cfg, config_read_text, dump, strlen(dump), false, &err));
	again = config_dump(&cfg, &err);
	must(again);
	config_finish(&cfg);
	return again;
}

static inline void fuzz_config_try(fuzz_config_reader *reader, const struct fuzz_text *text)
{
	char *dump, *second, *third;
	struct vm_config cfg;
	struct err err;
	int first, all;

	first = fuzz_config_read(&cfg, reader, text->bytes, text->len, false, &err);
	if (first)
		fuzz_mistake(err.text);
	/* The sources stand in comments: those of the second and the third are lines of texts of the same layout. */
	dump = first ? NULL : config_dump(&cfg, &err);
	if (dump) {
		second = fuzz_config_dump_again(dump);
		third = fuzz_config_dump_again(second);
		must(!strcmp(second, third));
		free(third);
		free(second);
		free(dump);
	}
	config_finish(&cfg);

	all = fuzz_config_read(&cfg, reader, text->bytes, text->len, true, &err);
	must(!first == !all);
	config_finish(&cfg);
}

#endif
