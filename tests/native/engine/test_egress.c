// SPDX-License-Identifier: Apache-2.0

// The way out: what a device takes is forwarded, what it has no room for is dropped, each once.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/worker.h"

#define ROOM 4 // frames of the egress ring
#define SENT 6
#define FRAME_SIZE 60

struct narrow_wire {
	struct engine *engine;
	struct worker *worker;
	struct packet_io_device *inside;
	struct packet_io_device *outside;
};

static void narrow_wire_open(struct narrow_wire *wire)
{
	struct engine_config config;
	char error[256] = "";

	engine_config_init(&config);
	config.is_inline = true;
	config.session_capacity = 64;
	assert_int_equal(engine_create(&config, &wire->engine, error, sizeof(error)), 0);
	assert_int_equal(
		packet_io_device_open("memory:inside", &wire->inside, error, sizeof(error)), 0);
	assert_int_equal(packet_io_device_open("memory:outside?frames=4", &wire->outside, error,
					       sizeof(error)),
			 0);
	assert_int_equal(engine_add_interface_device(wire->engine, "inside", wire->inside, error,
						     sizeof(error)),
			 0);
	assert_int_equal(engine_add_interface_device(wire->engine, "outside", wire->outside, error,
						     sizeof(error)),
			 1);
	assert_int_equal(engine_add_wire(wire->engine, 0, 1, true, error, sizeof(error)), 0);
	assert_int_equal(engine_start(wire->engine, error, sizeof(error)), 0);
	wire->worker = engine_get_worker(wire->engine, 0);
}

static void narrow_wire_close(struct narrow_wire *wire)
{
	worker_finish(wire->worker);
	engine_destroy(wire->engine);
	packet_io_device_close(wire->inside);
	packet_io_device_close(wire->outside);
}

// A frame that is not IP goes as far as the queue of the wire's other end.
static void queue_frame(struct narrow_wire *wire)
{
	const uint8_t frame[FRAME_SIZE] = {2, [6] = 2, [12] = 0x88, 0xb5};
	struct packet *packet;

	assert_int_equal(packet_io_memory_push(wire->inside, frame, sizeof(frame), 1000), 0);
	assert_int_equal(worker_rx(wire->worker, 0, &packet), 1);
	session_manager(wire->worker, packet);
	plugin_manager(wire->worker, packet);
	stage_egress(wire->worker, packet);
}

static void test_frames_without_room_are_dropped_and_counted_once(void **state)
{
	struct narrow_wire wire;
	struct packet_stats stats;
	uint8_t frame[FRAME_SIZE];
	int left = 0;
	narrow_wire_open(&wire);

	for (int i = 0; i < SENT; i++)
		queue_frame(&wire);
	stage_send(wire.worker);
	worker_publish(wire.worker);

	while (packet_io_memory_pop(wire.outside, frame, sizeof(frame)) > 0)
		left++;
	engine_get_packet_stats(wire.engine, &stats);
	assert_int_equal(left, ROOM);
	assert_int_equal(stats.received, SENT);
	assert_int_equal(stats.forwarded, ROOM);
	assert_int_equal(stats.forwarded_bytes, ROOM * FRAME_SIZE);
	assert_int_equal(stats.dropped[STELLAR_DROPPED_TX_FULL], SENT - ROOM);
	assert_int_equal(packet_stats_imbalance(&stats), 0);
	narrow_wire_close(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_without_room_are_dropped_and_counted_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
