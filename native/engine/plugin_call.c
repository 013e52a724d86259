// SPDX-License-Identifier: Apache-2.0

// One call of one plugin for one session: its context begins before the first and ends when it
// leaves. A callback only asks (worker->detach_asked, worker->failed, the verdict); what it asked
// takes effect here, after it has returned. Worker's thread.

#include "engine/plugin_call.h"

#include <errno.h>

#include "engine/worker.h"

#define PLUGIN_BIT(id) (UINT64_C(1) << (id))

void *plugin_get_context(const struct plugin_host *host, struct plugin_block *block)
{
	return host->plugin->context_size == 0 ? NULL : block->contexts + host->context_offset;
}

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

// Call one of a plugin's functions with the worker knowing on whose behalf.
static void enter(struct worker *worker, struct session *session, struct plugin_host *host)
{
	worker->plugin = host;
	watchdog_enter(worker->mark, host->id);
	worker->called = session;
	worker->detach_asked = false;
	worker->failed = false;
	worker->view_count = 0;
}

static void leave(struct worker *worker)
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
	session->block->initialised &= ~bit;
	host->rows[worker->id].contexts--;
	if (host->plugin->context_free != NULL) {
		enter(worker, session, host);
		host->plugin->context_free(session, plugin_get_context(host, session->block));
		leave(worker);
	}
}

// What a plugin that leaves the session held of it is free again.
static void let_go(struct session *session, const struct plugin_host *host)
{
	struct plugin_block *block = session->block;

	block->detached |= PLUGIN_BIT(host->id);
	if (block->owner_id == host->id)
		block->owner_id = STELLAR_PLUGIN_NONE;
	if (!session_is_locked_by_other(session, host->id))
		session_lock_release(session);
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
	struct engine *engine = host->engine;

	atomic_store_explicit(&host->disabled, true, memory_order_relaxed);
	atomic_fetch_or_explicit(&engine->disabled, PLUGIN_BIT(host->id), memory_order_relaxed);
	if (host->plugin->fail_action == STELLAR_FAIL_CLOSED)
		atomic_fetch_or_explicit(&engine->failed_closed, PLUGIN_BIT(host->id),
					 memory_order_relaxed);
}

static void fail(struct worker *worker, struct session *session, struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];

	row->errors++;
	detach(worker, session, host);
	apply_fail_action(session, host);
	if (session->packet == NULL && (session->hot->flags & SESSION_BLOCKED) != 0)
		hold_stage_end(worker, session);
	if (row->errors < STELLAR_PLUGIN_ERRORS_MAX)
		return;
	plugin_disable(host);
	// Here at once; the other workers see it at their next boundary.
	worker->disabled |= PLUGIN_BIT(host->id);
	if (host->plugin->fail_action != STELLAR_FAIL_CLOSED)
		return;
	worker->failed_closed |= PLUGIN_BIT(host->id);
	if (worker->just_failed_ms != worker->now_ns / NS_PER_MS)
		worker->just_failed = 0;
	worker->just_failed |= PLUGIN_BIT(host->id);
	worker->just_failed_ms = worker->now_ns / NS_PER_MS;
}

void plugin_follow(struct worker *worker)
{
	const struct engine *engine = worker->engine;
	uint64_t before = worker->disabled;

	worker->plugins = atomic_load_explicit(&engine->plugin_target, memory_order_acquire);
	worker->disabled = atomic_load_explicit(&engine->disabled, memory_order_relaxed);
	worker->failed_closed = atomic_load_explicit(&engine->failed_closed, memory_order_relaxed);
	if (worker->disabled != before)
		recorder_disabled(worker);
}

// What a callback asked for, now that it has returned. Returns whether the plugin stays.
static bool settle_call(struct worker *worker, struct session *session, struct plugin_host *host)
{
	leave(worker);
	if (worker->failed)
		fail(worker, session, host);
	else if (worker->detach_asked)
		detach(worker, session, host);
	else
		return true;
	return false;
}

// Make the context live. Returns false when the plugin refused, or left at once.
bool plugin_open_context(struct worker *worker, struct session *session, struct plugin_host *host)
{
	uint64_t bit = PLUGIN_BIT(host->id);

	if ((session->block->initialised & bit) != 0)
		return true;
	session->block->initialised |= bit;
	host->rows[worker->id].contexts++;
	if (host->plugin->context_init == NULL)
		return true;
	enter(worker, session, host);
	int result = host->plugin->context_init(session, plugin_get_context(host, session->block));

	if (result == 0)
		return settle_call(worker, session, host);
	// Refused: nothing was made, so free has nothing to release.
	leave(worker);
	session->block->initialised &= ~bit;
	host->rows[worker->id].contexts--;
	host->rows[worker->id].errors++;
	let_go(session, host);
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
		.context = plugin_get_context(host, session->block),
		.index = session->index,
	};
	row->deliver();
	worker->failed |= (batch->entries[0].asked & STELLAR_BATCH_FAILED) != 0;
}

void plugin_call(struct worker *worker, struct session *session, struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];

	if (host->plugin->context_size > 0 && !plugin_open_context(worker, session, host))
		return;
	session->block->called |= PLUGIN_BIT(host->id);
	enter(worker, session, host);
	row->calls++;
	if (row->batch != NULL)
		call_single(worker, session, host);
	else
		row->entry(session, plugin_get_context(host, session->block));
	settle_call(worker, session, host);
}

void plugin_call_batch(struct worker *worker, struct plugin_host *host, struct plugin_batch *batch)
{
	struct plugin_row *row = &host->rows[worker->id];
	uint32_t first = batch->position;

	enter(worker, NULL, host);
	worker->batch = batch;
	row->deliver();
	worker->batch = NULL;
	leave(worker);
	row->calls += batch->position - first + (batch->position < batch->count);
}

void plugin_settle_entry(struct worker *worker, struct plugin_host *host,
			 const struct plugin_batch_entry *entry)
{
	worker->detach_asked = (entry->asked & STELLAR_BATCH_DETACH) != 0;
	worker->failed = (entry->asked & STELLAR_BATCH_FAILED) != 0;
	settle_call(worker, entry->session, host);
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
		free_context(worker, session, worker->plugins->plugins[__builtin_ctzll(left)]);
	session_lock_release(session);
	stream_stage_release(worker, session);
	slab_put(&worker->blocks, session->cold->context);
	session->cold->context = 0;
	session->block = NULL;
}
