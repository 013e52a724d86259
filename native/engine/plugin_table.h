// SPDX-License-Identifier: Apache-2.0

// Which plugins run, and what they need: one immutable table. Control makes a table anew for each
// change and publishes it as engine->plugin_target; a worker follows at a burst boundary
// (plugin_follow), so that all packets of a burst meet the same plugins. On a worker's thread
// everything is asked of worker->plugins.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>
#include <stellar/event.h>

struct plugin_host;

struct plugin_table {
	uint64_t interest[STELLAR_EVENT_COUNT]; // plugins that need an event
	uint64_t interested; // in anything
	uint64_t watching; // interested in what comes between opening and closing
	uint64_t stream_interest; // in the bytes of TCP sessions
	struct plugin_host *plugins[STELLAR_PLUGINS_MAX]; // by id
	size_t plugin_count;
	uint32_t derived_count;
	uint64_t derived_interest[]; // by id
};

// Plugins that need an event.
uint64_t plugin_table_get_interest(const struct plugin_table *table, const struct event *event);

// A table of the engine's plugins as they are now. NULL: no memory. Control thread.
struct plugin_table *plugin_table_create(const struct engine *engine);
