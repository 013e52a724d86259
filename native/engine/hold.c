// SPDX-License-Identifier: Apache-2.0

// Holding packets; see hold.h. Worker's thread.

#include "engine/hold.h"

#include <stdlib.h>
#include <string.h>

#include "engine/handoff_stage.h"
#include "engine/hold_places.h"
#include "engine/worker.h"

struct attachment *attachment_get(const struct worker *worker, const struct packet *packet)
{
	return packet->attached != 0 ? &worker->hold->attachments[packet->attached - 1] : NULL;
}

struct attachment *attachment_need(struct worker *worker, struct packet *packet)
{
	struct hold_stage *hold = worker->hold;

	if (packet->attached == 0 && hold->free_attachment != 0) {
		uint32_t id = hold->free_attachment;
		struct attachment *attachment = &hold->attachments[id - 1];

		hold->free_attachment = attachment->next_free;
		memset(attachment, 0, sizeof(*attachment));
		packet->attached = id;
	}
	return attachment_get(worker, packet);
}

static void attachment_put(struct worker *worker, struct packet *packet)
{
	struct hold_stage *hold = worker->hold;

	inject_stage_forget(&hold->attachments[packet->attached - 1].injected);
	hold->attachments[packet->attached - 1].next_free = hold->free_attachment;
	hold->free_attachment = packet->attached;
	packet->attached = 0;
}

// The wheel.

static struct timer_link *get_timer(void *owner, uint32_t id)
{
	return &hold_get(((const struct worker *)owner)->hold, id)->timer;
}

static uint64_t get_deadline(void *owner, uint32_t id, uint64_t now_ms)
{
	const struct holders *holders =
		&hold_get(((const struct worker *)owner)->hold, id)->holders;
	uint64_t deadline_ms = TIMER_WHEEL_NEVER;

	for (uint32_t i = 0; i < holders->count; i++) {
		if (holders->list[i].deadline_ms < deadline_ms)
			deadline_ms = holders->list[i].deadline_ms;
	}
	return deadline_ms;
}

static void refuse(struct packet *packet, uint8_t reason, uint16_t plugin_id)
{
	packet->verdict.disposition = STELLAR_DROP;
	packet->verdict.drop_reason = reason;
	packet->verdict.disposition_plugin_id = plugin_id;
	packet->verdict.rule_id = STELLAR_RULE_NONE;
}

static void remove_holder(struct holders *holders, uint32_t place)
{
	holders->count--;
	memmove(&holders->list[place], &holders->list[place + 1],
		(holders->count - place) * sizeof(holders->list[0]));
}

// Those whose time is over let go, with their outcome.
static void end_due(struct held *held, uint64_t now_ms)
{
	struct holders *holders = &held->holders;

	for (uint32_t i = holders->count; i-- > 0;) {
		const struct holder *holder = &holders->list[i];

		if (holder->deadline_ms > now_ms)
			continue;
		if (holder->outcome == STELLAR_DROP)
			refuse(&held->packet, STELLAR_DROPPED_HOLD_EXPIRED, holder->plugin_id);
		remove_holder(holders, i);
	}
}

static void take_out_dropped(struct worker *worker, struct held_list *list, struct held *held)
{
	uint32_t before = list->last;

	hold_take_out(worker, list, held);
	hold_run_others(worker, list,
			before != 0 ? hold_get(worker->hold, before)->next : list->first);
}

static void fire(void *owner, uint32_t id, uint64_t due_ms)
{
	struct worker *worker = owner;
	struct hold_stage *hold = worker->hold;
	struct held *held = hold_get(hold, id);

	end_due(held, due_ms);
	if (held->packet.verdict.disposition == STELLAR_DROP) {
		take_out_dropped(worker, &hold->leaving, held);
		return;
	}
	if (held->holders.count > 0)
		timer_wheel_insert(&hold->wheel, id);
	else
		hold_run_around(worker, &hold->leaving, held);
}

int hold_stage_create(struct worker *worker)
{
	static const struct timer_wheel_ops ops = {
		.link = get_timer,
		.deadline = get_deadline,
		.fire = fire,
	};
	struct hold_stage *hold = calloc(1, sizeof(*hold));

	if (hold == NULL)
		return -1;
	worker->hold = hold;
	slab_init(&hold->sessions, sizeof(struct hold_session));
	timer_wheel_init(&hold->wheel, &ops, worker, 0, 0);
	for (uint32_t id = 1; id <= ATTACHMENTS_MAX; id++)
		hold->attachments[id - 1].next_free = id < ATTACHMENTS_MAX ? id + 1 : 0;
	hold->free_attachment = 1;
	return 0;
}

void hold_stage_destroy(struct worker *worker)
{
	if (worker->hold == NULL)
		return;
	hold_places_fini(worker->hold);
	inject_stage_forget(&worker->hold->departed_injected);
	slab_fini(&worker->hold->sessions);
	free(worker->hold);
	worker->hold = NULL;
}

// Leaving.

// Nobody would be told again of bytes that its receiver did not get.
static void refuse_told_bytes(struct worker *worker, const struct held *held)
{
	struct session session;

	if (!held->has_told_bytes || held->packet.verdict.disposition != STELLAR_DROP ||
	    held->session_index == SESSION_NONE)
		return;
	session_view(worker, held->session_index, &session);
	session.direction = held->direction;
	stream_stage_refuse(&session, held->told_offset, held->packet.verdict.drop_reason);
}

static void record(struct worker *worker, struct held *held)
{
	if (held->session_index != SESSION_NONE)
		session_view(worker, held->session_index, &worker->current);
	else
		memset(&worker->current, 0, sizeof(worker->current));
	worker->current.packet = &held->packet;
	worker->receiver = held->receiver;
	stage_record(worker, &held->packet);
	refuse_told_bytes(worker, held);
}

static void uncount(struct worker *worker, const struct packet *packet)
{
	// The frames of a datagram are counted by the defragmenter.
	if (!packet->is_reassembled)
		worker->ledger.packets.held--;
}

// Returns whether its place is free when what is queued has been sent.
static bool leave(struct worker *worker, struct held *held)
{
	if (held->slot != NULL) {
		worker->hold->slots_held[held->receiver->id]--;
		handoff_stage_return(held->receiver, held->slot, &held->packet.verdict);
		return true;
	}
	if (held->receiver != worker) {
		held->time_ns = worker->now_ns;
		held->order = worker->order;
		held_list_append(worker->hold, &worker->hold->departed, held);
		return false;
	}
	uncount(worker, &held->packet);
	stage_leave(worker, &held->packet, NULL, 0);
	return true;
}

// All of a list leave, in their order. No plugin is called.
static void flush(struct worker *worker, struct held_list *list)
{
	struct hold_stage *hold = worker->hold;
	struct session current = worker->current;
	struct worker *receiver = worker->receiver;
	struct held_list sent = {0};
	uint32_t next;

	if (list->first == 0)
		return;
	for (uint32_t id = list->first; id != 0; id = next) {
		struct held *held = hold_get(hold, id);

		next = held->next;
		record(worker, held);
		worker->receiver = worker;
		if (leave(worker, held))
			held_list_append(hold, &sent, held);
	}
	*list = (struct held_list){0};
	worker->current = current;
	worker->receiver = receiver;
	// The device copies: then nothing needs the bytes.
	if (sent.first != 0)
		stage_send(worker);
	for (uint32_t id = sent.first; id != 0; id = next) {
		next = hold_get(hold, id)->next;
		hold_put_place(hold, hold_get(hold, id));
	}
}

// Asking.

void hold_stage_ask(struct session *session, const struct verdict_request *request)
{
	struct worker *worker = session->worker;
	uint16_t plugin_id = worker->plugin != NULL ? worker->plugin->id : STELLAR_PLUGIN_NONE;
	uint32_t hold_ms = request->hold_ms != 0 ? request->hold_ms : HOLD_MS_DEFAULT;
	struct attachment *attachment;

	if (!worker->engine->config.is_inline ||
	    (attachment = attachment_need(worker, session->packet)) == NULL)
		return;
	struct holder asked = {
		.deadline_ms = worker->now_ns / NS_PER_MS + hold_ms,
		.session_index = session->index,
		.plugin_id = plugin_id,
		.outcome = request->hold_outcome == STELLAR_PASS ? STELLAR_PASS : STELLAR_DROP,
	};
	struct holders *holders = &attachment->holders;

	for (uint32_t i = 0; i < holders->count; i++) {
		struct holder *holder = &holders->list[i];

		if (holder->plugin_id != plugin_id || holder->session_index != session->index)
			continue;
		// Said without terms: as it was.
		if (request->hold_ms == 0 && request->hold_outcome == 0)
			return;
		if (asked.deadline_ms > holder->deadline_ms)
			holder->deadline_ms = asked.deadline_ms;
		if (asked.outcome > holder->outcome)
			holder->outcome = asked.outcome;
		return;
	}
	if (holders->count == HOLD_HOLDERS_MAX)
		holders->has_more = true;
	else
		holders->list[holders->count++] = asked;
}

// Returns whether the plugin held it.
static bool let_go(struct holders *holders, uint32_t index, uint16_t plugin_id)
{
	for (uint32_t i = 0; i < holders->count; i++) {
		if (holders->list[i].plugin_id != plugin_id ||
		    holders->list[i].session_index != index)
			continue;
		remove_holder(holders, i);
		return true;
	}
	return false;
}

// The packet in hand, when the plugin has asked to hold it.
static int release_in_hand(struct session *session, uint16_t plugin_id, uint8_t disposition)
{
	struct packet *packet = session->packet;
	struct attachment *attachment =
		packet != NULL ? attachment_get(session->worker, packet) : NULL;

	if (attachment == NULL || !let_go(&attachment->holders, session->index, plugin_id))
		return 0;
	if (disposition == STELLAR_DROP && packet->verdict.disposition != STELLAR_DROP)
		refuse(packet, STELLAR_DROPPED_PLUGIN, plugin_id);
	return 1;
}

static int release_queue(struct worker *worker, struct held_list *list, uint32_t index,
			 uint8_t direction, uint16_t plugin_id, uint8_t disposition)
{
	const struct hold_session *own = hold_get_session(worker, index);
	uint32_t id = own != NULL ? own->queues[direction].first : 0;
	int count = 0;

	while (id != 0) {
		struct held *held = hold_get(worker->hold, id);

		id = hold_next_in_queue(worker, id, index);
		if (!let_go(&held->holders, index, plugin_id))
			continue;
		count++;
		if (disposition != STELLAR_DROP)
			continue;
		refuse(&held->packet, STELLAR_DROPPED_PLUGIN, plugin_id);
		hold_take_out(worker, list, held);
	}
	return count;
}

int hold_stage_release(struct session *session, uint8_t disposition)
{
	struct worker *worker = session->worker;
	struct packet *in_hand = worker_get_called(worker)->packet;
	uint16_t plugin_id = worker->plugin->id;
	int count = release_in_hand(session, plugin_id, disposition);
	struct held_list *list = &worker->hold->leaving;

	if (hold_get_session(worker, session->index) == NULL)
		return count;
	struct attachment *attachment = in_hand != NULL ? attachment_need(worker, in_hand) : NULL;

	if (attachment != NULL)
		list = &attachment->leaving;
	uint32_t before = list->last;

	for (uint8_t direction = 0; direction < STELLAR_DIRECTION_COUNT; direction++)
		count += release_queue(worker, list, session->index, direction, plugin_id,
				       disposition);
	hold_run_others(worker, list,
			before != 0 ? hold_get(worker->hold, before)->next : list->first);
	hold_run_session(worker, list, session->index);
	if (attachment == NULL)
		flush(worker, list);
	return count;
}

const struct packet *hold_stage_get_first(const struct session *session, uint8_t direction)
{
	const struct hold_session *own = hold_get_session(session->worker, session->index);
	uint32_t id = own != NULL ? own->queues[direction].first : 0;

	return id != 0 ? &hold_get(session->worker->hold, id)->packet : NULL;
}

static bool has_other_holder(const struct holders *holders, uint32_t index, uint16_t plugin_id)
{
	for (uint32_t i = 0; i < holders->count; i++) {
		if (holders->list[i].plugin_id != plugin_id &&
		    holders->list[i].session_index == index)
			return true;
	}
	return false;
}

bool hold_stage_is_held_by_other(const struct session *session, uint16_t plugin_id)
{
	struct worker *worker = session->worker;
	const struct hold_session *own = hold_get_session(worker, session->index);
	const struct attachment *attachment =
		session->packet != NULL ? attachment_get(worker, session->packet) : NULL;

	if (attachment != NULL && has_other_holder(&attachment->holders, session->index, plugin_id))
		return true;
	for (uint8_t direction = 0; own != NULL && direction < STELLAR_DIRECTION_COUNT;
	     direction++) {
		for (uint32_t id = own->queues[direction].first; id != 0;
		     id = hold_next_in_queue(worker, id, session->index)) {
			if (has_other_holder(&hold_get(worker->hold, id)->holders, session->index,
					     plugin_id))
				return true;
		}
	}
	return false;
}

// Settling.

static uint32_t frames_of(const struct packet *packet)
{
	return packet->is_reassembled ? packet->frame_count : 1;
}

static bool has_holder(const struct attachment *attachment, const struct session *session)
{
	if (session->index == SESSION_NONE)
		return false;
	for (uint32_t i = 0; i < attachment->holders.count; i++) {
		if (attachment->holders.list[i].session_index == session->index)
			return true;
	}
	return false;
}

static bool is_behind(const struct worker *worker, const struct session *session)
{
	const struct hold_session *own = hold_get_session(worker, session->index);

	return own != NULL && own->queues[session->direction].first != 0;
}

// Whether the packet is to stand in the session's queue.
static bool belongs(const struct worker *worker, const struct attachment *attachment,
		    const struct session *session)
{
	return has_holder(attachment, session) || is_behind(worker, session);
}

static bool session_has_room(const struct worker *worker, const struct session *session,
			     uint32_t frame_count)
{
	const struct hold_session *own = hold_get_session(worker, session->index);

	return (own != NULL ? own->frame_count : 0) + frame_count <=
	       worker->engine->config.limits.hold_session;
}

// What another worker received stays in a slot of its pool: others need some, too.
static bool receiver_has_room(const struct worker *worker)
{
	const struct worker *receiver = worker->receiver;

	return receiver == worker || receiver->handoff == NULL ||
	       worker->hold->slots_held[receiver->id] <= receiver->handoff->slot_count / 4;
}

// Returns the reason why the packet can't be held, or 0: attachment->held_id is its place.
static uint8_t take_place(struct worker *worker, const struct packet *packet,
			  struct attachment *attachment)
{
	struct hold_stage *hold = worker->hold;
	struct session *sessions[2] = {&worker->current, &worker->outer};
	uint32_t frame_count = frames_of(packet);

	if (attachment->holders.has_more || !receiver_has_room(worker) ||
	    packet->frame.length > HANDOFF_FRAME_MAX || hold->count >= HOLD_FRAMES_MAX ||
	    hold->frame_count + frame_count > worker->engine->config.limits.hold_frames)
		return STELLAR_DROPPED_HOLD_LIMIT;
	for (uint32_t place = 0; place < 2; place++) {
		if (belongs(worker, attachment, sessions[place]) &&
		    !session_has_room(worker, sessions[place], frame_count))
			return STELLAR_DROPPED_HOLD_LIMIT;
	}
	attachment->held_id = hold_take_place(worker);
	if (attachment->held_id == 0)
		return STELLAR_DROPPED_NO_MEMORY;
	struct held *held = hold_get(hold, attachment->held_id);

	held->frame_count = frame_count;
	for (uint32_t place = 0; place < 2; place++) {
		if (!belongs(worker, attachment, sessions[place]))
			continue;
		if (!hold_need_session(worker, sessions[place])) {
			hold_leave_queue(worker, held, 0);
			hold_put_place(hold, held);
			attachment->held_id = 0;
			return STELLAR_DROPPED_NO_MEMORY;
		}
		hold_enter_queue(worker, held, place, sessions[place]);
	}
	return 0;
}

bool hold_stage_has_room(const struct worker *worker, uint32_t count)
{
	const struct hold_stage *hold = worker->hold;

	return hold->count + count <= HOLD_FRAMES_MAX &&
	       hold->frame_count + count <= worker->engine->config.limits.hold_frames;
}

static void end_blocked(struct worker *worker, struct session *session)
{
	if (session->index != SESSION_NONE && (session->hot->flags & SESSION_BLOCKED) != 0)
		hold_stage_end(worker, session);
}

void hold_stage_settle(struct worker *worker, struct packet *packet)
{
	struct hold_stage *hold = worker->hold;
	struct session *session = &worker->current;
	struct verdict *verdict = &packet->verdict;

	end_blocked(worker, session);
	end_blocked(worker, &worker->outer);
	if (verdict->disposition == STELLAR_DROP || !worker->engine->config.is_inline)
		return;
	bool is_asked = verdict->disposition == STELLAR_HOLD;

	// Released before it was held.
	if (is_asked && packet->attached != 0 &&
	    attachment_get(worker, packet)->holders.count == 0) {
		verdict->disposition = STELLAR_PASS;
		is_asked = false;
	}
	if (!is_asked && !is_behind(worker, session) && !is_behind(worker, &worker->outer))
		return;
	struct attachment *attachment = attachment_need(worker, packet);
	uint8_t reason = attachment != NULL ? take_place(worker, packet, attachment)
					    : STELLAR_DROPPED_HOLD_LIMIT;

	if (reason != 0) {
		refuse(packet, reason,
		       is_asked ? verdict->disposition_plugin_id : STELLAR_PLUGIN_NONE);
		if (worker->stream.has_told)
			stream_stage_refuse(session, worker->stream.told_offset, reason);
		return;
	}
	struct held *held = hold_get(hold, attachment->held_id);

	verdict->disposition = STELLAR_HOLD;
	held->has_told_bytes = worker->stream.has_told;
	held->told_offset = worker->stream.told_offset;
	held->session_index = session->index;
	held->direction = session->direction;
	held->holders = attachment->holders;
	hold->count++;
	hold->frame_count += held->frame_count;
	if (held->holders.count > 0)
		timer_wheel_insert(&hold->wheel, attachment->held_id);
}

void hold_stage_begin_leave(struct worker *worker, struct packet *packet)
{
	if (packet->attached != 0)
		flush(worker, &attachment_get(worker, packet)->leaving);
}

bool hold_stage_keep(struct worker *worker, struct packet *packet, struct handoff_slot *slot)
{
	struct attachment *attachment = attachment_get(worker, packet);

	if (attachment == NULL || attachment->held_id == 0)
		return false;
	struct held *held = hold_get(worker->hold, attachment->held_id);

	attachment->held_id = 0;
	held->packet = *packet;
	held->packet.attached = 0;
	held->packet.decode_events = 0; // they are recorded
	held->receiver = worker->receiver;
	held->slot = slot;
	if (slot != NULL) {
		worker->hold->slots_held[held->receiver->id]++;
		return true;
	}
	held->packet.frame.data = hold_get_room(worker->hold, held);
	memcpy(held->packet.frame.data, packet->frame.data, packet->frame.length);
	if (held->receiver == worker && !packet->is_reassembled)
		worker->ledger.packets.held++;
	return true;
}

void hold_stage_end_leave(struct worker *worker, struct packet *packet)
{
	struct attachment *attachment = attachment_get(worker, packet);

	if (attachment == NULL)
		return;
	if (attachment->held_id != 0) {
		struct held_list none = {0};
		struct held *held = hold_get(worker->hold, attachment->held_id);

		hold_take_out(worker, &none, held);
		hold_put_place(worker->hold, held);
	}
	attachment_put(worker, packet);
}

// Ending.

// Those who hold it for this session let go, with their outcome.
static void end_holders(struct held *held, const struct session *session)
{
	struct holders *holders = &held->holders;

	if ((session->hot->flags & SESSION_BLOCKED) != 0) {
		refuse(&held->packet, STELLAR_DROPPED_BLOCKED_SESSION, STELLAR_PLUGIN_NONE);
		held->packet.verdict.rule_id = session->cold->rule_id;
		held->packet.verdict.generation = session->cold->generation;
		return;
	}
	for (uint32_t i = holders->count; i-- > 0;) {
		const struct holder *holder = &holders->list[i];

		if (holder->session_index != session->index)
			continue;
		if (holder->outcome == STELLAR_DROP)
			refuse(&held->packet, STELLAR_DROPPED_HOLD_EXPIRED, holder->plugin_id);
		remove_holder(holders, i);
	}
}

// What a tunnel's session still holds of this one goes on without it.
static void forget_session(struct worker *worker, uint32_t index, uint8_t direction)
{
	const struct hold_session *own;

	while ((own = hold_get_session(worker, index)) != NULL &&
	       own->queues[direction].first != 0) {
		struct held *held = hold_get(worker->hold, own->queues[direction].first);
		uint32_t place = held->links[0].session_index == index ? 0 : 1;

		hold_leave_queue(worker, held, place);
		held->links[place].session_index = SESSION_NONE;
		if (held->session_index == index)
			held->session_index = SESSION_NONE;
	}
}

void hold_stage_end(struct worker *worker, struct session *session)
{
	struct held_list *list = &worker->hold->leaving;

	for (uint8_t direction = 0; direction < STELLAR_DIRECTION_COUNT; direction++) {
		const struct hold_session *own = hold_get_session(worker, session->index);
		uint32_t id = own != NULL ? own->queues[direction].first : 0;

		while (id != 0) {
			struct held *held = hold_get(worker->hold, id);

			id = hold_next_in_queue(worker, id, session->index);
			end_holders(held, session);
			if (held->packet.verdict.disposition == STELLAR_DROP)
				hold_take_out(worker, list, held);
		}
	}
	hold_run_others(worker, list, list->first);
	hold_run_session(worker, list, session->index);
	flush(worker, list);
	forget_session(worker, session->index, STELLAR_FORWARD);
	forget_session(worker, session->index, STELLAR_REVERSE);
}

uint64_t hold_stage_next_ms(const struct worker *worker)
{
	return worker->hold->count > 0 ? worker->hold->wheel.next_ms : UINT64_MAX;
}

void hold_stage_expire(struct worker *worker, uint64_t now_ms)
{
	timer_wheel_advance(&worker->hold->wheel, now_ms);
	flush(worker, &worker->hold->leaving);
}

void hold_stage_finish(struct worker *worker)
{
	struct hold_stage *hold = worker->hold;
	bool is_lost = atomic_load(&worker->engine->hand_over);

	for (uint32_t id = 1; hold->count > 0 && id <= hold->capacity; id++) {
		struct held *held = hold_get(hold, id);

		if (!held->in_use || held->is_taken_out)
			continue;
		end_due(held, UINT64_MAX);
		if (is_lost)
			refuse(&held->packet, STELLAR_DROPPED_SHUTDOWN, STELLAR_PLUGIN_NONE);
		if (held->packet.verdict.disposition == STELLAR_DROP)
			hold_take_out(worker, &hold->leaving, held);
	}
	for (uint32_t id = 1; hold->count > 0 && id <= hold->capacity; id++) {
		const struct held *held = hold_get(hold, id);

		if (held->in_use && !held->is_taken_out)
			hold_run_around(worker, &hold->leaving, held);
	}
	flush(worker, &hold->leaving);
}

// Replay with several workers.

static bool is_by(const struct held *held, uint64_t time_ns, uint64_t order)
{
	return held->time_ns < time_ns || (held->time_ns == time_ns && held->order <= order);
}

// The worker whose next one left first, by then, or NULL. Ties by worker.
static struct worker *next_departure(const struct engine *engine, uint64_t time_ns, uint64_t order)
{
	struct worker *next = NULL;

	for (uint32_t id = engine->config.worker_count; id-- > 0;) {
		const struct hold_stage *hold = engine->workers[id]->hold;

		if (hold->departed.first == 0)
			continue;
		const struct held *held = hold_get(hold, hold->departed.first);

		if (!is_by(held, time_ns, order))
			continue;
		time_ns = held->time_ns;
		order = held->order;
		next = engine->workers[id];
	}
	return next;
}

void hold_stage_send_departed(struct worker *reader, uint64_t time_ns, uint64_t order)
{
	struct worker *worker;

	while ((worker = next_departure(reader->engine, time_ns, order)) != NULL) {
		struct hold_stage *hold = worker->hold;
		struct held *held = hold_get(hold, hold->departed.first);

		hold->departed.first = held->next;
		if (held->next == 0)
			hold->departed.last = 0;
		inject_stage_send_departed(reader, held->time_ns, held->order);
		reader->now_ns = held->time_ns;
		uncount(reader, &held->packet);
		stage_leave(reader, &held->packet, NULL, 0);
		stage_send(reader);
		hold_put_place(hold, held);
	}
	inject_stage_send_departed(reader, time_ns, order);
}
