// SPDX-License-Identifier: Apache-2.0

// Large zeroed arrays outside the heap: reserved whole, populated page by page as they are touched.
// From the pool of 2 MiB pages when it has enough of them, else ordinary pages that the kernel is
// advised to make huge. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MEMORY_PREPARED_PAGES 2u // of 2 MiB

// Returns the address, aligned to 2 MiB when bytes is at least that, and what to give
// memory_release; or NULL.
void *memory_reserve(size_t bytes, size_t *ret_reserved);

// Bytes that an area takes, of which the first `used` bytes have been touched: whole pages.
size_t memory_get_touched(size_t used, size_t reserved);

// Touch the first page behind the `used` bytes, and behind *ready, unless MEMORY_PREPARED_PAGES are
// ready already. Small areas are left alone. Returns whether it did something.
bool memory_prepare(void *area, size_t reserved, size_t used, size_t *ready);

// Give the pages of a piece back to the system, both multiples of 2 MiB; they read as zeros
// afterwards.
void memory_give_back(void *address, size_t bytes);

// Accepts NULL.
void memory_release(void *address, size_t reserved);
