// SPDX-License-Identifier: Apache-2.0

// Fragments made to order, and a defragmenter that writes down what it gives up.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/defragment.h"

#define FRAGMENT_FRAME_MAX 66000

// Raw IP, protocol 253 (RFC 3692). Places in units of 8 bytes.
struct piece {
	uint32_t begin;
	uint32_t units;
	char letter; // each byte of it
	bool is_last;
	// The rest may be 0.
	uint32_t rest; // bytes beyond the units
	uint32_t id;
	uint8_t version; // 0: 4
	uint8_t source; // last byte of its address
	uint8_t protocol;
	uint8_t ecn;
};

struct fragment_log {
	uint32_t given_up;
	uint32_t frames;
	enum defragment_cause cause; // of the last one
	uint32_t ids[16]; // of the first ones
};

struct fragment_bench {
	struct defragmenter *defragmenter;
	struct fragment_log log;
	uint64_t now_ns;
	uint8_t profile;
	uint8_t frame[FRAGMENT_FRAME_MAX];
	struct packet packet;
};

// Zeroed parts of config become 1 MiB (and as much a source), 1000 pieces, 30 s.
void fragment_bench_open(struct fragment_bench *bench, struct defragment_config config,
			 uint8_t profile);
void fragment_bench_close(struct fragment_bench *bench);

// Build, decode, read and add a piece.
enum defragment_answer fragment_bench_add(struct fragment_bench *bench, const struct piece *piece,
					  struct defragment_result *ret_result);

// Add pieces up to one that ends it (units of 0 and rest of 0). Writes the datagram's payload, a
// letter a unit, when the last of them makes it whole, else "": the answer is the last one.
enum defragment_answer fragment_bench_run(struct fragment_bench *bench, const struct piece *pieces,
					  char *ret_letters);
