// SPDX-License-Identifier: Apache-2.0

// What a plugin may ask for during a callback: <stellar/plugin.h> and the requests of
// <stellar/session.h>; those about verdicts are in verdict_api.c. Worker's thread, inside a
// callback.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plugin_call.h"
#include "engine/plugin_suspend.h"
#include "engine/plugin_timers.h"
#include "engine/plugin_version.h"
#include "engine/worker.h"
#include "session/metadata.h"

static uint64_t now_ms(const struct session *session)
{
	return session->worker->now_ns / NS_PER_MS;
}

static struct plugin_row *row_of(const struct session *session)
{
	const struct plugin_host *host = session->worker->plugin;

	return host != NULL ? &host->rows[session->worker->id] : NULL;
}

const void *pm_session_policy(const struct session *session)
{
	const struct plugin_row *row = row_of(session);

	return row != NULL ? row->prepared : NULL;
}

void *pm_session_plugin_state(const struct session *session)
{
	const struct plugin_host *host = session->worker->plugin;

	return host != NULL ? host->state : NULL;
}

void *pm_session_host_data(const struct session *session)
{
	const struct plugin_row *row = row_of(session);

	return row != NULL ? row->host_data : NULL;
}

void *pm_session_old_host_data(const struct session *session)
{
	const struct plugin_host *old = session->worker->migrating;

	return old != NULL ? old->rows[session->worker->id].host_data : NULL;
}

uint16_t pm_session_plugin_id(const struct session *session)
{
	const struct plugin_host *host = session->worker->plugin;

	return host != NULL ? host->id : STELLAR_PLUGIN_NONE;
}

// What takes effect when the callback has returned.
static void ask(struct worker *worker, uint32_t what, bool *ret_asked)
{
	struct plugin_batch *batch = worker->batch;

	if (batch != NULL)
		batch->entries[batch->position].asked |= what;
	else
		*ret_asked = true;
}

int pm_session_detach_me(struct session *session)
{
	if (!plugin_call_is_for(session))
		return -EINVAL;
	if (session->block->owner_id == session->worker->plugin->id)
		return -EBUSY;
	ask(session->worker, STELLAR_BATCH_DETACH, &session->worker->detach_asked);
	return 0;
}

// Whether a plugin has denied the current packet or the session.
static bool is_denied(const struct session *session)
{
	return (session->hot->flags & SESSION_BLOCKED) != 0 ||
	       (session->packet != NULL && session->packet->verdict.disposition == STELLAR_DROP);
}

int pm_session_take_over(struct session *session)
{
	struct worker *worker = session->worker;
	const struct plugin_host *host = worker->plugin;
	struct plugin_block *block = session->block;

	// One that was detached or disabled is only letting go of its context; context_migrate only
	// reads.
	if (host == NULL || worker->migrating != NULL || block == NULL ||
	    (block->detached & UINT64_C(1) << host->id) != 0 ||
	    plugin_version_is_disabled(worker, host) ||
	    session->hot->state == STELLAR_SESSION_CLOSING)
		return -EINVAL;
	if (plugin_is_muted(worker, block, host->id) ||
	    session_is_locked_by_other(session, host->id))
		return -EBUSY;
	if (is_denied(session) || hold_stage_is_held_by_other(session, host->id))
		return -EACCES;
	bool is_new = block->owner_id != host->id;

	block->owner_id = host->id;
	block->lease_ends_ms = now_ms(session) + PLUGIN_LEASE_MS;
	if (is_new) {
		host->rows[worker->id].takeovers++;
		plugin_suspend_note(worker, session);
	}
	return 0;
}

int pm_session_give_back(struct session *session)
{
	const struct plugin_host *host = session->worker->plugin;

	if (host == NULL || session->block == NULL || session->block->owner_id != host->id)
		return -EPERM;
	session->block->owner_id = STELLAR_PLUGIN_NONE;
	plugin_timers_let_go(session->worker, session->block);
	return 0;
}

void pm_session_fail(struct session *session)
{
	if (session->worker->plugin != NULL)
		ask(session->worker, STELLAR_BATCH_FAILED, &session->worker->failed);
}

void plugin_counter_add(const struct session *session, int counter_id, uint64_t amount)
{
	const struct plugin_host *host = session->worker->plugin;

	int id = host != NULL ? plugin_counter_find(host, counter_id) : -1;

	if (id >= 0)
		host->rows[session->worker->id].counters[id] += amount;
}

static void metadata_event(struct session *session, const char *key)
{
	struct event event = {
		.type = STELLAR_EVENT_METADATA_CHANGED,
		.direction = session->direction,
		.time_ns = session->worker->now_ns,
		.packet = session->packet,
	};

	// The closing event is the last one: what is set or deleted in it is not announced.
	if (session->hot->state != STELLAR_SESSION_CLOSING)
		plugin_queue_for(session->worker, session->index, &event, key);
}

static void free_copy(void *value, size_t value_size)
{
	free(value);
}

int session_set_metadata(struct session *session, const char *key, void *value, size_t value_size,
			 session_metadata_free_fn free_callback)
{
	struct session_extension *extension =
		session_table_need_extension(session->worker->table, session->index);

	if (extension == NULL)
		return -ENOMEM;
	struct plugin_row *row =
		free_callback != NULL && free_callback != free_copy ? row_of(session) : NULL;
	int result = metadata_set_counted(&extension->metadata, key, value, value_size,
					  free_callback, row != NULL ? &row->values : NULL);

	if (result == 0)
		metadata_event(session, key);
	return result;
}

int session_copy_metadata(struct session *session, const char *key, const void *value,
			  size_t value_size)
{
	// One byte more: an empty value is a value too.
	void *copy = malloc(value_size + 1);

	if (copy == NULL)
		return -ENOMEM;
	if (value_size > 0)
		memcpy(copy, value, value_size);
	int result = session_set_metadata(session, key, copy, value_size, free_copy);

	if (result != 0)
		free(copy);
	return result;
}

int session_get_metadata(const struct session *session, const char *key, void **ret_value,
			 size_t *ret_value_size)
{
	const struct session_extension *extension =
		session_table_get_extension(session->worker->table, session->index);

	if (extension == NULL)
		return -ENOENT;
	return metadata_get(extension->metadata, key, ret_value, ret_value_size);
}

int session_del_metadata(struct session *session, const char *key)
{
	struct session_extension *extension =
		session_table_get_extension(session->worker->table, session->index);

	if (extension == NULL)
		return -ENOENT;
	int result = metadata_remove(&extension->metadata, key);

	if (result == 0)
		metadata_event(session, key);
	return result;
}
