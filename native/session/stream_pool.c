// SPDX-License-Identifier: Apache-2.0

#include "session/stream_pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define ORDER_FREE 0x80u

// In the first bytes of a free block.
struct free_links {
	uint32_t next;
	uint32_t previous;
};

int stream_pool_init(struct stream_pool *pool, uint64_t memory_bytes)
{
	memset(pool, 0, sizeof(*pool));
	if (memory_bytes / STREAM_POOL_UNIT >= UINT32_MAX)
		return -ENOMEM;
	uint32_t units = (uint32_t)(memory_bytes / STREAM_POOL_UNIT);
	size_t bytes = (size_t)units * STREAM_POOL_UNIT;
	if (units == 0)
		return 0; // every get fails
	void *memory = mmap(NULL, bytes + units, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	pool->bytes = memory;
	pool->orders = pool->bytes + bytes;
	pool->mapped_bytes = bytes + units;
	pool->units = units;
	return 0;
}

void stream_pool_fini(struct stream_pool *pool)
{
	if (pool->bytes != NULL)
		munmap(pool->bytes, pool->mapped_bytes);
	memset(pool, 0, sizeof(*pool));
}

// The order of a block for so many bytes; STREAM_POOL_ORDERS when none is large enough.
static unsigned order_for(size_t bytes)
{
	size_t units = (bytes + STREAM_POOL_UNIT - 1) / STREAM_POOL_UNIT;
	unsigned order = units > 1 ? 64 - (unsigned)__builtin_clzll(units - 1) : 0;
	return order < STREAM_POOL_ORDERS ? order : STREAM_POOL_ORDERS;
}

size_t stream_pool_round(size_t bytes)
{
	unsigned order = order_for(bytes);
	return order < STREAM_POOL_ORDERS ? (size_t)STREAM_POOL_UNIT << order : 0;
}

static void push_free(struct stream_pool *pool, uint32_t id, unsigned order)
{
	struct free_links *links = stream_pool_at(pool, id);
	links->next = pool->free_heads[order];
	links->previous = 0;
	if (links->next != 0)
		((struct free_links *)stream_pool_at(pool, links->next))->previous = id;
	pool->free_heads[order] = id;
	pool->orders[id - 1] = (uint8_t)(order | ORDER_FREE);
}

static void unlink_free(struct stream_pool *pool, uint32_t id, unsigned order)
{
	const struct free_links *links = stream_pool_at(pool, id);
	if (links->previous != 0)
		((struct free_links *)stream_pool_at(pool, links->previous))->next = links->next;
	else
		pool->free_heads[order] = links->next;
	if (links->next != 0)
		((struct free_links *)stream_pool_at(pool, links->next))->previous =
			links->previous;
	pool->orders[id - 1] = 0;
}

// Make the next untouched block free: the largest that begins there, so that buddies meet. Returns
// false when all has been touched.
static bool touch_more(struct stream_pool *pool)
{
	unsigned order = STREAM_POOL_ORDERS - 1;
	uint32_t left = pool->units - pool->touched;
	if (left == 0)
		return false;
	while (UINT32_C(1) << order > left || (pool->touched & ((UINT32_C(1) << order) - 1)) != 0)
		order--;
	push_free(pool, pool->touched + 1, order);
	pool->touched += UINT32_C(1) << order;
	return true;
}

// Make a block free, joined with its buddies.
static void join(struct stream_pool *pool, uint32_t id, unsigned order)
{
	pool->orders[id - 1] = 0;
	while (order < STREAM_POOL_ORDERS - 1) {
		uint32_t buddy = ((id - 1) ^ UINT32_C(1) << order) + 1;
		if (buddy > pool->touched || pool->orders[buddy - 1] != (order | ORDER_FREE))
			break;
		unlink_free(pool, buddy, order);
		id = buddy < id ? buddy : id;
		order++;
	}
	push_free(pool, id, order);
}

static uint32_t pop_spare(struct stream_pool *pool, unsigned order)
{
	uint32_t id = pool->spare_heads[order];
	pool->spare_heads[order] = ((struct free_links *)stream_pool_at(pool, id))->next;
	pool->spare_counts[order]--;
	return id;
}

// Returns whether there were any.
static bool join_spares(struct stream_pool *pool)
{
	bool found = false;
	for (unsigned order = 0; order < STREAM_POOL_ORDERS; order++) {
		while (pool->spare_heads[order] != 0) {
			join(pool, pop_spare(pool, order), order);
			found = true;
		}
	}
	return found;
}

// The smallest free block of at least an order; STREAM_POOL_ORDERS: there is none.
static unsigned find_free(struct stream_pool *pool, unsigned wanted)
{
	unsigned order = wanted;
	while (order < STREAM_POOL_ORDERS && pool->free_heads[order] == 0)
		order++;
	return order;
}

uint32_t stream_pool_get(struct stream_pool *pool, size_t bytes)
{
	unsigned wanted = order_for(bytes);
	if (wanted >= STREAM_POOL_ORDERS)
		return 0;
	pool->used_bytes += (uint64_t)STREAM_POOL_UNIT << wanted;
	if (pool->spare_heads[wanted] != 0)
		return pop_spare(pool, wanted);
	unsigned order = find_free(pool, wanted);
	while (order == STREAM_POOL_ORDERS && (touch_more(pool) || join_spares(pool)))
		order = find_free(pool, wanted);
	if (order == STREAM_POOL_ORDERS) {
		pool->used_bytes -= (uint64_t)STREAM_POOL_UNIT << wanted;
		return 0;
	}
	uint32_t id = pool->free_heads[order];
	unlink_free(pool, id, order);
	while (order > wanted) {
		order--;
		push_free(pool, id + (UINT32_C(1) << order), order);
	}
	pool->orders[id - 1] = (uint8_t)order;
	return id;
}

void stream_pool_put(struct stream_pool *pool, uint32_t id)
{
	unsigned order = pool->orders[id - 1];
	assert(order < STREAM_POOL_ORDERS);
	pool->used_bytes -= (uint64_t)STREAM_POOL_UNIT << order;
	if (pool->spare_counts[order] < STREAM_POOL_SPARE_MAX) {
		((struct free_links *)stream_pool_at(pool, id))->next = pool->spare_heads[order];
		pool->spare_heads[order] = id;
		pool->spare_counts[order]++;
	} else {
		join(pool, id, order);
	}
}

size_t stream_pool_get_size(const struct stream_pool *pool, uint32_t id)
{
	return (size_t)STREAM_POOL_UNIT << (pool->orders[id - 1] & ~ORDER_FREE);
}
