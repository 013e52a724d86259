// SPDX-License-Identifier: Apache-2.0

// Injected packets: how many, what is refused, ICMP errors, and link layers.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <stellar/inject.h>

#include "engine/worker.h"
#include "inject_rig.h"

static void inject_too_many(struct session *session)
{
	for (int i = 0; i < STELLAR_INJECT_MAX - 1; i++)
		assert_int_equal(inject_payload(session, STELLAR_REVERSE, (const uint8_t *)"x", 1),
				 0);
	assert_int_equal(inject_rst(session, BOTH), -ENOSPC);
	assert_int_equal(inject_rst(session, STELLAR_FORWARD), 0);
	assert_int_equal(inject_payload(session, STELLAR_FORWARD, (const uint8_t *)"x", 1),
			 -ENOSPC);
	result = inject_icmp(session, 3, 13);
}

static void test_packets_beyond_the_limit_are_refused(void **state)
{
	struct rig rig;

	open_rig(&rig);
	shake_hands(&rig);
	step = inject_too_many;
	segment(&rig, false, ACK, 101, 501, "");

	assert_int_equal(result, -ENOSPC);
	assert_int_equal(harness_drain(&rig.harness, false), STELLAR_INJECT_MAX - 1);
	assert_int_equal(harness_drain(&rig.harness, true), 2);
	assert_int_equal(harness_balance(&rig.harness).generated, STELLAR_INJECT_MAX);
	harness_close(&rig.harness);
}

static void inject_too_long(struct session *session)
{
	static const uint8_t bytes[STELLAR_INJECT_BYTES_MAX];
	size_t longest = engine_get_frame_max(session->worker->engine, 0);

	assert_int_equal(inject_frame(session, STELLAR_REVERSE, bytes, longest + 1), -EMSGSIZE);
	assert_int_equal(inject_frame(session, STELLAR_REVERSE, bytes, longest), 0);
	assert_int_equal(inject_frame(session, STELLAR_FORWARD, bytes,
				      STELLAR_INJECT_BYTES_MAX - longest + 1),
			 -ENOSPC);
	result = inject_frame(session, STELLAR_FORWARD, bytes, STELLAR_INJECT_BYTES_MAX - longest);
}

static void test_bytes_beyond_the_limit_are_refused(void **state)
{
	struct rig rig;

	open_rig(&rig);
	step = inject_too_long;
	harness_send_datagram(&rig.harness, 1000, 53, "x", false);

	assert_int_equal(result, 0);
	assert_int_equal(harness_drain(&rig.harness, false), 1);
	assert_int_equal(harness_drain(&rig.harness, true), 2);
	harness_close(&rig.harness);
}

static struct session *kept;

static void keep_session(struct session *session)
{
	kept = session;
}

static void test_nothing_is_injected_outside_of_a_callback(void **state)
{
	struct rig rig;

	open_rig(&rig);
	step = keep_session;
	harness_send_datagram(&rig.harness, 1000, 53, "x", false);

	assert_int_equal(inject_frame(kept, STELLAR_FORWARD, (const uint8_t *)"frame", 5), -EINVAL);
	assert_int_equal(inject_payload(kept, STELLAR_FORWARD, (const uint8_t *)"frame", 5),
			 -EINVAL);
	assert_int_equal(inject_icmp(kept, 3, 1), -EINVAL);
	harness_close(&rig.harness);
}

static void inject_when_closing(struct session *session)
{
	if (session_get_event(session)->type != STELLAR_EVENT_SESSION_CLOSING)
		return;
	assert_int_equal(inject_rst(session, STELLAR_FORWARD), -EINVAL);
	assert_int_equal(inject_icmp(session, 3, 1), -EINVAL);
	assert_int_equal(inject_payload(session, STELLAR_FORWARD, (const uint8_t *)"x", 1),
			 -EINVAL);
	assert_int_equal(inject_frame(session, STELLAR_FORWARD, NULL, 0), -EINVAL);
	result = inject_frame(session, STELLAR_FORWARD, (const uint8_t *)"a whole frame", 13);
	assert_int_equal(inject_frame(session, STELLAR_REVERSE, (const uint8_t *)"frame", 5), 0);
}

static void test_frames_leave_without_a_packet_in_hand(void **state)
{
	struct rig rig;
	struct sent sent;

	open_with(&rig, PACKET | CLOSING, NULL);
	step = inject_when_closing;
	harness_send_datagram(&rig.harness, 1000, 53, "x", false);
	harness_drain(&rig.harness, true);
	worker_finish(rig.harness.worker);

	assert_int_equal(result, 0);
	assert_true(pop(&rig, true, &sent));
	assert_int_equal(sent.length, 13);
	assert_memory_equal(sent.bytes, "a whole frame", 13);
	assert_true(pop(&rig, false, &sent));
	assert_int_equal(sent.length, 5);
	expect_nothing(&rig);
	assert_int_equal(harness_balance(&rig.harness).generated, 2);
	harness_close(&rig.harness);
}

// ICMP errors, and link layers.

static uint8_t icmp_type;
static uint8_t icmp_code;

static void inject_error(struct session *session)
{
	result = inject_icmp(session, icmp_type, icmp_code);
}

static int error_of(struct rig *rig, uint8_t type, uint8_t code)
{
	icmp_type = type;
	icmp_code = code;
	step = inject_error;
	harness_send_datagram(&rig->harness, 1000, 53, "quoted", false);
	return result;
}

static void test_icmp_errors_quote_the_packet(void **state)
{
	struct rig rig;
	struct sent sent;

	open_rig(&rig);
	assert_int_equal(error_of(&rig, 11, 1), 0);
	assert_true(pop(&rig, false, &sent));
	assert_int_equal(check_frame(&sent), 1);
	const uint8_t *icmp = sent.bytes + sent.transport;

	assert_int_equal(icmp[0], 11);
	assert_int_equal(icmp[1], 1);
	assert_int_equal(read_u32(icmp + 4), 0);
	assert_int_equal(icmp[8], 0x45);
	assert_memory_equal(icmp + 8 + 28, "quoted", 6);
	assert_memory_equal(sent.bytes + sent.ip + 12, "\xc6\x33\x64\x02\xc0\x00\x02\x01", 8);
	harness_close(&rig.harness);
}

static void test_only_errors_that_say_nothing_else_are_injected(void **state)
{
	static const uint8_t refused[][2] = {{0, 0}, {3, 4},  {3, 16}, {4, 0}, {5, 0},
					     {8, 0}, {11, 2}, {12, 0}, {1, 0}, {255, 255}};
	struct rig rig;

	open_rig(&rig);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(error_of(&rig, refused[i][0], refused[i][1]), -EINVAL);
	assert_int_equal(error_of(&rig, 3, 0), 0);
	assert_int_equal(error_of(&rig, 3, 15), 0);
	assert_int_equal(error_of(&rig, 11, 0), 0);
	assert_int_equal(harness_balance(&rig.harness).generated, 3);
	harness_close(&rig.harness);
}

// UDP over IPv6 behind two tags, "hello" of port 1000 to 53; no checksum is right in it.
static const uint8_t tagged[] = {
	2,    0,    0,	 0,    0,    9,	   2,	 0,    0, 0, 0,	  1,   0x88, 0xa8, 0,
	100,  0x81, 0,	 0,    7,    0x86, 0xdd, 0x60, 0, 0, 0,	  0,   13,   17,   9,
	0x20, 1,    0xd, 0xb8, 0,    0,	   0,	 0,    0, 0, 0,	  0,   0,    0,	   0,
	1,    0x20, 1,	 0xd,  0xb8, 0,	   0,	 0,    0, 0, 0,	  0,   0,    0,	   0,
	0,    2,    0x3, 0xe8, 0,    53,   0,	 13,   0, 0, 'h', 'e', 'l',  'l',  'o',
};

static void answer_all(struct session *session)
{
	assert_int_equal(inject_payload(session, STELLAR_REVERSE, (const uint8_t *)"odd", 3), 0);
	assert_int_equal(inject_payload(session, STELLAR_FORWARD, (const uint8_t *)"odd", 3), 0);
	assert_int_equal(inject_icmp(session, 2, 0), -EINVAL);
	assert_int_equal(inject_icmp(session, 3, 13), -EINVAL);
	result = inject_icmp(session, 1, 4);
}

static void test_tags_and_addresses_are_those_of_the_packet(void **state)
{
	const struct engine_config config = careless(true);
	struct rig rig;
	struct sent sent;

	open_with(&rig, PACKET, &config);
	step = answer_all;
	harness_send(&rig.harness, tagged, sizeof(tagged), false);
	assert_int_equal(result, 0);
	assert_true(pop(&rig, true, &sent));
	assert_true(pop(&rig, true, &sent));
	assert_int_equal(check_frame(&sent), 17);
	assert_memory_equal(sent.bytes, tagged, 22);
	assert_memory_equal(sent.bytes + 30, tagged + 30, 32);
	assert_true(pop(&rig, false, &sent));
	assert_int_equal(check_frame(&sent), 17);
	assert_memory_equal(sent.bytes, tagged + 6, 6);
	assert_memory_equal(sent.bytes + 6, tagged, 6);
	assert_memory_equal(sent.bytes + 12, tagged + 12, 10);
	assert_memory_equal(sent.bytes + 30, tagged + 46, 16);
	assert_true(pop(&rig, false, &sent));
	assert_int_equal(check_frame(&sent), 58);
	assert_int_equal(sent.bytes[sent.transport], 1);
	assert_int_equal(sent.bytes[sent.transport + 1], 4);
	assert_memory_equal(sent.bytes + sent.transport + 8, tagged + 22, sizeof(tagged) - 22);
	expect_nothing(&rig);
	harness_close(&rig.harness);
}

static int results[3];

static void try_all(struct session *session)
{
	results[0] = inject_payload(session, STELLAR_FORWARD, (const uint8_t *)"odd", 3);
	results[1] = inject_payload(session, STELLAR_REVERSE, (const uint8_t *)"odd", 3);
	results[2] = inject_icmp(
		session, packet_get_ip_version(session_get_event(session)->packet) == 4 ? 3 : 1, 1);
	result = inject_frame(session, STELLAR_FORWARD, (const uint8_t *)"frame", 5);
}

static void expect_refused(const uint8_t *frame, size_t length, int payloads, int error)
{
	const struct engine_config config = careless(true);
	struct rig rig;

	open_with(&rig, PACKET, &config);
	step = try_all;
	harness_send(&rig.harness, frame, length, false);
	assert_int_equal(results[0], payloads);
	assert_int_equal(results[1], payloads);
	assert_int_equal(results[2], error);
	assert_int_equal(result, 0);
	harness_close(&rig.harness);
}

// IPv4 in IPv4 (protocol 4).
static const uint8_t tunneled[] = {
	2,  0, 0, 0,  0,  9, 2, 0,  0, 0,   0, 1,    8, 0,  0x45, 0, 0,	  53,  0,   0,	 0,   0, 64,
	4,  0, 0, 10, 0,  0, 1, 10, 0, 0,   2, 0x45, 0, 0,  33,	  0, 0,	  0,   0,   64,	 17,  0, 0,
	10, 1, 0, 1,  10, 1, 0, 2,  3, 232, 0, 53,   0, 13, 0,	  0, 'h', 'e', 'l', 'l', 'o',
};

static void test_what_came_in_a_tunnel_is_refused(void **state)
{
	expect_refused(tunneled, sizeof(tunneled), -EOPNOTSUPP, -EOPNOTSUPP);
}

static void test_groups_are_refused(void **state)
{
	uint8_t frame[sizeof(tagged)];

	memcpy(frame, tagged, sizeof(frame));
	frame[0] |= 1;
	expect_refused(frame, sizeof(frame), -EOPNOTSUPP, -EOPNOTSUPP);
	memcpy(frame, tagged, sizeof(frame));
	frame[46] = 0xff;
	expect_refused(frame, sizeof(frame), -EOPNOTSUPP, -EPERM);
}

// An ICMP echo request is answered by an error, an error is not.
static void test_no_error_answers_an_error(void **state)
{
	const struct engine_config config = careless(true);
	uint8_t error[] = {
		2, 0,  0, 0, 0, 9,  2, 0, 0, 0,	 0, 1, 8, 0, 0x45, 0, 0, 28, 0, 0, 0,
		0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 8, 0,	   0, 0, 0,  1, 0, 1,
	};
	struct rig rig;

	open_with(&rig, PACKET, &config);
	step = inject_error;
	icmp_type = 3;
	icmp_code = 1;
	harness_send(&rig.harness, error, sizeof(error), false);
	assert_int_equal(result, 0);
	// The error quotes a datagram of a session there is.
	harness_send_datagram(&rig.harness, 1000, 53, "x", false);
	harness_drain(&rig.harness, false);
	harness_drain(&rig.harness, true);
	uint8_t about[14 + 20 + 8 + 28] = {
		2,   0, 0, 0, 0,   9,  2,    0, 0,   0,	  0,   1,  8,	0, 0x45, 0,  0, 56,
		0,   0, 0, 0, 64,  1,  0,    0, 198, 51,  100, 2,  192, 0, 2,	 1,  3, 3,
		0,   0, 0, 0, 0,   0,  0x45, 0, 0,   29,  0,   0,  0,	0, 64,	 17, 0, 0,
		192, 0, 2, 1, 198, 51, 100,  2, 3,   232, 0,   53, 0,	9, 0,	 0,
	};

	result = 1;
	harness_send(&rig.harness, about, sizeof(about), true);
	assert_int_equal(result, -EPERM);
	assert_int_equal(harness_balance(&rig.harness).generated, 2);
	harness_close(&rig.harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_beyond_the_limit_are_refused),
		cmocka_unit_test(test_bytes_beyond_the_limit_are_refused),
		cmocka_unit_test(test_nothing_is_injected_outside_of_a_callback),
		cmocka_unit_test(test_frames_leave_without_a_packet_in_hand),
		cmocka_unit_test(test_icmp_errors_quote_the_packet),
		cmocka_unit_test(test_only_errors_that_say_nothing_else_are_injected),
		cmocka_unit_test(test_tags_and_addresses_are_those_of_the_packet),
		cmocka_unit_test(test_what_came_in_a_tunnel_is_refused),
		cmocka_unit_test(test_groups_are_refused),
		cmocka_unit_test(test_no_error_answers_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
