// SPDX-License-Identifier: Apache-2.0

// Events that plugins raise: who hears them, with which bytes, how many there may be, and what is
// refused.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/timer.h>

#include "engine/worker.h"
#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)

static const char *const knocked[] = {"knocked", "left", NULL};
static const char *const answered[] = {"answered", NULL};
static const char *const of_gate[] = {"gate.knocked", NULL};
static const char *const of_porter[] = {"porter.answered", NULL};
static const char *const of_nobody[] = {"nobody.knew", NULL};

static struct harness harness;
static struct harness_plugin gate; // raises knocked and left
static struct harness_plugin porter; // hears knocked
static struct {
	int knocked; // ids as load found them
	int left;
	int answered;
	int heard; // porter's id of gate.knocked
	int result; // of session_raise_event
	size_t length; // to raise
	uint32_t times;
	char bytes[STELLAR_DERIVED_DATA_MAX + 1]; // heard
	struct event event; // heard
} seen;

static int find_ids(struct plugin_host *host, void **ret_state)
{
	int own = plugin_get_derived_id(host, "knocked");
	int heard = plugin_get_derived_id(host, "gate.knocked");

	if (own >= 0) {
		seen.knocked = own;
		seen.left = plugin_get_derived_id(host, "left");
	}
	if (heard >= 0)
		seen.heard = heard;
	if (plugin_get_derived_id(host, "answered") >= 0)
		seen.answered = plugin_get_derived_id(host, "answered");
	assert_int_equal(plugin_get_derived_id(host, "nothing"), -ENOENT);
	assert_int_equal(plugin_get_derived_id(host, "nobody.knew"), -ENOENT);
	*ret_state = NULL;
	return 0;
}

static bool is_event(struct session *session, uint8_t type)
{
	return session_get_event(session)->type == type;
}

static void knock(struct harness *unused, struct session *session, void *context)
{
	char bytes[STELLAR_DERIVED_DATA_MAX + 1];

	if (is_event(session, STELLAR_EVENT_DERIVED))
		return;
	memset(bytes, 'k', sizeof(bytes));
	for (uint32_t i = 0; i < seen.times; i++)
		seen.result = session_raise_event(session, seen.knocked, bytes, seen.length);
	memset(bytes, 'x', sizeof(bytes)); // what was raised is a copy
}

static void remember(struct harness *unused, struct session *session, void *context)
{
	if (!is_event(session, STELLAR_EVENT_DERIVED))
		return;
	seen.event = *session_get_event(session);
	memcpy(seen.bytes, seen.event.data, seen.event.data_length);
	seen.bytes[seen.event.data_length] = '\0';
}

// gate and porter, with these events and reactions; harness_start is the caller's.
static void open_pair(uint64_t events_of_gate, harness_react_fn gate_reacts,
		      uint64_t events_of_porter, harness_react_fn porter_reacts)
{
	memset(&seen, 0, sizeof(seen));
	seen.times = 1;
	seen.result = 1;
	seen.answered = -1;
	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &porter, "porter", events_of_porter, porter_reacts);
	harness_add_plugin(&harness, &gate, "gate", events_of_gate, gate_reacts);
	gate.plugin.load = find_ids;
	gate.plugin.raises = knocked;
	porter.plugin.load = find_ids;
	porter.plugin.hears = of_gate;
}

static struct verdict send(uint16_t port)
{
	return harness_send_datagram(&harness, port, 53, "x", false);
}

static uint64_t count(uint8_t event)
{
	worker_publish(harness.worker);
	return engine_get_event_count(harness.engine, event);
}

static uint64_t count_overflow(void)
{
	worker_publish(harness.worker);
	return engine_get_event_overflow(harness.engine);
}

static void test_hearer_gets_a_copy_after_the_event_in_hand(void **state)
{
	open_pair(PACKET, knock, PACKET, remember);
	seen.length = 3;
	harness_start(&harness);

	send(1);

	assert_string_equal(harness.log,
			    "gate:session_packet porter:session_packet porter:derived ");
	assert_int_equal(seen.result, 0);
	assert_string_equal(seen.bytes, "kkk");
	assert_int_equal(seen.event.derived_id, seen.heard);
	assert_int_equal(seen.heard, seen.knocked);
	assert_int_equal(seen.event.direction, STELLAR_FORWARD);
	assert_non_null(seen.event.packet);
	assert_string_equal(engine_get_derived_name(harness.engine, (uint32_t)seen.heard),
			    "gate.knocked");
	assert_int_equal(count(STELLAR_EVENT_DERIVED), 1);
	assert_int_equal(engine_get_derived_count(harness.engine, (uint32_t)seen.knocked), 1);
	assert_int_equal(engine_get_derived_count(harness.engine, (uint32_t)seen.left), 0);
	harness_close(&harness);
}

static void test_names_have_numbers_from_0_on(void **state)
{
	open_pair(PACKET, NULL, PACKET, NULL);
	harness_start(&harness);

	assert_string_equal(engine_get_derived_name(harness.engine, 0), "gate.knocked");
	assert_string_equal(engine_get_derived_name(harness.engine, 1), "gate.left");
	assert_null(engine_get_derived_name(harness.engine, 2));
	assert_int_equal(engine_get_derived_count(harness.engine, 2), 0);
	harness_close(&harness);
}

static void test_longest_bytes_are_whole_and_more_refused(void **state)
{
	open_pair(PACKET, knock, PACKET, remember);
	harness_start(&harness);

	seen.length = STELLAR_DERIVED_DATA_MAX;
	send(1);
	assert_int_equal(seen.result, 0);
	assert_int_equal(strlen(seen.bytes), STELLAR_DERIVED_DATA_MAX);
	assert_int_equal(strspn(seen.bytes, "k"), STELLAR_DERIVED_DATA_MAX);

	seen.length = STELLAR_DERIVED_DATA_MAX + 1;
	send(1);
	assert_int_equal(seen.result, -EINVAL);
	seen.length = 0;
	send(1);
	assert_int_equal(seen.result, 0);
	assert_int_equal(seen.event.data_length, 0);
	assert_int_equal(count(STELLAR_EVENT_DERIVED), 2);
	harness_close(&harness);
}

static void raise_another(struct harness *unused, struct session *session, void *context)
{
	if (!is_event(session, STELLAR_EVENT_SESSION_PACKET))
		return;
	assert_int_equal(session_raise_event(session, seen.knocked, NULL, 0), -EINVAL);
	assert_int_equal(session_raise_event(session, -1, NULL, 0), -EINVAL);
	assert_int_equal(session_raise_event(session, 2, NULL, 0), -EINVAL);
}

static void test_plugin_raises_no_event_of_another_and_none_there_is_not(void **state)
{
	open_pair(PACKET, NULL, PACKET, raise_another);
	harness_start(&harness);

	send(1);

	assert_int_equal(count(STELLAR_EVENT_DERIVED), 0);
	harness_close(&harness);
}

static void test_session_that_closes_raises_none(void **state)
{
	open_pair(CLOSING, knock, CLOSING, NULL);
	harness_start(&harness);
	send(1);

	worker_finish(harness.worker);

	assert_int_equal(seen.result, -EINVAL);
	assert_string_equal(harness.log, "gate:session_closing porter:session_closing ");
	harness_close(&harness);
}

static void raise_left(struct harness *unused, struct session *session, void *context)
{
	seen.result = session_raise_event(session, seen.left, "x", 1);
}

static void test_event_that_nobody_hears_is_counted_and_takes_no_room(void **state)
{
	open_pair(PACKET, raise_left, PACKET, NULL);
	harness_start(&harness);

	send(1);

	assert_int_equal(seen.result, 0);
	assert_string_equal(harness.log, "gate:session_packet porter:session_packet ");
	assert_int_equal(harness.worker->queue.count, 0);
	assert_int_equal(count(STELLAR_EVENT_DERIVED), 1);
	assert_int_equal(engine_get_derived_count(harness.engine, (uint32_t)seen.left), 1);
	harness_close(&harness);
}

static void test_queue_that_is_full_is_told_and_counted(void **state)
{
	open_pair(PACKET, knock, 0, NULL);
	seen.times = EVENT_QUEUE_MAX + 3;
	harness_start(&harness);

	send(1);

	uint64_t delivered = count(STELLAR_EVENT_DERIVED);

	assert_int_equal(seen.result, -ENOSPC);
	assert_in_range(delivered, EVENT_QUEUE_MAX - 4, EVENT_QUEUE_MAX);
	assert_int_equal(count_overflow(), seen.times - delivered);
	assert_int_equal(engine_get_derived_count(harness.engine, (uint32_t)seen.knocked),
			 delivered);
	seen.times = 1;
	send(1); // it is empty again
	assert_int_equal(seen.result, 0);
	assert_int_equal(count(STELLAR_EVENT_DERIVED), delivered + 1);
	harness_close(&harness);
}

static void answer(struct harness *unused, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_DERIVED))
		assert_int_equal(session_raise_event(session, seen.answered, "a", 1), 0);
}

static void knock_again(struct harness *unused, struct session *session, void *context)
{
	assert_int_equal(session_raise_event(session, seen.knocked, "k", 1), 0);
}

static void test_two_that_answer_each_other_end(void **state)
{
	open_pair(PACKET, knock_again, 0, answer);
	porter.plugin.raises = answered;
	gate.plugin.hears = of_porter;
	harness_start(&harness);

	send(1);

	// Eight rounds: four questions, four answers. The ninth event is not delivered.
	assert_string_equal(harness.log,
			    "gate:session_packet "
			    "porter:derived gate:derived porter:derived gate:derived "
			    "porter:derived gate:derived porter:derived gate:derived ");
	assert_int_equal(count(STELLAR_EVENT_DERIVED), EVENT_ROUNDS_MAX);
	assert_int_equal(count_overflow(), 1);
	send(1); // and no later packet suffers
	assert_int_equal(count(STELLAR_EVENT_DERIVED), 2 * EVENT_ROUNDS_MAX);
	assert_int_equal(count_overflow(), 2);
	harness_close(&harness);
}

static void fail_when_heard(struct harness *unused, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_DERIVED))
		pm_session_fail(session);
}

static void test_hearer_that_fails_leaves_the_session(void **state)
{
	open_pair(PACKET, knock, PACKET, fail_when_heard);
	seen.times = 2;
	harness_start(&harness);

	send(1);

	assert_string_equal(harness.log,
			    "gate:session_packet porter:session_packet porter:derived ");
	assert_int_equal(porter.frees, 1);
	assert_int_equal(count(STELLAR_EVENT_DERIVED), 2);
	harness_close(&harness);
}

static void knock_and_fail(struct harness *unused, struct session *session, void *context)
{
	knock(unused, session, context);
	pm_session_fail(session);
}

static void test_event_of_one_that_failed_is_heard(void **state)
{
	open_pair(PACKET, knock_and_fail, 0, NULL);
	harness_start(&harness);

	send(1);
	send(1);

	assert_string_equal(harness.log, "gate:session_packet porter:derived ");
	assert_int_equal(gate.frees, 1);
	harness_close(&harness);
}

static void detach(struct harness *unused, struct session *session, void *context)
{
	assert_int_equal(pm_session_detach_me(session), 0);
}

static void test_detached_plugin_hears_nothing(void **state)
{
	open_pair(PACKET, knock, PACKET, detach);
	harness_start(&harness);

	send(1);

	assert_string_equal(harness.log, "gate:session_packet porter:session_packet ");
	assert_int_equal(count(STELLAR_EVENT_DERIVED), 1);
	harness_close(&harness);
}

static void drop(struct harness *unused, struct session *session, void *context)
{
	assert_int_equal(session_drop_current_packet(session), 0);
}

static void test_hearer_judges_the_packet_in_hand(void **state)
{
	open_pair(PACKET, knock, 0, drop);
	harness_start(&harness);

	struct verdict verdict = send(1);

	assert_int_equal(verdict.disposition, STELLAR_DROP);
	assert_int_equal(verdict.disposition_plugin_id, 1); // porter
	harness_close(&harness);
}

static void knock_and_take_over(struct harness *unused, struct session *session, void *context)
{
	knock(unused, session, context);
	assert_int_equal(pm_session_take_over(session), 0);
}

static void test_owner_mutes_derived_events_too(void **state)
{
	open_pair(PACKET, knock_and_take_over, 0, NULL);
	harness_start(&harness);

	send(1);

	assert_string_equal(harness.log, "gate:session_packet ");
	harness_close(&harness);
}

// What engine_add_plugin says of a plugin with these lists.
static const char *refused(const char *const *raises, const char *const *hears)
{
	static char error[256];
	static struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "unused", 0, NULL);
	struct plugin wrong = plugin.plugin;

	wrong.name = "gate";
	wrong.raises = raises;
	wrong.hears = hears;
	assert_int_equal(engine_add_plugin(harness.engine, &wrong, NULL, error, sizeof(error)),
			 -EINVAL);
	harness_close(&harness);
	return error;
}

#define RAISES "plugin gate: raises: expected [a-z][a-z0-9_]*, each once; found "
#define HEARS "plugin gate: hears: expected plugin.event of another plugin; found "

static void test_names_that_are_none_are_refused(void **state)
{
	char longest[STELLAR_PLUGIN_NAME_MAX + 2];
	char dotted[STELLAR_PLUGIN_NAME_MAX + 4];
	const char *const long_name[] = {longest, NULL};
	const char *const long_plugin[] = {dotted, NULL};

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	snprintf(dotted, sizeof(dotted), "%s.b", longest);
#define LIST(name) ((const char *const[]){name, NULL})
	assert_string_equal(refused(LIST("Knocked"), NULL), RAISES "Knocked");
	assert_string_equal(refused(LIST("gate.knocked"), NULL), RAISES "gate.knocked");
	assert_string_equal(refused(LIST(""), NULL), RAISES);
	assert_string_equal(
		refused((const char *const[]){"knocked", "left", "knocked", NULL}, NULL),
		RAISES "knocked");
	assert_memory_equal(refused(long_name, NULL), RAISES, strlen(RAISES));
	assert_string_equal(refused(NULL, LIST("knocked")), HEARS "knocked");
	assert_string_equal(refused(NULL, LIST(".knocked")), HEARS ".knocked");
	assert_string_equal(refused(NULL, LIST("porter.")), HEARS "porter.");
	assert_string_equal(refused(NULL, LIST("a.b.c")), HEARS "a.b.c");
	assert_string_equal(refused(NULL, LIST("gate.knocked")), HEARS "gate.knocked");
	assert_memory_equal(refused(NULL, long_plugin), HEARS, strlen(HEARS));
}

static void test_unknown_event_of_a_loaded_plugin_is_refused(void **state)
{
	static const char *const wrong[] = {"gate.open", NULL};
	char error[256];

	open_pair(PACKET, NULL, PACKET, NULL);
	porter.plugin.hears = wrong;

	assert_int_equal(engine_start(harness.engine, error, sizeof(error)), -ENOENT);

	assert_string_equal(error, "plugin porter: hears gate.open: gate raises knocked, left");
	harness_close(&harness);
}

static void test_event_of_a_plugin_that_raises_nothing_is_refused(void **state)
{
	char error[256];

	open_pair(PACKET, NULL, PACKET, NULL);
	gate.plugin.raises = NULL;

	assert_int_equal(engine_start(harness.engine, error, sizeof(error)), -ENOENT);

	assert_string_equal(error, "plugin porter: hears gate.knocked: gate raises nothing");
	harness_close(&harness);
}

static void test_plugin_that_needs_derived_events_and_hears_none_gets_none(void **state)
{
	open_pair(PACKET, knock, PACKET | STELLAR_EVENT_BIT(STELLAR_EVENT_DERIVED), NULL);
	porter.plugin.hears = NULL;
	harness_start(&harness);

	send(1);

	assert_string_equal(harness.log, "gate:session_packet porter:session_packet ");
	assert_int_equal(count(STELLAR_EVENT_DERIVED), 1);
	harness_close(&harness);
}

static void test_event_of_a_plugin_that_is_not_loaded_is_none(void **state)
{
	open_pair(PACKET, NULL, PACKET, NULL);
	porter.plugin.hears = of_nobody;
	harness_start(&harness);

	send(1);

	assert_string_equal(harness.log, "gate:session_packet porter:session_packet ");
	harness_close(&harness);
}

static void knock_later(struct harness *unused, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_SESSION_OPENING))
		assert_int_equal(timer_start(session, 1000), 0);
	else
		knock(unused, session, context);
}

static void test_event_raised_in_a_timer_is_heard_at_its_time(void **state)
{
	open_pair(OPENING | STELLAR_EVENT_BIT(STELLAR_EVENT_TIMER), knock_later, CLOSING, remember);
	seen.length = 3;
	harness_start(&harness);
	send(1);
	uint64_t due_ns = harness.worker->now_ns / NS_PER_MS * NS_PER_MS + 1000 * NS_PER_MS;
	harness.log[0] = '\0';
	harness.time_ns += 2000 * NS_PER_MS;

	harness_send_datagram(&harness, 1, 53, "x", true);

	assert_string_equal(harness.log, "gate:timer porter:derived ");
	assert_int_equal(seen.event.time_ns, due_ns);
	assert_null(seen.event.packet);
	harness_close(&harness);
}

// Another version of a plugin of the harness, in force.
static int reload(const char *name, const struct harness_plugin *plugin, struct plugin *version,
		  char *error, size_t error_size)
{
	const struct plugin_entries entries = {.host_data = (void *)plugin};
	int id = engine_find_plugin(harness.engine, name);

	return engine_replace_plugin(harness.engine, (uint16_t)id, version, &entries, error,
				     error_size);
}

static void test_new_version_raises_events_of_before_and_others(void **state)
{
	static const char *const raises[] = {"rang", "knocked", NULL};
	static const char *const hears[] = {"gate.knocked", "gate.rang", NULL};
	char error[256];

	open_pair(PACKET, knock, PACKET, remember);
	seen.length = 1;
	harness_start(&harness);
	int before = seen.knocked;
	struct plugin new_gate = gate.plugin;
	struct plugin new_porter = porter.plugin;

	new_gate.version = "2";
	new_gate.raises = raises;
	new_porter.version = "2";
	new_porter.hears = hears;
	assert_int_equal(reload("gate", &gate, &new_gate, error, sizeof(error)), 0);
	assert_int_equal(seen.knocked, before);
	assert_int_equal(reload("porter", &porter, &new_porter, error, sizeof(error)), 0);
	int rang = 2; // knocked and left were there

	assert_string_equal(engine_get_derived_name(harness.engine, (uint32_t)rang), "gate.rang");

	send(1);
	seen.knocked = rang;
	send(1);

	assert_string_equal(harness.log,
			    "gate:session_packet porter:session_packet porter:derived "
			    "gate:session_packet porter:session_packet porter:derived ");
	assert_int_equal(seen.event.derived_id, rang);
	assert_int_equal(engine_get_derived_count(harness.engine, (uint32_t)rang), 1);
	harness_close(&harness);
}

static void test_new_version_that_raises_less_than_is_heard_is_refused(void **state)
{
	static const char *const raises[] = {"left", NULL};
	char error[256] = "";

	open_pair(PACKET, knock, PACKET, remember);
	harness_start(&harness);
	struct plugin version = gate.plugin;

	version.version = "2";
	version.raises = raises;
	assert_int_equal(reload("gate", &gate, &version, error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "plugin porter: hears gate.knocked: gate raises left");

	send(1);

	assert_string_equal(harness.log,
			    "gate:session_packet porter:session_packet porter:derived ");
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hearer_gets_a_copy_after_the_event_in_hand),
		cmocka_unit_test(test_names_have_numbers_from_0_on),
		cmocka_unit_test(test_longest_bytes_are_whole_and_more_refused),
		cmocka_unit_test(test_plugin_raises_no_event_of_another_and_none_there_is_not),
		cmocka_unit_test(test_session_that_closes_raises_none),
		cmocka_unit_test(test_event_that_nobody_hears_is_counted_and_takes_no_room),
		cmocka_unit_test(test_queue_that_is_full_is_told_and_counted),
		cmocka_unit_test(test_two_that_answer_each_other_end),
		cmocka_unit_test(test_hearer_that_fails_leaves_the_session),
		cmocka_unit_test(test_event_of_one_that_failed_is_heard),
		cmocka_unit_test(test_detached_plugin_hears_nothing),
		cmocka_unit_test(test_hearer_judges_the_packet_in_hand),
		cmocka_unit_test(test_owner_mutes_derived_events_too),
		cmocka_unit_test(test_names_that_are_none_are_refused),
		cmocka_unit_test(test_unknown_event_of_a_loaded_plugin_is_refused),
		cmocka_unit_test(test_event_of_a_plugin_that_raises_nothing_is_refused),
		cmocka_unit_test(test_plugin_that_needs_derived_events_and_hears_none_gets_none),
		cmocka_unit_test(test_event_of_a_plugin_that_is_not_loaded_is_none),
		cmocka_unit_test(test_event_raised_in_a_timer_is_heard_at_its_time),
		cmocka_unit_test(test_new_version_raises_events_of_before_and_others),
		cmocka_unit_test(test_new_version_that_raises_less_than_is_heard_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
