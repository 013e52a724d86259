// SPDX-License-Identifier: Apache-2.0

// Derived events: who raises which, under what number, and how often that was. Names get numbers
// when the plugins that raise them are loaded, and keep them as long as the engine lives. Control
// thread; counts are each worker's own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/plugin.h>

#define DERIVED_EVENTS_MAX 1024u
#define DERIVED_NAME_SIZE (2 * (STELLAR_PLUGIN_NAME_MAX + 1)) // plugin.event

struct engine;
struct plugin_host;

struct derived_event {
	char name[DERIVED_NAME_SIZE];
	uint16_t plugin_id; // who raises it
	struct {
		uint64_t raised __attribute__((aligned(64)));
	} workers[]; // by id
};

// Check `raises`, `hears` and what goes with them. Returns 0 or -EINVAL with one line in error.
int plugin_derived_check(const struct plugin *plugin, char *error, size_t error_size);

// Give numbers to what a plugin raises, which has its place in the order. Those it has already
// stay. Returns 0, -ENOSPC or -ENOMEM, with one line in error.
int plugin_derived_register(struct engine *engine, const struct plugin_host *host, char *error,
			    size_t error_size);

// Check that plugins that are loaded raise what a plugin hears. Returns 0 or -ENOENT with one line
// in error.
int plugin_derived_match(const struct engine *engine, const struct plugin *plugin, char *error,
			 size_t error_size);

// Whether a plugin hears an event. Any thread.
bool plugin_derived_is_heard(const struct engine *engine, const struct plugin *plugin,
			     uint32_t derived_id);

// Number of "plugin.event", or -ENOENT.
int plugin_derived_find(const struct engine *engine, const char *name);

void plugin_derived_free(struct engine *engine);
