// SPDX-License-Identifier: Apache-2.0

#include "engine/plugin_version.h"

#include <string.h>

#include "engine/plugin_call.h"

bool plugin_context_make(struct worker *worker, struct plugin_block *block,
			 struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];
	uint8_t *place = block->contexts + host->account->context_offset;

	memset(place, 0, host->account->context_room);
	if (host->is_apart) {
		uint32_t index = slab_get(&row->apart);

		if (index == 0) {
			row->no_memory++;
			return false;
		}
		*(uint32_t *)place = index;
	}
	block->initialised |= PLUGIN_BIT(host->id);
	plugin_block_set_version(block, host);
	row->contexts++;
	return true;
}

void plugin_context_drop(struct worker *worker, struct plugin_block *block,
			 struct plugin_host *host)
{
	struct plugin_row *row = &host->rows[worker->id];
	uint8_t *place = block->contexts + host->account->context_offset;

	if (host->is_apart)
		slab_put(&row->apart, *(const uint32_t *)place);
	block->initialised &= ~PLUGIN_BIT(host->id);
	row->contexts--;
}

// Whether the version in force takes the context that another one made. The new context is where
// it will stay; the old one is a copy, when both have the same place.
static bool migrate(struct worker *worker, struct session *session, struct plugin_host *old,
		    struct plugin_host *host)
{
	struct plugin_block *block = session->block;
	struct plugin_row *row = &host->rows[worker->id];
	uint8_t *place = block->contexts + old->account->context_offset;
	void *found = plugin_context_get(worker, block, old);

	memcpy(worker->old_context, place, old->account->context_room);
	if (!old->is_apart)
		found = worker->old_context;
	// Before the first call: nothing changes, and it is tried again.
	if (host->plugin->context_size > 0 && !plugin_context_make(worker, block, host)) {
		memcpy(place, worker->old_context, old->account->context_room);
		return false;
	}
	plugin_enter(worker, session, host);
	worker->migrating = old;
	int result = row->context_migrate(session, old->plugin->version, found,
					  old->plugin->context_size,
					  plugin_context_get(worker, block, host));

	worker->migrating = NULL;
	bool failed = worker->failed;

	plugin_leave(worker);
	if (result != 0 || failed) {
		if (host->plugin->context_size > 0)
			plugin_context_drop(worker, block, host);
		block->initialised |= PLUGIN_BIT(old->id);
		plugin_block_set_version(block, old);
		memcpy(place, worker->old_context, old->account->context_room);
		block->stays |= PLUGIN_BIT(old->id);
		row->stayed++;
		if (failed)
			plugin_count_error(worker, host);
		return false;
	}
	if (old->is_apart)
		slab_put(&old->rows[worker->id].apart, *(const uint32_t *)worker->old_context);
	if (host->plugin->context_size == 0)
		block->initialised &= ~PLUGIN_BIT(old->id);
	old->rows[worker->id].contexts--;
	row->migrated++;
	return true;
}

static bool may_migrate(struct worker *worker, struct plugin_block *block,
			const struct plugin_host *host)
{
	if (block->stays_serial != worker->plugins->serial) {
		block->stays = 0;
		block->stays_serial = worker->plugins->serial;
	}
	return (block->stays & PLUGIN_BIT(host->id)) == 0 &&
	       host->rows[worker->id].context_migrate != NULL &&
	       !plugin_version_is_disabled(worker, host);
}

struct plugin_host *plugin_version_follow(struct worker *worker, struct session *session,
					  unsigned id)
{
	struct plugin_host *host = worker->plugins->plugins[id];
	struct plugin_host *old = plugin_version_of(worker, session->block, id);

	if (old == host)
		return host;
	if (plugin_version_is_disabled(worker, old)) {
		plugin_forget(worker, session, old);
		return host;
	}
	if (may_migrate(worker, session->block, host) && migrate(worker, session, old, host))
		return host;
	return old;
}
