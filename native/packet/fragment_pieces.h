// SPDX-License-Identifier: Apache-2.0

// The pieces of one datagram, in the order of their places, none over another: what a new one does
// to those it overlaps is settled when it is added, as the receiver's system settles it.
//
// What wins a place that a new piece [begin, end) and an old one [begin', end') both fill (old
// pieces as they are by then, cut to what earlier pieces left of them), and the table it follows:
//
//   first      the old one (Shankar, Paxson 2003: first)
//   last       the new one (Shankar, Paxson 2003: last/RFC 791)
//   bsd        the new one where begin' > begin (Shankar, Paxson 2003: BSD; 4.4BSD, ip_reass)
//   bsd_right  the new one where end' < end, or end' = end and begin' >= begin (Shankar, Paxson
//              2003: BSD-right; where pieces end says frag3 of Snort)
//   windows    the new one where begin < begin' and end > end' (Novak 2005, as in frag3)
//   solaris    the new one where begin < begin' and end >= end' (Novak 2005, as in frag3)
//   linux      neither: pieces that overlap give the datagram up, but for a new one that lies
//              within a run of pieces that came one after the other at the end, which is a
//              duplicate and ignored (Linux 4.20 and later, inet_frag_queue_insert)
//
// IPv6 gives an overlapped datagram up whatever the profile (RFC 5722, RFC 8200 4.5), but for an
// exact duplicate, of the same bytes, which is ignored; with the profile linux, for its duplicates.
//
// A skip list (Pugh 1990): adding a piece costs steps in the logarithm of the pieces there are and
// in the number of those it overlaps. The heights are drawn from a generator that the owner seeds
// with a secret, so that no sender can aim at them. Owner: one worker.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/fragment_pool.h"

#define FRAGMENT_LEVELS 6u // a quarter of a level's pieces are on the next: good for 4^6

// Bytes of a piece. They stay where they are.
struct fragment_bytes {
	const uint8_t *data;
	uint32_t mark; // the owner's, not 0: which fragment they came in
};

struct fragment_piece {
	uint32_t next[FRAGMENT_LEVELS]; // ids, 0: none; [0] in order of place
	uint32_t chain; // linux: the piece that follows in this one's run
	uint32_t chain_end; // linux: the last of the run that begins here
	uint32_t begin; // place in the datagram
	uint32_t length; // own bytes
	uint32_t run_length; // of the run that begins here: length, and what is chained
	struct fragment_bytes bytes;
};

struct fragment_pieces {
	uint32_t heads[FRAGMENT_LEVELS];
	uint32_t tail; // linux: head of the run at the end
	uint32_t tail_end; // where that run ends
	uint32_t count; // pieces, chained ones included
	uint32_t received; // bytes of the datagram that are there
};

// Who settles it, and with what.
struct fragment_policy {
	struct fragment_pool *pool;
	uint64_t *random; // state of the generator, not 0
	uint32_t piece_limit;
	uint8_t profile; // enum stellar_target_profile
	bool is_ipv6;
};

enum fragment_added {
	FRAGMENT_ADDED, // nothing else was there
	FRAGMENT_RESOLVED, // it overlaps others, and the profile says what stays
	FRAGMENT_DUPLICATE, // nothing changed, and nothing is wrong
	FRAGMENT_FORBIDDEN, // it overlaps others: give the datagram up
	FRAGMENT_NO_ROOM, // the pool is empty, nothing changed
	FRAGMENT_TOO_MANY, // the datagram would have more pieces than its limit
};

// Add length bytes at a place. length > 0.
enum fragment_added fragment_pieces_add(struct fragment_pieces *pieces,
					const struct fragment_policy *policy, uint32_t begin,
					struct fragment_bytes bytes, uint32_t length);

// Give all pieces back to the pool.
void fragment_pieces_clear(struct fragment_pieces *pieces, struct fragment_pool *pool);

// Copy the datagram, whose bytes are all there: received of them.
void fragment_pieces_copy(const struct fragment_pieces *pieces, const struct fragment_pool *pool,
			  uint8_t *ret_bytes);

// The mark of the bytes at place 0, 0: none are there. The first fragment has the datagram's
// header.
uint32_t fragment_pieces_first(const struct fragment_pieces *pieces,
			       const struct fragment_pool *pool);
