// SPDX-License-Identifier: Apache-2.0

// usage: bench_reassembly in_order|reordered SEGMENT_BYTES PAIRS
//
// Runs rounds of ours and theirs in turn, in one process over the same bytes, and prints a line of
// JSON a pair: {"ours": x, "theirs": y}, in bytes a second of the thread's CPU time. Ours: each
// segment is judged as its receiver would (tcp_track_endpoints), compared with what is held, put in
// order and handed on; reordered: one in ten comes after the four that follow it. Theirs: memcpy of
// each segment, in order. Fails when bytes come out other than they went in.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "packet/decode.h"
#include "session/stream.h"
#include "session/table.h"
#include "session/tcp.h"

#define TOTAL_BYTES (32u << 20)
#define ROUNDS 8 // in one measurement
#define REORDER_ONE_IN 10
#define REORDER_DISTANCE 4
#define START 1000u

struct bench {
	uint8_t *bytes;
	uint8_t *copy;
	uint32_t *order; // segments as they come
	uint32_t segment_bytes;
	uint32_t segments;
	struct stream_memory memory;
};

static double now_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void make_order(struct bench *bench, bool reordered)
{
	for (uint32_t i = 0; i < bench->segments; i++)
		bench->order[i] = i;
	for (uint32_t i = 0; reordered && i + REORDER_DISTANCE < bench->segments;
	     i += REORDER_ONE_IN) {
		memmove(bench->order + i, bench->order + i + 1,
			REORDER_DISTANCE * sizeof(*bench->order));
		bench->order[i + REORDER_DISTANCE] = i;
	}
}

// What a plugin would get: every chunk is looked at once, at its ends.
struct sink {
	const struct bench *bench;
	uint64_t next;
	uint64_t wrong;
};

static void hand_on(struct sink *sink, const struct stream_chunk *chunk)
{
	if (chunk->length == 0)
		return;
	const uint8_t *expected = sink->bench->bytes + chunk->offset;

	sink->wrong += chunk->offset != sink->next || chunk->data[0] != expected[0] ||
		       chunk->data[chunk->length - 1] != expected[chunk->length - 1];
	sink->next = chunk->offset + chunk->length;
}

static void take(struct bench *bench, struct session_hot *hot, struct stream *stream,
		 const struct packet_tcp *tcp, struct sink *sink)
{
	struct stream_direction *direction = &stream->directions[STELLAR_FORWARD];
	struct stream_segment segment = {
		.sequence = tcp->sequence,
		.length = bench->segment_bytes,
		.data = bench->bytes + (tcp->sequence - START - 1),
	};
	struct stream_chunk chunk;
	struct tcp_outcome outcome = tcp_track_endpoints(
		hot, &stream->endpoints, tcp, segment.length, STELLAR_FORWARD, TCP_STRICT);

	if (outcome.payload != TCP_PAYLOAD_TAKEN ||
	    stream_find_difference(&bench->memory, direction, &segment, &chunk) ||
	    stream_insert(&bench->memory, direction, &segment, &chunk) != 0) {
		sink->wrong++;
		return;
	}
	hand_on(sink, &chunk);
	while (stream_next(&bench->memory, direction, &chunk)) {
		hand_on(sink, &chunk);
		stream_put_piece(&bench->memory, chunk.piece);
	}
	stream->endpoints.receiver[STELLAR_FORWARD].expected = stream_get_next_sequence(direction);
}

// The session opens with the handshake that lets the segments through, and is acknowledged as it
// goes.
static void run_ours(struct bench *bench, struct sink *sink)
{
	struct session_hot hot = {0};
	struct stream stream = {0};
	struct packet_tcp syn = {
		.sequence = START,
		.flags = STELLAR_TCP_SYN,
		.window = UINT16_MAX,
		.has_window_scale = true,
		.window_scale = 14,
	};
	struct packet_tcp answer = syn;
	struct packet_tcp data = {
		.acknowledgment = START + 1,
		.flags = STELLAR_TCP_ACK,
		.window = UINT16_MAX,
	};
	struct packet_tcp ack = data;

	answer.acknowledgment = START + 1;
	answer.flags = STELLAR_TCP_SYN | STELLAR_TCP_ACK;
	data.sequence = ack.sequence = START + 1;
	tcp_track(&hot, &syn, 0, STELLAR_FORWARD, TCP_STRICT);
	tcp_endpoints_open(&stream.endpoints, &hot, &syn, 0, STELLAR_FORWARD);
	tcp_track_endpoints(&hot, &stream.endpoints, &answer, 0, STELLAR_REVERSE, TCP_STRICT);
	tcp_track_endpoints(&hot, &stream.endpoints, &data, 0, STELLAR_FORWARD, TCP_STRICT);
	tcp_track_endpoints(&hot, &stream.endpoints, &ack, 0, STELLAR_REVERSE, TCP_STRICT);
	stream_direction_open(&stream.directions[STELLAR_FORWARD], START + 1);
	*sink = (struct sink){.bench = bench};
	for (uint32_t i = 0; i < bench->segments; i++) {
		data.sequence = START + 1 + bench->order[i] * bench->segment_bytes;
		take(bench, &hot, &stream, &data, sink);
		if (i % 16 != 0)
			continue;
		ack.acknowledgment = stream_get_next_sequence(&stream.directions[STELLAR_FORWARD]);
		tcp_track_endpoints(&hot, &stream.endpoints, &ack, 0, STELLAR_REVERSE, TCP_STRICT);
	}
	stream_direction_clear(&bench->memory, &stream.directions[STELLAR_FORWARD]);
}

static void run_theirs(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->segments; i++) {
		size_t at = (size_t)i * bench->segment_bytes;

		memcpy(bench->copy + at, bench->bytes + at, bench->segment_bytes);
		__asm__ volatile("" ::: "memory");
	}
}

static int measure_pair(struct bench *bench)
{
	double total = (double)bench->segments * bench->segment_bytes * ROUNDS;
	struct sink sink;
	double start = now_seconds();

	for (int i = 0; i < ROUNDS; i++) {
		run_ours(bench, &sink);
		if (sink.wrong != 0 ||
		    sink.next != (uint64_t)bench->segments * bench->segment_bytes)
			return 1;
	}
	double middle = now_seconds();

	for (int i = 0; i < ROUNDS; i++)
		run_theirs(bench);
	double end = now_seconds();

	printf("{\"ours\": %.6g, \"theirs\": %.6g}\n", total / (middle - start),
	       total / (end - middle));
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench bench = {0};

	if (argc != 4)
		return 2;
	bench.segment_bytes = (uint32_t)strtoul(argv[2], NULL, 10);
	bench.segments = TOTAL_BYTES / bench.segment_bytes;
	bench.bytes = malloc(TOTAL_BYTES);
	bench.copy = malloc(TOTAL_BYTES);
	bench.order = calloc(bench.segments, sizeof(*bench.order));
	if (bench.bytes == NULL || bench.copy == NULL || bench.order == NULL ||
	    stream_memory_init(&bench.memory, 64 << 20, 1 << 20, 0, 1) != 0)
		return 2;
	for (uint32_t i = 0; i < TOTAL_BYTES; i++)
		bench.bytes[i] = (uint8_t)(i * 2654435761u >> 24);
	memset(bench.copy, 0, TOTAL_BYTES);
	make_order(&bench, strcmp(argv[1], "reordered") == 0);
	for (unsigned long pairs = strtoul(argv[3], NULL, 10); pairs > 0; pairs--) {
		if (measure_pair(&bench) != 0)
			return 1;
	}
	return 0;
}
