// SPDX-License-Identifier: Apache-2.0

// Records of one size under 32-bit ids, 1 and up, that never move. Grows by chunks, never shrinks;
// a freed id is the next to be given out. Records are zeroed when given out. With an area they lie
// there (see region.h; set after slab_init) and outlive the process: which of them are in use is
// the owner's to know, and to tell a successor's slab with slab_resume. Owner: one worker.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK 1024u // records

struct region_array;

struct slab {
	uint8_t **chunks;
	struct region_array *area; // NULL: chunks are on the heap
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

// Take over an area in which ids 1 to used_count have been given out, all of them in use. The slab
// is new. Returns 0, -EINVAL (beyond the area) or -ENOMEM.
int slab_resume(struct slab *slab, uint32_t used_count);

// And free those whose bit (id - 1) is not set.
void slab_put_others(struct slab *slab, const uint64_t *in_use);

// The record of an id in use.
static inline void *slab_record(const struct slab *slab, uint32_t id)
{
	uint32_t place = id - 1;
	return slab->chunks[place / SLAB_CHUNK] + (place % SLAB_CHUNK) * slab->record_size;
}
