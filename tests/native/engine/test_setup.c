// SPDX-License-Identifier: Apache-2.0

// What engine_create, the topology and engine_start accept and refuse.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "harness.h"

static char error[256];

static void test_zero_means_the_default(void **state)
{
	struct engine_config config = {
		.abi_version = STELLAR_ABI_VERSION,
		.struct_size = sizeof(config),
	};
	struct engine_config defaults;
	struct engine *engine;

	engine_config_init(&defaults);
	assert_int_equal(engine_create(&config, &engine, error, sizeof(error)), 0);

	assert_int_equal(engine->config.worker_count, 1);
	assert_int_equal(engine->config.burst_size, STELLAR_BURST_MAX);
	assert_int_equal(engine->config.session_capacity, defaults.session_capacity);
	assert_memory_equal(&engine->config.timeouts, &defaults.timeouts,
			    sizeof(defaults.timeouts));
	engine_destroy(engine);
}

static void test_interface_is_no_output_of_itself(void **state)
{
	struct engine_config config;
	struct engine *engine;

	engine_config_init(&config);
	assert_int_equal(engine_create(&config, &engine, error, sizeof(error)), 0);
	assert_int_equal(engine_add_interface(engine, "in", "memory:in", error, sizeof(error)), 0);

	assert_int_equal(engine_add_tap(engine, 0, 0, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "interface in: can't be a tap and its output");
	assert_int_equal(engine_add_tap(engine, 0, UINT16_MAX, error, sizeof(error)), 0);
	engine_destroy(engine);
}

// A capture of no frames: the header alone.
static void write_empty_capture(char *path)
{
	static const uint8_t header[] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4,    0,	   0, 0, 0, 0,
					 0,    0,    0,	   0,	 0, 0, 0x04, 0x00, 1, 0, 0, 0};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
	close(fd);
}

static void test_device_that_cannot_send_is_no_end_of_a_wire_and_no_output(void **state)
{
	char path[] = "/tmp/stellar-test-XXXXXX";
	char uri[64];
	struct engine_config config;
	struct engine *engine;

	write_empty_capture(path);
	snprintf(uri, sizeof(uri), "pcap:%s", path);
	engine_config_init(&config);
	assert_int_equal(engine_create(&config, &engine, error, sizeof(error)), 0);
	assert_int_equal(engine_add_interface(engine, "a", "memory:a", error, sizeof(error)), 0);
	assert_int_equal(engine_add_interface(engine, "b", uri, error, sizeof(error)), 1);

	assert_int_equal(engine_add_wire(engine, 0, 1, true, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "interface b: its device can only receive");
	assert_int_equal(engine_add_tap(engine, 0, 1, error, sizeof(error)), -EINVAL);
	assert_int_equal(engine_add_tap(engine, 1, 0, error, sizeof(error)), 0);
	engine_destroy(engine);
	unlink(path);
}

static uint32_t loads;

static int count_load(struct plugin_host *host, void **ret_state)
{
	loads++;
	return 0;
}

static void test_engine_is_started_once(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	loads = 0;
	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", 0, NULL);
	plugin.plugin.load = count_load;
	assert_null(engine_get_worker(harness.engine, 0));
	assert_int_equal(engine_worker_run(harness.engine, 0, -1), -EINVAL);
	harness_start(&harness);

	assert_int_equal(engine_start(harness.engine, error, sizeof(error)), -EBUSY);
	assert_int_equal(loads, 1);
	assert_int_equal(engine_worker_run(harness.engine, 1, -1), -EINVAL);
	harness_close(&harness);
}

static void test_engine_without_interfaces_ends_at_once(void **state)
{
	struct engine_config config;
	struct engine *engine;
	struct packet_stats stats;

	engine_config_init(&config);
	config.worker_count = 2;
	assert_int_equal(engine_create(&config, &engine, error, sizeof(error)), 0);
	assert_int_equal(engine_start(engine, error, sizeof(error)), 0);

	assert_int_equal(engine_worker_run(engine, 0, -1), 0);
	assert_int_equal(engine_worker_run(engine, 1, -1), 0);
	engine_get_packet_stats(engine, &stats);
	assert_int_equal(stats.received, 0);
	engine_destroy(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_means_the_default),
		cmocka_unit_test(test_interface_is_no_output_of_itself),
		cmocka_unit_test(test_device_that_cannot_send_is_no_end_of_a_wire_and_no_output),
		cmocka_unit_test(test_engine_is_started_once),
		cmocka_unit_test(test_engine_without_interfaces_ends_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
