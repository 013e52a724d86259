// SPDX-License-Identifier: Apache-2.0

// Packets that plugins hold: what waits, what leaves when, in which order, and that each is counted
// once. Datagrams of one session say what the plugins do: the first byte is for plugin a in small
// letters, for b in capitals (h: hold, outcome pass; d: hold, outcome drop; r, x: release, pass or
// drop; b: block; f: fail; t: take over), the second names the datagram.

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "harness.h"

#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define MS 1000000ull
#define PAYLOAD_AT 42
#define TCP_PAYLOAD_AT 54

struct rig {
	struct harness harness;
	struct harness_plugin plugins[2];
};

static int last_result;
static uint32_t hold_ms;
static char left_text[512];

static void act(struct session *session, char letter)
{
	struct verdict_request request = {.disposition = STELLAR_HOLD, .hold_ms = hold_ms};

	switch (letter) {
	case 'h':
	case 'd':
		request.hold_outcome = letter == 'h' ? STELLAR_PASS : 0;
		last_result = session_set_verdict(session, &request);
		break;
	case 'r':
		last_result = session_release(session, STELLAR_PASS);
		break;
	case 'x':
		last_result = session_release(session, STELLAR_DROP);
		break;
	case 'b':
		request = (struct verdict_request){.disposition = STELLAR_DROP, .block = true};
		last_result = session_set_verdict(session, &request);
		break;
	case 'f':
		pm_session_fail(session);
		break;
	case 't':
		last_result = pm_session_take_over(session);
		break;
	default:
		break;
	}
}

static void obey(struct harness *harness, struct session *session, void *context)
{
	const struct event *event = session_get_event(session);
	size_t length;
	const uint8_t *payload =
		event->packet != NULL ? packet_get_payload(event->packet, &length) : NULL;

	if (payload != NULL && length > 0 && pm_session_plugin_id(session) == 0 &&
	    islower(payload[0]))
		act(session, (char)payload[0]);
	if (payload != NULL && length > 0 && pm_session_plugin_id(session) == 1 &&
	    isupper(payload[0]))
		act(session, (char)tolower(payload[0]));
}

static struct engine_config config_of(bool is_inline)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = is_inline;
	config.session_capacity = 64;
	config.hash_seed[0] = 1;
	config.timeouts.udp_opening_sec = 10;
	config.timeouts.udp_active_sec = 10;
	return config;
}

static void open_rig(struct rig *rig, const struct engine_config *config)
{
	const struct engine_config defaults = config_of(true);

	last_result = 0;
	hold_ms = 0;
	harness_open(&rig->harness, config != NULL ? config : &defaults);
	harness_add_plugin(&rig->harness, &rig->plugins[0], "a", PACKET, obey);
	harness_add_plugin(&rig->harness, &rig->plugins[1], "b", PACKET, obey);
	harness_start(&rig->harness);
}

static struct verdict send(struct rig *rig, const char *payload)
{
	return harness_send_datagram(&rig->harness, 1000, 53, payload, false);
}

// The second bytes of what left by an end since the last time, in order.
static const char *left(struct rig *rig, bool outside)
{
	uint8_t frame[2048];
	size_t count = 0;
	int length;

	while ((length = packet_io_memory_pop(outside ? rig->harness.outside : rig->harness.inside,
					      frame, sizeof(frame))) > 0) {
		size_t at = frame[23] == 6 ? TCP_PAYLOAD_AT : PAYLOAD_AT;

		left_text[count++] = (size_t)length > at + 1 ? (char)frame[at + 1] : '-';
	}
	left_text[count] = '\0';
	return left_text;
}

// Time passes: a datagram of another session comes.
static void pass_time(struct rig *rig, uint64_t ms)
{
	rig->harness.time_ns += ms * MS;
	harness_send_datagram(&rig->harness, 2000, 53, "..", false);
}

static struct packet_stats expect_held(struct rig *rig, uint64_t count)
{
	struct packet_stats stats = harness_balance(&rig->harness);

	assert_int_equal(stats.held, count);
	return stats;
}

static void test_held_packet_stays_until_it_is_released(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	assert_int_equal(send(&rig, "h1").disposition, STELLAR_HOLD);
	expect_held(&rig, 1);
	assert_string_equal(left(&rig, true), "");
	send(&rig, "r2");

	assert_int_equal(last_result, 1);
	assert_string_equal(left(&rig, true), "12");
	assert_int_equal(expect_held(&rig, 0).forwarded, 2);
	harness_close(&rig.harness);
}

static void test_later_packets_of_the_same_way_wait_others_do_not(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	send(&rig, "h1");
	assert_int_equal(send(&rig, ".2").disposition, STELLAR_HOLD);
	harness_send_datagram(&rig.harness, 1000, 53, ".3", true);
	harness_send_datagram(&rig.harness, 1001, 53, ".4", false);

	assert_string_equal(left(&rig, false), "3");
	assert_string_equal(left(&rig, true), "4");
	expect_held(&rig, 2);
	harness_send_datagram(&rig.harness, 1000, 53, "r5", true);
	assert_string_equal(left(&rig, true), "12");
	assert_string_equal(left(&rig, false), "5");
	assert_int_equal(last_result, 1);
	harness_close(&rig.harness);
}

static void test_packet_leaves_when_both_holders_have_released_it(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	send(&rig, "h1");
	send(&rig, "H2");
	send(&rig, "r3");
	assert_string_equal(left(&rig, true), "1");
	expect_held(&rig, 2);
	send(&rig, "R4");
	assert_string_equal(left(&rig, true), "234");
	expect_held(&rig, 0);
	harness_close(&rig.harness);
}

static void hold_too(struct harness *harness, struct session *session, void *context)
{
	size_t length;

	if (packet_get_payload(session_get_event(session)->packet, &length)[0] == 'h')
		act(session, 'h');
	obey(harness, session, context);
}

static void test_one_packet_may_have_two_holders(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);
	rig.plugins[1].react = hold_too;

	send(&rig, "h1");
	send(&rig, "R2");
	assert_int_equal(last_result, 1);
	assert_string_equal(left(&rig, true), "");
	send(&rig, "r3");
	assert_string_equal(left(&rig, true), "123");
	harness_close(&rig.harness);
}

static void test_release_with_drop_drops_at_once_under_its_plugin(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	send(&rig, "H1");
	send(&rig, "h2");
	send(&rig, "x3");

	// 2 is gone; 3 waits for 1, as all of this way do.
	assert_int_equal(last_result, 1);
	assert_string_equal(left(&rig, true), "");
	assert_int_equal(expect_held(&rig, 2).dropped[STELLAR_DROPPED_PLUGIN], 1);
	send(&rig, "R4");
	assert_string_equal(left(&rig, true), "134");
	harness_close(&rig.harness);
}

static void hold_and_release(struct harness *harness, struct session *session, void *context)
{
	size_t length;
	char letter = (char)packet_get_payload(session_get_event(session)->packet, &length)[0];

	act(session, 'h');
	act(session, letter);
}

static void test_packet_in_hand_can_be_released_too(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);
	rig.plugins[0].react = hold_and_release;

	assert_int_equal(send(&rig, "r1").disposition, STELLAR_PASS);
	assert_int_equal(last_result, 1);
	struct verdict verdict = send(&rig, "x2");

	assert_int_equal(verdict.disposition, STELLAR_DROP);
	assert_int_equal(verdict.disposition_plugin_id, 0);
	assert_string_equal(left(&rig, true), "1");
	expect_held(&rig, 0);
	harness_close(&rig.harness);
}

static void test_time_ends_a_hold_with_its_outcome(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	hold_ms = 50;
	send(&rig, "h1"); // at 0 ms
	send(&rig, "d2"); // at 1 ms
	send(&rig, ".3");
	rig.harness.time_ns -= 3 * MS;
	pass_time(&rig, 49);
	assert_string_equal(left(&rig, true), ".");
	rig.harness.time_ns -= MS;
	pass_time(&rig, 1);
	assert_string_equal(left(&rig, true), "1.");
	assert_int_equal(expect_held(&rig, 2).dropped[STELLAR_DROPPED_HOLD_EXPIRED], 0);
	rig.harness.time_ns -= MS;
	pass_time(&rig, 1);
	assert_string_equal(left(&rig, true), "3.");
	assert_int_equal(expect_held(&rig, 0).dropped[STELLAR_DROPPED_HOLD_EXPIRED], 1);
	harness_close(&rig.harness);
}

static void test_a_second_is_what_zero_means_and_a_minute_the_most(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	send(&rig, "h1");
	rig.harness.time_ns -= MS;
	pass_time(&rig, 999);
	assert_string_equal(left(&rig, true), ".");
	rig.harness.time_ns -= MS;
	pass_time(&rig, 1);
	assert_string_equal(left(&rig, true), "1.");
	hold_ms = STELLAR_HOLD_MAX_MS + 1;
	assert_int_equal(send(&rig, "h2").disposition, STELLAR_CONTINUE);
	assert_int_equal(last_result, -EINVAL);
	harness_close(&rig.harness);
}

static void hold_with_both_outcomes(struct harness *harness, struct session *session, void *context)
{
	obey(harness, session, context);
	hold_too(harness, session, context);
	act(session, session_get_verdict(session)->disposition == STELLAR_HOLD ? 'h' : '.');
}

static void test_holding_again_never_weakens(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);
	rig.plugins[0].react = hold_with_both_outcomes;

	hold_ms = 10;
	send(&rig, "d1");
	pass_time(&rig, 20);
	assert_string_equal(left(&rig, true), ".");
	assert_int_equal(expect_held(&rig, 0).dropped[STELLAR_DROPPED_HOLD_EXPIRED], 1);
	harness_close(&rig.harness);
}

static void test_release_before_time_leaves_no_timer_behind(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	hold_ms = 10;
	send(&rig, "d1");
	send(&rig, "r2");
	hold_ms = 1000;
	send(&rig, "h3"); // the same place
	assert_string_equal(left(&rig, true), "12");
	pass_time(&rig, 20);
	assert_string_equal(left(&rig, true), ".");
	expect_held(&rig, 1);
	harness_close(&rig.harness);
}

static void test_end_of_the_session_gives_the_outcome(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	hold_ms = 60000;
	send(&rig, "h1");
	send(&rig, "d2");
	send(&rig, ".3");
	pass_time(&rig, 10001); // idle too long

	assert_string_equal(left(&rig, true), "13.");
	assert_int_equal(expect_held(&rig, 0).dropped[STELLAR_DROPPED_HOLD_EXPIRED], 1);
	harness_close(&rig.harness);
}

static void test_shutdown_gives_the_outcome(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	send(&rig, "h1");
	send(&rig, "d2");
	send(&rig, ".3");
	worker_finish(rig.harness.worker);
	rig.harness.worker = NULL;

	assert_string_equal(left(&rig, true), "13");
	assert_int_equal(expect_held(&rig, 0).dropped[STELLAR_DROPPED_HOLD_EXPIRED], 1);
	harness_close(&rig.harness);
}

static void test_handing_over_drops_what_is_held(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	send(&rig, "h1");
	send(&rig, ".2");
	atomic_store(&rig.harness.engine->hand_over, true);
	worker_finish(rig.harness.worker);
	rig.harness.worker = NULL;

	assert_string_equal(left(&rig, true), "");
	assert_int_equal(expect_held(&rig, 0).dropped[STELLAR_DROPPED_SHUTDOWN], 2);
	harness_close(&rig.harness);
}

static void test_blocked_session_drops_what_it_holds(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	send(&rig, "h1");
	send(&rig, ".2");
	assert_int_equal(send(&rig, "B3").drop_reason, STELLAR_DROPPED_PLUGIN);

	struct packet_stats stats = expect_held(&rig, 0);

	assert_string_equal(left(&rig, true), "");
	assert_int_equal(stats.dropped[STELLAR_DROPPED_BLOCKED_SESSION], 2);
	assert_int_equal(stats.dropped[STELLAR_DROPPED_PLUGIN], 1);
	harness_close(&rig.harness);
}

static void drop_all(struct harness *harness, struct session *session, void *context)
{
	session_drop_current_packet(session);
}

static void test_drop_of_another_beats_the_hold(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);
	rig.plugins[1].react = drop_all;

	struct verdict verdict = send(&rig, "h1");

	assert_int_equal(verdict.disposition, STELLAR_DROP);
	assert_int_equal(verdict.disposition_plugin_id, 1);
	expect_held(&rig, 0);
	send(&rig, "r2");
	assert_int_equal(last_result, 0);
	harness_close(&rig.harness);
}

static void test_failed_plugin_that_fails_closed_drops_what_is_held(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);
	rig.plugins[1].plugin.fail_action = STELLAR_FAIL_CLOSED;

	send(&rig, "h1");
	send(&rig, "F2");

	assert_string_equal(left(&rig, true), "");
	assert_int_equal(expect_held(&rig, 0).dropped[STELLAR_DROPPED_BLOCKED_SESSION], 1);
	harness_close(&rig.harness);
}

static void test_hold_of_another_refuses_take_over(void **state)
{
	struct rig rig;

	open_rig(&rig, NULL);

	send(&rig, "h1");
	send(&rig, "T2");
	assert_int_equal(last_result, -EACCES);
	send(&rig, "t3");
	assert_int_equal(last_result, 0);
	harness_close(&rig.harness);
}

static void test_limits_drop_what_is_too_much(void **state)
{
	struct engine_config config = config_of(true);
	struct rig rig;

	config.limits.hold_frames = 3;
	config.limits.hold_session = 2;
	open_rig(&rig, &config);

	send(&rig, "h1");
	send(&rig, ".2");
	struct verdict verdict = send(&rig, ".3");

	assert_int_equal(verdict.disposition, STELLAR_DROP);
	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_HOLD_LIMIT);
	assert_int_equal(verdict.disposition_plugin_id, STELLAR_PLUGIN_NONE);
	harness_send_datagram(&rig.harness, 1001, 53, "h4", false);
	verdict = harness_send_datagram(&rig.harness, 1002, 53, "h5", false);
	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_HOLD_LIMIT);
	assert_int_equal(verdict.disposition_plugin_id, 0);
	assert_int_equal(expect_held(&rig, 3).dropped[STELLAR_DROPPED_HOLD_LIMIT], 2);
	send(&rig, "r6");
	assert_string_equal(left(&rig, true), "126");
	send(&rig, ".7");
	harness_send_datagram(&rig.harness, 1002, 53, "h8", false);
	assert_string_equal(left(&rig, true), "7");
	expect_held(&rig, 2);
	harness_close(&rig.harness);
}

static void test_tap_only_records_the_verdict(void **state)
{
	struct engine_config config = config_of(false);
	struct rig rig;

	open_rig(&rig, &config);

	assert_int_equal(send(&rig, "h1").disposition, STELLAR_HOLD);
	assert_int_equal(send(&rig, ".2").disposition, STELLAR_CONTINUE);
	assert_string_equal(left(&rig, true), "12");
	send(&rig, "r3");
	assert_int_equal(last_result, 0);
	expect_held(&rig, 0);
	harness_close(&rig.harness);
}

static void test_packet_that_is_not_enqueued_is_not_held(void **state)
{
	struct rig rig;
	struct packet *packet;

	open_rig(&rig, NULL);

	send(&rig, "h1");
	left(&rig, true);
	// The same frame once more, and its caller forgets it.
	uint8_t frame[44] = {[0] = 2, [12] = 8, [14] = 0x45, [17] = 30, [22] = 64, [23] = 17};

	memcpy(frame + 26, (const uint8_t[]){192, 0, 2, 1, 198, 51, 100, 2}, 8);
	memcpy(frame + 34, (const uint8_t[]){1000 >> 8, 1000 & 255, 0, 53, 0, 10, 0, 0}, 8);
	memcpy(frame + 42, "h2", 2);
	rig.harness.engine->config.verify_checksums = false;
	packet_io_memory_push(rig.harness.inside, frame, sizeof(frame), rig.harness.time_ns);
	assert_int_equal(worker_rx(rig.harness.worker, 0, &packet), 1);
	session_manager(rig.harness.worker, packet);
	plugin_manager(rig.harness.worker, packet);
	assert_int_equal(packet_get_verdict(packet)->disposition, STELLAR_HOLD);
	assert_int_equal(worker_rx(rig.harness.worker, 0, &packet), 0);

	assert_int_equal(expect_held(&rig, 1).dropped[STELLAR_DROPPED_NO_EGRESS], 1);
	send(&rig, "r3");
	assert_string_equal(left(&rig, true), "13");
	harness_close(&rig.harness);
}

static void release_in_closing(struct harness *harness, struct session *session, void *context)
{
	if (session_get_event(session)->type == STELLAR_EVENT_SESSION_CLOSING)
		act(session, 'x');
	else
		obey(harness, session, context);
}

static void test_callback_without_a_packet_releases_at_once(void **state)
{
	const struct engine_config config = config_of(true);
	struct rig rig;

	last_result = 0;
	hold_ms = 0;
	harness_open(&rig.harness, &config);
	harness_add_plugin(&rig.harness, &rig.plugins[0], "a", PACKET | CLOSING,
			   release_in_closing);
	harness_start(&rig.harness);

	hold_ms = 60000;
	send(&rig, "h1");
	send(&rig, ".2");
	pass_time(&rig, 10001);

	assert_int_equal(last_result, 1);
	assert_string_equal(left(&rig, true), "2.");
	assert_int_equal(expect_held(&rig, 0).dropped[STELLAR_DROPPED_PLUGIN], 1);
	harness_close(&rig.harness);
}

static void test_out_of_range_is_refused(void **state)
{
	struct rig rig;
	struct verdict_request request = {.disposition = STELLAR_HOLD,
					  .hold_outcome = STELLAR_HOLD};
	struct session session;

	open_rig(&rig, NULL);
	send(&rig, ".1");
	session_view(rig.harness.worker, 1, &session);

	assert_int_equal(session_set_verdict(&session, &request), -EINVAL);
	assert_int_equal(session_release(&session, STELLAR_PASS), -EINVAL);
	harness_close(&rig.harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_packet_stays_until_it_is_released),
		cmocka_unit_test(test_later_packets_of_the_same_way_wait_others_do_not),
		cmocka_unit_test(test_packet_leaves_when_both_holders_have_released_it),
		cmocka_unit_test(test_one_packet_may_have_two_holders),
		cmocka_unit_test(test_release_with_drop_drops_at_once_under_its_plugin),
		cmocka_unit_test(test_packet_in_hand_can_be_released_too),
		cmocka_unit_test(test_time_ends_a_hold_with_its_outcome),
		cmocka_unit_test(test_a_second_is_what_zero_means_and_a_minute_the_most),
		cmocka_unit_test(test_holding_again_never_weakens),
		cmocka_unit_test(test_release_before_time_leaves_no_timer_behind),
		cmocka_unit_test(test_end_of_the_session_gives_the_outcome),
		cmocka_unit_test(test_shutdown_gives_the_outcome),
		cmocka_unit_test(test_handing_over_drops_what_is_held),
		cmocka_unit_test(test_blocked_session_drops_what_it_holds),
		cmocka_unit_test(test_drop_of_another_beats_the_hold),
		cmocka_unit_test(test_failed_plugin_that_fails_closed_drops_what_is_held),
		cmocka_unit_test(test_hold_of_another_refuses_take_over),
		cmocka_unit_test(test_limits_drop_what_is_too_much),
		cmocka_unit_test(test_tap_only_records_the_verdict),
		cmocka_unit_test(test_packet_that_is_not_enqueued_is_not_held),
		cmocka_unit_test(test_callback_without_a_packet_releases_at_once),
		cmocka_unit_test(test_out_of_range_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
