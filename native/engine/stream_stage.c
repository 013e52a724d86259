// SPDX-License-Identifier: Apache-2.0

#include "engine/stream_stage.h"

#include <errno.h>

#include <stellar/plugin.h>

#include "engine/plugin_version.h"
#include "engine/worker.h"
#include "packet/decode.h"
#include "session/stream_digest.h"
#include "session/stream_reader.h"
#include "session/tcp.h"

#define PROTOCOL_TCP 6

// Of EVE, as Suricata has them.
#define ANOMALY_GAP "reassembly_seq_gap"
#define ANOMALY_OVERLAP "reassembly_overlap_different_data"
#define ANOMALY_LIMIT "reassembly_insert_limit" // held bytes of a direction
#define ANOMALY_MEMORY "reassembly_insert_memcap" // of the worker

int stream_stage_init(struct worker *worker)
{
	struct stream_stage *stage = &worker->stream;

	slab_init(&stage->records, sizeof(struct stream));
	stream_stage_follow(worker);
	return stream_stage_prepare(worker, worker->plugins);
}

int stream_stage_prepare(struct worker *worker, const struct plugin_table *table)
{
	const struct engine *engine = worker->engine;
	struct stream_stage *stage = &worker->stream;

	if (table->stream_interest == 0 || stage->is_prepared)
		return 0;
	int result = stream_memory_init(&stage->memory, engine->config.limits.stream_memory_bytes,
					engine->config.limits.stream_held_bytes,
					engine->config.limits.stream_kept_bytes,
					engine->config.hash_seed[0] ^ worker->id);

	stage->is_prepared = result == 0;
	return result;
}

void stream_stage_follow(struct worker *worker)
{
	worker->stream.keeps_digests =
		worker->engine->config.is_inline || plugin_wants(worker, STELLAR_EVENT_TCP_OVERLAP);
}

void stream_stage_fini(struct worker *worker)
{
	stream_memory_fini(&worker->stream.memory);
	slab_fini(&worker->stream.records);
}

struct stream *stream_stage_get(const struct session *session)
{
	if (session->block == NULL || session->block->stream == 0)
		return NULL;
	return slab_record(&session->worker->stream.records, session->block->stream);
}

// Plugins that may still be given bytes of the session.
static uint64_t get_wanting(const struct worker *worker, const struct session *session)
{
	uint64_t wanting = worker->plugins->stream_interest & ~session->block->detached;
	uint64_t left = wanting;

	if (session->block->owner_id != STELLAR_PLUGIN_NONE)
		left = wanting &= UINT64_C(1) << session->block->owner_id;
	for (; left != 0; left &= left - 1) {
		int id = __builtin_ctzll(left);

		if (plugin_version_is_disabled(
			    worker, plugin_version_of(worker, session->block, (unsigned)id)))
			wanting &= ~(UINT64_C(1) << id);
	}
	return wanting;
}

struct tcp_outcome stream_stage_track(struct worker *worker, const struct session *session,
				      unsigned options)
{
	const struct packet *packet = session->packet;
	struct stream *stream = stream_stage_get(session);
	enum stellar_direction direction = (enum stellar_direction)session->direction;
	struct tcp_outcome outcome =
		stream == NULL ? tcp_track(session->hot, &packet->tcp, packet->payload_length,
					   direction, options)
			       : tcp_track_endpoints(session->hot, &stream->endpoints, &packet->tcp,
						     packet->payload_length, direction, options);

	worker->stream.payload = outcome.payload;
	return outcome;
}

void stream_stage_open(struct worker *worker, struct session *session)
{
	const struct packet *packet = session->packet;
	const struct engine *engine = worker->engine;
	struct packet_endpoint originator;
	struct packet_endpoint responder;

	// The packet may be another session's: one inside of a tunnel, an ICMP error.
	if (session->hot->protocol != PROTOCOL_TCP || packet->protocol != PROTOCOL_TCP ||
	    get_wanting(worker, session) == 0)
		return;
	uint32_t id = slab_get(&worker->stream.records);

	if (id == 0) {
		worker->ledger.streams.no_memory++;
		return;
	}
	session->block->stream = id;
	worker->ledger.streams.opened++;
	worker->ledger.streams.active++;
	struct stream *stream = stream_stage_get(session);

	session_table_get_endpoints(worker->table, session->index, &originator, &responder);
	stream->directions[STELLAR_FORWARD].profile = target_list_lookup(
		&engine->targets, &responder.address, engine->config.target_profile);
	stream->directions[STELLAR_REVERSE].profile = target_list_lookup(
		&engine->targets, &originator.address, engine->config.target_profile);
	tcp_endpoints_open(&stream->endpoints, session->hot, &packet->tcp, packet->payload_length,
			   (enum stellar_direction)session->direction);
}

static void release_direction(struct worker *worker, struct stream_direction *direction)
{
	stream_direction_clear(&worker->stream.memory, direction);
	stream_shelf_clear(&worker->stream.memory, &direction->shelf);
	stream_digest_clear(&worker->stream.memory, direction);
	direction->is_given_up = true;
}

void stream_stage_release(struct worker *worker, struct session *session)
{
	struct stream *stream = stream_stage_get(session);

	if (stream == NULL)
		return;
	release_direction(worker, &stream->directions[STELLAR_FORWARD]);
	release_direction(worker, &stream->directions[STELLAR_REVERSE]);
	slab_put(&worker->stream.records, session->block->stream);
	session->block->stream = 0;
	worker->ledger.streams.active--;
	worker->ledger.streams.held_bytes = worker->stream.memory.held_bytes;
}

void stream_stage_settle(struct worker *worker, struct session *session)
{
	struct stream *stream = stream_stage_get(session);
	uint64_t wanting;
	bool is_wanted = false;

	if (stream == NULL)
		return;
	wanting = get_wanting(worker, session);
	for (uint8_t id = 0; id < STELLAR_DIRECTION_COUNT; id++) {
		struct stream_direction *direction = &stream->directions[id];
		uint64_t left = wanting & ~direction->shelf.done;

		if (direction->is_given_up)
			continue;
		if (left == 0)
			release_direction(worker, direction);
		else if (direction->shelf.reader_count > 0)
			stream_shelf_settle(&worker->stream.memory, &direction->shelf, left);
		is_wanted |= left != 0;
	}
	is_wanted |= stream->directions[STELLAR_FORWARD].is_refused ||
		     stream->directions[STELLAR_REVERSE].is_refused || session->block->hold != 0;
	if (!is_wanted || (session->hot->flags & (SESSION_BLOCKED | SESSION_BYPASSED)) != 0)
		stream_stage_release(worker, session);
}

// Raise an event of a direction to all that want it.
static void raise(struct worker *worker, struct session *session, struct event *event)
{
	const struct stream_shelf *shelf =
		&stream_stage_get(session)->directions[event->direction].shelf;
	uint32_t queued = worker->queue.count;

	event->time_ns = worker->now_ns;
	event->packet = session->packet;
	worker->ledger.events[event->type]++;
	plugin_deliver_to(worker, session, event, ~shelf->done);
	if ((worker->observers.events & STELLAR_EVENT_BIT(event->type)) != 0)
		observer_write(worker, session, event);
	plugin_drain(worker, session, queued);
}

// tcp_data to one plugin that may have a limit: what lies before it.
static void deliver_limited(struct worker *worker, struct session *session, uint16_t plugin_id,
			    struct event event)
{
	const struct stream_shelf *shelf =
		&stream_stage_get(session)->directions[event.direction].shelf;
	const struct stream_reader *reader =
		stream_reader_get(&worker->stream.memory, shelf, plugin_id);

	if (reader != NULL && reader->limit - event.stream_offset < event.data_length)
		event.data_length = (uint32_t)(reader->limit - event.stream_offset);
	plugin_deliver_to(worker, session, &event, UINT64_C(1) << plugin_id);
}

// tcp_data where plugins have limits: one by one, in their order.
static void deliver_one_by_one(struct worker *worker, struct session *session,
			       const struct event *event)
{
	const struct stream_shelf *shelf =
		&stream_stage_get(session)->directions[event->direction].shelf;
	uint64_t left = worker->plugins->interest[event->type] & ~shelf->done;

	for (; left != 0; left &= left - 1)
		deliver_limited(worker, session, (uint16_t)__builtin_ctzll(left), *event);
}

static void deliver_data(struct worker *worker, struct session *session, uint8_t direction_id,
			 struct stream_chunk chunk)
{
	struct stream_stage *stage = &worker->stream;
	struct stream_direction *direction = &stream_stage_get(session)->directions[direction_id];
	uint32_t queued = worker->queue.count;
	struct event event = {
		.type = STELLAR_EVENT_TCP_DATA,
		.direction = direction_id,
		.data = chunk.data,
		.data_length = chunk.length,
		.time_ns = worker->now_ns,
		.packet = session->packet,
		.stream_offset = chunk.offset,
	};

	if (chunk.length == 0)
		return;
	worker->ledger.streams.delivered_bytes += chunk.length;
	worker->ledger.events[STELLAR_EVENT_TCP_DATA]++;
	stage->chunk = &chunk;
	stage->direction = direction_id;
	stage->is_kept = false;
	if (direction->shelf.limited == 0)
		plugin_deliver_to(worker, session, &event, ~direction->shelf.done);
	else
		deliver_one_by_one(worker, session, &event);
	if ((worker->observers.events & STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA)) != 0)
		observer_write(worker, session, &event);
	plugin_drain(worker, session, queued);
	stage->chunk = NULL;
	direction->delivered = chunk.offset + chunk.length;
	if (direction->shelf.limited != 0)
		stream_shelf_end_limits(&stage->memory, &direction->shelf, direction->delivered);
	if (direction->shelf.reader_count > 0 && !stage->is_kept)
		stream_shelf_keep(&stage->memory, &direction->shelf, &chunk);
}

// Deliver a chunk without an urgent byte that its receiver takes out.
static void deliver_chunk(struct worker *worker, struct session *session, uint8_t direction_id,
			  const struct stream_chunk *chunk)
{
	struct stream *stream = stream_stage_get(session);
	struct stream_direction *direction = &stream->directions[direction_id];
	struct tcp_endpoint *receiver = &stream->endpoints.receiver[direction_id];
	uint64_t first = chunk->offset - direction->urgent_passed;
	uint32_t before = chunk->length;

	if (worker->stream.keeps_digests)
		stream_digest_add(&worker->stream.memory, direction, chunk);
	if (receiver->has_urgent) {
		uint32_t sequence = direction->base + (uint32_t)chunk->offset;

		before = receiver->urgent - sequence;
	}
	if (before >= chunk->length) {
		deliver_data(worker, session, direction_id,
			     (struct stream_chunk){first, chunk->data, chunk->length, 0});
		return;
	}
	receiver->has_urgent = false;
	direction->urgent_passed++;
	deliver_data(worker, session, direction_id,
		     (struct stream_chunk){first, chunk->data, before, 0});
	deliver_data(worker, session, direction_id,
		     (struct stream_chunk){first + before, chunk->data + before + 1,
					   chunk->length - before - 1, 0});
}

// Deliver what was held and comes next now.
static void deliver_held(struct worker *worker, struct session *session, uint8_t direction_id)
{
	struct stream_memory *memory = &worker->stream.memory;
	struct stream_direction *direction = &stream_stage_get(session)->directions[direction_id];
	struct stream_chunk chunk;

	while (stream_next(memory, direction, &chunk)) {
		deliver_chunk(worker, session, direction_id, &chunk);
		stream_put_piece(memory, chunk.piece);
	}
}

// Leave out what is missing before an offset. Returns false when nothing was.
static bool raise_gap(struct worker *worker, struct session *session, uint8_t direction_id,
		      uint64_t offset)
{
	struct stream_direction *direction = &stream_stage_get(session)->directions[direction_id];
	uint64_t place = direction->next - direction->urgent_passed;
	uint64_t missing = stream_skip_to(&worker->stream.memory, direction, offset);
	struct event event = {
		.type = STELLAR_EVENT_TCP_GAP,
		.direction = direction_id,
		.data_length = (uint32_t)missing,
		.stream_offset = place,
	};

	if (missing == 0)
		return false;
	record_stream_anomaly(worker, session->packet, ANOMALY_GAP);
	worker->ledger.streams.gaps++;
	worker->ledger.streams.gap_bytes += missing;
	raise(worker, session, &event);
	direction->delivered = place + missing;
	if (direction->shelf.reader_count > 0)
		stream_shelf_skip_to(&worker->stream.memory, &direction->shelf, place + missing);
	return true;
}

// The receiver has acknowledged bytes: those we never saw will not come.
static void take_acknowledgment(struct worker *worker, struct session *session)
{
	uint8_t direction_id = session->direction ^ 1;
	struct stream_direction *direction = &stream_stage_get(session)->directions[direction_id];
	uint32_t acked = session->hot->acked[session->direction];

	if ((session->packet->tcp.flags & STELLAR_TCP_ACK) == 0 || !direction->is_open ||
	    direction->is_given_up)
		return;
	if (direction->has_pending) {
		stream_settle_pending(&worker->stream.memory, direction, acked);
		deliver_held(worker, session, direction_id);
	}
	for (;;) {
		int64_t offset = stream_get_offset_of(direction, acked);

		if (offset <= (int64_t)direction->next ||
		    !raise_gap(worker, session, direction_id, (uint64_t)offset))
			return;
		deliver_held(worker, session, direction_id);
	}
}

// Where a direction begins is what the TCP rules found. It may move while the handshake is not
// over.
static void open_direction(struct worker *worker, struct stream *stream, uint8_t direction_id)
{
	const struct tcp_endpoint *receiver = &stream->endpoints.receiver[direction_id];
	struct stream_direction *direction = &stream->directions[direction_id];

	if (!receiver->has_first || direction->is_given_up ||
	    (direction->is_open && (direction->next != 0 || direction->base == receiver->first)))
		return;
	stream_direction_clear(&worker->stream.memory, direction);
	stream_direction_open(direction, receiver->first);
}

// Say that a segment contradicts what is known. Inline it goes no further. Returns true then.
static bool raise_overlap(struct worker *worker, struct session *session,
			  const struct stream_segment *segment)
{
	uint8_t direction_id = session->direction;
	struct stream_direction *direction = &stream_stage_get(session)->directions[direction_id];
	struct verdict *verdict = &session->packet->verdict;
	bool is_inline = worker->engine->config.is_inline;
	struct stream_chunk chunk;

	if (!stream_find_difference(&worker->stream.memory, direction, segment, &chunk) &&
	    !stream_digest_find_difference(
		    &worker->stream.memory, direction, segment,
		    stream_get_offset_of(direction, session->hot->acked[direction_id ^ 1]), &chunk))
		return false;
	struct event event = {
		.type = STELLAR_EVENT_TCP_OVERLAP,
		.direction = direction_id,
		.data = chunk.data,
		.data_length = chunk.length,
		.stream_offset = chunk.offset - direction->urgent_passed,
	};

	record_stream_anomaly(worker, session->packet, ANOMALY_OVERLAP);
	worker->ledger.streams.overlaps++;
	if (is_inline) {
		verdict->disposition = STELLAR_DROP;
		verdict->drop_reason = STELLAR_DROPPED_STREAM_OVERLAP;
		verdict->disposition_plugin_id = STELLAR_PLUGIN_NONE;
	}
	raise(worker, session, &event);
	return is_inline;
}

// No room for a segment: what is held goes out after a gap, until there is room.
static void make_room(struct worker *worker, struct session *session,
		      const struct stream_segment *segment, int result)
{
	struct stream_direction *direction =
		&stream_stage_get(session)->directions[session->direction];
	uint64_t start = (uint64_t)stream_get_offset_of(direction, segment->sequence);

	record_stream_anomaly(worker, session->packet,
			      result == -ENOSPC ? ANOMALY_LIMIT : ANOMALY_MEMORY);
	worker->ledger.streams.limited++;
	raise_gap(worker, session, session->direction, start);
	deliver_held(worker, session, session->direction);
}

// Inline a plugin had a packet dropped for what its bytes made known: the receiver has not got
// them, but nobody would be told again if they came once more. They do not pass, and what follows
// them is of no use to the receiver.
void stream_stage_refuse(const struct session *session, uint64_t offset, uint8_t reason)
{
	struct stream *stream = stream_stage_get(session);
	struct stream_direction *direction =
		stream != NULL ? &stream->directions[session->direction] : NULL;

	if (direction == NULL || (direction->is_refused && direction->refused <= offset))
		return;
	direction->is_refused = true;
	direction->refused = offset;
	direction->refused_reason = reason;
}

// Whether the packet has bytes that were refused. It is dropped then.
static bool drop_refused(struct session *session)
{
	const struct stream_direction *direction =
		&stream_stage_get(session)->directions[session->direction];
	const struct packet *packet = session->packet;
	struct verdict *verdict = &session->packet->verdict;
	bool is_syn = (packet->tcp.flags & STELLAR_TCP_SYN) != 0;

	if (!direction->is_refused || packet->payload_length == 0)
		return false;
	if (stream_get_offset_of(direction, packet->tcp.sequence + is_syn) +
		    (int64_t)packet->payload_length <=
	    (int64_t)direction->refused)
		return false;
	verdict->disposition = STELLAR_DROP;
	verdict->drop_reason = direction->refused_reason;
	verdict->disposition_plugin_id = STELLAR_PLUGIN_NONE;
	return true;
}

static void take_payload(struct worker *worker, struct session *session)
{
	const struct packet *packet = session->packet;
	struct stream_direction *direction =
		&stream_stage_get(session)->directions[session->direction];
	bool is_syn = (packet->tcp.flags & STELLAR_TCP_SYN) != 0;
	struct stream_segment segment = {
		.sequence = packet->tcp.sequence + is_syn,
		.length = packet->payload_length,
		.data = packet->frame.data + packet->payload_offset,
		.has_fin = (packet->tcp.flags & STELLAR_TCP_FIN) != 0,
	};
	struct stream_chunk chunk;

	if (!direction->is_open || direction->is_given_up)
		return;
	if (worker->stream.payload == TCP_PAYLOAD_LIKELY && direction->held != 0)
		worker->stream.payload = TCP_PAYLOAD_TAKEN;
	if (worker->stream.payload == TCP_PAYLOAD_PENDING ||
	    worker->stream.payload == TCP_PAYLOAD_LIKELY) {
		if (stream_hold_pending(&worker->stream.memory, direction, &segment) != 0)
			worker->ledger.streams.limited++;
		return;
	}
	if (worker->stream.payload != TCP_PAYLOAD_TAKEN)
		return;
	if (segment.length == 0 && !segment.has_fin)
		return;
	// Nobody acknowledged what is pending, but its sender knows what became of it.
	stream_settle_pending(&worker->stream.memory, direction, segment.sequence);
	if (raise_overlap(worker, session, &segment))
		return;
	int result;

	while ((result = stream_insert(&worker->stream.memory, direction, &segment, &chunk)) != 0)
		make_room(worker, session, &segment, result);
	deliver_chunk(worker, session, session->direction, &chunk);
	deliver_held(worker, session, session->direction);
}

// What the TCP rules ask of us: the next byte that the receiver has not got.
static void tell_expected(struct session *session, uint8_t direction_id)
{
	struct stream *stream = stream_stage_get(session);
	const struct stream_direction *direction = &stream->directions[direction_id];
	struct tcp_endpoint *receiver = &stream->endpoints.receiver[direction_id];

	if (direction->is_given_up)
		receiver->expected = session->hot->acked[direction_id ^ 1];
	else if (direction->is_open)
		receiver->expected =
			stream_get_next_sequence(direction) + (direction->next == direction->end);
}

void stream_stage(struct worker *worker, struct packet *packet)
{
	struct session *session = &worker->current;
	struct stream *stream = stream_stage_get(session);
	bool is_inline = worker->engine->config.is_inline;

	// An ICMP error is a packet of the session, but no segment.
	if (stream == NULL || packet->protocol != PROTOCOL_TCP || !packet->has_transport ||
	    (packet->verdict.disposition == STELLAR_DROP && is_inline) || drop_refused(session))
		return;
	struct stream_direction *direction = &stream->directions[session->direction];

	open_direction(worker, stream, STELLAR_FORWARD);
	open_direction(worker, stream, STELLAR_REVERSE);
	take_acknowledgment(worker, session);
	uint64_t next = direction->next;

	take_payload(worker, session);
	worker->stream.has_told = direction->next != next;
	worker->stream.told_offset = next;
	if (is_inline && packet->verdict.disposition == STELLAR_DROP && direction->next != next)
		stream_stage_refuse(session, next, packet->verdict.drop_reason);
	tell_expected(session, STELLAR_FORWARD);
	tell_expected(session, STELLAR_REVERSE);
	worker->ledger.streams.held_bytes = worker->stream.memory.held_bytes;
	worker->ledger.streams.kept_lost = worker->stream.memory.kept_lost;
}

void stream_stage_end(struct worker *worker, struct session *session)
{
	struct stream *stream = stream_stage_get(session);

	for (uint8_t id = 0; stream != NULL && id < STELLAR_DIRECTION_COUNT; id++) {
		struct stream_direction *direction = &stream->directions[id];

		if (session_table_get_packets(worker->table, session->index,
					      (enum stellar_direction)(id ^ 1)) != 0)
			continue;
		direction->has_pending = false;
		deliver_held(worker, session, id);
		while (direction->held != 0 && raise_gap(worker, session, id, STREAM_NO_END))
			deliver_held(worker, session, id);
	}
}
