// SPDX-License-Identifier: Apache-2.0

// A TCP session from a script of segments: the state table, the windows, what the receivers take,
// and their bytes in order. What is delivered must be, byte by byte, what a naive map says: each
// offset remembers who wrote it and where that segment began. The map is kept for the profiles that
// can be told byte by byte; in small memory, where bytes get lost, and for Solaris, a byte must at
// least have been sent. Readers must see what was delivered, and all memory must come back.
//
// Input: three bytes of switches, then segments of 8 bytes: flags and direction, place, length,
// acknowledgment, window, options, and the byte that the payload is made of.

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/engine.h>

#include "packet/decode.h"
#include "session/stream.h"
#include "session/stream_digest.h"
#include "session/stream_reader.h"
#include "session/table.h"
#include "session/tcp.h"

#define SPAN 1024 // offsets that the map knows
#define SEGMENT_SIZE 8
#define PAYLOAD_MAX 256
#define SMALL_BYTES 1024
#define LARGE_BYTES (1u << 20)
#define KEPT_BYTES 512

enum {
	SWITCH_STRICT = 0x01,
	SWITCH_MIDSTREAM = 0x02,
	SWITCH_SMALL = 0x04,
	SWITCH_READERS = 0x08,
};

// A byte of the map.
struct cell {
	uint32_t origin; // offset at which its segment, joined with those it continues, began
	uint16_t segment; // number, 0: nothing was written
	uint8_t value;
};

struct map {
	struct cell cells[SPAN];
	uint8_t sent[SPAN][32]; // bit set of values that were ever sent there
	bool is_exact;
};

struct run {
	struct session_hot hot;
	struct stream stream;
	struct stream_memory memory;
	uint64_t told[2]; // bytes delivered and left out
	uint32_t first_sequence[2]; // the script's own numbers begin here
	uint16_t segments;
	uint8_t switches;
	struct map maps[2];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

// Where the run of bytes of one segment that a cell belongs to begins.
static uint32_t find_run_start(const struct cell *cells, uint32_t offset)
{
	while (offset > 0 && cells[offset - 1].segment == cells[offset].segment)
		offset--;
	return offset;
}

// Where the bytes of a joined segment end.
static uint32_t find_joined_end(const struct cell *cells, uint32_t offset)
{
	uint32_t origin = cells[offset].origin;

	while (offset < SPAN && cells[offset].segment != 0 && cells[offset].origin == origin)
		offset++;
	return offset;
}

static bool is_replaced(const struct cell *before, uint8_t profile, uint32_t start, uint32_t end,
			uint32_t offset)
{
	const struct cell *cell = &before[offset];

	switch (profile) {
	case STELLAR_TARGET_LAST:
		return true;
	case STELLAR_TARGET_BSD:
	case STELLAR_TARGET_WINDOWS:
		return start < find_run_start(before, offset);
	case STELLAR_TARGET_BSD_RIGHT:
		return start >= find_run_start(before, offset);
	case STELLAR_TARGET_LINUX:
		if (start != cell->origin)
			return start < cell->origin;
		return end > find_joined_end(before, offset);
	default:
		return false;
	}
}

static void write_map(struct run *run, uint8_t id, const struct stream_segment *segment)
{
	static struct cell before[SPAN];
	const struct stream_direction *direction = &run->stream.directions[id];
	struct map *map = &run->maps[id];
	int64_t first = stream_get_offset_of(direction, segment->sequence);
	int64_t last = first + segment->length;
	uint32_t start;
	uint32_t end;
	uint32_t origin;

	if (last > 0 && (uint64_t)last > direction->end)
		last = (int64_t)direction->end;
	if (last > SPAN || direction->next > SPAN) {
		map->is_exact = false;
		last = SPAN;
	}
	if (first < (int64_t)direction->next)
		first = (int64_t)direction->next;
	if (first >= last)
		return;
	start = (uint32_t)first;
	end = (uint32_t)last;
	memcpy(before, map->cells, sizeof(before));
	origin = start;
	// Linux makes one segment of neighbours; which of them first is its own tree's to know. The
	// C tests and the real endpoint have those cases.
	if (direction->profile == STELLAR_TARGET_LINUX &&
	    ((start > direction->next && before[start - 1].segment != 0) ||
	     (end < SPAN && before[end].segment != 0)))
		map->is_exact = false;
	run->segments++;
	for (uint32_t i = start; i < end; i++) {
		int64_t at = (int64_t)i - stream_get_offset_of(direction, segment->sequence);
		uint8_t value = segment->data[at];

		map->sent[i][value / 8] |= (uint8_t)(1u << value % 8);
		if (before[i].segment == 0 ||
		    is_replaced(before, direction->profile, start, end, i))
			map->cells[i] = (struct cell){origin, run->segments, value};
	}
}

static void check_chunk(struct run *run, uint8_t id, const struct stream_chunk *chunk)
{
	const struct map *map = &run->maps[id];

	for (uint32_t i = 0; i < chunk->length && chunk->offset + i < SPAN; i++) {
		uint8_t value = chunk->data[i];
		uint64_t offset = chunk->offset + i;

		require((map->sent[offset][value / 8] & 1u << value % 8) != 0);
		if (map->is_exact)
			require(map->cells[offset].segment != 0 &&
				map->cells[offset].value == value);
	}
}

// A reader that skips as much as the bytes tell it to.
static void read_chunk(struct run *run, uint8_t id, const struct stream_chunk *chunk)
{
	struct stream_direction *direction = &run->stream.directions[id];
	struct stream_shelf *shelf = &direction->shelf;
	uint64_t end = chunk->offset + chunk->length;
	uint64_t length;

	if ((run->switches & SWITCH_READERS) == 0 || chunk->length == 0)
		return;
	uint8_t order = chunk->data[0];
	struct stream_reader *reader =
		stream_reader_need(&run->memory, shelf, order % 6, chunk->offset);

	if (reader == NULL) {
		stream_shelf_keep(&run->memory, shelf, chunk); // for the others
		return;
	}
	if (!reader->is_reading)
		reader->place = chunk->offset;
	reader->is_reading = true;
	if (order & 0x40)
		reader->limit = chunk->offset + order;
	if (stream_shelf_keep(&run->memory, shelf, chunk) != 0)
		return;
	const uint8_t *kept = stream_shelf_find(&run->memory, shelf, reader->place, &length);

	require(reader->place + length == end || length == 0);
	if (length >= chunk->length)
		require(memcmp(kept + (length - chunk->length), chunk->data, chunk->length) == 0);
	if (length > 0)
		reader->place += order % (length + 1);
	stream_shelf_end_limits(&run->memory, shelf, end);
	require(shelf->length <= KEPT_BYTES);
}

static void deliver(struct run *run, uint8_t id, const struct stream_chunk *chunk)
{
	struct stream_direction *direction = &run->stream.directions[id];

	// A number that was no byte to the receiver, a passed FIN's, is not counted.
	struct stream_chunk told = *chunk;

	if (chunk->length == 0)
		return;
	told.offset -= direction->urgent_passed;
	require(told.offset == run->told[id]);
	run->told[id] += told.length;
	check_chunk(run, id, chunk);
	stream_digest_add(&run->memory, direction, chunk);
	direction->delivered = chunk->offset + chunk->length;
	read_chunk(run, id, &told);
	stream_shelf_settle(&run->memory, &direction->shelf, 0x3e);
}

static void deliver_held(struct run *run, uint8_t id)
{
	struct stream_chunk chunk;

	while (stream_next(&run->memory, &run->stream.directions[id], &chunk)) {
		deliver(run, id, &chunk);
		stream_put_piece(&run->memory, chunk.piece);
	}
}

static bool leave_gap(struct run *run, uint8_t id, uint64_t offset)
{
	struct stream_direction *direction = &run->stream.directions[id];
	uint64_t place = direction->next;
	uint64_t missing = stream_skip_to(&run->memory, direction, offset);

	// With the map, nothing that was held may be left out.
	for (uint64_t i = place; i < place + missing && i < SPAN; i++)
		require(!run->maps[id].is_exact || run->maps[id].cells[i].segment == 0);
	if (missing == 0)
		return false;
	direction->delivered = direction->next;
	run->told[id] = direction->next - direction->urgent_passed;
	stream_shelf_skip_to(&run->memory, &direction->shelf, run->told[id]);
	return true;
}

static void take_acknowledgment(struct run *run, uint8_t id, uint32_t acked)
{
	struct stream_direction *direction = &run->stream.directions[id];

	if (!direction->is_open)
		return;
	stream_settle_pending(&run->memory, direction, acked);
	deliver_held(run, id);
	while (stream_get_offset_of(direction, acked) > (int64_t)direction->next &&
	       leave_gap(run, id, (uint64_t)stream_get_offset_of(direction, acked)))
		deliver_held(run, id);
}

static void open_direction(struct run *run, uint8_t id)
{
	const struct tcp_endpoint *receiver = &run->stream.endpoints.receiver[id];
	struct stream_direction *direction = &run->stream.directions[id];

	if (!receiver->has_first ||
	    (direction->is_open && (direction->next != 0 || direction->base == receiver->first)))
		return;
	stream_direction_clear(&run->memory, direction);
	stream_direction_open(direction, receiver->first);
	memset(run->maps[id].cells, 0, sizeof(run->maps[id].cells));
}

// Whether the delivered part of a segment is what the map has.
static bool is_as_delivered(const struct run *run, uint8_t id, const struct stream_segment *segment)
{
	const struct stream_direction *direction = &run->stream.directions[id];
	int64_t start = stream_get_offset_of(direction, segment->sequence);

	for (uint32_t i = 0; i < segment->length; i++) {
		int64_t offset = start + i;

		if (offset >= 0 && offset < SPAN && offset < (int64_t)direction->delivered &&
		    run->maps[id].cells[offset].segment != 0 &&
		    run->maps[id].cells[offset].value != segment->data[i])
			return false;
	}
	return true;
}

static void take_payload(struct run *run, uint8_t id, const struct stream_segment *segment)
{
	struct stream_direction *direction = &run->stream.directions[id];
	struct stream_chunk chunk;

	stream_settle_pending(&run->memory, direction, segment->sequence);
	if (stream_find_difference(&run->memory, direction, segment, &chunk)) {
		require(chunk.length > 0 && chunk.length <= segment->length);
		if ((run->switches & SWITCH_STRICT) != 0)
			return;
	}
	// What is sent again as it was contradicts nothing.
	if (run->maps[id].is_exact &&
	    stream_digest_find_difference(&run->memory, direction, segment, 0, &chunk))
		require(!is_as_delivered(run, id, segment));
	write_map(run, id, segment);
	while (stream_insert(&run->memory, direction, segment, &chunk) != 0) {
		int64_t start = stream_get_offset_of(direction, segment->sequence);

		run->maps[id].is_exact = false;
		leave_gap(run, id, (uint64_t)start);
		deliver_held(run, id);
	}
	deliver(run, id, &chunk);
	deliver_held(run, id);
}

static void tell_expected(struct run *run, uint8_t id)
{
	const struct stream_direction *direction = &run->stream.directions[id];

	if (direction->is_open)
		run->stream.endpoints.receiver[id].expected =
			stream_get_next_sequence(direction) + (direction->next == direction->end);
}

static void take_segment(struct run *run, uint8_t id, const struct packet_tcp *tcp,
			 const uint8_t *payload, uint32_t length)
{
	struct stream_direction *direction = &run->stream.directions[id];
	unsigned options = ((run->switches & SWITCH_STRICT) ? TCP_STRICT : 0) |
			   ((run->switches & SWITCH_MIDSTREAM) ? TCP_MIDSTREAM : 0);
	bool is_new = run->hot.tcp_state == STELLAR_TCP_NONE;
	struct tcp_outcome outcome;
	struct stream_segment segment = {
		.sequence = tcp->sequence + ((tcp->flags & STELLAR_TCP_SYN) != 0),
		.length = length,
		.data = payload,
		.has_fin = (tcp->flags & STELLAR_TCP_FIN) != 0,
	};

	if (is_new && !tcp_can_open(tcp, options))
		return;
	if (is_new) {
		outcome = tcp_track(&run->hot, tcp, length, (enum stellar_direction)id, options);
		tcp_endpoints_open(&run->stream.endpoints, &run->hot, tcp, length,
				   (enum stellar_direction)id);
	} else {
		outcome = tcp_track_endpoints(&run->hot, &run->stream.endpoints, tcp, length,
					      (enum stellar_direction)id, options);
	}
	require(outcome.code == TCP_ACCEPTED || outcome.payload == TCP_PAYLOAD_REFUSED);
	if (outcome.code != TCP_ACCEPTED)
		return;
	open_direction(run, STELLAR_FORWARD);
	open_direction(run, STELLAR_REVERSE);
	if ((tcp->flags & STELLAR_TCP_ACK) != 0)
		take_acknowledgment(run, id ^ 1, run->hot.acked[id]);
	if (outcome.payload == TCP_PAYLOAD_LIKELY)
		outcome.payload = direction->held != 0 ? TCP_PAYLOAD_TAKEN : TCP_PAYLOAD_PENDING;
	if (outcome.payload == TCP_PAYLOAD_PENDING) {
		run->maps[id].is_exact = false; // what is taken of it is not the map's to know
		memset(run->maps[id].sent, 0xff, sizeof(run->maps[id].sent));
		stream_hold_pending(&run->memory, direction, &segment);
	}
	if (outcome.payload == TCP_PAYLOAD_TAKEN) {
		if (segment.has_fin)
			run->maps[id].is_exact = false; // it has a place among held bytes
		if (length > 0 || segment.has_fin)
			take_payload(run, id, &segment);
	}
	tell_expected(run, STELLAR_FORWARD);
	tell_expected(run, STELLAR_REVERSE);
}

static void run_step(struct run *run, const uint8_t *step)
{
	uint8_t payload[PAYLOAD_MAX];
	uint8_t id = step[0] >> 7;
	uint32_t length = step[2] >= PAYLOAD_MAX - 8 ? 0 : step[2];
	const struct stream_direction *own = &run->stream.directions[id];
	uint32_t base = own->is_open ? stream_get_next_sequence(own) : run->first_sequence[id];
	struct packet_tcp tcp = {
		.flags = step[0] & 0x3f,
		.sequence = base + (uint32_t)((int8_t)step[1] * ((step[5] & 0x80) ? 16 : 1)),
		.acknowledgment = run->hot.seq_end[id ^ 1] + (uint32_t)(int8_t)step[3],
		.window = (uint16_t)(step[4] * 257),
		.urgent = step[6],
		.window_scale = step[5] & 15,
		.has_window_scale = (step[5] & 0x10) != 0,
		.has_timestamp = (step[5] & 0x20) != 0,
		.timestamp_value = 1000 + step[6],
		.header_length = 20,
	};

	for (uint32_t i = 0; i < length; i++)
		payload[i] = (uint8_t)(step[7] + ((step[5] & 0x40) ? i : 0));
	take_segment(run, id, &tcp, payload, length);
}

static void finish(struct run *run)
{
	for (uint8_t id = 0; id < 2; id++) {
		struct stream_direction *direction = &run->stream.directions[id];

		direction->has_pending = false;
		deliver_held(run, id);
		while (direction->held != 0 && leave_gap(run, id, STREAM_NO_END))
			deliver_held(run, id);
		stream_direction_clear(&run->memory, direction);
		stream_shelf_clear(&run->memory, &direction->shelf);
		stream_digest_clear(&run->memory, direction);
		require(direction->held_bytes == 0);
	}
	require(run->memory.held_bytes == 0);
	require(run->memory.pool.used_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run run;

	if (size < 3)
		return 0;
	memset(&run, 0, sizeof(run));
	run.switches = data[0];
	bool is_small = (run.switches & SWITCH_SMALL) != 0;
	uint32_t memory_bytes = is_small ? SMALL_BYTES * (1 + data[0] / 16) : LARGE_BYTES;

	require(stream_memory_init(&run.memory, memory_bytes, is_small ? SMALL_BYTES : LARGE_BYTES,
				   KEPT_BYTES, 1) == 0);
	for (uint8_t id = 0; id < 2; id++) {
		uint8_t profile =
			(id == 0 ? data[1] & 15 : data[1] >> 4) % STELLAR_TARGET_PROFILE_COUNT;

		run.stream.directions[id].profile = profile;
		run.stream.directions[id].end = STREAM_NO_END;
		run.first_sequence[id] = (uint32_t)data[2] * 0x01010101u - 64;
		run.maps[id].is_exact = !is_small && profile != STELLAR_TARGET_SOLARIS;
	}
	for (size_t at = 3; at + SEGMENT_SIZE <= size; at += SEGMENT_SIZE)
		run_step(&run, data + at);
	finish(&run);
	stream_memory_fini(&run.memory);
	return 0;
}
