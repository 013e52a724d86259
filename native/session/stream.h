// SPDX-License-Identifier: Apache-2.0

// Puts the bytes of a TCP session in order, as their receiver does.
//
// Record. A session whose bytes some plugin wants has a struct stream, made when it opens: what the
// TCP rules keep of both receivers, and two directions. Its owner is the engine's stream stage,
// which knows plugins and events; nothing here does. All that grows is a block of the worker's
// struct stream_memory.
//
// Offsets are 64 bits: 0 is where the TCP rules say that the receiver begins. Sequence numbers
// are placed by their distance from `next`, modulo 2^32. An urgent byte that the receiver takes out
// of its stream (tcp_endpoint.urgent) is not delivered and not counted: what is delivered goes by
// offset - urgent_passed.
//
// A segment's way:
//	stream_find_difference	bytes of it that contradict what is known (below)
//	stream_insert		what comes next in order is given back as it is, in the packet;
//				the rest is copied into a piece (stream_pieces.h)
//	stream_next		again and again: what was held and is in order now
//	stream_skip_to		what will never come is left out
//
// FIN. It has a number of its own, and is held and overlapped as a byte with that number is: one
// that came early is forgotten when what is put in its place goes on. The direction ends when a FIN
// is next in order; what was held behind it is let go of, but for what was joined to it (linux,
// below): that is delivered, as Linux does, which has lost the FIN's place in it.
//
// Bounds. Blocks that hold a direction's pieces are at most held_bytes_max, overhead included; all
// streams of the worker live in the pool's range. stream_insert says -ENOSPC or -ENOMEM before it
// has changed anything; the caller leaves a gap out, which makes room, and asks again.
//
// Overlaps: which byte stays when two held segments have the same place? Bytes that were delivered
// stay always. The profiles follow Novak, Sturges, "Target-Based TCP Stream Reassembly" (2007),
// and where the table leaves a case open the source named here:
//
// first: the old byte stays (Windows Vista and later, too).
//
// last: the new byte replaces it.
//
// bsd: the new one where its segment starts further left than the held piece, which was cut at
// others before; tcp_reass() of 4.4BSD (Wright, Stevens 1995, 27.9).
//
// windows: as bsd; Windows 2000, XP and 2003 in the table.
//
// bsd_right: the new one where its segment starts further right, or equally. The table has no such
// TCP; Shankar, Paxson (2003) have it for fragments.
//
// linux: the byte of the segment that starts further left; starting equally, the new one if it ends
// further right: tcp_data_queue_ofo() of Linux 4.9 and later. A segment that begins where the one
// before it ends is one with it (tcp_ooo_try_coalesce()), the one that Linux meets first in its
// tree of segments: of two the older; of more it may be another, the tree's turns are not followed.
// Nor is joining for want of memory (tcp_collapse()): the receiver's memory can't be seen from
// here.
//
// solaris: the one that ends further right; ending equally, the one that starts further left, and
// of two that are the same the new one, but for the first of the list:
// tcp_reass_elim_overlap() of OpenSolaris.
//
// What contradicts. A segment is compared with held pieces, byte by byte, and with what was
// delivered and not yet acknowledged, by digests: stream_digest.h says what that finds.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session/stream_pieces.h"
#include "session/stream_pool.h"
#include "session/tcp.h"

#define STREAM_NO_END UINT64_MAX

struct stream_memory {
	struct stream_pool pool;
	uint64_t random; // of priorities
	uint64_t digest_key[4]; // stream_digest.h
	uint32_t serial; // of the last segment that was held or put between held ones
	uint64_t held_bytes_max; // of one direction
	uint64_t kept_bytes_max; // of one direction
	uint64_t held_bytes; // of all: a level
	uint64_t kept_lost; // times bytes were lost to a reader
};

// What is kept of a direction for those who read it at their own pace: stream_reader.h.
struct stream_shelf {
	uint64_t start; // offset of the first byte kept
	uint64_t done; // plugins (bits of their ids) that want nothing more
	uint64_t limited; // plugins that have a limit
	uint32_t block; // 0: nothing is kept
	uint32_t skipped; // bytes of the block before the first one kept
	uint32_t length; // bytes kept
	uint32_t readers; // block of them, 0: none
	uint8_t reader_count;
};

struct stream_direction {
	uint64_t next; // offset of the byte to be delivered next
	uint64_t delivered; // what was delivered ends here
	uint64_t end; // offset after the last byte, or STREAM_NO_END while there was no FIN
	uint32_t base; // sequence number of offset 0
	uint32_t held; // root of the pieces
	uint32_t held_bytes; // blocks of the pieces
	uint32_t urgent_passed; // urgent bytes before `next`
	uint32_t digests; // block of what was delivered (stream_digest.h), 0: none
	uint64_t refused; // is_refused: offset of the first byte that goes no further
	uint8_t profile; // enum stellar_target_profile of the receiver
	bool is_open; // base is known
	bool is_given_up; // nobody wants it any more
	bool has_pending; // what is held may not be taken: TCP_PAYLOAD_PENDING
	bool is_refused; // a packet was dropped for its bytes
	uint8_t refused_reason; // enum stellar_drop_reason
	struct stream_shelf shelf;
};

struct stream {
	struct tcp_endpoints endpoints;
	struct stream_direction directions[2];
};

// Bytes to deliver.
struct stream_chunk {
	uint64_t offset;
	const uint8_t *data;
	uint32_t length;
	uint32_t piece; // give it to stream_put_piece afterwards; 0: the bytes are the packet's
};

// The payload of a segment.
struct stream_segment {
	uint32_t sequence;
	uint32_t length;
	const uint8_t *data;
	bool has_fin;
};

// Reserve the memory of a worker's streams. Returns 0 or -ENOMEM.
int stream_memory_init(struct stream_memory *memory, uint64_t memory_bytes, uint64_t held_bytes_max,
		       uint64_t kept_bytes_max, uint64_t seed);
void stream_memory_fini(struct stream_memory *memory);

// Begin a direction with the sequence number of its first byte.
void stream_direction_open(struct stream_direction *direction, uint32_t sequence);
// Let go of what is held.
void stream_direction_clear(struct stream_memory *memory, struct stream_direction *direction);

// Where a sequence number is; below 0: before the first byte.
int64_t stream_get_offset_of(const struct stream_direction *direction, uint32_t sequence);
// Sequence number of the byte to be delivered next.
uint32_t stream_get_next_sequence(const struct stream_direction *direction);

// Where the segment contradicts held bytes. Returns false when nowhere; otherwise the chunk is what
// it says from the first to the last byte that differs.
bool stream_find_difference(const struct stream_memory *memory,
			    const struct stream_direction *direction,
			    const struct stream_segment *segment, struct stream_chunk *ret_chunk);

// Take what is new of a segment. *ret_chunk is what can be delivered at once, of length 0 when
// there is nothing. Returns 0; -ENOSPC (held_bytes_max) or -ENOMEM (the pool is full): nothing was
// changed.
int stream_insert(struct stream_memory *memory, struct stream_direction *direction,
		  const struct stream_segment *segment, struct stream_chunk *ret_chunk);

// What was held and comes next in order. Returns false when there is nothing. The chunk's piece is
// the caller's.
bool stream_next(struct stream_memory *memory, struct stream_direction *direction,
		 struct stream_chunk *ret_chunk);
void stream_put_piece(struct stream_memory *memory, uint32_t piece);

// Leave out what is missing before an offset, at most up to the first held byte. Returns the number
// of bytes left out.
uint64_t stream_skip_to(const struct stream_memory *memory, struct stream_direction *direction,
			uint64_t offset);

// Keep the next bytes, or the data of a SYN, until it is known whether their receiver takes them:
// stream_next gives nothing until then. Only while nothing else is held; else they are not looked
// at. Returns 0, -ENOSPC or -ENOMEM: it is not kept.
int stream_hold_pending(struct stream_memory *memory, struct stream_direction *direction,
			const struct stream_segment *segment);

// What is pending was acknowledged up to this sequence number: what is beyond was not taken.
void stream_settle_pending(struct stream_memory *memory, struct stream_direction *direction,
			   uint32_t acknowledgment);
