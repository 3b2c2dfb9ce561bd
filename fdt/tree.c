// SPDX-License-Identifier: BSD-2-Clause
/* libfdt's sequential-write functions, with an error that sticks. */
#include "fdt/tree.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

static void check(struct tree *t, const char *name, int ret)
{
	if (ret >= 0)
		return;
	t->error = ret;
	snprintf(t->where, sizeof(t->where), "%s", name);
}

void tree_begin(struct tree *t, const char *name)
{
	if (!t->error)
		check(t, name, fdt_begin_node(t->fdt, name));
}

void tree_begin_at(struct tree *t, const char *name, uint64_t address)
{
	char full[64];

	snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)address);
	tree_begin(t, full);
}

void tree_end(struct tree *t)
{
	if (!t->error)
		check(t, "end of node", fdt_end_node(t->fdt));
}

void tree_bytes(struct tree *t, const char *name, const void *bytes, size_t len)
{
	if (!t->error)
		check(t, name,
		      len > INT32_MAX ? -FDT_ERR_NOSPACE : fdt_property(t->fdt, name, bytes, (int)len));
}

void tree_flag(struct tree *t, const char *name)
{
	tree_bytes(t, name, "", 0);
}

void tree_u32(struct tree *t, const char *name, uint32_t value)
{
	fdt32_t cell = cpu_to_fdt32(value);

	tree_bytes(t, name, &cell, sizeof(cell));
}

void tree_u64(struct tree *t, const char *name, uint64_t value)
{
	fdt64_t cells = cpu_to_fdt64(value);

	tree_bytes(t, name, &cells, sizeof(cells));
}

void tree_string(struct tree *t, const char *name, const char *text)
{
	tree_bytes(t, name, text, strlen(text) + 1);
}

void tree_strings(struct tree *t, const char *name, const char *list)
{
	size_t len = 0;

	while (list[len])
		len += strlen(list + len) + 1;
	tree_bytes(t, name, list, len);
}

void tree_cells(struct tree *t, const char *name, const uint32_t *cells, unsigned int count)
{
	fdt32_t *out;
	void *value;

	if (t->error)
		return;
	check(t, name, fdt_property_placeholder(t->fdt, name, (int)(count * sizeof(*out)), &value));
	if (t->error)
		return;
	out = value;
	for (unsigned int i = 0; i < count; i++)
		out[i] = cpu_to_fdt32(cells[i]);
}

void tree_ranges(struct tree *t, const char *name, const struct machine_range *range, unsigned int count)
{
	uint32_t cells[TREE_MAX_RANGES * 4];
	unsigned int n = 0;

	for (unsigned int i = 0; i < count && i < TREE_MAX_RANGES; i++) {
		cells[n++] = (uint32_t)(range[i].base >> 32);
		cells[n++] = (uint32_t)range[i].base;
		cells[n++] = (uint32_t)(range[i].size >> 32);
		cells[n++] = (uint32_t)range[i].size;
	}
	tree_cells(t, name, cells, n);
}
