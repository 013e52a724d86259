// SPDX-License-Identifier: Apache-2.0

#include "session/timer_wheel.h"

#include <string.h>

#define LEVEL_BITS 8
#define SLOT_MASK ((uint64_t)TIMER_WHEEL_SLOTS - 1)

static struct timer_link *link_of(struct timer_wheel *wheel, uint32_t id_or_list)
{
	if (id_or_list & TIMER_LINK_LIST)
		return &wheel->lists[id_or_list & ~TIMER_LINK_LIST];
	return wheel->ops.link(wheel->owner, id_or_list);
}

static bool list_is_empty(const struct timer_wheel *wheel, uint32_t list)
{
	return wheel->lists[list].next & TIMER_LINK_LIST;
}

static void list_reset(struct timer_wheel *wheel, uint32_t list)
{
	wheel->lists[list].next = TIMER_LINK_LIST | list;
	wheel->lists[list].previous = TIMER_LINK_LIST | list;
}

static void list_append(struct timer_wheel *wheel, uint32_t list, uint32_t id)
{
	struct timer_link *head = &wheel->lists[list];
	struct timer_link *link = link_of(wheel, id);
	link->next = TIMER_LINK_LIST | list;
	link->previous = head->previous;
	link_of(wheel, head->previous)->next = id;
	head->previous = id;
}

// Move all of a list to the end of another, which is empty.
static void list_move(struct timer_wheel *wheel, uint32_t from, uint32_t to)
{
	struct timer_link *head = &wheel->lists[from];
	if (list_is_empty(wheel, from))
		return;
	wheel->lists[to] = *head;
	link_of(wheel, head->next)->previous = TIMER_LINK_LIST | to;
	link_of(wheel, head->previous)->next = TIMER_LINK_LIST | to;
	list_reset(wheel, from);
}

static void set_occupied(struct timer_wheel *wheel, unsigned level, unsigned slot, bool occupied)
{
	uint64_t *word = &wheel->occupied[level][slot / 64];
	uint64_t bit = UINT64_C(1) << (slot % 64);
	*word = occupied ? *word | bit : *word & ~bit;
}

// Lowest occupied slot of a level above `after`, or -1.
static int next_occupied(const struct timer_wheel *wheel, unsigned level, unsigned after)
{
	for (unsigned slot = after + 1; slot < TIMER_WHEEL_SLOTS; slot = (slot | 63) + 1) {
		uint64_t bits = wheel->occupied[level][slot / 64] >> (slot % 64);
		if (bits != 0)
			return (int)slot + __builtin_ctzll(bits);
	}
	return -1;
}

static uint64_t level_start(uint64_t now_ms, unsigned level, unsigned slot)
{
	unsigned shift = level * LEVEL_BITS;
	uint64_t below = level + 1 == TIMER_WHEEL_LEVELS
				 ? UINT64_MAX
				 : (UINT64_C(1) << (shift + LEVEL_BITS)) - 1;
	return (now_ms & ~below) | (uint64_t)slot << shift;
}

// The first time after now at which a slot is due, with its level and slot; NEVER when there is
// none.
static uint64_t next_slot(const struct timer_wheel *wheel, unsigned *ret_level, unsigned *ret_slot)
{
	for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
		unsigned now_slot = (unsigned)(wheel->now_ms >> (level * LEVEL_BITS) & SLOT_MASK);
		int slot = next_occupied(wheel, level, now_slot);
		if (slot >= 0) {
			*ret_level = level;
			*ret_slot = (unsigned)slot;
			return level_start(wheel->now_ms, level, (unsigned)slot);
		}
	}
	return TIMER_WHEEL_NEVER;
}

static uint64_t queue_due(const struct timer_wheel *wheel)
{
	uint32_t head = timer_wheel_get_queue_head(wheel);
	if (head == 0)
		return TIMER_WHEEL_NEVER;
	uint64_t due = wheel->ops.queued_ms(wheel->owner, head) + wheel->queue_delay_ms;
	return due > wheel->now_ms ? due : wheel->now_ms;
}

// Put an entry where its deadline says; not before `earliest`.
static void place(struct timer_wheel *wheel, uint32_t id, uint64_t deadline, uint64_t earliest)
{
	if (deadline < earliest)
		deadline = earliest;
	uint64_t difference = deadline ^ wheel->now_ms;
	unsigned level =
		difference == 0 ? 0 : (63 - (unsigned)__builtin_clzll(difference)) / LEVEL_BITS;
	unsigned slot = (unsigned)(deadline >> (level * LEVEL_BITS) & SLOT_MASK);
	list_append(wheel, level * TIMER_WHEEL_SLOTS + slot, id);
	set_occupied(wheel, level, slot, true);
	uint64_t start = level_start(deadline, level, slot);
	if (start < wheel->next_ms)
		wheel->next_ms = start;
}

void timer_wheel_init(struct timer_wheel *wheel, const struct timer_wheel_ops *ops, void *owner,
		      uint64_t now_ms, uint64_t queue_delay_ms)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->ops = *ops;
	wheel->owner = owner;
	wheel->now_ms = now_ms;
	wheel->next_ms = TIMER_WHEEL_NEVER;
	wheel->queue_delay_ms = queue_delay_ms;
	for (uint32_t list = 0; list < TIMER_WHEEL_LISTS; list++)
		list_reset(wheel, list);
}

void timer_wheel_insert(struct timer_wheel *wheel, uint32_t id)
{
	place(wheel, id, wheel->ops.deadline(wheel->owner, id, wheel->now_ms), wheel->now_ms + 1);
}

void timer_wheel_append(struct timer_wheel *wheel, uint32_t id)
{
	list_append(wheel, TIMER_WHEEL_QUEUE, id);
	if (timer_wheel_get_queue_head(wheel) == id) {
		uint64_t due = queue_due(wheel);
		if (due < wheel->next_ms)
			wheel->next_ms = due;
	}
}

void timer_wheel_remove(struct timer_wheel *wheel, uint32_t id)
{
	struct timer_link *link = link_of(wheel, id);
	if (link->next == 0)
		return;
	link_of(wheel, link->next)->previous = link->previous;
	link_of(wheel, link->previous)->next = link->next;
	uint32_t list = link->next & ~TIMER_LINK_LIST;
	if (link->next == link->previous && list < TIMER_WHEEL_QUEUE)
		set_occupied(wheel, list / TIMER_WHEEL_SLOTS, list % TIMER_WHEEL_SLOTS, false);
	link->next = 0;
	link->previous = 0;
}

bool timer_wheel_has(struct timer_wheel *wheel, uint32_t id)
{
	return link_of(wheel, id)->next != 0;
}

uint32_t timer_wheel_get_queue_head(const struct timer_wheel *wheel)
{
	uint32_t head = wheel->lists[TIMER_WHEEL_QUEUE].next;
	return head & TIMER_LINK_LIST ? 0 : head;
}

// Tell the owner who comes after an entry. Their links are needed next in any case.
static void announce(struct timer_wheel *wheel, uint32_t id)
{
	if (wheel->ops.upcoming == NULL)
		return;
	for (unsigned distance = 1; distance <= TIMER_WHEEL_FAR; distance++) {
		id = link_of(wheel, id)->next;
		if (id & TIMER_LINK_LIST)
			return;
		if (distance == TIMER_WHEEL_NEAR || distance == TIMER_WHEEL_FAR)
			wheel->ops.upcoming(wheel->owner, id, distance == TIMER_WHEEL_NEAR);
	}
}

// Take an entry out and fire it, or place it anew when it is not due.
static void visit(struct timer_wheel *wheel, uint32_t id)
{
	announce(wheel, id);
	timer_wheel_remove(wheel, id);
	uint64_t deadline = wheel->ops.deadline(wheel->owner, id, wheel->now_ms);
	if (deadline <= wheel->now_ms)
		wheel->ops.fire(wheel->owner, id, wheel->now_ms);
	else
		place(wheel, id, deadline, deadline);
}

// Visit a slot at its time. The entries go to a list of their own first: what callbacks insert
// meanwhile is not visited, what they remove is not either.
static void visit_slot(struct timer_wheel *wheel, unsigned level, unsigned slot)
{
	list_move(wheel, level * TIMER_WHEEL_SLOTS + slot, TIMER_WHEEL_FIRING);
	set_occupied(wheel, level, slot, false);
	while (!list_is_empty(wheel, TIMER_WHEEL_FIRING)) {
		uint32_t id = wheel->lists[TIMER_WHEEL_FIRING].next;
		if (level == 0) {
			visit(wheel, id);
			continue;
		}
		timer_wheel_remove(wheel, id);
		// What is due at this very tick goes through level 0, behind nothing.
		place(wheel, id, wheel->ops.deadline(wheel->owner, id, wheel->now_ms),
		      wheel->now_ms);
	}
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms)
{
	while (now_ms >= wheel->next_ms) {
		unsigned level = 0;
		unsigned slot = 0;
		uint64_t slot_due = next_slot(wheel, &level, &slot);
		uint64_t due = queue_due(wheel);
		wheel->next_ms = slot_due < due ? slot_due : due;
		if (wheel->next_ms > now_ms)
			break;
		if (slot_due <= due) {
			wheel->now_ms = slot_due;
			visit_slot(wheel, level, slot);
			if (level > 0)
				visit_slot(wheel, 0, (unsigned)(slot_due & SLOT_MASK));
		} else {
			wheel->now_ms = due;
			visit(wheel, timer_wheel_get_queue_head(wheel));
		}
	}
	if (now_ms > wheel->now_ms)
		wheel->now_ms = now_ms;
}
