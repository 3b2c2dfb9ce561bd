// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "boot/text_list.h"

#define MANY 1000

static void an_empty_list_has_nothing(void **state)
{
	struct text_list list = { 0 };

	(void)state;
	assert_false(text_list_has(&list, ""));
	text_list_clear(&list);
	assert_int_equal(list.count, 0);
}

static void texts_are_copies_in_their_order(void **state)
{
	struct text_list list = { 0 };
	char text[16] = "first";

	(void)state;
	assert_string_equal(text_list_add(&list, text), "first");
	snprintf(text, sizeof(text), "%s", "second");
	assert_string_equal(text_list_add(&list, text), "second");
	assert_string_equal(text_list_add(&list, text), "second"); /* twice is for the caller to refuse */
	assert_string_equal(text_list_add(&list, ""), "");
	text[0] = '\0';

	assert_int_equal(list.count, 4);
	assert_string_equal(list.text[0], "first");
	assert_string_equal(list.text[1], "second");
	assert_string_equal(list.text[2], "second");
	assert_string_equal(list.text[3], "");
	assert_true(text_list_has(&list, "second"));
	assert_true(text_list_has(&list, ""));
	assert_false(text_list_has(&list, "sec"));
	assert_false(text_list_has(&list, "third"));
	text_list_clear(&list);
}

static void a_copy_is_its_own(void **state)
{
	struct text_list list = { 0 }, copy;

	(void)state;
	text_list_add(&list, "a");
	text_list_add(&list, "b");
	copy = list;
	assert_int_equal(text_list_copy(&copy), 0);
	text_list_clear(&list);
	assert_int_equal(copy.count, 2);
	assert_string_equal(copy.text[1], "b");
	text_list_clear(&copy);
	assert_int_equal(text_list_copy(&copy), 0);
	assert_null(copy.text);
}

static void texts_stay_where_they_are(void **state)
{
	struct text_list list = { 0 };
	const char *added[MANY];
	char text[16];

	(void)state;
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "text %u", i);
		added[i] = text_list_add(&list, text);
		assert_non_null(added[i]);
	}
	assert_int_equal(list.count, MANY);
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "text %u", i);
		assert_ptr_equal(list.text[i], added[i]);
		assert_string_equal(added[i], text);
	}
	text_list_clear(&list);
}

static void a_cleared_list_can_be_filled_again(void **state)
{
	struct text_list list = { 0 };

	(void)state;
	assert_non_null(text_list_add(&list, "before"));
	text_list_clear(&list);
	assert_int_equal(list.count, 0);
	assert_null(list.text);
	assert_false(text_list_has(&list, "before"));
	assert_non_null(text_list_add(&list, "after"));
	assert_int_equal(list.count, 1);
	assert_string_equal(list.text[0], "after");
	text_list_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_list_has_nothing),
		cmocka_unit_test(texts_are_copies_in_their_order),
		cmocka_unit_test(a_copy_is_its_own),
		cmocka_unit_test(texts_stay_where_they_are),
		cmocka_unit_test(a_cleared_list_can_be_filled_again),
	};

	return cmocka_run_group_tests_name("text_list", tests, NULL, NULL);
}
