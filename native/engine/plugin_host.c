// SPDX-License-Identifier: Apache-2.0

// Loads, registers and unloads plugins; their counters and figures. Control thread; the figures may
// be read from any thread. See plugin_host.h.

#include "engine/plugin_host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plugin_call.h"
#include "engine/plugin_derived.h"
#include "engine/plugin_timers.h"
#include "engine/plugin_worker.h"
#include "engine/worker.h"

static void unload(struct plugin_host *host)
{
	if (host->rows != NULL)
		plugin_workers_fini(host);
	if (host->loaded && host->plugin->unload != NULL)
		host->plugin->unload(host, host->state);
	plugin_library_close(&host->library);
}

void plugin_host_destroy(struct plugin_host *host)
{
	if (host == NULL)
		return;
	unload(host);
	for (uint32_t i = 0; host->rows != NULL && i < host->engine->config.worker_count; i++)
		slab_fini(&host->rows[i].apart);
	free(host->rows);
	free(host->counter_ids);
	free(host);
}

void plugin_account_destroy(struct plugin_account *account)
{
	if (account == NULL)
		return;
	for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++)
		plugin_host_destroy(account->versions[number]);
	for (size_t i = 0; i < STELLAR_WORKERS_MAX; i++)
		free(account->counters[i]);
	for (int i = 0; i < account->counter_count; i++)
		free(account->counter_names[i]);
	free(account->counter_names);
	plugin_settings_free(account);
	free(account);
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

void plugin_row_set_entries(struct plugin_row *row, const struct plugin *plugin,
			    const struct plugin_entries *entries)
{
	row->entry = entries->entry != NULL ? entries->entry : plugin->entry;
	row->tick = entries->tick != NULL ? entries->tick : plugin->tick;
	row->context_migrate = entries->context_migrate != NULL ? entries->context_migrate
								: plugin->context_migrate;
	row->deliver = entries->deliver;
	row->deliver_one = entries->deliver_one != NULL ? entries->deliver_one : entries->deliver;
	row->batch = entries->deliver != NULL ? entries->batch : NULL;
	row->host_data = entries->host_data;
}

static struct plugin_host *make_host(struct engine *engine, const struct plugin *plugin,
				     void *host_data)
{
	struct plugin_host *host = calloc(1, sizeof(*host));
	size_t rows_size = engine->config.worker_count * sizeof(*host->rows);
	const struct plugin_entries entries = {.host_data = host_data};

	if (host == NULL)
		return NULL;
	host->rows = aligned_alloc(64, rows_size);
	if (host->rows == NULL) {
		free(host);
		return NULL;
	}
	memset(host->rows, 0, rows_size);
	host->engine = engine;
	host->plugin = plugin;
	host->library.fd = -1;
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		plugin_row_set_entries(&host->rows[i], plugin, &entries);
		slab_init(&host->rows[i].apart, (plugin->context_size + 7u) & ~7u);
	}
	return host;
}

int plugin_host_create(struct engine *engine, const struct plugin *plugin,
		       struct plugin_library *library, void *host_data,
		       struct plugin_host **ret_host, char *error, size_t error_size)
{
	int result = plugin_check(plugin, error, error_size);
	struct plugin_host *host = result == 0 ? make_host(engine, plugin, host_data) : NULL;

	if (host == NULL) {
		if (result == 0)
			snprintf(error, error_size, "plugin %s: no memory", plugin->name);
		if (library != NULL)
			plugin_library_close(library);
		return result != 0 ? result : -ENOMEM;
	}
	if (library != NULL)
		host->library = *library;
	*ret_host = host;
	return 0;
}

// Takes the library over, also on failure.
static int add(struct engine *engine, const struct plugin *plugin, struct plugin_library *library,
	       void *host_data, char *error, size_t error_size)
{
	struct plugin_host *host;
	int result =
		plugin_host_create(engine, plugin, library, host_data, &host, error, error_size);

	if (result == 0)
		result = check_place(engine, plugin, error, error_size);
	else
		return result;
	host->account = result == 0 ? calloc(1, sizeof(*host->account)) : NULL;
	if (host->account == NULL) {
		if (result == 0)
			snprintf(error, error_size, "plugin %s: no memory", plugin->name);
		plugin_host_destroy(host);
		return result != 0 ? result : -ENOMEM;
	}
	memcpy(host->account->name, plugin->name, strlen(plugin->name));
	host->account->versions[0] = host;
	host->id = (uint16_t)engine->plugin_count;
	engine->plugins[engine->plugin_count] = host;
	return (int)engine->plugin_count++;
}

int engine_load_plugin(struct engine *engine, const char *path, char *error, size_t error_size)
{
	struct plugin_library library;
	int result = plugin_library_open(path, &library, error, error_size);

	if (result != 0)
		return result;
	char reason[256] = "no memory";

	result = add(engine, library.plugin, &library, NULL, reason, sizeof(reason));
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
	struct plugin_host *host = engine->plugins[plugin_id];

	plugin_row_set_entries(&host->rows[worker_id], host->plugin, entries);
	return 0;
}

// Where each plugin's context lies in a session's block.
static void lay_out_blocks(struct engine *engine)
{
	uint32_t offset = 0;

	for (size_t i = 0; i < engine->plugin_count; i++) {
		struct plugin_account *account = engine->plugins[i]->account;

		engine->accounts[i] = account;
		account->context_offset = offset;
		account->context_room = (engine->plugins[i]->plugin->context_size + 7u) & ~7u;
		if (account->context_room < PLUGIN_CONTEXT_ROOM_MIN)
			account->context_room = PLUGIN_CONTEXT_ROOM_MIN;
		offset += account->context_room;
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

int plugin_host_load(struct plugin_host *host, char *error, size_t error_size)
{
	int result = host->plugin->load != NULL ? host->plugin->load(host, &host->state) : 0;

	host->loaded = result == 0;
	if (result == 0)
		result = plugin_workers_init(host);
	if (result != 0) {
		snprintf(error, error_size, "plugin %s: does not load: %s", host->plugin->name,
			 strerror(result < 0 ? -result : result));
		return result < 0 ? result : -EINVAL;
	}
	return 0;
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
		result = plugin_host_load(engine->plugins[i], error, error_size);
		if (result != 0)
			return result;
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

// The id of a name in the account, which is made. Returns it or -errno.
static int make_counter(struct plugin_host *host, const char *name)
{
	struct plugin_account *account = host->account;

	for (int i = 0; i < account->counter_count; i++) {
		if (strcmp(account->counter_names[i], name) == 0)
			return i;
	}
	if (account->counter_count == PLUGIN_COUNTERS_MAX)
		return -ENOSPC;
	if (account->counter_names == NULL)
		account->counter_names =
			calloc(PLUGIN_COUNTERS_MAX, sizeof(*account->counter_names));
	if (account->counter_names == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < host->engine->config.worker_count; i++) {
		if (account->counters[i] == NULL)
			account->counters[i] =
				calloc(PLUGIN_COUNTERS_MAX, sizeof(*account->counters[i]));
		if (account->counters[i] == NULL)
			return -ENOMEM;
		host->rows[i].counters = account->counters[i];
	}
	account->counter_names[account->counter_count] = strdup(name);
	if (account->counter_names[account->counter_count] == NULL)
		return -ENOMEM;
	return account->counter_count++;
}

int plugin_counter_create(struct plugin_host *host, const char *name)
{
	int id = make_counter(host, name);

	// A later version counts its counters from 0 too, whatever an older one had.
	if (host->counter_ids == NULL) {
		if (id >= host->counter_count)
			host->counter_count = id + 1;
		return id;
	}
	if (id < 0)
		return id;
	for (int i = 0; i < host->counter_count; i++) {
		if (host->counter_ids[i] == id)
			return i;
	}
	host->counter_ids[host->counter_count] = (uint16_t)id;
	return host->counter_count++;
}

int plugin_counter_find(const struct plugin_host *host, int counter_id)
{
	if (counter_id < 0 || counter_id >= host->counter_count)
		return -1;
	return host->counter_ids != NULL ? host->counter_ids[counter_id] : counter_id;
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

static void add_version(struct plugin_stats *stats, const struct plugin_host *host)
{
	for (uint32_t w = 0; w < host->engine->config.worker_count; w++) {
		const struct plugin_row *row = &host->rows[w];

		stats->calls += row->calls;
		stats->errors += row->errors;
		stats->contexts += row->contexts;
		stats->detached += row->detached;
		stats->takeovers += row->takeovers;
		stats->migrated += row->migrated;
		stats->stayed += row->stayed;
		stats->no_memory += row->no_memory;
		stats->timed_calls += row->timed_calls;
		stats->timed_ns += row->timed_ns;
		stats->context_bytes += row->contexts * host->plugin->context_size;
	}
}

void plugin_account_close_version(struct plugin_account *account, struct plugin_host *host)
{
	add_version(&account->past, host);
	account->versions[host->number] = NULL;
}

static void fill_stats(const struct plugin_host *host, struct plugin_stats *stats)
{
	const struct plugin_account *account = host->account;

	*stats = account->past;
	snprintf(stats->name, sizeof(stats->name), "%s", account->name);
	snprintf(stats->version, sizeof(stats->version), "%s", host->plugin->version);
	stats->enabled = !atomic_load(&host->disabled);
	stats->reloads = account->reloads;
	stats->versions = 0;
	for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
		if (account->versions[number] == NULL)
			continue;
		add_version(stats, account->versions[number]);
		stats->versions++;
	}
	plugin_timers_count(host->engine, host->id, stats);
	stats->old_contexts = stats->contexts;
	for (uint32_t w = 0; w < host->engine->config.worker_count; w++)
		stats->old_contexts -= host->rows[w].contexts;
}

size_t engine_get_plugin_stats(const struct engine *engine, struct plugin_stats *ret_stats,
			       size_t count)
{
	pthread_mutex_t *lock = &((struct engine *)engine)->versions_lock;

	pthread_mutex_lock(lock);
	for (size_t i = 0; i < engine->plugin_count && i < count; i++)
		fill_stats(engine->plugins[i], &ret_stats[i]);
	pthread_mutex_unlock(lock);
	return engine->plugin_count;
}

int engine_get_plugin_counter(const struct engine *engine, size_t position, const char **ret_plugin,
			      const char **ret_name, uint64_t *ret_value)
{
	for (size_t i = 0; i < engine->plugin_count; i++) {
		const struct plugin_account *account = engine->plugins[i]->account;

		if (position >= (size_t)account->counter_count) {
			position -= (size_t)account->counter_count;
			continue;
		}
		*ret_plugin = account->name;
		*ret_name = account->counter_names[position];
		*ret_value = 0;
		for (uint32_t w = 0; w < engine->config.worker_count; w++)
			*ret_value += account->counters[w][position];
		return 0;
	}
	return -ENOENT;
}
