// SPDX-License-Identifier: Apache-2.0

// usage: stream_cost reverse|every_other|shuffled|joined COUNT
//
// Holds COUNT segments of one byte that come out of order, then fills the holes and delivers all.
// joined: holds COUNT pieces that follow one another, then all of them again as one segment.
// Not a test by itself: test_stream_cost.py counts its instructions.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/engine.h>

#include "session/stream.h"

#define MEMORY_BYTES (64u << 20)

static uint32_t place_of(const char *order, uint32_t number, uint32_t count)
{
	if (strcmp(order, "reverse") == 0)
		return 2 * (count - number);
	if (strcmp(order, "every_other") == 0)
		return 2 * (number + 1);
	return 2 * (1 + (uint32_t)((uint64_t)number * 7919 % count)); // 7919 is prime
}

static void deliver(struct stream_memory *memory, struct stream_direction *direction,
		    uint64_t *delivered)
{
	struct stream_chunk chunk;

	while (stream_next(memory, direction, &chunk)) {
		*delivered += chunk.length;
		stream_put_piece(memory, chunk.piece);
	}
}

static int hold_joined(struct stream_memory *memory, uint32_t count)
{
	enum { LENGTH = 84 }; // a block each
	struct stream_direction direction = {.profile = STELLAR_TARGET_LINUX};
	uint8_t *bytes = calloc((size_t)count + 1, LENGTH);
	struct stream_segment segment = {.length = LENGTH, .data = bytes};
	struct stream_chunk chunk;
	int result = bytes == NULL;

	stream_direction_open(&direction, 1000);
	for (uint32_t i = 0; i < count && result == 0; i++) {
		segment.sequence = 1001 + i * LENGTH;
		result = stream_insert(memory, &direction, &segment, &chunk);
	}
	segment.sequence = 1001;
	segment.length = count * LENGTH;
	if (result == 0 && count > 0)
		result = stream_insert(memory, &direction, &segment, &chunk);
	free(bytes);
	return result != 0;
}

int main(int argc, char **argv)
{
	struct stream_direction direction = {.profile = STELLAR_TARGET_BSD};
	struct stream_memory memory;
	struct stream_chunk chunk;
	struct stream_segment segment = {.length = 1, .data = (const uint8_t *)"x"};
	uint64_t delivered = 0;

	if (argc != 3 || stream_memory_init(&memory, MEMORY_BYTES, MEMORY_BYTES, 0, 1) != 0)
		return 2;
	uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);

	if (strcmp(argv[1], "joined") == 0)
		return hold_joined(&memory, count);
	stream_direction_open(&direction, 1000);
	for (uint32_t i = 0; i < count; i++) {
		segment.sequence = 1000 + place_of(argv[1], i, count);
		if (stream_insert(&memory, &direction, &segment, &chunk) != 0)
			return 1;
	}
	for (uint32_t i = 0; i <= count; i++) {
		for (uint32_t place = 2 * i; place < 2 * i + 2; place++) {
			segment.sequence = 1000 + place;
			if (stream_insert(&memory, &direction, &segment, &chunk) != 0)
				return 1;
			delivered += chunk.length;
			deliver(&memory, &direction, &delivered);
		}
	}
	stream_memory_fini(&memory);
	return delivered == 2 * (uint64_t)count + 2 ? 0 : 1;
}
