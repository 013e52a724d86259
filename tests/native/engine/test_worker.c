// SPDX-License-Identifier: Apache-2.0

// A worker on a thread of its own, and what other threads ask of it meanwhile.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "harness.h"

#define DATAGRAMS 2000

static void *run_worker(void *argument)
{
	struct harness *harness = argument;

	return (void *)(intptr_t)engine_worker_run(harness->engine, 0, -1);
}

// Push a small UDP datagram into the inside; -EAGAIN when its ring is full.
static int push_datagram(struct harness *harness, uint16_t source_port)
{
	static const uint8_t headers[] = {
		2,    0,   0,  0,   0, 1, 2, 0, 0,  0,	0,    0,    8,	 0, // Ethernet
		0x45, 0,   0,  28,  0, 0, 0, 0, 64, 17, 0xef, 0x02, 192, 0, 2,
		1,    198, 51, 100, 2, 0, 0, 0, 53, 0,	8,    0,    0, // UDP without a checksum
	};
	uint8_t frame[sizeof(headers)];

	memcpy(frame, headers, sizeof(frame));
	frame[34] = (uint8_t)(source_port >> 8);
	frame[35] = (uint8_t)source_port;
	harness->time_ns += 1000;
	return packet_io_memory_push(harness->inside, frame, sizeof(frame), harness->time_ns);
}

static void open_unchecked(struct harness *harness)
{
	struct engine_config config;

	engine_config_init(&config);
	config.session_capacity = 4096;
	config.verify_checksums = false; // the header checksum above is not kept right
	config.is_inline = true;
	harness_open(harness, &config);
	harness_start(harness);
}

static void test_figures_balance_whenever_they_are_read(void **state)
{
	struct harness harness;
	struct packet_stats stats = {0};
	pthread_t thread;
	void *result;

	open_unchecked(&harness);
	assert_int_equal(pthread_create(&thread, NULL, run_worker, &harness), 0);
	for (uint32_t sent = 0; sent < DATAGRAMS;) {
		if (push_datagram(&harness, (uint16_t)sent) == 0)
			sent++;
		engine_get_packet_stats(harness.engine, &stats);
		assert_int_equal(packet_stats_imbalance(&stats), 0);
		harness_drain(&harness, true);
	}
	while (stats.received < DATAGRAMS) {
		engine_get_packet_stats(harness.engine, &stats);
		harness_drain(&harness, true);
	}
	engine_stop(harness.engine);
	pthread_join(thread, &result);

	assert_int_equal((intptr_t)result, 0);
	harness.worker = NULL; // it has finished by itself
	harness_close(&harness);
}

static void test_sessions_are_listed_page_by_page_each_once(void **state)
{
	struct session_record records[7];
	struct harness harness;
	struct packet_stats stats = {0};
	uint64_t cursor = 0;
	uint64_t seen = 0;
	uint64_t id_sum = 0;
	pthread_t thread;

	open_unchecked(&harness);
	assert_int_equal(engine_list_sessions(harness.engine, 0, &cursor, records, 7), -ESHUTDOWN);
	assert_int_equal(pthread_create(&thread, NULL, run_worker, &harness), 0);
	for (uint16_t port = 1; port <= 50; port++)
		assert_int_equal(push_datagram(&harness, port), 0);
	while (stats.received < 50)
		engine_get_packet_stats(harness.engine, &stats);
	do {
		int count = engine_list_sessions(harness.engine, 0, &cursor, records, 7);

		assert_in_range(count, 1, 7);
		for (int i = 0; i < count; i++)
			id_sum += records[i].id;
		seen += (uint64_t)count;
	} while (cursor != 0);
	engine_stop(harness.engine);
	pthread_join(thread, NULL);

	assert_int_equal(seen, 50);
	assert_int_equal(id_sum, 50 * 51 / 2);
	harness.worker = NULL;
	harness_close(&harness);
}

static void write_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void test_policy_swaps_under_traffic_lose_no_packet(void **state)
{
	uint8_t image[STELLAR_POLICY_HEADER_SIZE] = STELLAR_POLICY_MAGIC;
	struct harness harness;
	struct packet_stats stats = {0};
	char error[256] = "";
	pthread_t thread;
	uint32_t sent = 0;

	open_unchecked(&harness);
	write_u32(image + 8, sizeof(image));
	write_u32(image + 20, (uint32_t)crc32(0, image + 24, 0));
	assert_int_equal(pthread_create(&thread, NULL, run_worker, &harness), 0);
	for (uint32_t generation = 1; generation <= 40; generation++) {
		for (int i = 0; i < 20; i++)
			sent += push_datagram(&harness, (uint16_t)(sent % 100)) == 0;
		write_u32(image + 12, generation);
		assert_int_equal(engine_policy_apply(harness.engine, image, sizeof(image), error,
						     sizeof(error)),
				 0);
		harness_drain(&harness, true);
	}
	while (stats.received < sent)
		engine_get_packet_stats(harness.engine, &stats);
	engine_stop(harness.engine);
	pthread_join(thread, NULL);

	harness_balance(&harness);
	engine_get_packet_stats(harness.engine, &stats);
	assert_int_equal(stats.received, sent);
	assert_int_equal(stats.forwarded, sent);
	assert_int_equal(engine_policy_generation(harness.engine), 40);
	harness.worker = NULL;
	harness_close(&harness);
}

static _Atomic bool is_stuck;
static _Atomic bool is_released;

static void get_stuck(struct harness *harness, struct session *session, void *context)
{
	atomic_store(&is_stuck, true);
	while (!atomic_load(&is_released))
		sched_yield();
}

static void test_worker_that_is_stuck_is_an_error_and_changes_nothing(void **state)
{
	uint8_t image[STELLAR_POLICY_HEADER_SIZE] = STELLAR_POLICY_MAGIC;
	struct session_record record;
	struct harness_plugin plugin;
	struct harness harness;
	char error[256] = "";
	uint64_t cursor = 0;
	pthread_t thread;

	atomic_store(&is_stuck, false);
	atomic_store(&is_released, false);
	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING),
			   get_stuck);
	harness_start(&harness);
	harness.engine->boundary_wait_ms = 50;
	harness.engine->config.verify_checksums = false;
	write_u32(image + 8, sizeof(image));
	write_u32(image + 12, 1);
	write_u32(image + 20, (uint32_t)crc32(0, image + 24, 0));
	assert_int_equal(pthread_create(&thread, NULL, run_worker, &harness), 0);
	assert_int_equal(push_datagram(&harness, 1), 0);
	while (!atomic_load(&is_stuck))
		sched_yield();

	assert_int_equal(
		engine_policy_apply(harness.engine, image, sizeof(image), error, sizeof(error)),
		-ETIMEDOUT);
	assert_non_null(strstr(error, "worker 0 did not finish a burst"));
	assert_int_equal(engine_policy_generation(harness.engine), 0);
	assert_int_equal(engine_list_sessions(harness.engine, 0, &cursor, &record, 1), -ETIMEDOUT);

	// It moves again: the same image is accepted now.
	atomic_store(&is_released, true);
	harness.engine->boundary_wait_ms = 60000;
	assert_int_equal(
		engine_policy_apply(harness.engine, image, sizeof(image), error, sizeof(error)), 0);
	engine_stop(harness.engine);
	pthread_join(thread, NULL);
	harness.worker = NULL;
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures_balance_whenever_they_are_read),
		cmocka_unit_test(test_sessions_are_listed_page_by_page_each_once),
		cmocka_unit_test(test_policy_swaps_under_traffic_lose_no_packet),
		cmocka_unit_test(test_worker_that_is_stuck_is_an_error_and_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
