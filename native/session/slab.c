// SPDX-License-Identifier: Apache-2.0

#include "session/slab.h"

#include <stdlib.h>
#include <string.h>

void slab_init(struct slab *slab, size_t record_size)
{
	memset(slab, 0, sizeof(*slab));
	slab->record_size = record_size;
}

void slab_fini(struct slab *slab)
{
	for (uint32_t i = 0; i < slab->chunk_count; i++)
		free(slab->chunks[i]);
	free(slab->chunks);
	slab_init(slab, slab->record_size);
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
	uint8_t *chunk = malloc(SLAB_CHUNK * slab->record_size);
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
