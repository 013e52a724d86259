// SPDX-License-Identifier: Apache-2.0

// Loads, registers and unloads plugins; their counters and figures. Control thread; the figures may
// be read from any thread. See plugin_host.h.

#include "engine/plugin_host.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plugin_call.h"
#include "engine/plugin_derived.h"
#include "engine/worker.h"

void plugin_host_destroy(struct plugin_host *host)
{
	if (host == NULL)
		return;
	if (host->loaded && host->plugin->unload != NULL)
		host->plugin->unload(host, host->state);
	for (uint32_t i = 0; host->rows != NULL && i < host->engine->config.worker_count; i++)
		free(host->rows[i].counters);
	free(host->rows);
	for (int i = 0; i < host->counter_count; i++)
		free(host->counter_names[i]);
	free(host->counter_names);
	plugin_settings_free(host);
	if (host->library != NULL)
		dlclose(host->library);
	free(host);
}

static int check_place(const struct engine *engine, const struct plugin *plugin, char *error,
		       size_t error_size)
{
	if (engine->started) {
		snprintf(error, error_size, "plugin %s: the engine has started", plugin->name);
		return -EBUSY;
	}
	if (engine->plugin_count == STELLAR_PLUGINS_MAX) {
		snprintf(error, error_size, "plugin %s: more than %d plugins", plugin->name,
			 STELLAR_PLUGINS_MAX);
		return -ENOSPC;
	}
	for (size_t i = 0; i < engine->plugin_count; i++) {
		if (strcmp(engine->plugins[i]->plugin->name, plugin->name) == 0) {
			snprintf(error, error_size, "plugin %s: is loaded already", plugin->name);
			return -EEXIST;
		}
	}
	return 0;
}

// Takes the library over, also on failure.
static int add(struct engine *engine, const struct plugin *plugin, void *library, void *host_data,
	       char *error, size_t error_size)
{
	int result = plugin_check(plugin, error, error_size);

	if (result == 0)
		result = check_place(engine, plugin, error, error_size);
	struct plugin_host *host = result == 0 ? calloc(1, sizeof(*host)) : NULL;

	if (host == NULL) {
		if (result == 0)
			snprintf(error, error_size, "plugin %s: no memory", plugin->name);
		if (library != NULL)
			dlclose(library);
		return result != 0 ? result : -ENOMEM;
	}
	size_t rows_size = engine->config.worker_count * sizeof(*host->rows);

	host->engine = engine;
	host->plugin = plugin;
	host->library = library;
	host->rows = aligned_alloc(64, rows_size);
	if (host->rows == NULL) {
		snprintf(error, error_size, "plugin %s: no memory", plugin->name);
		plugin_host_destroy(host);
		return -ENOMEM;
	}
	memset(host->rows, 0, rows_size);
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		host->rows[i].entry = plugin->entry;
		host->rows[i].tick = plugin->tick;
		host->rows[i].context_migrate = plugin->context_migrate;
		host->rows[i].host_data = host_data;
	}
	host->id = (uint16_t)engine->plugin_count;
	engine->plugins[engine->plugin_count] = host;
	return (int)engine->plugin_count++;
}

int engine_load_plugin(struct engine *engine, const char *path, char *error, size_t error_size)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL) {
		snprintf(error, error_size, "%s", dlerror());
		return -ENOENT;
	}
	const struct plugin *plugin = dlsym(library, STELLAR_PLUGIN_SYMBOL);

	if (plugin == NULL) {
		snprintf(error, error_size, "%s: expected the symbol %s, found none", path,
			 STELLAR_PLUGIN_SYMBOL);
		dlclose(library);
		return -ENOEXEC;
	}
	char reason[256] = "no memory";
	int result = add(engine, plugin, library, NULL, reason, sizeof(reason));

	if (result < 0)
		snprintf(error, error_size, "%s: %s", path, reason);
	return result;
}

int engine_add_plugin(struct engine *engine, const struct plugin *plugin, void *host_data,
		      char *error, size_t error_size)
{
	return add(engine, plugin, NULL, host_data, error, error_size);
}

const struct plugin *engine_get_plugin(const struct engine *engine, uint16_t plugin_id)
{
	return plugin_id < engine->plugin_count ? engine->plugins[plugin_id]->plugin : NULL;
}

int engine_set_plugin_entries(struct engine *engine, uint16_t plugin_id, uint32_t worker_id,
			      const struct plugin_entries *entries)
{
	if (plugin_id >= engine->plugin_count || worker_id >= engine->config.worker_count ||
	    engine->started)
		return -EINVAL;
	const struct plugin *plugin = engine->plugins[plugin_id]->plugin;
	struct plugin_row *row = &engine->plugins[plugin_id]->rows[worker_id];

	row->entry = entries->entry != NULL ? entries->entry : plugin->entry;
	row->tick = entries->tick != NULL ? entries->tick : plugin->tick;
	row->context_migrate = entries->context_migrate != NULL ? entries->context_migrate
								: plugin->context_migrate;
	row->deliver = entries->deliver;
	row->batch = entries->deliver != NULL ? entries->batch : NULL;
	row->host_data = entries->host_data;
	return 0;
}

// Where each plugin's context lies in a session's block.
static void lay_out_blocks(struct engine *engine)
{
	uint32_t offset = 0;

	for (size_t i = 0; i < engine->plugin_count; i++) {
		engine->plugins[i]->context_offset = offset;
		offset += (engine->plugins[i]->plugin->context_size + 7u) & ~7u;
	}
	engine->block_size = (uint32_t)sizeof(struct plugin_block) + offset;
}

static int start_derived(struct engine *engine, char *error, size_t error_size)
{
	int result = 0;

	for (size_t i = 0; i < engine->plugin_count && result == 0; i++)
		result = plugin_derived_register(engine, engine->plugins[i], error, error_size);
	for (size_t i = 0; i < engine->plugin_count && result == 0; i++)
		result =
			plugin_derived_match(engine, engine->plugins[i]->plugin, error, error_size);
	return result;
}

int plugin_hosts_start(struct engine *engine, char *error, size_t error_size)
{
	int result = plugin_order(engine->plugins, engine->plugin_count, error, error_size);

	if (result != 0)
		return result;
	lay_out_blocks(engine);
	result = start_derived(engine, error, error_size);
	if (result != 0)
		return result;
	for (size_t i = 0; i < engine->plugin_count; i++) {
		struct plugin_host *host = engine->plugins[i];

		if (host->plugin->load != NULL)
			result = host->plugin->load(host, &host->state);
		if (result != 0) {
			snprintf(error, error_size, "plugin %s: does not load: %s",
				 host->plugin->name, strerror(result < 0 ? -result : result));
			return result < 0 ? result : -EINVAL;
		}
		host->loaded = true;
	}
	struct plugin_table *table = plugin_table_create(engine);

	if (table == NULL) {
		snprintf(error, error_size, "plugins: no memory");
		return -ENOMEM;
	}
	atomic_store(&engine->plugin_target, table);
	return 0;
}

int engine_disable_plugin(struct engine *engine, const char *name)
{
	if (!engine->started)
		return -EBUSY;
	for (size_t i = 0; i < engine->plugin_count; i++) {
		if (strcmp(engine->plugins[i]->plugin->name, name) != 0)
			continue;
		plugin_disable(engine->plugins[i]);
		return 0;
	}
	return -ENOENT;
}

static int find_counter(const struct plugin_host *host, const char *name)
{
	for (int i = 0; i < host->counter_count; i++) {
		if (strcmp(host->counter_names[i], name) == 0)
			return i;
	}
	return -ENOENT;
}

static int make_rooms(struct plugin_host *host)
{
	if (host->counter_names == NULL)
		host->counter_names = calloc(PLUGIN_COUNTERS_MAX, sizeof(*host->counter_names));
	if (host->counter_names == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < host->engine->config.worker_count; i++) {
		struct plugin_row *row = &host->rows[i];

		if (row->counters == NULL)
			row->counters = calloc(PLUGIN_COUNTERS_MAX, sizeof(*row->counters));
		if (row->counters == NULL)
			return -ENOMEM;
	}
	return 0;
}

int plugin_counter_create(struct plugin_host *host, const char *name)
{
	int id = find_counter(host, name);

	if (id >= 0)
		return id;
	if (host->counter_count == PLUGIN_COUNTERS_MAX)
		return -ENOSPC;
	if (make_rooms(host) != 0)
		return -ENOMEM;
	host->counter_names[host->counter_count] = strdup(name);
	if (host->counter_names[host->counter_count] == NULL)
		return -ENOMEM;
	return host->counter_count++;
}

void plugin_log(struct plugin_host *host, enum stellar_log_level level, const char *format, ...)
{
	const struct engine_config *config = &host->engine->config;
	char line[512];
	va_list arguments;

	if (config->log == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	config->log(config->log_sink, level, host->plugin->name, line);
}

int plugin_interface_id(const struct plugin_host *host, const char *name)
{
	for (uint16_t id = 0; id < host->engine->interface_count; id++) {
		if (strcmp(host->engine->interfaces[id].name, name) == 0)
			return id;
	}
	return -ENOENT;
}

size_t engine_get_plugin_stats(const struct engine *engine, struct plugin_stats *ret_stats,
			       size_t count)
{
	for (size_t i = 0; i < engine->plugin_count && i < count; i++) {
		const struct plugin_host *host = engine->plugins[i];
		struct plugin_stats *stats = &ret_stats[i];

		*stats = (struct plugin_stats){.enabled = !atomic_load(&host->disabled)};
		snprintf(stats->name, sizeof(stats->name), "%s", host->plugin->name);
		snprintf(stats->version, sizeof(stats->version), "%s", host->plugin->version);
		for (uint32_t w = 0; w < engine->config.worker_count; w++) {
			const struct plugin_row *row = &host->rows[w];

			stats->calls += row->calls;
			stats->errors += row->errors;
			stats->contexts += row->contexts;
			stats->detached += row->detached;
			stats->takeovers += row->takeovers;
		}
	}
	return engine->plugin_count;
}

int engine_get_plugin_counter(const struct engine *engine, size_t position, const char **ret_plugin,
			      const char **ret_name, uint64_t *ret_value)
{
	for (size_t i = 0; i < engine->plugin_count; i++) {
		const struct plugin_host *host = engine->plugins[i];

		if (position >= (size_t)host->counter_count) {
			position -= (size_t)host->counter_count;
			continue;
		}
		*ret_plugin = host->plugin->name;
		*ret_name = host->counter_names[position];
		*ret_value = 0;
		for (uint32_t w = 0; w < engine->config.worker_count; w++)
			*ret_value += host->rows[w].counters[position];
		return 0;
	}
	return -ENOENT;
}
