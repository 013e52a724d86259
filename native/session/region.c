// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "session/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

// statfs(2)
#define MAGIC_TMPFS 0x01021994
#define MAGIC_HUGETLBFS 0x958458f6

#define REGION_MAGIC "STLRMEM1"
#define HUGE_PAGE ((size_t)2 << 20)
#define GROWTH_STEP ((size_t)64 << 10) // some microseconds to clear
#define NAME_SIZE 128
#define SIZE_LIMIT ((uint64_t)1 << 46)

// What stands at the beginning of each file; the owner's header comes after it.
struct preamble {
	char magic[8];
	uint64_t identity;
	uint64_t size;
	uint32_t header_size;
	uint32_t array_count;
	struct {
		uint64_t record_size;
		uint64_t capacity;
	} array[REGION_ARRAYS_MAX];
};

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

uint64_t region_identity_add(uint64_t identity, const void *bytes, size_t size)
{
	const uint8_t *next = bytes;

	for (size_t i = 0; i < size; i++)
		identity = (identity ^ next[i]) * UINT64_C(0x100000001b3);
	return identity;
}

static int check_directory(int directory)
{
	struct stat status;
	struct statfs filesystem;

	if (fstat(directory, &status) != 0 || fstatfs(directory, &filesystem) != 0)
		return -errno;
	if (filesystem.f_type != MAGIC_TMPFS && filesystem.f_type != MAGIC_HUGETLBFS)
		return -EMEDIUMTYPE;
	if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	return flock(directory, LOCK_EX | LOCK_NB) == 0 ? 0
	       : errno == EWOULDBLOCK			? -EBUSY
							: -errno;
}

int region_directory_open(const char *path)
{
	if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
		return -errno;
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory < 0)
		return -errno;
	int result = check_directory(directory);

	if (result != 0) {
		close(directory);
		return result;
	}
	return directory;
}

static void new_name(const char *name, char *ret_name)
{
	snprintf(ret_name, NAME_SIZE, "%s.new", name);
}

// Size of a page of the file's filesystem, and whether it is one of huge pages.
static size_t page_size(int file, bool *ret_is_huge)
{
	struct statfs filesystem;

	*ret_is_huge = fstatfs(file, &filesystem) == 0 && filesystem.f_type == MAGIC_HUGETLBFS;
	return *ret_is_huge && (size_t)filesystem.f_bsize > HUGE_PAGE ? (size_t)filesystem.f_bsize
								      : HUGE_PAGE;
}

// Where everything stands. Returns the size of the file, 0 when it can't be.
static uint64_t lay_out(const struct region_shape *shape, size_t unit, uint64_t *ret_offsets)
{
	uint64_t size = round_up(sizeof(struct preamble) + shape->header_size, unit);

	for (uint32_t i = 0; i < shape->array_count; i++) {
		uint64_t bytes;

		if (__builtin_mul_overflow(shape->array[i].record_size, shape->array[i].capacity,
					   &bytes) ||
		    bytes > SIZE_LIMIT || size > SIZE_LIMIT)
			return 0;
		ret_offsets[i] = size;
		size += round_up(bytes, unit);
	}
	return size;
}

static void fill_preamble(struct preamble *preamble, const struct region_shape *shape,
			  uint64_t size)
{
	memset(preamble, 0, sizeof(*preamble));
	memcpy(preamble->magic, REGION_MAGIC, sizeof(preamble->magic));
	preamble->identity = shape->identity;
	preamble->size = size;
	preamble->header_size = (uint32_t)shape->header_size;
	preamble->array_count = shape->array_count;
	for (uint32_t i = 0; i < shape->array_count; i++) {
		preamble->array[i].record_size = shape->array[i].record_size;
		preamble->array[i].capacity = shape->array[i].capacity;
	}
}

// Have memory behind bytes of a mapping, or say so instead of dying of their touch.
static int populate(uint8_t *address, size_t size)
{
	return madvise(address, size, MADV_POPULATE_WRITE) == 0 ? 0 : -ENOSPC;
}

static int map(int file, const struct region_shape *shape, struct region **ret_region)
{
	bool is_huge;
	size_t unit = page_size(file, &is_huge);
	uint64_t offsets[REGION_ARRAYS_MAX];
	uint64_t size = lay_out(shape, unit, offsets);
	struct stat status;

	if (size == 0 || shape->header_size > REGION_HEADER_MAX)
		return -EINVAL;
	if (fstat(file, &status) != 0)
		return -errno;
	if ((uint64_t)status.st_size != size)
		return -EBADMSG;
	struct region *region = calloc(1, sizeof(*region));

	if (region == NULL)
		return -ENOMEM;
	region->size = size;
	region->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (region->base == MAP_FAILED ||
	    populate(region->base, sizeof(struct preamble) + shape->header_size) != 0) {
		if (region->base != MAP_FAILED)
			munmap(region->base, region->size);
		free(region);
		return -ENOSPC;
	}
	region->header = region->base + sizeof(struct preamble);
	region->array_count = shape->array_count;
	for (uint32_t i = 0; i < shape->array_count; i++)
		region->array[i] = (struct region_array){
			.region = region,
			.records = region->base + offsets[i],
			.record_size = shape->array[i].record_size,
			.capacity = shape->array[i].capacity,
			// Huge pages were reserved for the whole mapping.
			.ready = is_huge ? shape->array[i].capacity : 0,
		};
	*ret_region = region;
	return 0;
}

int region_create(int directory, const char *name, const struct region_shape *shape,
		  struct region **ret_region)
{
	char temporary[NAME_SIZE];
	uint64_t offsets[REGION_ARRAYS_MAX];
	bool is_huge;

	new_name(name, temporary);
	unlinkat(directory, temporary, 0);
	int file = openat(directory, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  S_IRUSR | S_IWUSR);

	if (file < 0)
		return -errno;
	uint64_t size = lay_out(shape, page_size(file, &is_huge), offsets);
	int result = size == 0 ? -EINVAL : ftruncate(file, (off_t)size) != 0 ? -errno : 0;

	if (result == 0)
		result = map(file, shape, ret_region);
	close(file);
	if (result == 0)
		fill_preamble((struct preamble *)(*ret_region)->base, shape, size);
	else
		unlinkat(directory, temporary, 0);
	return result;
}

int region_publish(int directory, const char *name)
{
	char temporary[NAME_SIZE];

	new_name(name, temporary);
	return renameat(directory, temporary, directory, name) == 0 ? 0 : -errno;
}

// A regular file of ours, whose preamble says what is expected.
static int check_file(int file, struct region_shape *shape)
{
	struct stat status;
	struct preamble found;
	struct preamble expected;

	if (fstat(file, &status) != 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_size < 0)
		return -EBADMSG;
	// Through a mapping: hugetlbfs has no write, and its read came late.
	if ((size_t)status.st_size < HUGE_PAGE)
		return -EBADMSG;
	const uint8_t *bytes = mmap(NULL, HUGE_PAGE, PROT_READ, MAP_SHARED, file, 0);

	if (bytes == MAP_FAILED)
		return -errno;
	memcpy(&found, bytes, sizeof(found));
	munmap((void *)bytes, HUGE_PAGE);
	if (memcmp(found.magic, REGION_MAGIC, sizeof(found.magic)) != 0 ||
	    found.size != (uint64_t)status.st_size)
		return -EBADMSG;
	for (uint32_t i = 0; i < shape->array_count; i++) {
		if (shape->array[i].record_size == 0)
			shape->array[i].record_size = found.array[i].record_size;
		if (shape->array[i].record_size == 0 ||
		    shape->array[i].record_size > REGION_RECORD_MAX)
			return -EBADMSG;
	}
	fill_preamble(&expected, shape, found.size);
	return memcmp(&found, &expected, sizeof(found)) == 0 ? 0 : -ESTALE;
}

int region_open(int directory, const char *name, const struct region_shape *shape,
		struct region **ret_region)
{
	struct region_shape found = *shape;
	int file = openat(directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (file < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	int result = check_file(file, &found);

	if (result == 0)
		result = map(file, &found, ret_region);
	close(file);
	return result;
}

void region_close(struct region *region)
{
	if (region == NULL)
		return;
	munmap(region->base, region->size);
	free(region);
}

void region_remove(int directory, const char *name)
{
	char temporary[NAME_SIZE];

	new_name(name, temporary);
	unlinkat(directory, temporary, 0);
	unlinkat(directory, name, 0);
}

bool region_array_grow(struct region_array *array, uint64_t count)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (count > array->capacity)
		return false;
	// The page that holds the last ready record has its memory already.
	size_t from = array->ready * array->record_size / page * page;
	size_t end = round_up(array->capacity * array->record_size, page);
	size_t to = round_up(count * array->record_size, GROWTH_STEP);

	to = to < end ? to : end;
	if (populate(array->records + from, to - from) != 0)
		return false;
	array->ready = to / array->record_size;
	if (array->ready > array->capacity)
		array->ready = array->capacity;
	return true;
}
