// SPDX-License-Identifier: Apache-2.0

// Another version of a plugin while workers run. Control thread. <stellar/engine.h> has the
// contracts, plugin_version.h what it means for a session.
//
// Life of a version: made (loaded, its policy prepared) -> in force (a table with it is published,
// workers follow one by one) -> old (another one is in force; contexts pin it) -> leaving (nothing
// pins it, and no table has it) -> gone, when every worker has left the tables that had it. What
// has not been in force yet can still be refused, and nothing has changed.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plugin_derived.h"
#include "engine/worker.h"

#define CONTEXT_MAX ((1u << 16) + 8u) // bytes of a place in a block

int engine_find_plugin(const struct engine *engine, const char *name)
{
	for (size_t i = 0; engine->started && i < engine->plugin_count; i++) {
		if (strcmp(engine->accounts[i]->name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

int engine_has_plugin(const struct engine *engine, const struct plugin *plugin)
{
	for (size_t i = 0; i < engine->plugin_count; i++) {
		const struct plugin_account *account = engine->plugins[i]->account;

		for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
			if (account->versions[number] != NULL &&
			    account->versions[number]->plugin == plugin)
				return 1;
		}
	}
	return 0;
}

static int load_version(struct engine *engine, const char *path, struct plugin_host **ret_host,
			char *error, size_t error_size)
{
	struct plugin_library library;
	char reason[256] = "";
	int result = plugin_library_open(path, &library, error, error_size);

	if (result != 0)
		return result;
	result = plugin_host_create(engine, library.plugin, &library, NULL, ret_host, reason,
				    sizeof(reason));
	if (result != 0)
		snprintf(error, error_size, "%s: %s", path, reason);
	return result;
}

// The order with this version is that of before; else it would be another one after a restart.
static int check_order(struct engine *engine, struct plugin_host *host, char *error,
		       size_t error_size)
{
	struct plugin_host *hosts[STELLAR_PLUGINS_MAX];
	int result;

	memcpy(hosts, engine->plugins, engine->plugin_count * sizeof(hosts[0]));
	hosts[host->id] = host;
	result = plugin_sort(hosts, engine->plugin_count, error, error_size);
	for (size_t i = 0; i < engine->plugin_count && result == 0; i++) {
		if (hosts[i]->id == i)
			continue;
		snprintf(error, error_size,
			 "plugin %s: its order would put %s in the place of %s: restart the engine",
			 host->plugin->name, hosts[i]->plugin->name,
			 engine->plugins[i]->plugin->name);
		result = -EINVAL;
	}
	return result;
}

static int find_number(const struct plugin_account *account, char *error, size_t error_size)
{
	uint64_t contexts = 0;

	for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
		const struct plugin_host *host = account->versions[number];

		if (host == NULL)
			return number;
		for (uint32_t w = 0; w < host->engine->config.worker_count; w++)
			contexts += host->rows[w].contexts;
	}
	snprintf(error, error_size,
		 "plugin %s: %d versions live, with %llu contexts: the sessions of an old one must "
		 "end first",
		 account->name, PLUGIN_VERSIONS_MAX, (unsigned long long)contexts);
	return -ENOSPC;
}

// Give a version its place. Returns 0 or -errno.
static int enter(struct engine *engine, uint16_t id, struct plugin_host *host, char *error,
		 size_t error_size)
{
	struct plugin_account *account = engine->accounts[id];

	if (strcmp(host->plugin->name, account->name) != 0) {
		snprintf(error, error_size, "plugin %s: expected another version of %s",
			 host->plugin->name, account->name);
		return -EINVAL;
	}
	host->id = id;
	int result = check_order(engine, host, error, error_size);

	if (result != 0)
		return result;
	int number = find_number(account, error, error_size);

	if (number < 0)
		return number;
	host->counter_ids = calloc(PLUGIN_COUNTERS_MAX, sizeof(*host->counter_ids));
	if (host->counter_ids == NULL) {
		snprintf(error, error_size, "plugin %s: no memory", account->name);
		return -ENOMEM;
	}
	host->account = account;
	host->number = (uint8_t)number;
	host->is_apart = host->plugin->context_size > account->context_room;
	return 0;
}

// Events that it raises get their numbers, or keep them; what it hears, and what others hear of it,
// is raised. Returns 0 or -errno.
static int check_derived(struct engine *engine, struct plugin_host *host, char *error,
			 size_t error_size)
{
	struct plugin_host *before = engine->plugins[host->id];
	int result = plugin_derived_register(engine, host, error, error_size);

	pthread_mutex_lock(&engine->versions_lock);
	engine->plugins[host->id] = host;
	for (size_t i = 0; i < engine->plugin_count && result == 0; i++)
		result =
			plugin_derived_match(engine, engine->plugins[i]->plugin, error, error_size);
	engine->plugins[host->id] = before;
	pthread_mutex_unlock(&engine->versions_lock);
	return result;
}

// What a worker needs before it may follow. Returns 0 or -ENOMEM.
static int prepare_workers(struct engine *engine, const struct plugin_table *table)
{
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		struct worker *worker = engine->workers[i];

		if (worker->old_context == NULL)
			worker->old_context = malloc(CONTEXT_MAX);
		if (worker->old_context == NULL || stream_stage_prepare(worker, table) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int check_workers_move(struct engine *engine, char *error, size_t error_size)
{
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		if (worker_wait_boundary(engine->workers[i]) == 0)
			continue;
		snprintf(error, error_size,
			 "plugins: worker %u did not finish a burst in %u ms; nothing is changed",
			 i, engine->boundary_wait_ms);
		return -ETIMEDOUT;
	}
	return 0;
}

static void for_each_old(const struct engine *engine,
			 void (*visit)(struct plugin_host *host, void *argument), void *argument)
{
	for (size_t i = 0; i < engine->plugin_count; i++) {
		for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
			struct plugin_host *host = engine->accounts[i]->versions[number];

			if (host != NULL && host != engine->plugins[i])
				visit(host, argument);
		}
	}
}

static void let_leave(struct plugin_host *host, void *argument)
{
	if (host->leaving == PLUGIN_MAY_LEAVE)
		host->leaving = PLUGIN_LEAVES;
}

static void publish(struct engine *engine, struct plugin_table *table)
{
	table->older = atomic_load(&engine->plugin_target);
	atomic_store_explicit(&engine->plugin_target, table, memory_order_release);
	for_each_old(engine, let_leave, NULL);
}

// Returns whether every worker has followed; what they left is freed then.
static bool wait_for_workers(struct engine *engine)
{
	struct plugin_table *table = atomic_load(&engine->plugin_target);
	bool have_all = true;

	for (uint32_t i = 0; i < engine->config.worker_count; i++)
		have_all &= worker_wait_plugins(engine->workers[i], table) == 0;
	if (have_all) {
		plugin_table_destroy(table->older);
		table->older = NULL;
	}
	return have_all;
}

// Put a version that is ready in the place of the one in force. Returns 0 or -errno; when it fails
// with a table published, the version is in force all the same.
static int put_in_force(struct engine *engine, struct plugin_host *host, bool *ret_is_in_force,
			char *error, size_t error_size)
{
	struct plugin_host *before = engine->plugins[host->id];
	struct plugin_account *account = host->account;

	pthread_mutex_lock(&engine->versions_lock);
	account->versions[host->number] = host;
	engine->plugins[host->id] = host;
	pthread_mutex_unlock(&engine->versions_lock);
	engine->reload_count++;
	atomic_fetch_and(&engine->disabled[host->number], ~(UINT64_C(1) << host->id));
	struct plugin_table *table = plugin_table_create(engine);
	int result = table != NULL ? prepare_workers(engine, table) : -ENOMEM;

	if (result != 0)
		snprintf(error, error_size, "plugin %s: no memory", account->name);
	else
		result = check_workers_move(engine, error, error_size);
	*ret_is_in_force = result == 0;
	if (result != 0) {
		plugin_table_destroy(table);
		pthread_mutex_lock(&engine->versions_lock);
		account->versions[host->number] = NULL;
		engine->plugins[host->id] = before;
		pthread_mutex_unlock(&engine->versions_lock);
		engine->reload_count--;
		return result;
	}
	warm_restart_name_version(engine, host);
	account->reloads++;
	publish(engine, table);
	if (wait_for_workers(engine))
		return 0;
	snprintf(error, error_size,
		 "plugin %s: version %s is in force, but a worker did not take it in %u ms; it "
		 "will after its burst",
		 account->name, host->plugin->version, engine->boundary_wait_ms);
	return -ETIMEDOUT;
}

// Takes the host over, also on failure.
static int reload(struct engine *engine, uint16_t id, struct plugin_host *host, char *error,
		  size_t error_size)
{
	bool is_in_force = false;

	engine_collect_plugins(engine);
	int result = enter(engine, id, host, error, error_size);

	if (result == 0)
		result = plugin_settings_check(host, error, error_size);
	if (result == 0)
		result = check_derived(engine, host, error, error_size);
	if (result == 0)
		result = plugin_host_load(host, error, error_size);
	if (result == 0)
		result = policy_prepare_version(engine, host, error, error_size);
	if (result == 0)
		result = put_in_force(engine, host, &is_in_force, error, error_size);
	if (!is_in_force) {
		if (host->account != NULL)
			policy_retire_version(engine, host);
		plugin_host_destroy(host);
		return result;
	}
	engine_collect_plugins(engine);
	return result;
}

static int check_plugin(const struct engine *engine, uint16_t plugin_id, char *error,
			size_t error_size)
{
	if (engine->started && plugin_id < engine->plugin_count)
		return 0;
	snprintf(error, error_size, "plugin: %s",
		 engine->started ? "there is none of this id" : "the engine has not been started");
	return -EINVAL;
}

int engine_reload_plugin(struct engine *engine, uint16_t plugin_id, const char *path, char *error,
			 size_t error_size)
{
	struct plugin_host *host;
	int result = check_plugin(engine, plugin_id, error, error_size);

	if (result == 0)
		result = load_version(engine, path, &host, error, error_size);
	return result == 0 ? reload(engine, plugin_id, host, error, error_size) : result;
}

int engine_replace_plugin(struct engine *engine, uint16_t plugin_id, const struct plugin *plugin,
			  const struct plugin_entries *entries, char *error, size_t error_size)
{
	struct plugin_host *host;
	int result = check_plugin(engine, plugin_id, error, error_size);

	if (result == 0)
		result = plugin_host_create(engine, plugin, NULL, NULL, &host, error, error_size);
	if (result != 0)
		return result;
	for (uint32_t i = 0; entries != NULL && i < engine->config.worker_count; i++)
		plugin_row_set_entries(&host->rows[i], plugin, &entries[i]);
	return reload(engine, plugin_id, host, error, error_size);
}

static bool is_pinned(const struct plugin_host *host)
{
	uint64_t pins = 0;

	for (uint32_t w = 0; w < host->engine->config.worker_count; w++)
		pins += host->rows[w].contexts + host->rows[w].values;
	return pins != 0;
}

static void count(struct plugin_host *host, void *sum)
{
	(*(size_t *)sum)++;
}

static size_t count_old(const struct engine *engine)
{
	size_t sum = 0;

	for_each_old(engine, count, &sum);
	return sum;
}

static void mark_unpinned(struct plugin_host *host, void *has_marked)
{
	if (host->leaving == PLUGIN_STAYS && !is_pinned(host))
		host->leaving = PLUGIN_MAY_LEAVE;
	*(bool *)has_marked |= host->leaving == PLUGIN_MAY_LEAVE;
}

static void destroy_left(struct plugin_host *host, void *argument)
{
	struct engine *engine = host->engine;

	if (host->leaving != PLUGIN_LEAVES)
		return;
	policy_retire_version(engine, host);
	pthread_mutex_lock(&engine->versions_lock);
	plugin_account_close_version(host->account, host);
	pthread_mutex_unlock(&engine->versions_lock);
	plugin_host_destroy(host);
}

size_t engine_collect_plugins(struct engine *engine)
{
	bool has_marked = false;

	// Who has taken the table of before makes no context of an old version any more: only then
	// can it be said that nothing pins it.
	if (!engine->started || count_old(engine) == 0 || !wait_for_workers(engine))
		return engine->started ? count_old(engine) : 0;
	for_each_old(engine, mark_unpinned, &has_marked);
	if (has_marked) {
		struct plugin_table *table = plugin_table_create(engine);

		if (table == NULL)
			return count_old(engine);
		publish(engine, table);
	}
	if (wait_for_workers(engine))
		for_each_old(engine, destroy_left, NULL);
	return count_old(engine);
}
