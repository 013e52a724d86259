// SPDX-License-Identifier: Apache-2.0

#include "fragments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "packet/cursor.h"

#define LINKTYPE_RAW 101
#define PROTOCOL 253
#define NEXT_FRAGMENT 44

static void log_given_up(void *owner, struct datagram *datagram, enum defragment_cause cause)
{
	struct fragment_bench *bench = owner;
	struct fragment_log *log = &bench->log;

	if (log->given_up < sizeof(log->ids) / sizeof(log->ids[0]))
		log->ids[log->given_up] = datagram_get_key(datagram)->id;
	log->given_up++;
	log->frames += datagram_count_frames(datagram);
	log->cause = cause;
}

static uint8_t bench_profile(void *owner, const struct ip_address *receiver)
{
	return ((const struct fragment_bench *)owner)->profile;
}

void fragment_bench_open(struct fragment_bench *bench, struct defragment_config config,
			 uint8_t profile)
{
	memset(bench, 0, sizeof(*bench));
	bench->profile = profile;
	bench->now_ns = 1000000000u;
	if (config.memory_bytes == 0)
		config.memory_bytes = 1u << 20;
	if (config.source_bytes == 0)
		config.source_bytes = config.memory_bytes;
	if (config.piece_limit == 0)
		config.piece_limit = 1000;
	if (config.timeout_ns == 0)
		config.timeout_ns = 30000000000u;
	config.owner = bench;
	config.profile = bench_profile;
	config.given_up = log_given_up;
	assert_int_equal(defragment_create(&config, &bench->defragmenter), 0);
}

void fragment_bench_close(struct fragment_bench *bench)
{
	struct defragment_stats stats;

	defragment_give_up_all(bench->defragmenter);
	defragment_get_stats(bench->defragmenter, &stats);
	assert_int_equal(stats.used_bytes, 0);
	assert_int_equal(stats.datagrams, 0);
	defragment_destroy(bench->defragmenter);
}

static uint32_t build_v4(uint8_t *frame, const struct piece *piece, uint32_t length)
{
	frame[0] = 0x45;
	frame[1] = piece->ecn;
	store_be16(frame + 2, (uint16_t)(20 + length));
	store_be16(frame + 4, (uint16_t)piece->id);
	store_be16(frame + 6, (uint16_t)(piece->begin | (piece->is_last ? 0 : 0x2000)));
	frame[8] = 64;
	frame[9] = piece->protocol != 0 ? piece->protocol : PROTOCOL;
	frame[12] = 192;
	frame[15] = piece->source;
	frame[16] = 198;
	return 20;
}

static uint32_t build_v6(uint8_t *frame, const struct piece *piece, uint32_t length)
{
	frame[0] = 0x60;
	frame[1] = (uint8_t)(piece->ecn << 4);
	store_be16(frame + 4, (uint16_t)(8 + length));
	frame[6] = NEXT_FRAGMENT;
	frame[7] = 64;
	frame[8] = 0x20;
	frame[23] = piece->source;
	frame[24] = 0x20;
	frame[40] = piece->protocol != 0 ? piece->protocol : PROTOCOL;
	store_be16(frame + 42, (uint16_t)(piece->begin * 8 | !piece->is_last));
	store_be32(frame + 44, piece->id);
	return 48;
}

enum defragment_answer fragment_bench_add(struct fragment_bench *bench, const struct piece *piece,
					  struct defragment_result *ret_result)
{
	uint32_t length = piece->units * 8 + piece->rest;
	struct fragment fragment;

	memset(bench->frame, 0, 64);
	uint32_t at = piece->version == 6 ? build_v6(bench->frame, piece, length)
					  : build_v4(bench->frame, piece, length);

	memset(bench->frame + at, piece->letter, length);
	bench->packet.frame = (struct frame){
		.data = bench->frame,
		.length = at + length,
		.wire_length = at + length,
		.link_type = LINKTYPE_RAW,
	};
	packet_decode(&bench->packet, false);
	assert_true(bench->packet.is_fragment);
	assert_int_equal(fragment_read(&bench->packet, &fragment), 0);
	assert_int_equal(fragment.begin, piece->begin * 8);
	assert_int_equal(fragment.length, length);
	return defragment_add(bench->defragmenter, &bench->packet, &fragment, NULL, bench->now_ns,
			      ret_result);
}

static void read_letters(struct fragment_bench *bench, struct datagram *datagram, char *ret_letters)
{
	struct defragment_whole whole;

	assert_true(defragment_join(bench->defragmenter, datagram, &whole));
	bench->packet.frame.data = whole.data;
	bench->packet.frame.length = whole.length;
	bench->packet.frame.wire_length = whole.length;
	packet_decode(&bench->packet, true);
	assert_int_equal(bench->packet.decode_events, 0);
	assert_int_equal(bench->packet.payload_offset + bench->packet.payload_length, whole.length);
	for (uint32_t at = 0; at < bench->packet.payload_length; at += 8)
		*ret_letters++ = (char)whole.data[bench->packet.payload_offset + at];
	*ret_letters = '\0';
}

enum defragment_answer fragment_bench_run(struct fragment_bench *bench, const struct piece *pieces,
					  char *ret_letters)
{
	struct defragment_result result = {0};
	enum defragment_answer answer = DEFRAGMENT_REFUSED;

	*ret_letters = '\0';
	for (; pieces->units != 0 || pieces->rest != 0; pieces++) {
		answer = fragment_bench_add(bench, pieces, &result);
		if (answer == DEFRAGMENT_WHOLE)
			read_letters(bench, result.datagram, ret_letters);
		else
			*ret_letters = '\0';
		if (answer == DEFRAGMENT_WHOLE || answer == DEFRAGMENT_GIVEN_UP)
			defragment_release(bench->defragmenter, result.datagram);
	}
	return answer;
}
