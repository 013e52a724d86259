// SPDX-License-Identifier: Apache-2.0

#include "session/index.h"

#include <errno.h>
#include <string.h>

#include "session/memory.h"
#include "tag_match.h"

#define PIECE ((size_t)2 << 20) // bytes given back at once

static const uint8_t strides[8] = {3, 5, 7, 11, 13, 17, 19, 23};

static uint64_t first_of(uint64_t hash, uint64_t bucket_count)
{
	return (uint64_t)(((unsigned __int128)hash * bucket_count) >> 64);
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

static uint64_t next_bucket(uint64_t bucket_count, uint64_t bucket, uint32_t stride)
{
	uint64_t next = bucket + stride;
	return next < bucket_count ? next : next % bucket_count;
}

static bool has_common_divisor(uint64_t count)
{
	for (unsigned i = 0; i < 8; i++) {
		if (count % strides[i] == 0)
			return true;
	}
	return false;
}

static uint64_t bucket_count_for(uint64_t capacity)
{
	uint64_t count = (capacity + SESSION_BUCKET_LOAD - 1) / SESSION_BUCKET_LOAD;
	if (count < 2)
		count = 2;
	while (has_common_divisor(count))
		count++;
	return count;
}

// Capacity while `halvings` doublings are still to come.
static uint64_t stage_capacity(uint64_t capacity, unsigned halvings)
{
	return (capacity + (UINT64_C(1) << halvings) - 1) >> halvings;
}

int session_index_init(struct session_index *index, uint64_t capacity)
{
	memset(index, 0, sizeof(*index));
	uint64_t count = bucket_count_for(capacity);
	index->buckets = memory_reserve(count * sizeof(struct session_bucket), &index->bytes);
	if (index->buckets == NULL)
		return -ENOMEM;
	index->bucket_count = count;
	index->capacity = capacity;
	index->grow_at = UINT64_MAX;
	return 0;
}

int session_index_init_growing(struct session_index *index, uint64_t capacity,
			       const struct session_index_ops *ops, void *owner)
{
	unsigned halvings = 0;
	while (stage_capacity(capacity, halvings) > SESSION_INDEX_FIRST)
		halvings++;
	int result = session_index_init(index, stage_capacity(capacity, halvings));
	if (result != 0)
		return result;
	index->grow_at = halvings > 0 ? index->capacity : UINT64_MAX;
	index->capacity = capacity;
	index->halvings = halvings;
	index->ops = ops;
	index->owner = owner;
	return 0;
}

static void release_old(struct session_index *index)
{
	memory_release(index->old_buckets, index->old_bytes);
	index->old_buckets = NULL;
	index->old_count = 0;
	index->old_bytes = 0;
	index->old_next = 0;
}

void session_index_fini(struct session_index *index)
{
	release_old(index);
	memory_release(index->buckets, index->bytes);
	memset(index, 0, sizeof(*index));
}

uint64_t session_index_get_bytes(const struct session_index *index)
{
	if (!session_index_is_growing(index))
		return index->bytes;
	uint64_t given_back = index->old_next * sizeof(struct session_bucket) / PIECE * PIECE;
	uint64_t begun =
		first_of(UINT64_MAX / index->old_count * index->old_next, index->bucket_count) *
			sizeof(struct session_bucket) +
		PIECE;
	return index->old_bytes - given_back + (begun < index->bytes ? begun : index->bytes);
}

// The first candidate of a hash in a bucket, or 0.
static inline uint32_t find_in(const struct session_bucket *bucket, uint64_t hash)
{
	uint32_t matches = session_bucket_match(bucket, tag_of(hash));
	return __builtin_expect(matches != 0, true) ? bucket->entry[__builtin_ctz(matches)] : 0;
}

static const struct session_bucket *get_second(const struct session_index *index, uint64_t hash)
{
	return &index->buckets[next_bucket(index->bucket_count, first_of(hash, index->bucket_count),
					   stride_of(hash))];
}

uint32_t session_index_find_second(const struct session_index *index, uint64_t hash)
{
	if (index->buckets[first_of(hash, index->bucket_count)].overflow == 0)
		return 0;
	return find_in(get_second(index, hash), hash);
}

// Where a hash is while the index grows, but for those that found their bucket full.
static bool is_old(const struct session_index *index, uint64_t hash)
{
	return index->old_buckets != NULL && first_of(hash, index->old_count) >= index->old_next;
}

static const struct session_bucket *get_home(const struct session_index *index, uint64_t hash)
{
	return is_old(index, hash) ? &index->old_buckets[first_of(hash, index->old_count)]
				   : &index->buckets[first_of(hash, index->bucket_count)];
}

void session_index_prefetch(const struct session_index *index, const uint64_t *hashes, size_t count)
{
	bool growing = session_index_is_growing(index);
	for (size_t i = 0; !growing && i < count; i++)
		__builtin_prefetch(&index->buckets[first_of(hashes[i], index->bucket_count)]);
	for (size_t i = 0; growing && i < count; i++)
		__builtin_prefetch(get_home(index, hashes[i]));
	// GCC takes a function that does nothing but prefetch for one without effect, and drops
	// calls of it.
	__asm__ volatile("");
}

// Nothing but this in the loop: the processor goes on to the next buckets while it waits for one.
void session_index_find(const struct session_index *index, const uint64_t *hashes, size_t count,
			uint32_t *ret_entries)
{
	bool growing = session_index_is_growing(index);
	for (size_t i = 0; growing && i < count; i++)
		ret_entries[i] = find_in(get_home(index, hashes[i]), hashes[i]);
	for (size_t i = 0; !growing && i < count; i++) {
		const struct session_bucket *bucket =
			&index->buckets[first_of(hashes[i], index->bucket_count)];
		ret_entries[i] = find_in(bucket, hashes[i]);
		if (__builtin_expect(ret_entries[i] == 0, false) && bucket->overflow != 0)
			__builtin_prefetch(get_second(index, hashes[i]));
	}
}

static void probe_array(struct session_probe *probe, const struct session_bucket *buckets,
			uint64_t bucket_count)
{
	probe->buckets = buckets;
	probe->bucket_count = bucket_count;
	probe->bucket = first_of(probe->hash, bucket_count);
	probe->matches = session_bucket_match(&buckets[probe->bucket], probe->tag);
	probe->left = bucket_count - 1;
}

void session_probe_init(struct session_probe *probe, const struct session_index *index,
			uint64_t hash)
{
	probe->hash = hash;
	probe->tag = tag_of(hash);
	probe->stride = stride_of(hash);
	probe->old_too = session_index_is_growing(index);
	probe_array(probe, index->buckets, index->bucket_count);
}

// Go on to the next bucket. Returns false at the end of the last array.
static bool probe_step(struct session_probe *probe, const struct session_index *index)
{
	if (probe->buckets[probe->bucket].overflow != 0 && probe->left > 0) {
		probe->left--;
		probe->bucket = next_bucket(probe->bucket_count, probe->bucket, probe->stride);
		probe->matches = session_bucket_match(&probe->buckets[probe->bucket], probe->tag);
		return true;
	}
	if (!probe->old_too)
		return false;
	probe->old_too = false;
	probe_array(probe, index->old_buckets, index->old_count);
	return true;
}

uint32_t session_probe_next(struct session_probe *probe, const struct session_index *index)
{
	while (probe->matches == 0) {
		if (!probe_step(probe, index))
			return 0;
	}
	unsigned slot = (unsigned)__builtin_ctz(probe->matches);
	probe->matches &= probe->matches - 1;
	return probe->buckets[probe->bucket].entry[slot];
}

static void overflow_add(struct session_bucket *bucket, int difference)
{
	// Saturated for ever: how many it was is no longer known.
	if (bucket->overflow != UINT16_MAX)
		bucket->overflow = (uint16_t)(bucket->overflow + difference);
}

// Into the first bucket with room on the hash's path. may_wrap: past the end of the array too.
// Returns 0 or -ENOSPC: nothing has changed.
static int insert_into(struct session_bucket *buckets, uint64_t bucket_count, uint64_t hash,
		       uint32_t entry, bool may_wrap)
{
	const uint32_t all = (1u << SESSION_BUCKET_SLOTS) - 1;
	uint32_t stride = stride_of(hash);
	uint64_t place = first_of(hash, bucket_count);
	for (uint64_t passed = 0; (~(uint32_t)buckets[place].used & all) == 0; passed++) {
		uint64_t next = next_bucket(bucket_count, place, stride);
		if (passed + 1 == bucket_count || (next < place && !may_wrap))
			return -ENOSPC;
		place = next;
	}
	for (uint64_t full = first_of(hash, bucket_count); full != place;
	     full = next_bucket(bucket_count, full, stride))
		overflow_add(&buckets[full], 1);
	struct session_bucket *bucket = &buckets[place];
	unsigned slot = (unsigned)__builtin_ctz(~(uint32_t)bucket->used & all);
	bucket->tag[slot] = tag_of(hash);
	bucket->entry[slot] = entry;
	bucket->used = (uint16_t)(bucket->used | 1u << slot);
	return 0;
}

// Move an entry of the old array to the new one. Returns 0 or -ENOSPC.
static int move(struct session_index *index, struct session_bucket *bucket, unsigned slot)
{
	uint32_t entry = bucket->entry[slot];
	int result = insert_into(index->buckets, index->bucket_count,
				 index->ops->hash(index->owner, entry), entry, true);
	if (result != 0)
		return result;
	index->moved++;
	bucket->used = (uint16_t)(bucket->used & ~(1u << slot));
	return 0;
}

// The memory of entries that move with the next steps.
static void fetch_upcoming(const struct session_index *index)
{
	uint64_t next = index->old_next + 1;
	if (next + 1 < index->old_count)
		__builtin_prefetch(&index->old_buckets[next + 1]);
	if (next >= index->old_count)
		return;
	for (uint32_t used = index->old_buckets[next].used; used != 0; used &= used - 1)
		index->ops->upcoming(index->owner,
				     index->old_buckets[next].entry[__builtin_ctz(used)]);
}

// One bucket moves.
static void grow_step(struct session_index *index)
{
	struct session_bucket *bucket = &index->old_buckets[index->old_next];
	fetch_upcoming(index);
	while (bucket->used != 0) {
		if (move(index, bucket, (unsigned)__builtin_ctz(bucket->used)) != 0)
			return;
	}
	index->old_next++;
	size_t passed = index->old_next * sizeof(struct session_bucket);
	if (index->old_next == index->old_count)
		release_old(index);
	else if (passed % PIECE == 0)
		memory_give_back((uint8_t *)index->old_buckets + passed - PIECE, PIECE);
}

// The index is full: its array becomes the old one. Without memory it stays, and fills up further.
static void grow_begin(struct session_index *index)
{
	uint64_t capacity = stage_capacity(index->capacity, index->halvings - 1);
	uint64_t bucket_count = bucket_count_for(capacity);
	size_t bytes;
	struct session_bucket *buckets =
		memory_reserve(bucket_count * sizeof(struct session_bucket), &bytes);
	if (buckets == NULL) {
		index->grow_at += index->grow_at / 8 + 1;
		return;
	}
	index->old_buckets = index->buckets;
	index->old_count = index->bucket_count;
	index->old_bytes = index->bytes;
	index->old_next = 0;
	index->buckets = buckets;
	index->bucket_count = bucket_count;
	index->bytes = bytes;
	index->halvings--;
	index->grow_at = index->halvings > 0 ? capacity : UINT64_MAX;
}

int session_index_insert(struct session_index *index, uint64_t hash, uint32_t entry)
{
	if (index->count >= index->grow_at && !session_index_is_growing(index))
		grow_begin(index);
	if (session_index_is_growing(index))
		grow_step(index);
	int result = -ENOSPC;
	if (is_old(index, hash))
		result = insert_into(index->old_buckets, index->old_count, hash, entry, false);
	if (result != 0)
		result = insert_into(index->buckets, index->bucket_count, hash, entry, true);
	if (result == 0)
		index->count++;
	return result;
}

static struct session_bucket *bucket_of(const struct session_index *index,
					const struct session_probe *probe)
{
	return probe->buckets == index->buckets ? &index->buckets[probe->bucket]
						: &index->old_buckets[probe->bucket];
}

static void remove_at(struct session_index *index, const struct session_probe *probe, unsigned slot)
{
	struct session_bucket *found = bucket_of(index, probe);
	struct session_probe path = *probe;
	found->used = (uint16_t)(found->used & ~(1u << slot));
	for (path.bucket = first_of(probe->hash, probe->bucket_count); path.bucket != probe->bucket;
	     path.bucket = next_bucket(path.bucket_count, path.bucket, path.stride))
		overflow_add(bucket_of(index, &path), -1);
	index->count--;
}

int session_index_remove(struct session_index *index, uint64_t hash, uint32_t entry)
{
	struct session_probe probe;
	session_probe_init(&probe, index, hash);
	do {
		for (uint32_t matches = probe.matches; matches != 0; matches &= matches - 1) {
			unsigned slot = (unsigned)__builtin_ctz(matches);
			if (probe.buckets[probe.bucket].entry[slot] == entry) {
				remove_at(index, &probe, slot);
				return 0;
			}
		}
	} while (probe_step(&probe, index));
	return -ENOENT;
}
