// SPDX-License-Identifier: Apache-2.0

// What bounds a defragmenter: who goes when memory, a source's share, pieces or time are over, that
// honest datagrams get through a flood, and that memory stays within its range.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <stellar/engine.h>

#include "fragments.h"

#define SECOND_NS 1000000000ull

static enum defragment_answer add(struct fragment_bench *bench, struct piece piece)
{
	struct defragment_result result;
	enum defragment_answer answer = fragment_bench_add(bench, &piece, &result);

	if (answer == DEFRAGMENT_WHOLE || answer == DEFRAGMENT_GIVEN_UP)
		defragment_release(bench->defragmenter, result.datagram);
	return answer;
}

static struct piece first_of(uint32_t id, uint8_t source)
{
	return (struct piece){.units = 100, .letter = 'a', .id = id, .source = source};
}

static struct piece last_of(uint32_t id, uint8_t source)
{
	return (struct piece){.begin = 100,
			      .units = 1,
			      .letter = 'b',
			      .is_last = true,
			      .id = id,
			      .source = source};
}

static void test_oldest_datagrams_go_when_memory_is_full(void **state)
{
	static struct fragment_bench bench;
	struct defragment_stats stats;
	uint32_t id = 0;

	fragment_bench_open(&bench, (struct defragment_config){0}, STELLAR_TARGET_LINUX);
	while (bench.log.given_up < 16) {
		id++;
		assert_int_equal(add(&bench, first_of(id, (uint8_t)id)), DEFRAGMENT_KEPT);
	}

	assert_int_equal(bench.log.cause, DEFRAGMENT_LIMIT);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(bench.log.ids[i], i + 1);
	defragment_get_stats(bench.defragmenter, &stats);
	// A first fragment of 820 bytes takes 1024 + 256 + 64 + 64.
	assert_true(stats.peak_bytes > 3 * stats.reserved_bytes / 4);
	assert_true(stats.datagrams > 400);
	fragment_bench_close(&bench);
}

static void test_source_has_its_share_and_its_oldest_go(void **state)
{
	static struct fragment_bench bench;
	const struct defragment_config config = {.source_bytes = 10000};

	fragment_bench_open(&bench, config, STELLAR_TARGET_LINUX);
	assert_int_equal(add(&bench, first_of(1000, 2)), DEFRAGMENT_KEPT);
	for (uint32_t id = 1; id <= 10; id++)
		assert_int_equal(add(&bench, first_of(id, 1)), DEFRAGMENT_KEPT);

	assert_true(bench.log.given_up > 2 && bench.log.given_up < 10);
	assert_int_equal(bench.log.ids[0], 1);
	assert_int_equal(bench.log.ids[1], 2);
	assert_int_equal(add(&bench, last_of(1000, 2)), DEFRAGMENT_WHOLE);
	assert_int_equal(add(&bench, last_of(10, 1)), DEFRAGMENT_WHOLE);
	fragment_bench_close(&bench);
}

static void test_datagram_of_too_many_fragments_is_given_up(void **state)
{
	static struct fragment_bench bench;
	struct defragment_result result;
	const struct defragment_config config = {.piece_limit = 3};

	fragment_bench_open(&bench, config, STELLAR_TARGET_FIRST);
	for (uint32_t i = 0; i < 3; i++) {
		const struct piece piece = {.begin = 2 * i, .units = 1, .letter = 'a'};

		assert_int_equal(fragment_bench_add(&bench, &piece, &result), DEFRAGMENT_KEPT);
	}
	const struct piece fourth = {.begin = 6, .units = 1, .letter = 'a'};

	assert_int_equal(fragment_bench_add(&bench, &fourth, &result), DEFRAGMENT_GIVEN_UP);
	assert_int_equal(result.cause, DEFRAGMENT_LIMIT);
	assert_int_equal(datagram_count_frames(result.datagram), 4);
	defragment_release(bench.defragmenter, result.datagram);
	fragment_bench_close(&bench);
}

static void test_datagrams_end_in_the_order_of_their_deadlines(void **state)
{
	static struct fragment_bench bench;
	const struct defragment_config config = {.timeout_ns = 30 * SECOND_NS};

	fragment_bench_open(&bench, config, STELLAR_TARGET_LINUX);
	for (uint32_t id = 1; id <= 4; id++) {
		add(&bench, first_of(id, 1));
		bench.now_ns += SECOND_NS;
	}
	// Whole before its time, and a piece that does not prolong a life.
	assert_int_equal(add(&bench, last_of(2, 1)), DEFRAGMENT_WHOLE);
	add(&bench, (struct piece){.begin = 200, .units = 1, .letter = 'x', .id = 1, .source = 1});

	assert_int_equal(defragment_next_deadline(bench.defragmenter), 31 * SECOND_NS);
	while (defragment_next_deadline(bench.defragmenter) != UINT64_MAX)
		defragment_expire(bench.defragmenter);
	assert_int_equal(bench.log.given_up, 3);
	assert_int_equal(bench.log.cause, DEFRAGMENT_TIMEOUT);
	assert_int_equal(bench.log.ids[0], 1);
	assert_int_equal(bench.log.ids[1], 3);
	assert_int_equal(bench.log.ids[2], 4);
	fragment_bench_close(&bench);
}

static void test_too_little_memory_refuses_everything(void **state)
{
	static const uint64_t sizes[] = {1, 100, 4096, 16384};
	static struct fragment_bench bench;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct defragment_config config = {.memory_bytes = sizes[i]};

		fragment_bench_open(&bench, config, STELLAR_TARGET_LINUX);
		for (uint32_t id = 1; id < 100; id++) {
			struct piece piece = first_of(id, 1);

			piece.units = 8000;
			assert_int_equal(add(&bench, piece), DEFRAGMENT_REFUSED);
		}
		fragment_bench_close(&bench);
	}
}

static uint64_t resident_bytes(void)
{
	unsigned long size = 0;
	unsigned long resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

// Spoofed first fragments, an honest datagram among each hundred of them, whose fragments
// are a thousand of theirs apart.
static void test_flood_leaves_honest_datagrams_and_stays_within_memory(void **state)
{
	static struct fragment_bench bench;
	const struct defragment_config config = {.memory_bytes = 8u << 20};
	const uint64_t before = resident_bytes();
	uint32_t whole = 0;
	uint32_t sent = 0;

	fragment_bench_open(&bench, config, STELLAR_TARGET_LINUX);
	for (uint32_t i = 0; i < 300000; i++) {
		add(&bench, (struct piece){.units = 1 + i % 180,
					   .letter = 'x',
					   .id = i & 0xffff,
					   .source = (uint8_t)(1 + i % 200)});
		if (i % 100 == 0)
			add(&bench, first_of(i / 100 % 60000, 250));
		if (i % 100 == 0 && i >= 1000) {
			sent++;
			whole += add(&bench, last_of((i - 1000) / 100 % 60000, 250)) ==
				 DEFRAGMENT_WHOLE;
		}
	}
	uint64_t grown = resident_bytes() - before;

	printf("flood: %u of %u honest datagrams whole, %llu bytes resident of %llu\n", whole, sent,
	       (unsigned long long)grown, (unsigned long long)config.memory_bytes);
	assert_int_equal(whole, sent);
	assert_true(grown <= config.memory_bytes + config.memory_bytes / 20);
	fragment_bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oldest_datagrams_go_when_memory_is_full),
		cmocka_unit_test(test_source_has_its_share_and_its_oldest_go),
		cmocka_unit_test(test_datagram_of_too_many_fragments_is_given_up),
		cmocka_unit_test(test_datagrams_end_in_the_order_of_their_deadlines),
		cmocka_unit_test(test_too_little_memory_refuses_everything),
		cmocka_unit_test(test_flood_leaves_honest_datagrams_and_stays_within_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
