// SPDX-License-Identifier: Apache-2.0

// Comparing the tags of a bucket, any machine.
#pragma once

#include <stdint.h>

#include "session/bucket.h"

// Bits of the used slots whose tag it is.
static inline uint32_t session_bucket_match(const struct session_bucket *bucket, uint16_t tag)
{
	uint32_t matches = 0;
	for (unsigned slot = 0; slot < SESSION_BUCKET_SLOTS; slot++)
		matches |= (uint32_t)(bucket->tag[slot] == tag) << slot;
	return matches & bucket->used;
}
