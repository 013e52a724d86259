// SPDX-License-Identifier: Apache-2.0

// session_suspended: who is told of a take-over, when, and how often. Also who may take over what,
// through the handle of another session of the family.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/expect.h>

#include "engine/worker.h"
#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define DATA STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)
#define SUSPENDED STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_SUSPENDED)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define SECOND_NS 1000000000ull
#define UDP 17
#define PARENT 1 // responder's ports
#define CHILD 2

static struct harness harness;
static struct harness_plugin plugins[4];
static int taken; // what the last take-over returned
static uint8_t other_event; // that the last in line was called for

static bool is_event(const struct session *session, uint8_t type)
{
	return session_get_event(session)->type == type;
}

static uint16_t port_of(const struct session *session)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	return responder.port;
}

static void open_engine(void)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = true;
	config.session_capacity = 64;
	config.timeouts.udp_opening_sec = 3600;
	config.hash_seed[0] = 1;
	harness_open(&harness, &config);
	taken = 1;
}

static void add(int place, const char *name, uint64_t events, harness_react_fn react)
{
	harness_add_plugin(&harness, &plugins[place], name, events, react);
}

static void send(uint16_t port)
{
	harness_send_datagram(&harness, 1000, port, "x", false);
}

static uint64_t count_suspended(void)
{
	worker_publish(harness.worker);
	return engine_get_event_count(harness.engine, STELLAR_EVENT_SESSION_SUSPENDED);
}

static void take_over(struct harness *unused, struct session *session, void *context)
{
	taken = pm_session_take_over(session);
}

static void detach(struct harness *unused, struct session *session, void *context)
{
	pm_session_detach_me(session);
}

static void test_those_called_before_are_told_once_and_at_once(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED | CLOSING, NULL);
	add(1, "b", OPENING | CLOSING, NULL);
	add(2, "c", PACKET | SUSPENDED, take_over);
	add(3, "d", PACKET | SUSPENDED | CLOSING, NULL);
	harness_start(&harness);

	send(PARENT);
	send(PARENT);

	assert_string_equal(harness.log, "a:session_opening b:session_opening c:session_packet "
					 "a:session_suspended c:session_packet ");
	assert_int_equal(count_suspended(), 1);
	harness_close(&harness);
}

static void test_who_detached_is_not_told(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED, detach);
	add(1, "b", PACKET, take_over);
	harness_start(&harness);

	send(PARENT);

	assert_string_equal(harness.log, "a:session_opening b:session_packet ");
	harness_close(&harness);
}

static void fail_but_the_first(struct harness *unused, struct session *session, void *context)
{
	if (session_get_id(session) != 1)
		pm_session_fail(session);
}

static void take_the_first(struct harness *unused, struct session *session, void *context)
{
	if (session_get_id(session) == 1 && session_get_packets(session, STELLAR_FORWARD) == 2)
		taken = pm_session_take_over(session);
}

static void test_who_was_disabled_is_not_told(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED, fail_but_the_first);
	plugins[0].plugin.fail_action = STELLAR_FAIL_OPEN;
	add(1, "b", PACKET, take_the_first);
	harness_start(&harness);
	send(PARENT);
	for (uint16_t i = 0; i < STELLAR_PLUGIN_ERRORS_MAX; i++)
		send((uint16_t)(100 + i));
	harness.log[0] = '\0';

	send(PARENT);

	assert_int_equal(taken, 0);
	assert_string_equal(harness.log, "b:session_packet ");
	harness_close(&harness);
}

static void take_and_give_back(struct harness *unused, struct session *session, void *context)
{
	taken = pm_session_take_over(session);
	assert_int_equal(pm_session_give_back(session), 0);
}

static void test_session_given_back_in_the_same_callback_was_not_suspended(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED, NULL);
	add(1, "b", PACKET, take_and_give_back);
	harness_start(&harness);

	send(PARENT);

	assert_int_equal(taken, 0);
	assert_string_equal(harness.log, "a:session_opening b:session_packet ");
	harness_close(&harness);
}

static void take_and_fail(struct harness *unused, struct session *session, void *context)
{
	taken = pm_session_take_over(session);
	pm_session_fail(session);
}

static void test_owner_that_fails_in_the_same_callback_suspended_nobody(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED, NULL);
	add(1, "b", PACKET, take_and_fail);
	plugins[1].plugin.fail_action = STELLAR_FAIL_OPEN;
	harness_start(&harness);

	send(PARENT);

	assert_int_equal(taken, 0);
	assert_string_equal(harness.log, "a:session_opening b:session_packet ");
	harness_close(&harness);
}

static int take_in_init(struct session *session, void *context)
{
	*(uint64_t *)context = 1;
	taken = pm_session_take_over(session);
	return 0;
}

static void test_take_over_in_context_init_is_told_before_the_call(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED, NULL);
	add(1, "b", PACKET, NULL);
	plugins[1].plugin.context_init = take_in_init;
	harness_start(&harness);

	send(PARENT);

	assert_string_equal(harness.log, "a:session_opening a:session_suspended b:session_packet ");
	harness_close(&harness);
}

static void drop(struct harness *unused, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_SESSION_SUSPENDED))
		assert_int_equal(session_drop_current_packet(session), 0);
}

static void test_who_is_told_may_still_drop_the_packet(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED, drop);
	add(1, "b", PACKET, take_over);
	harness_start(&harness);

	struct verdict verdict = harness_send_datagram(&harness, 1000, PARENT, "x", false);

	assert_int_equal(verdict.disposition, STELLAR_DROP);
	harness_close(&harness);
}

static void take_second_packet(struct harness *unused, struct session *session, void *context)
{
	if (session_get_packets(session, STELLAR_FORWARD) == 1)
		assert_int_equal(session_bypass(session), 0);
}

static void test_needing_it_withholds_no_bypass(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED, NULL);
	add(1, "b", PACKET, take_second_packet);
	harness_start(&harness);

	send(PARENT);
	send(PARENT);

	assert_string_equal(harness.log, "a:session_opening b:session_packet ");
	harness_close(&harness);
}

// Families: whatever goes to CHILD is a child of what went to PARENT.
static void announce(struct session *session)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	responder.port = CHILD;
	assert_int_equal(expect_session(session, UDP, NULL, &responder, 3600000), 0);
}

static void take_parent(struct harness *unused, struct session *session, void *context)
{
	if (port_of(session) == PARENT)
		announce(session);
	else
		taken = pm_session_take_over(session_get_parent(session));
}

static void test_parent_is_told_of_through_its_own_session(void **state)
{
	open_engine();
	add(0, "a", DATA | SUSPENDED, NULL);
	add(1, "b", DATA, take_parent);
	add(2, "c", DATA, NULL);
	harness_start(&harness);
	send(PARENT);
	harness.log[0] = '\0';

	send(CHILD);

	assert_int_equal(taken, 0);
	assert_string_equal(harness.log, "a:udp_data b:udp_data a:session_suspended c:udp_data ");
	harness.log[0] = '\0';
	send(PARENT);
	assert_string_equal(harness.log, "b:udp_data ");
	harness_close(&harness);
}

static int take_parent_and_refuse(struct session *session, void *context)
{
	*(uint64_t *)context = 1;
	if (port_of(session) == PARENT)
		return 0;
	taken = pm_session_take_over(session_get_parent(session));
	return -1;
}

static void test_take_over_of_a_refused_context_is_told(void **state)
{
	open_engine();
	add(0, "a", DATA | SUSPENDED, take_parent);
	plugins[0].react = NULL;
	add(1, "b", DATA, NULL);
	plugins[1].plugin.context_init = take_parent_and_refuse;
	add(2, "c", DATA, take_parent);
	harness_start(&harness);
	send(PARENT);
	harness.log[0] = '\0';

	send(CHILD);

	assert_string_equal(harness.log, "a:udp_data a:session_suspended c:udp_data ");
	assert_int_equal(taken, -EBUSY); // c's; b owns it
	harness_close(&harness);
}

static void take_parent_at_end(struct session *session, void *context)
{
	if (port_of(session) == CHILD)
		taken = pm_session_take_over(session_get_parent(session));
}

static void announce_or_detach(struct harness *unused, struct session *session, void *context)
{
	if (port_of(session) == PARENT)
		announce(session);
	else
		pm_session_detach_me(session);
}

static void test_take_over_at_a_contexts_end_is_told(void **state)
{
	open_engine();
	add(0, "a", DATA | SUSPENDED, NULL);
	add(1, "b", DATA, announce_or_detach);
	plugins[1].plugin.context_free = take_parent_at_end;
	harness_start(&harness);
	send(PARENT);
	harness.log[0] = '\0';

	send(CHILD);

	assert_int_equal(taken, 0);
	assert_string_equal(harness.log, "a:udp_data b:udp_data a:session_suspended ");
	harness_close(&harness);
}

// Each answers the loss of one session with the other one.
static void snatch(struct session *session)
{
	pm_session_give_back(session);
	assert_int_equal(pm_session_take_over(session), 0);
}

static void want_the_child(struct harness *unused, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_SESSION_SUSPENDED))
		snatch(session_get_next_child(session, NULL));
	else if (port_of(session) == CHILD)
		snatch(session);
	else
		announce(session);
}

static void want_the_parent(struct harness *unused, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_SESSION_SUSPENDED))
		snatch(session_get_parent(session));
}

static void test_two_that_want_each_others_session_come_to_an_end(void **state)
{
	open_engine();
	add(0, "b", OPENING | SUSPENDED, want_the_parent);
	add(1, "c", DATA | SUSPENDED, want_the_child);
	harness_start(&harness);
	send(PARENT);
	harness.log[0] = '\0';

	send(CHILD);

	assert_string_equal(harness.log, "b:session_opening c:udp_data b:session_suspended "
					 "c:session_suspended ");
	assert_int_equal(count_suspended(), 3);
	harness_close(&harness);
}

// a, told of the child, takes the parent; b, told of that, gives the child back: c hears of the
// event in hand.
static void take_parent_when_told(struct harness *unused, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_SESSION_SUSPENDED))
		assert_int_equal(pm_session_take_over(session_get_parent(session)), 0);
}

static void give_child_back_when_told(struct harness *unused, struct session *session,
				      void *context)
{
	if (is_event(session, STELLAR_EVENT_SESSION_SUSPENDED))
		assert_int_equal(pm_session_give_back(session_get_next_child(session, NULL)), 0);
	else if (port_of(session) == CHILD)
		assert_int_equal(pm_session_take_over(session), 0);
	else
		announce(session);
}

static void remember_event(struct harness *unused, struct session *session, void *context)
{
	other_event = session_get_event(session)->type;
}

static void test_event_in_hand_goes_on_after_those_of_take_overs(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED, take_parent_when_told);
	add(1, "b", DATA | SUSPENDED, give_child_back_when_told);
	add(2, "c", DATA, remember_event);
	harness_start(&harness);
	send(PARENT);
	harness.log[0] = '\0';
	other_event = STELLAR_EVENT_COUNT;

	send(CHILD);

	assert_string_equal(harness.log, "a:session_opening b:udp_data a:session_suspended "
					 "b:session_suspended c:udp_data ");
	assert_int_equal(other_event, STELLAR_EVENT_UDP_DATA);
	harness_close(&harness);
}

// Who may take what.
static void own_the_parent(struct harness *unused, struct session *session, void *context)
{
	if (port_of(session) != PARENT)
		return;
	announce(session);
	assert_int_equal(pm_session_take_over(session), 0);
}

static void try_the_parent(struct harness *unused, struct session *session, void *context)
{
	if (port_of(session) == CHILD)
		taken = pm_session_take_over(session_get_parent(session));
}

static void test_lease_that_is_over_keeps_no_other_from_the_session(void **state)
{
	open_engine();
	add(0, "a", DATA, own_the_parent);
	add(1, "b", DATA, try_the_parent);
	harness_start(&harness);
	send(PARENT);
	send(CHILD);
	assert_int_equal(taken, -EBUSY);
	harness.time_ns += 301 * SECOND_NS;

	send(CHILD);

	assert_int_equal(taken, 0);
	harness_close(&harness);
}

static void own_the_parent_then_fail(struct harness *unused, struct session *session, void *context)
{
	if (port_of(session) == PARENT)
		own_the_parent(unused, session, context);
	else if (port_of(session) != CHILD)
		pm_session_fail(session);
}

static void test_owner_that_is_disabled_keeps_no_other_from_the_session(void **state)
{
	open_engine();
	add(0, "a", DATA, own_the_parent_then_fail);
	plugins[0].plugin.fail_action = STELLAR_FAIL_OPEN;
	add(1, "b", DATA, try_the_parent);
	harness_start(&harness);
	send(PARENT);
	send(CHILD);
	assert_int_equal(taken, -EBUSY);
	for (uint16_t i = 0; i < STELLAR_PLUGIN_ERRORS_MAX; i++)
		send((uint16_t)(100 + i));

	send(CHILD);

	assert_int_equal(taken, 0);
	harness_close(&harness);
}

static void test_closing_session_is_not_taken_over(void **state)
{
	open_engine();
	add(0, "a", OPENING | SUSPENDED | CLOSING, NULL);
	add(1, "b", CLOSING, take_over);
	harness_start(&harness);
	send(PARENT);

	worker_finish(harness.worker);

	assert_int_equal(taken, -EINVAL);
	assert_string_equal(harness.log, "a:session_opening a:session_closing b:session_closing ");
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_those_called_before_are_told_once_and_at_once),
		cmocka_unit_test(test_who_detached_is_not_told),
		cmocka_unit_test(test_who_was_disabled_is_not_told),
		cmocka_unit_test(test_session_given_back_in_the_same_callback_was_not_suspended),
		cmocka_unit_test(test_owner_that_fails_in_the_same_callback_suspended_nobody),
		cmocka_unit_test(test_take_over_in_context_init_is_told_before_the_call),
		cmocka_unit_test(test_who_is_told_may_still_drop_the_packet),
		cmocka_unit_test(test_needing_it_withholds_no_bypass),
		cmocka_unit_test(test_parent_is_told_of_through_its_own_session),
		cmocka_unit_test(test_take_over_of_a_refused_context_is_told),
		cmocka_unit_test(test_take_over_at_a_contexts_end_is_told),
		cmocka_unit_test(test_two_that_want_each_others_session_come_to_an_end),
		cmocka_unit_test(test_event_in_hand_goes_on_after_those_of_take_overs),
		cmocka_unit_test(test_lease_that_is_over_keeps_no_other_from_the_session),
		cmocka_unit_test(test_owner_that_is_disabled_keeps_no_other_from_the_session),
		cmocka_unit_test(test_closing_session_is_not_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
