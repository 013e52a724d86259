// SPDX-License-Identifier: Apache-2.0

// Sessions that were only begun: how many a source may have, and what a flood of them does.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"

#define SECOND_NS UINT64_C(1000000000)
#define CAPACITY 64

static void open_guarded(struct harness *harness, uint64_t source_opening)
{
	struct engine_config config;

	engine_config_init(&config);
	config.session_capacity = CAPACITY;
	config.is_inline = true;
	config.limits.source_opening = source_opening;
	harness_open(harness, &config);
	harness_start(harness);
}

static struct session_stats stats_of(struct harness *harness)
{
	struct session_stats sessions;

	engine_get_session_stats(harness->engine, &sessions);
	return sessions;
}

static void begin(struct harness *harness, uint16_t first_port, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++)
		harness_send_datagram(harness, (uint16_t)(first_port + i), 53, "?", false);
}

static void test_source_at_its_limit_begins_no_more(void **state)
{
	struct harness harness;
	open_guarded(&harness, 3);
	begin(&harness, 1000, 3);

	struct verdict verdict = harness_send_datagram(&harness, 2000, 53, "?", false);

	assert_int_equal(verdict.disposition, STELLAR_DROP);
	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_SESSION_LIMIT);
	assert_int_equal(stats_of(&harness).source_limited, 1);
	assert_int_equal(stats_of(&harness).opening, 3);
	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_SESSION_LIMIT], 1);
	harness_close(&harness);
}

static void test_session_that_was_answered_counts_no_more(void **state)
{
	struct harness harness;
	open_guarded(&harness, 3);
	begin(&harness, 1000, 3);

	harness_send_datagram(&harness, 1001, 53, "!", true);

	assert_int_equal(stats_of(&harness).opening, 2);
	struct verdict verdict = harness_send_datagram(&harness, 2000, 53, "?", false);
	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	verdict = harness_send_datagram(&harness, 2001, 53, "?", false);
	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_SESSION_LIMIT);
	harness_close(&harness);
}

static void test_session_that_closed_counts_no_more(void **state)
{
	struct harness harness;
	open_guarded(&harness, 3);
	begin(&harness, 1000, 3);

	harness.time_ns += 31 * SECOND_NS; // udp_opening_sec and one

	struct verdict verdict = harness_send_datagram(&harness, 2000, 53, "?", false);
	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	assert_int_equal(stats_of(&harness).opening, 1);
	harness_close(&harness);
}

static void test_half_a_table_in_opening_is_a_flood_until_a_quarter_is(void **state)
{
	struct harness harness;
	open_guarded(&harness, CAPACITY);

	begin(&harness, 1000, CAPACITY / 2 - 1);
	assert_int_equal(stats_of(&harness).flood, 0);
	begin(&harness, 3000, 1);
	assert_int_equal(stats_of(&harness).flood, 1);

	for (uint16_t port = 1000; port < 1000 + CAPACITY / 4 - 1; port++)
		harness_send_datagram(&harness, port, 53, "!", true);
	assert_int_equal(stats_of(&harness).flood, 1);
	harness_send_datagram(&harness, 3000, 53, "!", true);
	assert_int_equal(stats_of(&harness).flood, 0);
	assert_int_equal(stats_of(&harness).floods, 1);
	harness_close(&harness);
}

static void test_flood_gives_a_session_three_seconds(void **state)
{
	struct harness harness;
	open_guarded(&harness, CAPACITY);
	begin(&harness, 1000, CAPACITY / 2);

	harness.time_ns += 2 * SECOND_NS;
	begin(&harness, 2000, 1);
	assert_int_equal(stats_of(&harness).evicted, 0);
	harness.time_ns += SECOND_NS + 1000000;
	begin(&harness, 2001, 1);

	assert_int_equal(stats_of(&harness).evicted, 2); // the two oldest, for the one that begins
	assert_int_equal(stats_of(&harness).opening, CAPACITY / 2);
	harness_balance(&harness);
	harness_close(&harness);
}

static void test_full_table_lets_go_of_what_is_over(void **state)
{
	struct harness harness;
	open_guarded(&harness, 2 * CAPACITY);
	for (uint16_t port = 1000; port < 1000 + CAPACITY; port++) {
		const struct harness_segment syn = {port, 80, 100, 0, STELLAR_TCP_SYN, false};
		const struct harness_segment reset = {
			port, 80, 0, 101, STELLAR_TCP_RST | STELLAR_TCP_ACK, true};

		harness_send_segment(&harness, &syn);
		harness_send_segment(&harness, &reset);
	}
	const struct session_stats before = stats_of(&harness);
	assert_int_equal(before.active, CAPACITY);

	struct verdict verdict = harness_send_datagram(&harness, 2000, 53, "?", false);

	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	assert_int_equal(stats_of(&harness).active, CAPACITY);
	assert_int_equal(stats_of(&harness).closed[STELLAR_CLOSED_RST],
			 before.closed[STELLAR_CLOSED_RST] + 1);
	assert_int_equal(stats_of(&harness).evicted, 0);
	harness_close(&harness);
}

#define SYN_FROM(port) ((struct harness_segment){port, 80, 100, 0, STELLAR_TCP_SYN, false})
#define ANSWER_TO(port, acknowledged) \
	((struct harness_segment){port, 80, 500, acknowledged, STELLAR_TCP_SYN | STELLAR_TCP_ACK, \
				  true})
#define ACK_FROM(port) ((struct harness_segment){port, 80, 101, 501, STELLAR_TCP_ACK, false})

// A handshake whose session is evicted by CAPACITY datagrams, after its SYN or its SYN-ACK.
static void begin_and_evict(struct harness *harness, bool is_answered)
{
	struct engine_config config;

	engine_config_init(&config);
	config.session_capacity = CAPACITY;
	config.is_inline = true;
	config.midstream = 0;
	harness_open(harness, &config);
	harness_start(harness);
	harness_send_segment(harness, &SYN_FROM(1000));
	if (is_answered)
		harness_send_segment(harness, &ANSWER_TO(1000, 101));
	begin(harness, 2000, CAPACITY);
	assert_int_equal(stats_of(harness).evicted, 1);
}

static void test_handshake_of_an_evicted_session_goes_on(void **state)
{
	struct harness harness;
	begin_and_evict(&harness, false);

	struct verdict answer = harness_send_segment(&harness, &ANSWER_TO(1000, 101));
	struct verdict last = harness_send_segment(&harness, &ACK_FROM(1000));

	assert_int_equal(answer.disposition, STELLAR_CONTINUE);
	assert_int_equal(answer.tcp_state, STELLAR_TCP_SYN_RECEIVED);
	assert_int_equal(last.disposition, STELLAR_CONTINUE);
	assert_int_equal(last.tcp_state, STELLAR_TCP_ESTABLISHED);
	assert_int_equal(last.session_state, STELLAR_SESSION_ACTIVE);
	harness_close(&harness);
}

static void test_answered_handshake_of_an_evicted_session_goes_on(void **state)
{
	struct harness harness;
	begin_and_evict(&harness, true);

	struct verdict last = harness_send_segment(&harness, &ACK_FROM(1000));

	assert_int_equal(last.disposition, STELLAR_CONTINUE);
	assert_int_equal(last.tcp_state, STELLAR_TCP_ESTABLISHED);
	harness_close(&harness);
}

static void test_remembered_handshake_needs_its_numbers(void **state)
{
	static const struct harness_segment strangers[] = {
		{1000, 80, 500, 102, STELLAR_TCP_SYN | STELLAR_TCP_ACK, true}, // acknowledged
		{1001, 80, 500, 101, STELLAR_TCP_SYN | STELLAR_TCP_ACK, true}, // port
		{1000, 80, 500, 101, STELLAR_TCP_SYN | STELLAR_TCP_ACK, false}, // direction
		{1000, 80, 101, 501, STELLAR_TCP_ACK, false}, // was not answered
		{1000, 80, 500, 101, STELLAR_TCP_RST | STELLAR_TCP_ACK, true},
	};
	struct harness harness;
	begin_and_evict(&harness, false);

	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		struct verdict verdict = harness_send_segment(&harness, &strangers[i]);

		assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_TCP_INVALID);
	}
	harness_close(&harness);
}

static void test_answered_handshake_needs_both_numbers(void **state)
{
	static const struct harness_segment strangers[] = {
		{1000, 80, 102, 501, STELLAR_TCP_ACK, false},
		{1000, 80, 101, 502, STELLAR_TCP_ACK, false},
		{1000, 80, 500, 101, STELLAR_TCP_SYN | STELLAR_TCP_ACK, true},
	};
	struct harness harness;
	begin_and_evict(&harness, true);

	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		struct verdict verdict = harness_send_segment(&harness, &strangers[i]);

		assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_TCP_INVALID);
	}
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source_at_its_limit_begins_no_more),
		cmocka_unit_test(test_session_that_was_answered_counts_no_more),
		cmocka_unit_test(test_session_that_closed_counts_no_more),
		cmocka_unit_test(test_half_a_table_in_opening_is_a_flood_until_a_quarter_is),
		cmocka_unit_test(test_flood_gives_a_session_three_seconds),
		cmocka_unit_test(test_full_table_lets_go_of_what_is_over),
		cmocka_unit_test(test_handshake_of_an_evicted_session_goes_on),
		cmocka_unit_test(test_answered_handshake_of_an_evicted_session_goes_on),
		cmocka_unit_test(test_remembered_handshake_needs_its_numbers),
		cmocka_unit_test(test_answered_handshake_needs_both_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
