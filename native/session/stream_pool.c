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
	unsigned order = 0;
	while (order < STREAM_POOL_ORDERS && (size_t)STREAM_POOL_UNIT << order < bytes)
		order++;
	return order;
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

uint32_t stream_pool_get(struct stream_pool *pool, size_t bytes)
{
	unsigned wanted = order_for(bytes);
	unsigned order = wanted;
	for (;;) {
		while (order < STREAM_POOL_ORDERS && pool->free_heads[order] == 0)
			order++;
		if (order < STREAM_POOL_ORDERS)
			break;
		if (wanted >= STREAM_POOL_ORDERS || !touch_more(pool))
			return 0;
		order = wanted;
	}
	uint32_t id = pool->free_heads[order];
	unlink_free(pool, id, order);
	while (order > wanted) {
		order--;
		push_free(pool, id + (UINT32_C(1) << order), order);
	}
	pool->orders[id - 1] = (uint8_t)order;
	pool->used_bytes += (uint64_t)STREAM_POOL_UNIT << order;
	return id;
}

void stream_pool_put(struct stream_pool *pool, uint32_t id)
{
	unsigned order = pool->orders[id - 1];
	assert(order < STREAM_POOL_ORDERS);
	pool->used_bytes -= (uint64_t)STREAM_POOL_UNIT << order;
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

size_t stream_pool_get_size(const struct stream_pool *pool, uint32_t id)
{
	return (size_t)STREAM_POOL_UNIT << (pool->orders[id - 1] & ~ORDER_FREE);
}
