// SPDX-License-Identifier: Apache-2.0

// Injected packets; see inject_stage.h. Worker's thread.

#include "engine/inject_stage.h"

#include <stdlib.h>

#include "engine/handoff_stage.h"
#include "engine/worker.h"
#include "session/stream.h"
#include "session/tcp_numbers.h"

#define PROTOCOL_TCP 6

void injection_free_all(struct injection *first)
{
	struct injection *next;

	for (; first != NULL; first = next) {
		next = first->next;
		free(first);
	}
}

void inject_stage_forget(struct injection_list *list)
{
	injection_free_all(list->first);
	*list = (struct injection_list){0};
}

// The numbers of TCP.

static void take_lower(bool *has_lacking, uint32_t *lacking, uint32_t sequence)
{
	if (!*has_lacking || tcp_difference(sequence, *lacking) < 0)
		*lacking = sequence;
	*has_lacking = true;
}

bool inject_stage_find_lacking(const struct session *session, uint8_t direction_id,
			       uint32_t *ret_sequence)
{
	const struct stream *stream = stream_stage_get(session);
	const struct stream_direction *direction =
		stream != NULL ? &stream->directions[direction_id] : NULL;
	const struct packet *held = hold_stage_get_first(session, direction_id);
	bool has_lacking = false;

	if (direction != NULL && direction->is_open && direction->is_refused)
		take_lower(&has_lacking, ret_sequence,
			   direction->base + (uint32_t)direction->refused);
	if (direction != NULL && direction->is_open && !direction->is_given_up &&
	    direction->held != 0)
		take_lower(&has_lacking, ret_sequence, stream_get_next_sequence(direction));
	if (held != NULL && held->protocol == PROTOCOL_TCP && held->has_transport)
		take_lower(&has_lacking, ret_sequence, held->tcp.sequence);
	return has_lacking;
}

// Whether the packet in hand is a segment of that direction, and whether it goes on.
struct in_hand {
	bool is_segment;
	bool arrives;
};

static struct in_hand look_at(const struct worker *worker, const struct packet *packet,
			      uint8_t direction)
{
	uint8_t disposition = packet->verdict.disposition;

	return (struct in_hand){
		.is_segment = packet->protocol == PROTOCOL_TCP && packet->has_transport &&
			      worker->current.direction == direction,
		.arrives = !worker->engine->config.is_inline ||
			   (disposition != STELLAR_DROP && disposition != STELLAR_HOLD),
	};
}

// The number that the side expects next.
static uint32_t get_expected(const struct worker *worker, const struct packet *packet,
			     const struct injection *injection)
{
	const struct session *session = &worker->current;
	const struct session_hot *hot = session->hot;
	const struct packet_tcp *tcp = &packet->tcp;
	uint8_t direction = injection->direction;
	struct in_hand in_hand = look_at(worker, packet, direction);
	uint32_t acked = hot->acked[direction ^ 1];
	uint32_t expected = hot->seq_end[direction];
	uint32_t lacking;

	if (in_hand.is_segment && in_hand.arrives && hot->tcp_state == STELLAR_TCP_SYN_SENT)
		return tcp->sequence + 1; // whatever data it has
	if (in_hand.is_segment && !in_hand.arrives) {
		uint32_t end = tcp->sequence + packet->payload_length +
			       tcp_has_flag(tcp, STELLAR_TCP_SYN) +
			       tcp_has_flag(tcp, STELLAR_TCP_FIN);

		if (tcp_difference(end, expected) >= 0)
			expected = tcp->sequence;
	}
	if (inject_stage_find_lacking(session, direction, &lacking) &&
	    tcp_difference(lacking, expected) < 0)
		expected = lacking;
	// What was held, or missing, is let go of with the session's block.
	if ((hot->flags & SESSION_BLOCKED) != 0 && injection->has_lacking &&
	    tcp_difference(injection->lacking, expected) < 0)
		expected = injection->lacking;
	return tcp_difference(acked, expected) > 0 ? acked : expected;
}

// Returns false when there is nothing to reset.
static bool reckon_rst(const struct worker *worker, const struct packet *packet,
		       const struct injection *injection, uint32_t added,
		       struct build_numbers *ret_numbers)
{
	const struct session_hot *hot = worker->current.hot;
	struct in_hand in_hand = look_at(worker, packet, injection->direction);
	bool lacks_syn = in_hand.is_segment && !in_hand.arrives &&
			 tcp_has_flag(&packet->tcp, STELLAR_TCP_SYN);

	if (injection->direction == STELLAR_FORWARD && lacks_syn)
		return false;
	*ret_numbers = (struct build_numbers){.flags = STELLAR_TCP_RST};
	if (injection->direction == STELLAR_REVERSE &&
	    (lacks_syn || hot->tcp_state == STELLAR_TCP_SYN_SENT)) {
		// It awaits the answer to its SYN, RFC 9293 3.10.7.3.
		ret_numbers->flags |= STELLAR_TCP_ACK;
		ret_numbers->acknowledgment = hot->seq_end[STELLAR_FORWARD];
		return true;
	}
	ret_numbers->sequence = get_expected(worker, packet, injection) + added;
	return true;
}

static void reckon_payload(const struct worker *worker, const struct packet *packet,
			   const struct injection *injection, uint32_t added,
			   struct build_numbers *ret_numbers)
{
	const struct session_hot *hot = worker->current.hot;

	*ret_numbers = (struct build_numbers){
		.sequence = get_expected(worker, packet, injection) + added,
		.acknowledgment = hot->seq_end[injection->direction ^ 1],
		.window = hot->max_window[injection->direction],
		.flags = STELLAR_TCP_PSH | STELLAR_TCP_ACK,
	};
}

// Returns false when it is not to be sent. added: bytes that were injected before it, by direction.
static bool complete(const struct worker *worker, const struct packet *packet,
		     struct injection *injection, uint32_t *added)
{
	struct build_numbers numbers;

	if (injection->kind == INJECTION_READY)
		return true;
	if (injection->kind == INJECTION_PAYLOAD)
		reckon_payload(worker, packet, injection, added[injection->direction], &numbers);
	else if (!reckon_rst(worker, packet, injection, added[injection->direction], &numbers))
		return false;
	build_set_numbers(injection->frame, injection->length, injection->network_offset, &numbers);
	added[injection->direction] += injection->payload_length;
	return true;
}

// The end of what was sent moves on.
static void follow(struct worker *worker, const uint32_t *added)
{
	struct session *session = &worker->current;

	session_table_begin_change(worker->table, session->index);
	for (uint8_t direction = 0; direction < STELLAR_DIRECTION_COUNT; direction++)
		session->hot->seq_end[direction] += added[direction];
	session_table_end_change(worker->table);
}

struct injection *inject_stage_take(struct worker *worker, struct packet *packet)
{
	struct attachment *attachment = attachment_get(worker, packet);
	struct injection *first = attachment != NULL ? attachment->injected.first : NULL;
	struct injection **place = &first;
	uint32_t added[STELLAR_DIRECTION_COUNT] = {0};

	if (first == NULL)
		return NULL;
	attachment->injected = (struct injection_list){0};
	while (*place != NULL) {
		struct injection *injection = *place;

		if (complete(worker, packet, injection, added)) {
			place = &injection->next;
			continue;
		}
		*place = injection->next;
		free(injection);
	}
	if ((added[STELLAR_FORWARD] | added[STELLAR_REVERSE]) != 0)
		follow(worker, added);
	return first;
}

// Leaving.

void inject_stage_send(struct worker *worker, struct injection *first)
{
	if (first == NULL)
		return;
	for (const struct injection *injection = first; injection != NULL;
	     injection = injection->next) {
		const struct frame frame = {
			.data = (uint8_t *)injection->frame,
			.length = injection->length,
			.wire_length = injection->length,
			.time_ns = worker->now_ns,
			.link_type = injection->link_type,
		};

		stage_send_generated(worker, injection->egress_id, &frame);
	}
	// The device copies: then nothing needs the bytes.
	stage_send(worker);
	injection_free_all(first);
}

void inject_stage_drop(struct worker *worker, struct injection *first, uint8_t reason)
{
	for (const struct injection *injection = first; injection != NULL;
	     injection = injection->next) {
		worker->ledger.packets.generated++;
		worker->ledger.packets.dropped[reason]++;
	}
	injection_free_all(first);
}

void inject_stage_leave(struct worker *worker, struct packet *packet)
{
	struct worker *receiver = worker->receiver;
	struct injection *first = inject_stage_take(worker, packet);

	if (first != NULL && receiver != worker)
		handoff_stage_give_injected(worker, receiver, first);
	else
		inject_stage_send(worker, first);
}

// Replay with several workers.

// The worker whose next one left first, by then, or NULL. Ties by worker.
static struct worker *next_departure(const struct engine *engine, uint64_t time_ns, uint64_t order)
{
	struct worker *next = NULL;

	for (uint32_t id = engine->config.worker_count; id-- > 0;) {
		const struct injection *first = engine->workers[id]->hold->departed_injected.first;

		if (first == NULL || first->time_ns > time_ns ||
		    (first->time_ns == time_ns && first->order > order))
			continue;
		time_ns = first->time_ns;
		order = first->order;
		next = engine->workers[id];
	}
	return next;
}

void inject_stage_send_departed(struct worker *reader, uint64_t time_ns, uint64_t order)
{
	struct worker *worker;

	while ((worker = next_departure(reader->engine, time_ns, order)) != NULL) {
		struct injection_list *list = &worker->hold->departed_injected;
		struct injection *injection = list->first;

		list->first = injection->next;
		if (list->first == NULL)
			list->last = NULL;
		injection->next = NULL;
		reader->now_ns = injection->time_ns;
		inject_stage_send(reader, injection);
	}
}
