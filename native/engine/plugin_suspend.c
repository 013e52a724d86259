// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_suspend.h"

#include "engine/plugin_version.h"
#include "engine/worker.h"

#define TAKEN_LAST UINT32_MAX // block->taken_next of the list's last; 0: not in the list

static struct plugin_block *block_of(struct worker *worker, uint32_t block_id)
{
	return slab_record(&worker->blocks, block_id);
}

void plugin_suspend_note(struct worker *worker, struct session *session)
{
	struct plugin_block *block = session->block;

	worker->ledger.events[STELLAR_EVENT_SESSION_SUSPENDED]++;
	if (!plugin_wants(worker, STELLAR_EVENT_SESSION_SUSPENDED) || block->taken_next != 0)
		return;
	block->session_index = session->index;
	block->taken_next = TAKEN_LAST;
	if (worker->taken_first == 0)
		worker->taken_first = session->cold->context;
	else
		block_of(worker, worker->taken_last)->taken_next = session->cold->context;
	worker->taken_last = session->cold->context;
}

static void tell_of(struct worker *worker, struct session *called, struct plugin_block *block)
{
	struct session *session = called;
	struct session other;

	if (block->owner_id == STELLAR_PLUGIN_NONE) // it gave it back, or failed
		return;
	if (called->index != block->session_index)
		session = session_in_hand(worker, block->session_index);
	if (session == NULL) {
		session_view(worker, block->session_index, &other);
		session = &other;
	}
	const struct event event = {
		.type = STELLAR_EVENT_SESSION_SUSPENDED,
		.direction = session->direction,
		.time_ns = worker->now_ns,
		.packet = session->packet,
	};

	plugin_deliver_to(worker, session, &event, block->called & ~PLUGIN_BIT(block->owner_id));
}

void plugin_suspend_tell(struct worker *worker, struct session *session)
{
	uint32_t next = worker->taken_first;

	if (next == 0 || worker->is_telling)
		return;
	worker->is_telling = true;
	while (next != TAKEN_LAST) {
		tell_of(worker, session, block_of(worker, next));
		next = block_of(worker, next)->taken_next;
	}
	worker->is_telling = false;
	while (worker->taken_first != TAKEN_LAST) {
		struct plugin_block *block = block_of(worker, worker->taken_first);

		worker->taken_first = block->taken_next;
		block->taken_next = 0;
	}
	worker->taken_first = 0;
}
