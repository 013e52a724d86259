// SPDX-License-Identifier: Apache-2.0

#include "session/stream_digest.h"

#include <string.h>

// A delivery. Ring: the oldest is overwritten.
struct delivery {
	uint64_t digest;
	uint32_t offset; // its low bits
	uint32_t length; // 0: none
};

struct deliveries {
	uint32_t next;
	uint32_t reserved;
	struct delivery ring[STREAM_DIGESTS];
};

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t read_u64(const uint8_t *bytes)
{
	uint64_t value;
	memcpy(&value, bytes, sizeof(value));
	return value;
}

// Four chains of multiplications side by side, 64 bytes a step: one alone would wait for itself.
static uint64_t make_digest(const struct stream_memory *memory, const uint8_t *bytes, size_t length)
{
	const uint64_t *key = memory->digest_key;
	uint64_t chains[4] = {key[0], key[1], key[2], key[3] ^ length};
	uint8_t tail[64] = {0};
	for (; length >= 64; bytes += 64, length -= 64) {
		for (int i = 0; i < 4; i++)
			chains[i] = fold(read_u64(bytes + 16 * i) ^ key[i],
					 read_u64(bytes + 16 * i + 8) ^ chains[i]);
	}
	memcpy(tail, bytes, length);
	for (int i = 0; i < 4; i++)
		chains[i] = fold(read_u64(tail + 16 * i) ^ key[i],
				 read_u64(tail + 16 * i + 8) ^ chains[i]);
	return fold(chains[0] ^ key[1], chains[1] ^ key[2]) ^
	       fold(chains[2] ^ key[3], chains[3] ^ key[0]);
}

void stream_digest_add(struct stream_memory *memory, struct stream_direction *direction,
		       const struct stream_chunk *chunk)
{
	const struct stream_pool *pool = &memory->pool;
	if (chunk->length == 0)
		return;
	if (direction->digests == 0) {
		if (pool->used_bytes > (uint64_t)pool->units * STREAM_POOL_UNIT / 2)
			return;
		direction->digests = stream_pool_get(&memory->pool, sizeof(struct deliveries));
		if (direction->digests == 0)
			return;
		memset(stream_pool_at(&memory->pool, direction->digests), 0,
		       sizeof(struct deliveries));
	}
	struct deliveries *deliveries = stream_pool_at(&memory->pool, direction->digests);
	deliveries->ring[deliveries->next++ % STREAM_DIGESTS] = (struct delivery){
		.offset = (uint32_t)chunk->offset,
		.digest = make_digest(memory, chunk->data, chunk->length),
		.length = chunk->length,
	};
}

bool stream_digest_find_difference(const struct stream_memory *memory,
				   const struct stream_direction *direction,
				   const struct stream_segment *segment, int64_t acked,
				   struct stream_chunk *ret_chunk)
{
	int64_t start = stream_get_offset_of(direction, segment->sequence);
	int64_t end = start + segment->length;
	int64_t first = INT64_MAX;
	int64_t last = INT64_MIN;
	if (direction->digests == 0 || start >= (int64_t)direction->next)
		return false;
	const struct deliveries *deliveries = stream_pool_at(&memory->pool, direction->digests);
	for (uint32_t i = 0; i < STREAM_DIGESTS; i++) {
		const struct delivery *delivery = &deliveries->ring[i];
		uint32_t back = (uint32_t)direction->next - delivery->offset;
		int64_t from = (int64_t)direction->next - back;
		int64_t to = from + delivery->length;
		if (delivery->length == 0 || from < start || to > end || to <= acked ||
		    make_digest(memory, segment->data + (from - start), delivery->length) ==
			    delivery->digest)
			continue;
		first = from < first ? from : first;
		last = to > last ? to : last;
	}
	if (first >= last)
		return false;
	*ret_chunk = (struct stream_chunk){
		.offset = (uint64_t)first,
		.data = segment->data + (first - start),
		.length = (uint32_t)(last - first),
	};
	return true;
}

void stream_digest_clear(struct stream_memory *memory, struct stream_direction *direction)
{
	if (direction->digests != 0)
		stream_pool_put(&memory->pool, direction->digests);
	direction->digests = 0;
}
