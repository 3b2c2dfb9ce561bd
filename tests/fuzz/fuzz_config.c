// SPDX-License-Identifier: BSD-2-Clause
/* A definition file, which its user has written: tests/fuzz/config_fuzz.h. Its words are the program's sections and keys. */
#include "tests/fuzz/config_fuzz.h"

static const char *words[FUZZ_WORDS] = {
	"[",   "]\n", " = ", "\n", "\"",         "\\\"", "on",
	"off", "1",   "64M", "/a", "0x3ffd0000", "none", "one after two",
};
static unsigned int nr_words;

static void add_word(const char *word)
{
	if (nr_words < FUZZ_WORDS)
		words[nr_words++] = word;
}

static void make_words(void)
{
	while (words[nr_words])
		nr_words++;
	for (const char *const *section = section_names; *section; section++)
		add_word(*section);
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++)
		add_word((*kind)->name);
	for (const struct option *opt = option_table; opt->name; opt++)
		if (opt->section)
			add_word(opt->name);
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++)
		for (const struct option *key = (*kind)->keys; key->name; key++)
			add_word(key->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_text text;

	log_set_level(LOG_ERROR);
	if (!nr_words)
		make_words();
	if (fuzz_config_text(&text, data, size, words, nr_words))
		fuzz_config_try(config_read_text, &text);
	return 0;
}
