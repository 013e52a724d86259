// SPDX-License-Identifier: Apache-2.0

// Who is called, in which order, and what each may ask for (DESIGN section 5).

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define ACTIVE STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_ACTIVE)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define DATA STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)
#define METADATA STELLAR_EVENT_BIT(STELLAR_EVENT_METADATA_CHANGED)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)

static enum stellar_event event_of(const struct session *session)
{
	return (enum stellar_event)session_get_event(session)->type;
}

static void finish(struct harness *harness)
{
	worker_finish(harness->worker);
}

static void test_events_of_one_packet_come_in_order(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "b", OPENING | ACTIVE | PACKET | DATA | CLOSING,
			   NULL);
	harness_add_plugin(&harness, &plugins[1], "a", OPENING | DATA, NULL);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "question", false);
	harness_send_datagram(&harness, 1000, 53, "answer", true);
	finish(&harness);

	assert_string_equal(harness.log,
			    "a:session_opening b:session_opening b:session_packet a:udp_data "
			    "b:udp_data b:session_active b:session_packet a:udp_data b:udp_data "
			    "b:session_closing ");
	harness_close(&harness);
}

static void test_before_and_after_order_plugins(void **state)
{
	static const char *const before_a[] = {"a", NULL};
	static const char *const after_a[] = {"a", "not_loaded", NULL};
	struct harness harness;
	struct harness_plugin plugins[3];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "b", OPENING, NULL);
	harness_add_plugin(&harness, &plugins[1], "a", OPENING, NULL);
	harness_add_plugin(&harness, &plugins[2], "c", OPENING, NULL);
	plugins[0].plugin.after = after_a;
	plugins[2].plugin.before = before_a;
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "c:session_opening a:session_opening b:session_opening ");
	harness_close(&harness);
}

static void test_cycle_in_the_order_is_refused_and_printed(void **state)
{
	static const char *const before_a[] = {"a", NULL};
	static const char *const before_b[] = {"b", NULL};
	struct harness harness;
	struct harness_plugin plugins[2];
	char error[256] = "";

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING, NULL);
	harness_add_plugin(&harness, &plugins[1], "b", OPENING, NULL);
	plugins[0].plugin.before = before_b;
	plugins[1].plugin.before = before_a;

	assert_int_equal(engine_start(harness.engine, error, sizeof(error)), -ELOOP);
	assert_non_null(strstr(error, "a before b before a"));
	harness_close(&harness);
}

static void detach_at_first_packet(struct harness *harness, struct session *session, void *context)
{
	if (event_of(session) == STELLAR_EVENT_SESSION_PACKET)
		assert_int_equal(pm_session_detach_me(session), 0);
}

static void test_detached_plugin_hears_no_more_and_its_context_is_freed(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING | PACKET | DATA | CLOSING,
			   detach_at_first_packet);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);
	assert_int_equal(plugin.frees, 1);
	harness_send_datagram(&harness, 1000, 53, "y", true);
	finish(&harness);

	assert_string_equal(harness.log, "a:session_opening a:session_packet ");
	assert_int_equal(plugin.inits, 1);
	assert_int_equal(plugin.frees, 1);
	harness_close(&harness);
}

static void take_over_at_opening(struct harness *harness, struct session *session, void *context)
{
	if (event_of(session) == STELLAR_EVENT_SESSION_OPENING)
		assert_int_equal(pm_session_take_over(session), 0);
}

// The seed's picture: cb1 to cb4, cb2 takes over. cb1 was called before and hears the closing; cb3
// and cb4 were not and hear nothing.
static void test_take_over_mutes_others_but_for_closing_of_those_called(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[4];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "cb1", OPENING | PACKET | CLOSING, NULL);
	harness_add_plugin(&harness, &plugins[1], "cb2", OPENING | PACKET | CLOSING,
			   take_over_at_opening);
	harness_add_plugin(&harness, &plugins[2], "cb3", OPENING | PACKET | CLOSING, NULL);
	harness_add_plugin(&harness, &plugins[3], "cb4", OPENING | PACKET | CLOSING, NULL);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);
	finish(&harness);

	assert_string_equal(harness.log,
			    "cb1:session_opening cb2:session_opening cb2:session_packet "
			    "cb1:session_closing cb2:session_closing ");
	harness_close(&harness);
}

static void take_over_then_give_back(struct harness *harness, struct session *session,
				     void *context)
{
	if (event_of(session) == STELLAR_EVENT_SESSION_OPENING)
		assert_int_equal(pm_session_take_over(session), 0);
	if (event_of(session) == STELLAR_EVENT_SESSION_PACKET)
		pm_session_give_back(session);
}

static void test_session_given_back_is_heard_again_by_the_others(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | PACKET, take_over_then_give_back);
	harness_add_plugin(&harness, &plugins[1], "b", OPENING | PACKET | DATA, NULL);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log,
			    "a:session_opening a:session_packet b:session_packet b:udp_data ");
	harness_close(&harness);
}

static void test_lease_ends_with_its_time(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];
	struct engine_config config;

	engine_config_init(&config);
	config.session_capacity = 64;
	config.timeouts.udp_opening_sec = 3600;
	harness_open(&harness, &config);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING, take_over_at_opening);
	harness_add_plugin(&harness, &plugins[1], "b", DATA, NULL);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness.time_ns += 301ull * 1000000000ull;
	harness_send_datagram(&harness, 1000, 53, "y", false);

	assert_string_equal(harness.log, "a:session_opening b:udp_data ");
	harness_close(&harness);
}

static void fail_at_packet(struct harness *harness, struct session *session, void *context)
{
	if (event_of(session) == STELLAR_EVENT_SESSION_OPENING)
		pm_session_take_over(session);
	else
		pm_session_fail(session);
}

static void test_owner_that_fails_is_released(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | PACKET | DATA, fail_at_packet);
	harness_add_plugin(&harness, &plugins[1], "b", DATA, NULL);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "a:session_opening a:session_packet b:udp_data ");
	assert_int_equal(plugins[0].frees, 1);
	harness_close(&harness);
}

static void always_fail(struct harness *harness, struct session *session, void *context)
{
	pm_session_fail(session);
}

static void test_plugin_that_fails_often_is_disabled_and_closed_means_dropped(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	struct plugin_stats stats;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING, always_fail);
	plugin.plugin.fail_action = STELLAR_FAIL_CLOSED;
	harness_start(&harness);

	for (uint16_t port = 0; port < STELLAR_PLUGIN_ERRORS_MAX + 4; port++)
		harness_send_datagram(&harness, (uint16_t)(1000 + port), 53, "x", false);

	engine_get_plugin_stats(harness.engine, &stats, 1);
	assert_int_equal(stats.errors, STELLAR_PLUGIN_ERRORS_MAX);
	assert_int_equal(stats.enabled, 0);
	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_PLUGIN_FAILED],
			 STELLAR_PLUGIN_ERRORS_MAX + 4);
	harness_close(&harness);
}

static void test_plugin_that_fails_open_lets_traffic_pass(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING, always_fail);
	harness_start(&harness);

	for (uint16_t port = 0; port < STELLAR_PLUGIN_ERRORS_MAX + 4; port++)
		harness_send_datagram(&harness, (uint16_t)(1000 + port), 53, "x", false);

	assert_int_equal(harness_balance(&harness).forwarded, STELLAR_PLUGIN_ERRORS_MAX + 4);
	harness_close(&harness);
}

static void drop(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(session_drop_current_packet(session), 0);
}

static void pass(struct harness *harness, struct session *session, void *context)
{
	const struct verdict_request request = {.disposition = STELLAR_PASS};

	assert_int_equal(session_set_verdict(session, &request), 0);
}

static void test_strictest_verdict_wins_whoever_comes_first(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[3];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET, pass);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET, drop);
	harness_add_plugin(&harness, &plugins[2], "c", PACKET, pass);
	harness_start(&harness);

	struct verdict verdict = harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_int_equal(verdict.disposition, STELLAR_DROP);
	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_PLUGIN);
	assert_int_equal(verdict.disposition_plugin_id, 1);
	assert_int_equal(harness_drain(&harness, true), 0);
	harness_close(&harness);
}

static void reject(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(session_reject(session, STELLAR_REPLY_RST), 0);
}

static void test_reject_answers_every_packet_of_the_session(void **state)
{
	const struct harness_segment syn = {
		.source_port = 1000, .destination_port = 80, .flags = STELLAR_TCP_SYN};
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING, reject);
	harness_start(&harness);

	harness_send_segment(&harness, &syn);
	struct verdict again = harness_send_segment(&harness, &syn);

	struct packet_stats stats = harness_balance(&harness);

	assert_int_equal(again.drop_reason, STELLAR_DROPPED_BLOCKED_SESSION);
	assert_int_equal(stats.dropped[STELLAR_DROPPED_PLUGIN], 1);
	assert_int_equal(stats.dropped[STELLAR_DROPPED_BLOCKED_SESSION], 1);
	assert_int_equal(stats.generated, 2);
	assert_int_equal(harness_drain(&harness, false), 2);
	assert_int_equal(harness_drain(&harness, true), 0);
	harness_close(&harness);
}

static void try_take_over(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(pm_session_take_over(session), -EACCES);
}

static void test_take_over_after_a_deny_is_refused(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET, drop);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET, try_take_over);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "a:session_packet b:session_packet ");
	harness_close(&harness);
}

static void lock_at_opening(struct harness *harness, struct session *session, void *context)
{
	uint16_t own_id = pm_session_plugin_id(session);

	assert_int_equal(session_lock(session, (uint16_t)(own_id + 1)), -EINVAL);
	assert_int_equal(session_lock(session, own_id), 0);
}

static void meet_the_lock(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(pm_session_take_over(session), -EBUSY);
	assert_int_equal(session_lock(session, pm_session_plugin_id(session)), -EBUSY);
	assert_int_equal(session_bypass(session), -EBUSY);
}

static void test_lock_refuses_take_over_and_bypass(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING, lock_at_opening);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET, meet_the_lock);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "a:session_opening b:session_packet ");
	harness_close(&harness);
}

static void consent(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(session_bypass(session), 0);
}

static void test_bypass_waits_for_every_interested_plugin(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET | CLOSING, consent);
	harness_add_plugin(&harness, &plugins[1], "b", DATA | CLOSING, NULL);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness_send_datagram(&harness, 1000, 53, "y", false);
	plugins[1].react = consent;
	struct verdict verdict = harness_send_datagram(&harness, 1000, 53, "z", false);

	harness_send_datagram(&harness, 1000, 53, "unseen", false);
	plugins[0].react = plugins[1].react = NULL;
	finish(&harness);

	assert_true(verdict.bypass);
	assert_string_equal(harness.log,
			    "a:session_packet b:udp_data a:session_packet b:udp_data "
			    "a:session_packet b:udp_data a:session_closing b:session_closing ");
	harness_close(&harness);
}

static uint32_t values_freed;

static void free_value(void *value, size_t size)
{
	values_freed++;
	free(value);
}

static void set_metadata_at_opening(struct harness *harness, struct session *session, void *context)
{
	void *found;
	size_t size;

	if (event_of(session) != STELLAR_EVENT_SESSION_OPENING)
		return;
	assert_int_equal(session_get_metadata(session, "colour", NULL, NULL), -ENOENT);
	assert_int_equal(session_set_metadata(session, "colour", strdup("red"), 4, free_value), 0);
	assert_int_equal(session_set_metadata(session, "colour", strdup("blue"), 5, free_value), 0);
	assert_int_equal(session_get_metadata(session, "colour", &found, &size), 0);
	assert_string_equal(found, "blue");
	assert_int_equal(size, 5);
}

static void check_metadata_event(struct harness *harness, struct session *session, void *context)
{
	const struct event *event = session_get_event(session);

	assert_int_equal(event->data_length, strlen("colour"));
	assert_memory_equal(event->data, "colour", event->data_length);
}

static void test_metadata_changes_are_events_and_values_are_freed_once(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	values_freed = 0;
	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | CLOSING, set_metadata_at_opening);
	harness_add_plugin(&harness, &plugins[1], "b", METADATA, check_metadata_event);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);
	assert_int_equal(values_freed, 1);
	finish(&harness);

	assert_int_equal(values_freed, 2);
	assert_string_equal(harness.log, "a:session_opening b:metadata_changed "
					 "b:metadata_changed a:session_closing ");
	harness_close(&harness);
}

static void copy_metadata_at_opening(struct harness *harness, struct session *session,
				     void *context)
{
	char colour[] = "red";
	void *found;
	size_t size;

	if (event_of(session) != STELLAR_EVENT_SESSION_OPENING)
		return;
	assert_int_equal(session_copy_metadata(session, "colour", colour, 3), 0);
	assert_int_equal(session_copy_metadata(session, "empty", NULL, 0), 0);
	assert_int_equal(session_copy_metadata(session, "", colour, 3), -EINVAL);
	memset(colour, 'x', sizeof(colour));
	assert_int_equal(session_get_metadata(session, "colour", &found, &size), 0);
	assert_int_equal(size, 3);
	assert_memory_equal(found, "red", 3);
	assert_int_equal(session_get_metadata(session, "empty", NULL, &size), 0);
	assert_int_equal(size, 0);
}

static void test_copied_metadata_is_independent_of_the_value_given(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING | CLOSING, copy_metadata_at_opening);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);
	finish(&harness);

	assert_string_equal(harness.log, "a:session_opening a:session_closing ");
	harness_close(&harness);
}

static void answer_with_metadata(struct harness *harness, struct session *session, void *context)
{
	session_set_metadata(session, "again", NULL, 0, NULL);
}

static void test_plugin_that_answers_its_own_event_does_not_hold_the_worker(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	struct plugin_stats stats;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING | METADATA, answer_with_metadata);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	engine_get_plugin_stats(harness.engine, &stats, 1);
	assert_int_equal(stats.calls, 1 + 8); // its first, and one a round
	harness_close(&harness);
}

static void test_wrong_plugins_are_refused_with_a_reason(void **state)
{
	struct harness harness;
	struct harness_plugin good;
	char error[256] = "";

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &good, "good", OPENING, NULL);
	const struct plugin base = good.plugin;
	struct plugin plugin = base;

	plugin.abi_version++;
	assert_int_equal(engine_add_plugin(harness.engine, &plugin, NULL, error, sizeof(error)),
			 -ENOEXEC);
	assert_non_null(strstr(error, "ABI version: expected 2, found 3"));
	plugin = base;
	plugin.struct_size -= 8;
	assert_int_equal(engine_add_plugin(harness.engine, &plugin, NULL, error, sizeof(error)),
			 -ENOEXEC);
	plugin = base;
	assert_int_equal(engine_add_plugin(harness.engine, &plugin, NULL, error, sizeof(error)),
			 -EEXIST);
	plugin.name = "Not A Name";
	assert_int_equal(engine_add_plugin(harness.engine, &plugin, NULL, error, sizeof(error)),
			 -EINVAL);
	plugin = base;
	plugin.name = "early";
	plugin.events = STELLAR_EVENT_BIT(STELLAR_EVENT_HTTP_REQUEST);
	assert_int_equal(engine_add_plugin(harness.engine, &plugin, NULL, error, sizeof(error)),
			 -ENOSYS);
	assert_non_null(strstr(error, "http_request"));
	harness_close(&harness);
}

#define BUSY_NS 20000

// For a while, by the clock that the engine reads.
static void be_busy(struct harness *harness, struct session *session, void *context)
{
	struct timespec began;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &began);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - began.tv_sec) * 1000000000 + now.tv_nsec - began.tv_nsec < BUSY_NS);
}

static void test_one_call_of_64_is_timed(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	struct plugin_stats stats;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", PACKET, be_busy);
	plugin.plugin.context_size = 24;
	harness_start(&harness);

	for (int i = 0; i < 64; i++)
		harness_send_datagram(&harness, 1000, 53, "x", false);
	engine_get_plugin_stats(harness.engine, &stats, 1);
	assert_int_equal(stats.timed_calls, 0);
	for (int i = 64; i < 200; i++)
		harness_send_datagram(&harness, 1000, 53, "x", false);
	engine_get_plugin_stats(harness.engine, &stats, 1);

	assert_int_equal(stats.calls, 200);
	assert_int_equal(stats.timed_calls, 3);
	assert_true(stats.timed_ns >= 3 * BUSY_NS / 2);
	assert_int_equal(stats.context_bytes, 24);
	harness_close(&harness);
}

static int refuse_context(struct session *session, void *context)
{
	return -1;
}

static void test_context_that_is_refused_leaves_the_session_to_the_others(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | PACKET, NULL);
	harness_add_plugin(&harness, &plugins[1], "b", OPENING | PACKET, NULL);
	plugins[0].plugin.context_init = refuse_context;
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "b:session_opening b:session_packet ");
	assert_int_equal(plugins[0].frees, 0);
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_of_one_packet_come_in_order),
		cmocka_unit_test(test_before_and_after_order_plugins),
		cmocka_unit_test(test_cycle_in_the_order_is_refused_and_printed),
		cmocka_unit_test(test_detached_plugin_hears_no_more_and_its_context_is_freed),
		cmocka_unit_test(test_take_over_mutes_others_but_for_closing_of_those_called),
		cmocka_unit_test(test_session_given_back_is_heard_again_by_the_others),
		cmocka_unit_test(test_lease_ends_with_its_time),
		cmocka_unit_test(test_owner_that_fails_is_released),
		cmocka_unit_test(test_plugin_that_fails_often_is_disabled_and_closed_means_dropped),
		cmocka_unit_test(test_plugin_that_fails_open_lets_traffic_pass),
		cmocka_unit_test(test_strictest_verdict_wins_whoever_comes_first),
		cmocka_unit_test(test_reject_answers_every_packet_of_the_session),
		cmocka_unit_test(test_take_over_after_a_deny_is_refused),
		cmocka_unit_test(test_lock_refuses_take_over_and_bypass),
		cmocka_unit_test(test_bypass_waits_for_every_interested_plugin),
		cmocka_unit_test(test_metadata_changes_are_events_and_values_are_freed_once),
		cmocka_unit_test(test_copied_metadata_is_independent_of_the_value_given),
		cmocka_unit_test(test_plugin_that_answers_its_own_event_does_not_hold_the_worker),
		cmocka_unit_test(test_wrong_plugins_are_refused_with_a_reason),
		cmocka_unit_test(test_one_call_of_64_is_timed),
		cmocka_unit_test(test_context_that_is_refused_leaves_the_session_to_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
