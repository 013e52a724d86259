// SPDX-License-Identifier: Apache-2.0

// Locks of sessions (<stellar/session.h>). Every lock lasts equally long, so a list of the locked
// sessions in the order of their locking is in the order of their expiry too: time moving forward
// looks at its head only. The links are ids of the sessions' blocks. Worker's thread.

#include <errno.h>

#include "engine/worker.h"

#define LOCKS_MAX 65536u
#define LOCK_MS 60000u

static struct plugin_block *block_of(struct worker *worker, uint32_t block_id)
{
	return slab_record(&worker->blocks, block_id);
}

static void link_newest(struct worker *worker, struct session *session)
{
	struct plugin_block *block = session->block;

	block->session_index = session->index;
	block->lock_next = 0;
	block->lock_previous = worker->lock_newest;
	if (worker->lock_newest != 0)
		block_of(worker, worker->lock_newest)->lock_next = session->cold->context;
	else
		worker->lock_oldest = session->cold->context;
	worker->lock_newest = session->cold->context;
	worker->lock_count++;
}

static void unlink_block(struct worker *worker, const struct plugin_block *block)
{
	if (block->lock_previous != 0)
		block_of(worker, block->lock_previous)->lock_next = block->lock_next;
	else
		worker->lock_oldest = block->lock_next;
	if (block->lock_next != 0)
		block_of(worker, block->lock_next)->lock_previous = block->lock_previous;
	else
		worker->lock_newest = block->lock_previous;
	worker->lock_count--;
}

bool session_is_locked_by_other(const struct session *session, uint16_t plugin_id)
{
	return (session->hot->flags & SESSION_LOCKED) != 0 &&
	       session->block->lock_plugin_id != plugin_id;
}

int session_lock(struct session *session, uint16_t plugin_id)
{
	struct worker *worker = session->worker;
	struct plugin_block *block = session->block;

	if (worker->plugin == NULL || plugin_id != worker->plugin->id || block == NULL ||
	    (block->detached & UINT64_C(1) << plugin_id) != 0)
		return -EINVAL;
	if (session_is_locked_by_other(session, plugin_id))
		return -EBUSY;
	if ((session->hot->flags & SESSION_LOCKED) == 0 && worker->lock_count == LOCKS_MAX)
		return -ENOSPC;
	session_lock_release(session);
	link_newest(worker, session);
	session->hot->flags |= SESSION_LOCKED;
	block->lock_plugin_id = plugin_id;
	block->lock_ends_ms = worker->now_ns / NS_PER_MS + LOCK_MS;
	return 0;
}

int session_unlock(struct session *session, uint16_t plugin_id)
{
	if (session->worker->plugin == NULL || plugin_id != session->worker->plugin->id ||
	    session_is_locked_by_other(session, plugin_id))
		return -EINVAL;
	session_lock_release(session);
	return 0;
}

void session_lock_release(struct session *session)
{
	if ((session->hot->flags & SESSION_LOCKED) == 0)
		return;
	session->hot->flags &= (uint16_t)~SESSION_LOCKED;
	unlink_block(session->worker, session->block);
}

void session_locks_expire(struct worker *worker)
{
	while (worker->lock_oldest != 0) {
		const struct plugin_block *block = block_of(worker, worker->lock_oldest);
		struct session session;

		if (block->lock_ends_ms > worker->now_ns / NS_PER_MS)
			return;
		session_view(worker, block->session_index, &session);
		session_lock_release(&session);
	}
}
