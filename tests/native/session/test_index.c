// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include <errno.h>

#include "session/index.h"

static bool has(const struct session_index *index, uint64_t hash, uint32_t entry)
{
	struct session_probe probe;
	session_probe_init(&probe, index, hash);
	for (;;) {
		uint32_t found = session_probe_next(&probe, index);
		if (found == entry || found == 0)
			return found == entry;
	}
}

static uint64_t overflow_total(const struct session_index *index)
{
	uint64_t total = 0;
	for (uint64_t i = 0; i < index->bucket_count; i++)
		total += index->buckets[i].overflow;
	return total;
}

static void test_one_bucket_overflows_into_others_and_back(void **state)
{
	(void)state;
	struct session_index index;
	assert_int_equal(session_index_init(&index, 100), 0);

	for (uint32_t entry = 1; entry <= 45; entry++)
		assert_int_equal(session_index_insert(&index, 0, entry), 0);
	for (uint32_t entry = 1; entry <= 45; entry++)
		assert_true(has(&index, 0, entry));
	// 35 passed the first bucket, 25 the second, 15 and 5 the next.
	assert_int_equal(overflow_total(&index), 35 + 25 + 15 + 5);
	for (uint32_t entry = 45; entry >= 1; entry--) {
		assert_int_equal(session_index_remove(&index, 0, entry), 0);
		assert_false(has(&index, 0, entry));
	}

	assert_int_equal(overflow_total(&index), 0);
	session_index_fini(&index);
}

static void test_entry_behind_a_bucket_that_got_room_is_still_found(void **state)
{
	(void)state;
	struct session_index index;
	assert_int_equal(session_index_init(&index, 100), 0);
	for (uint32_t entry = 1; entry <= SESSION_BUCKET_SLOTS + 1; entry++)
		assert_int_equal(session_index_insert(&index, 5, entry), 0);

	assert_int_equal(session_index_remove(&index, 5, 3), 0);

	assert_true(has(&index, 5, SESSION_BUCKET_SLOTS + 1));
	assert_false(has(&index, 5, 3));
	assert_int_equal(session_index_remove(&index, 5, 3), -ENOENT);
	session_index_fini(&index);
}

static void test_full_index_refuses_and_stays_as_it_was(void **state)
{
	(void)state;
	struct session_index index;
	assert_int_equal(session_index_init(&index, 32), 0);
	uint32_t slots = (uint32_t)index.bucket_count * SESSION_BUCKET_SLOTS;
	for (uint32_t entry = 1; entry <= slots; entry++)
		assert_int_equal(session_index_insert(&index, 9, entry), 0);
	uint64_t overflow = overflow_total(&index);

	assert_int_equal(session_index_insert(&index, 9, slots + 1), -ENOSPC);

	assert_int_equal(overflow_total(&index), overflow);
	for (uint32_t entry = 1; entry <= slots; entry++)
		assert_true(has(&index, 9, entry));
	assert_false(has(&index, 9, slots + 1));
	session_index_fini(&index);
}

static void test_search_for_what_is_not_there_ends_in_a_full_index(void **state)
{
	(void)state;
	struct session_index index;
	uint64_t seed = 3;
	assert_int_equal(session_index_init(&index, 32), 0);
	uint32_t slots = (uint32_t)index.bucket_count * SESSION_BUCKET_SLOTS;
	for (uint32_t entry = 1; entry <= slots; entry++)
		assert_int_equal(session_index_insert(&index, random_next(&seed), entry), 0);

	for (uint32_t i = 0; i < 1000; i++)
		assert_false(has(&index, random_next(&seed), UINT32_MAX));
	session_index_fini(&index);
}

static void test_capacity_fits_whatever_it_is(void **state)
{
	(void)state;
	uint64_t seed = 4;
	for (uint64_t capacity = 1; capacity < 600; capacity++) {
		struct session_index index;
		assert_int_equal(session_index_init(&index, capacity), 0);
		for (uint32_t entry = 1; entry <= capacity; entry++)
			assert_int_equal(session_index_insert(&index, random_next(&seed), entry),
					 0);
		session_index_fini(&index);
	}
}

// Random insertions and removals against a plain array, with few hashes so that paths cross.
static void run_model(uint64_t hash_mask)
{
	enum { COUNT = 1000 };
	static uint64_t hash_of[COUNT + 1];
	static bool present[COUNT + 1];
	struct session_index index;
	uint64_t seed = hash_mask;
	memset(present, 0, sizeof(present));
	assert_int_equal(session_index_init(&index, COUNT), 0);
	for (uint32_t step = 0; step < 30000; step++) {
		uint32_t entry = 1 + (uint32_t)(random_next(&seed) % COUNT);
		if (present[entry]) {
			assert_int_equal(session_index_remove(&index, hash_of[entry], entry), 0);
		} else {
			hash_of[entry] = random_next(&seed) & hash_mask;
			assert_int_equal(session_index_insert(&index, hash_of[entry], entry), 0);
		}
		present[entry] = !present[entry];
		uint32_t other = 1 + (uint32_t)(random_next(&seed) % COUNT);
		assert_int_equal(has(&index, hash_of[other], other), present[other]);
	}
	for (uint32_t entry = 1; entry <= COUNT; entry++) {
		assert_int_equal(has(&index, hash_of[entry], entry), present[entry]);
		if (present[entry])
			assert_int_equal(session_index_remove(&index, hash_of[entry], entry), 0);
	}
	assert_int_equal(overflow_total(&index), 0);
	session_index_fini(&index);
}

static void test_index_agrees_with_a_plain_array(void **state)
{
	(void)state;
	run_model(UINT64_MAX);
	run_model(UINT64_C(0xff00000000000003));
	run_model(0x7000f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_bucket_overflows_into_others_and_back),
		cmocka_unit_test(test_entry_behind_a_bucket_that_got_room_is_still_found),
		cmocka_unit_test(test_full_index_refuses_and_stays_as_it_was),
		cmocka_unit_test(test_search_for_what_is_not_there_ends_in_a_full_index),
		cmocka_unit_test(test_capacity_fits_whatever_it_is),
		cmocka_unit_test(test_index_agrees_with_a_plain_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
