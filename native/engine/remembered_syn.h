// SPDX-License-Identifier: Apache-2.0

// Handshakes whose sessions were evicted, so that they can be finished. Under a flood of SYN a
// session in OPENING may be gone before its peer, far away, has answered. What is left of it is
// eight bytes: a keyed mark of its key and its sequence numbers, and the window scales. The
// segment that answers, the SYN-ACK or the ACK after it, names all of that again; when its mark is
// found the session is made anew, in the state that it had. Windows are not kept: they begin with
// the 65535 bytes that a SYN can offer at most. A mark has 48 bits, under the engine's secret: who
// did not see the numbers can't guess it.
//
// Places: two for each session of the table, REMEMBERED_MAX at most, touched as they are used. Each
// mark has a bucket of eight (a cache line), where the newest takes the place of the oldest.
//
// Owner: the worker; its thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/decode.h"
#include "session/key.h"

struct worker;

#define REMEMBERED_MAX (UINT64_C(1) << 20)
#define REMEMBERED_BUCKET 8u

struct remembered_syns {
	struct session_secret secret;
	uint64_t *marks;
	uint64_t bucket_mask;
	bool is_used; // there may be some
};

// A handshake that was remembered: the segments that led to where it was.
struct remembered_syn {
	struct packet_tcp syn;
	struct packet_tcp answer; // valid when is_answered
	bool is_answered; // and the packet in hand is the originator's; else it is the answer
};

// Returns 0 or -ENOMEM.
int remembered_syns_init(struct remembered_syns *syns, const struct session_secret *secret,
			 uint64_t session_capacity);
void remembered_syns_fini(struct remembered_syns *syns);

// A session is about to be evicted: keep its handshake, if it is in one that was let through.
void remembered_syns_keep(struct worker *worker, uint32_t index);

// Whether a TCP packet that belongs to no session goes on with a remembered handshake, which is
// forgotten then. key and hash: the packet's.
bool remembered_syns_recall(struct remembered_syns *syns, const struct packet *packet,
			    const struct session_key *key, uint64_t hash,
			    struct remembered_syn *ret_syn);
