// SPDX-License-Identifier: Apache-2.0

// Sessions that are announced and not yet there: FTP data, SIP media, TFTP. Each is claimed by one
// parent, a session of the same worker's table, under what is known of the coming session.
//
// Two hashes over one slab of records. The first is by claim: what is known, under a keyed hash. A
// claim may leave three things open (the originator's address, its port, the responder's port), so
// there are eight classes of claims, and a lookup probes those of which there are any. The second
// is by parent, to find a session's claims when it announces another, and when it ends.
//
// Who wins: the claim that knows most; of as many things known, the responder's port counts before
// the originator's address, and that before its port. Of equal claims by several parents the oldest
// wins; renewing keeps the age. Age is when it was announced, and of those that were announced by
// the packets of one wave (engine/plugin_wave.h), which packet did.
//
// Time: a timer wheel of its own, engine milliseconds, in the order of deadlines. Memory: records
// by chunks up to the limit, two arrays of that many 32-bit words at the start. Work: O(1) but for
// expectations_add, which looks at the parent's own claims, and expectations_forget, which ends
// them.
//
// Owner: one worker. It asks whether there are any (`count`) before it calls.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <stellar/packet.h>

#include "session/key.h"
#include "session/slab.h"
#include "session/timer_wheel.h"

#define EXPECTATION_TIMEOUT_MAX_MS 3600000u
#define EXPECTATION_CLASSES 8u // sets of EXPECTATION_HAS_*
#define EXPECTATION_LIMIT_MAX 0x1000000u

// What is known of the coming session besides responder's address, protocol, tag and tenant.
#define EXPECTATION_HAS_ORIGINATOR_PORT 1u
#define EXPECTATION_HAS_ORIGINATOR 2u
#define EXPECTATION_HAS_RESPONDER_PORT 4u

// What a session is, or will be. Originator: version 0 and port 0 for any; responder: port 0.
struct expectation_claim {
	struct packet_endpoint originator;
	struct packet_endpoint responder;
	uint32_t tag;
	uint16_t tenant;
	uint8_t protocol;
};

struct expectations {
	struct slab records;
	struct timer_wheel wheel;
	struct session_secret secret;
	uint32_t *by_claim; // heads of chains, ids
	uint32_t *by_parent;
	uint32_t mask; // of the two arrays
	uint32_t limit;
	uint32_t parent_limit;
	uint32_t count;
	uint32_t class_counts[EXPECTATION_CLASSES];
	uint64_t age; // of what is announced now: the caller's, who may go back among the newest
	uint64_t expired; // ended without their session, in the life of the engine
};

struct expectations_config {
	uint64_t limit; // more than EXPECTATION_LIMIT_MAX is cut to it
	uint64_t parent_limit; // of one session
	struct session_secret secret;
	uint64_t now_ms; // engine time at the start
};

// Returns 0 or -ENOMEM.
int expectations_init(struct expectations *expectations, const struct expectations_config *config);
// Accepts zeroes, as of a structure that was never made.
void expectations_fini(struct expectations *expectations);

// Announce one. Returns 1, or 0 when the parent had announced it already and its time begins anew;
// -EINVAL (no responder's address, not TCP or UDP, a time out of range, two IP versions); -ENOSPC
// (one of the limits); -ENOMEM.
int expectations_add(struct expectations *expectations, uint32_t parent,
		     const struct expectation_claim *claim, uint32_t timeout_ms, uint64_t now_ms);

// The best claim to a session, or 0. `session` has no open places.
uint32_t expectations_find(const struct expectations *expectations,
			   const struct expectation_claim *session);
uint32_t expectations_get_parent(const struct expectations *expectations, uint32_t id);
// End one that was met, or is void: `expired` counts the latter.
void expectations_remove(struct expectations *expectations, uint32_t id);
void expectations_expire(struct expectations *expectations, uint32_t id);

// End all of a parent that closes.
void expectations_forget(struct expectations *expectations, uint32_t parent);

// End those whose time is over.
void expectations_advance(struct expectations *expectations, uint64_t now_ms);
