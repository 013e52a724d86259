// SPDX-License-Identifier: Apache-2.0

// How long plugins take: 1 of PLUGIN_TIMED_EVERY calls is measured, by the wall clock. For people
// only: no event and no verdict depends on it. Worker's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/plugin_host.h"

#define PLUGIN_TIMED_EVERY 64u

struct plugin_timing {
	uint64_t began_ns;
	uint64_t reading_ns; // what it takes to read the clock
};

// The first ones are not typical: code and data come into the caches, Lua is compiled.
static inline bool plugin_timing_is_due(const struct plugin_row *row)
{
	return row->calls - row->timed_at >= PLUGIN_TIMED_EVERY;
}

void plugin_timing_start(struct plugin_timing *timing);
// After so many calls, which row->calls has in it already.
void plugin_timing_stop(const struct plugin_timing *timing, struct plugin_row *row, uint64_t calls);
