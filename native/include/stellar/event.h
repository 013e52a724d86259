// SPDX-License-Identifier: Apache-2.0

// Something that happened in a session. A plugin declares the events it needs; the entry function
// asks session_get_event() which one it is called for. Everything reached from an event is valid
// only during the call.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

struct packet;
struct session;

enum stellar_event {
#define X(name, NAME, raised, sentence) STELLAR_EVENT_##NAME,
#include <stellar/events.def>
#undef X
	STELLAR_EVENT_COUNT,
};

// Bit of an event in plugin.events.
#define STELLAR_EVENT_BIT(event) (UINT64_C(1) << (event))

// forward: from the originator. reverse: from the responder.
enum stellar_direction {
	STELLAR_FORWARD,
	STELLAR_REVERSE,
	STELLAR_DIRECTION_COUNT,
};

struct event {
	uint8_t type; // enum stellar_event
	uint8_t direction; // enum stellar_direction of the packet behind it, or of the bytes
	uint8_t reason; // enum stellar_closing_reason with session_closing, else 0
	uint8_t reserved;
	uint32_t data_length; // bytes at data; with tcp_gap: bytes that are missing
	uint64_t time_ns; // engine time, ns since the epoch
	const struct packet *packet; // NULL when no packet caused it (timeout, shutdown)
	const uint8_t *data; // payload with *_data events, the key with metadata_changed, the
			     // bytes that differ with tcp_overlap, those of a derived event
	uint64_t stream_offset; // tcp_data, tcp_gap, tcp_overlap: place in the direction's stream,
				// 0 is the first byte after the SYN; of a session picked up
				// midstream, the first that its receiver may lack
	struct session *child; // child_opening: the child, whose packet is in hand; the event is
			       // its parent's, session_opening of the child came before
	uint32_t derived_id; // derived: which, as plugin_get_derived_id says
	uint32_t reserved_2;
};

#define STELLAR_DERIVED_DATA_MAX 256 // bytes

// Raise a derived event of the plugin being called, for this session: those that hear it get the
// event `derived` with a copy of the bytes as its data, after the event in hand. Bounded as all
// events that callbacks cause are; one beyond that is counted and not delivered. Worker thread,
// inside a callback. Returns 0; -EINVAL for an id that is not the plugin's own, too many bytes, or
// a session that is closing; -ENOSPC when the queue is full.
STELLAR_PUBLIC int session_raise_event(struct session *session, int derived_id, const void *data,
				       size_t length);

// Name of a derived event, "plugin.event", or NULL. Any thread, as long as the engine lives.
struct engine;
STELLAR_PUBLIC const char *engine_get_derived_name(const struct engine *engine,
						   uint32_t derived_id);

// The event this callback is called for. Worker thread, valid during the call; NULL outside one.
STELLAR_PUBLIC const struct event *session_get_event(const struct session *session);

// Name as in events.def ("session_opening"), or NULL when out of range. Static, any thread.
STELLAR_PUBLIC const char *stellar_event_name(uint32_t event);

// Whether this version raises the event at all. Any thread.
STELLAR_PUBLIC int stellar_event_is_raised(uint32_t event);
