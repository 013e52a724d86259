// SPDX-License-Identifier: Apache-2.0

// The index of the session table: from a 64-bit hash to the 32-bit indices that may have it.
//
// An array of 64-byte buckets with room for ten entries each: a 16-bit tag of the hash and an
// index. A hash names its first bucket and a stride; an entry stands in the first bucket with room
// along that path. Each full bucket that an insertion passes counts it in `overflow`, and a removal
// takes it back along the same path, so a search stops at the first bucket that nothing passed
// (F14's way, Bronson and Shi 2019): there are no tombstones and no rehash. One compare looks at
// all tags of a bucket (tag_match.h, chosen by the build).
//
// The bucket count is not a power of two, so that any capacity costs 9.1 bytes a session: the first
// bucket is hash * count / 2^64, strides are small primes that do not divide the count, so a path
// visits every bucket. overflow saturates: a bucket that 65535 insertions passed is passed for
// ever.
//
// Growth. An index made with session_index_init_growing begins small and doubles whenever it is as
// full as it may be, until it has its whole capacity. The entries of the old array move to the new
// one bucket by bucket, from the first, one bucket an insertion: no insertion moves more than
// SESSION_INDEX_MOVES entries, and all have moved long before the next doubling. As the first
// bucket follows the hash's size, the old array empties from its beginning while the new one fills
// from its beginning, so that memory is touched, and given back, piece by piece. Until the end a
// search looks into both; hints are looked for where the hash should be. What is where depends on
// the order of insertions and removals alone.
//
// The index holds no keys: the caller compares. Owner: one worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/bucket.h"

#define SESSION_BUCKET_LOAD 7 // sessions a bucket at capacity
#define SESSION_INDEX_FIRST 1024u // entries that a growing index begins with, at most
#define SESSION_INDEX_MOVES SESSION_BUCKET_SLOTS // entries an insertion moves at most

// What growth has to know about an entry.
struct session_index_ops {
	// The hash it was inserted with.
	uint64_t (*hash)(void *owner, uint32_t entry);
	// It will be asked for soon.
	void (*upcoming)(void *owner, uint32_t entry);
};

struct session_index {
	struct session_bucket *buckets;
	uint64_t bucket_count;
	size_t bytes; // mapped
	uint64_t count; // entries
	uint64_t grow_at; // count at which it doubles, UINT64_MAX: never
	uint64_t capacity; // at last
	unsigned halvings; // how often it still doubles
	const struct session_index_ops *ops;
	void *owner;
	uint64_t moved; // entries, by growth, ever
	// The array before the last doubling, NULL: all have moved.
	struct session_bucket *old_buckets;
	uint64_t old_count;
	size_t old_bytes;
	uint64_t old_next; // buckets before it are empty
};

// A search: candidates of one hash, one after the other.
struct session_probe {
	const struct session_bucket *buckets;
	uint64_t bucket_count;
	uint64_t hash;
	uint64_t bucket;
	uint32_t matches; // slots of this bucket not yet given
	uint32_t stride;
	uint64_t left; // buckets not yet visited
	uint16_t tag;
	bool old_too; // the old array comes after this one
};

// Room for capacity entries twice over (aliases) would be bucket_count * 10; see capacity in
// table.c. Returns 0 or -ENOMEM.
int session_index_init(struct session_index *index, uint64_t capacity);
// The same, beginning small.
int session_index_init_growing(struct session_index *index, uint64_t capacity,
			       const struct session_index_ops *ops, void *owner);
void session_index_fini(struct session_index *index);

// Bytes that have been touched, and not given back.
uint64_t session_index_get_bytes(const struct session_index *index);

// For a burst, in steps with other work between them: have the first buckets fetched; give the
// first candidate of each hash there, 0: none, and have the second bucket fetched for those that
// may be there; look there. Any count. Hints: nothing is missed by leaving them out.
void session_index_prefetch(const struct session_index *index, const uint64_t *hashes,
			    size_t count);
void session_index_find(const struct session_index *index, const uint64_t *hashes, size_t count,
			uint32_t *ret_entries);
uint32_t session_index_find_second(const struct session_index *index, uint64_t hash);

// Candidates one by one; 0 at the end.
void session_probe_init(struct session_probe *probe, const struct session_index *index,
			uint64_t hash);
uint32_t session_probe_next(struct session_probe *probe, const struct session_index *index);

// For all entries that are in already ops->hash has its answer. Returns 0 or -ENOSPC when every
// bucket is full.
int session_index_insert(struct session_index *index, uint64_t hash, uint32_t entry);

// Returns 0 or -ENOENT.
int session_index_remove(struct session_index *index, uint64_t hash, uint32_t entry);

static inline bool session_index_is_growing(const struct session_index *index)
{
	return index->old_buckets != NULL;
}
