// SPDX-License-Identifier: Apache-2.0

// What was delivered, without its bytes: a digest of each delivery, so that a segment which is sent
// again with other bytes is found although the first version went by without a copy.
//
// Known are the last STREAM_DIGESTS deliveries of a direction. A segment is compared with those
// that lie within it whole: a sender's retransmission has the boundaries of its segments, or those
// of several joined. Not found are other bytes in a part of a delivery only (a segment cut anew),
// in older deliveries, and in what the receiver has acknowledged, which it will not take again (and
// where keep-alives send what they like). The digest is keyed: nobody can look for two segments
// that have the same one. It is not one for signatures: 64 bits, folded multiplications.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session/stream.h"

#define STREAM_DIGESTS 63u // a block of 1 KiB

// Remember bytes that were delivered. They are not known when there is no memory for it: half of
// the pool is left to what is held.
void stream_digest_add(struct stream_memory *memory, struct stream_direction *direction,
		       const struct stream_chunk *chunk);

// Where a segment contradicts deliveries that end behind acked (an offset). Returns false when it
// does nowhere; otherwise the chunk is what it says from the first delivery that differs to the
// last.
bool stream_digest_find_difference(const struct stream_memory *memory,
				   const struct stream_direction *direction,
				   const struct stream_segment *segment, int64_t acked,
				   struct stream_chunk *ret_chunk);

void stream_digest_clear(struct stream_memory *memory, struct stream_direction *direction);
