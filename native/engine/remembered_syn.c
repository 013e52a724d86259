// SPDX-License-Identifier: Apache-2.0

#include "engine/remembered_syn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worker.h"

// The low bits of a mark; the rest is the hash.
#define MARK_SCALE 0x000fu // of the originator
#define MARK_ANSWER_SCALE_SHIFT 4
#define MARK_HAS_SCALE 0x0100u // the originator's, or both when it is answered
#define MARK_IS_SET 0x8000u
#define MARK_HASH (~UINT64_C(0xffff))
#define PROTOCOL_TCP 6
#define HANDSHAKE (STELLAR_TCP_SYN | STELLAR_TCP_ACK | STELLAR_TCP_FIN | STELLAR_TCP_RST)

// What a mark is made of.
struct handshake {
	uint64_t key_hash;
	uint32_t sequence; // of the SYN
	uint32_t answer_sequence; // of the SYN-ACK, when it is answered
	bool originator_is_high;
	bool is_answered;
};

int remembered_syns_init(struct remembered_syns *syns, const struct session_secret *secret,
			 uint64_t session_capacity)
{
	uint64_t places = REMEMBERED_BUCKET;

	while (places < REMEMBERED_MAX && places < 2 * session_capacity)
		places *= 2;
	*syns = (struct remembered_syns){
		.secret = *secret,
		.marks = calloc(places, sizeof(*syns->marks)),
		.bucket_mask = places / REMEMBERED_BUCKET - 1,
	};
	return syns->marks != NULL ? 0 : -ENOMEM;
}

void remembered_syns_fini(struct remembered_syns *syns)
{
	free(syns->marks);
	syns->marks = NULL;
}

static uint64_t hash_handshake(const struct remembered_syns *syns,
			       const struct handshake *handshake)
{
	const struct session_key key = {
		.address = {handshake->key_hash,
			    (uint64_t)handshake->sequence << 32 | handshake->answer_sequence,
			    (uint64_t)handshake->originator_is_high << 1 | handshake->is_answered},
		.version = 6,
	};

	return session_key_hash(&syns->secret, &key);
}

static uint64_t *find_bucket(const struct remembered_syns *syns, uint64_t hash)
{
	return &syns->marks[(hash & syns->bucket_mask) * REMEMBERED_BUCKET];
}

void remembered_syns_keep(struct worker *worker, uint32_t index)
{
	struct remembered_syns *syns = &worker->opening.syns;
	const struct session_hot *hot = &worker->table->hot[index];
	struct session_key key;

	if (hot->protocol != PROTOCOL_TCP || hot->syn_moved ||
	    (hot->flags & (SESSION_BLOCKED | SESSION_HAS_ALIAS)) != 0 ||
	    (hot->tcp_state != STELLAR_TCP_SYN_SENT && hot->tcp_state != STELLAR_TCP_SYN_RECEIVED))
		return;
	session_table_get_key(worker->table, index, &key);
	struct handshake handshake = {
		.key_hash = session_table_hash(worker->table, &key),
		.sequence = hot->acked[STELLAR_REVERSE],
		.originator_is_high = (hot->flags & SESSION_ORIGINATOR_IS_HIGH) != 0,
		.is_answered = hot->tcp_state == STELLAR_TCP_SYN_RECEIVED,
	};
	bool has_scale = (hot->flags & SESSION_SCALE_OFFERED) != 0;

	if (handshake.is_answered) {
		handshake.sequence--; // it was acknowledged
		handshake.answer_sequence = hot->acked[STELLAR_FORWARD];
		has_scale = hot->window_scale != 0;
	}
	uint64_t hash = hash_handshake(syns, &handshake);
	uint64_t *bucket = find_bucket(syns, hash);

	memmove(bucket + 1, bucket, (REMEMBERED_BUCKET - 1) * sizeof(*bucket));
	bucket[0] = (hash & MARK_HASH) | MARK_IS_SET | hot->window_scale |
		    (has_scale ? MARK_HAS_SCALE : 0);
	syns->is_used = true;
}

static struct packet_tcp make_segment(uint32_t sequence, uint8_t flags, unsigned scale,
				      bool has_scale)
{
	return (struct packet_tcp){
		.sequence = sequence,
		.window = UINT16_MAX,
		.flags = flags,
		.window_scale = (uint8_t)scale,
		.has_window_scale = has_scale,
		.header_length = 20,
	};
}

bool remembered_syns_recall(struct remembered_syns *syns, const struct packet *packet,
			    const struct session_key *key, uint64_t hash,
			    struct remembered_syn *ret_syn)
{
	uint8_t flags = packet->tcp.flags & HANDSHAKE;
	bool is_answer = flags == (STELLAR_TCP_SYN | STELLAR_TCP_ACK);
	uint32_t acknowledged = packet->tcp.acknowledgment - 1;
	uint32_t sequence = packet->tcp.sequence;

	if (!syns->is_used || (!is_answer && flags != STELLAR_TCP_ACK))
		return false;
	const struct handshake handshake = {
		.key_hash = hash,
		.sequence = is_answer ? acknowledged : sequence - 1,
		.answer_sequence = is_answer ? 0 : acknowledged,
		.originator_is_high = (key->source_is_high != 0) != is_answer,
		.is_answered = !is_answer,
	};
	uint64_t wanted = hash_handshake(syns, &handshake);
	uint64_t *bucket = find_bucket(syns, wanted);

	for (uint32_t i = 0; i < REMEMBERED_BUCKET; i++) {
		if ((bucket[i] & MARK_IS_SET) == 0 || ((bucket[i] ^ wanted) & MARK_HASH) != 0)
			continue;
		unsigned scale = bucket[i] & MARK_SCALE;
		unsigned answer_scale = bucket[i] >> MARK_ANSWER_SCALE_SHIFT & MARK_SCALE;
		bool has_scale = (bucket[i] & MARK_HAS_SCALE) != 0;

		*ret_syn = (struct remembered_syn){
			.syn = make_segment(handshake.sequence, STELLAR_TCP_SYN, scale, has_scale),
			.answer = make_segment(acknowledged, STELLAR_TCP_SYN | STELLAR_TCP_ACK,
					       answer_scale, has_scale),
			.is_answered = !is_answer,
		};
		ret_syn->answer.acknowledgment = sequence;
		bucket[i] = 0;
		return true;
	}
	return false;
}
