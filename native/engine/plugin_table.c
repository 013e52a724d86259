// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_table.h"

#include <stdlib.h>

#include "engine/plugin_derived.h"
#include "engine/worker.h"

#define EVENTS_OF_STREAMS \
	(STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA) | STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_GAP) | \
	 STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_OVERLAP))
#define EVENTS_AT_THE_ENDS \
	(STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING) | \
	 STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING))

static void add_needs(struct plugin_table *table, uint64_t plugin, uint64_t events)
{
	for (uint32_t event = 0; event < STELLAR_EVENT_COUNT; event++) {
		if ((events & STELLAR_EVENT_BIT(event)) != 0)
			table->interest[event] |= plugin;
	}
	if (events != 0)
		table->interested |= plugin;
	if ((events & ~EVENTS_AT_THE_ENDS) != 0)
		table->watching |= plugin;
	if ((events & EVENTS_OF_STREAMS) != 0)
		table->stream_interest |= plugin;
}

// What a plugin hears is derived, whether it says so or not.
static uint64_t get_needs(const struct plugin *plugin)
{
	bool hears = plugin->hears != NULL && *plugin->hears != NULL;

	return plugin->events | (hears ? STELLAR_EVENT_BIT(STELLAR_EVENT_DERIVED) : 0);
}

static void add_heard(struct plugin_table *table, uint64_t plugin_bit, const struct engine *engine,
		      const struct plugin *plugin)
{
	for (const char *const *name = plugin->hears; name != NULL && *name != NULL; name++) {
		int id = plugin_derived_find(engine, *name);

		if (id >= 0)
			table->derived_interest[id] |= plugin_bit;
	}
}

uint64_t plugin_table_get_interest(const struct plugin_table *table, const struct event *event)
{
	if (event->type != STELLAR_EVENT_DERIVED)
		return table->interest[event->type];
	return event->derived_id < table->derived_count ? table->derived_interest[event->derived_id]
							: 0;
}

struct plugin_table *plugin_table_create(const struct engine *engine)
{
	struct plugin_table *table = calloc(
		1, sizeof(*table) + engine->derived_count * sizeof(table->derived_interest[0]));

	if (table == NULL)
		return NULL;
	table->plugin_count = engine->plugin_count;
	table->derived_count = engine->derived_count;
	for (size_t i = 0; i < engine->plugin_count; i++) {
		table->plugins[i] = engine->plugins[i];
		add_needs(table, UINT64_C(1) << i, get_needs(engine->plugins[i]->plugin));
		add_heard(table, UINT64_C(1) << i, engine, engine->plugins[i]->plugin);
	}
	return table;
}
