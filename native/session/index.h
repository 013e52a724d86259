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
// The index holds no keys: the caller compares. Owner: one worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_BUCKET_SLOTS 10
#define SESSION_BUCKET_LOAD 7 // sessions a bucket at capacity

struct session_bucket {
	uint16_t tag[SESSION_BUCKET_SLOTS];
	uint16_t overflow; // entries that had to go further
	uint16_t used; // bit per slot
	uint32_t entry[SESSION_BUCKET_SLOTS];
};
_Static_assert(sizeof(struct session_bucket) == 64, "one cache line");

struct session_index {
	struct session_bucket *buckets;
	uint64_t bucket_count;
	size_t bytes; // mapped
};

// A search: candidates of one hash, one after the other.
struct session_probe {
	uint64_t bucket;
	uint32_t matches; // slots of this bucket not yet given
	uint32_t stride;
	uint64_t left; // buckets not yet visited
	uint16_t tag;
};

// Room for capacity entries twice over (aliases) would be bucket_count * 10; see capacity in
// table.c. Returns 0 or -ENOMEM.
int session_index_init(struct session_index *index, uint64_t capacity);
void session_index_fini(struct session_index *index);

// For a burst, in steps with other work between them: have the first buckets fetched; give the
// first candidate of each hash there, 0: none, and have the second bucket fetched for those that
// may be there; look there. Any count.
void session_index_prefetch(const struct session_index *index, const uint64_t *hashes,
			    size_t count);
void session_index_find(const struct session_index *index, const uint64_t *hashes, size_t count,
			uint32_t *ret_entries);
uint32_t session_index_find_second(const struct session_index *index, uint64_t hash);

// Candidates one by one; 0 at the end.
void session_probe_init(struct session_probe *probe, const struct session_index *index,
			uint64_t hash);
uint32_t session_probe_next(struct session_probe *probe, const struct session_index *index);

// Returns 0 or -ENOSPC when every bucket is full.
int session_index_insert(struct session_index *index, uint64_t hash, uint32_t entry);

// Returns 0 or -ENOENT.
int session_index_remove(struct session_index *index, uint64_t hash, uint32_t entry);
