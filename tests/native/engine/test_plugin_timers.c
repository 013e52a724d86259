// SPDX-License-Identifier: Apache-2.0

// Timers of plugins: when they fire, in which order, and every way in which they end.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <stellar/expect.h>
#include <stellar/timer.h>

#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define RESUMED STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_RESUMED)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define METADATA STELLAR_EVENT_BIT(STELLAR_EVENT_METADATA_CHANGED)
#define TIMER STELLAR_EVENT_BIT(STELLAR_EVENT_TIMER)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define MS_NS 1000000ull
#define UDP_OPENING_MS 30000u
#define YEAR_MS 31536000000ull
#define OTHER_PORT 2000 // its sessions have no timer of their own

static uint64_t start_ns; // of the first packet

static bool is_event(const struct session *session, enum stellar_event event)
{
	return session_get_event(session)->type == event;
}

static struct plugin_stats stats_of(const struct harness *harness, size_t position)
{
	struct plugin_stats stats[HARNESS_PLUGINS_MAX];

	engine_get_plugin_stats(harness->engine, stats, HARNESS_PLUGINS_MAX);
	return stats[position];
}

static uint16_t port_of(const struct session *session)
{
	struct packet_endpoint originator;

	session_get_originator(session, &originator);
	return originator.port;
}

static void open_with(struct harness *harness, uint32_t udp_opening_sec, uint64_t plugin_timers)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = true;
	config.session_capacity = 1024;
	config.timeouts.udp_opening_sec = udp_opening_sec;
	config.limits.plugin_timers = plugin_timers;
	config.hash_seed[0] = 1;
	harness_open(harness, &config);
	start_ns = harness->time_ns;
}

static void send_from(struct harness *harness, uint16_t port)
{
	harness_send_datagram(harness, port, 53, "x", false);
}

// A packet of a session that is not under test comes that long after the first.
static void let_pass(struct harness *harness, uint64_t ms)
{
	harness->time_ns = start_ns + ms * MS_NS;
	send_from(harness, OTHER_PORT);
}

// What is called, with its time since the first packet.
static void note(struct harness *harness, const struct session *session, const char *what)
{
	const struct event *event = session_get_event(session);
	size_t used = strlen(harness->log);

	snprintf(harness->log + used, HARNESS_LOG_SIZE - used, "[%s %llu] ", what,
		 (unsigned long long)((event->time_ns - start_ns) / MS_NS));
}

static void start_50(struct harness *harness, struct session *session, void *context)
{
	if (port_of(session) == OTHER_PORT)
		return;
	if (is_event(session, STELLAR_EVENT_SESSION_OPENING))
		assert_int_equal(timer_start(session, 50), 0);
	if (!is_event(session, STELLAR_EVENT_TIMER))
		return;
	assert_null(session_get_event(session)->packet);
	assert_int_equal(session_drop_current_packet(session), -EINVAL);
	note(harness, session, "at");
}

static void test_timer_fires_once_at_its_time(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with(&harness, 30, 10);
	harness_add_plugin(&harness, &plugin, "a", OPENING | TIMER, start_50);
	harness_start(&harness);
	send_from(&harness, 1000);
	let_pass(&harness, 49);
	assert_string_equal(harness.log, "a:session_opening a:session_opening ");
	assert_int_equal(stats_of(&harness, 0).timers, 1);
	harness.log[0] = '\0';

	let_pass(&harness, 70);
	let_pass(&harness, 500);

	assert_string_equal(harness.log, "a:timer [at 50] ");
	assert_int_equal(stats_of(&harness, 0).timers, 0);
	assert_int_equal(engine_get_event_count(harness.engine, STELLAR_EVENT_TIMER), 1);
	harness_close(&harness);
}

static void start_at_the_end(struct harness *harness, struct session *session, void *context)
{
	note(harness, session, "at");
	if (is_event(session, STELLAR_EVENT_SESSION_OPENING))
		timer_start(session, UDP_OPENING_MS + (port_of(session) == 1001));
}

static void test_timer_fires_before_the_session_of_its_time_ends_and_never_after(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with(&harness, UDP_OPENING_MS / 1000, 10);
	harness_add_plugin(&harness, &plugin, "a", OPENING | TIMER | CLOSING, start_at_the_end);
	harness_start(&harness);
	send_from(&harness, 1000);
	harness.time_ns = start_ns;
	send_from(&harness, 1001);
	harness.log[0] = '\0';

	let_pass(&harness, 40000);

	assert_string_equal(harness.log, "a:timer [at 30000] a:session_closing [at 30000] "
					 "a:session_closing [at 30000] "
					 "a:session_opening [at 40000] ");
	assert_int_equal(stats_of(&harness, 0).timers, 1);
	worker_finish(harness.worker);
	assert_int_equal(stats_of(&harness, 0).timers, 0);
	harness_close(&harness);
}

static void start_anew(struct harness *harness, struct session *session, void *context)
{
	if (port_of(session) == OTHER_PORT)
		return;
	if (is_event(session, STELLAR_EVENT_TIMER))
		note(harness, session, "at");
	else if (session_get_packets(session, STELLAR_FORWARD) < 3)
		assert_int_equal(timer_start(session, 50), 0);
	else if (session_get_packets(session, STELLAR_FORWARD) == 3)
		assert_int_equal(timer_start(session, 5), 0);
	else
		assert_int_equal(timer_stop(session), 0);
}

static void test_timer_that_is_started_again_moves_and_a_stopped_one_is_gone(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with(&harness, 30, 10);
	harness_add_plugin(&harness, &plugin, "a", PACKET | TIMER, start_anew);
	harness_start(&harness);
	send_from(&harness, 1000);
	harness.time_ns = start_ns + 30 * MS_NS;
	send_from(&harness, 1000); // 80 now
	harness.time_ns = start_ns + 70 * MS_NS;
	send_from(&harness, 1000); // 75 now
	let_pass(&harness, 79);
	assert_string_equal(harness.log, "a:session_packet a:session_packet a:session_packet "
					 "a:timer [at 75] a:session_packet ");
	harness.log[0] = '\0';

	send_from(&harness, 1000);
	send_from(&harness, 1000);
	let_pass(&harness, 1000);

	assert_string_equal(harness.log, "a:session_packet a:session_packet a:session_packet ");
	harness_close(&harness);
}

static void start_in_vain(struct harness *harness, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_SESSION_CLOSING)) {
		assert_int_equal(timer_start(session, 1), -EINVAL);
		return;
	}
	assert_int_equal(timer_start(session, 0), -EINVAL);
	assert_int_equal(timer_start(session, STELLAR_TIMER_MAX_MS + 1), -EINVAL);
	assert_int_equal(timer_start(session, STELLAR_TIMER_MAX_MS), 0);
	assert_int_equal(pm_session_detach_me(session), 0);
}

static void start_when_detached(struct session *session, void *context)
{
	assert_int_equal(timer_start(session, 1), -EINVAL);
}

static void start_without_need(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(timer_start(session, 1), -EINVAL);
	assert_int_equal(timer_stop(session), 0);
}

static void test_what_can_not_be_a_timer_is_refused(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[3];

	open_with(&harness, 30, 10);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | TIMER, start_in_vain);
	harness_add_plugin(&harness, &plugins[1], "b", OPENING, start_without_need);
	harness_add_plugin(&harness, &plugins[2], "c", TIMER | CLOSING, start_in_vain);
	plugins[0].plugin.context_free = start_when_detached;
	plugins[2].plugin.context_free = start_when_detached;
	harness_start(&harness);

	send_from(&harness, 1000);
	assert_int_equal(stats_of(&harness, 0).detached, 1);
	assert_int_equal(stats_of(&harness, 0).timers, 0);
	assert_int_equal(stats_of(&harness, 0).timers_refused, 0);
	worker_finish(harness.worker);

	assert_string_equal(harness.log, "a:session_opening b:session_opening c:session_closing ");
	harness_close(&harness);
}

static void start_of_parent(struct harness *harness, struct session *session, void *context)
{
	struct session *parent = session_get_parent(session);
	struct packet_endpoint client;
	struct packet_endpoint server;

	if (parent != NULL) {
		assert_int_equal(timer_start(parent, 1), -EINVAL);
		assert_int_equal(timer_stop(parent), -EINVAL);
		return;
	}
	session_get_responder(session, &server);
	session_get_originator(session, &client);
	server.port = 0;
	assert_int_equal(expect_session(session, 17, &server, &client, 5000), 0);
}

static void test_session_that_was_lent_has_no_timer_of_the_callback(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with(&harness, 30, 10);
	harness_add_plugin(&harness, &plugin, "a", OPENING | TIMER, start_of_parent);
	harness_start(&harness);

	send_from(&harness, 1000);
	harness_send_datagram(&harness, 1000, 7777, "x", true);

	assert_string_equal(harness.log, "a:session_opening a:session_opening ");
	harness_close(&harness);
}

// The owner. It is called after the one that it mutes.
static void own(struct harness *harness, struct session *session, void *context)
{
	uint64_t packets = session_get_packets(session, STELLAR_FORWARD);

	if (port_of(session) != 1000)
		return;
	if (packets == 1)
		assert_int_equal(pm_session_take_over(session), 0);
	else if (packets == 2)
		assert_int_equal(pm_session_give_back(session), 0);
}

static void open_owned(struct harness *harness, struct harness_plugin plugins[2],
		       harness_react_fn owner)
{
	open_with(harness, 3600, 10);
	harness_add_plugin(harness, &plugins[0], "a", OPENING | TIMER, start_50);
	harness_add_plugin(harness, &plugins[1], "b", PACKET, owner);
	harness_start(harness);
	send_from(harness, 1000);
	let_pass(harness, 199);
	assert_null(strstr(harness->log, "timer"));
	harness->log[0] = '\0';
	harness->time_ns = start_ns + 200 * MS_NS;
}

static void test_timer_waits_until_the_owner_gives_back(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_owned(&harness, plugins, own);

	send_from(&harness, 1000);
	let_pass(&harness, 300);

	assert_string_equal(harness.log, "b:session_packet a:timer [at 201] b:session_packet ");
	harness_close(&harness);
}

static void own_and_fail(struct harness *harness, struct session *session, void *context)
{
	if (port_of(session) == 1000 && session_get_packets(session, STELLAR_FORWARD) > 1)
		pm_session_fail(session);
	else
		own(harness, session, context);
}

static void test_timer_waits_until_the_owner_fails(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_owned(&harness, plugins, own_and_fail);

	send_from(&harness, 1000);
	let_pass(&harness, 300);

	assert_string_equal(harness.log, "b:session_packet a:timer [at 201] b:session_packet ");
	harness_close(&harness);
}

static void own_and_fail_elsewhere(struct harness *harness, struct session *session, void *context)
{
	if (port_of(session) > 3000)
		pm_session_fail(session);
	else
		own(harness, session, context);
}

static void test_timer_waits_until_the_owner_is_disabled(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_owned(&harness, plugins, own_and_fail_elsewhere);
	plugins[0].react = NULL;
	for (uint16_t i = 1; i <= STELLAR_PLUGIN_ERRORS_MAX; i++)
		send_from(&harness, (uint16_t)(3000 + i));
	plugins[0].react = start_50;
	harness.log[0] = '\0';

	let_pass(&harness, 300);

	assert_string_equal(harness.log, "a:timer [at 216] ");
	harness_close(&harness);
}

// Renews its lease with the second packet.
static void own_longer(struct harness *harness, struct session *session, void *context)
{
	if (port_of(session) == 1000)
		assert_int_equal(pm_session_take_over(session), 0);
}

static void test_timer_waits_until_the_lease_is_over(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_owned(&harness, plugins, own_longer);
	let_pass(&harness, 100000);
	send_from(&harness, 1000); // at 100001
	let_pass(&harness, 400000);
	assert_null(strstr(harness.log, "timer"));
	harness.log[0] = '\0';

	let_pass(&harness, 500000);

	assert_string_equal(harness.log, "a:timer [at 400001] b:session_packet ");
	harness_close(&harness);
}

static void own_with_timer(struct harness *harness, struct session *session, void *context)
{
	start_50(harness, session, context);
	if (is_event(session, STELLAR_EVENT_SESSION_OPENING))
		assert_int_equal(pm_session_take_over(session), 0);
}

static void test_owner_has_its_own_timer(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with(&harness, 30, 10);
	harness_add_plugin(&harness, &plugin, "a", OPENING | TIMER, own_with_timer);
	harness_start(&harness);
	send_from(&harness, 1000);
	harness.log[0] = '\0';

	let_pass(&harness, 60);

	assert_string_equal(harness.log, "a:timer [at 50] a:session_opening ");
	harness_close(&harness);
}

static void start_or_fail(struct harness *harness, struct session *session, void *context)
{
	if (port_of(session) > 3000)
		pm_session_fail(session);
	else
		start_50(harness, session, context);
}

static void test_timers_of_a_disabled_plugin_are_gone(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_with(&harness, 30, 20);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | TIMER, start_or_fail);
	harness_add_plugin(&harness, &plugins[1], "b", OPENING | TIMER, start_50);
	harness_start(&harness);
	for (uint16_t i = 0; i < 5; i++)
		send_from(&harness, (uint16_t)(1000 + i));
	assert_int_equal(stats_of(&harness, 0).timers, 5);
	plugins[1].react = NULL;

	for (uint16_t i = 1; i <= STELLAR_PLUGIN_ERRORS_MAX; i++)
		send_from(&harness, (uint16_t)(3000 + i));

	assert_false(stats_of(&harness, 0).enabled);
	harness.log[0] = '\0';
	let_pass(&harness, 30);
	assert_int_equal(stats_of(&harness, 0).timers, 0);
	assert_int_equal(stats_of(&harness, 1).timers, 5);
	let_pass(&harness, 60);
	assert_string_equal(harness.log,
			    "b:session_opening b:timer b:timer b:timer b:timer b:timer ");
	harness_close(&harness);
}

static void start_within_limit(struct harness *harness, struct session *session, void *context)
{
	int expected = port_of(session) == OTHER_PORT ? -ENOSPC : 0;

	assert_int_equal(timer_start(session, 50), expected);
}

static void test_limit_of_timers_holds_and_is_counted(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_with(&harness, 30, 4);
	harness_add_plugin(&harness, &plugins[0], "a", PACKET | TIMER, start_within_limit);
	harness_add_plugin(&harness, &plugins[1], "b", PACKET | TIMER, start_within_limit);
	harness_start(&harness);
	for (uint16_t i = 0; i < 4; i++)
		send_from(&harness, 1000 + i % 2);

	let_pass(&harness, 20);
	let_pass(&harness, 120); // they start themselves again

	assert_int_equal(stats_of(&harness, 0).timers, 2);
	assert_int_equal(stats_of(&harness, 1).timers, 2);
	assert_int_equal(stats_of(&harness, 0).timers_refused, 2);
	assert_int_equal(stats_of(&harness, 0).errors + stats_of(&harness, 1).errors, 0);
	harness_close(&harness);
}

static uint64_t fired;
static uint64_t last_fired_ms;

static void start_each_ms(struct harness *harness, struct session *session, void *context)
{
	if (port_of(session) == OTHER_PORT)
		return;
	assert_int_equal(timer_start(session, 1), 0);
	harness->log[0] = '\0';
	if (!is_event(session, STELLAR_EVENT_TIMER))
		return;
	fired++;
	last_fired_ms = (session_get_event(session)->time_ns - start_ns) / MS_NS;
}

static void test_jump_of_the_clock_ends(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with(&harness, 4 * YEAR_MS / 1000, 10);
	harness_add_plugin(&harness, &plugin, "a", OPENING | TIMER, start_each_ms);
	harness_start(&harness);
	send_from(&harness, 1000);
	send_from(&harness, 1001);
	fired = 0;

	let_pass(&harness, 2000000000); // 23 days, a day less than sessions can wait

	// Those that ran, those that the step had room for, and both at its end.
	assert_int_equal(fired, 2 + STELLAR_TIMER_STEP_MAX + 2);
	assert_int_equal(last_fired_ms, 2000000000);
	let_pass(&harness, 2000000010);
	assert_int_equal(fired, 2 + STELLAR_TIMER_STEP_MAX + 2 + 20);
	fired = 0;
	let_pass(&harness, 10 * YEAR_MS);
	assert_true(fired <= 2 + STELLAR_TIMER_STEP_MAX + 2);
	assert_int_equal(stats_of(&harness, 0).timers, 0);
	harness_close(&harness);
}

static void mark_in_timer(struct harness *harness, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_TIMER))
		assert_int_equal(session_copy_metadata(session, "mark", "x", 1), 0);
	start_50(harness, session, context);
}

static void expect_no_packet(struct harness *harness, struct session *session, void *context)
{
	assert_null(session_get_event(session)->packet);
	note(harness, session, "at");
}

static void test_events_that_a_timer_causes_come_before_what_is_next(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_with(&harness, 30, 10);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | TIMER, mark_in_timer);
	harness_add_plugin(&harness, &plugins[1], "b", METADATA, expect_no_packet);
	harness_start(&harness);
	for (uint16_t i = 0; i < 2; i++)
		send_from(&harness, 1000 + i);
	harness.log[0] = '\0';

	let_pass(&harness, 51);

	assert_string_equal(harness.log, "a:timer [at 50] b:metadata_changed [at 50] "
					 "a:timer [at 51] b:metadata_changed [at 51] "
					 "a:session_opening ");
	harness_close(&harness);
}

static void consent(struct harness *harness, struct session *session, void *context)
{
	start_50(harness, session, context);
	if (is_event(session, STELLAR_EVENT_SESSION_PACKET))
		assert_int_equal(session_bypass(session), 0);
}

static void test_bypassed_session_has_its_timers(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_with(&harness, 30, 10);
	harness_add_plugin(&harness, &plugins[0], "a", OPENING | PACKET | TIMER, consent);
	harness_add_plugin(&harness, &plugins[1], "b", OPENING | TIMER, start_50);
	harness_start(&harness);

	assert_true(harness_send_datagram(&harness, 1000, 53, "x", false).bypass);
	plugins[0].react = start_50;
	harness.log[0] = '\0';
	harness.time_ns = start_ns + 60 * MS_NS;
	send_from(&harness, 1000);

	assert_string_equal(harness.log, "a:timer [at 50] b:timer [at 50] ");
	harness_close(&harness);
}

// 50 ms after the session opened, or was taken over.
static void start_when_new(struct harness *harness, struct session *session, void *context)
{
	if (is_event(session, STELLAR_EVENT_TIMER))
		note(harness, session, "at");
	else
		assert_int_equal(timer_start(session, 50), 0);
}

static void start_on_directory(struct harness *harness, struct harness_plugin *plugin,
			       const char *path)
{
	char error[256] = "";

	open_with(harness, 30, 10);
	assert_int_equal(engine_add_session_directory(harness->engine, path, error, sizeof(error)),
			 0);
	harness_add_plugin(harness, plugin, "a", OPENING | RESUMED | TIMER, start_when_new);
	harness_start(harness);
}

static void test_timer_does_not_outlive_the_engine(void **state)
{
	char path[] = "/dev/shm/stellar-test-timers-XXXXXX";
	struct harness harness;
	struct harness_plugin plugin;

	assert_non_null(mkdtemp(path));
	start_on_directory(&harness, &plugin, path);
	send_from(&harness, 1000);
	engine_hand_over(harness.engine);
	assert_int_equal(stats_of(&harness, 0).timers, 1);
	harness_close(&harness);

	start_on_directory(&harness, &plugin, path);
	harness.time_ns = start_ns + 100 * MS_NS;
	send_from(&harness, 1000);
	assert_string_equal(harness.log, "a:session_resumed ");
	harness.time_ns = start_ns + 200 * MS_NS;
	send_from(&harness, 1000);

	assert_string_equal(harness.log, "a:session_resumed a:timer [at 150] ");
	harness_close(&harness);
	assert_int_equal(access(path, F_OK), -1);
}

// Any sequence of starts and stops, beside a list of what must come.

#define PORTS 24
#define PLUGINS 2
#define STEPS 4000

static struct {
	uint64_t state;
	uint64_t now_ms;
	uint64_t started; // ever
	struct {
		uint64_t deadline_ms; // 0: it is not running
		uint64_t order;
	} timers[PLUGINS][PORTS];
} model;

static uint32_t choose(uint32_t count)
{
	model.state = model.state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(model.state >> 33) % count;
}

// Whether a timer of the model comes before this one.
static bool comes_before(uint32_t plugin, uint32_t port, uint64_t deadline_ms, uint64_t order)
{
	uint64_t other_ms = model.timers[plugin][port].deadline_ms;

	return other_ms != 0 &&
	       (other_ms < deadline_ms ||
		(other_ms == deadline_ms && model.timers[plugin][port].order < order));
}

static void assert_nothing_before(uint64_t deadline_ms, uint64_t order)
{
	for (uint32_t plugin = 0; plugin < PLUGINS; plugin++) {
		for (uint32_t port = 0; port < PORTS; port++)
			assert_false(comes_before(plugin, port, deadline_ms, order));
	}
}

static void start_or_stop(struct session *session, uint32_t plugin, uint32_t port)
{
	static const uint32_t ranges[] = {3, 40, 1000, 100000};
	uint32_t delay_ms = 1 + choose(ranges[choose(4)]);

	if (choose(6) == 0) {
		assert_int_equal(timer_stop(session), 0);
		model.timers[plugin][port].deadline_ms = 0;
	} else if (choose(3) != 0) {
		assert_int_equal(timer_start(session, delay_ms), 0);
		model.timers[plugin][port].deadline_ms = model.now_ms + delay_ms;
		model.timers[plugin][port].order = ++model.started;
	}
}

static void act_at_random(struct harness *harness, struct session *session, void *context)
{
	const struct event *event = session_get_event(session);
	uint32_t plugin = pm_session_plugin_id(session);
	uint32_t port = port_of(session) - 1000u;

	harness->log[0] = '\0';
	model.now_ms = event->time_ns / MS_NS;
	if (event->type == STELLAR_EVENT_TIMER) {
		assert_int_equal(model.timers[plugin][port].deadline_ms, model.now_ms);
		assert_nothing_before(model.now_ms, model.timers[plugin][port].order);
		model.timers[plugin][port].deadline_ms = 0;
		fired++;
	} else {
		assert_nothing_before(model.now_ms + 1, 0);
	}
	start_or_stop(session, plugin, port);
}

static void test_timers_come_as_a_sorted_list_says(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[PLUGINS];

	for (uint64_t seed = 1; seed <= 5; seed++) {
		memset(&model, 0, sizeof(model));
		model.state = seed;
		fired = 0;
		open_with(&harness, 4 * YEAR_MS / 1000, PLUGINS * PORTS);
		for (uint32_t i = 0; i < PLUGINS; i++) {
			harness_add_plugin(&harness, &plugins[i], i == 0 ? "a" : "b",
					   PACKET | TIMER, act_at_random);
		}
		harness_start(&harness);
		for (uint32_t i = 0; i < STEPS; i++) {
			harness.time_ns += choose(choose(10) == 0 ? 3000000 : 3000) * 1000ull;
			send_from(&harness, (uint16_t)(1000 + choose(PORTS)));
			harness_drain(&harness, true);
		}
		assert_true(fired > STEPS / 2);
		harness_close(&harness);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_fires_once_at_its_time),
		cmocka_unit_test(
			test_timer_fires_before_the_session_of_its_time_ends_and_never_after),
		cmocka_unit_test(test_timer_that_is_started_again_moves_and_a_stopped_one_is_gone),
		cmocka_unit_test(test_what_can_not_be_a_timer_is_refused),
		cmocka_unit_test(test_session_that_was_lent_has_no_timer_of_the_callback),
		cmocka_unit_test(test_timer_waits_until_the_owner_gives_back),
		cmocka_unit_test(test_timer_waits_until_the_owner_fails),
		cmocka_unit_test(test_timer_waits_until_the_owner_is_disabled),
		cmocka_unit_test(test_timer_waits_until_the_lease_is_over),
		cmocka_unit_test(test_owner_has_its_own_timer),
		cmocka_unit_test(test_timers_of_a_disabled_plugin_are_gone),
		cmocka_unit_test(test_limit_of_timers_holds_and_is_counted),
		cmocka_unit_test(test_jump_of_the_clock_ends),
		cmocka_unit_test(test_events_that_a_timer_causes_come_before_what_is_next),
		cmocka_unit_test(test_bypassed_session_has_its_timers),
		cmocka_unit_test(test_timer_does_not_outlive_the_engine),
		cmocka_unit_test(test_timers_come_as_a_sorted_list_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
