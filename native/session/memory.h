// SPDX-License-Identifier: Apache-2.0

// Large zeroed arrays outside the heap: reserved whole, populated page by page as they are touched.
// From the pool of 2 MiB pages when it has enough of them, else ordinary pages that the kernel is
// advised to make huge. Any thread.
#pragma once

#include <stddef.h>

// Returns the address, aligned to 2 MiB when bytes is at least that, and what to give
// memory_release; or NULL.
void *memory_reserve(size_t bytes, size_t *ret_reserved);

// Accepts NULL.
void memory_release(void *address, size_t reserved);
