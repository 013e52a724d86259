// SPDX-License-Identifier: Apache-2.0

// Deadlines of many entries, in engine milliseconds, without a scan and without a stored deadline.
//
// An entry is a 32-bit id, 1 to 2^31 - 1, of a record that holds a struct timer_link somewhere; the
// owner says where with `link`. It is the owner, too, who knows when an entry is due: the wheel
// asks `deadline` whenever it visits one. So a packet that keeps a session alive need not touch the
// wheel (lazy re-arming): it only makes the answer later. What must be told is a deadline that
// moves closer: timer_wheel_remove, then timer_wheel_insert.
//
// Eight levels of 256 slots cover all 64 bits of time. The level of an entry is that of the highest
// byte in which its deadline differs from the wheel's time, its slot is that byte. When time
// reaches a slot of level 0 its entries are visited; one of a higher level, they are placed anew,
// lower. Bitmaps of occupied slots let time jump to the next one, so a jump over years costs no
// more than the entries it visits.
//
// Order: entries fire by due tick, and within one tick in the order in which they were placed
// (inserted, or placed anew because their deadline had moved). All entries of one tick share one
// slot at any time, so levels do not disturb that order, and neither does the way in which calls to
// timer_wheel_advance cut the time into pieces.
//
// The queue: beside the slots there is one queue of entries that all wait for the same delay, in
// order of appending: `queued_ms` says when that was. New sessions stand there until queue_delay_ms
// has passed, and are placed into a slot only then, if they still live. Its head is therefore the
// oldest of the young, which is who must go when the table is full (session_table_pick_victim). At
// one tick, slots fire before the queue.
//
// Not for concurrent use: it belongs to one worker. Callbacks of timer_wheel_advance may insert,
// append and remove any entry; the fired one is out of the wheel by then.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TIMER_WHEEL_LEVELS 8
#define TIMER_WHEEL_SLOTS 256 // a level
#define TIMER_WHEEL_QUEUE (TIMER_WHEEL_LEVELS * TIMER_WHEEL_SLOTS)
#define TIMER_WHEEL_FIRING (TIMER_WHEEL_QUEUE + 1)
#define TIMER_WHEEL_LISTS (TIMER_WHEEL_QUEUE + 2)
#define TIMER_WHEEL_FAR 6u // entries
#define TIMER_WHEEL_NEAR 2u
#define TIMER_WHEEL_NEVER UINT64_MAX // a deadline that is not reached

// Embedded in the owner's record. Zero: not in the wheel.
struct timer_link {
	uint32_t next; // id, or TIMER_LINK_LIST | list
	uint32_t previous;
};

#define TIMER_LINK_LIST 0x80000000u

struct timer_wheel_ops {
	struct timer_link *(*link)(void *owner, uint32_t id);
	// When the entry is due, given the time of the visit. Not later than it was told: not
	// before.
	uint64_t (*deadline)(void *owner, uint32_t id, uint64_t now_ms);
	// When the entry was appended to the queue. NULL when the queue is not used.
	uint64_t (*queued_ms)(void *owner, uint32_t id);
	// It is due. Out of the wheel; may be inserted again.
	void (*fire)(void *owner, uint32_t id, uint64_t due_ms);
	// Optional: it will be visited after TIMER_WHEEL_FAR others, and again after
	// TIMER_WHEEL_NEAR, most likely. A chance to have its memory fetched. Changes nothing.
	void (*upcoming)(void *owner, uint32_t id, bool near);
};

struct timer_wheel {
	struct timer_wheel_ops ops;
	void *owner;
	uint64_t now_ms;
	uint64_t next_ms; // nothing to visit before; may be early, never late
	uint64_t queue_delay_ms;
	uint64_t occupied[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS / 64];
	struct timer_link lists[TIMER_WHEEL_LISTS]; // next: first, previous: last
};

void timer_wheel_init(struct timer_wheel *wheel, const struct timer_wheel_ops *ops, void *owner,
		      uint64_t now_ms, uint64_t queue_delay_ms);

// Place an entry that is not in the wheel by its deadline. One that is already due fires at the
// next tick: the next call that advances the time, even by nothing, does not fire it twice.
void timer_wheel_insert(struct timer_wheel *wheel, uint32_t id);

// Append an entry that is not in the wheel to the queue.
void timer_wheel_append(struct timer_wheel *wheel, uint32_t id);

// Take an entry out; nothing happens when it is not in.
void timer_wheel_remove(struct timer_wheel *wheel, uint32_t id);

bool timer_wheel_has(struct timer_wheel *wheel, uint32_t id);

// Oldest entry of the queue, 0 when empty.
uint32_t timer_wheel_get_queue_head(const struct timer_wheel *wheel);

// Move time to now_ms and fire what is due. A time in the past counts as the present.
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms);

// Whether timer_wheel_advance would find anything to visit: the check to make before each packet.
static inline bool timer_wheel_is_due(const struct timer_wheel *wheel, uint64_t now_ms)
{
	return now_ms >= wheel->next_ms;
}
