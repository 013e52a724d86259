// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include <errno.h>
#include <stdio.h>

#include "session/metadata.h"

// A value that knows how often it was freed.
struct value {
	int freed;
};

static void count_free(void *value, size_t value_size)
{
	assert_int_equal(value_size, sizeof(struct value));
	((struct value *)value)->freed++;
}

static int set(struct metadata **list, const char *key, struct value *value)
{
	return metadata_set(list, key, value, sizeof(*value), count_free);
}

static void test_value_is_found_under_its_key_only(void **state)
{
	(void)state;
	struct metadata *list = NULL;
	struct value value = {0};
	void *found = NULL;
	size_t size = 0;

	assert_int_equal(set(&list, "fw_action", &value), 0);

	assert_int_equal(metadata_get(list, "fw_action", &found, &size), 0);
	assert_ptr_equal(found, &value);
	assert_int_equal(size, sizeof(value));
	assert_int_equal(metadata_get(list, "fw_actio", NULL, NULL), -ENOENT);
	assert_int_equal(metadata_get(list, "fw_action2", NULL, NULL), -ENOENT);
	assert_int_equal(metadata_get(list, NULL, NULL, NULL), -ENOENT);
	metadata_clear(&list);
}

static void test_missing_key_leaves_out_parameters_alone(void **state)
{
	(void)state;
	void *found = &found;
	size_t size = 77;

	assert_int_equal(metadata_get(NULL, "none", &found, &size), -ENOENT);

	assert_ptr_equal(found, &found);
	assert_int_equal(size, 77);
}

static void test_replaced_deleted_and_cleared_values_are_freed_exactly_once(void **state)
{
	(void)state;
	struct metadata *list = NULL;
	struct value replaced = {0};
	struct value deleted = {0};
	struct value cleared = {0};

	assert_int_equal(set(&list, "a", &replaced), 0);
	assert_int_equal(set(&list, "a", &cleared), 0);
	assert_int_equal(replaced.freed, 1);
	assert_int_equal(set(&list, "b", &deleted), 0);
	assert_int_equal(metadata_remove(&list, "b"), 0);
	assert_int_equal(metadata_remove(&list, "b"), -ENOENT);
	metadata_clear(&list);
	metadata_clear(&list);

	assert_null(list);
	assert_int_equal(replaced.freed, 1);
	assert_int_equal(deleted.freed, 1);
	assert_int_equal(cleared.freed, 1);
}

static void test_keys_have_1_to_63_bytes(void **state)
{
	(void)state;
	struct metadata *list = NULL;
	struct value value = {0};
	char key[METADATA_KEY_MAX + 2];
	memset(key, 'k', sizeof(key));
	key[METADATA_KEY_MAX + 1] = '\0';

	assert_int_equal(set(&list, key, &value), -EINVAL);
	assert_int_equal(set(&list, "", &value), -EINVAL);
	assert_int_equal(set(&list, NULL, &value), -EINVAL);
	assert_null(list);
	assert_int_equal(value.freed, 0);
	key[METADATA_KEY_MAX] = '\0';
	assert_int_equal(set(&list, key, &value), 0);
	metadata_clear(&list);
}

static void test_seventeenth_key_is_refused_and_nothing_is_freed(void **state)
{
	(void)state;
	struct metadata *list = NULL;
	struct value values[METADATA_SLOTS_MAX + 1] = {0};
	struct value replacement = {0};
	char key[8];
	for (unsigned i = 0; i < METADATA_SLOTS_MAX; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(set(&list, key, &values[i]), 0);
	}

	assert_int_equal(set(&list, "more", &values[METADATA_SLOTS_MAX]), -ENOSPC);
	assert_int_equal(set(&list, "k15", &replacement), 0);

	assert_int_equal(values[METADATA_SLOTS_MAX].freed, 0);
	assert_int_equal(values[15].freed, 1);
	metadata_clear(&list);
	assert_int_equal(replacement.freed, 1);
	assert_int_equal(values[0].freed, 1);
}

static void test_value_without_callback_is_the_callers_to_free(void **state)
{
	(void)state;
	struct metadata *list = NULL;
	int mine = 5;

	assert_int_equal(metadata_set(&list, "mine", &mine, sizeof(mine), NULL), 0);
	assert_int_equal(metadata_remove(&list, "mine"), 0);

	assert_int_equal(mine, 5);
	assert_null(list);
}

static struct metadata *reached_list;

static void look_back(void *value, size_t value_size)
{
	void *found = NULL;
	(void)value_size;
	assert_int_equal(metadata_get(reached_list, "key", &found, NULL), 0);
	assert_ptr_not_equal(found, value);
}

static void test_free_callback_sees_the_new_value(void **state)
{
	(void)state;
	int old = 1;
	int new = 2;

	assert_int_equal(metadata_set(&reached_list, "key", &old, sizeof(old), look_back), 0);
	assert_int_equal(metadata_set(&reached_list, "key", &new, sizeof(new), NULL), 0);

	metadata_clear(&reached_list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_value_is_found_under_its_key_only),
		cmocka_unit_test(test_missing_key_leaves_out_parameters_alone),
		cmocka_unit_test(test_replaced_deleted_and_cleared_values_are_freed_exactly_once),
		cmocka_unit_test(test_keys_have_1_to_63_bytes),
		cmocka_unit_test(test_seventeenth_key_is_refused_and_nothing_is_freed),
		cmocka_unit_test(test_value_without_callback_is_the_callers_to_free),
		cmocka_unit_test(test_free_callback_sees_the_new_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
