// SPDX-License-Identifier: Apache-2.0

// An engine on memory devices, driven stage by stage, and plugins that write down what they are
// called for. One of each test's own; nothing is shared between tests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/aqm.h>
#include <stellar/engine.h>

#define HARNESS_LOG_SIZE 4096
#define HARNESS_PLUGINS_MAX 8

struct harness {
	struct engine *engine;
	struct worker *worker;
	struct packet_io_device *inside;
	struct packet_io_device *outside;
	uint64_t time_ns; // of the next packet
	char log[HARNESS_LOG_SIZE]; // "name:event " for each call, in order
};

// What a logging plugin does when it is called; NULL: nothing.
typedef void (*harness_react_fn)(struct harness *harness, struct session *session, void *context);

struct harness_plugin {
	struct plugin plugin;
	struct harness *harness;
	harness_react_fn react;
	uint32_t inits; // contexts made
	uint32_t frees;
};

struct harness_segment {
	uint16_t source_port;
	uint16_t destination_port;
	uint32_t sequence;
	uint32_t acknowledgment;
	uint8_t flags; // STELLAR_TCP_*
	bool from_responder; // swap the addresses and the interface
};

// Make the engine: `inside` and `outside` joined by a wire, inline. config may be NULL.
void harness_open(struct harness *harness, const struct engine_config *config);
// Fill a plugin that wants `events` and logs each call; register it with the engine.
void harness_add_plugin(struct harness *harness, struct harness_plugin *plugin, const char *name,
			uint64_t events, harness_react_fn react);
void harness_start(struct harness *harness);
void harness_close(struct harness *harness);

// Push a frame into one end and run all stages for it. Returns the verdict it got.
struct verdict harness_send(struct harness *harness, const uint8_t *frame, size_t length,
			    bool from_outside);
struct verdict harness_send_segment(struct harness *harness, const struct harness_segment *segment);
// The same with bytes, at most 256.
struct verdict harness_send_payload(struct harness *harness, const struct harness_segment *segment,
				    const char *payload);
// A UDP datagram with `payload` between fixed addresses.
struct verdict harness_send_datagram(struct harness *harness, uint16_t source_port,
				     uint16_t destination_port, const char *payload,
				     bool from_responder);

// Frames that left by an end, popped and counted.
size_t harness_drain(struct harness *harness, bool outside);

// Assert the conservation law and return the ledger.
struct packet_stats harness_balance(struct harness *harness);
