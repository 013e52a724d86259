// SPDX-License-Identifier: Apache-2.0

// The memory of one worker's fragments: a range of address space that is reserved once, touched
// only as far as it was used, and never exceeded. Blocks are powers of two from 64 bytes to 512 KiB
// under a binary buddy system (Knowlton 1965): split until they fit, joined with their buddy when
// both are free, so that room which held many small fragments can hold large ones afterwards. A get
// or put costs as many steps as there are sizes, at most. Blocks go by 32-bit ids and never move;
// which one is given depends on the order of gets and puts alone. Owner: one worker.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FRAGMENT_POOL_UNIT 64u // bytes of the smallest block
#define FRAGMENT_POOL_ORDERS 14u // sizes
#define FRAGMENT_POOL_BLOCK_MAX (FRAGMENT_POOL_UNIT << (FRAGMENT_POOL_ORDERS - 1))

struct fragment_pool {
	uint8_t *bytes; // of the blocks
	uint8_t *orders; // by unit: what begins there
	uint32_t units;
	uint32_t touched; // units; those beyond were never used
	uint32_t free_heads[FRAGMENT_POOL_ORDERS]; // ids, 0: none
	uint64_t used_bytes; // of blocks given out
	uint64_t peak_bytes; // most that used_bytes has been
};

// Make a pool of a zeroed range, its own books included. The range stays the caller's.
void fragment_pool_init(struct fragment_pool *ret_pool, uint8_t *range, size_t size);

// Bytes of the block that holds so many; 0 when no block does.
uint32_t fragment_pool_round(size_t bytes);

// A block of at least so many bytes, not zeroed. Returns its id, or 0 when there is no room.
uint32_t fragment_pool_get(struct fragment_pool *pool, size_t bytes);
void fragment_pool_put(struct fragment_pool *pool, uint32_t id);

// Bytes of a block in use.
uint32_t fragment_pool_size(const struct fragment_pool *pool, uint32_t id);

// The bytes of a block in use; aligned to the unit.
static inline void *fragment_pool_at(const struct fragment_pool *pool, uint32_t id)
{
	return pool->bytes + (size_t)(id - 1) * FRAGMENT_POOL_UNIT;
}
