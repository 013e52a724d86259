// SPDX-License-Identifier: Apache-2.0

// A replay with several workers when something is missing or stops: nobody waits for ever, and
// every packet is counted. That it gives what one worker gives is asked in tests/replay.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "packet_io/device.h"

#define WORKERS 3
#define PAIRS 60
#define FRAME_SIZE 46

struct rig {
	struct engine *engine;
	struct packet_io_device *device;
	pthread_t threads[WORKERS];
};

struct start {
	struct engine *engine;
	uint32_t id;
};

static char error[256];

static void open_rig(struct rig *rig, const char *uri)
{
	struct engine_config config;

	engine_config_init(&config);
	config.worker_count = WORKERS;
	config.session_capacity = 1024;
	config.verify_checksums = false;
	config.is_inline = true;
	config.hash_seed[0] = 1;
	assert_int_equal(engine_create(&config, &rig->engine, error, sizeof(error)), 0);
	assert_int_equal(packet_io_device_open(uri, &rig->device, error, sizeof(error)), 0);
	assert_int_equal(
		engine_add_interface_device(rig->engine, "in", rig->device, error, sizeof(error)),
		0);
	assert_int_equal(engine_add_tap(rig->engine, 0, UINT16_MAX, error, sizeof(error)), 0);
	if (engine_start(rig->engine, error, sizeof(error)) != 0)
		fail_msg("%s", error);
}

static void *run_worker(void *argument)
{
	const struct start *start = argument;

	return (void *)(intptr_t)engine_worker_run(start->engine, start->id, -1);
}

static void run(struct rig *rig, struct start *start, uint32_t id)
{
	*start = (struct start){rig->engine, id};
	assert_int_equal(pthread_create(&rig->threads[id], NULL, run_worker, start), 0);
}

static int push(struct rig *rig, uint32_t sequence)
{
	const uint8_t frame[FRAME_SIZE] = {
		[12] = 8,
		[14] = 0x45,
		[17] = 32,
		[22] = 64,
		[23] = 17,
		[26] = 10,
		[29] = (uint8_t)(sequence % PAIRS),
		[30] = 10,
		[31] = 1,
		[39] = 12,
	};

	return packet_io_memory_push(rig->device, frame, sizeof(frame),
				     1700000000000000000u + sequence * 1000u);
}

static struct packet_stats balance(const struct rig *rig)
{
	struct packet_stats stats;

	engine_get_packet_stats(rig->engine, &stats);
	assert_int_equal(packet_stats_imbalance(&stats), 0);
	return stats;
}

static void close_rig(struct rig *rig)
{
	assert_int_equal(balance(rig).held, 0);
	engine_destroy(rig->engine);
	packet_io_device_close(rig->device);
}

// The device lends fewer frames than a round has room for, and gives none at times.
static void test_slow_source_is_judged_and_balanced_at_any_time(void **state)
{
	struct start starts[WORKERS];
	struct rig rig;
	uint32_t sent = 0;
	struct session_stats sessions;

	open_rig(&rig, "memory:in?frames=16");
	for (uint32_t id = 0; id < WORKERS; id++)
		run(&rig, &starts[id], id);
	while (sent < 600) {
		sent += push(&rig, sent) == 0;
		balance(&rig);
	}
	while (balance(&rig).received < sent)
		sched_yield();
	engine_stop(rig.engine);
	for (uint32_t id = 0; id < WORKERS; id++)
		pthread_join(rig.threads[id], NULL);
	engine_get_session_stats(rig.engine, &sessions);

	assert_int_equal(balance(&rig).forwarded, sent);
	assert_int_equal(sessions.created, PAIRS);
	assert_int_equal(sessions.active, 0);
	for (uint32_t id = 0; id < WORKERS; id++)
		assert_true(rig.engine->workers[id]->ledger.sessions.created > 0);
	assert_int_equal(engine_worker_run(rig.engine, 0, -1), -EBUSY);
	assert_int_equal(engine_worker_run(rig.engine, 1, -1), -EBUSY);
	close_rig(&rig);
}

static void test_worker_that_is_started_late_is_waited_for(void **state)
{
	struct start starts[WORKERS];
	struct rig rig;

	open_rig(&rig, "memory:in");
	for (uint32_t i = 0; i < PAIRS; i++)
		assert_int_equal(push(&rig, i), 0);
	run(&rig, &starts[0], 0);
	run(&rig, &starts[1], 1);
	while (engine_get_running_workers(rig.engine) < 2)
		sched_yield();
	assert_int_equal(balance(&rig).forwarded, 0);
	run(&rig, &starts[2], 2);
	while (balance(&rig).forwarded < PAIRS)
		sched_yield();
	engine_stop(rig.engine);
	for (uint32_t id = 0; id < WORKERS; id++)
		pthread_join(rig.threads[id], NULL);

	assert_int_equal(balance(&rig).forwarded, PAIRS);
	close_rig(&rig);
}

static void test_stop_does_not_wait_for_a_worker_that_never_came(void **state)
{
	struct start starts[WORKERS];
	struct rig rig;

	open_rig(&rig, "memory:in");
	for (uint32_t i = 0; i < PAIRS; i++)
		assert_int_equal(push(&rig, i), 0);
	run(&rig, &starts[0], 0);
	run(&rig, &starts[1], 1);
	while (engine_get_running_workers(rig.engine) < 2)
		sched_yield();
	engine_stop(rig.engine);
	pthread_join(rig.threads[0], NULL);
	pthread_join(rig.threads[1], NULL);

	assert_in_range(balance(&rig).received, 0, PAIRS);
	assert_int_equal(rig.engine->workers[2]->ledger.sessions.created, 0);
	close_rig(&rig);
}

static void test_worker_alone_ends_with_the_stop(void **state)
{
	struct start start;
	struct rig rig;

	open_rig(&rig, "memory:in");
	run(&rig, &start, 1);
	while (engine_get_running_workers(rig.engine) < 1)
		sched_yield();
	engine_stop(rig.engine);
	pthread_join(rig.threads[1], NULL);

	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_source_is_judged_and_balanced_at_any_time),
		cmocka_unit_test(test_worker_that_is_started_late_is_waited_for),
		cmocka_unit_test(test_stop_does_not_wait_for_a_worker_that_never_came),
		cmocka_unit_test(test_worker_alone_ends_with_the_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
