// SPDX-License-Identifier: Apache-2.0

#include "packet/fragment_pool.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

// A unit's book: 0 inside of a block, else the order of the block that begins there, plus one, and
// whether it is free.
#define IS_FREE 0x80u

// What stands in a free block.
struct free_block {
	uint32_t next; // ids of the same order, 0: none
	uint32_t previous;
};

void fragment_pool_init(struct fragment_pool *ret_pool, uint8_t *range, size_t size)
{
	size_t units = size / (FRAGMENT_POOL_UNIT + 1);

	memset(ret_pool, 0, sizeof(*ret_pool));
	ret_pool->bytes = range;
	ret_pool->orders = range + units * FRAGMENT_POOL_UNIT;
	ret_pool->units = units < UINT32_MAX / 2 ? (uint32_t)units : UINT32_MAX / 2;
}

static uint32_t order_of(size_t bytes)
{
	uint32_t order = 0;

	while (order < FRAGMENT_POOL_ORDERS && ((size_t)FRAGMENT_POOL_UNIT << order) < bytes)
		order++;
	return order;
}

uint32_t fragment_pool_round(size_t bytes)
{
	uint32_t order = order_of(bytes);

	return order < FRAGMENT_POOL_ORDERS ? FRAGMENT_POOL_UNIT << order : 0;
}

static struct free_block *free_block(const struct fragment_pool *pool, uint32_t id)
{
	return fragment_pool_at(pool, id);
}

static void add_free(struct fragment_pool *pool, uint32_t id, uint32_t order)
{
	uint32_t next = pool->free_heads[order];

	*free_block(pool, id) = (struct free_block){.next = next};
	if (next != 0)
		free_block(pool, next)->previous = id;
	pool->free_heads[order] = id;
	pool->orders[id - 1] = (uint8_t)(IS_FREE | (order + 1));
}

static void remove_free(struct fragment_pool *pool, uint32_t id, uint32_t order)
{
	const struct free_block block = *free_block(pool, id);

	if (block.next != 0)
		free_block(pool, block.next)->previous = block.previous;
	if (block.previous != 0)
		free_block(pool, block.previous)->next = block.next;
	else
		pool->free_heads[order] = block.next;
	pool->orders[id - 1] = 0;
}

// The next block that was never used, as large as its place allows. Returns false at the end.
static bool touch(struct fragment_pool *pool)
{
	uint32_t order = FRAGMENT_POOL_ORDERS - 1;

	if (pool->touched == pool->units)
		return false;
	while ((pool->touched & ((1u << order) - 1)) != 0 ||
	       pool->units - pool->touched < 1u << order)
		order--;
	add_free(pool, pool->touched + 1, order);
	pool->touched += 1u << order;
	return true;
}

static uint32_t find_free(const struct fragment_pool *pool, uint32_t order)
{
	while (order < FRAGMENT_POOL_ORDERS && pool->free_heads[order] == 0)
		order++;
	return order;
}

uint32_t fragment_pool_get(struct fragment_pool *pool, size_t bytes)
{
	uint32_t wanted = order_of(bytes);
	uint32_t order;

	while ((order = find_free(pool, wanted)) >= FRAGMENT_POOL_ORDERS) {
		if (wanted >= FRAGMENT_POOL_ORDERS || !touch(pool))
			return 0;
	}
	uint32_t id = pool->free_heads[order];

	remove_free(pool, id, order);
	while (order > wanted) {
		order--;
		add_free(pool, id + (1u << order), order);
	}
	pool->orders[id - 1] = (uint8_t)(order + 1);
	pool->used_bytes += FRAGMENT_POOL_UNIT << order;
	if (pool->used_bytes > pool->peak_bytes)
		pool->peak_bytes = pool->used_bytes;
	return id;
}

void fragment_pool_put(struct fragment_pool *pool, uint32_t id)
{
	uint32_t unit = id - 1;
	uint32_t order = pool->orders[unit] - 1u;

	assert(order < FRAGMENT_POOL_ORDERS);
	pool->used_bytes -= FRAGMENT_POOL_UNIT << order;
	pool->orders[unit] = 0;
	for (; order < FRAGMENT_POOL_ORDERS - 1; order++) {
		uint32_t buddy = unit ^ (1u << order);

		if (buddy >= pool->touched || pool->orders[buddy] != (IS_FREE | (order + 1)))
			break;
		remove_free(pool, buddy + 1, order);
		unit &= ~(1u << order);
	}
	add_free(pool, unit + 1, order);
}

uint32_t fragment_pool_size(const struct fragment_pool *pool, uint32_t id)
{
	return FRAGMENT_POOL_UNIT << (pool->orders[id - 1] - 1u);
}
