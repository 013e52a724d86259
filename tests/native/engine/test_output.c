// SPDX-License-Identifier: Apache-2.0

// Event lines when the disk is full.

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness.h"

static void set_disk_size(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void send_and_close(struct harness *harness)
{
	for (uint16_t port = 1; port <= 3; port++)
		harness_send_datagram(harness, port, 53, "x", false);
	worker_finish(harness->worker);
}

static void test_line_cut_by_a_full_disk_does_not_touch_the_next(void **state)
{
	char path[] = "/tmp/stellar-test-XXXXXX";
	char line[8192];
	char error[256];
	struct harness harness;
	uint64_t written;
	uint64_t lost;
	uint64_t whole = 0;
	uint64_t lines = 0;

	close(mkstemp(path));
	signal(SIGXFSZ, SIG_IGN);
	harness_open(&harness, NULL);
	assert_int_equal(engine_set_event_output(harness.engine, path, STELLAR_EVE_FLOW, error,
						 sizeof(error)),
			 0);
	harness_start(&harness);

	set_disk_size(700); // a line and a piece
	send_and_close(&harness);
	send_and_close(&harness); // not even the end of the cut line
	set_disk_size(RLIM_INFINITY);
	send_and_close(&harness);
	engine_get_output_stats(harness.engine, &written, &lost);
	harness_close(&harness);

	FILE *file = fopen(path, "r");

	assert_non_null(file);
	for (; fgets(line, sizeof(line), file) != NULL; lines++)
		whole += strncmp(line, "{\"timestamp\"", 12) == 0 &&
			 strcmp(line + strlen(line) - 2, "}\n") == 0 &&
			 strstr(line + 1, "{\"timestamp\"") == NULL;
	fclose(file);
	unlink(path);
	assert_int_equal(lines, whole + 1);
	assert_in_range(whole, 4, 8);
	assert_int_equal(written, whole);
	assert_int_equal(written + lost, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_cut_by_a_full_disk_does_not_touch_the_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
