// SPDX-License-Identifier: Apache-2.0

// What a plugin holds of a session (lease, lock, consent to bypass, its context), and every way in
// which that ends.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define DATA STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define SECOND_NS 1000000000ull

static bool is_event(const struct session *session, enum stellar_event event)
{
	return session_get_event(session)->type == event;
}

static struct plugin_stats stats_of(struct harness *harness, size_t position)
{
	struct plugin_stats stats[HARNESS_PLUGINS_MAX];

	engine_get_plugin_stats(harness->engine, stats, HARNESS_PLUGINS_MAX);
	return stats[position];
}

static void open_with_long_timeouts(struct harness *harness)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = true;
	config.session_capacity = 64;
	config.timeouts.udp_opening_sec = 3600;
	config.hash_seed[0] = 1;
	harness_open(harness, &config);
}

static int take_over_in_init(struct session *session, void *context)
{
	*(uint64_t *)context = 1;
	return pm_session_take_over(session);
}

static void take_over_in_free(struct session *session, void *context)
{
	assert_int_equal(pm_session_take_over(session), -EINVAL);
	assert_int_equal(session_lock(session, pm_session_plugin_id(session)), -EINVAL);
}

static void detach_me(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(pm_session_detach_me(session), 0);
}

static void test_plugin_that_was_detached_cannot_take_over_while_it_lets_go(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING, detach_me);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET, NULL);
	plugins[0].plugin.context_free = take_over_in_free;
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "a:session_opening b:session_packet ");
	harness_close(&harness);
}

static void detach_then_take_over(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(pm_session_detach_me(session), 0);
	pm_session_take_over(session);
	session_lock(session, pm_session_plugin_id(session));
}

static void expect_no_lock(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(session_lock(session, pm_session_plugin_id(session)), 0);
}

static void test_plugin_that_detaches_leaves_no_lease_and_no_lock_behind(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING, detach_then_take_over);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET, expect_no_lock);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "a:session_opening b:session_packet ");
	harness_close(&harness);
}

static int take_over_and_refuse(struct session *session, void *context)
{
	pm_session_take_over(session);
	return -1;
}

static void test_plugin_that_refuses_its_context_is_no_owner(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING, NULL);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET, NULL);
	plugins[0].plugin.context_init = take_over_and_refuse;
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "b:session_packet ");
	harness_close(&harness);
}

static int detach_in_init(struct session *session, void *context)
{
	*(uint64_t *)context = 1;
	return pm_session_detach_me(session);
}

static int fail_in_init(struct session *session, void *context)
{
	*(uint64_t *)context = 1;
	pm_session_fail(session);
	return 0;
}

static void test_what_context_init_asks_for_takes_effect(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[3];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | CLOSING, NULL);
	harness_add_plugin(&harness, &plugins[1], "b", OPENING | CLOSING, NULL);
	harness_add_plugin(&harness, &plugins[2], "c", OPENING | PACKET, NULL);
	plugins[0].plugin.context_init = detach_in_init;
	plugins[1].plugin.context_init = fail_in_init;
	plugins[2].plugin.context_init = take_over_in_init;
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "c:session_opening c:session_packet ");
	assert_int_equal(plugins[0].frees, 1);
	assert_int_equal(plugins[1].frees, 1);
	assert_int_equal(stats_of(&harness, 0).contexts, 0);
	assert_int_equal(stats_of(&harness, 1).errors, 1);
	harness_close(&harness);
}

// Owns the first session for good, and fails in all others until it is disabled.
static void own_the_first(struct harness *harness, struct session *session, void *context)
{
	if (session_get_id(session) == 1)
		assert_int_equal(pm_session_take_over(session), 0);
	else
		pm_session_fail(session);
}

static void test_owner_that_was_disabled_elsewhere_owns_no_more(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING, own_the_first);
	harness_add_plugin(&harness, &plugins[1], "b", DATA, NULL);
	harness_start(&harness);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	assert_string_equal(harness.log, "a:session_opening ");
	for (uint16_t i = 1; i <= STELLAR_PLUGIN_ERRORS_MAX; i++)
		harness_send_datagram(&harness, (uint16_t)(1000 + i), 53, "x", false);
	harness.log[0] = '\0';

	harness_send_datagram(&harness, 1000, 53, "y", false);

	assert_string_equal(harness.log, "b:udp_data ");
	harness_close(&harness);
}

static void own_then_leave_late(struct harness *harness, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_SESSION_OPENING)) {
		assert_int_equal(pm_session_take_over(session), 0);
		return;
	}
	if (session_get_packets(session, STELLAR_FORWARD) < 2)
		return;
	assert_int_equal(pm_session_give_back(session), -EPERM);
	assert_int_equal(pm_session_detach_me(session), 0);
}

static void test_lease_that_is_over_needs_no_giving_back(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with_long_timeouts(&harness);
	harness_add_plugin(&harness, &plugin, "a", OPENING | PACKET, own_then_leave_late);
	harness_start(&harness);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness.time_ns += 301 * SECOND_NS;

	harness_send_datagram(&harness, 1000, 53, "y", false);

	assert_int_equal(plugin.frees, 1);
	harness_close(&harness);
}

static void drop_the_first(struct harness *harness, struct session *session, void *context)
{
	if (session_get_packets(session, STELLAR_FORWARD) == 1)
		session_drop_current_packet(session);
}

static void take_over_the_second(struct harness *harness, struct session *session, void *context)
{
	bool is_first = session_get_packets(session, STELLAR_FORWARD) == 1;

	assert_int_equal(pm_session_take_over(session), is_first ? -EACCES : 0);
}

static void test_denied_packet_does_not_forbid_take_over_of_the_next(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET, drop_the_first);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET, take_over_the_second);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness_send_datagram(&harness, 1000, 53, "y", false);

	assert_int_equal(stats_of(&harness, 1).takeovers, 1);
	harness_close(&harness);
}

static void lock_session(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(session_lock(session, pm_session_plugin_id(session)), 0);
}

static void fill_table(struct harness *harness, uint16_t first_port)
{
	for (uint16_t i = 0; i < 64; i++)
		harness_send_datagram(harness, (uint16_t)(first_port + i), 53, "x", false);
}

static void test_locked_sessions_are_not_evicted_until_their_lock_expires(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	struct session_stats sessions;

	open_with_long_timeouts(&harness);
	harness_add_plugin(&harness, &plugin, "a", OPENING, lock_session);
	harness_start(&harness);
	fill_table(&harness, 1000);
	harness_send_datagram(&harness, 2000, 53, "x", false);
	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_SESSION_TABLE_FULL], 1);

	harness.time_ns += 61 * SECOND_NS;
	fill_table(&harness, 3000);

	engine_get_session_stats(harness.engine, &sessions);
	assert_int_equal(sessions.evicted, 64);
	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_SESSION_TABLE_FULL], 1);
	harness_close(&harness);
}

static void lock_and_unlock(struct harness *harness, struct session *session, void *context)
{
	uint16_t own_id = pm_session_plugin_id(session);

	// 1001 stays locked, and is the one that is locked anew with each packet.
	struct packet_endpoint originator;

	session_get_originator(session, &originator);
	assert_int_equal(session_lock(session, own_id), 0);
	if (originator.port != 1001)
		assert_int_equal(session_unlock(session, own_id), 0);
}

static void test_lock_that_is_renewed_lasts(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with_long_timeouts(&harness);
	harness_add_plugin(&harness, &plugin, "a", PACKET, lock_and_unlock);
	harness_start(&harness);
	for (int i = 0; i < 3; i++) {
		fill_table(&harness, 1000);
		harness.time_ns += 40 * SECOND_NS;
	}
	fill_table(&harness, 3000);

	struct session_stats sessions;

	engine_get_session_stats(harness.engine, &sessions);
	assert_int_equal(sessions.evicted, 64);
	plugin.react = NULL;
	harness.log[0] = '\0';
	uint64_t created = sessions.created;
	harness_send_datagram(&harness, 1001, 53, "still there", false);
	engine_get_session_stats(harness.engine, &sessions);
	assert_int_equal(sessions.created, created);
	harness_close(&harness);
}

static void consent(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(session_bypass(session), 0);
}

static void test_bypass_asks_nobody_who_only_needs_the_ends(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[3];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET, consent);
	harness_add_plugin(&harness, &plugins[1], "b", CLOSING, NULL);
	harness_add_plugin(&harness, &plugins[2], "c", OPENING | CLOSING, NULL);
	harness_start(&harness);

	assert_true(harness_send_datagram(&harness, 1000, 53, "x", false).bypass);
	harness_send_datagram(&harness, 1000, 53, "unseen", false);
	worker_finish(harness.worker);

	assert_string_equal(harness.log, "c:session_opening a:session_packet b:session_closing "
					 "c:session_closing ");
	harness_close(&harness);
}

static void fail_it(struct harness *harness, struct session *session, void *context)
{
	pm_session_fail(session);
}

static void test_bypass_takes_effect_when_the_last_who_withheld_it_leaves(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET, consent);
	harness_add_plugin(&harness, &plugins[1], "b", DATA, NULL);
	harness_start(&harness);
	assert_false(harness_send_datagram(&harness, 1000, 53, "x", false).bypass);
	plugins[0].react = NULL;

	plugins[1].react = detach_me;
	assert_true(harness_send_datagram(&harness, 1000, 53, "y", false).bypass);

	// And when it was disabled for what it did in other sessions.
	plugins[0].react = consent;
	plugins[1].react = NULL;
	assert_false(harness_send_datagram(&harness, 999, 53, "x", false).bypass);
	plugins[1].react = fail_it;
	for (uint16_t i = 1; i <= STELLAR_PLUGIN_ERRORS_MAX; i++)
		harness_send_datagram(&harness, (uint16_t)(1000 + i), 53, "x", false);
	assert_true(harness_send_datagram(&harness, 999, 53, "y", false).bypass);
	harness_close(&harness);
}

static void pass_by_rule(struct harness *harness, struct session *session, void *context)
{
	const struct verdict_request request = {.disposition = STELLAR_PASS, .rule_id = 7};

	assert_int_equal(session_set_verdict(session, &request), 0);
}

static void test_drop_for_a_failure_names_no_rule(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET, pass_by_rule);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET, fail_it);
	plugins[1].plugin.fail_action = STELLAR_FAIL_CLOSED;
	harness_start(&harness);

	struct verdict verdict = harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_PLUGIN_FAILED);
	assert_int_equal(verdict.disposition_plugin_id, 1);
	assert_int_equal(verdict.rule_id, STELLAR_RULE_NONE);
	harness_close(&harness);
}

static void test_closing_without_its_opening_is_not_heard(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET, fail_it);
	harness_add_plugin(&harness, &plugins[1], "b", OPENING | CLOSING, NULL);
	plugins[0].plugin.fail_action = STELLAR_FAIL_CLOSED;
	harness_start(&harness);
	for (uint16_t i = 0; i < STELLAR_PLUGIN_ERRORS_MAX; i++)
		harness_send_datagram(&harness, (uint16_t)(1000 + i), 53, "x", false);
	uint64_t calls = stats_of(&harness, 1).calls;

	// Refused before any plugin: a has failed closed for good.
	harness_send_datagram(&harness, 2000, 53, "x", false);
	worker_finish(harness.worker);

	assert_int_equal(calls, STELLAR_PLUGIN_ERRORS_MAX);
	assert_int_equal(stats_of(&harness, 1).calls, 2 * calls);
	harness_close(&harness);
}

static void test_contexts_are_freed_when_the_engine_is_destroyed_at_once(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING | CLOSING, NULL);
	harness_start(&harness);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness.worker = NULL; // no worker_finish

	harness_close(&harness);

	assert_int_equal(plugin.inits, 1);
	assert_int_equal(plugin.frees, 1);
	assert_string_equal(harness.log, "a:session_opening a:session_closing ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plugin_that_was_detached_cannot_take_over_while_it_lets_go),
		cmocka_unit_test(test_plugin_that_detaches_leaves_no_lease_and_no_lock_behind),
		cmocka_unit_test(test_plugin_that_refuses_its_context_is_no_owner),
		cmocka_unit_test(test_what_context_init_asks_for_takes_effect),
		cmocka_unit_test(test_owner_that_was_disabled_elsewhere_owns_no_more),
		cmocka_unit_test(test_lease_that_is_over_needs_no_giving_back),
		cmocka_unit_test(test_denied_packet_does_not_forbid_take_over_of_the_next),
		cmocka_unit_test(test_locked_sessions_are_not_evicted_until_their_lock_expires),
		cmocka_unit_test(test_lock_that_is_renewed_lasts),
		cmocka_unit_test(test_bypass_asks_nobody_who_only_needs_the_ends),
		cmocka_unit_test(test_bypass_takes_effect_when_the_last_who_withheld_it_leaves),
		cmocka_unit_test(test_drop_for_a_failure_names_no_rule),
		cmocka_unit_test(test_closing_without_its_opening_is_not_heard),
		cmocka_unit_test(test_contexts_are_freed_when_the_engine_is_destroyed_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
