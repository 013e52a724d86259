// SPDX-License-Identifier: Apache-2.0

// Packets between workers; see handoff_stage.h. Each worker's own thread.

#include "engine/handoff_stage.h"

#include <string.h>

#include "engine/handoff.h"
#include "engine/spread.h"
#include "engine/worker.h"

int handoff_stage_init(struct worker *worker)
{
	const struct engine *engine = worker->engine;

	if (!engine->is_live || engine->config.worker_count == 1)
		return 0;
	return handoff_create(engine->config.worker_count,
			      (uint32_t)engine->config.limits.handoff_frames, &worker->handoff);
}

// Another worker has something to do. It is woken when it sleeps; see handoff_stage_sleep.
static void wake_other(struct worker *other)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&other->asleep, memory_order_relaxed) &&
	    atomic_exchange_explicit(&other->asleep, false, memory_order_relaxed))
		worker_wake(other);
}

static void refuse(struct packet *packet, uint8_t reason)
{
	packet->verdict.disposition = STELLAR_DROP;
	packet->verdict.drop_reason = reason;
}

static void drop_here(struct worker *worker, struct packet *packet, uint8_t reason)
{
	refuse(packet, reason);
	worker->ledger.packets.dropped[reason]++;
	if (packet->decode_events != 0)
		record_anomaly(worker, packet);
	record_drop(worker, packet);
}

static void fill_and_give(struct worker *worker, struct handoff_slot *slot, uint8_t *room,
			  const struct packet *packet)
{
	slot->packet = *packet;
	slot->packet.frame.data = room;
	memcpy(room, packet->frame.data, packet->frame.length);
	handoff_give(worker->handoff, slot);
}

static void hand_over(struct worker *worker, struct packet *packet, uint32_t home_id)
{
	const struct handoff *home = worker->engine->workers[home_id]->handoff;
	struct handoff_slot *slot = NULL;
	uint8_t *room;

	stage_receive(worker, packet);
	if (handoff_has_ended(home)) {
		drop_here(worker, packet, STELLAR_DROPPED_SHUTDOWN);
		return;
	}
	if (packet->frame.length <= HANDOFF_FRAME_MAX)
		slot = handoff_take(worker->handoff, home_id, &room);
	if (slot == NULL) {
		drop_here(worker, packet, STELLAR_DROPPED_HANDOFF_FULL);
		return;
	}
	worker->ledger.packets.held++;
	fill_and_give(worker, slot, room, packet);
}

bool handoff_stage_give_datagram(struct worker *worker, struct packet *packet)
{
	struct engine *engine = worker->engine;
	uint32_t home_id = spread_packet(&engine->home_secret, packet, engine->config.worker_count);

	if (home_id == SPREAD_NOWHERE || home_id == worker->id)
		return false;
	bool has_ended = handoff_has_ended(engine->workers[home_id]->handoff);
	bool holds = defragment_stage_holds(worker);
	struct handoff_slot *slot = NULL;
	uint8_t *room;

	memset(&worker->current, 0, sizeof(worker->current));
	if (packet->frame.length <= HANDOFF_FRAME_MAX && !has_ended)
		slot = handoff_take(worker->handoff, home_id, &room);
	if (slot != NULL) {
		slot->frame_count = holds ? packet->frame_count : 0;
		fill_and_give(worker, slot, room, packet);
		wake_other(engine->workers[home_id]);
	} else if (holds) {
		refuse(packet, has_ended ? STELLAR_DROPPED_SHUTDOWN : STELLAR_DROPPED_HANDOFF_FULL);
		stage_record(worker, packet);
	}
	if (slot == NULL || !holds)
		stage_leave(worker, packet, NULL, 0);
	return true;
}

size_t handoff_stage_decode(struct worker *worker, uint16_t ingress_id, size_t count,
			    uint64_t clock_ns)
{
	struct engine *engine = worker->engine;
	uint64_t homes = 0; // that got something
	size_t here = 0;

	session_stage_advance(worker, clock_ns);
	memset(&worker->current, 0, sizeof(worker->current));
	for (size_t i = 0; i < count; i++) {
		struct packet *packet = &worker->packets[here];

		stage_decode(worker, packet, &worker->frames[i], ingress_id);
		uint32_t home_id =
			spread_packet(&engine->home_secret, packet, engine->config.worker_count);

		if (home_id == SPREAD_NOWHERE || home_id == worker->id) {
			here++;
			continue;
		}
		hand_over(worker, packet, home_id);
		homes |= UINT64_C(1) << home_id;
	}
	for (; homes != 0; homes &= homes - 1)
		wake_other(engine->workers[__builtin_ctzll(homes)]);
	return here;
}

// Let packets leave that are back from their home.
static void let_leave(struct worker *worker, struct handoff_slot **slots, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct handoff_slot *slot = slots[i];

		if (slot->is_empty) {
			// It was not sent.
			inject_stage_drop(worker, slot->injected, STELLAR_DROPPED_SHUTDOWN);
			slot->injected = NULL;
			continue;
		}
		// The frames of a datagram are counted by the defragmenter, which holds them.
		if (!slot->packet.is_reassembled)
			worker->ledger.packets.held--;
		if (slot->frame_count > 0)
			stage_leave(worker, &slot->packet, slot->reply, slot->reply_length);
		inject_stage_send(worker, slot->injected);
		slot->injected = NULL;
	}
	stage_send(worker);
	for (size_t i = 0; i < count; i++)
		handoff_put(worker->handoff, slots[i]);
	worker_publish(worker);
}

// What an ended home did not look at, and what is still away when its receiver ends.
static void refuse_slots(struct worker *worker, struct handoff_slot **slots, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct handoff_slot *slot = slots[i];

		worker->ledger.packets.held -= slot->frame_count;
		worker->ledger.packets.dropped[STELLAR_DROPPED_SHUTDOWN] += slot->frame_count;
		if (slot->frame_count > 0 && slot->packet.is_reassembled)
			defragment_stage_release(worker, &slot->packet);
		inject_stage_drop(worker, slot->injected, STELLAR_DROPPED_SHUTDOWN);
		slot->injected = NULL;
		handoff_put(worker->handoff, slot);
	}
	worker_publish(worker);
}

static int collect(struct worker *worker, uint32_t home_id)
{
	struct handoff *handoff = worker->handoff;
	struct handoff_slot *slots[STELLAR_BURST_MAX];
	// Asked before the ring is read: what an ended home returned is all there then.
	bool has_ended = handoff_has_ended(worker->engine->workers[home_id]->handoff);
	size_t count = handoff_collect(handoff, home_id, slots, STELLAR_BURST_MAX);

	if (count > 0) {
		let_leave(worker, slots, count);
	} else if (has_ended) {
		count = handoff_reclaim(handoff, home_id, slots, STELLAR_BURST_MAX);
		refuse_slots(worker, slots, count);
	}
	return (int)count;
}

static int collect_all(struct worker *worker)
{
	int total = 0;

	if (worker->handoff->away == 0)
		return 0;
	for (uint32_t id = 0; id < worker->engine->config.worker_count; id++) {
		if (worker->handoff->away_at[id] > 0)
			total += collect(worker, id);
	}
	return total;
}

void handoff_stage_return(struct worker *receiver, struct handoff_slot *slot,
			  const struct verdict *verdict)
{
	slot->packet.verdict = *verdict;
	slot->reply_length = 0;
	handoff_return(receiver->handoff, slot);
	wake_other(receiver);
}

void handoff_stage_give_injected(struct worker *worker, struct worker *other,
				 struct injection *first)
{
	struct handoff_slot *slot = NULL;
	uint8_t *room;

	if (handoff_has_ended(other->handoff)) {
		inject_stage_drop(worker, first, STELLAR_DROPPED_SHUTDOWN);
		return;
	}
	slot = handoff_take(worker->handoff, other->id, &room);
	if (slot == NULL) {
		inject_stage_drop(worker, first, STELLAR_DROPPED_HANDOFF_FULL);
		return;
	}
	slot->is_empty = true;
	slot->frame_count = 0;
	slot->injected = first;
	handoff_give(worker->handoff, slot);
	wake_other(other);
}

// Send what others injected into this worker's interfaces. Returns how many slots are left, those
// with packets.
static size_t send_injected(struct worker *worker, struct worker *giver,
			    struct handoff_slot **slots, size_t count)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		if (!slots[i]->is_empty) {
			slots[left++] = slots[i];
			continue;
		}
		inject_stage_send(worker, slots[i]->injected);
		slots[i]->injected = NULL;
		handoff_return(giver->handoff, slots[i]);
	}
	return left;
}

// Judge a burst that another worker received.
static int judge(struct worker *worker, struct worker *receiver, uint64_t clock_ns)
{
	struct handoff_slot *slots[STELLAR_BURST_MAX];
	size_t count = handoff_receive(receiver->handoff, worker->id, slots,
				       worker->engine->config.burst_size);

	if (count == 0)
		return 0;
	size_t total = count;

	count = send_injected(worker, receiver, slots, count);
	for (size_t i = 0; i < count; i++) {
		worker->packets[i] = slots[i]->packet;
		worker->packets[i].verdict.generation =
			worker->policy != NULL ? worker->policy->generation : 0;
	}
	worker->receiver = receiver;
	session_stage_prepare(worker, count);
	session_stage_advance(worker, clock_ns);
	for (size_t i = 0; i < count; i++) {
		struct packet *packet = &worker->packets[i];

		session_table_look_ahead(worker->table, worker->hashes, count, i, worker->hints);
		worker_judge(worker, i);
		hold_stage_begin_leave(worker, packet);
		stage_record(worker, packet);
		if (hold_stage_keep(worker, packet, slots[i])) {
			inject_stage_leave(worker, packet);
			hold_stage_end_leave(worker, packet);
			continue;
		}
		slots[i]->injected = inject_stage_take(worker, packet);
		slots[i]->reply_length = stage_build_reply(worker, packet, slots[i]->reply);
		slots[i]->packet.verdict = packet->verdict;
		handoff_return(receiver->handoff, slots[i]);
		hold_stage_end_leave(worker, packet);
	}
	worker->receiver = worker;
	wake_other(receiver);
	worker_publish(worker);
	return (int)total;
}

int handoff_stage_turn(struct worker *worker, uint64_t clock_ns)
{
	struct engine *engine = worker->engine;
	int total = collect_all(worker);

	for (uint32_t id = 0; id < engine->config.worker_count; id++) {
		struct worker *receiver = engine->workers[id];

		if (receiver == worker || !handoff_has_waiting(receiver->handoff, worker->id))
			continue;
		total += judge(worker, receiver, clock_ns);
		worker_boundary(worker);
	}
	return total;
}

static bool has_work(const struct worker *worker)
{
	const struct engine *engine = worker->engine;

	for (uint32_t id = 0; id < engine->config.worker_count; id++) {
		const struct worker *other = engine->workers[id];

		if (other != worker && (handoff_has_waiting(other->handoff, worker->id) ||
					handoff_has_returned(worker->handoff, id)))
			return true;
	}
	return false;
}

bool handoff_stage_sleep(struct worker *worker)
{
	atomic_store_explicit(&worker->asleep, true, memory_order_relaxed);
	// Either this worker sees what is in the rings, or who put it there sees that it sleeps.
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_work(worker))
		return true;
	handoff_stage_wake_up(worker);
	return false;
}

void handoff_stage_wake_up(struct worker *worker)
{
	atomic_store_explicit(&worker->asleep, false, memory_order_relaxed);
}

bool handoff_stage_may_come(const struct worker *worker)
{
	return atomic_load_explicit(&worker->engine->receiving_count, memory_order_acquire) > 0 ||
	       worker->handoff->away > 0 || has_work(worker);
}

static void return_refused(struct worker *worker, struct worker *receiver)
{
	struct handoff_slot *slots[STELLAR_BURST_MAX];
	size_t count;

	while ((count = handoff_receive(receiver->handoff, worker->id, slots, STELLAR_BURST_MAX)) >
	       0) {
		for (size_t i = 0; i < count; i++) {
			refuse(&slots[i]->packet, STELLAR_DROPPED_SHUTDOWN);
			handoff_return(receiver->handoff, slots[i]);
		}
		wake_other(receiver);
	}
}

void handoff_stage_finish(struct worker *worker)
{
	struct engine *engine = worker->engine;
	struct packet_stats *packets = &worker->ledger.packets;

	hold_stage_finish(worker);
	for (uint32_t id = 0; id < engine->config.worker_count; id++) {
		if (id != worker->id)
			return_refused(worker, engine->workers[id]);
	}
	handoff_end(worker->handoff);
	while (collect_all(worker) > 0)
		;
	packets->held -= worker->handoff->away_frames;
	packets->dropped[STELLAR_DROPPED_SHUTDOWN] += worker->handoff->away_frames;
}
