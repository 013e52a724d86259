// SPDX-License-Identifier: Apache-2.0

// Floods in small: who loses, and what is kept. tests/bench/flood measures them in full.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flood.h"

// 20 000 SYN at 100 000 a second against a table of 10 000.
static const struct flood_syn spoofed = {
	.capacity = 10000,
	.live = 1000,
	.syn_count = 20000,
	.syn_pps = 100000,
	.honest_pps = 1000,
	.rtt_ms = 50,
	.seed = 1,
};

static void test_flood_of_syn_leaves_live_and_honest_sessions(void **state)
{
	struct flood_syn_result result;

	flood_syn_run(&spoofed, &result);

	assert_int_equal(result.live_kept, 1000);
	assert_int_equal(result.honest, 200);
	assert_int_equal(result.honest_accepted, 200);
	assert_true(result.evicted >= 10000);
	assert_int_equal(result.floods, 1);
}

static void test_flood_of_syn_leaves_sessions_with_far_peers(void **state)
{
	struct flood_syn flood = spoofed;
	struct flood_syn_result result;
	flood.rtt_ms = 150; // the table is filled anew in 90

	flood_syn_run(&flood, &result);

	assert_int_equal(result.live_kept, 1000);
	assert_int_equal(result.honest, 200);
	assert_in_range(result.honest_accepted, 190, 200);
	assert_in_range(result.mode_ms, 1, 5000);
}

static void test_flood_of_syn_from_one_source_stops_at_its_limit(void **state)
{
	struct flood_syn flood = spoofed;
	struct flood_syn_result result;
	flood.one_source = true;
	flood.source_opening = 500;

	flood_syn_run(&flood, &result);

	assert_int_equal(result.live_kept, 1000);
	assert_int_equal(result.honest_accepted, result.honest);
	// Each but 500, and what opened twice.
	assert_in_range(result.source_limited, 19000, 19500);
	assert_int_equal(result.evicted, 0);
	assert_int_equal(result.floods, 0);
}

static void test_flood_of_fragments_leaves_honest_datagrams(void **state)
{
	const struct flood_fragment flood = {
		.memory_bytes = 1 << 20,
		.piece_count = 20000,
		.piece_pps = 100000,
		.honest_pps = 1000,
		.gap_ms = 1,
		.seed = 1,
	};
	struct flood_fragment_result result;

	flood_fragment_run(&flood, &result);

	assert_int_equal(result.honest, 200);
	assert_int_equal(result.honest_whole, 200);
	// Each piece takes more than its 42 bytes.
	assert_in_range(result.held_peak, 1000, (1 << 20) / 42);
}

static void test_flood_out_of_order_leaves_honest_bytes_in_order(void **state)
{
	const struct flood_disorder flood = {
		.memory_bytes = 1 << 20,
		.sessions = 100,
		.segments = 200,
		.honest = 20,
		.honest_segments = 100,
	};
	struct flood_disorder_result result;

	flood_disorder_run(&flood, &result);

	assert_int_equal(result.ordered_bytes, 10 * 100 * 1000);
	assert_int_equal(result.ordered_delivered, result.ordered_bytes);
	assert_in_range(result.peak_bytes, (1 << 20) / 2, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood_of_syn_leaves_live_and_honest_sessions),
		cmocka_unit_test(test_flood_of_syn_leaves_sessions_with_far_peers),
		cmocka_unit_test(test_flood_of_syn_from_one_source_stops_at_its_limit),
		cmocka_unit_test(test_flood_of_fragments_leaves_honest_datagrams),
		cmocka_unit_test(test_flood_out_of_order_leaves_honest_bytes_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
