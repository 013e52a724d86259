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

#include "engine/plugin_table.h"

// Live generations at once; a generation's slot is its number modulo this.
#define POLICY_SETS_MAX 64u

struct engine;
struct plugin_host;
struct worker;

struct policy_set {
	uint32_t generation;
	// By version number and plugin id; NULL: the plugin has no section.
	void *prepared[PLUGIN_VERSIONS_MAX][STELLAR_PLUGINS_MAX];
	_Atomic uint64_t has_section[PLUGIN_VERSIONS_MAX];
	uint8_t *image; // of the set in force: a version that is loaded later prepares it too
	size_t image_size;
};

// Retire every old set that no session pins. Control thread.
void policy_sweep(struct engine *engine);
// Retire all sets; workers have stopped. Control thread.
void policy_retire_all(struct engine *engine);
// Have a version, not yet in force, prepare its section of the policy in force. Returns 0 or -errno
// with one line in error. Control thread.
int policy_prepare_version(struct engine *engine, struct plugin_host *host, char *error,
			   size_t error_size);
// Retire what a version prepared of all sets; nobody uses it any more. Control thread.
void policy_retire_version(struct engine *engine, struct plugin_host *host);
// Commit the policy of this worker for a version that has come into force. Worker's thread.
void policy_commit_version(struct worker *worker, struct plugin_host *host);
// Follow the target; between bursts. Worker's thread, or the control thread before it runs.
void policy_follow(struct worker *worker);
