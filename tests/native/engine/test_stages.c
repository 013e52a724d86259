// SPDX-License-Identifier: Apache-2.0

// The stages by themselves: what is lent comes back, what is counted in is counted out, whatever
// the caller of the single stages does; and the same with a device of the test's own.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness.h"
#include "packet_io/device.h"

#define SECOND_NS 1000000000ull
#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)

// A device that has nothing, and ends after some calls.
struct silent_device {
	struct packet_io_device base;
	size_t calls_left;
};

static int silent_rx(struct packet_io_device *base, struct frame *ret_frames, size_t count)
{
	struct silent_device *device = (struct silent_device *)base;

	return device->calls_left-- == 0 ? -ENODATA : 0;
}

static const struct packet_io_ops silent_ops = {.name = "silent", .rx = silent_rx};

static void init_silent(struct silent_device *device)
{
	*device = (struct silent_device){
		.base = {.ops = &silent_ops, .fd = -1},
	};
}

// An inline engine that taps the device.
static struct engine *open_tap(struct silent_device *device)
{
	struct engine_config config;
	struct engine *engine;
	char error[256];

	engine_config_init(&config);
	config.session_capacity = 64;
	config.is_inline = true;
	assert_int_equal(engine_create(&config, &engine, error, sizeof(error)), 0);
	assert_int_equal(
		engine_add_interface_device(engine, "in", &device->base, error, sizeof(error)), 0);
	assert_int_equal(engine_add_tap(engine, 0, UINT16_MAX, error, sizeof(error)), 0);
	return engine;
}

static int receive(struct harness *harness, uint16_t length, struct packet **ret_packet)
{
	static const uint8_t frame[64];

	assert_int_equal(packet_io_memory_push(harness->inside, frame, length, harness->time_ns),
			 0);
	return worker_rx(harness->worker, 0, ret_packet);
}

static void test_packet_that_was_not_enqueued_is_counted_and_given_back(void **state)
{
	struct harness harness;
	struct packet *packet;

	harness_open(&harness, NULL);
	harness_start(&harness);
	// The ring has 1024 frames: one that was not given back would stop it.
	for (int i = 0; i < 2000; i++)
		assert_int_equal(receive(&harness, 60, &packet), 1);
	assert_int_equal(worker_rx(harness.worker, 0, &packet), 0);
	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_NO_EGRESS], 2000);

	assert_int_equal(receive(&harness, 60, &packet), 1);
	worker_finish(harness.worker);
	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_SHUTDOWN], 1);
	harness_close(&harness);
}

static void test_packet_is_enqueued_once(void **state)
{
	struct harness harness;
	struct packet *packet;

	harness_open(&harness, NULL);
	harness_start(&harness);
	assert_int_equal(receive(&harness, 60, &packet), 1);
	assert_int_equal(aqm_enqueue(harness.worker, NULL, 0, packet), 0);
	assert_int_equal(aqm_enqueue(harness.worker, NULL, 0, packet), -EINVAL);

	assert_int_equal(harness_balance(&harness).forwarded, 1);
	harness_close(&harness);
}

static void reject(struct harness *harness, struct session *session, void *context)
{
	session_reject(session, STELLAR_REPLY_NONE);
}

static void test_packet_that_was_not_managed_is_not_of_the_session_before(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	struct packet *packet;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING, reject);
	harness_start(&harness);
	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_int_equal(receive(&harness, 60, &packet), 1);
	plugin_manager(harness.worker, packet);
	assert_int_equal(packet_get_verdict(packet)->disposition, STELLAR_CONTINUE);
	aqm_enqueue(harness.worker, NULL, 0, packet);

	harness_close(&harness);
}

static void test_impossible_segments_keep_no_session_alive(void **state)
{
	const struct harness_segment syn = {
		.source_port = 1000, .destination_port = 80, .flags = STELLAR_TCP_SYN};
	const struct harness_segment stray = {.source_port = 1000,
					      .destination_port = 80,
					      .flags = STELLAR_TCP_SYN | STELLAR_TCP_ACK,
					      .acknowledgment = 77777,
					      .from_responder = true};
	struct harness harness;
	struct session_stats sessions;

	harness_open(&harness, NULL);
	harness_start(&harness);
	harness_send_segment(&harness, &syn);
	for (int i = 0; i < 3; i++) {
		harness.time_ns += 20 * SECOND_NS;
		harness_send_segment(&harness, &stray);
	}

	engine_get_session_stats(harness.engine, &sessions);
	assert_int_equal(sessions.closed[STELLAR_CLOSED_TIMEOUT], 1);
	harness_close(&harness);
}

static void test_session_ends_after_a_silence_of_any_length(void **state)
{
	static const uint64_t days[] = {1, 24, 25, 30, 49, 50, 60, 3650};
	struct harness harness;
	struct session_stats sessions;

	harness_open(&harness, NULL);
	harness_start(&harness);
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		harness_send_datagram(&harness, 1000, 53, "x", false);
		harness.time_ns += days[i] * 86400 * SECOND_NS;
	}
	harness_send_datagram(&harness, 1000, 53, "x", false);

	engine_get_session_stats(harness.engine, &sessions);
	assert_int_equal(sessions.created, sizeof(days) / sizeof(days[0]) + 1);
	harness_close(&harness);
}

static void test_time_that_goes_back_changes_nothing(void **state)
{
	struct harness harness;
	struct session_stats sessions;

	harness_open(&harness, NULL);
	harness_start(&harness);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness.time_ns -= 1000 * SECOND_NS;
	harness_send_datagram(&harness, 1000, 53, "x", true);
	harness.time_ns = 1;
	harness_send_datagram(&harness, 1000, 53, "x", false);

	engine_get_session_stats(harness.engine, &sessions);
	assert_int_equal(sessions.created, 1);
	assert_int_equal(sessions.active, 1);
	harness_close(&harness);
}

// An interface that nobody receives from is readable for ever: the worker must sleep all the same.
static void test_idle_worker_sleeps_whatever_waits_at_unused_interfaces(void **state)
{
	struct silent_device used;
	struct silent_device unused;
	struct timespec begin;
	struct timespec end;
	char error[256];
	int ends[2];

	init_silent(&used);
	used.calls_left = 64 + 30; // spins, then sleeps of 10 ms
	init_silent(&unused);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	unused.base.fd = ends[0];
	struct engine *engine = open_tap(&used);

	engine_add_interface_device(engine, "unused", &unused.base, error, sizeof(error));
	assert_int_equal(engine_start(engine, error, sizeof(error)), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_int_equal(engine_worker_run(engine, 0, -1), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);

	// At least: a loaded machine only makes it longer.
	int64_t elapsed_ms =
		(end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
	assert_true(elapsed_ms >= 200);
	engine_destroy(engine);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet_that_was_not_enqueued_is_counted_and_given_back),
		cmocka_unit_test(test_packet_is_enqueued_once),
		cmocka_unit_test(test_packet_that_was_not_managed_is_not_of_the_session_before),
		cmocka_unit_test(test_impossible_segments_keep_no_session_alive),
		cmocka_unit_test(test_session_ends_after_a_silence_of_any_length),
		cmocka_unit_test(test_time_that_goes_back_changes_nothing),
		cmocka_unit_test(test_idle_worker_sleeps_whatever_waits_at_unused_interfaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
