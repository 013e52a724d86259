// SPDX-License-Identifier: Apache-2.0

// Several live workers and one wire: sessions meet at their homes, frames come back to who received
// them, and whatever ends, is slow or is full, every packet is counted once and nobody waits.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "packet_io/device.h"

#define WORKERS 4u
#define PAIRS 40u
#define FRAME_SIZE 46u
#define CYCLES 150 // STELLAR_CYCLES in the environment for more

struct rig {
	struct engine *engine;
	struct packet_io_device *ends[2];
	struct packet_io_device *second; // a second wire's, or NULL
	uint32_t worker_count;
	pthread_t threads[WORKERS];
	bool runs[WORKERS];
	uint32_t next[PAIRS][2]; // sequence numbers, by pair and direction
	uint32_t expected[PAIRS][2];
	uint64_t left; // frames popped
};

struct start {
	struct engine *engine;
	uint32_t worker_id;
};

static char error[256];

static void open_rig(struct rig *rig, uint32_t worker_count, uint64_t handoff_frames)
{
	struct engine_config config;

	*rig = (struct rig){.worker_count = worker_count};
	engine_config_init(&config);
	config.worker_count = worker_count;
	config.session_capacity = 1024;
	config.verify_checksums = false;
	config.is_inline = true;
	config.hash_seed[0] = 1;
	config.limits.handoff_frames = handoff_frames;
	assert_int_equal(engine_create(&config, &rig->engine, error, sizeof(error)), 0);
	for (uint16_t i = 0; i < 2; i++) {
		assert_int_equal(packet_io_device_open("memory:end?live=1&frames=512",
						       &rig->ends[i], error, sizeof(error)),
				 0);
		assert_int_equal(engine_add_interface_device(rig->engine, i == 0 ? "in" : "out",
							     rig->ends[i], error, sizeof(error)),
				 i);
	}
	assert_int_equal(engine_add_wire(rig->engine, 0, 1, true, error, sizeof(error)), 0);
}

static void *run_worker(void *argument)
{
	struct start start = *(struct start *)argument;

	free(argument);
	return (void *)(intptr_t)engine_worker_run(start.engine, start.worker_id, -1);
}

static void run(struct rig *rig, uint32_t worker_id)
{
	struct start *start = malloc(sizeof(*start));

	assert_non_null(start);
	*start = (struct start){rig->engine, worker_id};
	assert_int_equal(pthread_create(&rig->threads[worker_id], NULL, run_worker, start), 0);
	rig->runs[worker_id] = true;
}

static void start_rig(struct rig *rig)
{
	if (engine_start(rig->engine, error, sizeof(error)) != 0)
		fail_msg("%s", error);
}

static void run_all(struct rig *rig)
{
	for (uint32_t id = 0; id < rig->worker_count; id++)
		run(rig, id);
}

static void stop(struct rig *rig)
{
	engine_stop(rig->engine);
	for (uint32_t id = 0; id < rig->worker_count; id++) {
		if (rig->runs[id])
			pthread_join(rig->threads[id], NULL);
		rig->runs[id] = false;
	}
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
	stop(rig);
	assert_int_equal(balance(rig).held, 0);
	engine_destroy(rig->engine);
	packet_io_device_close(rig->ends[0]);
	packet_io_device_close(rig->ends[1]);
	free(rig->second);
}

// A datagram of 4 bytes between the two hosts of a pair: its sequence number in this direction.
static bool push(struct rig *rig, uint32_t pair, bool back)
{
	uint8_t frame[FRAME_SIZE] = {[12] = 8, [14] = 0x45, [17] = 32, [22] = 64, [23] = 17};

	frame[26 + 4 * back] = frame[30 - 4 * back] = 10;
	frame[29 + 4 * back] = (uint8_t)pair;
	frame[31 - 4 * back] = 1;
	frame[34 + 2 * back + 1] = 99;
	frame[36 - 2 * back + 1] = 53;
	frame[39] = 12;
	memcpy(frame + 42, &rig->next[pair][back], 4);
	if (packet_io_memory_push(rig->ends[back], frame, sizeof(frame), 0) != 0)
		return false;
	rig->next[pair][back]++;
	return true;
}

// What left by the other end: per pair and direction in the order in which it came, gaps allowed.
static void pop_all(struct rig *rig)
{
	uint8_t frame[FRAME_SIZE];

	for (int back = 0; back < 2; back++) {
		while (packet_io_memory_pop(rig->ends[1 - back], frame, sizeof(frame)) > 0) {
			uint32_t *expected = &rig->expected[frame[29 + 4 * back]][back];
			uint32_t sequence;

			memcpy(&sequence, frame + 42, 4);
			assert_true(sequence >= *expected);
			*expected = sequence + 1;
			rig->left++;
		}
	}
}

static void wait_until_counted(struct rig *rig, uint64_t received)
{
	struct packet_stats stats;

	do {
		pop_all(rig);
		stats = balance(rig);
		sched_yield();
	} while (stats.received < received || stats.held > 0);
	pop_all(rig);
}

static void test_both_directions_meet_and_nothing_is_lost(void **state)
{
	struct rig rig;
	struct session_stats sessions;
	struct packet_stats stats;
	uint64_t sent = 0;
	uint32_t used = 0;

	open_rig(&rig, 2, 1024);
	start_rig(&rig);
	run_all(&rig);
	while (sent < 20000) {
		sent += push(&rig, (uint32_t)(sent % PAIRS), (sent / PAIRS) % 2);
		pop_all(&rig);
		balance(&rig); // at any time
	}
	wait_until_counted(&rig, sent);
	stop(&rig);
	stats = balance(&rig);
	engine_get_session_stats(rig.engine, &sessions);
	for (uint32_t id = 0; id < 2; id++)
		used += rig.engine->workers[id]->ledger.sessions.created > 0;

	assert_int_equal(stats.forwarded + stats.dropped[STELLAR_DROPPED_HANDOFF_FULL] +
				 stats.dropped[STELLAR_DROPPED_TX_FULL],
			 sent);
	assert_int_equal(rig.left, stats.forwarded);
	assert_int_equal(sessions.created, PAIRS);
	assert_int_equal(used, 2);
	close_rig(&rig);
}

static void test_nothing_is_dropped_below_the_pool(void **state)
{
	struct rig rig;
	struct packet_stats stats;
	uint64_t sent = 0;

	open_rig(&rig, WORKERS, 1024);
	start_rig(&rig);
	run_all(&rig);
	while (sent < 5000) {
		for (int i = 0; i < 256; i++)
			sent += push(&rig, (uint32_t)(sent % PAIRS), (sent / PAIRS) % 2);
		wait_until_counted(&rig, sent);
	}
	stats = balance(&rig);

	assert_int_equal(stats.forwarded, sent);
	assert_int_equal(rig.left, sent);
	close_rig(&rig);
}

static _Atomic bool is_stuck;
static _Atomic bool is_released;

// Stops the worker that judges it until it is let go.
static void get_stuck(struct session *session, void *context)
{
	if (session->worker->id != 1)
		return;
	atomic_store(&is_stuck, true);
	while (!atomic_load(&is_released))
		sched_yield();
}

static const struct plugin sticky = {
	STELLAR_PLUGIN_HEADER, .name = "sticky",
	.version = "1",	       .events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING),
	.entry = get_stuck,
};

static void test_slow_home_costs_its_own_packets_only(void **state)
{
	struct rig rig;
	struct packet_stats stats;
	uint64_t sent = 0;

	atomic_store(&is_stuck, false);
	atomic_store(&is_released, false);
	open_rig(&rig, 3, 64);
	assert_int_equal(engine_add_plugin(rig.engine, &sticky, NULL, error, sizeof(error)), 0);
	start_rig(&rig);
	run_all(&rig);
	while (!atomic_load(&is_stuck)) {
		sent += push(&rig, (uint32_t)(sent % PAIRS), false);
		pop_all(&rig);
	}
	// The two others go on, however long it takes.
	while (sent < 5000 || balance(&rig).forwarded < 1000) {
		sent += push(&rig, (uint32_t)(sent % PAIRS), false);
		pop_all(&rig);
	}
	do {
		pop_all(&rig);
		stats = balance(&rig);
	} while (stats.received < sent || stats.held > 32);

	assert_in_range(stats.held, 1, 32); // its share: half of the pool
	assert_true(stats.dropped[STELLAR_DROPPED_HANDOFF_FULL] > 0);

	atomic_store(&is_released, true);
	wait_until_counted(&rig, sent);
	stats = balance(&rig);
	assert_int_equal(stats.forwarded + packet_stats_dropped(&stats), sent);
	assert_int_equal(rig.left, stats.forwarded);
	close_rig(&rig);
}

static void test_home_that_never_runs_stops_nobody(void **state)
{
	struct rig rig;
	struct packet_stats stats;
	uint64_t sent = 0;

	open_rig(&rig, 2, 16);
	start_rig(&rig);
	run(&rig, 0);
	while (sent < 1000) {
		sent += push(&rig, (uint32_t)(sent % PAIRS), false);
		pop_all(&rig);
	}
	do {
		pop_all(&rig);
		stats = balance(&rig);
	} while (stats.received < sent);
	assert_int_equal(stats.held, 16);
	stop(&rig);
	stats = balance(&rig);

	assert_int_equal(stats.held, 0);
	assert_int_equal(stats.dropped[STELLAR_DROPPED_SHUTDOWN], 16);
	assert_true(stats.dropped[STELLAR_DROPPED_HANDOFF_FULL] > 0);
	close_rig(&rig);
}

static int rx_of_gone(struct packet_io_device *device, struct frame *frames, size_t count)
{
	return -ENETDOWN;
}

static int tx_of_gone(struct packet_io_device *device, const struct frame *frames, size_t count)
{
	return 0;
}

// A wire of devices without frames of their own; worker 1 receives from it.
static void add_second_wire(struct rig *rig, const struct packet_io_ops *ops)
{
	rig->second = calloc(2, sizeof(*rig->second));
	assert_non_null(rig->second);
	for (uint16_t i = 0; i < 2; i++) {
		rig->second[i] = (struct packet_io_device){
			.ops = ops, .fd = -1, .frame_max = 1500, .live = true};
		assert_int_equal(engine_add_interface_device(rig->engine, i == 0 ? "c" : "d",
							     &rig->second[i], error, sizeof(error)),
				 2 + i);
	}
	assert_int_equal(engine_add_wire(rig->engine, 2, 3, true, error, sizeof(error)), 0);
}

static void test_packets_for_a_home_that_ended_are_dropped_by_their_receiver(void **state)
{
	static const struct packet_io_ops gone_ops = {
		.name = "gone", .rx = rx_of_gone, .tx = tx_of_gone};
	struct rig rig;
	struct packet_stats stats;
	uint64_t sent = 0;
	void *result;

	open_rig(&rig, 2, 64);
	add_second_wire(&rig, &gone_ops);
	start_rig(&rig);
	// What is in the ring before the home looks at it for the last time, and what comes later.
	run(&rig, 0);
	while (sent < 100)
		sent += push(&rig, (uint32_t)(sent % PAIRS), false);
	run(&rig, 1);
	pthread_join(rig.threads[1], &result);
	rig.runs[1] = false;
	assert_int_equal((intptr_t)result, -ENETDOWN);
	while (sent < 1000) {
		sent += push(&rig, (uint32_t)(sent % PAIRS), false);
		pop_all(&rig);
	}
	wait_until_counted(&rig, sent);
	stats = balance(&rig);

	assert_true(stats.dropped[STELLAR_DROPPED_SHUTDOWN] > 300);
	assert_int_equal(stats.forwarded + stats.dropped[STELLAR_DROPPED_SHUTDOWN] +
				 stats.dropped[STELLAR_DROPPED_HANDOFF_FULL],
			 sent);
	assert_int_equal(engine_worker_run(rig.engine, 1, -1), -EBUSY);
	close_rig(&rig);
}

static void write_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void test_policy_swaps_under_traffic_lose_no_packet(void **state)
{
	uint8_t image[STELLAR_POLICY_HEADER_SIZE] = STELLAR_POLICY_MAGIC;
	struct rig rig;
	uint64_t sent = 0;

	open_rig(&rig, WORKERS, 1024);
	start_rig(&rig);
	write_u32(image + 8, sizeof(image));
	write_u32(image + 20, (uint32_t)crc32(0, image + 24, 0));
	run_all(&rig);
	for (uint32_t generation = 1; generation <= 40; generation++) {
		for (int i = 0; i < 60; i++)
			sent += push(&rig, (uint32_t)(sent % PAIRS), (sent / PAIRS) % 2);
		write_u32(image + 12, generation);
		if (engine_policy_apply(rig.engine, image, sizeof(image), error, sizeof(error)))
			fail_msg("%s", error);
		pop_all(&rig);
	}
	wait_until_counted(&rig, sent);

	assert_int_equal(balance(&rig).forwarded, sent);
	assert_int_equal(rig.left, sent);
	close_rig(&rig);
}

// One frame of each pair, longer than a slot has room for.
static int rx_of_wide(struct packet_io_device *device, struct frame *frames, size_t count)
{
	static uint8_t bytes[HANDOFF_FRAME_MAX + 1];
	static uint8_t next;

	if (next == PAIRS || count == 0)
		return 0;
	memcpy(bytes,
	       (uint8_t[FRAME_SIZE]){[12] = 8,
				     [14] = 0x45,
				     [17] = 32,
				     [22] = 64,
				     [23] = 17,
				     [26] = 10,
				     [29] = next++,
				     [30] = 10,
				     [31] = 1,
				     [39] = 12},
	       FRAME_SIZE);
	frames[0] = (struct frame){
		.data = bytes,
		.length = sizeof(bytes),
		.wire_length = sizeof(bytes),
		.link_type = 1,
	};
	return 1;
}

static void test_frame_longer_than_a_slot_is_dropped_not_cut(void **state)
{
	static const struct packet_io_ops wide_ops = {
		.name = "wide", .rx = rx_of_wide, .tx = tx_of_gone};
	struct rig rig;
	struct packet_stats stats;

	open_rig(&rig, 2, 64);
	add_second_wire(&rig, &wide_ops);
	start_rig(&rig);
	run_all(&rig);
	// Both ends of the wire share the supply.
	wait_until_counted(&rig, PAIRS);
	stats = balance(&rig);

	// The others have their home where they were received, and nowhere to go from there.
	assert_in_range(stats.dropped[STELLAR_DROPPED_HANDOFF_FULL], 1, PAIRS - 1);
	assert_int_equal(stats.dropped[STELLAR_DROPPED_HANDOFF_FULL] +
				 stats.dropped[STELLAR_DROPPED_TX_FULL],
			 PAIRS);
	close_rig(&rig);
}

// A UDP datagram of a pair in two fragments, the second first.
static void push_fragments(struct rig *rig, uint32_t pair, uint16_t id)
{
	for (int first = 0; first < 2; first++) {
		uint8_t frame[50] = {[12] = 8, [14] = 0x45, [17] = 36, [22] = 64, [23] = 17};

		frame[18] = (uint8_t)(id >> 8);
		frame[19] = (uint8_t)id;
		frame[20] = first ? 0x20 : 0; // more fragments
		frame[21] = first ? 0 : 2; // offset, 8 bytes
		frame[26] = frame[30] = 10;
		frame[29] = (uint8_t)pair;
		frame[31] = 1;
		if (first)
			frame[39] = 32;
		while (packet_io_memory_push(rig->ends[0], frame, sizeof(frame), 0) != 0)
			sched_yield();
	}
}

static void test_fragments_wait_for_their_home_and_leave_as_they_came(void **state)
{
	struct rig rig;
	uint8_t frame[64];
	struct session_stats sessions;

	open_rig(&rig, 2, 64);
	start_rig(&rig);
	run_all(&rig);
	for (uint16_t id = 0; id < 3 * PAIRS; id++) {
		push_fragments(&rig, id % PAIRS, id);
		for (int first = 0; first < 2; first++) {
			while (packet_io_memory_pop(rig.ends[1], frame, sizeof(frame)) <= 0)
				balance(&rig);
			assert_int_equal(frame[29], id % PAIRS);
			assert_int_equal(frame[19], (uint8_t)id);
			assert_int_equal(frame[21], first ? 0 : 2);
		}
	}
	stop(&rig);
	engine_get_session_stats(rig.engine, &sessions);

	assert_int_equal(balance(&rig).forwarded, 6 * PAIRS);
	assert_int_equal(sessions.created, PAIRS);
	for (uint32_t id = 0; id < 2; id++)
		assert_in_range(rig.engine->workers[id]->ledger.sessions.created, PAIRS / 5, PAIRS);
	close_rig(&rig);
}

static void pop_fragments(struct rig *rig)
{
	uint8_t frame[64];

	while (packet_io_memory_pop(rig->ends[1], frame, sizeof(frame)) > 0)
		rig->left++;
}

static void test_fragments_are_counted_when_their_home_never_runs(void **state)
{
	struct rig rig;
	struct packet_stats stats;

	open_rig(&rig, 2, 4);
	start_rig(&rig);
	run(&rig, 0);
	for (uint16_t id = 0; id < PAIRS; id++)
		push_fragments(&rig, id, id);
	do {
		pop_fragments(&rig);
		stats = balance(&rig);
	} while (stats.received < 2 * PAIRS);
	assert_int_equal(stats.held, 8);
	stop(&rig);
	stats = balance(&rig);

	assert_int_equal(stats.dropped[STELLAR_DROPPED_SHUTDOWN], 8);
	assert_true(stats.dropped[STELLAR_DROPPED_HANDOFF_FULL] > 0);
	close_rig(&rig);
}

// Start and stop in the middle of traffic, with pools and workers of any number.
static void test_stop_at_any_time_leaves_nothing_uncounted(void **state)
{
	const char *asked = getenv("STELLAR_CYCLES");
	int cycles = asked != NULL ? atoi(asked) : CYCLES;
	uint32_t random = 1;

	for (int cycle = 0; cycle < cycles; cycle++) {
		struct rig rig;
		struct packet_stats stats;
		uint64_t sent = 0;

		random = random * 1664525u + 1013904223u;
		open_rig(&rig, 2 + (random >> 8) % (WORKERS - 1), 1 + (random >> 16) % 100);
		start_rig(&rig);
		run_all(&rig);
		for (uint32_t i = 0; i < (random >> 12) % 600; i++)
			sent += push(&rig, i % PAIRS, (random >> i % 32) & 1);
		if (random >> 31 != 0)
			pop_all(&rig);
		stop(&rig);
		pop_all(&rig);
		stats = balance(&rig);
		assert_int_equal(stats.held, 0);
		assert_int_equal(stats.forwarded, rig.left);
		assert_true(stats.received <= sent);
		close_rig(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions_meet_and_nothing_is_lost),
		cmocka_unit_test(test_nothing_is_dropped_below_the_pool),
		cmocka_unit_test(test_slow_home_costs_its_own_packets_only),
		cmocka_unit_test(test_home_that_never_runs_stops_nobody),
		cmocka_unit_test(test_packets_for_a_home_that_ended_are_dropped_by_their_receiver),
		cmocka_unit_test(test_policy_swaps_under_traffic_lose_no_packet),
		cmocka_unit_test(test_frame_longer_than_a_slot_is_dropped_not_cut),
		cmocka_unit_test(test_fragments_wait_for_their_home_and_leave_as_they_came),
		cmocka_unit_test(test_fragments_are_counted_when_their_home_never_runs),
		cmocka_unit_test(test_stop_at_any_time_leaves_nothing_uncounted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
