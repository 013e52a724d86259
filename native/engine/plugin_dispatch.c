// SPDX-License-Identifier: Apache-2.0

// Calls plugins. Who is called for an event, in this order of precedence:
//
//   - a plugin that did not declare the event, is detached from the session, or is disabled: never;
//   - while a plugin owns the session (take over): the owner; and those that had been called before
//     for session_suspended, and for session_closing, so that they can let go of what they hold;
//   - otherwise: all, in plugin order (bit order of the masks).
//
// Worker's thread.

#include "engine/plugin_call.h"
#include "engine/plugin_derived.h"
#include "engine/plugin_version.h"
#include "engine/worker.h"

bool plugin_wants(const struct worker *worker, uint8_t event)
{
	return worker->plugins->interest[event] != 0 ||
	       (worker->observers.events & STELLAR_EVENT_BIT(event)) != 0;
}

// A lease is over with its time, and when its owner was disabled for what it did elsewhere.
static void expire_lease(const struct worker *worker, struct plugin_block *block)
{
	if (block->owner_id != STELLAR_PLUGIN_NONE &&
	    (worker->now_ns / NS_PER_MS >= block->lease_ends_ms ||
	     plugin_version_is_disabled(worker, plugin_version_of(worker, block, block->owner_id))))
		block->owner_id = STELLAR_PLUGIN_NONE;
}

bool plugin_is_muted(struct worker *worker, struct plugin_block *block, uint16_t plugin_id)
{
	expire_lease(worker, block);
	return block->owner_id != STELLAR_PLUGIN_NONE && block->owner_id != plugin_id;
}

// Nobody mutes it: neither itself, by detaching, nor an owner.
static bool is_heard(const struct plugin_block *block, unsigned id, uint8_t event)
{
	uint64_t bit = PLUGIN_BIT(id);

	if ((block->detached & bit) != 0)
		return false;
	if (block->owner_id == STELLAR_PLUGIN_NONE || block->owner_id == id)
		return true;
	return (event == STELLAR_EVENT_SESSION_CLOSING ||
		event == STELLAR_EVENT_SESSION_SUSPENDED) &&
	       (block->called & bit) != 0;
}

bool plugin_is_called(const struct worker *worker, const struct plugin_block *block,
		      const struct plugin_host *host, uint8_t event)
{
	uint64_t bit = PLUGIN_BIT(host->id);

	if (!is_heard(block, host->id, event) || plugin_version_is_disabled(worker, host))
		return false;
	// Who needs the opening and was not called never heard of it: the packet was refused, or
	// an owner muted it.
	return event != STELLAR_EVENT_SESSION_CLOSING || (block->called & bit) != 0 ||
	       (host->plugin->events & STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)) == 0;
}

// Of a plugin with several versions: the one that the session has. NULL: it does not need the
// event, or can't hear it.
static struct plugin_host *choose_version(struct worker *worker, struct session *session,
					  unsigned id, const struct event *event)
{
	if (!is_heard(session->block, id, event->type))
		return NULL;
	struct plugin_host *host = plugin_version_follow(worker, session, id);
	bool needs =
		event->type == STELLAR_EVENT_DERIVED
			? plugin_derived_is_heard(worker->engine, host->plugin, event->derived_id)
			: (host->plugin->events & STELLAR_EVENT_BIT(event->type)) != 0;

	return needs ? host : NULL;
}

void plugin_count_event(struct worker *worker, const struct event *event)
{
	worker->ledger.events[event->type]++;
	if (event->type == STELLAR_EVENT_DERIVED)
		worker->engine->derived[event->derived_id]->workers[worker->id].raised++;
}

void plugin_deliver(struct worker *worker, struct session *session, const struct event *event)
{
	plugin_count_event(worker, event);
	plugin_deliver_to(worker, session, event, UINT64_MAX);
	if ((worker->observers.events & STELLAR_EVENT_BIT(event->type)) != 0)
		observer_write(worker, session, event);
}

void plugin_deliver_to(struct worker *worker, struct session *session, const struct event *event,
		       uint64_t plugins)
{
	const struct plugin_table *table = worker->plugins;
	uint64_t left = plugin_table_get_interest(table, event) & plugins;

	if (session->block == NULL)
		return;
	expire_lease(worker, session->block);
	const struct event *outer = session->event;

	session->event = event;
	for (; left != 0; left &= left - 1) {
		unsigned id = (unsigned)__builtin_ctzll(left);
		struct plugin_host *host = table->plugins[id];

		if ((table->versioned & PLUGIN_BIT(id)) != 0)
			host = choose_version(worker, session, id, event);
		if (host != NULL && plugin_is_called(worker, session->block, host, event->type))
			plugin_call(worker, session, host);
	}
	session->event = outer;
}
