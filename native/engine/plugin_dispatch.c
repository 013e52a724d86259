// SPDX-License-Identifier: Apache-2.0

// Calls plugins. Who is called for an event, in this order of precedence:
//
//   - a plugin that did not declare the event, is detached from the session, or is disabled: never;
//   - while a plugin owns the session (take over): the owner; and for session_closing also those
//     that had been called before, so that they can let go of what they hold;
//   - otherwise: all, in plugin order (bit order of the masks).
//
// Worker's thread.

#include "engine/plugin_call.h"
#include "engine/worker.h"

#define PLUGIN_BIT(id) (UINT64_C(1) << (id))

bool plugin_wants(const struct worker *worker, uint8_t event)
{
	return worker->plugins->interest[event] != 0;
}

// A lease is over with its time, and when its owner was disabled for what it did elsewhere.
static void expire_lease(struct worker *worker, struct plugin_block *block)
{
	if (block->owner_id != STELLAR_PLUGIN_NONE &&
	    (worker->now_ns / NS_PER_MS >= block->lease_ends_ms ||
	     plugin_is_disabled(worker, block->owner_id)))
		block->owner_id = STELLAR_PLUGIN_NONE;
}

bool plugin_is_called(const struct worker *worker, const struct plugin_block *block,
		      const struct plugin_host *host, uint8_t event)
{
	uint64_t bit = PLUGIN_BIT(host->id);

	if ((block->detached & bit) != 0 || plugin_is_disabled(worker, host->id))
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
}

void plugin_deliver_to(struct worker *worker, struct session *session, const struct event *event,
		       uint64_t plugins)
{
	const struct plugin_table *table = worker->plugins;
	uint64_t left = plugin_table_get_interest(table, event) & plugins;

	if (session->block == NULL)
		return;
	expire_lease(worker, session->block);
	session->event = event;
	for (; left != 0; left &= left - 1) {
		struct plugin_host *host = table->plugins[__builtin_ctzll(left)];

		if (plugin_is_called(worker, session->block, host, event->type))
			plugin_call(worker, session, host);
	}
	session->event = NULL;
}
