// SPDX-License-Identifier: Apache-2.0

#include "session/slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/region.h"

void slab_init(struct slab *slab, size_t record_size)
{
	memset(slab, 0, sizeof(*slab));
	slab->record_size = record_size;
}

void slab_fini(struct slab *slab)
{
	for (uint32_t i = 0; slab->area == NULL && i < slab->chunk_count; i++)
		free(slab->chunks[i]);
	free(slab->chunks);
	slab_init(slab, slab->record_size);
}

static uint8_t *get_chunk(struct slab *slab)
{
	size_t size = SLAB_CHUNK * slab->record_size;
	if (slab->area == NULL)
		return malloc(size);
	if (!region_array_reach(slab->area, (slab->chunk_count + 1ull) * SLAB_CHUNK))
		return NULL;
	return slab->area->records + slab->chunk_count * size;
}

static int add_chunk(struct slab *slab)
{
	if (slab->chunk_count == slab->chunk_limit) {
		uint32_t limit = slab->chunk_limit ? slab->chunk_limit * 2 : 16;
		uint8_t **chunks = realloc(slab->chunks, limit * sizeof(*chunks));
		if (chunks == NULL)
			return -1;
		slab->chunks = chunks;
		slab->chunk_limit = limit;
	}
	uint8_t *chunk = get_chunk(slab);
	if (chunk == NULL)
		return -1;
	slab->chunks[slab->chunk_count++] = chunk;
	return 0;
}

uint32_t slab_get(struct slab *slab)
{
	uint32_t id = slab->free_head;
	if (id != 0) {
		memcpy(&slab->free_head, slab_record(slab, id), sizeof(slab->free_head));
	} else {
		if (slab->used_count == UINT32_MAX)
			return 0;
		if (slab->used_count / SLAB_CHUNK == slab->chunk_count && add_chunk(slab) != 0)
			return 0;
		id = ++slab->used_count;
	}
	memset(slab_record(slab, id), 0, slab->record_size);
	slab->count++;
	return id;
}

void slab_put(struct slab *slab, uint32_t id)
{
	memcpy(slab_record(slab, id), &slab->free_head, sizeof(slab->free_head));
	slab->free_head = id;
	slab->count--;
}

int slab_resume(struct slab *slab, uint32_t used_count)
{
	if (used_count > slab->area->capacity)
		return -EINVAL;
	while ((uint64_t)slab->chunk_count * SLAB_CHUNK < used_count) {
		if (add_chunk(slab) != 0)
			return -ENOMEM;
	}
	slab->used_count = used_count;
	slab->count = used_count;
	return 0;
}

void slab_put_others(struct slab *slab, const uint64_t *in_use)
{
	for (uint32_t id = slab->used_count; id > 0; id--) {
		if ((in_use[(id - 1) / 64] >> (id - 1) % 64 & 1) == 0)
			slab_put(slab, id);
	}
}
