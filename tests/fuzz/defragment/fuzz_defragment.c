// SPDX-License-Identifier: Apache-2.0

// Any sequence of fragments, beside a model that is as simple as can be: a map of bytes, each with
// the piece it came in. Answers and bytes are the same; whatever the limits, all memory comes back.
//
// Input: profile, mode (bit 0: IPv6; bit 1: narrow limits, without the model), then 4 bytes a
// fragment: place, length and whether it is the last, datagram, the rest.

#include "packet/cursor.h"
#include "packet/defragment.h"

#include <stellar/engine.h>

#include <stdlib.h>
#include <string.h>

enum {
	PREFIX_SIZE = 2,
	RECORD_SIZE = 4,
	RECORDS_MAX = 200,
	MODE_IPV6 = 1,
	MODE_NARROW = 2,
	MODEL_SIZE = 1024, // bytes of a datagram
	DATAGRAMS = 4,
	RUNS_MAX = 256,
	FRAME_MAX = 2048,
	LINK_TYPE_RAW = 101,
	PROTOCOL = 253,
};

struct model {
	bool exists;
	bool has_last;
	uint32_t length;
	uint8_t ecn_seen;
	uint8_t values[MODEL_SIZE];
	uint32_t owners[MODEL_SIZE]; // 0: nobody
	uint32_t run_begins[RUNS_MAX]; // linux; the last one added behind all others is the tail
	uint32_t run_ends[RUNS_MAX];
	uint32_t run_count;
	uint32_t tail;
};

struct piece {
	uint32_t begin;
	uint32_t length;
	bool is_last;
	uint8_t ecn;
	uint8_t value;
	uint32_t serial;
};

struct bench {
	struct defragmenter *defragmenter;
	uint8_t profile;
	bool is_ipv6;
	struct model models[DATAGRAMS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static uint8_t bench_profile(void *owner, const struct ip_address *receiver)
{
	return ((const struct bench *)owner)->profile;
}

static void given_up(void *owner, struct datagram *datagram, enum defragment_cause cause)
{
	require(cause >= DEFRAGMENT_LIMIT);
}

// The stretch of one owner's bytes around a place.
static void find_stretch(const struct model *model, uint32_t at, uint32_t *ret_begin,
			 uint32_t *ret_end)
{
	uint32_t begin = at;
	uint32_t end = at;

	while (begin > 0 && model->owners[begin - 1] == model->owners[at])
		begin--;
	while (end < MODEL_SIZE && model->owners[end] == model->owners[at])
		end++;
	*ret_begin = begin;
	*ret_end = end;
}

static bool model_prefers_new(uint8_t profile, const struct piece *piece, uint32_t begin,
			      uint32_t end)
{
	uint32_t piece_end = piece->begin + piece->length;

	switch (profile) {
	case STELLAR_TARGET_LAST:
		return true;
	case STELLAR_TARGET_BSD:
		return piece->begin < begin;
	case STELLAR_TARGET_BSD_RIGHT:
		return piece_end > end || (piece_end == end && piece->begin <= begin);
	case STELLAR_TARGET_WINDOWS:
		return piece->begin < begin && end < piece_end;
	case STELLAR_TARGET_SOLARIS:
		return piece->begin < begin && end <= piece_end;
	default:
		return false;
	}
}

static bool model_is_duplicate(const struct model *model, const struct piece *piece)
{
	uint32_t begin;
	uint32_t end;

	if (model->owners[piece->begin] == 0)
		return false;
	find_stretch(model, piece->begin, &begin, &end);
	if (begin != piece->begin || end != piece->begin + piece->length)
		return false;
	for (uint32_t at = begin; at < end; at++) {
		if (model->values[at] != piece->value)
			return false;
	}
	return true;
}

static void model_set(struct model *model, const struct piece *piece, uint32_t at)
{
	model->owners[at] = piece->serial;
	model->values[at] = piece->value;
}

static enum fragment_added model_add_linux(struct model *model, const struct piece *piece)
{
	uint32_t end = piece->begin + piece->length;
	bool is_behind = model->run_count == 0 || model->run_ends[model->tail] < end;

	if (is_behind && model->run_count > 0 && piece->begin < model->run_ends[model->tail])
		return FRAGMENT_FORBIDDEN;
	for (uint32_t i = 0; i < model->run_count && !is_behind; i++) {
		if (end <= model->run_begins[i] || piece->begin >= model->run_ends[i])
			continue;
		return piece->begin >= model->run_begins[i] && end <= model->run_ends[i]
			       ? FRAGMENT_DUPLICATE
			       : FRAGMENT_FORBIDDEN;
	}
	if (is_behind && model->run_count > 0 && piece->begin == model->run_ends[model->tail]) {
		model->run_ends[model->tail] = end;
	} else {
		require(model->run_count < RUNS_MAX);
		model->run_begins[model->run_count] = piece->begin;
		model->run_ends[model->run_count] = end;
		if (is_behind)
			model->tail = model->run_count;
		model->run_count++;
	}
	for (uint32_t at = piece->begin; at < end; at++)
		model_set(model, piece, at);
	return FRAGMENT_ADDED;
}

static enum fragment_added model_add(struct model *model, const struct bench *bench,
				     const struct piece *piece)
{
	static struct model before;
	bool has_overlap = false;

	if (bench->profile == STELLAR_TARGET_LINUX)
		return model_add_linux(model, piece);
	if (model_is_duplicate(model, piece))
		return FRAGMENT_DUPLICATE;
	before = *model;
	for (uint32_t at = piece->begin; at < piece->begin + piece->length; at++) {
		uint32_t begin = 0;
		uint32_t end = 0;

		if (before.owners[at] != 0) {
			has_overlap = true;
			find_stretch(&before, at, &begin, &end);
		}
		if (before.owners[at] == 0 || model_prefers_new(bench->profile, piece, begin, end))
			model_set(model, piece, at);
	}
	if (has_overlap && bench->is_ipv6)
		return FRAGMENT_FORBIDDEN;
	return has_overlap ? FRAGMENT_RESOLVED : FRAGMENT_ADDED;
}

static bool model_is_whole(const struct model *model)
{
	for (uint32_t at = 0; at < model->length; at++) {
		if (model->owners[at] == 0)
			return false;
	}
	return model->has_last;
}

// What the defragmenter must answer. The model is empty after WHOLE and GIVEN_UP, but for its
// bytes.
static enum defragment_answer model_answer(struct bench *bench, struct model *model,
					   struct piece *piece)
{
	if (!piece->is_last && piece->length % 8 != 0) {
		if (bench->is_ipv6 || bench->profile != STELLAR_TARGET_LINUX)
			return DEFRAGMENT_IGNORED;
		piece->length -= piece->length % 8;
	}
	if (!model->exists)
		memset(model, 0, sizeof(*model));
	uint32_t end = piece->begin + piece->length;
	bool is_wrong = piece->is_last
				? end < model->length || (model->has_last && end != model->length)
				: model->has_last && end > model->length;

	model->exists = false;
	if (is_wrong || piece->length == 0)
		return DEFRAGMENT_GIVEN_UP;
	model->has_last |= piece->is_last;
	model->length = end > model->length ? end : model->length;
	enum fragment_added added = model_add(model, bench, piece);

	if (added == FRAGMENT_FORBIDDEN)
		return DEFRAGMENT_GIVEN_UP;
	if (added != FRAGMENT_DUPLICATE)
		model->ecn_seen |= (uint8_t)(1u << piece->ecn);
	if (added != FRAGMENT_DUPLICATE && model_is_whole(model)) {
		bool disagrees = (model->ecn_seen & 1) != 0 && model->ecn_seen != 1;

		return disagrees && bench->profile == STELLAR_TARGET_LINUX ? DEFRAGMENT_GIVEN_UP
									   : DEFRAGMENT_WHOLE;
	}
	model->exists = true;
	return DEFRAGMENT_KEPT;
}

static uint32_t build_frame(uint8_t *frame, const struct piece *piece, uint8_t datagram,
			    bool is_ipv6)
{
	uint32_t at = is_ipv6 ? 48 : 20;

	memset(frame, 0, at);
	memset(frame + at, piece->value, piece->length);
	if (is_ipv6) {
		frame[0] = 0x60;
		frame[1] = (uint8_t)(piece->ecn << 4);
		store_be16(frame + 4, (uint16_t)(8 + piece->length));
		frame[6] = 44;
		frame[23] = datagram;
		frame[40] = PROTOCOL;
		store_be16(frame + 42, (uint16_t)(piece->begin | !piece->is_last));
		store_be32(frame + 44, 1);
	} else {
		frame[0] = 0x45;
		frame[1] = piece->ecn;
		store_be16(frame + 2, (uint16_t)(20 + piece->length));
		store_be16(frame + 4, datagram);
		store_be16(frame + 6, (uint16_t)(piece->begin / 8 | (piece->is_last ? 0 : 0x2000)));
		frame[9] = PROTOCOL;
	}
	return at + piece->length;
}

static void check_whole(struct bench *bench, const struct datagram *datagram,
			const struct model *model)
{
	struct defragment_whole whole;
	struct packet packet = {0};

	require(defragment_join(bench->defragmenter, datagram, &whole));
	packet.frame.data = whole.data;
	packet.frame.length = whole.length;
	packet.frame.wire_length = whole.length;
	packet.frame.link_type = LINK_TYPE_RAW;
	packet_decode(&packet, true);
	require(packet.decode_events == 0 && !packet.is_fragment && packet.protocol == PROTOCOL);
	require(packet.payload_length == model->length);
	require(memcmp(whole.data + packet.payload_offset, model->values, model->length) == 0);
}

static enum defragment_answer add(struct bench *bench, const struct piece *piece, uint8_t datagram,
				  uint64_t now_ns, struct defragment_result *ret_result)
{
	static uint8_t bytes[FRAME_MAX];
	struct fragment fragment;
	struct packet packet = {0};
	uint32_t length = build_frame(bytes, piece, datagram, bench->is_ipv6);
	uint8_t *frame = malloc(length); // of its exact size, for ASan

	require(frame != NULL);
	memcpy(frame, bytes, length);
	packet.frame = (struct frame){
		.data = frame,
		.length = length,
		.wire_length = length,
		.link_type = LINK_TYPE_RAW,
	};
	packet_decode(&packet, false);
	require(packet.is_fragment && fragment_read(&packet, &fragment) == 0);
	enum defragment_answer answer =
		defragment_add(bench->defragmenter, &packet, &fragment, NULL, now_ns, ret_result);

	free(frame);
	return answer;
}

static void run(struct bench *bench, const uint8_t *data, size_t size, bool is_narrow)
{
	uint64_t now_ns = 0;

	for (uint32_t i = 0; i < RECORDS_MAX && (i + 1) * RECORD_SIZE <= size; i++) {
		const uint8_t *record = data + i * RECORD_SIZE;
		uint8_t datagram = record[2] % DATAGRAMS;
		struct defragment_result result;
		struct piece piece = {
			.begin = (record[0] % 64u) * 8,
			.length =
				(record[1] % 16u) * 8 + (record[3] % 16u < 2 ? record[3] >> 5 : 0),
			.is_last = (record[1] & 0x80) != 0,
			.ecn = record[3] >> 4 == 15 ? 2 : 0,
			.value = (uint8_t)(record[2] & 0x40 ? 1 : i + 1),
			.serial = i + 1,
		};

		// Nothing at all would be no fragment.
		if (piece.begin == 0 && piece.is_last)
			piece.is_last = false;
		if (is_narrow) {
			now_ns += record[3];
			while (defragment_next_deadline(bench->defragmenter) <= now_ns)
				defragment_expire(bench->defragmenter);
			datagram = record[2];
		}
		enum defragment_answer answer = add(bench, &piece, datagram, now_ns, &result);
		struct model *model = &bench->models[datagram % DATAGRAMS];

		if (!is_narrow) {
			require(answer == model_answer(bench, model, &piece));
			if (answer == DEFRAGMENT_WHOLE)
				check_whole(bench, result.datagram, model);
		}
		if (answer == DEFRAGMENT_WHOLE || answer == DEFRAGMENT_GIVEN_UP)
			defragment_release(bench->defragmenter, result.datagram);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bench bench;
	struct defragment_stats stats;

	if (size < PREFIX_SIZE)
		return -1;
	bool is_narrow = (data[1] & MODE_NARROW) != 0;
	const struct defragment_config config = {
		.memory_bytes = is_narrow ? 16384u << (data[1] >> 6) : 1u << 20,
		.source_bytes = is_narrow && (data[1] & 4) != 0 ? 4096 : UINT32_MAX,
		.piece_limit = is_narrow && (data[1] & 8) != 0 ? 4 : UINT32_MAX - 1,
		.timeout_ns = 10000,
		.secret = {1, 2},
		.owner = &bench,
		.profile = bench_profile,
		.given_up = given_up,
	};

	memset(&bench, 0, sizeof(bench));
	bench.profile = data[0] % STELLAR_TARGET_PROFILE_COUNT;
	bench.is_ipv6 = (data[1] & MODE_IPV6) != 0;
	require(defragment_create(&config, &bench.defragmenter) == 0);
	run(&bench, data + PREFIX_SIZE, size - PREFIX_SIZE, is_narrow);
	defragment_give_up_all(bench.defragmenter);
	defragment_get_stats(bench.defragmenter, &stats);
	require(stats.used_bytes == 0 && stats.datagrams == 0);
	defragment_destroy(bench.defragmenter);
	return 0;
}
