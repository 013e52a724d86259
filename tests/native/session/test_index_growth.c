// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include <errno.h>
#include <stdlib.h>

#include "session/index.h"
#include "session/table.h"

#define ENTRIES 40000u
#define SESSIONS 2000000u

#define SECOND 0x80000000u

// Entries that stand under one hash, or as another entry under a second one, or not at all.
struct model {
	struct session_index index;
	uint64_t hash[ENTRIES + 1][2];
	bool is_in[ENTRIES + 1][2];
	uint64_t seed;
	uint32_t count;
};

static uint64_t hash_of(void *owner, uint32_t entry)
{
	struct model *model = owner;
	return model->hash[entry & ~SECOND][(entry & SECOND) != 0];
}

static void ignore_upcoming(void *owner, uint32_t entry)
{
	(void)owner;
	(void)entry;
}

static const struct session_index_ops ops = {
	.hash = hash_of,
	.upcoming = ignore_upcoming,
};

// Both hashes of every third entry have one tag, and the same stride: they differ above.
static struct model *create_model(void)
{
	struct model *model = calloc(1, sizeof(*model));
	assert_non_null(model);
	model->seed = 42;
	for (uint32_t entry = 1; entry <= ENTRIES; entry++) {
		model->hash[entry][0] = random_next(&model->seed);
		model->hash[entry][1] = random_next(&model->seed);
		if (entry % 3 == 0)
			model->hash[entry][1] = (model->hash[entry][0] & UINT64_C(0xfffff)) |
						(model->hash[entry][1] & ~UINT64_C(0xfffff));
	}
	assert_int_equal(session_index_init_growing(&model->index, ENTRIES * 2, &ops, model), 0);
	return model;
}

static void destroy_model(struct model *model)
{
	session_index_fini(&model->index);
	free(model);
}

static bool has(const struct session_index *index, uint64_t hash, uint32_t entry)
{
	struct session_probe probe;
	uint32_t found;
	session_probe_init(&probe, index, hash);
	do {
		found = session_probe_next(&probe, index);
	} while (found != 0 && found != entry);
	return found == entry;
}

static void change(struct model *model, uint32_t number, unsigned which)
{
	uint64_t moved = model->index.moved;
	uint64_t hash = model->hash[number][which];
	uint32_t entry = which == 0 ? number : number | SECOND;
	if (model->is_in[number][which]) {
		assert_int_equal(session_index_remove(&model->index, hash, entry), 0);
		model->count--;
		assert_true(model->index.moved == moved);
	} else {
		assert_int_equal(session_index_insert(&model->index, hash, entry), 0);
		model->count++;
		assert_true(model->index.moved - moved <= SESSION_INDEX_MOVES);
	}
	model->is_in[number][which] = !model->is_in[number][which];
}

static void assert_as_model(const struct model *model)
{
	assert_int_equal(model->index.count, model->count);
	for (uint32_t number = 1; number <= ENTRIES; number++) {
		assert_int_equal(has(&model->index, model->hash[number][0], number),
				 model->is_in[number][0]);
		assert_int_equal(has(&model->index, model->hash[number][1], number | SECOND),
				 model->is_in[number][1]);
	}
}

static void test_growing_index_holds_what_was_put_in_at_every_size(void **state)
{
	(void)state;
	struct model *model = create_model();

	for (uint32_t entry = 1; entry <= ENTRIES; entry++) {
		change(model, entry, 0);
		change(model, entry, 1);
		if (entry % 997 == 0)
			assert_as_model(model);
	}

	assert_as_model(model);
	assert_int_equal(model->index.halvings, 0);
	assert_false(session_index_is_growing(&model->index));
	for (uint32_t entry = 1; entry <= ENTRIES; entry++) {
		change(model, entry, 0);
		change(model, entry, 1);
	}
	assert_int_equal(model->index.count, 0);
	destroy_model(model);
}

static void test_entries_come_and_go_while_the_index_grows(void **state)
{
	(void)state;
	struct model *model = create_model();

	for (uint32_t i = 0; i < 12 * ENTRIES; i++) {
		uint32_t entry = 1 + (uint32_t)(random_next(&model->seed) % ENTRIES);
		unsigned which = (unsigned)random_next(&model->seed) & 1;
		change(model, entry, which);
		if (i % 9973 == 0)
			assert_as_model(model);
	}

	assert_as_model(model);
	destroy_model(model);
}

static void test_growth_ends_before_the_next_doubling(void **state)
{
	(void)state;
	struct model *model = create_model();
	uint64_t buckets = model->index.bucket_count;
	uint64_t doublings = 0;

	for (uint32_t entry = 1; entry <= ENTRIES; entry++) {
		bool was_growing = session_index_is_growing(&model->index);
		change(model, entry, 0);
		if (model->index.bucket_count != buckets) {
			assert_false(was_growing);
			buckets = model->index.bucket_count;
			doublings++;
		}
	}

	assert_true(doublings >= 5);
	destroy_model(model);
}

static struct session_key wide_key(uint32_t number)
{
	struct session_key key;
	struct packet_endpoint source = endpoint_v4(number & 0xffff, (uint16_t)(number >> 16));
	struct packet_endpoint target = endpoint_v4(7, 443);
	session_key_from_endpoints(&source, &target, 6, 0, 0, &key);
	return key;
}

static uint32_t find(const struct session_table *table, uint32_t number)
{
	struct session_key key = wide_key(number);
	return session_table_lookup(table, &key, session_table_hash(table, &key), SESSION_NONE);
}

static void test_table_grows_to_millions_by_small_steps(void **state)
{
	(void)state;
	struct session_table *table;
	struct session_table_config config = table_config(SESSIONS);
	assert_int_equal(session_table_create(&config, &table), 0);
	uint64_t at_start = session_table_get_bytes(table);

	for (uint32_t number = 1; number <= SESSIONS; number++) {
		struct session_key key = wide_key(number);
		uint64_t moved = table->index.moved;
		uint32_t index;
		assert_int_equal(session_table_insert(table, &key, session_table_hash(table, &key),
						      0, &index),
				 0);
		assert_int_equal(index, number);
		assert_true(table->index.moved - moved <= SESSION_INDEX_MOVES);
		assert_int_equal(find(table, 1 + number / 2), 1 + number / 2);
	}

	for (uint32_t number = 1; number <= SESSIONS; number++)
		assert_int_equal(find(table, number), number);
	assert_true(at_start < SESSIONS * UINT64_C(4));
	assert_true(session_table_get_bytes(table) > SESSIONS * UINT64_C(112));
	session_table_destroy(table);
}

static void test_hints_are_found_while_the_index_grows(void **state)
{
	(void)state;
	struct session_table *table;
	struct session_table_config config = table_config(ENTRIES);
	config.alias_capacity = 0;
	assert_int_equal(session_table_create(&config, &table), 0);
	uint32_t hinted = 0;
	uint32_t growing = 0;

	for (uint32_t number = 1; number <= ENTRIES; number++) {
		struct session_key key = wide_key(number);
		uint64_t hash;
		uint32_t hint;
		uint32_t index;
		assert_int_equal(session_table_insert(table, &key, session_table_hash(table, &key),
						      0, &index),
				 0);
		if (!session_index_is_growing(&table->index))
			continue;
		key = wide_key(1 + number / 2);
		session_table_find_burst(table, &key, 1, &hash, &hint);
		growing++;
		hinted += hint == 1 + number / 2;
	}

	assert_true(growing > ENTRIES / 20);
	assert_true(hinted > growing / 10 * 8);
	session_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growing_index_holds_what_was_put_in_at_every_size),
		cmocka_unit_test(test_entries_come_and_go_while_the_index_grows),
		cmocka_unit_test(test_growth_ends_before_the_next_doubling),
		cmocka_unit_test(test_table_grows_to_millions_by_small_steps),
		cmocka_unit_test(test_hints_are_found_while_the_index_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
