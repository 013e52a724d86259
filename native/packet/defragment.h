// SPDX-License-Identifier: Apache-2.0

// Puts fragmented IP datagrams together again, IPv4 and IPv6, as their receiver would, within
// bounds. One defragmenter a worker.
//
// Whoever finds a fragment (packet.is_fragment) adds it; its frame is copied. The answer says
// whether the datagram waits for more (KEPT), is complete (WHOLE), or is given up with all that
// came of it, this fragment included (GIVEN_UP). In the last two cases the datagram is taken out:
// the caller does with its frames what it must and releases it. Its bytes are those that the
// receiver's target profile picks; fragment_pieces.h has the table of profiles. What is not in
// that table is as in Linux 6 (ip_frag_queue, ip6_frag_queue) for every profile:
//
//	- a piece of no bytes, a last piece that ends before others do or elsewhere than an earlier
//	  last one, and pieces beyond the end, give the datagram up (MALFORMED)
//	- a piece before the last that is no multiple of 8 bytes: its rest is cut off in IPv4 with
//	  the profile linux; otherwise it is not looked at (IGNORED), and neither is one of IPv6
//	  that ends beyond 65535
//	- a datagram longer than 65535 bytes is given up when its last piece is there (MALFORMED)
//	- with the profile linux one whose pieces disagree on ECN is, too (RFC 3168 5.3)
//	- what comes after a datagram was complete or given up begins another one
//
// Not followed: Linux drops what it has of a datagram when 64 fragments of the same source came
// between two of its pieces (ipfrag_max_dist).
//
// Limits. Everything that is kept lies in one range of memory_bytes, the books included, that is
// touched only as far as it is used; below 256 KiB next to nothing fits. When it is full the oldest
// datagrams are given up, whoever they are of, until there is room: under a flood an honest
// datagram lives as long as it takes to fill the memory once. The same within source_bytes of one
// source address. A datagram with more than piece_limit pieces or fragments is given up; so is one
// that is not complete after timeout_ns, in the order of deadlines. A fragment that finds no room
// at all is REFUSED. All of it depends on the fragments and their times alone.
//
// Lookup is by a keyed hash; adding costs steps in the logarithm of the datagram's pieces, and in
// the number of pieces that the new one overlaps.
//
// A fragment may come in a tunnel whose own datagram was fragmented, and put together here: pass
// that datagram as carrier, and its frames become frames of the inner one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/fragment.h"
#include "packet/fragment_pieces.h"

struct datagram;
struct defragmenter;

enum defragment_cause {
	DEFRAGMENT_OVERLAP,
	DEFRAGMENT_MALFORMED,
	DEFRAGMENT_LIMIT,
	DEFRAGMENT_TIMEOUT,
	DEFRAGMENT_SHUTDOWN,
};

struct defragment_config {
	uint64_t memory_bytes;
	uint64_t source_bytes;
	uint32_t piece_limit;
	uint64_t timeout_ns;
	uint64_t secret[2]; // of the hash, and of the pieces' heights
	void *owner;
	// Profile (enum stellar_target_profile) of a receiver; asked once a datagram. profile may
	// be NULL: linux.
	uint8_t (*profile)(void *owner, const struct ip_address *receiver);
	// A datagram of the past is given up (LIMIT, TIMEOUT, SHUTDOWN), it is gone afterwards.
	void (*given_up)(void *owner, struct datagram *datagram, enum defragment_cause cause);
};

enum defragment_answer {
	DEFRAGMENT_KEPT,
	DEFRAGMENT_WHOLE,
	DEFRAGMENT_GIVEN_UP,
	DEFRAGMENT_IGNORED, // not looked at, and not kept
	DEFRAGMENT_REFUSED, // there is no room for it at all
};

struct defragment_result {
	struct datagram *datagram; // WHOLE, GIVEN_UP: release it. KEPT: it stays inside
	enum defragment_cause cause; // GIVEN_UP
	bool has_overlap; // this piece overlaps others, whatever came of it
};

// A frame that came in, copied. Valid until its datagram is released or given up.
struct fragment_frame {
	uint8_t *data;
	uint32_t length;
	uint32_t wire_length;
	uint64_t time_ns;
	uint16_t link_type;
	uint16_t ingress_id;
	uint8_t ttl; // of the innermost IP header
	bool is_view; // an outer datagram put together here, no frame of the wire
	uint8_t reserved[2];
	uint32_t next; // for the defragmenter
	struct fragment fragment;
	const struct packet *packet; // of a view: as it was decoded
};

// A datagram put together: bytes of the first fragment's frame up to its IP header, that header for
// the whole, and the payload. Valid until the next call that makes one.
struct defragment_whole {
	uint8_t *data;
	uint32_t length;
	const struct fragment_frame *first; // whose bytes it begins with
};

// Returns 0 or -ENOMEM.
int defragment_create(const struct defragment_config *config,
		      struct defragmenter **ret_defragmenter);
// Accepts NULL. What is kept is gone.
void defragment_destroy(struct defragmenter *defragmenter);

// Add a fragment that fragment_read has read from the packet. carrier: NULL, or the datagram that
// the packet was put together from; it is gone unless the answer is IGNORED or REFUSED.
enum defragment_answer defragment_add(struct defragmenter *defragmenter,
				      const struct packet *packet, const struct fragment *fragment,
				      struct datagram *carrier, uint64_t now_ns,
				      struct defragment_result *ret_result);

// Put a datagram that is WHOLE together. Returns false when it would be too long.
bool defragment_join(struct defragmenter *defragmenter, const struct datagram *datagram,
		     struct defragment_whole *ret_whole);

void defragment_release(struct defragmenter *defragmenter, struct datagram *datagram);

// The earliest deadline, UINT64_MAX when nothing is kept.
uint64_t defragment_next_deadline(const struct defragmenter *defragmenter);
// Give up the datagram of the earliest deadline.
void defragment_expire(struct defragmenter *defragmenter);
// Give up all of them, the oldest first.
void defragment_give_up_all(struct defragmenter *defragmenter);

const struct fragment_key *datagram_get_key(const struct datagram *datagram);
uint64_t datagram_get_deadline(const struct datagram *datagram);
// Frames of the wire in it.
uint32_t datagram_count_frames(const struct datagram *datagram);
// The frames in the order they came: NULL for the first one, NULL at the end.
const struct fragment_frame *datagram_next_frame(const struct defragmenter *defragmenter,
						 const struct datagram *datagram,
						 const struct fragment_frame *frame);

struct defragment_stats {
	uint64_t datagrams; // kept now
	uint64_t used_bytes; // of blocks
	uint64_t peak_bytes;
	uint64_t reserved_bytes; // of the whole range
};
void defragment_get_stats(const struct defragmenter *defragmenter,
			  struct defragment_stats *ret_stats);
