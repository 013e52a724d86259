// SPDX-License-Identifier: Apache-2.0

// Which version of a plugin a session has. A context pins the version that made it; who has none
// goes with the version in force. At its next event a context of an older version is offered to
// the one in force (context_migrate), which takes it or leaves it with the old one. A version that
// was disabled pins nothing: its contexts end at the session's next event, and the one in force
// makes its own. Worker's thread.
#pragma once

#include <stdbool.h>

#include "engine/plugin_host.h"
#include "engine/worker.h"

#define PLUGIN_BIT(id) (UINT64_C(1) << (id))

static inline unsigned plugin_block_version(const struct plugin_block *block, unsigned id)
{
	return (unsigned)(block->versions[0] >> id & 1) | (unsigned)(block->versions[1] >> id & 1)
								  << 1;
}

static inline void plugin_block_set_version(struct plugin_block *block,
					    const struct plugin_host *host)
{
	uint64_t bit = PLUGIN_BIT(host->id);

	for (int i = 0; i < 2; i++)
		block->versions[i] = (host->number >> i & 1) != 0 ? block->versions[i] | bit
								  : block->versions[i] & ~bit;
}

// The version a session has now.
static inline struct plugin_host *plugin_version_of(const struct worker *worker,
						    const struct plugin_block *block, unsigned id)
{
	const struct plugin_table *table = worker->plugins;

	if ((table->versioned & block->initialised & PLUGIN_BIT(id)) == 0)
		return table->plugins[id];
	return table->versions[plugin_block_version(block, id)][id];
}

static inline bool plugin_version_is_disabled(const struct worker *worker,
					      const struct plugin_host *host)
{
	uint64_t disabled = worker->plugins->plugins[host->id] == host
				    ? worker->disabled
				    : worker->disabled_versions[host->number];

	return (disabled & PLUGIN_BIT(host->id)) != 0;
}

// The version that is called for the session's event: that of before, or the one in force, with the
// context taken over or to be made.
struct plugin_host *plugin_version_follow(struct worker *worker, struct session *session,
					  unsigned id);

// A session's context of a version, or NULL when the version has none.
static inline void *plugin_context_get(const struct worker *worker, struct plugin_block *block,
				       const struct plugin_host *host)
{
	uint8_t *place = block->contexts + host->account->context_offset;

	if (host->plugin->context_size == 0)
		return NULL;
	if (!host->is_apart)
		return place;
	return slab_record(&host->rows[worker->id].apart, *(const uint32_t *)place);
}

// Zeroed room for a context of a version. Returns false when there is no memory.
bool plugin_context_make(struct worker *worker, struct plugin_block *block,
			 struct plugin_host *host);
// Give it back. What it points to was freed, or is another's now.
void plugin_context_drop(struct worker *worker, struct plugin_block *block,
			 struct plugin_host *host);
