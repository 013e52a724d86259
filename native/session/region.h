// SPDX-License-Identifier: Apache-2.0

// Memory that outlives its process: files of a memory filesystem, mapped shared. What a killed
// process had stored is there, whole up to the instruction it died at, when the next one maps the
// same file.
//
// A directory belongs to one engine: it is made with mode 0700, and locked for as long as its
// descriptor is open, so that nobody maps what another changes. It must lie in a tmpfs or a
// hugetlbfs: on a disk each changed page would be written back for nothing.
//
// A file is a header and arrays of records, each at a multiple of 2 MiB. It is sparse: records get
// memory when region_array_reach asks for it, and only those may be touched (the filesystem may be
// full: touching others would kill the process). On hugetlbfs all of them have it from the start,
// or the file is not made. `identity` stands for everything that makes the bytes mean something:
// a file of another one is refused. Contents are the owner's to check, nothing in them is trusted.
//
// Control thread, but for region_array_reach: the worker's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGION_ARRAYS_MAX 4
#define REGION_HEADER_MAX 65536u // bytes of the owner's header
#define REGION_RECORD_MAX (16u << 20) // bytes

struct region;

struct region_array {
	struct region *region;
	uint8_t *records;
	size_t record_size;
	uint64_t capacity; // records
	uint64_t ready; // of them, from the first, that have memory
};

struct region_shape {
	uint64_t identity;
	size_t header_size; // the owner's header, zeroed at first
	uint32_t array_count;
	struct {
		size_t record_size;
		uint64_t capacity;
	} array[REGION_ARRAYS_MAX];
};

struct region {
	uint8_t *base;
	size_t size;
	void *header; // the owner's
	uint32_t array_count;
	struct region_array array[REGION_ARRAYS_MAX];
};

// Make (with its last component only) and lock a directory. Returns a descriptor to close; -EBUSY
// when another process has it locked, -EPERM when it is not ours alone, -EMEDIUMTYPE when its
// filesystem keeps files elsewhere than in memory, or another -errno.
int region_directory_open(const char *path);

// A new file under a name of its own until region_publish. Returns 0; -ENOSPC when huge pages or
// memory are short, or another -errno.
int region_create(int directory, const char *name, const struct region_shape *shape,
		  struct region **ret_region);
// Put a created file under its name, in place of the one there. Returns 0 or -errno.
int region_publish(int directory, const char *name);

// Map a file that is there. A record size of 0 stands for that of the file. Returns 0; -ENOENT;
// -ESTALE when it is of another shape; -EBADMSG when it is no such file or was cut; or another
// -errno.
int region_open(int directory, const char *name, const struct region_shape *shape,
		struct region **ret_region);

// Unmap; the file stays. Accepts NULL.
void region_close(struct region *region);

// Delete files of a name, published or not.
void region_remove(int directory, const char *name);

// Have memory for the first count records. Returns false when there is none.
static inline bool region_array_reach(struct region_array *array, uint64_t count);

// FNV-1a over bytes, for identities. Start with REGION_IDENTITY_START.
#define REGION_IDENTITY_START UINT64_C(0xcbf29ce484222325)
uint64_t region_identity_add(uint64_t identity, const void *bytes, size_t size);

bool region_array_grow(struct region_array *array, uint64_t count);

static inline bool region_array_reach(struct region_array *array, uint64_t count)
{
	return count <= array->ready || region_array_grow(array, count);
}
