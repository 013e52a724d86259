// SPDX-License-Identifier: Apache-2.0

// The wire that floods are driven over: frames are built, pushed in blocks, judged one by one, and
// popped where they left. The engine's processor time is that of the judging alone. What goes wrong
// with the rig itself ends the process.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>

#define FLOOD_BLOCK 64u
#define FLOOD_SECOND_NS UINT64_C(1000000000)
#define FLOOD_START_NS (UINT64_C(1700000000) * FLOOD_SECOND_NS)

struct flood_rig {
	struct engine *engine;
	struct worker *worker;
	struct packet_io_device *devices[2]; // inside, outside
	bool from_outside[FLOOD_BLOCK];
	uint32_t waiting; // frames pushed and not judged
	uint64_t packets;
	uint64_t cpu_ns;
	uint64_t random;
	// A frame left the wire.
	void (*forwarded)(void *owner, uint8_t kind, uint32_t who);
	void *owner;
};

struct flood_address {
	uint32_t address;
	uint16_t port;
};

struct flood_segment {
	struct flood_address source;
	struct flood_address destination;
	uint32_t sequence;
	uint32_t acknowledgment;
	uint8_t flags; // STELLAR_TCP_*
	bool from_outside;
	uint16_t length; // of the payload
	uint8_t fill; // each byte of it
	uint8_t kind;
	uint32_t who;
};

struct flood_piece {
	uint32_t source;
	uint32_t destination;
	uint16_t datagram; // identification
	uint16_t offset; // bytes
	uint16_t length;
	bool more;
	uint8_t kind;
	uint32_t who;
};

// `inside` and `outside` joined by a wire. Then engine_add_plugin, then start.
void flood_rig_open(struct flood_rig *rig, const struct engine_config *config, uint64_t seed);
void flood_rig_start(struct flood_rig *rig);
// Asserts that packets are conserved.
void flood_rig_close(struct flood_rig *rig);

// time_ns never goes back.
void flood_rig_send_segment(struct flood_rig *rig, const struct flood_segment *segment,
			    uint64_t time_ns);
void flood_rig_send_piece(struct flood_rig *rig, const struct flood_piece *piece, uint64_t time_ns);
// Judge what waits, and publish the figures.
void flood_rig_settle(struct flood_rig *rig);

uint64_t flood_rig_random(struct flood_rig *rig);
// Memory of the process that is there now, bytes; 0 where the system does not tell.
uint64_t flood_resident_bytes(void);
