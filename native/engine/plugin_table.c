// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_table.h"

#include <stdlib.h>

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

struct plugin_table *plugin_table_create(const struct engine *engine)
{
	struct plugin_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->plugin_count = engine->plugin_count;
	for (size_t i = 0; i < engine->plugin_count; i++) {
		table->plugins[i] = engine->plugins[i];
		add_needs(table, UINT64_C(1) << i, engine->plugins[i]->plugin->events);
	}
	return table;
}
