// SPDX-License-Identifier: Apache-2.0

// The bytes of a TCP session, in order. A plugin that needs tcp_data gets each piece once, as soon
// as it is in order: event data points into the packet, or into what was held. That is enough for
// whoever can go on from any byte. Whoever wants to see a message whole calls stream_peek, and
// from then on has a place of its own in that direction: bytes stay until stream_skip goes past
// them, at most limit stream_kept_bytes; what does not fit any more is lost to this plugin, as a
// tcp_gap that stream_peek reports.
//
// Inline a plugin may drop the packet in hand in tcp_data. Its bytes are heard once: sent again,
// they and what follows them in that direction are dropped for the same reason, whoever still
// listens.
//
// What a plugin has not skipped by the end of tcp_data is copied, from then on, until it does; the
// others get no copy made. A take over, a detach or a gap moves places: what was kept is lost.
//
// Work is done only for sessions in which some plugin wants tcp_data, tcp_gap or tcp_overlap.
// Worker thread, inside a callback.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/version.h>

struct session;

#define STELLAR_STREAM_ALL UINT64_MAX // stream_set_depth: no end

// The in-order bytes from the plugin's place on, those of the event in hand included, in one
// piece. Valid during the call. Returns 0, also when there are none (length 0); -ENOENT (not TCP,
// or the session's bytes are not put in order); -EOVERFLOW, once, when bytes were lost since the
// last call: the place has moved behind them; -ENOMEM: this piece can't be kept.
STELLAR_PUBLIC int stream_peek(struct session *session, enum stellar_direction direction,
			       const uint8_t **ret_data, size_t *ret_length);

// Move the plugin's place over count bytes. Returns 0; -ERANGE when fewer are there; -ENOENT.
STELLAR_PUBLIC int stream_skip(struct session *session, enum stellar_direction direction,
			       size_t count);

// Where the plugin's place is in the direction's stream, as event.stream_offset counts.
// Returns 0 or -ENOENT.
STELLAR_PUBLIC int stream_get_offset(const struct session *session,
				     enum stellar_direction direction, uint64_t *ret_offset);

// This plugin wants at most depth_bytes more of a direction, from its place on; 0: nothing more.
// A direction that no plugin wants any more is no longer put in order, until the session ends.
// Returns 0 or -ENOENT.
STELLAR_PUBLIC int stream_set_depth(struct session *session, enum stellar_direction direction,
				    uint64_t depth_bytes);
