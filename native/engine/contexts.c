// SPDX-License-Identifier: Apache-2.0

// Contexts of plugins across a restart; see warm_restart.h.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plugin_version.h"
#include "engine/worker.h"
#include "session/region.h"

#define VERSION_SIZE 32
#define NO_PLUGIN UINT32_MAX

// What was in force under a version number. One that was reloaded has several; a number is given
// out anew only when no block has it any more.
struct lasting_version {
	char version[VERSION_SIZE];
	uint32_t persistent_size;
	uint32_t is_apart; // its contexts lay elsewhere, and died with the process
};

struct lasting_plugin {
	char name[STELLAR_PLUGIN_NAME_MAX + 1];
	uint32_t room; // bytes of its contexts
	uint32_t reserved;
	struct lasting_version versions[PLUGIN_VERSIONS_MAX];
};

struct contexts_header {
	uint32_t plugin_count;
	uint32_t block_header_size;
	struct lasting_plugin plugins[STELLAR_PLUGINS_MAX]; // by id
};
_Static_assert(sizeof(struct contexts_header) <= REGION_HEADER_MAX, "fits a file's header");

// From the plugins of the file to those of the engine.
struct mapping {
	struct worker *worker;
	uint32_t found_id[STELLAR_PLUGINS_MAX]; // by id now, NO_PLUGIN: it is new
	uint32_t found_offset[STELLAR_PLUGINS_MAX]; // by id found, of its context
	uint32_t numbers[STELLAR_PLUGINS_MAX]; // by id now: bit set of version numbers that match
	bool has_new; // some plugin is
	uint64_t *in_use; // bit (id - 1): some session has the block
	uint8_t *scratch; // one block
};

size_t contexts_header_size(void)
{
	return sizeof(struct contexts_header);
}

static struct lasting_version describe_version(const struct plugin *plugin)
{
	struct lasting_version lasting = {.persistent_size = plugin->context_persistent_size};

	memcpy(lasting.version, plugin->version,
	       strnlen(plugin->version, sizeof(lasting.version) - 1));
	return lasting;
}

void contexts_describe(const struct engine *engine, struct contexts_header *header)
{
	memset(header, 0, sizeof(*header));
	header->plugin_count = (uint32_t)engine->plugin_count;
	header->block_header_size = sizeof(struct plugin_block);
	for (size_t i = 0; i < engine->plugin_count; i++) {
		const struct plugin_account *account = engine->accounts[i];
		struct lasting_plugin *lasting = &header->plugins[i];

		memcpy(lasting->name, account->name, sizeof(lasting->name));
		lasting->room = account->context_room;
		lasting->versions[0] = describe_version(engine->plugins[i]->plugin);
	}
}

void contexts_name_version(const struct plugin_host *host, struct contexts_header *header)
{
	struct lasting_version *lasting = &header->plugins[host->id].versions[host->number];

	*lasting = describe_version(host->plugin);
	lasting->is_apart = host->is_apart;
}

bool contexts_check(const struct contexts_header *header, size_t block_size)
{
	uint64_t size = sizeof(struct plugin_block);

	if (header->plugin_count > STELLAR_PLUGINS_MAX ||
	    header->block_header_size != sizeof(struct plugin_block))
		return false;
	for (uint32_t i = 0; i < header->plugin_count; i++) {
		const struct lasting_plugin *plugin = &header->plugins[i];

		if (plugin->room > block_size)
			return false;
		for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
			if (plugin->versions[number].is_apart == 0 &&
			    plugin->versions[number].persistent_size > plugin->room)
				return false;
		}
		size += plugin->room;
	}
	return size == block_size;
}

bool contexts_are_equal(const struct engine *engine, const struct contexts_header *header)
{
	struct contexts_header *now = calloc(1, sizeof(*now));
	bool are_equal = false;

	if (now != NULL) {
		contexts_describe(engine, now);
		are_equal = memcmp(now, header, sizeof(*now)) == 0;
	}
	free(now);
	return are_equal;
}

// A plugin goes on with its contexts when its name is the same, and the version and persistent size
// of the one that made them. Others begin anew, also those of older versions of the predecessor.
static uint32_t find(const struct contexts_header *header, const struct plugin *plugin,
		     uint32_t *ret_numbers)
{
	const struct lasting_version now = describe_version(plugin);

	*ret_numbers = 0;
	for (uint32_t i = 0; i < header->plugin_count; i++) {
		const struct lasting_plugin *found = &header->plugins[i];

		if (strncmp(found->name, plugin->name, sizeof(found->name)) != 0)
			continue;
		for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
			if (memcmp(&found->versions[number], &now, sizeof(now)) == 0)
				*ret_numbers |= 1u << number;
		}
		return *ret_numbers != 0 ? i : NO_PLUGIN;
	}
	return NO_PLUGIN;
}

static void map_plugins(struct mapping *mapping, const struct contexts_header *header)
{
	const struct engine *engine = mapping->worker->engine;
	uint32_t offset = 0;

	for (uint32_t i = 0; i < header->plugin_count; i++) {
		mapping->found_offset[i] = offset;
		offset += header->plugins[i].room;
	}
	for (size_t id = 0; id < engine->plugin_count; id++) {
		mapping->found_id[id] =
			find(header, engine->plugins[id]->plugin, &mapping->numbers[id]);
		mapping->has_new |= mapping->found_id[id] == NO_PLUGIN;
	}
}

static uint64_t moved_bit(uint64_t mask, uint32_t from, size_t to)
{
	return (mask >> from & 1) << to;
}

// What one plugin keeps of a block. A context without a persistent part begins anew, with
// context_init; one with it goes on, and session_resumed tells the plugin to mend the rest.
static void resume_context(const struct mapping *mapping, const struct plugin_block *found,
			   struct plugin_block *block, size_t id)
{
	struct plugin_host *host = mapping->worker->engine->plugins[id];
	uint32_t from = mapping->found_id[id];
	uint32_t size = host->plugin->context_persistent_size;

	if (from == NO_PLUGIN)
		return;
	block->detached |= moved_bit(found->detached, from, id);
	block->called |= moved_bit(found->called, from, id);
	block->consented |= moved_bit(found->consented, from, id);
	if (size == 0 || moved_bit(found->initialised, from, id) == 0 ||
	    (mapping->numbers[id] >> plugin_block_version(found, from) & 1) == 0)
		return;
	block->initialised |= PLUGIN_BIT(id);
	memcpy(block->contexts + host->account->context_offset,
	       found->contexts + mapping->found_offset[from], size);
	host->rows[mapping->worker->id].contexts++;
}

static void resume_block(const struct mapping *mapping, const struct plugin_block *found,
			 uint32_t index)
{
	struct worker *worker = mapping->worker;
	struct plugin_block *block = (struct plugin_block *)mapping->scratch;

	memset(block, 0, worker->engine->block_size);
	block->session_index = index;
	block->owner_id = STELLAR_PLUGIN_NONE;
	for (size_t id = 0; id < worker->engine->plugin_count; id++)
		resume_context(mapping, found, block, id);
	// It may be the same block: who dies in between must not leave half of it.
	session_table_begin_change(worker->table, index);
	memcpy(slab_record(&worker->blocks, worker->table->cold[index].context), block,
	       worker->engine->block_size);
	session_table_end_change(worker->table);
}

// Returns false when the session can't have this block.
static bool resume_session(struct mapping *mapping, const struct region_array *found,
			   uint32_t index)
{
	struct session_table *table = mapping->worker->table;
	uint32_t id = table->cold[index].context;

	if (mapping->has_new)
		table->hot[index].flags &= (uint16_t)~SESSION_BYPASSED;
	if (id == 0)
		return true;
	if (id > mapping->worker->blocks.used_count)
		return false;
	uint64_t *word = &mapping->in_use[(id - 1) / 64];
	uint64_t bit = UINT64_C(1) << (id - 1) % 64;

	if ((*word & bit) != 0)
		return false;
	*word |= bit;
	resume_block(mapping,
		     (const struct plugin_block *)(found->records +
						   (uint64_t)(id - 1) * found->record_size),
		     index);
	return true;
}

// Ids of blocks that sessions have. What lies beyond the file is refused later.
static uint32_t find_used_count(const struct session_table *table, uint64_t limit)
{
	uint32_t used_count = 0;

	for (uint32_t index = session_table_next(table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(table, index)) {
		uint32_t id = table->cold[index].context;

		if (id > used_count && id <= limit)
			used_count = id;
	}
	return used_count;
}

static int64_t resume_all(struct mapping *mapping, const struct region_array *found)
{
	struct session_table *table = mapping->worker->table;
	int64_t dropped = 0;

	for (uint32_t index = session_table_next(table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(table, index)) {
		if (resume_session(mapping, found, index))
			continue;
		session_table_remove(table, index);
		dropped++;
	}
	slab_put_others(&mapping->worker->blocks, mapping->in_use);
	return dropped;
}

int64_t contexts_resume(struct worker *worker, const struct contexts_header *header,
			const struct region_array *found)
{
	struct slab *blocks = &worker->blocks;
	struct region_array *from = (struct region_array *)found;
	uint32_t used_count = find_used_count(worker->table, found->capacity);
	struct mapping mapping = {
		.worker = worker,
		.in_use = calloc(used_count / 64 + 1, sizeof(uint64_t)),
		.scratch = malloc(worker->engine->block_size),
	};
	int64_t result = -ENOMEM;

	if (mapping.in_use != NULL && mapping.scratch != NULL &&
	    region_array_reach(from, used_count) && slab_resume(blocks, used_count) == 0) {
		map_plugins(&mapping, header);
		result = resume_all(&mapping, found);
	}
	free(mapping.in_use);
	free(mapping.scratch);
	return result;
}
