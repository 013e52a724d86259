// SPDX-License-Identifier: Apache-2.0

// Records of one size under 32-bit ids, 1 and up, that never move. Grows by chunks, never shrinks;
// a freed id is the next to be given out. Records are zeroed when given out. Owner: one worker.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK 1024u // records

struct slab {
	uint8_t **chunks;
	size_t record_size; // bytes, at least 4
	uint32_t chunk_count;
	uint32_t chunk_limit; // room in chunks
	uint32_t free_head;
	uint32_t used_count; // ids ever given out
	uint32_t count; // records in use
};

void slab_init(struct slab *slab, size_t record_size);
void slab_fini(struct slab *slab);

// Returns an id, or 0 when there is no memory.
uint32_t slab_get(struct slab *slab);
void slab_put(struct slab *slab, uint32_t id);

// The record of an id in use.
static inline void *slab_record(const struct slab *slab, uint32_t id)
{
	uint32_t place = id - 1;
	return slab->chunks[place / SLAB_CHUNK] + (place % SLAB_CHUNK) * slab->record_size;
}
