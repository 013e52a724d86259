// SPDX-License-Identifier: Apache-2.0

// Whose bytes stay where a new segment overlaps a held piece: the profiles of stream.h. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session/stream.h"

// What is new of a segment, by offsets.
struct stream_range {
	uint64_t start;
	uint64_t end;
	const uint8_t *data; // at start
	uint64_t origin; // where its segment starts, joined with the one before it
	uint64_t joined_end; // of held pieces of the same origin, when one was looked at; else 0
	bool has_fin; // its last number is a FIN's
};

// Cut the end of a range off that the profile never takes from it. The range stays not empty.
void stream_overlap_cut(const struct stream_memory *memory,
			const struct stream_direction *direction, struct stream_range *range);

// Whether the new range's bytes replace those of a piece it overlaps. Asked of one after the other,
// from left to right.
bool stream_overlap_replaces(const struct stream_memory *memory,
			     const struct stream_direction *direction, struct stream_range *range,
			     const struct stream_piece *piece);

// End of the segment that a piece came in, joined with those that began where it ended.
uint64_t stream_overlap_get_end(const struct stream_memory *memory,
				const struct stream_direction *direction,
				const struct stream_piece *piece);

// Where the segment starts that a new one from start on is joined to before it is compared; start
// when it is joined to none.
uint64_t stream_overlap_get_origin(const struct stream_memory *memory,
				   const struct stream_direction *direction, uint64_t start);

// Whether a segment that begins where a piece ends may lie in the same block: where pieces start
// then decides nothing.
bool stream_overlap_joins(const struct stream_direction *direction);
