// SPDX-License-Identifier: Apache-2.0

// Blocks of all sizes from one range: none overlaps another, and what was split is whole again.

#include "session/stream_pool.h"
#include "support.h"

#define BLOCKS 200
#define POOL_BYTES (1u << 20)

struct taken {
	uint32_t id;
	size_t bytes;
	uint8_t mark;
};

static void fill(struct stream_pool *pool, struct taken *block, uint8_t mark)
{
	block->mark = mark;
	memset(stream_pool_at(pool, block->id), mark, block->bytes);
}

static void check(struct stream_pool *pool, const struct taken *block)
{
	const uint8_t *bytes = stream_pool_at(pool, block->id);

	for (size_t i = 0; i < block->bytes; i++)
		assert_int_equal(bytes[i], block->mark);
}

static void test_blocks_do_not_overlap_whatever_the_order(void **state)
{
	static struct taken blocks[BLOCKS];
	struct stream_pool pool;
	uint64_t random = 1;

	assert_int_equal(stream_pool_init(&pool, POOL_BYTES), 0);
	for (int step = 0; step < 20000; step++) {
		struct taken *block = &blocks[random_next(&random) % BLOCKS];

		if (block->id != 0) {
			check(&pool, block);
			stream_pool_put(&pool, block->id);
			block->id = 0;
			continue;
		}
		block->bytes = 1 + random_next(&random) % (1u << (random_next(&random) % 17));
		block->id = stream_pool_get(&pool, block->bytes);
		if (block->id != 0)
			fill(&pool, block, (uint8_t)step);
	}
	for (int i = 0; i < BLOCKS; i++) {
		if (blocks[i].id != 0)
			stream_pool_put(&pool, blocks[i].id);
	}

	assert_int_equal(pool.used_bytes, 0);
	assert_int_not_equal(stream_pool_get(&pool, STREAM_POOL_BLOCK_MAX), 0);
	assert_int_not_equal(stream_pool_get(&pool, STREAM_POOL_BLOCK_MAX), 0);
	assert_int_equal(stream_pool_get(&pool, 1), 0);
	stream_pool_fini(&pool);
}

static void test_range_is_given_out_to_its_last_unit(void **state)
{
	struct stream_pool pool;

	assert_int_equal(stream_pool_init(&pool, 5 * STREAM_POOL_UNIT + 7), 0);
	for (int i = 0; i < 5; i++)
		assert_int_not_equal(stream_pool_get(&pool, STREAM_POOL_UNIT), 0);

	assert_int_equal(stream_pool_get(&pool, 1), 0);
	assert_int_equal(pool.used_bytes, 5 * STREAM_POOL_UNIT);
	stream_pool_fini(&pool);
}

static void test_sizes_are_rounded_to_powers_of_two(void **state)
{
	assert_int_equal(stream_pool_round(1), 128);
	assert_int_equal(stream_pool_round(128), 128);
	assert_int_equal(stream_pool_round(129), 256);
	assert_int_equal(stream_pool_round(STREAM_POOL_BLOCK_MAX), STREAM_POOL_BLOCK_MAX);
	assert_int_equal(stream_pool_round(STREAM_POOL_BLOCK_MAX + 1), 0);
}

static void test_pool_without_memory_gives_nothing(void **state)
{
	struct stream_pool pool;

	assert_int_equal(stream_pool_init(&pool, 1), 0);

	assert_int_equal(stream_pool_get(&pool, 1), 0);
	stream_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_do_not_overlap_whatever_the_order),
		cmocka_unit_test(test_range_is_given_out_to_its_last_unit),
		cmocka_unit_test(test_sizes_are_rounded_to_powers_of_two),
		cmocka_unit_test(test_pool_without_memory_gives_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
