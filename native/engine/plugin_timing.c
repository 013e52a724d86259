// SPDX-License-Identifier: Apache-2.0

// See plugin_timing.h.

#include "engine/plugin_timing.h"

#include <time.h>

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void plugin_timing_start(struct plugin_timing *timing)
{
	uint64_t before = clock_ns();

	timing->began_ns = clock_ns();
	timing->reading_ns = timing->began_ns - before;
}

void plugin_timing_stop(const struct plugin_timing *timing, struct plugin_row *row, uint64_t calls)
{
	uint64_t taken = clock_ns() - timing->began_ns;

	row->timed_at = row->calls;
	row->timed_calls += calls;
	row->timed_ns += taken > timing->reading_ns ? taken - timing->reading_ns : 0;
}
