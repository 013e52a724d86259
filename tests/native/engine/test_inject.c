// SPDX-License-Identifier: Apache-2.0

// Packets that plugins inject into sessions: which leave by which end, when, with which numbers,
// and that each is counted once.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <stellar/inject.h>

#include "engine/worker.h"
#include "inject_rig.h"

static void expect_segment(struct rig *rig, bool outside, uint8_t flags, uint32_t sequence,
			   uint32_t acknowledgment, const char *payload)
{
	struct sent sent;

	assert_true(pop(rig, outside, &sent));
	assert_int_equal(check_frame(&sent), 6);
	const uint8_t *tcp = sent.bytes + sent.transport;
	size_t header = (size_t)(tcp[12] >> 4) * 4;

	assert_int_equal(read_u16(tcp), outside ? 1000 : 80);
	assert_int_equal(read_u16(tcp + 2), outside ? 80 : 1000);
	assert_int_equal(read_u32(tcp + 4), sequence);
	assert_int_equal(read_u32(tcp + 8), acknowledgment);
	assert_int_equal(tcp[13], flags);
	assert_int_equal((size_t)sent.length - sent.transport - header, strlen(payload));
	assert_memory_equal(tcp + header, payload, strlen(payload));
}

// Resets.

static void reset_both(struct session *session)
{
	result = inject_rst(session, BOTH);
}

static void reset_both_and_block(struct session *session)
{
	result = inject_rst(session, BOTH);
	session_reject(session, STELLAR_REPLY_NONE);
}

static void hold(struct session *session)
{
	const struct verdict_request request = {.disposition = STELLAR_HOLD, .hold_ms = 1000};

	session_set_verdict(session, &request);
}

static void hold_and_reset_both(struct session *session)
{
	hold(session);
	result = inject_rst(session, BOTH);
}

static void test_resets_come_after_the_packet_with_the_numbers_expected(void **state)
{
	struct rig rig;

	open_rig(&rig);
	shake_hands(&rig);
	step = reset_both;
	segment(&rig, false, PSH | ACK, 101, 501, "seven b");

	assert_int_equal(result, 0);
	expect_segment(&rig, true, PSH | ACK, 101, 501, "seven b");
	expect_segment(&rig, true, RST, 108, 0, "");
	expect_segment(&rig, false, RST, 501, 0, "");
	expect_nothing(&rig);
	assert_int_equal(harness_balance(&rig.harness).generated, 2);
	assert_int_equal(harness_balance(&rig.harness).forwarded, 6);
	harness_close(&rig.harness);
}

static void test_dropped_segment_is_not_reckoned(void **state)
{
	struct rig rig;

	open_rig(&rig);
	shake_hands(&rig);
	step = reset_both_and_block;
	segment(&rig, true, PSH | ACK, 501, 101, "answer");

	expect_segment(&rig, true, RST, 101, 0, "");
	expect_segment(&rig, false, RST, 501, 0, "");
	segment(&rig, false, ACK, 101, 507, "");
	expect_nothing(&rig);
	assert_int_equal(harness_balance(&rig.harness).dropped[STELLAR_DROPPED_BLOCKED_SESSION], 1);
	harness_close(&rig.harness);
}

static void test_fin_counts_when_it_goes_on(void **state)
{
	struct rig rig;

	open_rig(&rig);
	shake_hands(&rig);
	step = reset_both;
	segment(&rig, false, FIN | ACK, 101, 501, "bye");

	assert_int_equal(harness_drain(&rig.harness, false), 1);
	expect_segment(&rig, true, FIN | ACK, 101, 501, "bye");
	expect_segment(&rig, true, RST, 105, 0, "");
	harness_close(&rig.harness);
}

static void test_originator_in_wait_gets_a_reset_that_acknowledges_its_syn(void **state)
{
	struct rig rig;

	open_rig(&rig);
	step = reset_both;
	segment(&rig, false, SYN, 100, 0, "");

	expect_segment(&rig, true, SYN, 100, 0, "");
	expect_segment(&rig, true, RST, 101, 0, "");
	expect_segment(&rig, false, RST | ACK, 0, 101, "");
	expect_nothing(&rig);
	harness_close(&rig.harness);
}

static void test_side_that_never_heard_of_it_is_not_reset(void **state)
{
	struct rig rig;

	open_rig(&rig);
	step = reset_both_and_block;
	segment(&rig, false, SYN, 100, 0, "");

	expect_segment(&rig, false, RST | ACK, 0, 101, "");
	expect_nothing(&rig);
	assert_int_equal(harness_balance(&rig.harness).generated, 1);
	harness_close(&rig.harness);
}

static void test_dropped_syn_ack_leaves_the_originator_waiting(void **state)
{
	struct rig rig;

	open_rig(&rig);
	segment(&rig, false, SYN, 100, 0, "");
	harness_drain(&rig.harness, true);
	step = reset_both_and_block;
	segment(&rig, true, SYN | ACK, 500, 101, "");

	expect_segment(&rig, true, RST, 101, 0, "");
	expect_segment(&rig, false, RST | ACK, 0, 101, "");
	expect_nothing(&rig);
	harness_close(&rig.harness);
}

static void test_held_bytes_are_not_reckoned(void **state)
{
	struct rig rig;

	open_rig(&rig);
	shake_hands(&rig);
	step = hold;
	segment(&rig, false, PSH | ACK, 101, 501, "first");
	expect_nothing(&rig);
	step = hold_and_reset_both;
	segment(&rig, false, PSH | ACK, 106, 501, "second");

	expect_segment(&rig, true, RST, 101, 0, "");
	expect_segment(&rig, false, RST, 501, 0, "");
	expect_nothing(&rig);
	harness_close(&rig.harness);
}

static void test_held_bytes_that_a_block_drops_are_not_reckoned(void **state)
{
	struct rig rig;

	open_rig(&rig);
	shake_hands(&rig);
	step = hold;
	segment(&rig, false, PSH | ACK, 101, 501, "first");
	step = reset_both_and_block;
	segment(&rig, false, PSH | ACK, 106, 501, "second");

	expect_segment(&rig, true, RST, 101, 0, "");
	harness_close(&rig.harness);
}

static void test_what_is_missing_in_a_stream_is_expected(void **state)
{
	struct rig rig;

	open_with(&rig, PACKET | STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA), NULL);
	shake_hands(&rig);
	segment(&rig, false, PSH | ACK, 106, 501, "second");
	harness_drain(&rig.harness, true);
	step = reset_both_and_block;
	segment(&rig, true, ACK, 501, 101, "");

	expect_segment(&rig, true, RST, 101, 0, "");
	harness_close(&rig.harness);
}

static void test_only_tcp_is_reset(void **state)
{
	struct rig rig;

	open_rig(&rig);
	step = reset_both;
	harness_send_datagram(&rig.harness, 1000, 80, "x", false);

	assert_int_equal(result, -EINVAL);
	assert_int_equal(harness_balance(&rig.harness).generated, 0);
	harness_close(&rig.harness);
}

// Payloads.

static size_t payload_length = 5;
static enum stellar_direction toward;

static void inject_some(struct session *session)
{
	static const uint8_t bytes[70000] = "other";

	result = inject_payload(session, toward, bytes, payload_length);
}

static void inject_two_and_reset(struct session *session)
{
	assert_int_equal(inject_payload(session, STELLAR_REVERSE, (const uint8_t *)"one", 3), 0);
	assert_int_equal(inject_payload(session, STELLAR_REVERSE, (const uint8_t *)"four", 4), 0);
	result = inject_rst(session, STELLAR_REVERSE);
	session_drop_current_packet(session);
}

static void test_payloads_follow_each_other_in_the_stream(void **state)
{
	struct rig rig;

	open_rig(&rig);
	shake_hands(&rig);
	step = inject_two_and_reset;
	segment(&rig, false, PSH | ACK, 101, 501, "get");

	assert_int_equal(result, 0);
	expect_segment(&rig, false, PSH | ACK, 501, 104, "one");
	expect_segment(&rig, false, PSH | ACK, 504, 104, "four");
	expect_segment(&rig, false, RST, 508, 0, "");
	expect_nothing(&rig);
	// What acknowledges them is inside the window.
	step = NULL;
	assert_int_equal(segment(&rig, false, ACK, 104, 508, "").disposition, 0);
	harness_close(&rig.harness);
}

static void expect_datagram(struct rig *rig, bool outside, const char *payload)
{
	struct sent sent;

	assert_true(pop(rig, outside, &sent));
	assert_int_equal(check_frame(&sent), 17);
	assert_int_equal(sent.length - (int)sent.transport - 8, strlen(payload));
	assert_memory_equal(sent.bytes + sent.transport + 8, payload, strlen(payload));
	assert_int_equal(read_u16(sent.bytes + sent.transport), outside ? 1000 : 53);
	assert_int_equal(sent.bytes[sent.ip + 12], outside ? 192 : 198);
	assert_int_equal(sent.bytes[outside ? 5 : 11], 1); // harness.c
}

static void test_datagrams_go_either_way(void **state)
{
	struct rig rig;

	open_rig(&rig);
	step = inject_some;
	toward = STELLAR_REVERSE;
	payload_length = 5;
	harness_send_datagram(&rig.harness, 1000, 53, "ask", false);
	expect_datagram(&rig, true, "ask");
	expect_datagram(&rig, false, "other");
	toward = STELLAR_FORWARD;
	harness_send_datagram(&rig.harness, 1000, 53, "answer", true);
	assert_int_equal(harness_drain(&rig.harness, false), 1);
	expect_datagram(&rig, true, "other");
	expect_nothing(&rig);
	harness_close(&rig.harness);
}

static void test_payload_that_does_not_fit_is_refused(void **state)
{
	struct rig rig;

	open_rig(&rig);
	step = inject_some;
	toward = STELLAR_REVERSE;
	payload_length = 65535 - 28;
	harness_send_datagram(&rig.harness, 1000, 53, "ask", false);
	assert_int_equal(result, 0);
	assert_int_equal(harness_drain(&rig.harness, false), 1);
	payload_length++;
	harness_send_datagram(&rig.harness, 1000, 53, "ask", false);
	assert_int_equal(result, -EMSGSIZE);
	payload_length = 65536;
	harness_send_datagram(&rig.harness, 1000, 53, "ask", false);
	assert_int_equal(result, -EINVAL);
	payload_length = 0;
	harness_send_datagram(&rig.harness, 1000, 53, "ask", false);
	assert_int_equal(result, -EINVAL);
	payload_length = 5;
	toward = BOTH;
	harness_send_datagram(&rig.harness, 1000, 53, "ask", false);
	assert_int_equal(result, -EINVAL);
	assert_int_equal(harness_balance(&rig.harness).generated, 1);
	harness_close(&rig.harness);
}

static void test_payload_waits_for_the_handshake_and_ends_with_a_fin(void **state)
{
	struct rig rig;

	open_rig(&rig);
	toward = STELLAR_FORWARD;
	payload_length = 5;
	step = inject_some;
	segment(&rig, false, SYN, 100, 0, "");
	assert_int_equal(result, -EINVAL);
	segment(&rig, true, SYN | ACK, 500, 101, "");
	assert_int_equal(result, -EINVAL);
	segment(&rig, false, ACK, 101, 501, "");
	assert_int_equal(result, 0);
	segment(&rig, false, FIN | ACK, 101, 501, "other");
	assert_int_equal(result, -EINVAL);
	harness_close(&rig.harness);
}

// RFC 7323 3.2: a receiver may drop what lacks them.
static void test_payload_has_the_timestamps_of_its_session(void **state)
{
	const struct engine_config config = careless(true);
	uint8_t frame[66] = {
		2,  0,	 0, 0,	0, 9,  2,  0,	0, 0,	0, 1,	8,    0,   0x45, 0,   0,
		52, 0,	 0, 0,	0, 64, 6,  0,	0, 192, 0, 2,	1,    198, 51,	 100, 2,
		3,  232, 0, 80, 0, 0,  0,  101, 0, 0,	1, 245, 0x80, ACK, 255,	 255, 0,
		0,  0,	 0, 1,	1, 8,  10, 0,	0, 7,	7, 0,	0,    5,   5,
	};
	struct rig rig;
	struct sent sent;

	open_with(&rig, PACKET, &config);
	shake_hands(&rig);
	step = inject_some;
	payload_length = 5;
	toward = STELLAR_REVERSE;
	harness_send(&rig.harness, frame, sizeof(frame), false);
	assert_int_equal(result, 0);
	assert_true(pop(&rig, false, &sent));
	assert_int_equal(check_frame(&sent), 6);
	const uint8_t *tcp = sent.bytes + sent.transport;

	assert_int_equal(tcp[12], 0x80);
	assert_memory_equal(tcp + 20, "\1\1\10\12\0\0\5\5\0\0\7\7other", 17);
	harness_drain(&rig.harness, true);
	toward = STELLAR_FORWARD;
	harness_send(&rig.harness, frame, sizeof(frame), false);
	assert_true(pop(&rig, true, &sent));
	assert_true(pop(&rig, true, &sent));
	check_frame(&sent);
	assert_memory_equal(sent.bytes + sent.transport + 20, "\1\1\10\12\0\0\7\7\0\0\5\5other",
			    17);
	harness_close(&rig.harness);
}

// On a tap verdicts are only remembered: what "drops" was seen by its receiver.
static void test_tap_reckons_with_what_it_would_drop(void **state)
{
	const struct engine_config config = careless(false);
	struct rig rig;

	open_with(&rig, PACKET, &config);
	shake_hands(&rig);
	step = reset_both_and_block;
	segment(&rig, false, PSH | ACK, 101, 501, "seven b");

	assert_int_equal(harness_drain(&rig.harness, false), 1);
	expect_segment(&rig, true, PSH | ACK, 101, 501, "seven b");
	expect_segment(&rig, true, RST, 108, 0, "");
	harness_close(&rig.harness);
}

static void test_packet_that_is_given_up_takes_its_own_with_it(void **state)
{
	struct rig rig;
	struct packet *packet;

	open_rig(&rig);
	step = inject_some;
	payload_length = 5;
	toward = STELLAR_REVERSE;
	harness_send_datagram(&rig.harness, 1000, 53, "x", false);
	uint8_t frame[64];
	int length = packet_io_memory_pop(rig.harness.outside, frame, sizeof(frame));

	packet_io_memory_push(rig.harness.inside, frame, (size_t)length, rig.harness.time_ns);
	assert_int_equal(worker_rx(rig.harness.worker, 0, &packet), 1);
	session_manager(rig.harness.worker, packet);
	plugin_manager(rig.harness.worker, packet);
	harness_close(&rig.harness);
	assert_int_equal(result, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resets_come_after_the_packet_with_the_numbers_expected),
		cmocka_unit_test(test_dropped_segment_is_not_reckoned),
		cmocka_unit_test(test_fin_counts_when_it_goes_on),
		cmocka_unit_test(test_originator_in_wait_gets_a_reset_that_acknowledges_its_syn),
		cmocka_unit_test(test_side_that_never_heard_of_it_is_not_reset),
		cmocka_unit_test(test_dropped_syn_ack_leaves_the_originator_waiting),
		cmocka_unit_test(test_held_bytes_are_not_reckoned),
		cmocka_unit_test(test_held_bytes_that_a_block_drops_are_not_reckoned),
		cmocka_unit_test(test_what_is_missing_in_a_stream_is_expected),
		cmocka_unit_test(test_only_tcp_is_reset),
		cmocka_unit_test(test_payloads_follow_each_other_in_the_stream),
		cmocka_unit_test(test_datagrams_go_either_way),
		cmocka_unit_test(test_payload_that_does_not_fit_is_refused),
		cmocka_unit_test(test_payload_waits_for_the_handshake_and_ends_with_a_fin),
		cmocka_unit_test(test_payload_has_the_timestamps_of_its_session),
		cmocka_unit_test(test_tap_reckons_with_what_it_would_drop),
		cmocka_unit_test(test_packet_that_is_given_up_takes_its_own_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
