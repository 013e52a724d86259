// SPDX-License-Identifier: Apache-2.0

// Comparing all tags of a bucket at once; x86-64 with SSE2, which every one of them has.
#pragma once

#include <emmintrin.h>
#include <stdint.h>

#include "session/bucket.h"

// Bits of the used slots whose tag it is. The second load reads past the tags, within the bucket;
// `used` has no bit there.
static inline uint32_t session_bucket_match(const struct session_bucket *bucket, uint16_t tag)
{
	const __m128i *tags = (const __m128i *)(const void *)bucket;
	__m128i wanted = _mm_set1_epi16((short)tag);
	__m128i low = _mm_cmpeq_epi16(_mm_load_si128(tags), wanted);
	__m128i high = _mm_cmpeq_epi16(_mm_load_si128(tags + 1), wanted);
	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high)) & bucket->used;
}
