// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_timers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/timer.h>

#include "engine/plugin_call.h"
#include "engine/plugin_version.h"
#include "engine/plugin_worker.h"
#include "engine/worker.h"

#define TIMERS_MAX (TIMER_LINK_LIST - 1) // ids have 31 bits

static struct plugin_timer *timer_of(const struct plugin_timers *timers, uint32_t id)
{
	return slab_record(&timers->records, id);
}

static struct plugin_block *block_of(struct worker *worker, uint32_t session_index)
{
	return slab_record(&worker->blocks, worker->table->cold[session_index].context);
}

static bool is_disabled(const struct worker *worker, const struct plugin_block *block,
			uint16_t plugin_id)
{
	return plugin_version_is_disabled(worker, plugin_version_of(worker, block, plugin_id));
}

static bool is_owned(const struct worker *worker, const struct plugin_block *block)
{
	return block->owner_id != STELLAR_PLUGIN_NONE &&
	       !is_disabled(worker, block, block->owner_id);
}

static struct timer_link *link_of(void *worker, uint32_t id)
{
	return &timer_of(((struct worker *)worker)->timers, id)->link;
}

static uint64_t get_deadline(void *worker, uint32_t id, uint64_t now_ms)
{
	return timer_of(((struct worker *)worker)->timers, id)->deadline_ms;
}

// The place that holds the id of a plugin's timer, or that of the list's end.
static uint32_t *find_place(struct plugin_timers *timers, struct plugin_block *block,
			    uint16_t plugin_id)
{
	uint32_t *place = &block->first_timer;

	while (*place != 0 && timer_of(timers, *place)->plugin_id != plugin_id)
		place = &timer_of(timers, *place)->next;
	return place;
}

// Take the timer at a place of its session's list away.
static void forget(struct worker *worker, uint32_t *place)
{
	struct plugin_timers *timers = worker->timers;
	uint32_t id = *place;
	struct plugin_timer *timer = timer_of(timers, id);

	timer_wheel_remove(&timers->wheel, id);
	*place = timer->next;
	timer->session_index = SESSION_NONE;
	timers->running[timer->plugin_id]--;
	slab_put(&timers->records, id);
}

// The order of timers that are due together is that of their placing, so that each is placed anew.
static void place_anew(struct plugin_timers *timers, uint32_t id, uint64_t deadline_ms)
{
	timer_wheel_remove(&timers->wheel, id);
	timer_of(timers, id)->deadline_ms = deadline_ms;
	timer_wheel_insert(&timers->wheel, id);
}

void plugin_timers_reach(struct worker *worker, uint64_t due_ms)
{
	if (due_ms * NS_PER_MS > worker->now_ns)
		worker->now_ns = due_ms * NS_PER_MS;
	session_locks_expire(worker);
	if (worker->expectations.count != 0)
		expect_advance(worker);
}

static void deliver(struct worker *worker, struct session *session, uint16_t plugin_id)
{
	const struct event event = {
		.type = STELLAR_EVENT_TIMER,
		.time_ns = worker->now_ns,
	};
	uint32_t queued = worker->queue.count;

	session_table_begin_change(worker->table, session->index);
	worker->ledger.events[STELLAR_EVENT_TIMER]++;
	plugin_deliver_to(worker, session, &event, PLUGIN_BIT(plugin_id));
	plugin_drain(worker, NULL, queued);
	session_table_end_change(worker->table);
}

static void fire(void *owner, uint32_t id, uint64_t due_ms)
{
	struct worker *worker = owner;
	struct plugin_timer *timer = timer_of(worker->timers, id);
	uint16_t plugin_id = timer->plugin_id;
	struct session session;

	plugin_timers_reach(worker, due_ms);
	session_view(worker, timer->session_index, &session);
	if (plugin_is_muted(worker, session.block, plugin_id)) {
		timer->is_held = true;
		place_anew(worker->timers, id, session.block->lease_ends_ms);
		return;
	}
	forget(worker, find_place(worker->timers, session.block, plugin_id));
	if (!is_disabled(worker, session.block, plugin_id))
		deliver(worker, &session, plugin_id);
}

static bool is_wanted(const struct plugin_table *table)
{
	bool has_tick = false;

	for (size_t i = 0; i < table->plugin_count; i++)
		has_tick |= table->plugins[i]->plugin->tick_ms != 0;
	return has_tick || table->interest[STELLAR_EVENT_TIMER] != 0;
}

int plugin_timers_create(struct worker *worker)
{
	const struct timer_wheel_ops ops = {
		.link = link_of,
		.deadline = get_deadline,
		.fire = fire,
	};
	const struct engine_config *config = &worker->engine->config;
	uint64_t limit = config->limits.plugin_timers;

	// engine->reader has no sessions.
	if (worker->id == config->worker_count || worker->timers != NULL ||
	    !is_wanted(worker->plugins))
		return 0;
	worker->timers = calloc(1, sizeof(*worker->timers));
	if (worker->timers == NULL)
		return -ENOMEM;
	timer_wheel_init(&worker->timers->wheel, &ops, worker, 0, 0);
	slab_init(&worker->timers->records, sizeof(struct plugin_timer));
	worker->timers->limit = limit < TIMERS_MAX ? (uint32_t)limit : TIMERS_MAX;
	return 0;
}

void plugin_timers_follow(struct worker *worker)
{
	// Without memory timers are refused, and there are no ticks.
	if (plugin_timers_create(worker) == 0 && worker->timers != NULL)
		worker->timers->next_tick_ms = 0;
}

void plugin_timers_destroy(struct worker *worker)
{
	if (worker->timers == NULL)
		return;
	slab_fini(&worker->timers->records);
	free(worker->timers);
	worker->timers = NULL;
}

void plugin_timers_stop(struct worker *worker, struct plugin_block *block, uint16_t plugin_id)
{
	if (block->first_timer == 0)
		return;
	uint32_t *place = find_place(worker->timers, block, plugin_id);

	if (*place != 0)
		forget(worker, place);
}

void plugin_timers_stop_all(struct worker *worker, struct plugin_block *block)
{
	while (block->first_timer != 0)
		forget(worker, &block->first_timer);
}

void plugin_timers_let_go(struct worker *worker, struct plugin_block *block)
{
	struct plugin_timers *timers = worker->timers;
	struct plugin_timer *timer;

	for (uint32_t id = block->first_timer; id != 0; id = timer->next) {
		timer = timer_of(timers, id);
		if (!timer->is_held)
			continue;
		timer->is_held = false;
		place_anew(timers, id, worker->now_ns / NS_PER_MS + 1);
	}
}

static bool has_disabled(const struct worker *worker)
{
	return memcmp(worker->timers->disabled, worker->disabled_versions,
		      sizeof(worker->timers->disabled)) != 0;
}

// Timers of plugins that were disabled stop, and their leases are over. Later in the millisecond in
// which that was so it is the same for all packets of it, which may go through the plugins together
// (plugin_wave.h).
static void follow_disabled(struct worker *worker)
{
	struct plugin_timers *timers = worker->timers;

	for (uint32_t id = 1; id <= timers->records.used_count; id++) {
		const struct plugin_timer *timer = timer_of(timers, id);

		if (timer->session_index == SESSION_NONE)
			continue;
		struct plugin_block *block = block_of(worker, timer->session_index);

		if (is_disabled(worker, block, timer->plugin_id))
			plugin_timers_stop(worker, block, timer->plugin_id);
		else if (timer->is_held && !is_owned(worker, block))
			plugin_timers_let_go(worker, block);
	}
	memcpy(timers->disabled, worker->disabled_versions, sizeof(timers->disabled));
}

static void expire_holds(struct worker *worker, uint64_t due_ms)
{
	plugin_timers_reach(worker, due_ms);
	hold_stage_expire(worker, due_ms);
}

void plugin_timers_advance(struct worker *worker, uint64_t end_ms)
{
	struct plugin_timers *timers = worker->timers;
	const struct timer_wheel *sessions = &worker->table->wheel;

	timers->end_ms = end_ms;
	timers->restarts = 0;
	for (;;) {
		// Of the wheels: not later than what they have next.
		uint64_t tick_ms = plugin_ticks_next(worker, end_ms);
		uint64_t timer_ms = timers->wheel.next_ms;
		uint64_t first_ms = tick_ms < timer_ms ? tick_ms : timer_ms;
		uint64_t hold_ms = hold_stage_next_ms(worker);
		uint64_t end_of_ms = hold_ms < sessions->next_ms ? hold_ms : sessions->next_ms;
		uint64_t next_ms = first_ms < end_of_ms ? first_ms : end_of_ms;

		if (has_disabled(worker) && worker->now_ns / NS_PER_MS < end_ms &&
		    worker->now_ns / NS_PER_MS < next_ms)
			follow_disabled(worker);
		else if (next_ms > end_ms)
			break;
		else if (sessions->next_ms < first_ms && sessions->next_ms < hold_ms)
			session_table_advance(worker->table, sessions->next_ms);
		else if (hold_ms < first_ms)
			expire_holds(worker, hold_ms);
		else if (tick_ms <= timer_ms)
			plugin_ticks_call(worker, end_ms, tick_ms);
		else
			timer_wheel_advance(&timers->wheel, timer_ms);
	}
	timers->end_ms = 0;
}

// Whether the plugin that is being called may have a timer of this session.
static bool may_have(const struct session *session)
{
	const struct plugin_host *host = session->worker->plugin;

	return plugin_call_is_for(session) && session->hot->state != STELLAR_SESSION_CLOSING &&
	       (session->block->detached & PLUGIN_BIT(host->id)) == 0 &&
	       (host->plugin->events & STELLAR_EVENT_BIT(STELLAR_EVENT_TIMER)) != 0;
}

// See above: not all that a step starts is due in it.
static uint64_t next_deadline(struct worker *worker, uint32_t delay_ms)
{
	struct plugin_timers *timers = worker->timers;
	uint64_t deadline_ms = worker->now_ns / NS_PER_MS + delay_ms;

	if (deadline_ms > timers->end_ms)
		return deadline_ms;
	if (timers->restarts == STELLAR_TIMER_STEP_MAX)
		return timers->end_ms;
	timers->restarts++;
	return deadline_ms;
}

// Returns the record of a new timer, which is in no wheel yet, or -errno.
static int64_t make(struct worker *worker, const struct session *session)
{
	struct plugin_timers *timers = worker->timers;

	if (timers->records.count >= timers->limit)
		return -ENOSPC;
	uint32_t id = slab_get(&timers->records);

	if (id == 0)
		return -ENOMEM;
	struct plugin_timer *timer = timer_of(timers, id);

	timer->session_index = session->index;
	timer->plugin_id = worker->plugin->id;
	timer->next = session->block->first_timer;
	session->block->first_timer = id;
	timers->running[timer->plugin_id]++;
	return id;
}

int timer_start(struct session *session, uint32_t delay_ms)
{
	struct worker *worker = session->worker;

	if (!may_have(session) || delay_ms == 0 || delay_ms > STELLAR_TIMER_MAX_MS)
		return -EINVAL;
	struct plugin_timers *timers = worker->timers;
	uint64_t now_ms = worker->now_ns / NS_PER_MS;

	if (timers == NULL)
		return -ENOMEM;
	int64_t id = *find_place(timers, session->block, worker->plugin->id);

	if (id == 0)
		id = make(worker, session);
	if (id < 0) {
		timers->refused[worker->plugin->id]++;
		return (int)id;
	}
	// The less the wheel's time is behind, the lower the level it places at.
	if (now_ms > timers->wheel.now_ms && !timer_wheel_is_due(&timers->wheel, now_ms))
		timers->wheel.now_ms = now_ms;
	timer_of(timers, (uint32_t)id)->is_held = false;
	place_anew(timers, (uint32_t)id, next_deadline(worker, delay_ms));
	return 0;
}

int timer_stop(struct session *session)
{
	struct worker *worker = session->worker;

	if (!plugin_call_is_for(session))
		return -EINVAL;
	plugin_timers_stop(worker, session->block, worker->plugin->id);
	return 0;
}

void plugin_timers_count(const struct engine *engine, uint16_t plugin_id,
			 struct plugin_stats *stats)
{
	for (uint32_t i = 0; engine->started && i < engine->config.worker_count; i++) {
		const struct plugin_timers *timers = engine->workers[i]->timers;

		if (timers == NULL)
			continue;
		stats->timers += timers->running[plugin_id];
		stats->timers_refused += timers->refused[plugin_id];
	}
}
