// SPDX-License-Identifier: Apache-2.0

// One call of one plugin for one session: its context begins before the first and ends when it
// leaves. A callback only asks (worker->detach_asked, worker->failed, the verdict); what it asked
// takes effect here, after it has returned. Worker's thread.

#include "engine/plugin_call.h"

#include <errno.h>

#include "engine/plugin_suspend.h"
#include "engine/plugin_timers.h"
#include "engine/plugin_timing.h"
#include "engine/plugin_version.h"
#include "engine/plugin_worker.h"
#include "engine/worker.h"

int plugin_block_open(struct worker *worker, struct session *session)
{
	uint32_t index = slab_get(&worker->blocks);

	if (index == 0)
		return -ENOMEM;
	session->cold->context = index;
	session->block = slab_record(&worker->blocks, index);
	session->block->owner_id = STELLAR_PLUGIN_NONE;
	return 0;
}

void plugin_enter(struct worker *worker, struct session *session, struct plugin_host *host)
{
	worker->plugin = host;
	watchdog_enter(worker->mark, host->id);
	worker->called = session;
	worker->detach_asked = false;
	worker->failed = false;
	worker->view_count = 0;
}

void plugin_leave(struct worker *worker)
{
	worker->plugin = NULL;
	watchdog_leave(worker->mark);
	worker->called = NULL;
}

static void free_context(struct worker *worker, struct session *session, struct plugin_host *host)
{
	uint64_t bit = PLUGIN_BIT(host->id);

	if ((session->block->initialised & bit) == 0)
		return;
	// First, so that what it asks for while it lets go finds no context.
	session->block->initialised &= ~bit;
	if (host->plugin->context_free != NULL) {
		plugin_enter(worker, session, host);
		host->plugin->context_free(session,
					   plugin_context_get(worker, session->block, host));
		plugin_leave(worker);
	}
	plugin_context_drop(worker, session->block, host);
	plugin_suspend_tell(worker, session);
}

// What a plugin that leaves the session held of it is free again.
static void release_claims(struct session *session, const struct plugin_host *host)
{
	struct plugin_block *block = session->block;

	plugin_timers_stop(session->worker, block, host->id);
	if (block->owner_id == host->id) {
		block->owner_id = STELLAR_PLUGIN_NONE;
		plugin_timers_let_go(session->worker, block);
	}
	if (!session_is_locked_by_other(session, host->id))
		session_lock_release(session);
}

static void let_go(struct session *session, const struct plugin_host *host)
{
	session->block->detached |= PLUGIN_BIT(host->id);
	release_claims(session, host);
}

void plugin_forget(struct worker *worker, struct session *session, struct plugin_host *host)
{
	release_claims(session, host);
	free_context(worker, session, host);
}

static void detach(struct worker *worker, struct session *session, struct plugin_host *host)
{
	let_go(session, host);
	host->rows[worker->id].detached++;
	free_context(worker, session, host);
}

// The declared fail action, for this session. Closed: what the plugin can't judge does not pass.
static void apply_fail_action(struct session *session, struct plugin_host *host)
{
	if (host->plugin->fail_action != STELLAR_FAIL_CLOSED)
		return;
	session->hot->flags |= SESSION_BLOCKED;
	if (session->packet == NULL)
		return;
	struct verdict *verdict = &session->packet->verdict;

	session->is_block_asked = true;
	if (!verdict->block) {
		verdict->block = true;
		verdict->block_plugin_id = host->id;
	}
	if (verdict->disposition == STELLAR_DROP)
		return;
	verdict->disposition = STELLAR_DROP;
	verdict->drop_reason = STELLAR_DROPPED_PLUGIN_FAILED;
	verdict->disposition_plugin_id = host->id;
	verdict->rule_id = STELLAR_RULE_NONE;
}

void plugin_disable(struct plugin_host *host)
{
	atomic_store_explicit(&host->disabled, true, memory_order_relaxed);
	atomic_fetch_or_explicit(&host->engine->disabled[host->number], PLUGIN_BIT(host->id),
				 memory_order_relaxed);
}

void plugin_count_error(struct worker *worker, struct plugin_host *host)
{
	if (++host->rows[worker->id].errors < STELLAR_PLUGIN_ERRORS_MAX)
		return;
	plugin_disable(host);
	// Here at once; the other workers see it at their next boundary.
	worker->disabled_versions[host->number] |= PLUGIN_BIT(host->id);
	if (worker->plugins->plugins[host->id] != host)
		return;
	worker->disabled |= PLUGIN_BIT(host->id);
	worker->failed_closed = worker->disabled & worker->plugins->closed;
	if (host->plugin->fail_action != STELLAR_FAIL_CLOSED)
		return;
	if (worker->just_failed_ms != worker->now_ns / NS_PER_MS)
		worker->just_failed = 0;
	worker->just_failed |= PLUGIN_BIT(host->id);
	worker->just_failed_ms = worker->now_ns / NS_PER_MS;
}

static void fail(struct worker *worker, struct session *session, struct plugin_host *host)
{
	detach(worker, session, host);
	apply_fail_action(session, host);
	if (session->packet == NULL && (session->hot->flags & SESSION_BLOCKED) != 0)
		hold_stage_end(worker, session);
	plugin_count_error(worker, host);
}

// What a callback asked for, now that it has returned. Returns whether the plugin stays.
static bool settle_call(struct worker *worker, struct session *session, struct plugin_host *host)
{
	bool stays = !worker->failed && !worker->detach_asked;

	plugin_leave(worker);
	if (worker->failed)
		fail(worker, session, host);
	else if (worker->detach_asked)
		detach(worker, session, host);
	plugin_suspend_tell(worker, session);
	return stays;
}

// Make the context live. Returns false when the plugin refused, or left at once.
bool plugin_open_context(struct worker *worker, struct session *session, struct plugin_host *host)
{
	if ((session->block->initialised & PLUGIN_BIT(host->id)) != 0)
		return true;
	if (!plugin_context_make(worker, session->block, host)) {
		let_go(session, host);
		apply_fail_action(session, host);
		return false;
	}
	if (host->plugin->context_init == NULL)
		return true;
	plugin_enter(worker, session, host);
	int result = host->plugin->context_init(session,
						plugin_context_get(worker, session->block, host));

	if (result == 0)
		return settle_call(worker, session, host);
	// Refused: nothing was made, so free has nothing to release.
	plugin_leave(worker);
	plugin_context_drop(worker, session->block, host);
	host->rows[worker->id].errors++;
	let_go(session, host);
	plugin_suspend_tell(worker, session);
	return false;
}

// A batch of one. Whose session is in change is known already.
static void call_single(struct worker *worker, struct session *session, struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];
	struct plugin_batch *batch = row->batch;
	uint32_t changing;

	batch->count = 1;
	batch->position = 0;
	batch->type = session->event->type;
	batch->changing = &changing;
	batch->entries[0] = (struct plugin_batch_entry){
		.session = session,
		.event = session->event,
		.context = plugin_context_get(session->worker, session->block, host),
		.index = session->index,
	};
	row->deliver_one();
	worker->failed |= (batch->entries[0].asked & STELLAR_BATCH_FAILED) != 0;
}

void plugin_call(struct worker *worker, struct session *session, struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];

	if (host->plugin->context_size > 0 && !plugin_open_context(worker, session, host))
		return;
	struct plugin_timing timing;
	bool is_timed = plugin_timing_is_due(row);

	session->block->called |= PLUGIN_BIT(host->id);
	plugin_enter(worker, session, host);
	row->calls++;
	if (is_timed)
		plugin_timing_start(&timing);
	if (row->batch != NULL)
		call_single(worker, session, host);
	else
		row->entry(session, plugin_context_get(worker, session->block, host));
	if (is_timed)
		plugin_timing_stop(&timing, row, 1);
	settle_call(worker, session, host);
}

void plugin_call_batch(struct worker *worker, struct plugin_host *host, struct plugin_batch *batch)
{
	struct plugin_row *row = &host->rows[worker->id];
	uint32_t first = batch->position;
	struct plugin_timing timing;
	bool is_timed = plugin_timing_is_due(row);

	plugin_enter(worker, NULL, host);
	worker->batch = batch;
	if (is_timed)
		plugin_timing_start(&timing);
	if (batch->count == 1) {
		*batch->changing = batch->entries[0].index;
		row->deliver_one();
	} else {
		row->deliver();
	}
	uint32_t calls = batch->position - first + (batch->position < batch->count);

	row->calls += calls;
	if (is_timed)
		plugin_timing_stop(&timing, row, calls);
	worker->batch = NULL;
	plugin_leave(worker);
}

void plugin_settle_entry(struct worker *worker, struct plugin_host *host,
			 const struct plugin_batch_entry *entry)
{
	worker->detach_asked = (entry->asked & STELLAR_BATCH_DETACH) != 0;
	worker->failed = (entry->asked & STELLAR_BATCH_FAILED) != 0;
	settle_call(worker, entry->session, host);
}

void plugin_call_tick(struct worker *worker, struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];
	struct plugin_worker lent = {.worker = worker, .host = host};

	plugin_enter(worker, NULL, host);
	row->tick(&lent, row->worker_state);
	plugin_leave(worker);
	if (worker->failed)
		plugin_count_error(worker, host);
}

bool plugin_call_is_for(const struct session *session)
{
	const struct session *called = worker_get_called(session->worker);

	return called != NULL && called->index == session->index;
}

bool plugin_is_disabled(const struct worker *worker, uint16_t plugin_id)
{
	return (worker->disabled & PLUGIN_BIT(plugin_id)) != 0;
}

void plugin_block_close(struct worker *worker, struct session *session)
{
	struct plugin_block *block = session->block;

	if (block == NULL)
		return;
	for (uint64_t left = block->initialised; left != 0; left &= left - 1)
		free_context(worker, session,
			     plugin_version_of(worker, block, (unsigned)__builtin_ctzll(left)));
	session_lock_release(session);
	plugin_timers_stop_all(worker, block);
	stream_stage_release(worker, session);
	slab_put(&worker->blocks, session->cold->context);
	session->cold->context = 0;
	session->block = NULL;
}
