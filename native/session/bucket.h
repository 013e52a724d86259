// SPDX-License-Identifier: Apache-2.0

// One bucket of the index; see index.h.
#pragma once

#include <stdint.h>

#define SESSION_BUCKET_SLOTS 10

struct session_bucket {
	uint16_t tag[SESSION_BUCKET_SLOTS];
	uint16_t overflow; // entries that had to go further
	uint16_t used; // bit per slot
	uint32_t entry[SESSION_BUCKET_SLOTS];
};
_Static_assert(sizeof(struct session_bucket) == 64, "one cache line");
