// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_table.h"

#include <stdlib.h>

#include "engine/plugin_derived.h"
#include "engine/plugin_timers.h"
#include "engine/worker.h"

#define EVENTS_OF_STREAMS \
	(STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA) | STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_GAP) | \
	 STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_OVERLAP))
// What a plugin gets of a bypassed session, too.
#define EVENTS_OF_BYPASSED \
	(STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING) | \
	 STELLAR_EVENT_BIT(STELLAR_EVENT_TIMER) | \
	 STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_SUSPENDED) | \
	 STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING))

bool plugin_is_watching(uint64_t events)
{
	return (events & ~EVENTS_OF_BYPASSED) != 0;
}

static void add_needs(struct plugin_table *table, uint64_t plugin, uint64_t events)
{
	for (uint32_t event = 0; event < STELLAR_EVENT_COUNT; event++) {
		if ((events & STELLAR_EVENT_BIT(event)) != 0)
			table->interest[event] |= plugin;
	}
	if (events != 0)
		table->interested |= plugin;
	if (plugin_is_watching(events))
		table->watching |= plugin;
	if ((events & EVENTS_OF_STREAMS) != 0)
		table->stream_interest |= plugin;
}

// What a plugin hears says whether derived events are for it.
uint64_t plugin_get_needs(const struct plugin *plugin)
{
	const uint64_t derived = STELLAR_EVENT_BIT(STELLAR_EVENT_DERIVED);
	bool hears = plugin->hears != NULL && *plugin->hears != NULL;

	return hears ? plugin->events | derived : plugin->events & ~derived;
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

static void add_plugin(struct plugin_table *table, const struct engine *engine,
		       struct plugin_host *host)
{
	uint64_t plugin = UINT64_C(1) << host->id;
	int count = 0;

	table->plugins[host->id] = host;
	table->in_force[host->number] |= plugin;
	if (host->plugin->fail_action == STELLAR_FAIL_CLOSED)
		table->closed |= plugin;
	for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
		struct plugin_host *version = host->account->versions[number];

		if (version == NULL || version->leaving != PLUGIN_STAYS)
			continue;
		table->versions[number][host->id] = version;
		add_needs(table, plugin, plugin_get_needs(version->plugin));
		add_heard(table, plugin, engine, version->plugin);
		count++;
	}
	if (count > 1)
		table->versioned |= plugin;
}

struct plugin_table *plugin_table_create(const struct engine *engine)
{
	struct plugin_table *table = calloc(
		1, sizeof(*table) + engine->derived_count * sizeof(table->derived_interest[0]));

	if (table == NULL)
		return NULL;
	table->plugin_count = engine->plugin_count;
	table->derived_count = engine->derived_count;
	table->serial = engine->reload_count;
	for (size_t i = 0; i < engine->plugin_count; i++)
		add_plugin(table, engine, engine->plugins[i]);
	return table;
}

void plugin_table_destroy(struct plugin_table *table)
{
	while (table != NULL) {
		struct plugin_table *older = table->older;

		free(table);
		table = older;
	}
}

// Versions that came into force since the worker's last boundary get the policy in force.
static void take_up(struct worker *worker, const struct plugin_table *table)
{
	const struct plugin_table *before = worker->plugins;

	worker->plugins = table;
	for (size_t id = 0; id < table->plugin_count; id++) {
		if (table->plugins[id] == before->plugins[id])
			continue;
		recorder_plugin(worker, (uint16_t)id);
		policy_commit_version(worker, table->plugins[id]);
	}
	plugin_timers_follow(worker);
	stream_stage_follow(worker);
	atomic_store_explicit(&worker->plugins_followed, table, memory_order_release);
}

void plugin_follow(struct worker *worker)
{
	struct engine *engine = worker->engine;
	const struct plugin_table *table =
		atomic_load_explicit(&engine->plugin_target, memory_order_acquire);

	uint64_t before = worker->disabled;

	if (table != worker->plugins)
		take_up(worker, table);
	worker->disabled = 0;
	for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
		worker->disabled_versions[number] =
			atomic_load_explicit(&engine->disabled[number], memory_order_relaxed);
		worker->disabled |= worker->disabled_versions[number] & table->in_force[number];
	}
	worker->failed_closed = worker->disabled & table->closed;
	if (worker->disabled != before)
		recorder_disabled(worker);
}
