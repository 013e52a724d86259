// SPDX-License-Identifier: Apache-2.0

// Packets injected by workers that do not send them: two live workers, of which the first has the
// wire. What a home injects leaves behind the packet it is for, held or not, and is counted once.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <stellar/inject.h>

#include "engine/worker.h"
#include "packet_io/device.h"

#define WORKERS 2u
#define PAIRS 40u
#define ROUNDS 50u
#define FRAME_SIZE 46u
#define INJECTED 100 // first byte of what a packet of that number makes: more by this

struct rig {
	struct engine *engine;
	struct packet_io_device *ends[2];
	pthread_t threads[WORKERS];
	uint32_t packets[PAIRS]; // that left, by pair
	uint32_t followers[PAIRS];
	uint32_t answers[PAIRS];
	uint32_t others; // frames
};

struct start {
	struct engine *engine;
	uint32_t id;
};

static char error[256];
static _Atomic uint32_t made[WORKERS]; // packets injected, by home
static _Atomic uint32_t refused; // frames without a packet in hand
static bool holds;

static void inject_one(struct session *session, enum stellar_direction toward, uint8_t first)
{
	const uint8_t payload[4] = {first};

	assert_int_equal(inject_payload(session, toward, payload, sizeof(payload)), 0);
	atomic_fetch_add(&made[session->worker->id], 1);
}

// A packet makes another behind it, and an answer. When it holds, every second one is held until
// the next one comes.
static void work(struct session *session, void *context)
{
	const struct verdict_request hold = {
		.disposition = STELLAR_HOLD,
		.hold_ms = STELLAR_HOLD_MAX_MS,
		.hold_outcome = STELLAR_PASS,
	};
	const struct event *event = session_get_event(session);
	size_t length;

	if (event->type == STELLAR_EVENT_SESSION_CLOSING) {
		int result = inject_frame(session, STELLAR_FORWARD, (const uint8_t *)"end", 3);

		assert_int_equal(result, session->worker->id == 0 ? 0 : -EOPNOTSUPP);
		atomic_fetch_add(&refused, result != 0);
		return;
	}
	const uint8_t *payload = packet_get_payload(event->packet, &length);

	if (holds && payload[0] % 2 == 0)
		session_set_verdict(session, &hold);
	else
		session_release(session, STELLAR_PASS);
	inject_one(session, STELLAR_FORWARD, (uint8_t)(payload[0] + INJECTED));
	inject_one(session, STELLAR_REVERSE, (uint8_t)(payload[0] + INJECTED));
}

static const struct plugin worker_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "injector",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING),
	.entry = work,
};

static void *run_worker(void *argument)
{
	const struct start *start = argument;

	return (void *)(intptr_t)engine_worker_run(start->engine, start->id, -1);
}

static void open_rig(struct rig *rig, uint64_t handoff_frames)
{
	struct engine_config config;

	*rig = (struct rig){0};
	atomic_store(&refused, 0);
	memset((void *)made, 0, sizeof(made));
	engine_config_init(&config);
	config.worker_count = WORKERS;
	config.session_capacity = 1024;
	config.verify_checksums = false;
	config.is_inline = true;
	config.hash_seed[0] = 1;
	config.limits.handoff_frames = handoff_frames;
	assert_int_equal(engine_create(&config, &rig->engine, error, sizeof(error)), 0);
	for (uint16_t i = 0; i < 2; i++) {
		assert_int_equal(packet_io_device_open("memory:end?live=1&frames=4096",
						       &rig->ends[i], error, sizeof(error)),
				 0);
		assert_int_equal(engine_add_interface_device(rig->engine, i == 0 ? "in" : "out",
							     rig->ends[i], error, sizeof(error)),
				 i);
	}
	assert_int_equal(engine_add_wire(rig->engine, 0, 1, true, error, sizeof(error)), 0);
	if (engine_add_plugin(rig->engine, &worker_plugin, NULL, error, sizeof(error)) < 0 ||
	    engine_start(rig->engine, error, sizeof(error)) != 0)
		fail_msg("%s", error);
}

static struct packet_stats balance(const struct rig *rig)
{
	struct packet_stats stats;

	engine_get_packet_stats(rig->engine, &stats);
	assert_int_equal(packet_stats_imbalance(&stats), 0);
	return stats;
}

static bool push(struct rig *rig, uint32_t pair, uint8_t number)
{
	const uint8_t frame[FRAME_SIZE] = {
		[0] = 2,
		[5] = 9,
		[6] = 2,
		[11] = 1,
		[12] = 8,
		[14] = 0x45,
		[17] = 32,
		[22] = 64,
		[23] = 17,
		[26] = 10,
		[29] = (uint8_t)pair,
		[30] = 10,
		[31] = 1,
		[33] = 1,
		[35] = 99,
		[37] = 53,
		[39] = 12,
		[42] = number,
	};

	return packet_io_memory_push(rig->ends[0], frame, sizeof(frame), 0) == 0;
}

// What left by the far end: each pair's packets in order, and what they made; and the answers.
static void pop_all(struct rig *rig)
{
	uint8_t frame[256];
	int length;

	while ((length = packet_io_memory_pop(rig->ends[1], frame, sizeof(frame))) > 0) {
		uint32_t pair = frame[29];

		if (length != FRAME_SIZE) {
			rig->others++;
			continue;
		}
		if (frame[42] < INJECTED) {
			assert_int_equal(frame[42], rig->packets[pair]);
			rig->packets[pair]++;
			continue;
		}
		assert_int_equal(frame[42], rig->followers[pair] + INJECTED);
		// Not before its packet, unless that is held.
		if (!holds || frame[42] % 2 == 1)
			assert_int_equal(rig->packets[pair], rig->followers[pair] + 1);
		rig->followers[pair]++;
	}
	while (packet_io_memory_pop(rig->ends[0], frame, sizeof(frame)) > 0) {
		uint32_t pair = frame[33];

		assert_int_equal(frame[42], rig->answers[pair] + INJECTED);
		rig->answers[pair]++;
	}
}

static void exchange(struct rig *rig, struct start *starts)
{
	for (uint32_t id = 0; id < WORKERS; id++) {
		starts[id] = (struct start){rig->engine, id};
		assert_int_equal(pthread_create(&rig->threads[id], NULL, run_worker, &starts[id]),
				 0);
	}
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t pair = 0; pair < PAIRS; pair++) {
			while (!push(rig, pair, (uint8_t)round))
				pop_all(rig);
		}
		// What a home injects may be on its way when its packets are counted already.
		while (balance(rig).received < (uint64_t)(round + 1) * PAIRS ||
		       balance(rig).generated < 2ull * (round + 1) * PAIRS) {
			pop_all(rig);
			sched_yield();
		}
	}
}

static void stop(struct rig *rig)
{
	engine_stop(rig->engine);
	for (uint32_t id = 0; id < WORKERS; id++)
		pthread_join(rig->threads[id], NULL);
	pop_all(rig);
}

static void close_rig(struct rig *rig)
{
	assert_int_equal(balance(rig).held, 0);
	engine_destroy(rig->engine);
	packet_io_device_close(rig->ends[0]);
	packet_io_device_close(rig->ends[1]);
}

static void expect_all(struct rig *rig)
{
	struct packet_stats stats = balance(rig);
	uint32_t alone = PAIRS - atomic_load(&refused);

	assert_int_equal(packet_stats_dropped(&stats), 0);
	assert_int_equal(stats.generated, 2 * PAIRS * ROUNDS + alone);
	assert_int_equal(rig->others, alone);
	assert_in_range(atomic_load(&refused), 1, PAIRS - 1);
	for (uint32_t id = 0; id < WORKERS; id++)
		assert_true(atomic_load(&made[id]) > 0);
	for (uint32_t pair = 0; pair < PAIRS; pair++) {
		assert_int_equal(rig->packets[pair], ROUNDS);
		assert_int_equal(rig->followers[pair], ROUNDS);
		assert_int_equal(rig->answers[pair], ROUNDS);
	}
}

static void test_packets_come_back_with_what_they_made(void **state)
{
	struct start starts[WORKERS];
	struct rig rig;

	holds = false;
	open_rig(&rig, 1024);
	exchange(&rig, starts);
	stop(&rig);

	expect_all(&rig);
	close_rig(&rig);
}

static void test_held_packets_send_what_they_made_ahead(void **state)
{
	struct start starts[WORKERS];
	struct rig rig;

	holds = true;
	open_rig(&rig, 1024);
	exchange(&rig, starts);
	stop(&rig);

	expect_all(&rig);
	close_rig(&rig);
}

// The homes stop before what they made is sent: it is dropped, and counted.
static void test_end_loses_nothing_uncounted(void **state)
{
	struct start starts[WORKERS];
	struct rig rig;

	for (int cycle = 0; cycle < 40; cycle++) {
		holds = cycle % 2 == 0;
		open_rig(&rig, 8);
		for (uint32_t id = 0; id < WORKERS; id++) {
			starts[id] = (struct start){rig.engine, id};
			assert_int_equal(
				pthread_create(&rig.threads[id], NULL, run_worker, &starts[id]), 0);
		}
		for (uint32_t pair = 0; pair < 10u * PAIRS; pair++)
			push(&rig, pair % PAIRS, 0);
		while (balance(&rig).received < (uint64_t)cycle)
			sched_yield();
		engine_stop(rig.engine);
		for (uint32_t id = 0; id < WORKERS; id++)
			pthread_join(rig.threads[id], NULL);
		close_rig(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_come_back_with_what_they_made),
		cmocka_unit_test(test_held_packets_send_what_they_made_ahead),
		cmocka_unit_test(test_end_loses_nothing_uncounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
