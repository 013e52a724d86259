// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_derived.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worker.h"

#define FOR_EACH(name, names) \
	for (const char *const *name = (names); name != NULL && *name != NULL; name++)

static bool list_has(const char *const *names, const char *wanted)
{
	FOR_EACH(name, names)
	{
		if (strcmp(*name, wanted) == 0)
			return true;
	}
	return false;
}

// Whether it is the event of this plugin: "plugin.event".
static bool is_event_of(const char *name, const char *plugin)
{
	size_t length = strlen(plugin);

	return strncmp(name, plugin, length) == 0 && name[length] == '.';
}

// Whether it reads "plugin.event".
static bool is_derived_name(const char *name)
{
	const char *dot = strchr(name, '.');
	char plugin[STELLAR_PLUGIN_NAME_MAX + 1];

	if (dot == NULL || (size_t)(dot - name) >= sizeof(plugin))
		return false;
	memcpy(plugin, name, (size_t)(dot - name));
	plugin[dot - name] = '\0';
	return plugin_name_is_valid(plugin) && plugin_name_is_valid(dot + 1);
}

int plugin_derived_check(const struct plugin *plugin, char *error, size_t error_size)
{
	FOR_EACH(name, plugin->raises)
	{
		if (plugin_name_is_valid(*name) && !list_has(name + 1, *name))
			continue;
		snprintf(error, error_size,
			 "plugin %s: raises: expected [a-z][a-z0-9_]*, each once; found %s",
			 plugin->name, *name);
		return -EINVAL;
	}
	FOR_EACH(name, plugin->hears)
	{
		if (is_derived_name(*name) && !is_event_of(*name, plugin->name))
			continue;
		snprintf(error, error_size,
			 "plugin %s: hears: expected plugin.event of another plugin; found %s",
			 plugin->name, *name);
		return -EINVAL;
	}
	return 0;
}

int plugin_derived_find(const struct engine *engine, const char *name)
{
	for (uint32_t id = 0; id < engine->derived_count; id++) {
		if (strcmp(engine->derived[id]->name, name) == 0)
			return (int)id;
	}
	return -ENOENT;
}

static int add(struct engine *engine, const struct plugin_host *host, const char *full_name)
{
	struct derived_event *event;
	size_t size = sizeof(*event) + engine->config.worker_count * sizeof(event->workers[0]);

	if (engine->derived_count == DERIVED_EVENTS_MAX)
		return -ENOSPC;
	event = aligned_alloc(64, (size + 63) & ~(size_t)63);
	if (event == NULL)
		return -ENOMEM;
	memset(event, 0, size);
	memcpy(event->name, full_name, DERIVED_NAME_SIZE);
	event->plugin_id = host->id;
	engine->derived[engine->derived_count] = event;
	atomic_fetch_add(&engine->derived_count, 1);
	return 0;
}

int plugin_derived_register(struct engine *engine, const struct plugin_host *host, char *error,
			    size_t error_size)
{
	FOR_EACH(name, host->plugin->raises)
	{
		char full_name[DERIVED_NAME_SIZE] = "";

		snprintf(full_name, sizeof(full_name), "%s.%s", host->plugin->name, *name);
		int result = plugin_derived_find(engine, full_name);

		if (result < 0)
			result = add(engine, host, full_name);
		if (result >= 0)
			continue;
		if (result == -ENOSPC)
			snprintf(error, error_size, "plugin %s: more than %u derived events",
				 host->plugin->name, DERIVED_EVENTS_MAX);
		else
			snprintf(error, error_size, "plugin %s: no memory", host->plugin->name);
		return result;
	}
	return 0;
}

static void say_raised(const struct plugin *plugin, const struct plugin *other, const char *name,
		       char *error, size_t error_size)
{
	int used = snprintf(error, error_size, "plugin %s: hears %s: %s raises", plugin->name, name,
			    other->name);

	if (other->raises == NULL || *other->raises == NULL) {
		if (used > 0 && (size_t)used < error_size)
			snprintf(error + used, error_size - used, " nothing");
		return;
	}
	FOR_EACH(each, other->raises)
	{
		if (used > 0 && (size_t)used < error_size)
			used += snprintf(error + used, error_size - used, "%s %s",
					 each == other->raises ? "" : ",", *each);
	}
}

int plugin_derived_match(const struct engine *engine, const struct plugin *plugin, char *error,
			 size_t error_size)
{
	FOR_EACH(name, plugin->hears)
	{
		for (size_t i = 0; i < engine->plugin_count; i++) {
			const struct plugin *other = engine->plugins[i]->plugin;

			if (!is_event_of(*name, other->name) ||
			    list_has(other->raises, strchr(*name, '.') + 1))
				continue;
			say_raised(plugin, other, *name, error, error_size);
			return -ENOENT;
		}
	}
	return 0;
}

bool plugin_derived_is_heard(const struct engine *engine, const struct plugin *plugin,
			     uint32_t derived_id)
{
	return derived_id < engine->derived_count &&
	       list_has(plugin->hears, engine->derived[derived_id]->name);
}

void plugin_derived_free(struct engine *engine)
{
	while (engine->derived_count > 0)
		free(engine->derived[atomic_fetch_sub(&engine->derived_count, 1) - 1]);
}

int plugin_get_derived_id(const struct plugin_host *host, const char *name)
{
	char full_name[DERIVED_NAME_SIZE];

	if (strchr(name, '.') != NULL)
		return list_has(host->plugin->hears, name) ? plugin_derived_find(host->engine, name)
							   : -ENOENT;
	if (!list_has(host->plugin->raises, name))
		return -ENOENT;
	snprintf(full_name, sizeof(full_name), "%s.%s", host->plugin->name, name);
	return plugin_derived_find(host->engine, full_name);
}

const char *engine_get_derived_name(const struct engine *engine, uint32_t derived_id)
{
	return derived_id < engine->derived_count ? engine->derived[derived_id]->name : NULL;
}

uint64_t engine_get_derived_count(const struct engine *engine, uint32_t derived_id)
{
	uint64_t sum = 0;

	if (derived_id >= engine->derived_count)
		return 0;
	for (uint32_t id = 0; id < engine->config.worker_count; id++)
		sum += engine->derived[derived_id]->workers[id].raised;
	return sum;
}

int session_raise_event(struct session *session, int derived_id, const void *data, size_t length)
{
	struct worker *worker = session->worker;
	struct engine *engine = worker->engine;
	const struct plugin_host *host = worker->plugin;
	struct event event = {
		.type = STELLAR_EVENT_DERIVED,
		.direction = session->direction,
		.data_length = (uint32_t)length,
		.time_ns = worker->now_ns,
		.packet = session->packet,
		.data = data,
		.derived_id = (uint32_t)derived_id,
	};

	if (host == NULL || derived_id < 0 || (uint32_t)derived_id >= engine->derived_count ||
	    engine->derived[derived_id]->plugin_id != host->id ||
	    length > STELLAR_DERIVED_DATA_MAX || session->hot->state == STELLAR_SESSION_CLOSING)
		return -EINVAL;
	if (plugin_table_get_interest(worker->plugins, &event) != 0)
		return plugin_queue_for(worker, session->index, &event, NULL);
	plugin_count_event(worker, &event);
	return 0;
}
