// SPDX-License-Identifier: Apache-2.0

#include "session/index.h"

#include <errno.h>
#include <string.h>

#include "session/memory.h"
#include "tag_match.h"

static const uint8_t strides[8] = {3, 5, 7, 11, 13, 17, 19, 23};

static uint64_t first_bucket(const struct session_index *index, uint64_t hash)
{
	return (uint64_t)(((unsigned __int128)hash * index->bucket_count) >> 64);
}

// The first bucket is told by the high bits, so these are others.
static uint16_t tag_of(uint64_t hash)
{
	return (uint16_t)hash;
}

static uint32_t stride_of(uint64_t hash)
{
	return strides[(hash >> 16) & 7];
}

static uint64_t next_bucket(const struct session_index *index, uint64_t bucket, uint32_t stride)
{
	uint64_t next = bucket + stride;
	return next < index->bucket_count ? next : next % index->bucket_count;
}

static unsigned has_common_divisor(uint64_t count)
{
	for (unsigned i = 0; i < 8; i++) {
		if (count % strides[i] == 0)
			return 1;
	}
	return 0;
}

int session_index_init(struct session_index *index, uint64_t capacity)
{
	memset(index, 0, sizeof(*index));
	uint64_t count = (capacity + SESSION_BUCKET_LOAD - 1) / SESSION_BUCKET_LOAD;
	if (count < 2)
		count = 2;
	while (has_common_divisor(count))
		count++;
	index->buckets = memory_reserve(count * sizeof(struct session_bucket), &index->bytes);
	if (index->buckets == NULL)
		return -ENOMEM;
	index->bucket_count = count;
	return 0;
}

void session_index_fini(struct session_index *index)
{
	memory_release(index->buckets, index->bytes);
	memset(index, 0, sizeof(*index));
}

void session_index_prefetch(const struct session_index *index, const uint64_t *hashes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(&index->buckets[first_bucket(index, hashes[i])]);
}

// First candidate of a hash in a bucket, or 0.
static uint32_t find_in(const struct session_index *index, uint64_t bucket, uint64_t hash)
{
	uint32_t matches = session_bucket_match(&index->buckets[bucket], tag_of(hash));
	return matches != 0 ? index->buckets[bucket].entry[__builtin_ctz(matches)] : 0;
}

static uint64_t second_bucket(const struct session_index *index, uint64_t hash)
{
	return next_bucket(index, first_bucket(index, hash), stride_of(hash));
}

void session_index_find(const struct session_index *index, const uint64_t *hashes, size_t count,
			uint32_t *ret_entries)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t bucket = first_bucket(index, hashes[i]);
		ret_entries[i] = find_in(index, bucket, hashes[i]);
		if (ret_entries[i] == 0 && index->buckets[bucket].overflow != 0)
			__builtin_prefetch(&index->buckets[second_bucket(index, hashes[i])]);
	}
}

uint32_t session_index_find_second(const struct session_index *index, uint64_t hash)
{
	if (index->buckets[first_bucket(index, hash)].overflow == 0)
		return 0;
	return find_in(index, second_bucket(index, hash), hash);
}

void session_probe_init(struct session_probe *probe, const struct session_index *index,
			uint64_t hash)
{
	probe->bucket = first_bucket(index, hash);
	probe->tag = tag_of(hash);
	probe->matches = session_bucket_match(&index->buckets[probe->bucket], probe->tag);
	probe->stride = stride_of(hash);
	probe->left = index->bucket_count - 1;
}

uint32_t session_probe_next(struct session_probe *probe, const struct session_index *index)
{
	while (probe->matches == 0) {
		if (index->buckets[probe->bucket].overflow == 0 || probe->left == 0)
			return 0;
		probe->left--;
		probe->bucket = next_bucket(index, probe->bucket, probe->stride);
		probe->matches = session_bucket_match(&index->buckets[probe->bucket], probe->tag);
	}
	unsigned slot = (unsigned)__builtin_ctz(probe->matches);
	probe->matches &= probe->matches - 1;
	return index->buckets[probe->bucket].entry[slot];
}

static void overflow_add(struct session_bucket *bucket, int difference)
{
	// Saturated for ever: how many it was is no longer known.
	if (bucket->overflow != UINT16_MAX)
		bucket->overflow = (uint16_t)(bucket->overflow + difference);
}

int session_index_insert(struct session_index *index, uint64_t hash, uint32_t entry)
{
	const uint32_t all = (1u << SESSION_BUCKET_SLOTS) - 1;
	uint64_t place = first_bucket(index, hash);
	for (uint64_t passed = 0; passed < index->bucket_count; passed++) {
		struct session_bucket *bucket = &index->buckets[place];
		uint32_t room = ~(uint32_t)bucket->used & all;
		if (room != 0) {
			unsigned slot = (unsigned)__builtin_ctz(room);
			bucket->tag[slot] = tag_of(hash);
			bucket->entry[slot] = entry;
			bucket->used = (uint16_t)(bucket->used | 1u << slot);
			return 0;
		}
		overflow_add(bucket, 1);
		place = next_bucket(index, place, stride_of(hash));
	}
	// No room anywhere: every bucket was passed in vain.
	for (uint64_t i = 0; i < index->bucket_count; i++)
		overflow_add(&index->buckets[i], -1);
	return -ENOSPC;
}

int session_index_remove(struct session_index *index, uint64_t hash, uint32_t entry)
{
	struct session_probe probe;
	session_probe_init(&probe, index, hash);
	for (;;) {
		struct session_bucket *bucket = &index->buckets[probe.bucket];
		uint32_t matches = probe.matches;
		while (matches != 0) {
			unsigned slot = (unsigned)__builtin_ctz(matches);
			matches &= matches - 1;
			if (bucket->entry[slot] != entry)
				continue;
			bucket->used = (uint16_t)(bucket->used & ~(1u << slot));
			uint64_t end = probe.bucket;
			for (uint64_t place = first_bucket(index, hash); place != end;
			     place = next_bucket(index, place, probe.stride))
				overflow_add(&index->buckets[place], -1);
			return 0;
		}
		if (bucket->overflow == 0 || probe.left == 0)
			return -ENOENT;
		probe.left--;
		probe.bucket = next_bucket(index, probe.bucket, probe.stride);
		probe.matches = session_bucket_match(&index->buckets[probe.bucket], probe.tag);
	}
}
