// SPDX-License-Identifier: Apache-2.0

// Places of held packets, the queues they stand in, and how they get out of them; see hold.h.
// Worker's thread; in a replay with several workers, between rounds, the reader's.

#include "engine/hold_places.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "engine/worker.h"

struct held *hold_get(const struct hold_stage *hold, uint32_t id)
{
	return &hold->held[id - 1];
}

static uint32_t id_of(const struct hold_stage *hold, const struct held *held)
{
	return (uint32_t)(held - hold->held) + 1;
}

uint8_t *hold_get_room(const struct hold_stage *hold, const struct held *held)
{
	return hold->bytes + (size_t)(held - hold->held) * HANDOFF_FRAME_MAX;
}

static bool reserve(struct worker *worker)
{
	struct hold_stage *hold = worker->hold;
	uint64_t limit = worker->engine->config.limits.hold_frames;
	uint32_t capacity = limit < HOLD_FRAMES_MAX ? (uint32_t)limit : HOLD_FRAMES_MAX;

	if (hold->held != NULL)
		return true;
	struct held *held = calloc(capacity, sizeof(*held));
	size_t size = (size_t)capacity * HANDOFF_FRAME_MAX;
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (held == NULL || bytes == MAP_FAILED) {
		free(held);
		if (bytes != MAP_FAILED)
			munmap(bytes, size);
		return false;
	}
	hold->held = held;
	hold->bytes = bytes;
	hold->bytes_size = size;
	hold->capacity = capacity;
	for (uint32_t id = 1; id <= capacity; id++)
		held[id - 1].next = id < capacity ? id + 1 : 0;
	hold->free_id = 1;
	return true;
}

void hold_places_fini(struct hold_stage *hold)
{
	free(hold->held);
	if (hold->bytes != NULL)
		munmap(hold->bytes, hold->bytes_size);
}

uint32_t hold_take_place(struct worker *worker)
{
	struct hold_stage *hold = worker->hold;

	if (!reserve(worker) || hold->free_id == 0)
		return 0;
	uint32_t id = hold->free_id;
	struct held *held = hold_get(hold, id);

	hold->free_id = held->next;
	*held = (struct held){.in_use = true};
	return id;
}

void hold_put_place(struct hold_stage *hold, struct held *held)
{
	held->in_use = false;
	held->next = hold->free_id;
	hold->free_id = id_of(hold, held);
}

struct hold_session *hold_get_session(const struct worker *worker, uint32_t index)
{
	if (index == SESSION_NONE || worker->table->cold[index].context == 0)
		return NULL;
	const struct plugin_block *block =
		slab_record(&worker->blocks, worker->table->cold[index].context);

	return block->hold != 0 ? slab_record(&worker->hold->sessions, block->hold) : NULL;
}

bool hold_need_session(struct worker *worker, const struct session *session)
{
	if (session->block->hold == 0)
		session->block->hold = slab_get(&worker->hold->sessions);
	return session->block->hold != 0;
}

void hold_put_session(struct worker *worker, uint32_t index)
{
	const struct hold_session *own = hold_get_session(worker, index);

	if (own == NULL || own->frame_count > 0)
		return;
	struct plugin_block *block =
		slab_record(&worker->blocks, worker->table->cold[index].context);

	slab_put(&worker->hold->sessions, block->hold);
	block->hold = 0;
}

static struct held_link *link_of(struct held *held, uint32_t index)
{
	return &held->links[held->links[0].session_index == index ? 0 : 1];
}

void hold_enter_queue(struct worker *worker, struct held *held, uint32_t place,
		      const struct session *session)
{
	struct hold_stage *hold = worker->hold;
	struct hold_session *own = hold_get_session(worker, session->index);
	struct held_list *queue = &own->queues[session->direction];
	struct held_link *link = &held->links[place];
	uint32_t id = id_of(hold, held);

	*link = (struct held_link){
		.session_index = session->index,
		.previous = queue->last,
		.direction = session->direction,
	};
	if (queue->last != 0)
		link_of(hold_get(hold, queue->last), session->index)->next = id;
	else
		queue->first = id;
	queue->last = id;
	own->frame_count += held->frame_count;
}

void hold_leave_queue(struct worker *worker, struct held *held, uint32_t place)
{
	struct hold_stage *hold = worker->hold;
	const struct held_link *link = &held->links[place];
	uint32_t index = link->session_index;

	if (index == SESSION_NONE)
		return;
	struct hold_session *own = hold_get_session(worker, index);
	struct held_list *queue = &own->queues[link->direction];

	if (link->previous != 0)
		link_of(hold_get(hold, link->previous), index)->next = link->next;
	else
		queue->first = link->next;
	if (link->next != 0)
		link_of(hold_get(hold, link->next), index)->previous = link->previous;
	else
		queue->last = link->previous;
	own->frame_count -= held->frame_count;
	hold_put_session(worker, index);
}

uint32_t hold_next_in_queue(struct worker *worker, uint32_t id, uint32_t index)
{
	return link_of(hold_get(worker->hold, id), index)->next;
}

void held_list_append(struct hold_stage *hold, struct held_list *list, struct held *held)
{
	uint32_t id = id_of(hold, held);

	held->next = 0;
	if (list->last != 0)
		hold_get(hold, list->last)->next = id;
	else
		list->first = id;
	list->last = id;
}

void hold_take_out(struct worker *worker, struct held_list *list, struct held *held)
{
	struct hold_stage *hold = worker->hold;

	timer_wheel_remove(&hold->wheel, id_of(hold, held));
	hold_leave_queue(worker, held, 0);
	hold_leave_queue(worker, held, 1);
	held->is_taken_out = true;
	hold->count--;
	hold->frame_count -= held->frame_count;
	held_list_append(hold, list, held);
}

static bool is_ready(const struct held *held)
{
	for (uint32_t place = 0; place < 2; place++) {
		if (held->links[place].session_index != SESSION_NONE &&
		    held->links[place].previous != 0)
			return false;
	}
	return held->holders.count == 0;
}

static void run_queue(struct worker *worker, struct held_list *list, uint32_t index,
		      uint8_t direction)
{
	for (;;) {
		// Gone with its last packet.
		const struct hold_session *own = hold_get_session(worker, index);

		if (own == NULL || own->queues[direction].first == 0)
			return;
		struct held *held = hold_get(worker->hold, own->queues[direction].first);

		if (!is_ready(held))
			return;
		held->packet.verdict.disposition = STELLAR_PASS;
		hold_take_out(worker, list, held);
	}
}

void hold_run_session(struct worker *worker, struct held_list *list, uint32_t index)
{
	uint32_t before = list->last;

	run_queue(worker, list, index, STELLAR_FORWARD);
	run_queue(worker, list, index, STELLAR_REVERSE);
	hold_run_others(worker, list,
			before != 0 ? hold_get(worker->hold, before)->next : list->first);
}

void hold_run_around(struct worker *worker, struct held_list *list, const struct held *held)
{
	for (uint32_t place = 0; place < 2; place++) {
		if (held->links[place].session_index != SESSION_NONE)
			hold_run_session(worker, list, held->links[place].session_index);
	}
}

// What leaves stood in two queues, perhaps: the list itself says which are left to look at.
void hold_run_others(struct worker *worker, struct held_list *list, uint32_t id)
{
	for (; id != 0; id = hold_get(worker->hold, id)->next) {
		const struct held *held = hold_get(worker->hold, id);

		for (uint32_t place = 0; place < 2; place++) {
			if (held->links[place].session_index != SESSION_NONE)
				run_queue(worker, list, held->links[place].session_index,
					  held->links[place].direction);
		}
	}
}
