// SPDX-License-Identifier: Apache-2.0

#include "session/stream_pieces.h"

#include <assert.h>

// Cut a tree into what starts before an offset and what starts after it. No piece starts there.
static void split(struct stream_pool *pool, uint32_t root, uint64_t offset, uint32_t *ret_before,
		  uint32_t *ret_after)
{
	while (root != 0) {
		struct stream_piece *piece = stream_piece_at(pool, root);
		if (piece->start < offset) {
			*ret_before = root;
			ret_before = &piece->right;
			root = piece->right;
		} else {
			*ret_after = root;
			ret_after = &piece->left;
			root = piece->left;
		}
	}
	*ret_before = 0;
	*ret_after = 0;
}

void stream_pieces_insert(struct stream_pool *pool, uint32_t *root, uint32_t id)
{
	struct stream_piece *inserted = stream_piece_at(pool, id);
	while (*root != 0) {
		struct stream_piece *piece = stream_piece_at(pool, *root);
		if (piece->priority < inserted->priority)
			break;
		root = inserted->start < piece->start ? &piece->left : &piece->right;
	}
	split(pool, *root, inserted->start, &inserted->left, &inserted->right);
	*root = id;
}

uint32_t stream_pieces_remove(struct stream_pool *pool, uint32_t *root, uint64_t start)
{
	struct stream_piece *piece;
	for (;;) {
		assert(*root != 0);
		piece = stream_piece_at(pool, *root);
		if (piece->start == start)
			break;
		root = start < piece->start ? &piece->left : &piece->right;
	}
	uint32_t removed = *root;
	uint32_t left = piece->left;
	uint32_t right = piece->right;
	// What hung below it is joined: the higher priority stays above.
	while (left != 0 && right != 0) {
		struct stream_piece *left_piece = stream_piece_at(pool, left);
		struct stream_piece *right_piece = stream_piece_at(pool, right);
		if (left_piece->priority >= right_piece->priority) {
			*root = left;
			root = &left_piece->right;
			left = left_piece->right;
		} else {
			*root = right;
			root = &right_piece->left;
			right = right_piece->left;
		}
	}
	*root = left != 0 ? left : right;
	return removed;
}

uint32_t stream_pieces_floor(const struct stream_pool *pool, uint32_t root, uint64_t offset)
{
	uint32_t found = 0;
	while (root != 0) {
		const struct stream_piece *piece = stream_piece_at(pool, root);
		if (piece->start <= offset) {
			found = root;
			root = piece->right;
		} else {
			root = piece->left;
		}
	}
	return found;
}

uint32_t stream_pieces_ceiling(const struct stream_pool *pool, uint32_t root, uint64_t offset)
{
	uint32_t found = 0;
	while (root != 0) {
		const struct stream_piece *piece = stream_piece_at(pool, root);
		if (piece->start >= offset) {
			found = root;
			root = piece->left;
		} else {
			root = piece->right;
		}
	}
	return found;
}

uint32_t stream_pieces_first(const struct stream_pool *pool, uint32_t root)
{
	uint32_t first = root;
	while (first != 0 && stream_piece_at(pool, first)->left != 0)
		first = stream_piece_at(pool, first)->left;
	return first;
}

void stream_pieces_clear(struct stream_pool *pool, uint32_t *root)
{
	while (*root != 0) {
		struct stream_piece *piece = stream_piece_at(pool, *root);
		// Turn the tree until its root has nothing on the left: no stack is needed.
		if (piece->left != 0) {
			uint32_t left = piece->left;
			struct stream_piece *left_piece = stream_piece_at(pool, left);
			piece->left = left_piece->right;
			left_piece->right = *root;
			*root = left;
			continue;
		}
		uint32_t right = piece->right;
		stream_pool_put(pool, *root);
		*root = right;
	}
}
