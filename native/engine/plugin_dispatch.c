// SPDX-License-Identifier: Apache-2.0

// Calls plugins. Who is called for an event, in this order of precedence:
//
//   - a plugin that did not declare the event, is detached from the session, or is disabled: never;
//   - while a plugin owns the session (take over): the owner; and for session_closing also those
//     that had been called before, so that they can let go of what they hold;
//   - otherwise: all, in plugin order (bit order of the masks).
//
// A callback only asks (worker->detach_asked, worker->failed, the verdict); what it asked takes
// effect here, after it has returned. Events that callbacks cause (metadata_changed) are queued and
// delivered after the current one, for at most EVENT_ROUNDS_MAX rounds: a plugin that answers each
// of its own events with another can't hold the worker. Worker's thread.

#include <errno.h>
#include <string.h>

#include "engine/tunnel_stage.h"
#include "engine/worker.h"

#define PLUGIN_BIT(id) (UINT64_C(1) << (id))

bool plugin_wants(const struct engine *engine, uint8_t event)
{
	return engine->interest[event] != 0;
}

static void *context_of(const struct plugin_host *host, struct plugin_block *block)
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
	worker->called = session;
	worker->detach_asked = false;
	worker->failed = false;
	worker->view_count = 0;
}

static void leave(struct worker *worker)
{
	worker->plugin = NULL;
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
		host->plugin->context_free(session, context_of(host, session->block));
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

static void fail(struct worker *worker, struct session *session, struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];

	row->errors++;
	detach(worker, session, host);
	apply_fail_action(session, host);
	if (row->errors < STELLAR_PLUGIN_ERRORS_MAX)
		return;
	// Here at once; the other workers see it at their next boundary.
	worker->disabled |= PLUGIN_BIT(host->id);
	atomic_store_explicit(&host->disabled, true, memory_order_relaxed);
	atomic_fetch_or_explicit(&worker->engine->disabled, PLUGIN_BIT(host->id),
				 memory_order_relaxed);
	if (host->plugin->fail_action != STELLAR_FAIL_CLOSED)
		return;
	worker->failed_closed |= PLUGIN_BIT(host->id);
	atomic_fetch_or_explicit(&worker->engine->failed_closed, PLUGIN_BIT(host->id),
				 memory_order_relaxed);
}

void plugin_follow(struct worker *worker)
{
	const struct engine *engine = worker->engine;

	worker->disabled = atomic_load_explicit(&engine->disabled, memory_order_relaxed);
	worker->failed_closed = atomic_load_explicit(&engine->failed_closed, memory_order_relaxed);
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
static bool open_context(struct worker *worker, struct session *session, struct plugin_host *host)
{
	uint64_t bit = PLUGIN_BIT(host->id);

	if ((session->block->initialised & bit) != 0)
		return true;
	session->block->initialised |= bit;
	host->rows[worker->id].contexts++;
	if (host->plugin->context_init == NULL)
		return true;
	enter(worker, session, host);
	int result = host->plugin->context_init(session, context_of(host, session->block));

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

static void call(struct worker *worker, struct session *session, struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];

	if (host->plugin->context_size > 0 && !open_context(worker, session, host))
		return;
	session->block->called |= PLUGIN_BIT(host->id);
	enter(worker, session, host);
	row->calls++;
	row->entry(session, context_of(host, session->block));
	settle_call(worker, session, host);
}

static bool is_disabled(const struct worker *worker, uint16_t plugin_id)
{
	return (worker->disabled & PLUGIN_BIT(plugin_id)) != 0;
}

// A lease is over with its time, and when its owner was disabled for what it did elsewhere.
static void expire_lease(struct worker *worker, struct plugin_block *block)
{
	if (block->owner_id != STELLAR_PLUGIN_NONE &&
	    (worker->now_ns / NS_PER_MS >= block->lease_ends_ms ||
	     is_disabled(worker, block->owner_id)))
		block->owner_id = STELLAR_PLUGIN_NONE;
}

static bool is_called(const struct worker *worker, const struct plugin_block *block,
		      const struct plugin_host *host, uint8_t event)
{
	uint64_t bit = PLUGIN_BIT(host->id);

	if ((block->detached & bit) != 0 || is_disabled(worker, host->id))
		return false;
	// Who needs the opening and was not called never heard of it: the packet was refused, or
	// an owner muted it.
	if (event == STELLAR_EVENT_SESSION_CLOSING && (block->called & bit) == 0 &&
	    (host->plugin->events & STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)) != 0)
		return false;
	if (block->owner_id == STELLAR_PLUGIN_NONE || block->owner_id == host->id)
		return true;
	return event == STELLAR_EVENT_SESSION_CLOSING && (block->called & bit) != 0;
}

void plugin_deliver(struct worker *worker, struct session *session, const struct event *event)
{
	worker->ledger.events[event->type]++;
	plugin_deliver_to(worker, session, event, UINT64_MAX);
}

void plugin_deliver_to(struct worker *worker, struct session *session, const struct event *event,
		       uint64_t plugins)
{
	struct engine *engine = worker->engine;
	uint64_t left = engine->interest[event->type] & plugins;

	if (session->block == NULL)
		return;
	expire_lease(worker, session->block);
	session->event = event;
	for (; left != 0; left &= left - 1) {
		struct plugin_host *host = engine->plugins[__builtin_ctzll(left)];

		if (is_called(worker, session->block, host, event->type))
			call(worker, session, host);
	}
	session->event = NULL;
}

void plugin_block_close(struct worker *worker, struct session *session)
{
	struct plugin_block *block = session->block;

	if (block == NULL)
		return;
	for (uint64_t left = block->initialised; left != 0; left &= left - 1)
		free_context(worker, session, worker->engine->plugins[__builtin_ctzll(left)]);
	session_lock_release(session);
	stream_stage_release(worker, session);
	slab_put(&worker->blocks, session->cold->context);
	session->cold->context = 0;
	session->block = NULL;
}

void plugin_queue_for(struct worker *worker, uint32_t index, const struct event *event,
		      const char *key)
{
	struct event_queue *queue = &worker->queue;

	if (queue->count == EVENT_QUEUE_MAX) {
		queue->overflowed++;
		return;
	}
	struct queued_event *entry = &queue->events[queue->count++];

	entry->event = *event;
	entry->index = index;
	if (key != NULL) {
		size_t length = strnlen(key, METADATA_KEY_SIZE - 1);

		memcpy(entry->key, key, length);
		entry->key[length] = '\0';
		entry->event.data = (const uint8_t *)entry->key;
		entry->event.data_length = (uint32_t)length;
	}
}

void plugin_queue(struct worker *worker, const struct event *event, const char *key)
{
	plugin_queue_for(worker, worker->current.index, event, key);
}

// To the plugins of the session it belongs to, which a callback of another one may have raised it
// for. There no packet is in hand.
static void deliver_queued(struct worker *worker, const struct queued_event *entry)
{
	struct event event = entry->event;
	struct session other;
	struct session *session = session_in_hand(worker, entry->index);

	if (session == NULL) {
		session_view(worker, entry->index, &other);
		session = &other;
	}
	if ((session->hot->flags & SESSION_BYPASSED) == 0)
		plugin_deliver(worker, session, &event);
}

void plugin_drain(struct worker *worker, struct session *session, uint32_t first)
{
	struct event_queue *queue = &worker->queue;
	uint32_t next = first;
	struct session *outer = worker->drained;
	uint32_t round_end = queue->count;

	worker->drained = session;
	for (uint32_t round = 0; round <= EVENT_ROUNDS_MAX && next < round_end; round++) {
		while (next < round_end)
			deliver_queued(worker, &queue->events[next++]);
		round_end = queue->count;
	}
	worker->drained = outer;
	queue->overflowed += queue->count - next;
	queue->count = first;
}

static void refuse(struct packet *packet, uint8_t reason, uint16_t plugin_id)
{
	packet->verdict.disposition = STELLAR_DROP;
	packet->verdict.drop_reason = reason;
	packet->verdict.disposition_plugin_id = plugin_id;
}

// An earlier verdict holds for the rest of the session, and so does its answer.
static void refuse_blocked(struct session *session, struct packet *packet)
{
	refuse(packet, STELLAR_DROPPED_BLOCKED_SESSION, STELLAR_PLUGIN_NONE);
	packet->verdict.rule_id = session->cold->rule_id;
	packet->verdict.generation = session->cold->generation;
	if ((session->hot->flags & SESSION_REPLY_RST) != 0)
		packet->verdict.reply = STELLAR_REPLY_RST;
	else if ((session->hot->flags & SESSION_REPLY_ICMP) != 0)
		packet->verdict.reply = STELLAR_REPLY_ICMP;
}

static void settle(struct session *session, const struct verdict *verdict)
{
	if (verdict->disposition != STELLAR_DROP || !session->is_block_asked)
		return;
	session->hot->flags |= SESSION_BLOCKED;
	if (verdict->drop_reason == STELLAR_DROPPED_POLICY_RULE ||
	    verdict->drop_reason == STELLAR_DROPPED_POLICY_DEFAULT)
		session->hot->flags |= SESSION_BLOCKED_BY_POLICY;
	if (verdict->reply == STELLAR_REPLY_RST)
		session->hot->flags |= SESSION_REPLY_RST;
	else if (verdict->reply == STELLAR_REPLY_ICMP)
		session->hot->flags |= SESSION_REPLY_ICMP;
}

// Bypass takes effect when all who would hear of the next packets have consented. Asked for after
// every packet: the last one to withhold may have detached, or let go of its lock.
static void settle_bypass(struct worker *worker, struct session *session, struct packet *packet)
{
	const struct plugin_block *block = session->block;

	if (block == NULL || block->consented == 0 || (session->hot->flags & SESSION_LOCKED) != 0)
		return;
	uint64_t left = worker->engine->watching & ~block->detached & ~block->consented;

	for (; left != 0; left &= left - 1) {
		if (!is_disabled(worker, (uint16_t)__builtin_ctzll(left)))
			return;
	}
	session->hot->flags |= SESSION_BYPASSED;
	packet->verdict.bypass |= session == &worker->current;
}

// Tell of a predecessor's session with its first packet. Returns false when there is no memory.
static bool resume(struct worker *worker, struct session *session)
{
	return session->index == SESSION_NONE || (session->hot->flags & SESSION_RESUMED) == 0 ||
	       session_stage_resume(worker, session) == 0;
}

void plugin_stage(struct worker *worker, struct packet *packet)
{
	struct session *session = &worker->current;

	if (session->index == SESSION_NONE)
		return;
	if (packet->verdict.disposition != STELLAR_DROP &&
	    (session->hot->flags & SESSION_BLOCKED) != 0)
		refuse_blocked(session, packet);
	else if (packet->verdict.disposition != STELLAR_DROP && worker->failed_closed != 0)
		refuse(packet, STELLAR_DROPPED_PLUGIN_FAILED,
		       (uint16_t)__builtin_ctzll(worker->failed_closed));
	if (packet->verdict.disposition == STELLAR_DROP ||
	    ((session->hot->flags & SESSION_BYPASSED) != 0 &&
	     worker->outer.index == SESSION_NONE)) {
		worker->queue.count = 0;
		stream_stage_settle(worker, session);
		return;
	}
	if (!resume(worker, &worker->outer) || !resume(worker, session)) {
		refuse(packet, STELLAR_DROPPED_NO_MEMORY, STELLAR_PLUGIN_NONE);
		worker->queue.count = 0;
		stream_stage_settle(worker, session);
		return;
	}
	plugin_drain(worker, session, 0);
	tunnel_stage_heard(worker);
	stream_stage(worker, packet);
	settle(session, &packet->verdict);
	settle_bypass(worker, session, packet);
	if (worker->outer.index != SESSION_NONE) {
		settle(&worker->outer, &packet->verdict);
		settle_bypass(worker, &worker->outer, packet);
	}
	stream_stage_settle(worker, session);
}
