// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_worker.h"

#include <errno.h>

#include "engine/plugin_call.h"
#include "engine/plugin_timers.h"
#include "engine/worker.h"

int plugin_workers_init(struct plugin_host *host)
{
	int result = 0;

	for (uint32_t id = 0; id < host->engine->config.worker_count && result == 0; id++) {
		struct plugin_row *row = &host->rows[id];

		if (host->plugin->worker_init != NULL)
			result = host->plugin->worker_init(host, host->state, id,
							   &row->worker_state);
		row->has_begun = result == 0;
	}
	return result;
}

void plugin_workers_fini(struct plugin_host *host)
{
	for (uint32_t id = 0; id < host->engine->config.worker_count; id++) {
		struct plugin_row *row = &host->rows[id];

		if (row->has_begun && host->plugin->worker_fini != NULL)
			host->plugin->worker_fini(host, host->state, row->worker_state);
		row->has_begun = false;
	}
}

static bool has_tick(const struct worker *worker, const struct plugin_host *host)
{
	return host->plugin->tick_ms != 0 && host->rows[worker->id].tick != NULL &&
	       !plugin_is_disabled(worker, host->id);
}

// The last of a plugin's times in the step, or a time after its end.
static uint64_t last_tick(const struct plugin_host *host, const struct plugin_row *row,
			  uint64_t end_ms)
{
	if (row->next_tick_ms > end_ms)
		return row->next_tick_ms;
	return end_ms - (end_ms - row->next_tick_ms) % host->plugin->tick_ms;
}

uint64_t plugin_ticks_next(struct worker *worker, uint64_t end_ms)
{
	const struct plugin_table *table = worker->plugins;
	uint64_t first_ms = TIMER_WHEEL_NEVER;
	uint64_t next_ms = TIMER_WHEEL_NEVER;

	if (worker->timers->next_tick_ms > end_ms)
		return TIMER_WHEEL_NEVER;
	for (size_t i = 0; i < table->plugin_count; i++) {
		struct plugin_host *host = table->plugins[i];
		struct plugin_row *row = &host->rows[worker->id];

		if (!has_tick(worker, host))
			continue;
		if (row->next_tick_ms == 0)
			row->next_tick_ms = end_ms + host->plugin->tick_ms;
		if (row->next_tick_ms < first_ms)
			first_ms = row->next_tick_ms;
		uint64_t last_ms = last_tick(host, row, end_ms);

		if (last_ms <= end_ms && last_ms < next_ms)
			next_ms = last_ms;
	}
	worker->timers->next_tick_ms = first_ms;
	return next_ms;
}

void plugin_ticks_call(struct worker *worker, uint64_t end_ms, uint64_t tick_ms)
{
	const struct plugin_table *table = worker->plugins;

	plugin_timers_reach(worker, tick_ms);
	for (size_t i = 0; i < table->plugin_count; i++) {
		struct plugin_host *host = table->plugins[i];
		struct plugin_row *row = &host->rows[worker->id];

		if (!has_tick(worker, host) || last_tick(host, row, end_ms) != tick_ms)
			continue;
		row->next_tick_ms = tick_ms + host->plugin->tick_ms;
		plugin_call_tick(worker, host);
	}
}

void *pm_session_worker_state(const struct session *session)
{
	const struct worker *worker = session->worker;

	return worker->plugin != NULL ? worker->plugin->rows[worker->id].worker_state : NULL;
}

uint32_t plugin_worker_get_id(const struct plugin_worker *worker)
{
	return worker->worker->id;
}

uint64_t plugin_worker_get_time_ns(const struct plugin_worker *worker)
{
	return worker->worker->now_ns;
}

void plugin_worker_counter_add(struct plugin_worker *worker, int counter_id, uint64_t amount)
{
	int id = plugin_counter_find(worker->host, counter_id);

	if (id >= 0)
		worker->host->rows[worker->worker->id].counters[id] += amount;
}

int plugin_worker_log(struct plugin_worker *worker, enum stellar_log_level level, const char *text,
		      size_t length)
{
	if ((uint32_t)level >= STELLAR_LOG_LEVEL_COUNT)
		return -EINVAL;
	return record_log(worker->worker, NULL, worker->host->id, (uint8_t)level, text, length);
}

void plugin_worker_fail(struct plugin_worker *worker)
{
	worker->worker->failed = true;
}
