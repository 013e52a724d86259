// SPDX-License-Identifier: Apache-2.0

// usage: defragment_cost datagrams|reverse|every_other|shuffled COUNT
//
// Keeps COUNT fragments of 8 bytes: of a datagram each, or of datagrams of 4000 pieces whose pieces
// come out of order. Not a test by itself: test_defragment_cost.py counts its instructions.

#include <stdlib.h>
#include <string.h>

#include <stellar/engine.h>

#include "packet/cursor.h"
#include "packet/defragment.h"

#define MEMORY_BYTES (256u << 20)
#define PIECES 4000u // of a datagram
#define LINK_TYPE_RAW 101

static uint8_t first_profile(void *owner, const struct ip_address *receiver)
{
	return STELLAR_TARGET_FIRST;
}

static void ignore(void *owner, struct datagram *datagram, enum defragment_cause cause)
{
}

// Place of a datagram's piece, in units; odd ones stay free.
static uint32_t place_of(const char *order, uint32_t number, uint32_t count)
{
	if (strcmp(order, "reverse") == 0)
		return 2 * (count - number);
	if (strcmp(order, "every_other") == 0)
		return 2 * (number + 1);
	return 2 * (1 + (uint32_t)((uint64_t)number * 7919 % count)); // 7919 is prime
}

static bool add(struct defragmenter *defragmenter, uint32_t id, uint32_t place)
{
	uint8_t bytes[28] = {0x45, 0, 0, 28, [8] = 64, [9] = 253, [12] = 192, [16] = 198};
	struct packet packet = {.frame = {.data = bytes,
					  .length = sizeof(bytes),
					  .wire_length = sizeof(bytes),
					  .link_type = LINK_TYPE_RAW}};
	struct defragment_result result;
	struct fragment fragment;

	store_be16(bytes + 4, (uint16_t)id);
	bytes[14] = (uint8_t)(id >> 16);
	store_be16(bytes + 6, (uint16_t)(place | 0x2000));
	packet_decode(&packet, false);
	return fragment_read(&packet, &fragment) == 0 &&
	       defragment_add(defragmenter, &packet, &fragment, NULL, 1, &result) ==
		       DEFRAGMENT_KEPT;
}

int main(int argc, char **argv)
{
	const struct defragment_config config = {
		.memory_bytes = MEMORY_BYTES,
		.source_bytes = MEMORY_BYTES,
		.piece_limit = 65536,
		.timeout_ns = 30000000000u,
		.secret = {1, 2},
		.profile = first_profile,
		.given_up = ignore,
	};
	struct defragmenter *defragmenter;

	if (argc != 3 || defragment_create(&config, &defragmenter) != 0)
		return 2;
	uint32_t count = (uint32_t)strtoul(argv[2], NULL, 10);
	uint32_t pieces = count < PIECES ? count : PIECES;

	for (uint32_t i = 0; i < count; i++) {
		bool is_alone = strcmp(argv[1], "datagrams") == 0;

		if (!add(defragmenter, is_alone ? i : i / pieces,
			 is_alone ? 0 : place_of(argv[1], i % pieces, pieces) % 8000))
			return 1;
	}
	defragment_destroy(defragmenter);
	return 0;
}
