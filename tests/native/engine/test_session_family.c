// SPDX-License-Identifier: Apache-2.0

// Parents and children: the order in which they open and close, what becomes of a parent whose time
// is over, and what a plugin may do through the handle of a session that is not its callback's.
//
// The plugin of these tests announces the ports that a payload names: a datagram "2000 2001" makes
// the sessions to those ports children of its own.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/expect.h>

#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define DATA STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)
#define METADATA STELLAR_EVENT_BIT(STELLAR_EVENT_METADATA_CHANGED)
#define CHILD STELLAR_EVENT_BIT(STELLAR_EVENT_CHILD_OPENING)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define SECOND_NS 1000000000ull
#define UDP 17

static bool is_event(const struct session *session, enum stellar_event event)
{
	return session_get_event(session)->type == event;
}

static uint16_t port_of(const struct session *session)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	return responder.port;
}

static void note(struct harness *harness, const char *format, unsigned number, const char *name)
{
	size_t used = strlen(harness->log);

	snprintf(harness->log + used, HARNESS_LOG_SIZE - used, format, number, name);
}

static void announce(struct session *session)
{
	const struct event *event = session_get_event(session);
	char text[64] = "";
	char *rest = text;
	struct packet_endpoint responder;

	memcpy(text, event->data,
	       event->data_length < sizeof(text) ? event->data_length : sizeof(text) - 1);
	session_get_responder(session, &responder);
	while ((responder.port = (uint16_t)strtoul(rest, &rest, 10)) != 0)
		assert_int_equal(expect_session(session, UDP, NULL, &responder, 3600000), 0);
}

// Announces, and writes down who closes and why.
static void grow(struct harness *harness, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_UDP_DATA))
		announce(session);
	else if (is_event(session, STELLAR_EVENT_SESSION_CLOSING))
		note(harness, "%u:%s ", port_of(session),
		     stellar_closing_reason_name(session_get_closing_reason(session)));
}

static struct session_stats stats_of(const struct harness *harness)
{
	struct session_stats stats;

	engine_get_session_stats(harness->engine, &stats);
	return stats;
}

static void open_growing(struct harness *harness, struct harness_plugin *plugin, uint64_t events,
			 harness_react_fn react, const struct engine_config *config)
{
	harness_open(harness, config);
	harness_add_plugin(harness, plugin, "a", events, react);
	harness_start(harness);
}

static void send(struct harness *harness, uint16_t port, const char *payload)
{
	harness_send_datagram(harness, 1000, port, payload, false);
}

static void test_children_close_before_the_oldest_when_the_engine_stops(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA | CLOSING, grow, NULL);
	send(&harness, 1, "2 3");
	send(&harness, 2, "4");
	send(&harness, 3, "0");
	send(&harness, 4, "0");
	harness.log[0] = '\0';

	worker_finish(harness.worker);

	assert_string_equal(harness.log, "a:session_closing 4:parent_closed "
					 "a:session_closing 2:parent_closed "
					 "a:session_closing 3:parent_closed "
					 "a:session_closing 1:shutdown ");
	harness_close(&harness);
	assert_int_equal(plugin.inits, plugin.frees);
}

static void test_order_is_that_of_families_not_of_places_in_the_table(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	// The child takes the place that the first session had.
	open_growing(&harness, &plugin, DATA | CLOSING, grow, NULL);
	send(&harness, 9, "0");
	harness.time_ns += 20 * SECOND_NS;
	send(&harness, 1, "2");
	harness.time_ns += 20 * SECOND_NS;
	send(&harness, 2, "0");
	harness.log[0] = '\0';

	worker_finish(harness.worker);

	assert_string_equal(harness.log, "a:session_closing 2:parent_closed "
					 "a:session_closing 1:shutdown ");
	harness_close(&harness);
}

static void test_parent_whose_time_is_over_waits_for_its_children(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA | CLOSING, grow, NULL);
	send(&harness, 1, "2");
	for (int i = 0; i < 6; i++) {
		harness.time_ns += 20 * SECOND_NS;
		send(&harness, 2, "0");
	}
	assert_int_equal(stats_of(&harness).active, 2);
	harness.log[0] = '\0';

	harness.time_ns += 40 * SECOND_NS;
	send(&harness, 9, "0");
	send(&harness, 9, "0");

	assert_string_equal(harness.log, "a:session_closing 2:timeout a:session_closing 1:timeout "
					 "a:udp_data a:udp_data ");
	harness_close(&harness);
}

static void test_parent_that_came_alive_while_it_waited_stays(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA | CLOSING, grow, NULL);
	send(&harness, 1, "2");
	harness.time_ns += 20 * SECOND_NS;
	send(&harness, 2, "0");
	harness.time_ns += 20 * SECOND_NS;
	send(&harness, 1, "0");
	harness.log[0] = '\0';

	harness.time_ns += 20 * SECOND_NS;
	send(&harness, 9, "0");
	send(&harness, 9, "0");
	assert_string_equal(harness.log, "a:session_closing 2:timeout a:udp_data a:udp_data ");
	harness.time_ns += 20 * SECOND_NS;
	send(&harness, 9, "0");

	assert_string_equal(harness.log, "a:session_closing 2:timeout a:udp_data a:udp_data "
					 "a:session_closing 1:timeout a:udp_data ");
	harness_close(&harness);
}

static void announce_tcp_child(struct harness *harness, struct session *session, void *context)
{
	struct packet_endpoint responder;

	if (is_event(session, STELLAR_EVENT_SESSION_OPENING) &&
	    session_get_protocol(session) == 6) {
		session_get_responder(session, &responder);
		responder.port = 2;
		expect_session(session, UDP, NULL, &responder, 3600000);
	}
	grow(harness, session, context);
}

static void test_ports_used_again_close_the_children_of_the_old_session_first(void **state)
{
	const struct harness_segment syn = {1000, 80, 5000, 0, STELLAR_TCP_SYN, false};
	const struct harness_segment reset = {1000, 80, 0, 5001, STELLAR_TCP_RST | STELLAR_TCP_ACK,
					      true};
	const struct harness_segment again = {1000, 80, 900000, 0, STELLAR_TCP_SYN, false};
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, OPENING | CLOSING, announce_tcp_child, NULL);
	harness_send_segment(&harness, &syn);
	harness_send_segment(&harness, &reset);
	send(&harness, 2, "0");
	harness.log[0] = '\0';

	harness_send_segment(&harness, &again);

	assert_string_equal(harness.log, "a:session_closing 2:parent_closed "
					 "a:session_closing 80:rst a:session_opening ");
	harness_close(&harness);
}

static void test_full_table_evicts_children_before_their_parent(void **state)
{
	struct engine_config config;
	struct harness harness;
	struct harness_plugin plugin;

	engine_config_init(&config);
	config.is_inline = true;
	config.session_capacity = 64;
	config.hash_seed[0] = 1;
	open_growing(&harness, &plugin, DATA | CLOSING, grow, &config);
	send(&harness, 1, "2");
	send(&harness, 2, "0");
	for (uint16_t port = 100; port < 162; port++)
		send(&harness, port, "0");
	harness.log[0] = '\0';

	send(&harness, 162, "0");
	send(&harness, 163, "0");

	assert_string_equal(harness.log, "a:session_closing 2:evicted a:udp_data "
					 "a:session_closing 100:evicted a:udp_data ");
	harness_close(&harness);
}

static void test_family_is_no_deeper_than_its_limit(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA, grow, NULL);
	send(&harness, 1, "2");
	send(&harness, 2, "3");
	send(&harness, 3, "4");
	send(&harness, 4, "5");
	send(&harness, 5, "6");
	send(&harness, 6, "0");

	assert_int_equal(stats_of(&harness).children, 4);
	assert_int_equal(stats_of(&harness).orphaned, 1);
	assert_int_equal(stats_of(&harness).created, 6);
	harness_close(&harness);
}

static void test_session_has_no_more_children_than_its_limit(void **state)
{
	struct engine_config config;
	struct harness harness;
	struct harness_plugin plugin;

	engine_config_init(&config);
	config.is_inline = true;
	config.limits.children_session = 2;
	open_growing(&harness, &plugin, DATA | CHILD, grow, &config);
	send(&harness, 1, "2 3 4");
	send(&harness, 2, "0");
	send(&harness, 3, "0");
	send(&harness, 4, "0");

	assert_int_equal(stats_of(&harness).children, 2);
	assert_int_equal(stats_of(&harness).orphaned, 1);
	assert_int_equal(engine_get_event_count(harness.engine, STELLAR_EVENT_CHILD_OPENING), 2);
	harness_close(&harness);
}

#define MANY_PORT 3000u
#define MANY_COUNT 60u

static void announce_many(struct harness *harness, struct session *session, void *context)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	if (is_event(session, STELLAR_EVENT_UDP_DATA) && responder.port == 1) {
		for (unsigned i = 0; i < MANY_COUNT; i++) {
			responder.port = (uint16_t)(MANY_PORT + i);
			assert_int_equal(expect_session(session, UDP, NULL, &responder, 60000), 0);
		}
	}
	if (!is_event(session, STELLAR_EVENT_CHILD_OPENING))
		return;
	struct session *child = NULL;
	unsigned count = 0;

	for (unsigned walk = 0; walk < 20; walk++) {
		count = 0;
		while ((child = session_get_next_child(session, child)) != NULL) {
			assert_int_equal(port_of(child), MANY_PORT + count);
			assert_ptr_equal(session_get_parent(child), session);
			count++;
		}
	}
	assert_int_equal(port_of(session_get_event(session)->child), MANY_PORT + count - 1);
	note(harness, "%u%s ", count, "");
}

static void test_children_are_walked_oldest_first_however_many_there_are(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA | CHILD, announce_many, NULL);
	send(&harness, 1, "0");
	for (unsigned i = 0; i < MANY_COUNT; i++)
		send(&harness, (uint16_t)(MANY_PORT + i), "0");

	assert_non_null(strstr(harness.log, "a:child_opening 60 a:udp_data "));
	harness_close(&harness);
}

static void drop_child(struct harness *harness, struct session *session, void *context)
{
	const struct verdict_request drop = {.disposition = STELLAR_DROP, .block = true};

	grow(harness, session, context);
	if (!is_event(session, STELLAR_EVENT_CHILD_OPENING))
		return;
	assert_int_equal(session_set_verdict(session, &drop), -EINVAL);
	assert_null(session_get_verdict(session));
	assert_int_equal(session_set_verdict(session_get_event(session)->child, &drop), 0);
}

static void test_parents_plugin_drops_a_child_through_the_childs_handle(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA | CHILD | CLOSING, drop_child, NULL);
	send(&harness, 1, "2");

	struct verdict first = harness_send_datagram(&harness, 1000, 2, "0", false);
	struct verdict second = harness_send_datagram(&harness, 1000, 2, "0", false);
	struct verdict parent = harness_send_datagram(&harness, 1000, 1, "0", false);

	assert_int_equal(first.drop_reason, STELLAR_DROPPED_PLUGIN);
	assert_int_equal(second.drop_reason, STELLAR_DROPPED_BLOCKED_SESSION);
	assert_int_equal(parent.disposition, STELLAR_CONTINUE);
	harness_close(&harness);
}

// Tells its parent, in an event of the child.
static void label_parent(struct harness *harness, struct session *session, void *context)
{
	struct session *parent = session_get_parent(session);

	if (is_event(session, STELLAR_EVENT_METADATA_CHANGED))
		note(harness, "%u%s ", port_of(session), "");
	else
		grow(harness, session, context);
	if (parent != NULL && !is_event(session, STELLAR_EVENT_METADATA_CHANGED))
		assert_int_equal(session_copy_metadata(parent, "child", "x", 1), 0);
}

static void test_event_raised_through_a_handle_is_of_that_handles_session(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA | METADATA, label_parent, NULL);
	send(&harness, 1, "2");
	send(&harness, 2, "0");

	assert_string_equal(harness.log, "a:udp_data a:udp_data a:metadata_changed 1 ");
	harness_close(&harness);
}

static void test_event_that_a_closing_raises_for_a_parent_is_delivered_at_once(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, OPENING | CLOSING | METADATA | DATA, label_parent, NULL);
	send(&harness, 1, "2");
	send(&harness, 2, "0");
	harness.log[0] = '\0';

	worker_finish(harness.worker);

	assert_string_equal(harness.log, "a:session_closing 2:parent_closed a:metadata_changed 1 "
					 "a:session_closing 1:shutdown ");
	harness_close(&harness);
}

static void ask_through_parent(struct harness *harness, struct session *session, void *context)
{
	struct session *parent = session_get_parent(session);

	grow(harness, session, context);
	if (parent == NULL)
		return;
	uint16_t self = pm_session_plugin_id(session);

	assert_int_equal(pm_session_detach_me(parent), -EINVAL);
	assert_int_equal(session_drop_current_packet(parent), -EINVAL);
	assert_int_equal(session_lock(parent, self), 0);
	assert_int_equal(session_bypass(parent), -EBUSY);
	assert_int_equal(session_unlock(parent, self), 0);
	assert_int_equal(pm_session_take_over(parent), 0);
	assert_int_equal(pm_session_give_back(parent), 0);
	assert_null(session_get_event(parent));
	assert_int_equal(session_get_direction(parent), STELLAR_FORWARD);
}

static void test_requests_through_a_parent_are_about_the_parent_or_refused(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA, ask_through_parent, NULL);
	send(&harness, 1, "2");
	send(&harness, 2, "0");
	send(&harness, 1, "0");

	assert_string_equal(harness.log, "a:udp_data a:udp_data a:udp_data ");
	harness_close(&harness);
}

static void bypass_at_once(struct harness *harness, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_UDP_DATA))
		announce(session);
	if (port_of(session) == 1)
		assert_int_equal(session_bypass(session), 0);
}

static void test_parent_that_is_bypassed_hears_of_no_child(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_growing(&harness, &plugin, DATA | CHILD, bypass_at_once, NULL);
	send(&harness, 1, "2");
	send(&harness, 2, "0");

	assert_string_equal(harness.log, "a:udp_data a:udp_data ");
	assert_int_equal(stats_of(&harness).children, 1);
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children_close_before_the_oldest_when_the_engine_stops),
		cmocka_unit_test(test_order_is_that_of_families_not_of_places_in_the_table),
		cmocka_unit_test(test_parent_whose_time_is_over_waits_for_its_children),
		cmocka_unit_test(test_parent_that_came_alive_while_it_waited_stays),
		cmocka_unit_test(test_ports_used_again_close_the_children_of_the_old_session_first),
		cmocka_unit_test(test_full_table_evicts_children_before_their_parent),
		cmocka_unit_test(test_family_is_no_deeper_than_its_limit),
		cmocka_unit_test(test_session_has_no_more_children_than_its_limit),
		cmocka_unit_test(test_children_are_walked_oldest_first_however_many_there_are),
		cmocka_unit_test(test_parents_plugin_drops_a_child_through_the_childs_handle),
		cmocka_unit_test(test_event_raised_through_a_handle_is_of_that_handles_session),
		cmocka_unit_test(
			test_event_that_a_closing_raises_for_a_parent_is_delivered_at_once),
		cmocka_unit_test(test_requests_through_a_parent_are_about_the_parent_or_refused),
		cmocka_unit_test(test_parent_that_is_bypassed_hears_of_no_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
