// SPDX-License-Identifier: Apache-2.0

// Several captures at one worker: their packets come in the order of time, whatever the burst.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <stellar/engine.h>

#include "packet_io/device.h"

#define FRAMES 6
#define LOG_SIZE 256

// A capture: datagrams from ports of its own at the given times.
struct capture {
	struct packet_io_device base;
	uint8_t bytes[FRAMES][28];
	uint64_t times[FRAMES];
	uint16_t first_port;
	uint32_t next;
	uint32_t lent;
};

struct merged {
	struct capture captures[2];
	struct engine *engine;
	char log[LOG_SIZE]; // source ports in order
	bool stops; // at the first packet
};

static int capture_rx(struct packet_io_device *base, struct frame *ret_frames, size_t count)
{
	struct capture *capture = (struct capture *)base;
	size_t done = 0;

	for (; done < count && capture->next < FRAMES; done++, capture->next++) {
		uint8_t *bytes = capture->bytes[capture->next];

		memcpy(bytes, (uint8_t[]){0x45, 0, 0,	28, 0, 0, 0,   0, 64, 17,
					  0,	0, 192, 0,  2, 1, 192, 0, 2,  2},
		       20);
		bytes[21] = (uint8_t)(capture->first_port + capture->next);
		bytes[23] = 53;
		bytes[25] = 8;
		ret_frames[done] = (struct frame){
			.data = bytes,
			.length = 28,
			.wire_length = 28,
			.time_ns = capture->times[capture->next],
			.link_type = 101,
		};
	}
	capture->lent += (uint32_t)done;
	return done > 0 ? (int)done : -ENODATA;
}

static void capture_release(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	((struct capture *)base)->lent -= (uint32_t)count;
}

static void enter(struct session *session, void *context)
{
	struct merged *merged = pm_session_host_data(session);
	struct packet_endpoint originator;
	size_t used = strlen(merged->log);

	session_get_originator(session, &originator);
	snprintf(merged->log + used, LOG_SIZE - used, "%u ", originator.port);
	if (merged->stops)
		engine_stop(merged->engine);
}

static void run(struct merged *merged, uint32_t burst_size, struct packet_stats *ret_stats)
{
	static const struct packet_io_ops ops = {
		.name = "capture", .rx = capture_rx, .release = capture_release};
	static const uint64_t times[2][FRAMES] = {{10, 20, 30, 40, 50, 60},
						  {15, 15, 30, 12, 55, 99}};
	const struct plugin plugin = {
		STELLAR_PLUGIN_HEADER, .name = "listener",
		.version = "1",	       .events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING),
		.entry = enter,
	};
	struct engine_config config;
	char error[256] = "";

	engine_config_init(&config);
	config.session_capacity = 64;
	config.burst_size = burst_size;
	config.verify_checksums = false;
	assert_int_equal(engine_create(&config, &merged->engine, error, sizeof(error)), 0);
	for (uint16_t i = 0; i < 2; i++) {
		struct capture *capture = &merged->captures[i];

		*capture = (struct capture){
			.base = {.ops = &ops, .fd = -1},
			.first_port = (uint16_t)(10 + 10 * i),
		};
		memcpy(capture->times, times[i], sizeof(times[i]));
		assert_int_equal(engine_add_interface_device(merged->engine, i == 0 ? "a" : "b",
							     &capture->base, error, sizeof(error)),
				 i);
		assert_int_equal(
			engine_add_tap(merged->engine, i, UINT16_MAX, error, sizeof(error)), 0);
	}
	merged->log[0] = '\0';
	engine_add_plugin(merged->engine, &plugin, merged, error, sizeof(error));
	assert_int_equal(engine_start(merged->engine, error, sizeof(error)), 0);
	assert_int_equal(engine_worker_run(merged->engine, 0, -1), 0);
	engine_get_packet_stats(merged->engine, ret_stats);
	engine_destroy(merged->engine);
	assert_int_equal(packet_stats_imbalance(ret_stats), 0);
	assert_int_equal(merged->captures[0].lent + merged->captures[1].lent, 0);
}

static void test_captures_are_merged_by_time_whatever_the_burst(void **state)
{
	for (uint32_t burst_size = 1; burst_size <= STELLAR_BURST_MAX; burst_size++) {
		struct merged merged = {.stops = false};
		struct packet_stats stats;

		run(&merged, burst_size, &stats);

		// A frame that is older than the one before it in its capture comes right after it.
		assert_string_equal(merged.log, "10 20 21 11 12 22 23 13 14 24 15 25 ");
		assert_int_equal(stats.forwarded, 2 * FRAMES);
	}
}

static void test_frames_that_wait_when_the_engine_stops_are_counted(void **state)
{
	struct merged merged = {.stops = true};
	struct packet_stats stats;

	run(&merged, 4, &stats);

	assert_int_equal(stats.received, 8);
	assert_int_equal(stats.forwarded, 1);
	assert_int_equal(stats.dropped[STELLAR_DROPPED_SHUTDOWN], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_captures_are_merged_by_time_whatever_the_burst),
		cmocka_unit_test(test_frames_that_wait_when_the_engine_stops_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
