// SPDX-License-Identifier: Apache-2.0

#include "engine/defragment_stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worker.h"
#include "packet/defragment.h"

#define FRAGMENT_EVENTS \
	(STELLAR_DECODE_BIT(STELLAR_DECODE_IPV4_FRAGMENT_MALFORMED) | \
	 STELLAR_DECODE_BIT(STELLAR_DECODE_IPV6_FRAGMENT_MALFORMED))

struct defragment_stage {
	struct defragmenter *defragmenter;
	bool holds; // inline
	struct datagram *datagram; // behind the packet in hand, or NULL
	struct frame lent; // tap: the fragment that completed it
	struct packet told; // of frames whose packet is gone, for their records
};

static const uint8_t drop_reasons[] = {
	[DEFRAGMENT_OVERLAP] = STELLAR_DROPPED_FRAGMENT_OVERLAP,
	[DEFRAGMENT_MALFORMED] = STELLAR_DROPPED_MALFORMED,
	[DEFRAGMENT_LIMIT] = STELLAR_DROPPED_FRAGMENT_LIMIT,
	[DEFRAGMENT_TIMEOUT] = STELLAR_DROPPED_FRAGMENT_TIMEOUT,
	[DEFRAGMENT_SHUTDOWN] = STELLAR_DROPPED_SHUTDOWN,
};

// A decode event that decoding could not see.
static void add_event(struct worker *worker, struct packet *packet, enum stellar_decode_event event)
{
	packet->decode_events |= STELLAR_DECODE_BIT(event);
	worker->ledger.decode_events[event]++;
}

static void refuse(struct packet *packet, uint8_t reason)
{
	packet->verdict.disposition = STELLAR_DROP;
	packet->verdict.drop_reason = reason;
}

// A drop record for each frame of a datagram, which lies with worker->receiver. packet: what they
// say, but for what is each frame's own.
static void record_frames(struct worker *worker, const struct datagram *datagram,
			  struct packet *packet)
{
	const struct defragmenter *defragmenter = worker->receiver->defragment->defragmenter;
	const struct fragment_frame *frame = NULL;
	const uint32_t wire_length = packet->frame.wire_length;
	const uint16_t ingress_id = packet->ingress_id;
	const uint8_t ttl = packet->ttl;

	while ((frame = datagram_next_frame(defragmenter, datagram, frame)) != NULL) {
		if (frame->is_view)
			continue;
		packet->frame.wire_length = frame->wire_length;
		packet->ingress_id = frame->ingress_id;
		packet->ttl = frame->ttl;
		record_drop(worker, packet);
	}
	packet->frame.wire_length = wire_length;
	packet->ingress_id = ingress_id;
	packet->ttl = ttl;
}

static void count_dropped(struct worker *worker, const struct datagram *datagram, uint8_t reason)
{
	uint32_t count = datagram_count_frames(datagram);

	worker->ledger.packets.dropped[reason] += count;
	worker->ledger.packets.held -= count;
}

static void drop_frames(struct worker *worker, const struct datagram *datagram,
			struct packet *packet)
{
	record_frames(worker, datagram, packet);
	count_dropped(worker, datagram, packet->verdict.drop_reason);
}

// A packet with a datagram's addresses, for its records.
static struct packet *describe(struct worker *worker, const struct datagram *datagram,
			       enum defragment_cause cause)
{
	struct defragment_stage *stage = worker->defragment;
	const struct fragment_key *key = datagram_get_key(datagram);
	const struct fragment_frame *first =
		datagram_next_frame(stage->defragmenter, datagram, NULL);
	struct packet *packet = &stage->told;

	memset(packet, 0, sizeof(*packet));
	packet->ip_version = key->version;
	packet->protocol = key->protocol;
	packet->tag = key->tag;
	packet->source.version = key->version;
	packet->destination.version = key->version;
	memcpy(packet->source.bytes, key->source, sizeof(key->source));
	memcpy(packet->destination.bytes, key->destination, sizeof(key->destination));
	packet->ingress_id = UINT16_MAX;
	if (first != NULL) {
		packet->ingress_id = first->ingress_id;
		packet->ttl = first->ttl;
		if (key->version == 6)
			packet->protocol = first->fragment.next_header;
	}
	packet->verdict = (struct verdict){
		.disposition = STELLAR_DROP,
		.drop_reason = drop_reasons[cause],
		.disposition_plugin_id = STELLAR_PLUGIN_NONE,
		.block_plugin_id = STELLAR_PLUGIN_NONE,
		.reply_plugin_id = STELLAR_PLUGIN_NONE,
		.rate_limit_plugin_id = STELLAR_PLUGIN_NONE,
	};
	return packet;
}

// The defragmenter gives up a datagram that no packet at hand belongs to.
static void datagram_given_up(void *owner, struct datagram *datagram, enum defragment_cause cause)
{
	struct worker *worker = owner;
	struct packet *packet = describe(worker, datagram, cause);

	if (cause != DEFRAGMENT_SHUTDOWN) {
		add_event(worker, packet,
			  cause == DEFRAGMENT_TIMEOUT ? STELLAR_DECODE_FRAGMENT_TIMEOUT
						      : STELLAR_DECODE_FRAGMENT_LIMIT);
		record_anomaly(worker, packet);
	}
	if (worker->defragment->holds)
		drop_frames(worker, datagram, packet);
}

static uint8_t receiver_profile(void *owner, const struct ip_address *receiver)
{
	const struct engine *engine = ((const struct worker *)owner)->engine;

	return target_list_lookup(&engine->targets, receiver, engine->config.target_profile);
}

int defragment_stage_create(struct worker *worker)
{
	const struct engine_config *config = &worker->engine->config;
	const struct engine_limits *limits = &config->limits;
	const struct defragment_config defragment_config = {
		.memory_bytes = limits->fragment_memory_bytes,
		.source_bytes = limits->fragment_source_bytes,
		.piece_limit = limits->fragment_pieces < UINT32_MAX
				       ? (uint32_t)limits->fragment_pieces
				       : UINT32_MAX - 1,
		.timeout_ns = limits->fragment_timeout_ms < UINT64_MAX / 4 / NS_PER_MS
				      ? limits->fragment_timeout_ms * NS_PER_MS
				      : UINT64_MAX / 4,
		.secret = {config->hash_seed[0], config->hash_seed[1]},
		.owner = worker,
		.profile = receiver_profile,
		.given_up = datagram_given_up,
	};
	struct defragment_stage *stage = calloc(1, sizeof(*stage));

	if (stage == NULL || defragment_create(&defragment_config, &stage->defragmenter) != 0) {
		free(stage);
		return -ENOMEM;
	}
	stage->holds = config->is_inline;
	worker->defragment = stage;
	return 0;
}

void defragment_stage_destroy(struct worker *worker)
{
	if (worker->defragment == NULL)
		return;
	defragment_destroy(worker->defragment->defragmenter);
	free(worker->defragment);
	worker->defragment = NULL;
}

uint64_t defragment_stage_get_deadline(const struct worker *worker)
{
	return defragment_next_deadline(worker->defragment->defragmenter);
}

void defragment_stage_advance(struct worker *worker, uint64_t time_ns)
{
	struct defragmenter *defragmenter = worker->defragment->defragmenter;
	uint64_t deadline_ns;

	while ((deadline_ns = defragment_next_deadline(defragmenter)) <= time_ns) {
		session_stage_advance(worker, deadline_ns);
		defragment_expire(defragmenter);
	}
	session_stage_advance(worker, time_ns);
}

// Whether its receiver would look at it, and it is not dropped for what decoding found.
static bool is_fit(const struct worker *worker, const struct packet *packet)
{
	const struct engine_config *config = &worker->engine->config;
	uint64_t others = packet->decode_events & ~FRAGMENT_EVENTS;

	if (packet->ttl < config->limits.ttl_min && config->limits.ttl_min > 1)
		return false;
	if (packet->checksum_wrong ||
	    (packet->malformed && config->is_inline && !config->pass_malformed))
		return false;
	for (; packet->malformed && others != 0; others &= others - 1) {
		if (stellar_decode_event_is_malformed((uint32_t)__builtin_ctzll(others)))
			return false;
	}
	return true;
}

// What a first fragment tells of its sender. Returns false when it is to be refused.
static bool check_first(struct worker *worker, struct packet *packet)
{
	if (!fragment_has_header_chain(packet)) {
		add_event(worker, packet, STELLAR_DECODE_FRAGMENT_HEADER_CHAIN);
		packet->malformed = true;
		return false;
	}
	if (fragment_is_tiny(packet))
		add_event(worker, packet, STELLAR_DECODE_FRAGMENT_TINY);
	return true;
}

// The packet of the datagram takes the fragment's place. Returns false when it would be too long.
static bool join(struct worker *worker, struct packet *packet, const struct datagram *datagram)
{
	struct defragmenter *defragmenter = worker->defragment->defragmenter;
	bool verify = worker->engine->config.verify_checksums;
	const struct frame lent = packet->frame;
	const uint16_t ingress_id = packet->ingress_id;
	const uint16_t egress_id = packet->egress_id;
	const struct fragment_frame *frame = NULL;
	struct defragment_whole whole;
	uint32_t wire_length = 0;

	if (!defragment_join(defragmenter, datagram, &whole))
		return false;
	if (whole.first->packet != NULL) {
		*packet = *whole.first->packet;
	} else {
		packet->frame.data = whole.first->data;
		packet->frame.length = whole.first->length;
		packet->frame.wire_length = whole.first->wire_length;
		packet->frame.link_type = whole.first->link_type;
		packet_decode(packet, verify);
	}
	uint64_t known = packet->decode_events;

	packet->frame = lent;
	packet->frame.data = whole.data;
	packet->frame.length = whole.length;
	packet->frame.wire_length = whole.length;
	packet->frame.link_type = whole.first->link_type;
	packet->ingress_id = ingress_id;
	packet->egress_id = egress_id;
	packet_decode_again(packet, verify);
	packet->is_reassembled = true;
	packet->verdict.generation = worker->policy != NULL ? worker->policy->generation : 0;
	// What the first fragment said already is not said again.
	packet->decode_events &= ~known;
	for (uint64_t left = packet->decode_events; left != 0; left &= left - 1)
		worker->ledger.decode_events[__builtin_ctzll(left)]++;
	while ((frame = datagram_next_frame(defragmenter, datagram, frame)) != NULL)
		wire_length += frame->is_view ? 0 : frame->wire_length;
	packet->frame.wire_length = wire_length;
	return true;
}

static void prepare_key(struct worker *worker, size_t position)
{
	struct session_key *key = &worker->keys[position];

	worker->has_key[position] = session_key_from_packet(&worker->packets[position], key) == 0;
	if (!worker->has_key[position])
		memset(key, 0, sizeof(*key));
	session_table_find_burst(worker->table, key, 1, &worker->hashes[position],
				 &worker->hints[position]);
}

// A datagram given up with the fragment in hand, or with the one that completed its carrier.
static void end_datagram(struct worker *worker, struct packet *packet, struct datagram *datagram,
			 enum defragment_cause cause, bool has_overlap)
{
	struct defragment_stage *stage = worker->defragment;

	if (cause == DEFRAGMENT_MALFORMED)
		add_event(worker, packet, STELLAR_DECODE_FRAGMENT_CONTRADICTION);
	else if (cause == DEFRAGMENT_LIMIT)
		add_event(worker, packet, STELLAR_DECODE_FRAGMENT_LIMIT);
	else if (!has_overlap)
		add_event(worker, packet, STELLAR_DECODE_FRAGMENT_OVERLAP);
	if (stage->holds) {
		record_anomaly(worker, packet);
		drop_frames(worker, datagram, describe(worker, datagram, cause));
		packet->is_held = true;
	}
	defragment_release(stage->defragmenter, datagram);
}

// Nothing more happens to the packet: a held one stays, a tap's goes its way.
static bool settle(struct worker *worker, struct packet *packet)
{
	if (worker->defragment->holds && !packet->is_held) {
		record_anomaly(worker, packet);
		packet->is_held = true;
	}
	return false;
}

// The packet in hand is whole: say so, and make it the datagram's. Returns false when that can't
// be.
static bool take_whole(struct worker *worker, struct packet *packet, struct datagram *datagram)
{
	struct defragment_stage *stage = worker->defragment;

	if (packet->decode_events != 0)
		record_anomaly(worker, packet);
	if (!join(worker, packet, datagram)) {
		packet->decode_events = 0;
		end_datagram(worker, packet, datagram, DEFRAGMENT_MALFORMED, false);
		return false;
	}
	stage->datagram = datagram;
	return true;
}

// Go on while what is in hand is a fragment, or becomes one again when it is put together. Returns
// whether a packet is left to be judged.
static bool put_together(struct worker *worker, struct packet *packet)
{
	struct defragment_stage *stage = worker->defragment;
	struct defragment_result result;
	struct fragment fragment;

	for (int depth = 0; packet->is_fragment && is_fit(worker, packet); depth++) {
		struct datagram *carrier = stage->datagram;

		if (depth == DEFRAGMENT_DEPTH_MAX || fragment_read(packet, &fragment) != 0 ||
		    !check_first(worker, packet))
			break;
		if (stage->holds)
			fragment.key.ingress_id = packet->ingress_id;
		enum defragment_answer answer = defragment_add(
			stage->defragmenter, packet, &fragment, carrier, worker->now_ns, &result);

		if (answer == DEFRAGMENT_IGNORED)
			break;
		if (answer == DEFRAGMENT_REFUSED) {
			add_event(worker, packet, STELLAR_DECODE_FRAGMENT_LIMIT);
			refuse(packet, STELLAR_DROPPED_FRAGMENT_LIMIT);
			return false;
		}
		stage->datagram = NULL;
		if (stage->holds && carrier == NULL)
			worker->ledger.packets.held++;
		if (result.has_overlap)
			add_event(worker, packet, STELLAR_DECODE_FRAGMENT_OVERLAP);
		if (answer == DEFRAGMENT_KEPT)
			return settle(worker, packet);
		if (answer == DEFRAGMENT_GIVEN_UP) {
			end_datagram(worker, packet, result.datagram, result.cause,
				     result.has_overlap);
			return false;
		}
		if (!take_whole(worker, packet, result.datagram))
			return false;
	}
	return true;
}

bool defragment_stage(struct worker *worker, size_t position)
{
	struct defragment_stage *stage = worker->defragment;
	struct packet *packet = &worker->packets[position];

	memset(&worker->current, 0, sizeof(worker->current));
	stage->datagram = NULL;
	stage->lent = packet->frame;
	bool is_left = put_together(worker, packet);

	if (!packet->is_reassembled)
		return is_left;
	packet->datagram = stage->datagram;
	if (stage->datagram == NULL) {
		// It was a fragment again, and is kept or given up: its frame goes as it came.
		packet->is_reassembled = false;
		packet->frame = stage->lent;
		return is_left;
	}
	packet->frame_count = datagram_count_frames(stage->datagram);
	if (is_left)
		prepare_key(worker, position);
	return is_left;
}

static void count_frame(struct worker *worker, const struct session *session, uint32_t wire_length)
{
	session_table_count(worker->table, session->index,
			    (enum stellar_direction)session->direction, wire_length);
}

void defragment_stage_count(struct worker *worker, const struct session *session,
			    const struct packet *packet)
{
	count_frame(worker, session, packet->frame.wire_length);
	// That was the length of all of them.
	for (uint32_t i = 1; packet->is_reassembled && i < packet->frame_count; i++)
		count_frame(worker, session, 0);
}

static void forward_frames(struct worker *worker, const struct packet *packet)
{
	const struct defragment_stage *stage = worker->defragment;
	const struct fragment_frame *frame = NULL;

	while ((frame = datagram_next_frame(stage->defragmenter, packet->datagram, frame)) !=
	       NULL) {
		if (frame->is_view)
			continue;
		const struct frame out = {
			.data = frame->data,
			.length = frame->length,
			.wire_length = frame->wire_length,
			.time_ns = worker->now_ns,
			.link_type = frame->link_type,
		};

		stage_forward(worker, packet, &out);
		worker->ledger.packets.held--;
	}
}

void defragment_stage_release(struct worker *worker, struct packet *packet)
{
	defragment_release(worker->defragment->defragmenter, packet->datagram);
	packet->datagram = NULL;
	packet->is_reassembled = false;
}

void defragment_stage_record(struct worker *worker, struct packet *packet)
{
	record_frames(worker, packet->datagram, packet);
}

bool defragment_stage_holds(const struct worker *worker)
{
	return worker->defragment->holds;
}

void defragment_stage_leave(struct worker *worker, struct packet *packet, uint8_t *reply,
			    uint32_t reply_length)
{
	struct defragment_stage *stage = worker->defragment;

	if (!stage->holds) {
		defragment_stage_release(worker, packet);
		packet->frame = stage->lent;
		stage_leave(worker, packet, NULL, 0);
		return;
	}
	if (packet->verdict.disposition == STELLAR_DROP) {
		if (reply_length > 0)
			stage_send_reply(worker, packet, reply, reply_length);
		count_dropped(worker, packet->datagram, packet->verdict.drop_reason);
	} else {
		forward_frames(worker, packet);
	}
	// The device copies; after that nothing needs the frames, whatever else the burst holds.
	stage_send(worker);
	defragment_stage_release(worker, packet);
}

bool defragment_stage_give_up(struct worker *worker, struct packet *packet, uint8_t reason)
{
	struct defragment_stage *stage = worker->defragment;

	if (packet->is_held || !packet->is_reassembled)
		return packet->is_held;
	if (stage->holds) {
		refuse(packet, reason);
		drop_frames(worker, packet->datagram, packet);
	}
	defragment_stage_release(worker, packet);
	return stage->holds;
}

void defragment_stage_finish(struct worker *worker)
{
	defragment_give_up_all(worker->defragment->defragmenter);
}
