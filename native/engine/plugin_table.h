// SPDX-License-Identifier: Apache-2.0

// Which plugins run, and what they need: one immutable table. Control makes a table anew for each
// change and publishes it as engine->plugin_target; a worker follows at a burst boundary
// (plugin_follow), so that all packets of a burst meet the same plugins. On a worker's thread
// everything is asked of worker->plugins.
//
// A plugin that was reloaded has several versions: one in force, and those whose contexts still
// live. Needs are those of all of them together; which version a session has is
// plugin_version.h's matter.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>
#include <stellar/event.h>

#define PLUGIN_VERSIONS_MAX 4 // of a plugin at once; a block has two bits for each

struct plugin_host;
struct worker;

struct plugin_table {
	uint64_t interest[STELLAR_EVENT_COUNT]; // plugins that need an event
	uint64_t interested; // in anything
	uint64_t watching; // interested in what packets between opening and closing bring
	uint64_t stream_interest; // in the bytes of TCP sessions
	struct plugin_host *plugins[STELLAR_PLUGINS_MAX]; // by id: the version in force
	size_t plugin_count;
	uint64_t versioned; // plugins with more than one version
	uint64_t closed; // those whose version in force fails closed
	uint64_t in_force[PLUGIN_VERSIONS_MAX]; // those whose version in force has the number
	struct plugin_host *versions[PLUGIN_VERSIONS_MAX][STELLAR_PLUGINS_MAX]; // NULL: none
	uint32_t serial; // reloads before it
	struct plugin_table *older; // what was in force before, until all workers have left it
	uint32_t derived_count;
	uint64_t derived_interest[]; // by id
};

// Plugins that need an event.
uint64_t plugin_table_get_interest(const struct plugin_table *table, const struct event *event);

// A table of the engine's plugins as they are now. NULL: no memory. Control thread.
struct plugin_table *plugin_table_create(const struct engine *engine);
// Free a table and the older ones; accepts NULL.
void plugin_table_destroy(struct plugin_table *table);

// Events that a plugin needs.
uint64_t plugin_get_needs(const struct plugin *plugin);
// Whether a plugin of these needs hears what comes between opening and closing.
bool plugin_is_watching(uint64_t events);

// Take up which plugins run, and which of them were disabled elsewhere. Between two bursts.
// Worker's thread, or the control thread in its place.
void plugin_follow(struct worker *worker);
