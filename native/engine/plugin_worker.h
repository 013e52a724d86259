// SPDX-License-Identifier: Apache-2.0

// What a plugin has of each worker: its state there, and its tick (struct plugin).
//
// Engine time begins for a worker with the first step that it makes: with the first packet in
// replay, at its start when live. Ticks are counted from there. Of the times that pass in one step
// a plugin's tick is called at the last one, in order with what else happens then
// (plugin_timers.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/plugin.h>

struct plugin_host;
struct worker;

struct plugin_worker {
	struct worker *worker;
	struct plugin_host *host;
};

// Make a loaded plugin's state on each worker. Returns 0 or what worker_init refused with. Control
// thread.
int plugin_workers_init(struct plugin_host *host);
// End what was made. Control thread.
void plugin_workers_fini(struct plugin_host *host);

// When a tick is to be called next in a step that ends at end_ms; TIMER_WHEEL_NEVER: none is.
// Worker's thread.
uint64_t plugin_ticks_next(struct worker *worker, uint64_t end_ms);
// Call those whose time in that step is tick_ms. Worker's thread.
void plugin_ticks_call(struct worker *worker, uint64_t end_ms, uint64_t tick_ms);
