// SPDX-License-Identifier: Apache-2.0

// The bytes of one direction that came out of order: pieces in order of their offsets, none empty,
// none overlapping another. A treap (Seidel, Aragon 1996): a binary tree by offset that is a heap
// by a random priority, so that its depth is logarithmic whatever the order in which a sender
// chooses to send; the priorities come from the worker's own sequence, which nobody outside knows.
// Each piece is one block of the pool; its first bytes are the node.
#pragma once

#include <stdint.h>

#include "session/stream_pool.h"

struct stream_piece {
	uint64_t start; // offset in the stream
	uint32_t length; // bytes
	uint32_t skipped; // bytes of the block before the piece's, which others have replaced
	uint32_t lead; // bytes between the start of the segment it came in and the piece
	uint32_t priority;
	uint32_t serial; // of the segment: later ones have higher numbers
	uint32_t left; // ids, 0: none
	uint32_t right;
	uint16_t is_fin; // a FIN: it has a number, and no byte
	uint16_t is_behind_fin; // joined to one that ended before it, see stream.h
	uint8_t bytes[];
};

static inline struct stream_piece *stream_piece_at(const struct stream_pool *pool, uint32_t id)
{
	return stream_pool_at(pool, id);
}

static inline uint64_t stream_piece_end(const struct stream_piece *piece)
{
	return piece->start + piece->length;
}

static inline uint8_t *stream_piece_bytes(struct stream_piece *piece)
{
	return piece->bytes + piece->skipped;
}

// Put a piece into the tree. Its start is in no other piece.
void stream_pieces_insert(struct stream_pool *pool, uint32_t *root, uint32_t id);

// Take the piece that starts at start, which must be there, out of the tree. Returns its id.
uint32_t stream_pieces_remove(struct stream_pool *pool, uint32_t *root, uint64_t start);

// The last piece that starts at or before an offset, the first that starts at or after it, the
// first of all; 0 when there is none.
uint32_t stream_pieces_floor(const struct stream_pool *pool, uint32_t root, uint64_t offset);
uint32_t stream_pieces_ceiling(const struct stream_pool *pool, uint32_t root, uint64_t offset);
uint32_t stream_pieces_first(const struct stream_pool *pool, uint32_t root);

// Give every piece back to the pool.
void stream_pieces_clear(struct stream_pool *pool, uint32_t *root);
