// SPDX-License-Identifier: Apache-2.0

// Inside of hold.c: places of held packets and the queues they stand in. Worker's thread.
#pragma once

#include "engine/hold.h"

struct held *hold_get(const struct hold_stage *hold, uint32_t id);
uint8_t *hold_get_room(const struct hold_stage *hold, const struct held *held);
void hold_places_fini(struct hold_stage *hold);

// A zeroed place. Returns its id, or 0: there is none, or no memory for them.
uint32_t hold_take_place(struct worker *worker);
void hold_put_place(struct hold_stage *hold, struct held *held);

// What the session has, or NULL.
struct hold_session *hold_get_session(const struct worker *worker, uint32_t index);
// Returns false when there is no memory. put frees it when it is empty.
bool hold_need_session(struct worker *worker, const struct session *session);
void hold_put_session(struct worker *worker, uint32_t index);

// place: 0 in the queue of its session, 1 in that of the tunnel around it.
void hold_enter_queue(struct worker *worker, struct held *held, uint32_t place,
		      const struct session *session);
void hold_leave_queue(struct worker *worker, struct held *held, uint32_t place);
uint32_t hold_next_in_queue(struct worker *worker, uint32_t id, uint32_t index);

void held_list_append(struct hold_stage *hold, struct held_list *list, struct held *held);

// From its queues and the wheel, to the end of a list.
void hold_take_out(struct worker *worker, struct held_list *list, struct held *held);
// Take out what may leave now of a session, and what that sets free.
void hold_run_session(struct worker *worker, struct held_list *list, uint32_t index);
// The same for the sessions of a held packet.
void hold_run_around(struct worker *worker, struct held_list *list, const struct held *held);
// The same for the queues of those from `id` on, which were taken out.
void hold_run_others(struct worker *worker, struct held_list *list, uint32_t id);
