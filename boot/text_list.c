// SPDX-License-Identifier: BSD-2-Clause
#include "boot/text_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *text_list_add(struct text_list *list, const char *text)
{
	char **grown = reallocarray(list->text, list->count + 1, sizeof(*grown)), *copy;

	if (!grown)
		return NULL;
	list->text = grown;
	copy = strdup(text);
	if (copy)
		grown[list->count++] = copy;
	return copy;
}

bool text_list_has(const struct text_list *list, const char *text)
{
	for (unsigned int i = 0; i < list->count; i++)
		if (!strcmp(list->text[i], text))
			return true;
	return false;
}

int text_list_copy(struct text_list *list)
{
	const struct text_list from = *list;

	*list = (struct text_list){ 0 };
	for (unsigned int i = 0; i < from.count; i++)
		if (!text_list_add(list, from.text[i]))
			return -ENOMEM;
	return 0;
}

void text_list_clear(struct text_list *list)
{
	while (list->count)
		free(list->text[--list->count]);
	free(list->text);
	list->text = NULL;
}
