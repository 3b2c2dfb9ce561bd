/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts in the order they were added in: what an option was given, files to copy, modules to load. */
#ifndef VIREO_BOOT_TEXT_LIST_H
#define VIREO_BOOT_TEXT_LIST_H

#include <stdbool.h>

/* All zeroes: it is empty. It owns its texts, which stay where they are while others are added. */
struct text_list {
	char **text;
	unsigned int count;
};

/* Adds a copy behind the others and returns it; NULL without memory, and nothing has changed. */
const char *text_list_add(struct text_list *list, const char *text);

bool text_list_has(const struct text_list *list, const char *text);

/* `list` is a byte for byte copy: gives it texts of its own. -ENOMEM: not all of them, and none that is another's. */
int text_list_copy(struct text_list *list);

/* Frees what it holds; it is empty then. */
void text_list_clear(struct text_list *list);

#endif
