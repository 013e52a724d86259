// SPDX-License-Identifier: Apache-2.0

// Timers of plugins (<stellar/timer.h>), and time itself as sessions and plugins see it.
//
// A worker has one wheel for the timers of its plugins beside that of its session table. Time goes
// on in steps, from packet to packet (session_stage_advance), and within one step everything
// happens in the order of its time. Of one millisecond:
//   1. ticks, in plugin order (plugin_worker.h);
//   2. timers of plugins, in the order in which they were started;
//   3. packets that plugins hold and whose time is over (hold.h);
//   4. sessions whose time is over.
// A callback sees engine time at its own due time, not at the end of the step.
//
// A step may be long (a gap in a capture, a machine that slept), and a timer's callback may start
// it again. So in one step STELLAR_TIMER_STEP_MAX timers that were started in it fire at their own
// time; those beyond wait for its end. Ticks that pass in one step are one.
//
// While another plugin owns the session a timer that is due is held: it stays, due when the lease
// ends by its time; when the lease ends before that it is due in the next millisecond.
//
// Memory: 32 bytes a running timer, at most limit `plugin_timers` of them. Worker's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <stellar/engine.h>

#include "engine/plugin_host.h"
#include "session/slab.h"
#include "session/timer_wheel.h"

struct engine;
struct plugin_block;
struct worker;

struct plugin_timer {
	struct timer_link link;
	uint64_t deadline_ms;
	uint32_t session_index; // SESSION_NONE: the record is free
	uint32_t next; // of the session's timers, 0: it is the last
	uint16_t plugin_id;
	bool is_held;
};

struct plugin_timers {
	struct timer_wheel wheel;
	struct slab records;
	uint32_t limit;
	uint32_t restarts; // timers started in the step of time in hand and due in it
	uint64_t end_ms; // of that step, 0: none is
	uint64_t disabled[PLUGIN_VERSIONS_MAX]; // plugins by version: they have none any more
	uint64_t next_tick_ms; // no plugin has one before; may be early, never late
	uint64_t running[STELLAR_PLUGINS_MAX]; // by plugin id
	uint64_t refused[STELLAR_PLUGINS_MAX]; // for the limit, or no memory
};

// Make and free worker->timers, which stays NULL as long as no plugin of the worker's table has use
// for it. create returns 0, also when it is there, or -ENOMEM.
int plugin_timers_create(struct worker *worker);
void plugin_timers_destroy(struct worker *worker);
// The worker has another table of plugins.
void plugin_timers_follow(struct worker *worker);

// Let ticks, timers and sessions have their turn, up to and with end_ms. Ask when there are timers.
void plugin_timers_advance(struct worker *worker, uint64_t end_ms);

// The timer of a plugin that leaves the session; all timers of a session that ends. Without any:
// nothing happens.
void plugin_timers_stop(struct worker *worker, struct plugin_block *block, uint16_t plugin_id);
void plugin_timers_stop_all(struct worker *worker, struct plugin_block *block);

// Nobody owns the session any more.
void plugin_timers_let_go(struct worker *worker, struct plugin_block *block);

// Engine time goes on to the millisecond of what happens next.
void plugin_timers_reach(struct worker *worker, uint64_t due_ms);

// A plugin's timers into its figures. Any thread.
void plugin_timers_count(const struct engine *engine, uint16_t plugin_id,
			 struct plugin_stats *stats);
