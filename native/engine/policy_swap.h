// SPDX-License-Identifier: Apache-2.0

// Policy generations. The control thread owns the list; a worker only follows engine->policy_target
// at a burst boundary and counts, by generation, the sessions that pin it.
//
// Lifecycle of a set: prepared (every section agreed) -> target (workers commit it one by one) ->
// old (every worker has left it) -> retired (no session pins it). A packet sees one set, because a
// worker changes sets only between bursts.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>

// Live generations at once; a generation's slot is its number modulo this.
#define POLICY_SETS_MAX 64u

struct engine;
struct worker;

struct policy_set {
	uint32_t generation;
	void *prepared[STELLAR_PLUGINS_MAX]; // by plugin id; NULL: the plugin has no section
	uint64_t has_section; // by plugin id
};

// Retire every old set that no session pins. Control thread.
void policy_sweep(struct engine *engine);
// Retire all sets; workers have stopped. Control thread.
void policy_retire_all(struct engine *engine);
// Follow the target; between bursts. Worker's thread, or the control thread before it runs.
void policy_follow(struct worker *worker);
