// SPDX-License-Identifier: Apache-2.0

#include "engine/session_family.h"

#include <errno.h>

#include "engine/worker.h"
#include "session/tie.h"

static struct session_extension *extension_of(const struct worker *worker, uint32_t index)
{
	return session_table_get_extension(worker->table, index);
}

uint32_t session_family_get_parent(const struct worker *worker, uint32_t index)
{
	const struct session_extension *extension = extension_of(worker, index);

	return extension != NULL ? extension->parent : SESSION_NONE;
}

static uint32_t depth_of(const struct worker *worker, uint32_t index)
{
	uint32_t depth = 0;

	while ((index = session_family_get_parent(worker, index)) != SESSION_NONE)
		depth++;
	return depth;
}

int session_family_adopt(struct worker *worker, uint32_t parent, uint32_t child)
{
	struct session_extension *elder = session_table_need_extension(worker->table, parent);
	int result = 0;

	if (elder == NULL || session_table_need_extension(worker->table, child) == NULL)
		result = -ENOMEM;
	else if (elder->child_count >= worker->engine->config.limits.children_session ||
		 depth_of(worker, parent) >= FAMILY_DEPTH_MAX)
		result = -ENOSPC;
	if (result != 0) {
		worker->ledger.sessions.orphaned++;
		return result;
	}
	session_tie_add(worker->table, parent, child);
	worker->ledger.sessions.children++;
	return 0;
}

void session_family_raise(struct worker *worker)
{
	uint32_t parent = session_family_get_parent(worker, worker->current.index);

	if (parent == SESSION_NONE)
		return;
	if (!plugin_wants(worker, STELLAR_EVENT_CHILD_OPENING)) {
		worker->ledger.events[STELLAR_EVENT_CHILD_OPENING]++;
		return;
	}
	const struct event event = {
		.type = STELLAR_EVENT_CHILD_OPENING,
		.time_ns = worker->now_ns,
		.packet = worker->current.packet,
		.child = &worker->current,
	};

	plugin_queue_for(worker, parent, &event, NULL);
}

bool session_family_waits(const struct worker *worker, uint32_t index)
{
	return (worker->table->hot[index].flags & SESSION_HAS_CHILDREN) != 0;
}

// Close one that has no children. A parent that waited for this one is armed again.
static void close_last(struct worker *worker, uint32_t index, uint8_t reason)
{
	struct session_table *table = worker->table;
	uint32_t parent = session_family_get_parent(worker, index);

	if (worker->expectations.count != 0)
		expect_forget(worker, index);
	session_stage_close_alone(worker, index, reason);
	if (parent != SESSION_NONE) {
		session_tie_remove(table, index);
		if (!session_family_waits(worker, parent))
			session_table_rearm(table, parent, 0);
	}
	session_table_remove(table, index);
}

void session_stage_close(struct worker *worker, uint32_t index, uint8_t reason)
{
	uint32_t leaf = index;

	// Down to the deepest of the oldest, which is never deeper than FAMILY_DEPTH_MAX.
	while (session_family_waits(worker, index)) {
		while (session_family_waits(worker, leaf))
			leaf = extension_of(worker, leaf)->first_child;
		uint32_t parent = session_family_get_parent(worker, leaf);

		close_last(worker, leaf, STELLAR_CLOSED_PARENT_CLOSED);
		leaf = parent;
	}
	close_last(worker, index, reason);
}

void session_stage_close_all(struct worker *worker, uint8_t reason)
{
	uint32_t index = SESSION_NONE;

	while ((index = session_table_next(worker->table, index)) != SESSION_NONE) {
		uint32_t oldest = index;
		uint32_t parent;

		while ((parent = session_family_get_parent(worker, oldest)) != SESSION_NONE)
			oldest = parent;
		session_stage_close(worker, oldest, reason);
	}
}
