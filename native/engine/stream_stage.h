// SPDX-License-Identifier: Apache-2.0

// Bytes of TCP sessions in order, as events: between the record (session/stream.h), which knows no
// plugin, and the plugins. Called by the session stage and the plugin stage; the order for one
// packet is
//	stream_stage_track	judge the segment, as its receiver would when there is a record
//	stream_stage_open	a new session some plugin may want the bytes of: make its record
//	...			opening, state and packet events; plugins may drop the packet
//	stream_stage		what an acknowledgment tells of the other direction, then the
//				segment's own payload: tcp_overlap, tcp_gap, tcp_data
//	stream_stage_settle	nobody wants the bytes any more: free the record
// Events are delivered one by one, not queued: a segment may put any number of pieces in order.
//
// What no receiver got is not shown: held bytes are given up when the session closes. But when the
// other side was never seen, nothing acknowledges, and then what is held is delivered after gaps.
// Worker's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session/slab.h"
#include "session/stream.h"

struct packet;
struct plugin_table;
struct session;
struct worker;

struct stream_stage {
	struct stream_memory memory;
	struct slab records; // struct stream, by plugin_block.stream
	bool is_prepared; // memory is reserved
	bool keeps_digests; // somebody cares for what is sent again with other bytes
	const struct stream_chunk *chunk; // tcp_data in delivery, or NULL
	uint8_t direction; // of the chunk
	bool is_kept; // the chunk was copied for its readers already
	uint8_t payload; // enum tcp_payload of the segment in hand
	bool has_told; // the packet in hand made bytes known, from told_offset on
	uint64_t told_offset;
};

// Returns 0 or -ENOMEM. Nothing is reserved when no plugin wants bytes.
int stream_stage_init(struct worker *worker);
// Reserve it before the worker follows a table whose plugins want bytes. Returns 0 or -ENOMEM.
int stream_stage_prepare(struct worker *worker, const struct plugin_table *table);
// What the plugins want has changed.
void stream_stage_follow(struct worker *worker);
void stream_stage_fini(struct worker *worker);

struct tcp_outcome stream_stage_track(struct worker *worker, const struct session *session,
				      unsigned options);
void stream_stage_open(struct worker *worker, struct session *session);
void stream_stage(struct worker *worker, struct packet *packet);
void stream_stage_settle(struct worker *worker, struct session *session);

// The packet whose bytes of session->direction were made known from that offset on is dropped after
// all: they do not pass if they come once more.
void stream_stage_refuse(const struct session *session, uint64_t offset, uint8_t reason);

// The session is about to close.
void stream_stage_end(struct worker *worker, struct session *session);
// Free the record, if there is one.
void stream_stage_release(struct worker *worker, struct session *session);

// The record of a session, or NULL.
struct stream *stream_stage_get(const struct session *session);
