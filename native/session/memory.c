// SPDX-License-Identifier: Apache-2.0

#include "session/memory.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_PAGE_SHIFT 21

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

// Ordinary pages, aligned to a huge one so that the kernel can put one there: map too much, give
// the ends back.
static void *reserve_aligned(size_t bytes)
{
	uint8_t *area = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	size_t head = round_up((uintptr_t)area, HUGE_PAGE) - (uintptr_t)area;
	if (head != 0)
		munmap(area, head);
	munmap(area + head + bytes, HUGE_PAGE - head);
	madvise(area + head, bytes, MADV_HUGEPAGE); // advice: it may well be refused
	return area + head;
}

void *memory_reserve(size_t bytes, size_t *ret_reserved)
{
	void *area;
	if (bytes == 0 || bytes > SIZE_MAX / 2)
		return NULL;
	if (bytes < HUGE_PAGE) {
		bytes = round_up(bytes, (size_t)sysconf(_SC_PAGESIZE));
		area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		if (area == MAP_FAILED)
			return NULL;
	} else {
		bytes = round_up(bytes, HUGE_PAGE);
		// No MAP_NORESERVE here: the pool must have all pages now, or touching one
		// later would kill the process.
		area = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
				    (HUGE_PAGE_SHIFT << MAP_HUGE_SHIFT),
			    -1, 0);
		if (area == MAP_FAILED)
			area = reserve_aligned(bytes);
		if (area == NULL)
			return NULL;
	}
	*ret_reserved = bytes;
	return area;
}

size_t memory_get_touched(size_t used, size_t reserved)
{
	used = round_up(used, reserved < HUGE_PAGE ? (size_t)sysconf(_SC_PAGESIZE) : HUGE_PAGE);
	return used < reserved ? used : reserved;
}

bool memory_prepare(void *area, size_t reserved, size_t used, size_t *ready)
{
	used = round_up(used, HUGE_PAGE);
	if (*ready < used)
		*ready = used;
	if (reserved < HUGE_PAGE || *ready >= reserved ||
	    *ready >= used + MEMORY_PREPARED_PAGES * HUGE_PAGE)
		return false;
	// Where the system gives no huge page this is a small one, and the rest comes when needed.
	*((volatile uint8_t *)area + *ready) = 0;
	*ready += HUGE_PAGE;
	return true;
}

void memory_give_back(void *address, size_t bytes)
{
	madvise(address, bytes, MADV_DONTNEED);
}

void memory_release(void *address, size_t reserved)
{
	if (address != NULL)
		munmap(address, reserved);
}
