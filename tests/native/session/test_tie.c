// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include "session/tie.h"

#define CHILDREN 5u

static void never_expired(void *owner, uint32_t index, uint64_t due_ms)
{
	(void)owner;
	(void)index;
	(void)due_ms;
}

// A parent and CHILDREN children, which have the indices 1 and 2 to CHILDREN + 1.
static struct session_table *open_family(void)
{
	const struct session_table_config config = {
		.capacity = 64,
		.secret = {{1, 2}},
		.timeouts = {.udp_opening_sec = 30, .udp_active_sec = 30},
		.expired = never_expired,
	};
	struct session_table *table;
	assert_int_equal(session_table_create(&config, &table), 0);
	for (uint32_t number = 0; number <= CHILDREN; number++) {
		struct session_key key = key_of(number);
		uint32_t index;
		assert_int_equal(session_table_insert(table, &key, session_table_hash(table, &key),
						      0, &index),
				 0);
		assert_int_equal(index, number + 1);
		assert_non_null(session_table_need_extension(table, index));
		if (number > 0)
			session_tie_add(table, 1, index);
	}
	return table;
}

// Children of the parent as digits, the oldest first.
static uint32_t children_of(const struct session_table *table)
{
	const struct session_extension *parent = session_table_get_extension(table, 1);
	uint32_t child = parent->first_child;
	uint32_t previous = SESSION_NONE;
	uint32_t digits = 0;
	uint32_t count = 0;
	for (; child != SESSION_NONE; count++) {
		const struct session_extension *extension =
			session_table_get_extension(table, child);
		assert_int_equal(extension->parent, 1);
		if (previous != SESSION_NONE)
			assert_int_equal(extension->previous_sibling, previous);
		previous = child;
		digits = digits * 10 + child;
		child = extension->next_sibling;
	}
	if (count > 0)
		assert_int_equal(
			session_table_get_extension(table, parent->first_child)->previous_sibling,
			previous);
	assert_int_equal(parent->child_count, count);
	assert_int_equal((table->hot[1].flags & SESSION_HAS_CHILDREN) != 0, count > 0);
	return digits;
}

static void test_children_stand_in_the_order_in_which_they_came(void **state)
{
	(void)state;
	struct session_table *table = open_family();

	assert_int_equal(children_of(table), 23456);
	session_table_destroy(table);
}

static void test_child_goes_from_any_place(void **state)
{
	(void)state;
	// Who goes, in turn, and who is left.
	static const struct {
		uint32_t goes[CHILDREN];
		uint32_t left[CHILDREN];
	} cases[] = {
		{{2, 3, 4, 5, 6}, {3456, 456, 56, 6, 0}},
		{{6, 5, 4, 3, 2}, {2345, 234, 23, 2, 0}},
		{{4, 2, 6, 3, 5}, {2356, 356, 35, 5, 0}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session_table *table = open_family();
		for (size_t step = 0; step < CHILDREN; step++) {
			session_tie_remove(table, cases[i].goes[step]);
			assert_int_equal(children_of(table), cases[i].left[step]);
		}
		session_table_destroy(table);
	}
}

static void test_child_that_comes_back_is_the_youngest(void **state)
{
	(void)state;
	struct session_table *table = open_family();

	session_tie_remove(table, 2);
	session_tie_add(table, 1, 2);

	assert_int_equal(children_of(table), 34562);
	session_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children_stand_in_the_order_in_which_they_came),
		cmocka_unit_test(test_child_goes_from_any_place),
		cmocka_unit_test(test_child_that_comes_back_is_the_youngest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
