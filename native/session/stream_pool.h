// SPDX-License-Identifier: Apache-2.0

// The memory of one worker's streams: blocks of 128 bytes to 512 KiB, each a power of two, from one
// reserved range. A binary buddy system (Knowlton 1965; Knuth, TAOCP 2.5): a block is split in
// halves until it fits, and joined with its buddy when both are free again, so that memory that
// held many small segments can hold large ones afterwards, and what is in use never exceeds the
// range. A few blocks of each size are not joined until memory is short: splitting and joining the
// same block for every segment would cost more than all the rest. Get and put cost as many steps as
// there are sizes, at most, but for the get that joins those few. Blocks go by 32-bit ids and
// never move; which block is given depends on the order of gets and puts alone. The range is
// touched only as far as it has been used. Owner: one worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_POOL_UNIT 128u // bytes of the smallest block
#define STREAM_POOL_ORDERS 13u // sizes; the largest is 128 << 12
#define STREAM_POOL_SPARE_MAX 16u // blocks of a size that are not joined
#define STREAM_POOL_BLOCK_MAX (STREAM_POOL_UNIT << (STREAM_POOL_ORDERS - 1))

struct stream_pool {
	uint8_t *bytes; // NULL: nothing was reserved
	uint8_t *orders; // by unit: order of the block that begins there, and whether it is free
	size_t mapped_bytes; // both of them
	uint32_t units; // in the range
	uint32_t touched; // units; those beyond were never used
	uint32_t free_heads[STREAM_POOL_ORDERS]; // ids, 0: none
	uint32_t spare_heads[STREAM_POOL_ORDERS]; // ids, 0: none
	uint8_t spare_counts[STREAM_POOL_ORDERS];
	uint64_t used_bytes; // of blocks given out
};

// Reserve memory_bytes (rounded down to whole units) of address space. Returns 0, or -ENOMEM.
int stream_pool_init(struct stream_pool *pool, uint64_t memory_bytes);
// Accepts a zeroed one.
void stream_pool_fini(struct stream_pool *pool);

// Bytes of the block that holds so many; 0 when no block does.
size_t stream_pool_round(size_t bytes);

// A block of at least so many bytes, not zeroed. Returns its id, or 0 when there is no room.
uint32_t stream_pool_get(struct stream_pool *pool, size_t bytes);
void stream_pool_put(struct stream_pool *pool, uint32_t id);

// Bytes of a block in use.
size_t stream_pool_get_size(const struct stream_pool *pool, uint32_t id);

// The bytes of a block in use.
static inline void *stream_pool_at(const struct stream_pool *pool, uint32_t id)
{
	return pool->bytes + (size_t)(id - 1) * STREAM_POOL_UNIT;
}
