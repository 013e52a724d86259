// SPDX-License-Identifier: Apache-2.0

// What a plugin has of each worker: its state there, and ticks.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <stellar/timer.h>

#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define TIMER STELLAR_EVENT_BIT(STELLAR_EVENT_TIMER)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define MS_NS 1000000ull
#define WORKERS 3

static uint64_t start_ns;
static struct harness *ticking; // whose log ticks are written to

// State of a worker.

static int begun[WORKERS];
static int ended[WORKERS];
static int refused_id; // worker for which worker_init refuses
static bool unloaded;

static int begin(struct plugin_host *host, void *state, uint32_t worker_id, void **ret_worker_state)
{
	begun[worker_id]++;
	if ((int)worker_id == refused_id)
		return -EPERM;
	*ret_worker_state = &begun[worker_id];
	return 0;
}

static void end(struct plugin_host *host, void *state, void *worker_state)
{
	int *mine = worker_state;

	assert_false(unloaded);
	ended[mine - begun]++;
}

static void unload(struct plugin_host *host, void *state)
{
	unloaded = true;
}

static void open_workers(struct harness *harness, struct harness_plugin *plugin)
{
	struct engine_config config;

	memset(begun, 0, sizeof(begun));
	memset(ended, 0, sizeof(ended));
	refused_id = -1;
	unloaded = false;
	engine_config_init(&config);
	config.worker_count = WORKERS;
	config.session_capacity = 64;
	config.is_inline = true;
	harness_open(harness, &config);
	harness_add_plugin(harness, plugin, "a", OPENING, NULL);
	plugin->plugin.worker_init = begin;
	plugin->plugin.worker_fini = end;
	plugin->plugin.unload = unload;
}

static void expect_own_state(struct harness *harness, struct session *session, void *context)
{
	assert_ptr_equal(pm_session_worker_state(session), &begun[0]);
}

static void test_each_worker_has_a_state_that_begins_and_ends_once(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_workers(&harness, &plugin);
	plugin.react = expect_own_state;
	harness_start(&harness);
	for (int id = 0; id < WORKERS; id++) {
		assert_int_equal(begun[id], 1);
		assert_int_equal(ended[id], 0);
	}
	harness_send_datagram(&harness, 1000, 53, "x", false);
	assert_string_equal(harness.log, "a:session_opening ");

	harness_close(&harness);

	for (int id = 0; id < WORKERS; id++)
		assert_int_equal(ended[id], 1);
	assert_true(unloaded);
}

static void test_plugin_that_refuses_a_worker_does_not_start(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	char error[256] = "";

	open_workers(&harness, &plugin);
	refused_id = 1;

	assert_int_equal(engine_start(harness.engine, error, sizeof(error)), -EPERM);
	assert_non_null(strstr(error, "plugin a"));
	harness_close(&harness);

	assert_int_equal(ended[0], 1);
	assert_int_equal(ended[1], 0);
	assert_int_equal(begun[2], 0);
	assert_true(unloaded);
}

// Ticks.

static int ticks_id; // a counter

static int make_counter(struct plugin_host *host, void **ret_state)
{
	ticks_id = plugin_counter_create(host, "ticks");
	return ticks_id < 0 ? ticks_id : 0;
}

static void log_tick(struct plugin_worker *worker, const char *name)
{
	char *log = ticking->log;
	size_t used = strlen(log);

	assert_int_equal(plugin_worker_get_id(worker), 0);
	snprintf(log + used, HARNESS_LOG_SIZE - used, "%s:tick %llu ", name,
		 (unsigned long long)((plugin_worker_get_time_ns(worker) - start_ns) / MS_NS));
	plugin_worker_counter_add(worker, ticks_id, 1);
	plugin_worker_counter_add(worker, -1, 1);
	plugin_worker_counter_add(worker, 5000, 1);
}

static void tick_a(struct plugin_worker *worker, void *worker_state)
{
	log_tick(worker, "a");
}

static void tick_b(struct plugin_worker *worker, void *worker_state)
{
	log_tick(worker, "b");
}

static void open_ticking(struct harness *harness)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = true;
	config.session_capacity = 64;
	config.timeouts.udp_opening_sec = 1;
	harness_open(harness, &config);
	start_ns = harness->time_ns;
	ticking = harness;
}

// Functions of a plugin are taken when it is added.
static void add_ticking(struct harness *harness, struct harness_plugin *plugin, uint64_t events,
			harness_react_fn react, const struct plugin *tick)
{
	const struct plugin_entries entries = {.tick = tick->tick, .host_data = plugin};

	harness_add_plugin(harness, plugin, tick->name, events, react);
	plugin->plugin.tick_ms = tick->tick_ms;
	plugin->plugin.load = make_counter;
	assert_int_equal(
		engine_set_plugin_entries(harness->engine, tick->name[0] != 'a', 0, &entries), 0);
}

static const struct plugin a_each_100 = {.name = "a", .tick_ms = 100, .tick = tick_a};
static const struct plugin b_each_150 = {.name = "b", .tick_ms = 150, .tick = tick_b};

static void send_at(struct harness *harness, uint16_t port, uint64_t ms)
{
	harness->time_ns = start_ns + ms * MS_NS;
	harness_send_datagram(harness, port, 53, "x", false);
}

static uint64_t counter_of(const struct harness *harness, size_t position)
{
	const char *plugin;
	const char *name;
	uint64_t value;

	assert_int_equal(
		engine_get_plugin_counter(harness->engine, position, &plugin, &name, &value), 0);
	return value;
}

static void test_ticks_come_in_time_and_are_one_when_no_packet_does(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_ticking(&harness);
	add_ticking(&harness, &plugins[0], 0, NULL, &a_each_100);
	add_ticking(&harness, &plugins[1], 0, NULL, &b_each_150);
	harness_start(&harness);
	send_at(&harness, 1000, 0);
	send_at(&harness, 1000, 99);
	assert_string_equal(harness.log, "");

	send_at(&harness, 1000, 100);
	assert_string_equal(harness.log, "a:tick 100 ");
	harness.log[0] = '\0';
	send_at(&harness, 1000, 301);
	assert_string_equal(harness.log, "a:tick 300 b:tick 300 ");
	harness.log[0] = '\0';
	send_at(&harness, 1000, 301);
	send_at(&harness, 1000, 1000049);
	assert_string_equal(harness.log, "b:tick 999900 a:tick 1000000 ");
	send_at(&harness, 1000, 1000050);
	assert_string_equal(harness.log, "b:tick 999900 a:tick 1000000 b:tick 1000050 ");
	assert_int_equal(counter_of(&harness, 0), 3);
	assert_int_equal(counter_of(&harness, 1), 3);
	harness_close(&harness);
}

static void start_100(struct harness *harness, struct session *session, void *context)
{
	if (session_get_event(session)->type == STELLAR_EVENT_SESSION_OPENING)
		assert_int_equal(timer_start(session, 100), 0);
}

static void test_tick_comes_before_timers_and_ends_of_its_time(void **state)
{
	struct harness harness;
	struct harness_plugin plugins[2];

	open_ticking(&harness);
	add_ticking(&harness, &plugins[0], OPENING | TIMER | CLOSING, start_100, &a_each_100);
	add_ticking(&harness, &plugins[1], 0, NULL, &b_each_150);
	harness_start(&harness);
	send_at(&harness, 1000, 0);
	harness.log[0] = '\0';

	send_at(&harness, 1001, 120);
	assert_string_equal(harness.log, "a:tick 100 a:timer a:session_opening ");
	harness.log[0] = '\0';
	send_at(&harness, 1002, 1000);
	assert_string_equal(harness.log, "a:timer b:tick 900 a:tick 1000 a:session_closing "
					 "a:session_opening ");
	harness_close(&harness);
}

static void tick_and_fail(struct plugin_worker *worker, void *worker_state)
{
	log_tick(worker, "a");
	plugin_worker_fail(worker);
}

static void test_plugin_whose_ticks_fail_is_disabled_and_ticks_no_more(void **state)
{
	static const struct plugin failing = {.name = "a", .tick_ms = 100, .tick = tick_and_fail};
	struct harness harness;
	struct harness_plugin plugin;
	struct plugin_stats stats;

	open_ticking(&harness);
	add_ticking(&harness, &plugin, OPENING, NULL, &failing);
	plugin.plugin.fail_action = STELLAR_FAIL_CLOSED;
	harness_start(&harness);
	for (uint32_t i = 0; i < STELLAR_PLUGIN_ERRORS_MAX; i++) {
		assert_int_equal(harness_send_datagram(&harness, 1000, 53, "x", false).disposition,
				 STELLAR_CONTINUE);
		harness.time_ns += 100 * MS_NS;
	}

	send_at(&harness, 1000, 5000);
	assert_int_equal(harness_send_datagram(&harness, 1000, 53, "x", false).drop_reason,
			 STELLAR_DROPPED_PLUGIN_FAILED);
	send_at(&harness, 1000, 9000);

	engine_get_plugin_stats(harness.engine, &stats, 1);
	assert_false(stats.enabled);
	assert_int_equal(stats.errors, STELLAR_PLUGIN_ERRORS_MAX);
	assert_int_equal(counter_of(&harness, 0), STELLAR_PLUGIN_ERRORS_MAX);
	harness_close(&harness);
}

// Workers that run by themselves.

static _Atomic uint32_t ticks_of[WORKERS];
static uint64_t last_ns_of[WORKERS];

static void tick_anywhere(struct plugin_worker *worker, void *worker_state)
{
	uint32_t id = plugin_worker_get_id(worker);

	assert_true(plugin_worker_get_time_ns(worker) > last_ns_of[id]);
	last_ns_of[id] = plugin_worker_get_time_ns(worker);
	atomic_fetch_add(&ticks_of[id], 1);
}

static void do_nothing(struct session *session, void *context)
{
}

static const struct plugin ticking_plugin = {
	STELLAR_PLUGIN_HEADER, .name = "a",
	.version = "1",	       .fail_action = STELLAR_FAIL_OPEN,
	.entry = do_nothing,   .tick_ms = 5,
	.tick = tick_anywhere,
};

struct rig {
	struct engine *engine;
	struct packet_io_device *device;
	pthread_t threads[WORKERS];
};

struct start {
	struct engine *engine;
	uint32_t id;
};

static void open_rig(struct rig *rig, const char *uri)
{
	struct engine_config config;
	char error[256] = "";

	memset(last_ns_of, 0, sizeof(last_ns_of));
	for (int id = 0; id < WORKERS; id++)
		atomic_store(&ticks_of[id], 0);
	engine_config_init(&config);
	config.worker_count = WORKERS;
	config.session_capacity = 64;
	config.hash_seed[0] = 1;
	assert_int_equal(engine_create(&config, &rig->engine, error, sizeof(error)), 0);
	assert_int_equal(packet_io_device_open(uri, &rig->device, error, sizeof(error)), 0);
	assert_int_equal(
		engine_add_interface_device(rig->engine, "in", rig->device, error, sizeof(error)),
		0);
	assert_int_equal(engine_add_tap(rig->engine, 0, UINT16_MAX, error, sizeof(error)), 0);
	assert_int_equal(
		engine_add_plugin(rig->engine, &ticking_plugin, NULL, error, sizeof(error)), 0);
	assert_int_equal(engine_start(rig->engine, error, sizeof(error)), 0);
}

static void *run_worker(void *argument)
{
	const struct start *start = argument;

	return (void *)(intptr_t)engine_worker_run(start->engine, start->id, -1);
}

static void run_all(struct rig *rig, struct start *starts)
{
	for (uint32_t id = 0; id < WORKERS; id++) {
		starts[id] = (struct start){rig->engine, id};
		assert_int_equal(pthread_create(&rig->threads[id], NULL, run_worker, &starts[id]),
				 0);
	}
}

static void close_rig(struct rig *rig)
{
	engine_stop(rig->engine);
	for (uint32_t id = 0; id < WORKERS; id++)
		pthread_join(rig->threads[id], NULL);
	engine_destroy(rig->engine);
	packet_io_device_close(rig->device);
}

static void test_idle_live_workers_tick(void **state)
{
	struct start starts[WORKERS];
	struct rig rig;

	open_rig(&rig, "memory:in?live=1");
	run_all(&rig, starts);

	for (uint32_t id = 0; id < WORKERS; id++) {
		while (atomic_load(&ticks_of[id]) < 3)
			sched_yield();
	}

	close_rig(&rig);
}

static void push(struct rig *rig, uint64_t ms)
{
	static const uint8_t frame[46] = {
		[12] = 8,  [14] = 0x45, [17] = 32, [22] = 64, [23] = 17,
		[26] = 10, [29] = 1,	[30] = 10, [33] = 1,  [39] = 12,
	};

	assert_int_equal(packet_io_memory_push(rig->device, frame, sizeof(frame),
					       1700000000000000000u + ms * MS_NS),
			 0);
}

// All packets have one home; the other workers learn of the time between them all the same.
static void test_workers_of_a_replay_tick_from_its_first_packet_on(void **state)
{
	struct start starts[WORKERS];
	struct rig rig;
	struct packet_stats stats = {0};

	open_rig(&rig, "memory:in?frames=64");
	push(&rig, 0);
	push(&rig, 4);
	push(&rig, 9);
	run_all(&rig, starts);
	while (stats.forwarded < 3) {
		sched_yield();
		engine_get_packet_stats(rig.engine, &stats);
	}
	close_rig(&rig);

	for (uint32_t id = 0; id < WORKERS; id++) {
		assert_int_equal(atomic_load(&ticks_of[id]), 1);
		assert_int_equal(last_ns_of[id], 1700000000000000000u + 5 * MS_NS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_worker_has_a_state_that_begins_and_ends_once),
		cmocka_unit_test(test_plugin_that_refuses_a_worker_does_not_start),
		cmocka_unit_test(test_ticks_come_in_time_and_are_one_when_no_packet_does),
		cmocka_unit_test(test_tick_comes_before_timers_and_ends_of_its_time),
		cmocka_unit_test(test_plugin_whose_ticks_fail_is_disabled_and_ticks_no_more),
		cmocka_unit_test(test_idle_live_workers_tick),
		cmocka_unit_test(test_workers_of_a_replay_tick_from_its_first_packet_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
