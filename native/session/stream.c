// SPDX-License-Identifier: Apache-2.0

#include "session/stream.h"

#include <errno.h>
#include <string.h>

#include <stellar/engine.h>

#include "session/stream_overlap.h"

// SplitMix64 (Steele, Lea, Flood 2014).
static uint64_t draw(struct stream_memory *memory)
{
	uint64_t value = memory->random += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

int stream_memory_init(struct stream_memory *memory, uint64_t memory_bytes, uint64_t held_bytes_max,
		       uint64_t kept_bytes_max, uint64_t seed)
{
	memset(memory, 0, sizeof(*memory));
	memory->random = seed;
	memory->held_bytes_max = held_bytes_max;
	memory->kept_bytes_max = kept_bytes_max;
	for (int i = 0; i < 4; i++)
		memory->digest_key[i] = draw(memory);
	return stream_pool_init(&memory->pool, memory_bytes);
}

void stream_memory_fini(struct stream_memory *memory)
{
	stream_pool_fini(&memory->pool);
}

void stream_direction_open(struct stream_direction *direction, uint32_t sequence)
{
	direction->base = sequence;
	direction->end = STREAM_NO_END;
	direction->is_open = true;
}

void stream_direction_clear(struct stream_memory *memory, struct stream_direction *direction)
{
	stream_pieces_clear(&memory->pool, &direction->held);
	memory->held_bytes -= direction->held_bytes;
	direction->held_bytes = 0;
	direction->has_pending = false;
}

uint32_t stream_get_next_sequence(const struct stream_direction *direction)
{
	return direction->base + (uint32_t)direction->next;
}

int64_t stream_get_offset_of(const struct stream_direction *direction, uint32_t sequence)
{
	return (int64_t)direction->next + (int32_t)(sequence - stream_get_next_sequence(direction));
}

// What is new of a segment. Returns false when nothing is.
static bool find_range(const struct stream_direction *direction,
		       const struct stream_segment *segment, struct stream_range *ret_range)
{
	int64_t start = stream_get_offset_of(direction, segment->sequence);
	int64_t end = start + segment->length + segment->has_fin;
	uint64_t old = start < (int64_t)direction->next ? direction->next - (uint64_t)start : 0;
	if (end <= (int64_t)direction->next)
		return false;
	ret_range->start = (uint64_t)start + old;
	ret_range->end = (uint64_t)end < direction->end ? (uint64_t)end : direction->end;
	ret_range->data = segment->data + old;
	ret_range->has_fin = segment->has_fin && ret_range->end == (uint64_t)end;
	ret_range->joined_end = 0;
	return ret_range->start < ret_range->end;
}

// The first piece that overlaps a range, or 0.
static uint32_t find_overlapped(const struct stream_memory *memory,
				const struct stream_direction *direction,
				const struct stream_range *range)
{
	const struct stream_pool *pool = &memory->pool;
	uint32_t id = stream_pieces_floor(pool, direction->held, range->start);
	if (id == 0 || stream_piece_end(stream_piece_at(pool, id)) <= range->start)
		id = stream_pieces_ceiling(pool, direction->held, range->start);
	return id != 0 && stream_piece_at(pool, id)->start < range->end ? id : 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

// The bytes from start to end at two places: widen [*first, *last) by those that differ.
static void widen_difference(const uint8_t *a, const uint8_t *b, uint64_t start, uint64_t end,
			     uint64_t *first, uint64_t *last)
{
	uint64_t length = end - start;
	if (memcmp(a, b, length) == 0)
		return;
	uint64_t low = 0;
	while (a[low] == b[low])
		low++;
	while (a[length - 1] == b[length - 1])
		length--;
	*first = earlier(*first, start + low);
	*last = later(*last, start + length);
}

bool stream_find_difference(const struct stream_memory *memory,
			    const struct stream_direction *direction,
			    const struct stream_segment *segment, struct stream_chunk *ret_chunk)
{
	struct stream_range range;
	uint64_t first = UINT64_MAX;
	uint64_t last = 0;
	if (direction->held == 0 || !find_range(direction, segment, &range))
		return false;
	uint32_t id = find_overlapped(memory, direction, &range);
	while (id != 0) {
		struct stream_piece *piece = stream_piece_at(&memory->pool, id);
		uint64_t start = later(range.start, piece->start);
		uint64_t end = earlier(range.end, stream_piece_end(piece));
		end -= range.has_fin && end == range.end;
		if (start >= end && piece->start >= range.end)
			break;
		if (start < end && !piece->is_fin)
			widen_difference(range.data + (start - range.start),
					 stream_piece_bytes(piece) + (start - piece->start), start,
					 end, &first, &last);
		id = stream_pieces_ceiling(&memory->pool, direction->held, stream_piece_end(piece));
	}
	if (first >= last)
		return false;
	*ret_chunk = (struct stream_chunk){
		.offset = first,
		.data = range.data + (first - range.start),
		.length = (uint32_t)(last - first),
	};
	return true;
}

static void put_piece(struct stream_memory *memory, struct stream_direction *direction, uint32_t id)
{
	uint32_t size = (uint32_t)stream_pool_get_size(&memory->pool, id);
	direction->held_bytes -= size;
	memory->held_bytes -= size;
	stream_pool_put(&memory->pool, id);
}

// A block for so many bytes, within the limit. Returns 0 and the id, -ENOSPC or -ENOMEM.
static int get_block(struct stream_memory *memory, struct stream_direction *direction,
		     uint64_t length, uint32_t *ret_id)
{
	size_t size = stream_pool_round(sizeof(struct stream_piece) + length);
	if (direction->held_bytes + size > memory->held_bytes_max)
		return -ENOSPC;
	*ret_id = stream_pool_get(&memory->pool, size);
	if (*ret_id == 0)
		return -ENOMEM;
	direction->held_bytes += (uint32_t)size;
	memory->held_bytes += size;
	return 0;
}

static struct stream_piece *fill_piece(struct stream_memory *memory,
				       struct stream_direction *direction, uint32_t id,
				       const struct stream_range *range, uint64_t lead)
{
	struct stream_piece *piece = stream_piece_at(&memory->pool, id);
	piece->start = range->start;
	piece->length = (uint32_t)(range->end - range->start);
	piece->skipped = 0;
	piece->lead = (uint32_t)lead;
	piece->priority = (uint32_t)(draw(memory) >> 32);
	piece->serial = memory->serial;
	piece->is_fin = range->has_fin;
	piece->is_behind_fin = false;
	if (!range->has_fin)
		memcpy(piece->bytes, range->data, piece->length);
	stream_pieces_insert(&memory->pool, &direction->held, id);
	return piece;
}

// Put bytes behind a piece that ends where they begin, when its block has room.
static bool append(struct stream_memory *memory, uint32_t id, const struct stream_range *range)
{
	struct stream_piece *piece = stream_piece_at(&memory->pool, id);
	uint64_t length = range->end - range->start;
	uint64_t used = sizeof(*piece) + piece->skipped + piece->length;
	if (piece->is_fin || range->has_fin)
		return false;
	if (used + length > stream_pool_get_size(&memory->pool, id))
		return false;
	memcpy(stream_piece_bytes(piece) + piece->length, range->data, length);
	piece->length += (uint32_t)length;
	return true;
}

// Copy a part of a segment, which starts at segment_start. What finds no room is lost, and will be
// missed as if it had never come.
static void hold(struct stream_memory *memory, struct stream_direction *direction,
		 const struct stream_range *range, uint64_t segment_start)
{
	uint64_t lead = range->start - segment_start;
	bool behind_fin = false;
	uint32_t id = stream_pieces_floor(&memory->pool, direction->held, range->start);
	if (id != 0 && lead == 0 && stream_overlap_joins(direction)) {
		const struct stream_piece *before = stream_piece_at(&memory->pool, id);
		if (stream_piece_end(before) == range->start) {
			if (append(memory, id, range))
				return;
			lead = range->start - (before->start - before->lead);
			behind_fin = before->is_fin || before->is_behind_fin;
		}
	}
	if (get_block(memory, direction, range->end - range->start, &id) == 0)
		fill_piece(memory, direction, id, range, lead)->is_behind_fin = behind_fin;
}

// Take [start, end), which lies within a piece, from it.
static void remove_range(struct stream_memory *memory, struct stream_direction *direction,
			 uint32_t id, uint64_t start, uint64_t end)
{
	struct stream_piece *piece = stream_piece_at(&memory->pool, id);
	uint64_t piece_end = stream_piece_end(piece);
	if (start == piece->start && end == piece_end) {
		stream_pieces_remove(&memory->pool, &direction->held, start);
		put_piece(memory, direction, id);
	} else if (start == piece->start) {
		uint32_t cut = (uint32_t)(end - start);
		piece->start += cut;
		piece->skipped += cut;
		piece->lead += cut;
		piece->length -= cut;
	} else {
		uint32_t tail_id;
		struct stream_range tail = {
			.start = end,
			.end = piece_end,
			.data = stream_piece_bytes(piece) + (end - piece->start),
		};
		uint64_t lead = end - (piece->start - piece->lead);
		piece->length = (uint32_t)(start - piece->start);
		if (end == piece_end ||
		    get_block(memory, direction, piece_end - end, &tail_id) != 0)
			return;
		struct stream_piece *rest = fill_piece(memory, direction, tail_id, &tail, lead);
		rest->is_behind_fin = piece->is_behind_fin;
		rest->serial = piece->serial;
	}
}

// What a segment keeps of its range goes one part after the other: to the packet's reader when it
// is next in order, else to a piece.
static void keep_part(struct stream_memory *memory, struct stream_direction *direction,
		      const struct stream_range *range, uint64_t start, uint64_t end,
		      struct stream_chunk *chunk)
{
	if (range->has_fin && start < end && end == range->end) {
		struct stream_range fin = {.start = end - 1, .end = end, .has_fin = true};
		keep_part(memory, direction, range, start, end - 1, chunk);
		hold(memory, direction, &fin, range->origin);
		return;
	}
	struct stream_range part = {
		.start = start, .end = end, .data = range->data + (start - range->start)};
	if (start >= end)
		return;
	if (start == direction->next) {
		chunk->offset = start;
		chunk->data = part.data;
		chunk->length = (uint32_t)(end - start);
	} else {
		hold(memory, direction, &part, range->origin);
	}
}

static void resolve(struct stream_memory *memory, struct stream_direction *direction,
		    struct stream_range *range, struct stream_chunk *chunk)
{
	stream_overlap_cut(memory, direction, range);
	memory->serial++;
	range->origin = stream_overlap_get_origin(memory, direction, range->start);
	uint64_t part_start = range->start;
	uint32_t id = find_overlapped(memory, direction, range);
	while (id != 0) {
		const struct stream_piece *piece = stream_piece_at(&memory->pool, id);
		uint64_t piece_start = piece->start;
		uint64_t piece_end = stream_piece_end(piece);
		if (piece_start >= range->end)
			break;
		if (stream_overlap_replaces(memory, direction, range, piece)) {
			remove_range(memory, direction, id, later(piece_start, range->start),
				     earlier(piece_end, range->end));
		} else {
			keep_part(memory, direction, range, part_start, piece_start, chunk);
			part_start = piece_end;
		}
		id = stream_pieces_ceiling(&memory->pool, direction->held, piece_end);
	}
	keep_part(memory, direction, range, part_start, range->end, chunk);
	direction->next += chunk->length;
}

// Whether a range can be held at all, asked before anything changes.
static int check_room(struct stream_memory *memory, struct stream_direction *direction,
		      const struct stream_range *range)
{
	uint32_t id;
	int result = get_block(memory, direction, range->end - range->start, &id);
	if (result == 0)
		put_piece(memory, direction, id);
	return result;
}

int stream_insert(struct stream_memory *memory, struct stream_direction *direction,
		  const struct stream_segment *segment, struct stream_chunk *ret_chunk)
{
	struct stream_range range;
	*ret_chunk = (struct stream_chunk){.offset = direction->next};
	if (!find_range(direction, segment, &range))
		return 0;
	if (range.start == direction->next && direction->held == 0) {
		ret_chunk->data = range.data;
		ret_chunk->length = (uint32_t)(range.end - range.start - range.has_fin);
		direction->next += ret_chunk->length;
		if (range.has_fin)
			direction->end = direction->next;
		return 0;
	}
	int result = range.start > direction->next ? check_room(memory, direction, &range) : 0;
	if (result == 0)
		resolve(memory, direction, &range, ret_chunk);
	return result;
}

// A FIN is next. What was joined to it from behind goes with it, as with Linux: its number is
// passed like that of an urgent byte.
static void finish(struct stream_memory *memory, struct stream_direction *direction, uint32_t id)
{
	const struct stream_piece *piece = stream_piece_at(&memory->pool, id);
	uint64_t start = piece->start;
	uint64_t end = stream_overlap_get_end(memory, direction, piece);
	stream_pieces_remove(&memory->pool, &direction->held, start);
	put_piece(memory, direction, id);
	if (end == start + 1) {
		direction->end = start;
	} else {
		direction->end = end;
		direction->next++;
		direction->urgent_passed++;
	}
}

// The FIN that a piece was joined to was overlapped by what came in order. Linux counts it still
// when it looks for the next byte, and so loses one.
static void finish_late(struct stream_memory *memory, struct stream_direction *direction,
			uint32_t id)
{
	uint64_t start = stream_piece_at(&memory->pool, id)->start;
	direction->end =
		stream_overlap_get_end(memory, direction, stream_piece_at(&memory->pool, id));
	remove_range(memory, direction, id, start, start + 1);
	direction->next++;
	direction->urgent_passed++;
}

bool stream_next(struct stream_memory *memory, struct stream_direction *direction,
		 struct stream_chunk *ret_chunk)
{
	uint32_t id = stream_pieces_first(&memory->pool, direction->held);
	if (id == 0)
		return false;
	if (direction->next >= direction->end) {
		stream_direction_clear(memory, direction);
		return false;
	}
	struct stream_piece *piece = stream_piece_at(&memory->pool, id);
	if (piece->start != direction->next || direction->has_pending)
		return false;
	if (piece->is_fin) {
		finish(memory, direction, id);
		return stream_next(memory, direction, ret_chunk);
	}
	if (piece->is_behind_fin && direction->end == STREAM_NO_END) {
		finish_late(memory, direction, id);
		return stream_next(memory, direction, ret_chunk);
	}
	stream_pieces_remove(&memory->pool, &direction->held, piece->start);
	uint32_t size = (uint32_t)stream_pool_get_size(&memory->pool, id);
	direction->held_bytes -= size;
	memory->held_bytes -= size;
	direction->next += piece->length;
	*ret_chunk = (struct stream_chunk){
		.offset = piece->start,
		.data = stream_piece_bytes(piece),
		.length = piece->length,
		.piece = id,
	};
	return true;
}

void stream_put_piece(struct stream_memory *memory, uint32_t piece)
{
	if (piece != 0)
		stream_pool_put(&memory->pool, piece);
}

uint64_t stream_skip_to(const struct stream_memory *memory, struct stream_direction *direction,
			uint64_t offset)
{
	uint32_t first = stream_pieces_first(&memory->pool, direction->held);
	uint64_t to = earlier(offset, direction->end);
	if (first != 0)
		to = earlier(to, stream_piece_at(&memory->pool, first)->start);
	if (to <= direction->next)
		return 0;
	uint64_t missing = to - direction->next;
	direction->next = to;
	return missing;
}

int stream_hold_pending(struct stream_memory *memory, struct stream_direction *direction,
			const struct stream_segment *segment)
{
	uint32_t id;
	struct stream_range range;
	if (direction->held != 0 || !find_range(direction, segment, &range) ||
	    range.start != direction->next)
		return 0;
	int result = get_block(memory, direction, range.end - range.start, &id);
	if (result != 0)
		return result;
	fill_piece(memory, direction, id, &range, 0);
	direction->has_pending = true;
	return 0;
}

void stream_settle_pending(struct stream_memory *memory, struct stream_direction *direction,
			   uint32_t acknowledgment)
{
	if (!direction->has_pending)
		return;
	int64_t taken = stream_get_offset_of(direction, acknowledgment) - (int64_t)direction->next;
	struct stream_piece *piece =
		stream_piece_at(&memory->pool, stream_pieces_first(&memory->pool, direction->held));
	if (taken <= 0)
		stream_direction_clear(memory, direction);
	else if (piece->length > (uint64_t)taken)
		piece->length = (uint32_t)taken;
	direction->has_pending = false;
}
