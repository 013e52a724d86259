// SPDX-License-Identifier: Apache-2.0

// Packets on their way from the worker that received them to their home and back: a pool of slots,
// and two rings for each ordered pair of workers. No locks, nobody waits.
//
// The life of a slot. Its owner, the receiver, takes it from the pool, puts the decoded packet and
// a copy of its bytes into it and gives it to the home (handoff_give). The home takes it from the
// ring (handoff_receive), reads the packet, writes the verdict and the reply into the slot and
// nothing else, and returns it (handoff_return). The receiver collects it (handoff_collect), sends
// or drops the frame and puts the slot back (handoff_put). Between give and collect the slot is the
// home's.
//
// Bounds. The pool has `slot_count` slots; when there is more than one home, one of them has at
// most half, so that a slow one does not take the others' share. A ring has room for all slots of
// the pool, so that it is never full: handoff_take is the only thing that can be refused.
//
// Order. Rings are first in, first out, both ways: packets of one receiver for one home are judged
// in the order in which they were received, and come back in it, but for those that the home holds
// (hold.h): they come back when they are released.
//
// The end. A home that ends (handoff_end) looks into no ring afterwards. Whoever gave it slots
// takes them back from the ring itself (handoff_reclaim), and gives it no more (handoff_take).
// Ended is for ever.
//
// Injected packets (inject_stage.h). Those made beside a packet come back with its slot. Others,
// for an interface of the home, go to it in a slot without a packet (is_empty), and are its to
// send.
//
// Memory order. A ring's `written` is stored with release after the entry and what the slot holds,
// and loaded with acquire before they are read; `read` likewise the other way. `ended` is stored
// with release after the home's last look at a ring, and loaded with acquire by who takes over as
// the reader. Nothing else is shared.
//
// Threads: each function says whose.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>

#include "packet/build.h"
#include "packet/decode.h"

#define HANDOFF_SLOTS_MAX 65536u
#define HANDOFF_FRAME_MAX 69568u // bytes: an IP datagram of any length and its link layers

struct injection;

struct handoff_slot {
	struct packet packet; // its frame lies in the slot; the verdict is the home's
	uint32_t reply_length; // of the home: 0: no reply
	uint32_t frame_count; // of the wire that wait for the verdict: 0: a tap's datagram
	uint32_t next_id; // in the pool; the owner's
	uint16_t home_id; // worker
	bool is_empty; // no packet: what is injected is for the home to send
	struct injection *injected; // a list, or NULL; whose the slot is, it is
	uint8_t reply[BUILD_REPLY_MAX];
};

// One producer, one consumer.
struct handoff_ring {
	_Alignas(64) _Atomic uint32_t written; // producer's
	_Alignas(64) _Atomic uint32_t read; // consumer's
	uint32_t written_seen;
	_Alignas(64) uint32_t *slot_ids;
	uint32_t mask;
};

struct handoff {
	struct handoff_ring *out; // by home: to it
	struct handoff_ring *back; // by home: from it
	struct handoff_slot *slots;
	uint8_t *bytes; // HANDOFF_FRAME_MAX a slot
	size_t bytes_size; // mapped; touched only as far as frames are long
	uint32_t *ring_memory;
	uint32_t worker_count;
	uint32_t slot_count;
	uint32_t share; // slots one home may have
	uint32_t free_id;
	uint32_t away; // slots at homes
	uint64_t away_frames; // their frame_count
	uint32_t away_at[STELLAR_WORKERS_MAX];
	_Alignas(64) _Atomic bool ended; // as a home
};

// Pool and rings of one receiver. slot_count: 1 to HANDOFF_SLOTS_MAX. Returns 0, -EINVAL or
// -ENOMEM. Control thread.
int handoff_create(uint32_t worker_count, uint32_t slot_count, struct handoff **ret_handoff);
// No worker runs any more. Accepts NULL. Control thread.
void handoff_destroy(struct handoff *handoff);

// The receiver's side: its own thread.

// A slot for a packet with that home, or NULL: none is free or the home has its share. *ret_room:
// HANDOFF_FRAME_MAX bytes for the frame.
struct handoff_slot *handoff_take(struct handoff *handoff, uint32_t home_id, uint8_t **ret_room);
// Hand a slot over. The home may have it at once.
void handoff_give(struct handoff *handoff, struct handoff_slot *slot);
// Slots that a home returned, in order, up to count. Returns their number.
size_t handoff_collect(struct handoff *handoff, uint32_t home_id, struct handoff_slot **ret_slots,
		       size_t count);
// Slots that an ended home did not look at, up to count, after those it returned. Only when the
// home's handoff_has_ended.
size_t handoff_reclaim(struct handoff *handoff, uint32_t home_id, struct handoff_slot **ret_slots,
		       size_t count);
bool handoff_has_returned(const struct handoff *handoff, uint32_t home_id);
// Put a collected slot back into the pool.
void handoff_put(struct handoff *handoff, struct handoff_slot *slot);

// The home's side: the thread of worker home_id.

// Slots that wait for this home, in order, up to count.
size_t handoff_receive(struct handoff *receiver, uint32_t home_id, struct handoff_slot **ret_slots,
		       size_t count);
bool handoff_has_waiting(const struct handoff *receiver, uint32_t home_id);
// Give a slot back to its owner.
void handoff_return(struct handoff *receiver, struct handoff_slot *slot);

// This worker looks at no ring of the others any more. Its own thread.
void handoff_end(struct handoff *home);
// Any thread.
bool handoff_has_ended(const struct handoff *home);
