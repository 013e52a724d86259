// SPDX-License-Identifier: Apache-2.0

// What live workers do for each other when there are several: a receiver hands packets to their
// homes (spread.h) and lets them leave when they are back, a home judges what others received.
// handoff.h has the slots and rings. No worker ever waits for another.
//
// Counting. The receiver alone counts a packet: received and held when it hands it over, forwarded
// or dropped instead of held when it is back. So each worker's ledger balances by itself, whatever
// the others are doing. Its records (drop, anomaly) and its reply are the home's work, which has
// the session; what the receiver drops itself it records itself: handoff_full, when no slot is
// free.
//
// One generation. The home judges under the policy in force there at that time; the receiver's does
// not matter.
//
// The end. Who ends lets those packets leave that are back already, drops the rest of its own under
// `shutdown`, and has handed all of the others' back, dropped under `shutdown`. What is handed over
// later is dropped by its receiver under the same reason.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handoff_slot;
struct injection;
struct packet;
struct verdict;
struct worker;

// Make worker->handoff when the engine is live and has several workers. Returns 0 or -ENOMEM.
// Control thread.
int handoff_stage_init(struct worker *worker);

// Decode worker->frames[0..count) of an interface; those whose home is this worker come to stand in
// worker->packets, the others are handed over. clock_ns: engine time. Returns how many stay.
size_t handoff_stage_decode(struct worker *worker, uint16_t ingress_id, size_t count,
			    uint64_t clock_ns);

// Hand a datagram that was put together over when its home is elsewhere. Inline its frames wait for
// the verdict; on a tap they go their way at once, and only the copy goes to the home. Returns
// false when it is to be judged here.
bool handoff_stage_give_datagram(struct worker *worker, struct packet *packet);

// Let leave what is back, and judge what others handed over: up to a burst of each worker. Returns
// the number of packets of both kinds.
int handoff_stage_turn(struct worker *worker, uint64_t clock_ns);

// Give a packet that a home held back to its receiver. The home's thread.
void handoff_stage_return(struct worker *receiver, struct handoff_slot *slot,
			  const struct verdict *verdict);

// Give injected packets, a list, to the worker that sends by their interfaces. They are its own
// then; what can't be given is dropped.
void handoff_stage_give_injected(struct worker *worker, struct worker *other,
				 struct injection *first);

// Say that the worker is about to sleep. Returns whether it may: nothing waits for it. Whoever has
// something for it afterwards writes its wake_fd.
bool handoff_stage_sleep(struct worker *worker);
void handoff_stage_wake_up(struct worker *worker);

// Whether packets can still come from others: some worker receives, or has handed one over.
bool handoff_stage_may_come(const struct worker *worker);

void handoff_stage_finish(struct worker *worker);
