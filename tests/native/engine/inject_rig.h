// SPDX-License-Identifier: Apache-2.0

// What the tests of injected packets share: an engine with one plugin that does `step` for each
// event, and frames that are verified by sums of its own, word by word as RFC 1071 has it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness.h"

#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define BOTH STELLAR_DIRECTION_COUNT
#define FIN STELLAR_TCP_FIN
#define SYN STELLAR_TCP_SYN
#define RST STELLAR_TCP_RST
#define PSH STELLAR_TCP_PSH
#define ACK STELLAR_TCP_ACK

typedef void (*step_fn)(struct session *session);

struct rig {
	struct harness harness;
	struct harness_plugin plugin;
};

struct sent {
	uint8_t bytes[9216];
	int length;
	size_t ip; // where it begins
	size_t transport;
};

extern step_fn step; // for the next packets; NULL: nothing
extern int result; // of its

void open_with(struct rig *rig, uint64_t events, const struct engine_config *config);
void open_rig(struct rig *rig);
// Verifies no checksums.
struct engine_config careless(bool is_inline);

uint16_t read_u16(const uint8_t *at);
uint32_t read_u32(const uint8_t *at);

// A frame that left by an end. Returns false when none did.
bool pop(struct rig *rig, bool outside, struct sent *ret_sent);
// Assert its lengths and checksums. Returns its protocol.
uint8_t check_frame(struct sent *sent);
void expect_nothing(struct rig *rig);

struct verdict segment(struct rig *rig, bool from_responder, uint8_t flags, uint32_t sequence,
		       uint32_t acknowledgment, const char *payload);
// The originator's next number is 101 then, the responder's 501.
void shake_hands(struct rig *rig);
