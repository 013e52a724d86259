// SPDX-License-Identifier: Apache-2.0

// Checks policy images, prepares them and swaps them; see policy_swap.h.

#include "engine/policy_swap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/worker.h"

#define POLICY_CRC_FROM 24

struct section {
	char name[STELLAR_PLUGIN_NAME_MAX + 2];
	uint32_t offset;
	uint32_t size;
};

static uint32_t read_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

// Check the header. Returns the section count or -EINVAL.
static int check_header(const uint8_t *image, size_t size, uint32_t *ret_generation, char *error,
			size_t error_size)
{
	if (size < STELLAR_POLICY_HEADER_SIZE || size > STELLAR_POLICY_SIZE_MAX ||
	    memcmp(image, STELLAR_POLICY_MAGIC, 8) != 0) {
		snprintf(error, error_size, "policy image: expected %s, found something else",
			 STELLAR_POLICY_MAGIC);
		return -EINVAL;
	}
	if (read_u32(image + 8) != size) {
		snprintf(error, error_size, "policy image: expected %u bytes, found %zu",
			 read_u32(image + 8), size);
		return -EINVAL;
	}
	uint32_t crc = (uint32_t)crc32(0, image + POLICY_CRC_FROM, (uInt)(size - POLICY_CRC_FROM));

	if (read_u32(image + 20) != crc) {
		snprintf(error, error_size, "policy image: expected CRC %08x, found %08x",
			 read_u32(image + 20), crc);
		return -EINVAL;
	}
	uint32_t count = read_u32(image + 16);

	if (count > STELLAR_POLICY_SECTIONS_MAX ||
	    size < STELLAR_POLICY_HEADER_SIZE + (size_t)count * STELLAR_POLICY_SECTION_SIZE) {
		snprintf(error, error_size, "policy image: %u sections do not fit", count);
		return -EINVAL;
	}
	*ret_generation = read_u32(image + 12);
	if (*ret_generation == 0) {
		snprintf(error, error_size, "policy image: expected a generation above 0, found 0");
		return -EINVAL;
	}
	return (int)count;
}

static int read_section(const uint8_t *image, size_t size, int position, struct section *section)
{
	const uint8_t *entry =
		image + STELLAR_POLICY_HEADER_SIZE + (size_t)position * STELLAR_POLICY_SECTION_SIZE;

	memcpy(section->name, entry, 64);
	section->name[64] = '\0';
	section->offset = read_u32(entry + 64);
	section->size = read_u32(entry + 68);
	if (section->offset > size || section->size > size - section->offset)
		return -EINVAL;
	return 0;
}

static struct plugin_host *find_plugin(struct engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->plugin_count; i++) {
		if (strcmp(engine->plugins[i]->plugin->name, name) == 0)
			return engine->plugins[i];
	}
	return NULL;
}

static uint64_t bit_of(const struct plugin_host *host)
{
	return UINT64_C(1) << host->id;
}

static void retire_prepared(struct policy_set *set, struct plugin_host *host)
{
	if ((set->has_section[host->number] & bit_of(host)) == 0)
		return;
	set->has_section[host->number] &= ~bit_of(host);
	if (host->plugin->policy_retire != NULL)
		host->plugin->policy_retire(host, host->state,
					    set->prepared[host->number][host->id]);
	set->prepared[host->number][host->id] = NULL;
}

static void retire_set(struct engine *engine, struct policy_set *set)
{
	for (size_t i = 0; i < engine->plugin_count; i++) {
		for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
			struct plugin_host *host = engine->accounts[i]->versions[number];

			if (host != NULL)
				retire_prepared(set, host);
		}
	}
	free(set->image);
	free(set);
}

static int prepare_for(struct policy_set *set, struct plugin_host *host, const uint8_t *image,
		       const struct section *section, char *error, size_t error_size)
{
	char reason[256] = "refused";
	int result = -EINVAL;

	if (host->plugin->policy_prepare == NULL)
		snprintf(reason, sizeof(reason), "the plugin takes no policy");
	else
		result = host->plugin->policy_prepare(
			host, host->state, image + section->offset, section->size,
			&set->prepared[host->number][host->id], reason, sizeof(reason));
	if (result == 0) {
		set->has_section[host->number] |= bit_of(host);
		return 0;
	}
	if (host == host->engine->plugins[host->id])
		snprintf(error, error_size, "%s: %s", section->name, reason);
	else
		snprintf(error, error_size, "%s %s: %s", section->name, host->plugin->version,
			 reason);
	return result < 0 ? result : -EINVAL;
}

// By all versions that live: a packet is judged by one generation, whatever its session has.
static int prepare_section(struct engine *engine, struct policy_set *set, const uint8_t *image,
			   const struct section *section, char *error, size_t error_size)
{
	struct plugin_host *host = find_plugin(engine, section->name);
	int result = 0;

	if (host == NULL || host->plugin->policy_prepare == NULL) {
		snprintf(error, error_size, "policy image: section %s: %s", section->name,
			 host == NULL ? "no such plugin is loaded" : "the plugin takes no policy");
		return -EINVAL;
	}
	if ((set->has_section[host->number] & bit_of(host)) != 0) {
		snprintf(error, error_size, "policy image: section %s comes twice", section->name);
		return -EINVAL;
	}
	for (int number = 0; number < PLUGIN_VERSIONS_MAX && result == 0; number++) {
		struct plugin_host *version = host->account->versions[number];

		if (version != NULL)
			result = prepare_for(set, version, image, section, error, error_size);
	}
	return result;
}

static int prepare_set(struct engine *engine, struct policy_set *set, const uint8_t *image,
		       size_t size, int section_count, char *error, size_t error_size)
{
	for (int i = 0; i < section_count; i++) {
		struct section section;

		if (read_section(image, size, i, &section) != 0) {
			snprintf(error, error_size, "policy image: section %d runs past the end",
				 i);
			return -EINVAL;
		}
		int result = prepare_section(engine, set, image, &section, error, error_size);

		if (result != 0)
			return result;
	}
	return 0;
}

static void commit_version(const struct worker *worker, const struct policy_set *set,
			   struct plugin_host *host)
{
	void *prepared = set->prepared[host->number][host->id];

	host->rows[worker->id].prepared = prepared;
	if (host->plugin->policy_commit != NULL &&
	    (set->has_section[host->number] & bit_of(host)) != 0)
		host->plugin->policy_commit(host, host->state, prepared, set->generation);
}

void policy_commit_version(struct worker *worker, struct plugin_host *host)
{
	if (worker->policy != NULL)
		commit_version(worker, worker->policy, host);
}

void policy_follow(struct worker *worker)
{
	struct engine *engine = worker->engine;
	const struct plugin_table *table = worker->plugins;
	struct policy_set *set = atomic_load_explicit(&engine->policy_target, memory_order_acquire);

	if (set == worker->policy)
		return;
	for (size_t i = 0; i < table->plugin_count; i++) {
		for (int number = 0; number < PLUGIN_VERSIONS_MAX; number++) {
			struct plugin_host *host = table->versions[number][i];

			if (host != NULL)
				commit_version(worker, set, host);
		}
	}
	worker->policy = set;
	recorder_policy(worker, set->generation);
	atomic_store_explicit(&worker->policy_committed, set, memory_order_release);
}

// A worker that is stuck is found before anything is changed.
static int check_workers_move(struct engine *engine, char *error, size_t error_size)
{
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		if (worker_wait_boundary(engine->workers[i]) == 0)
			continue;
		snprintf(error, error_size,
			 "policy: worker %u did not finish a burst in %u ms; nothing is changed", i,
			 engine->boundary_wait_ms);
		return -ETIMEDOUT;
	}
	return 0;
}

int policy_prepare_version(struct engine *engine, struct plugin_host *host, char *error,
			   size_t error_size)
{
	struct policy_set *set = atomic_load(&engine->policy_target);
	uint32_t generation;

	if (set == NULL)
		return 0;
	int section_count =
		check_header(set->image, set->image_size, &generation, error, error_size);

	for (int i = 0; i < section_count; i++) {
		struct section section;

		if (read_section(set->image, set->image_size, i, &section) == 0 &&
		    strcmp(section.name, host->account->name) == 0)
			return prepare_for(set, host, set->image, &section, error, error_size);
	}
	return 0;
}

void policy_retire_version(struct engine *engine, struct plugin_host *host)
{
	for (size_t slot = 0; slot < POLICY_SETS_MAX; slot++) {
		if (engine->policy_sets[slot] != NULL)
			retire_prepared(engine->policy_sets[slot], host);
	}
}

static int commit_everywhere(struct engine *engine, struct policy_set *set, char *error,
			     size_t error_size)
{
	int result = 0;

	atomic_store_explicit(&engine->policy_target, set, memory_order_release);
	for (uint32_t i = 0; i < engine->config.worker_count; i++) {
		if (worker_wait_policy(engine->workers[i], set) == 0)
			continue;
		snprintf(error, error_size,
			 "policy: generation %u is in force, but worker %u did not commit it in %u "
			 "ms; it will after its burst",
			 set->generation, i, engine->boundary_wait_ms);
		result = -ETIMEDOUT;
	}
	return result;
}

void policy_sweep(struct engine *engine)
{
	struct policy_set *target = atomic_load(&engine->policy_target);

	for (size_t slot = 0; slot < POLICY_SETS_MAX; slot++) {
		struct policy_set *set = engine->policy_sets[slot];
		uint64_t pinned = 0;

		if (set == NULL || set == target)
			continue;
		for (uint32_t i = 0; i < engine->config.worker_count; i++) {
			struct worker *worker = engine->workers[i];

			// In this order: who has left the set has counted its sessions before.
			pinned += atomic_load(&worker->policy_committed) == set;
			pinned += atomic_load(&worker->generation_sessions[slot]);
		}
		if (pinned == 0) {
			engine->policy_sets[slot] = NULL;
			retire_set(engine, set);
		}
	}
}

void policy_retire_all(struct engine *engine)
{
	for (size_t slot = 0; slot < POLICY_SETS_MAX; slot++) {
		if (engine->policy_sets[slot] != NULL)
			retire_set(engine, engine->policy_sets[slot]);
		engine->policy_sets[slot] = NULL;
	}
	atomic_store(&engine->policy_target, NULL);
}

int engine_policy_apply(struct engine *engine, const void *image, size_t image_size, char *error,
			size_t error_size)
{
	uint32_t generation;

	if (!engine->started) {
		snprintf(error, error_size, "policy: the engine has not been started");
		return -EINVAL;
	}
	int section_count = check_header(image, image_size, &generation, error, error_size);

	if (section_count < 0)
		return section_count;
	if (generation <= engine_policy_generation(engine)) {
		snprintf(error, error_size, "policy generation: expected above %u, found %u",
			 engine_policy_generation(engine), generation);
		return -EEXIST;
	}
	policy_sweep(engine);
	if (engine->policy_sets[generation % POLICY_SETS_MAX] != NULL) {
		snprintf(error, error_size,
			 "policy: sessions still pin generation %u; %u live generations are the "
			 "limit",
			 engine->policy_sets[generation % POLICY_SETS_MAX]->generation,
			 POLICY_SETS_MAX);
		return -EBUSY;
	}
	struct policy_set *set = calloc(1, sizeof(*set));

	if (set == NULL) {
		snprintf(error, error_size, "policy: no memory");
		return -ENOMEM;
	}
	set->generation = generation;
	set->image_size = image_size;
	set->image = malloc(image_size);
	if (set->image == NULL) {
		snprintf(error, error_size, "policy: no memory");
		free(set);
		return -ENOMEM;
	}
	memcpy(set->image, image, image_size);
	int result = prepare_set(engine, set, image, image_size, section_count, error, error_size);

	if (result == 0)
		result = check_workers_move(engine, error, error_size);
	if (result != 0) {
		retire_set(engine, set);
		return result;
	}
	struct policy_set *before = atomic_load(&engine->policy_target);

	if (before != NULL) {
		free(before->image);
		before->image = NULL;
	}
	engine->policy_sets[generation % POLICY_SETS_MAX] = set;
	recorder_keep_policy(engine, generation, image, image_size);
	result = commit_everywhere(engine, set, error, error_size);
	policy_sweep(engine);
	return result;
}

uint32_t engine_policy_generation(const struct engine *engine)
{
	const struct policy_set *set = atomic_load(&engine->policy_target);

	return set != NULL ? set->generation : 0;
}
