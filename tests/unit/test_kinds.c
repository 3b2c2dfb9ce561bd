// SPDX-License-Identifier: BSD-2-Clause
/* The program's kinds of devices: that each row of the table is what options and sections rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"

static bool is_name(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name) &&
	       strlen(name) <= OPTION_NAME_MAX;
}

static void kinds_are_consistent(void **state)
{
	const char *before = "";

	(void)state;
	for (const struct device_kind *const *row = device_kinds; *row; row++) {
		const struct device_kind *kind = *row;

		assert_true(is_name(kind->name));
		/* An id that is made for it has room for a number. */
		assert_true(strlen(kind->name) + 10 <= DEVICE_ID_MAX);
		assert_true(strcmp(before, kind->name) < 0);
		before = kind->name;
		assert_null(option_by_name(kind->name));
		for (const char *const *section = section_names; *section; section++)
			assert_string_not_equal(*section, kind->name);
		assert_true(kind->platforms);
		assert_true(kind->config_size >= sizeof(struct device_config));
		assert_non_null(kind->help);
		assert_non_null(kind->keys);
		assert_non_null(kind->create);
		if (kind->value_key)
			assert_non_null(device_key(kind, kind->value_key));
	}
}

static size_t size_of(enum option_type type)
{
	switch (type) {
	case OPTION_FLAG:
		return sizeof(bool);
	case OPTION_NUMBER:
		return sizeof(uint32_t);
	case OPTION_CHOICE:
		return sizeof(unsigned int);
	case OPTION_SIZE:
	case OPTION_ADDRESS:
		return sizeof(uint64_t);
	case OPTION_TEXT:
	case OPTION_LIST:
	case OPTION_FILE:
	case OPTION_PLACE:
		break;
	}
	return sizeof(char *);
}

static void check_key(const struct device_kind *kind, const struct option *key)
{
	bool is_number = key->type == OPTION_NUMBER || key->type == OPTION_SIZE ||
			 key->type == OPTION_ADDRESS;

	assert_true(is_name(key->name));
	assert_string_not_equal(key->name, "id");
	assert_ptr_equal(device_key(kind, key->name), key);
	assert_true(key - kind->keys < DEVICE_KEYS_MAX);
	assert_true(key->platforms);
	assert_non_null(key->help);
	assert_true(key->offset >= sizeof(struct device_config));
	assert_true(key->offset % size_of(key->type) == 0);
	assert_true(key->offset + size_of(key->type) <= kind->config_size);
	assert_true(!key->given || (key->given >= sizeof(struct device_config) &&
				    key->given + sizeof(bool) <= kind->config_size));
	assert_true(!is_number || (key->step && key->max[host_platform] >= key->min));
	assert_true(key->type != OPTION_NUMBER || key->max[host_platform] <= UINT32_MAX);
	assert_true((key->type == OPTION_CHOICE) == !!key->choices);
	/* Help shows what a value looks like. */
	assert_true(key->type == OPTION_FLAG || key->type == OPTION_CHOICE || key->placeholder);
}

static void keys_are_consistent(void **state)
{
	(void)state;
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++)
		for (const struct option *key = (*kind)->keys; key->name; key++)
			check_key(*kind, key);
}

/* What a kind has by default can be dumped, and read again. */
static void defaults_are_values_that_may_be_given(void **state)
{
	struct vm_config cfg;

	(void)state;
	config_init(&cfg);
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++) {
		struct device_config *dc;

		if (!((*kind)->platforms & 1u << host_platform))
			continue;
		dc = device_config_new(*kind);
		assert_non_null(dc);
		devices_add(&cfg, dc);
	}
	devices_give_ids(&cfg);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_consistent),
		cmocka_unit_test(keys_are_consistent),
		cmocka_unit_test(defaults_are_values_that_may_be_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
