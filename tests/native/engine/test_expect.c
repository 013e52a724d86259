// SPDX-License-Identifier: Apache-2.0

// Announced sessions: they arrive as children, or the announcement ends some other way, counted.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/expect.h>

#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define DATA STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)
#define CHILD STELLAR_EVENT_BIT(STELLAR_EVENT_CHILD_OPENING)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define SECOND_NS 1000000000ull
#define UDP 17

static struct session_stats stats_of(const struct harness *harness)
{
	struct session_stats stats;

	engine_get_session_stats(harness->engine, &stats);
	assert_int_equal(stats.expectations_announced,
			 stats.expectations_met + stats.expectations_expired + stats.expectations);
	return stats;
}

// What a TFTP server answers with: from a port of its own to where the question came from.
static int expect_answer(struct session *session, uint32_t timeout_ms)
{
	struct packet_endpoint originator;
	struct packet_endpoint responder;

	session_get_responder(session, &originator);
	session_get_originator(session, &responder);
	originator.port = 0;
	return expect_session(session, UDP, &originator, &responder, timeout_ms);
}

static void announce_to_tftp(struct harness *harness, struct session *session, void *context)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	if (session_get_event(session)->type == STELLAR_EVENT_UDP_DATA && responder.port == 69)
		assert_int_equal(expect_answer(session, 5000), 0);
}

static void test_announced_session_opens_as_a_child(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING | DATA | CHILD | CLOSING,
			   announce_to_tftp);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 69, "read", false);
	harness_send_datagram(&harness, 1000, 7777, "data", true);

	assert_string_equal(harness.log, "a:session_opening a:udp_data "
					 "a:session_opening a:child_opening a:udp_data ");
	assert_int_equal(stats_of(&harness).children, 1);
	assert_int_equal(stats_of(&harness).expectations_met, 1);
	assert_int_equal(stats_of(&harness).expectations, 0);
	harness_close(&harness);
}

static void test_announcement_is_met_once(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", DATA, announce_to_tftp);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 69, "read", false);
	harness_send_datagram(&harness, 1000, 7777, "data", true);
	harness_send_datagram(&harness, 1000, 7778, "data", true);

	assert_int_equal(stats_of(&harness).children, 1);
	assert_int_equal(stats_of(&harness).created, 3);
	harness_close(&harness);
}

static void test_announcement_ends_with_its_time(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", DATA, announce_to_tftp);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 69, "read", false);
	harness.time_ns += 5 * SECOND_NS;
	harness_send_datagram(&harness, 1000, 7777, "data", true);

	assert_int_equal(stats_of(&harness).children, 0);
	assert_int_equal(stats_of(&harness).expectations_expired, 1);
	harness_close(&harness);
}

static void test_announcement_ends_with_its_session(void **state)
{
	struct engine_config config;
	struct harness harness;
	struct harness_plugin plugin;

	engine_config_init(&config);
	config.is_inline = true;
	config.timeouts.udp_opening_sec = 2;
	harness_open(&harness, &config);
	harness_add_plugin(&harness, &plugin, "a", DATA, announce_to_tftp);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 69, "read", false);
	harness.time_ns += 3 * SECOND_NS;
	harness_send_datagram(&harness, 1000, 7777, "data", true);

	assert_int_equal(stats_of(&harness).children, 0);
	assert_int_equal(stats_of(&harness).expectations_expired, 1);
	harness_close(&harness);
}

static void announce_and_block(struct harness *harness, struct session *session, void *context)
{
	announce_to_tftp(harness, session, context);
	if (session_get_event(session)->type == STELLAR_EVENT_UDP_DATA)
		assert_int_equal(session_reject(session, STELLAR_REPLY_NONE), 0);
}

static void test_denied_session_gets_no_children(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", DATA, announce_and_block);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 69, "read", false);
	harness_send_datagram(&harness, 1000, 7777, "data", true);

	assert_int_equal(stats_of(&harness).children, 0);
	assert_int_equal(stats_of(&harness).expectations_expired, 1);
	harness_close(&harness);
}

static void announce_too_much(struct harness *harness, struct session *session, void *context)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	for (responder.port = 1; responder.port <= 3; responder.port++)
		assert_int_equal(expect_session(session, UDP, NULL, &responder, 1000),
				 responder.port <= 2 ? 0 : -ENOSPC);
	assert_int_equal(expect_session(session, 1, NULL, &responder, 1000), -EINVAL);
}

static void test_limit_of_a_session_is_counted(void **state)
{
	struct engine_config config;
	struct harness harness;
	struct harness_plugin plugin;

	engine_config_init(&config);
	config.is_inline = true;
	config.limits.expectations_session = 2;
	harness_open(&harness, &config);
	harness_add_plugin(&harness, &plugin, "a", DATA, announce_too_much);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 69, "read", false);

	assert_int_equal(stats_of(&harness).expectations_announced, 2);
	assert_int_equal(stats_of(&harness).expectations_refused, 1);
	harness_close(&harness);
	assert_int_equal(plugin.frees, 1);
}

static void announce_when_it_closes(struct harness *harness, struct session *session, void *context)
{
	if (session_get_event(session)->type == STELLAR_EVENT_SESSION_CLOSING)
		assert_int_equal(expect_answer(session, 1000), -EINVAL);
}

static void test_closing_session_announces_nothing(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", DATA | CLOSING, announce_when_it_closes);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 69, "read", false);
	harness.time_ns += 3600 * SECOND_NS;
	harness_send_datagram(&harness, 1000, 69, "read", false);

	assert_string_equal(harness.log, "a:udp_data a:session_closing a:udp_data ");
	assert_int_equal(stats_of(&harness).expectations_announced, 0);
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announced_session_opens_as_a_child),
		cmocka_unit_test(test_announcement_is_met_once),
		cmocka_unit_test(test_announcement_ends_with_its_time),
		cmocka_unit_test(test_announcement_ends_with_its_session),
		cmocka_unit_test(test_denied_session_gets_no_children),
		cmocka_unit_test(test_limit_of_a_session_is_counted),
		cmocka_unit_test(test_closing_session_announces_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
