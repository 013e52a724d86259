// SPDX-License-Identifier: Apache-2.0

// Fragments on their way through a worker, between decode and session.
//
// Inline the frames of a fragmented datagram are held: copied to the defragmenter's memory, counted
// in packets.held. When the datagram is whole its packet stands in the place of the fragment that
// completed it, is judged once, and all its frames share the verdict: they leave unchanged, in the
// order they came, or are dropped under its reason, a drop record each; there is one reply. Those
// of a datagram that is given up are dropped under fragment_overlap, fragment_limit,
// fragment_timeout, or malformed (lengths that contradict each other). Pieces of one datagram must
// come in by one interface there: zones are told by it.
//
// On a tap a fragment goes its way at once, and a datagram is put together for the plugins only.
//
// A datagram may hold a fragment again, in a tunnel or by a second fragment header: that is put
// together too, DEFRAGMENT_DEPTH_MAX deep. What can't be judged is left to the session stage,
// which refuses it under `fragment`: a fragment of which the capture lacks bytes, one deeper than
// that, and one that pass_malformed let through and no receiver would take. Worker's thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet;
struct session;
struct worker;

#define DEFRAGMENT_DEPTH_MAX 4

// Make and free worker->defragment. create returns 0 or -ENOMEM; destroy accepts that it is NULL.
int defragment_stage_create(struct worker *worker);
void defragment_stage_destroy(struct worker *worker);

// Move engine time forward: what is due by then ends, sessions and datagrams, in the order of their
// times.
// Engine time at which the oldest are given up, UINT64_MAX: there are none.
uint64_t defragment_stage_get_deadline(const struct worker *worker);
void defragment_stage_advance(struct worker *worker, uint64_t time_ns);

// A packet whose is_fragment is set. Returns true when there is something for the session stage to
// judge: the datagram, in packets[position], or what is to be refused; false when the packet is
// settled, and only egress is left to call.
bool defragment_stage(struct worker *worker, size_t position);

// Count a packet to its session: its frame, or all frames of a datagram that was put together.
void defragment_stage_count(struct worker *worker, const struct session *session,
			    const struct packet *packet);

// A datagram that was judged. Its records are written by who judged it, from the frames that lie
// with worker->receiver: a drop for each. Then its receiver lets its frames leave, or drops them;
// on a tap the frame that completed it leaves, which must be the last one given to
// defragment_stage.
void defragment_stage_record(struct worker *worker, struct packet *packet);
void defragment_stage_leave(struct worker *worker, struct packet *packet, uint8_t *reply,
			    uint32_t reply_length);

// Forget a datagram, whose frames are counted. Its receiver.
void defragment_stage_release(struct worker *worker, struct packet *packet);

// Whether frames are held: inline.
bool defragment_stage_holds(const struct worker *worker);

// The caller of the single stages gives the packet up. Returns false when it is a frame like
// others.
bool defragment_stage_give_up(struct worker *worker, struct packet *packet, uint8_t reason);

// Drop what is held (shutdown).
void defragment_stage_finish(struct worker *worker);
