// SPDX-License-Identifier: Apache-2.0

// Captures made in memory for the tests, in either byte order, put against a page that can't be
// touched: a read past the end ends the test.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct capture_bytes {
	uint8_t bytes[4096];
	size_t size;
	bool big_endian;
};

static inline void put_bytes(struct capture_bytes *capture, const void *bytes, size_t size)
{
	memcpy(capture->bytes + capture->size, bytes, size);
	capture->size += size;
}

static inline void put16(struct capture_bytes *capture, uint16_t value)
{
	uint8_t low = (uint8_t)value, high = (uint8_t)(value >> 8);
	put_bytes(capture, capture->big_endian ? (uint8_t[]){high, low} : (uint8_t[]){low, high},
		  2);
}

static inline void put32(struct capture_bytes *capture, uint32_t value)
{
	put16(capture, (uint16_t)(capture->big_endian ? value >> 16 : value));
	put16(capture, (uint16_t)(capture->big_endian ? value : value >> 16));
}

static inline void put64(struct capture_bytes *capture, uint64_t value)
{
	put32(capture, (uint32_t)(capture->big_endian ? value >> 32 : value));
	put32(capture, (uint32_t)(capture->big_endian ? value : value >> 32));
}

// Bytes with an inaccessible page behind them.
struct guarded {
	uint8_t *mapping;
	size_t mapping_size;
	uint8_t *bytes;
};

static inline struct guarded guard(const uint8_t *bytes, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (size + page - 1) / page * page;
	struct guarded guarded = {.mapping_size = room + page};
	void *mapping = mmap(NULL, guarded.mapping_size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapping == MAP_FAILED || mprotect((uint8_t *)mapping + room, page, PROT_NONE) < 0)
		return (struct guarded){0};
	guarded.mapping = mapping;
	guarded.bytes = guarded.mapping + room - size;
	memcpy(guarded.bytes, bytes, size);
	return guarded;
}

static inline void unguard(const struct guarded *guarded)
{
	munmap(guarded->mapping, guarded->mapping_size);
}
