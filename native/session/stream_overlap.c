// SPDX-License-Identifier: Apache-2.0

#include "session/stream_overlap.h"

#include <stellar/engine.h>

// End of the segment, joined with those that began where it ended, that a piece came in; or where
// it leaves the range, which is as good.
static uint64_t find_segment_end(const struct stream_memory *memory,
				 const struct stream_direction *direction,
				 const struct stream_piece *piece, uint64_t enough)
{
	uint64_t origin = piece->start - piece->lead;
	for (;;) {
		uint64_t end = stream_piece_end(piece);
		uint32_t next = stream_pieces_ceiling(&memory->pool, direction->held, end);
		if (next == 0 || end >= enough)
			return end;
		piece = stream_piece_at(&memory->pool, next);
		if (piece->start != end || piece->start - piece->lead != origin)
			return end;
	}
}

uint64_t stream_overlap_get_end(const struct stream_memory *memory,
				const struct stream_direction *direction,
				const struct stream_piece *piece)
{
	return find_segment_end(memory, direction, piece, UINT64_MAX);
}

// The held piece that counts as before a range in Solaris's list. A segment that starts where
// another does goes before it, but after the first of the list.
static bool is_before(const struct stream_memory *memory, const struct stream_direction *direction,
		      const struct stream_range *range, const struct stream_piece *piece)
{
	if (piece->start != range->start)
		return piece->start < range->start;
	uint32_t first = stream_pieces_first(&memory->pool, direction->held);
	return piece == stream_piece_at(&memory->pool, first);
}

void stream_overlap_cut(const struct stream_memory *memory,
			const struct stream_direction *direction, struct stream_range *range)
{
	if (direction->profile != STELLAR_TARGET_SOLARIS)
		return;
	uint32_t id = stream_pieces_floor(&memory->pool, direction->held, range->end - 1);
	if (id == 0)
		return;
	const struct stream_piece *last = stream_piece_at(&memory->pool, id);
	if (last->start > range->start && stream_piece_end(last) > range->end)
		range->end = last->start;
}

// The same for one piece after the other that came in the range's own segment: those that are
// joined end together, which is looked for once. Otherwise a segment sent again would cost the
// square of the pieces it is held in.
static uint64_t find_joined_end(const struct stream_memory *memory,
				const struct stream_direction *direction,
				struct stream_range *range, const struct stream_piece *piece)
{
	if (piece->start >= range->joined_end)
		range->joined_end = find_segment_end(memory, direction, piece, range->end);
	return range->joined_end;
}

bool stream_overlap_replaces(const struct stream_memory *memory,
			     const struct stream_direction *direction, struct stream_range *range,
			     const struct stream_piece *piece)
{
	uint64_t origin = piece->start - piece->lead;

	switch (direction->profile) {
	case STELLAR_TARGET_LAST:
		return true;
	case STELLAR_TARGET_BSD:
	case STELLAR_TARGET_WINDOWS:
		return range->start < piece->start;
	case STELLAR_TARGET_BSD_RIGHT:
		return range->start >= piece->start;
	case STELLAR_TARGET_SOLARIS:
		if (is_before(memory, direction, range, piece))
			return stream_piece_end(piece) < range->end;
		return stream_piece_end(piece) <= range->end;
	case STELLAR_TARGET_LINUX:
		if (range->origin != origin)
			return range->origin < origin;
		return find_joined_end(memory, direction, range, piece) < range->end;
	default: // first
		return false;
	}
}

// Linux looks through a tree of segments from its root, and joins the new one to the first that
// ends where it begins, unless it met one first in which it begins. The older one is the nearer to
// the root: always where two are held; more may have been turned.
uint64_t stream_overlap_get_origin(const struct stream_memory *memory,
				   const struct stream_direction *direction, uint64_t start)
{
	if (direction->profile != STELLAR_TARGET_LINUX || start == 0)
		return start;
	uint32_t before_id = stream_pieces_floor(&memory->pool, direction->held, start - 1);
	uint32_t at_id = stream_pieces_floor(&memory->pool, direction->held, start);
	if (before_id == 0 || at_id == before_id)
		return start;
	const struct stream_piece *before = stream_piece_at(&memory->pool, before_id);
	const struct stream_piece *at = stream_piece_at(&memory->pool, at_id);
	uint64_t origin = before->start - before->lead;
	if (stream_piece_end(before) != start || before->serial >= at->serial ||
	    at->start - at->lead == origin)
		return start;
	return origin;
}

bool stream_overlap_joins(const struct stream_direction *direction)
{
	return direction->profile == STELLAR_TARGET_LINUX ||
	       direction->profile == STELLAR_TARGET_FIRST ||
	       direction->profile == STELLAR_TARGET_LAST;
}
