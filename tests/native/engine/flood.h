// SPDX-License-Identifier: Apache-2.0

// Floods against an engine on memory devices, beside honest traffic: what the test of floods checks
// in small and the benchmark measures in full. All of it is a function of the parameters, but for
// cpu_ns and the resident bytes. A frame's kind and sender stand in its destination MAC, so that
// what counts is what left the wire.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// SYN from made-up addresses, or from one, while sessions live and others begin.
struct flood_syn {
	uint64_t capacity; // of the session table
	uint32_t live; // sessions that are there before, and go on talking
	uint32_t syn_count; // 0: none, the live sessions are there and say one word
	uint32_t syn_pps; // engine time
	uint32_t honest_pps; // sessions that begin
	uint32_t rtt_ms; // from SYN to SYN-ACK; the ACK comes a millisecond later
	bool one_source;
	uint64_t source_opening; // the limit; 0: the default
	uint64_t seed;
};

struct flood_syn_result {
	uint32_t live_kept; // their last segment was forwarded
	uint32_t honest; // began while the flood lasted; after it none does
	uint32_t honest_accepted; // SYN, SYN-ACK, ACK and first data forwarded
	uint64_t evicted;
	uint64_t source_limited;
	uint64_t floods; // times flood mode began
	uint32_t opening_ms; // after the flood, until less than 1 % of capacity is in OPENING
	uint32_t mode_ms; // after the flood, until flood mode ends
	uint64_t resident_bytes; // grown since the engine was started
	uint64_t packets; // while the flood lasted
	uint64_t cpu_ns; // the engine's for those
};

void flood_syn_run(const struct flood_syn *flood, struct flood_syn_result *ret_result);

// 8-byte pieces of datagrams that never become whole, every other one a first piece.
struct flood_fragment {
	uint64_t memory_bytes; // limit fragment_memory_bytes
	uint32_t piece_count;
	uint32_t piece_pps;
	uint32_t honest_pps; // datagrams of three pieces
	uint32_t gap_ms; // between two of them
	bool one_source;
	uint64_t seed;
};

struct flood_fragment_result {
	uint32_t honest;
	uint32_t honest_whole;
	uint64_t held_peak; // frames held
	uint64_t resident_bytes;
	uint64_t packets;
	uint64_t cpu_ns;
};

void flood_fragment_run(const struct flood_fragment *flood,
			struct flood_fragment_result *ret_result);

// Every other byte, a segment each, in many sessions whose bytes a plugin wants.
struct flood_disorder {
	uint64_t memory_bytes; // limit stream_memory_bytes
	uint32_t sessions; // that do so
	uint32_t segments; // of each; 0: a calm run
	uint32_t honest; // sessions, half in order, half with one segment in ten behind four others
	uint32_t honest_segments; // of each, 1000 bytes
};

struct flood_disorder_result {
	uint64_t ordered_bytes; // sent by honest sessions
	uint64_t ordered_delivered; // to the plugin
	uint64_t reordered_bytes;
	uint64_t reordered_delivered;
	uint64_t peak_bytes; // held, the engine's own count
	uint64_t resident_bytes; // grown since all sessions were there
	uint64_t packets;
	uint64_t cpu_ns;
};

void flood_disorder_run(const struct flood_disorder *flood,
			struct flood_disorder_result *ret_result);
