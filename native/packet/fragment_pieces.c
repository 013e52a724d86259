// SPDX-License-Identifier: Apache-2.0

#include "packet/fragment_pieces.h"

#include <string.h>

#include <stellar/engine.h>

struct range {
	uint32_t begin;
	uint32_t end;
};

static struct fragment_piece *piece_at(const struct fragment_pool *pool, uint32_t id)
{
	return fragment_pool_at(pool, id);
}

static uint32_t run_end(const struct fragment_piece *piece)
{
	return piece->begin + piece->run_length;
}

// The pieces of each level behind which one that begins there stands. Ids, 0: the head.
static void find_before(const struct fragment_pieces *pieces, const struct fragment_pool *pool,
			uint32_t begin, uint32_t *ret_before)
{
	uint32_t before = 0;

	for (uint32_t level = FRAGMENT_LEVELS; level-- > 0;) {
		for (;;) {
			uint32_t next = before != 0 ? piece_at(pool, before)->next[level]
						    : pieces->heads[level];

			if (next == 0 || piece_at(pool, next)->begin >= begin)
				break;
			before = next;
		}
		ret_before[level] = before;
	}
}

static uint32_t *link_after(struct fragment_pieces *pieces, const struct fragment_pool *pool,
			    uint32_t before, uint32_t level)
{
	return before != 0 ? &piece_at(pool, before)->next[level] : &pieces->heads[level];
}

// Xorshift (Marsaglia 2003).
static uint32_t draw_height(uint64_t *random)
{
	uint32_t height = 1;

	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	for (uint64_t bits = *random >> 16; (bits & 3) == 0 && height < FRAGMENT_LEVELS; bits >>= 2)
		height++;
	return height;
}

static void link_piece(struct fragment_pieces *pieces, const struct fragment_policy *policy,
		       uint32_t id)
{
	struct fragment_piece *piece = piece_at(policy->pool, id);
	uint32_t before[FRAGMENT_LEVELS];
	uint32_t height = draw_height(policy->random);

	find_before(pieces, policy->pool, piece->begin, before);
	for (uint32_t level = 0; level < FRAGMENT_LEVELS; level++) {
		uint32_t *link = link_after(pieces, policy->pool, before[level], level);

		piece->next[level] = level < height ? *link : 0;
		if (level < height)
			*link = id;
	}
}

static void remove_piece(struct fragment_pieces *pieces, struct fragment_pool *pool, uint32_t id)
{
	const struct fragment_piece *piece = piece_at(pool, id);
	uint32_t before[FRAGMENT_LEVELS];

	find_before(pieces, pool, piece->begin, before);
	for (uint32_t level = 0; level < FRAGMENT_LEVELS; level++) {
		uint32_t *link = link_after(pieces, pool, before[level], level);

		if (*link == id)
			*link = piece->next[level];
	}
	fragment_pool_put(pool, id);
	pieces->count--;
}

// The first piece, or run, that ends behind a place; 0: none.
static uint32_t find_overlapped(const struct fragment_pieces *pieces,
				const struct fragment_pool *pool, uint32_t begin)
{
	uint32_t before[FRAGMENT_LEVELS];

	find_before(pieces, pool, begin, before);
	if (before[0] == 0)
		return pieces->heads[0];
	const struct fragment_piece *piece = piece_at(pool, before[0]);

	return run_end(piece) > begin ? before[0] : piece->next[0];
}

static bool overlaps(const struct fragment_pool *pool, uint32_t id, struct range range)
{
	return id != 0 && piece_at(pool, id)->begin < range.end;
}

static void set_piece(struct fragment_piece *piece, uint32_t begin, struct fragment_bytes bytes,
		      uint32_t length)
{
	memset(piece, 0, sizeof(*piece));
	piece->begin = begin;
	piece->bytes = bytes;
	piece->length = length;
	piece->run_length = length;
}

static void cut_piece(struct fragment_piece *piece, uint32_t begin, uint32_t end)
{
	piece->bytes.data += begin - piece->begin;
	piece->begin = begin;
	piece->length = end - begin;
	piece->run_length = piece->length;
}

// See the table in the header.
static bool new_wins(uint8_t profile, struct range range, struct range old)
{
	switch (profile) {
	case STELLAR_TARGET_LAST:
		return true;
	case STELLAR_TARGET_BSD:
		return old.begin > range.begin;
	case STELLAR_TARGET_BSD_RIGHT:
		return old.end < range.end || (old.end == range.end && old.begin >= range.begin);
	case STELLAR_TARGET_WINDOWS:
		return range.begin < old.begin && range.end > old.end;
	case STELLAR_TARGET_SOLARIS:
		return range.begin < old.begin && range.end >= old.end;
	default:
		return false;
	}
}

// Blocks for so many pieces, chained by next[0]. Returns the first, or 0: none was taken.
static uint32_t reserve(struct fragment_pool *pool, uint32_t count)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = fragment_pool_get(pool, sizeof(struct fragment_piece));

		if (id == 0) {
			while (first != 0) {
				id = first;
				first = piece_at(pool, id)->next[0];
				fragment_pool_put(pool, id);
			}
			return 0;
		}
		piece_at(pool, id)->next[0] = first;
		first = id;
	}
	return first;
}

// How many pieces are made when the new one is added.
static uint32_t count_made(const struct fragment_pool *pool, uint8_t profile, uint32_t id,
			   struct range range)
{
	uint32_t reached = range.begin;
	uint32_t count = 0;

	for (; overlaps(pool, id, range); id = piece_at(pool, id)->next[0]) {
		const struct fragment_piece *piece = piece_at(pool, id);
		struct range old = {piece->begin, run_end(piece)};

		if (new_wins(profile, range, old)) {
			count += old.begin < range.begin && old.end > range.end;
		} else {
			count += reached < old.begin;
			reached = old.end;
		}
	}
	return count + (reached < range.end);
}

// What is made while the walk over the overlapped pieces goes on, linked when it is over.
struct made {
	const struct fragment_pool *pool;
	uint32_t left; // reserved blocks
	uint32_t first; // filled ones
};

static struct fragment_bytes bytes_at(struct fragment_bytes bytes, uint32_t at)
{
	return (struct fragment_bytes){bytes.data + at, bytes.mark};
}

static void make(struct made *made, uint32_t begin, struct fragment_bytes bytes, uint32_t length)
{
	uint32_t id = made->left;
	struct fragment_piece *piece = piece_at(made->pool, id);

	made->left = piece->next[0];
	set_piece(piece, begin, bytes, length);
	piece->next[0] = made->first;
	made->first = id;
}

// An old piece that loses what the new one covers of it.
static void yield_to(struct fragment_pieces *pieces, struct fragment_pool *pool, struct made *made,
		     uint32_t id, struct range range)
{
	struct fragment_piece *piece = piece_at(pool, id);
	uint32_t end = run_end(piece);

	if (piece->begin >= range.begin && end <= range.end) {
		remove_piece(pieces, pool, id);
		return;
	}
	if (piece->begin >= range.begin) {
		cut_piece(piece, range.end, end);
		return;
	}
	if (end > range.end)
		make(made, range.end, bytes_at(piece->bytes, range.end - piece->begin),
		     end - range.end);
	cut_piece(piece, piece->begin, range.begin);
}

static enum fragment_added resolve(struct fragment_pieces *pieces,
				   const struct fragment_policy *policy, uint32_t first,
				   struct range range, struct fragment_bytes bytes)
{
	struct fragment_pool *pool = policy->pool;
	uint32_t count = count_made(pool, policy->profile, first, range);
	struct made made = {.pool = pool};
	bool has_overlap = overlaps(pool, first, range);
	uint32_t reached = range.begin;
	uint32_t fresh = range.end - range.begin;
	uint32_t next;

	if (pieces->count + count > policy->piece_limit)
		return FRAGMENT_TOO_MANY;
	if (count > 0 && (made.left = reserve(pool, count)) == 0)
		return FRAGMENT_NO_ROOM;
	for (uint32_t id = first; overlaps(pool, id, range); id = next) {
		const struct fragment_piece *piece = piece_at(pool, id);
		struct range old = {piece->begin, run_end(piece)};

		next = piece->next[0];
		fresh -= (old.end < range.end ? old.end : range.end) -
			 (old.begin > range.begin ? old.begin : range.begin);
		if (new_wins(policy->profile, range, old)) {
			yield_to(pieces, pool, &made, id, range);
			continue;
		}
		if (reached < old.begin)
			make(&made, reached, bytes_at(bytes, reached - range.begin),
			     old.begin - reached);
		reached = old.end;
	}
	if (reached < range.end)
		make(&made, reached, bytes_at(bytes, reached - range.begin), range.end - reached);
	for (uint32_t id = made.first; id != 0; id = next) {
		next = piece_at(pool, id)->next[0];
		link_piece(pieces, policy, id);
	}
	pieces->count += count;
	pieces->received += fresh;
	return has_overlap ? FRAGMENT_RESOLVED : FRAGMENT_ADDED;
}

// Exactly one old piece, of the same place and the same bytes.
static bool is_duplicate(const struct fragment_pool *pool, uint32_t id, struct range range,
			 const uint8_t *bytes)
{
	const struct fragment_piece *piece = piece_at(pool, id);

	return piece->begin == range.begin && run_end(piece) == range.end &&
	       memcmp(piece->bytes.data, bytes, piece->length) == 0;
}

static void append_run(struct fragment_pieces *pieces, const struct fragment_pool *pool,
		       uint32_t id)
{
	struct fragment_piece *head = piece_at(pool, pieces->tail);
	uint32_t last = head->chain_end != 0 ? head->chain_end : pieces->tail;

	piece_at(pool, last)->chain = id;
	head->chain_end = id;
	head->run_length += piece_at(pool, id)->length;
}

// As inet_frag_queue_insert of Linux 6: a piece behind all others begins a run or lengthens the
// last one; any other stands alone.
static enum fragment_added add_as_linux(struct fragment_pieces *pieces,
					const struct fragment_policy *policy, struct range range,
					struct fragment_bytes bytes)
{
	struct fragment_pool *pool = policy->pool;
	bool is_behind = pieces->tail == 0 || pieces->tail_end < range.end;

	if (is_behind && range.begin < pieces->tail_end)
		return FRAGMENT_FORBIDDEN;
	if (!is_behind) {
		uint32_t first = find_overlapped(pieces, pool, range.begin);

		if (overlaps(pool, first, range)) {
			const struct fragment_piece *run = piece_at(pool, first);

			return run->begin <= range.begin && run_end(run) >= range.end
				       ? FRAGMENT_DUPLICATE
				       : FRAGMENT_FORBIDDEN;
		}
	}
	if (pieces->count >= policy->piece_limit)
		return FRAGMENT_TOO_MANY;
	uint32_t id = fragment_pool_get(pool, sizeof(struct fragment_piece));

	if (id == 0)
		return FRAGMENT_NO_ROOM;
	set_piece(piece_at(pool, id), range.begin, bytes, range.end - range.begin);
	if (is_behind && pieces->tail != 0 && range.begin == pieces->tail_end) {
		append_run(pieces, pool, id);
	} else {
		link_piece(pieces, policy, id);
		if (is_behind)
			pieces->tail = id;
	}
	if (is_behind)
		pieces->tail_end = range.end;
	pieces->count++;
	pieces->received += range.end - range.begin;
	return FRAGMENT_ADDED;
}

enum fragment_added fragment_pieces_add(struct fragment_pieces *pieces,
					const struct fragment_policy *policy, uint32_t begin,
					struct fragment_bytes bytes, uint32_t length)
{
	struct range range = {begin, begin + length};

	if (policy->profile == STELLAR_TARGET_LINUX)
		return add_as_linux(pieces, policy, range, bytes);
	uint32_t first = find_overlapped(pieces, policy->pool, begin);

	if (overlaps(policy->pool, first, range)) {
		if (is_duplicate(policy->pool, first, range, bytes.data))
			return FRAGMENT_DUPLICATE;
		if (policy->is_ipv6)
			return FRAGMENT_FORBIDDEN;
	}
	return resolve(pieces, policy, first, range, bytes);
}

void fragment_pieces_clear(struct fragment_pieces *pieces, struct fragment_pool *pool)
{
	uint32_t next;

	for (uint32_t id = pieces->heads[0]; id != 0; id = next) {
		uint32_t chained = piece_at(pool, id)->chain;

		next = piece_at(pool, id)->next[0];
		fragment_pool_put(pool, id);
		while (chained != 0) {
			id = chained;
			chained = piece_at(pool, id)->chain;
			fragment_pool_put(pool, id);
		}
	}
	memset(pieces, 0, sizeof(*pieces));
}

void fragment_pieces_copy(const struct fragment_pieces *pieces, const struct fragment_pool *pool,
			  uint8_t *ret_bytes)
{
	for (uint32_t id = pieces->heads[0]; id != 0; id = piece_at(pool, id)->next[0]) {
		for (uint32_t part = id; part != 0; part = piece_at(pool, part)->chain) {
			const struct fragment_piece *piece = piece_at(pool, part);

			memcpy(ret_bytes, piece->bytes.data, piece->length);
			ret_bytes += piece->length;
		}
	}
}

uint32_t fragment_pieces_first(const struct fragment_pieces *pieces,
			       const struct fragment_pool *pool)
{
	if (pieces->heads[0] == 0 || piece_at(pool, pieces->heads[0])->begin != 0)
		return 0;
	return piece_at(pool, pieces->heads[0])->bytes.mark;
}
