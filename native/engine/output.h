// SPDX-License-Identifier: Apache-2.0

// Events on their way out of the engine. A worker writes fixed-size records into its own ring; a
// writer formats them as EVE JSON (eve.c) and writes lines. Live, the writer is a thread and a full
// ring or a failed write loses records, counted. In replay the worker drains its ring itself, in
// step with the packets, so that nothing is lost and the bytes are the same every time.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>

#define OUTPUT_NAME_SIZE 64
#define OUTPUT_VLANS_MAX 8 // listed of a packet

enum output_type {
	OUTPUT_SESSION,
	OUTPUT_DROP,
	OUTPUT_ANOMALY,
	OUTPUT_STATS,
	OUTPUT_LOG,
};

// The packet behind a drop or an anomaly.
struct output_packet {
	struct packet_endpoint source;
	struct packet_endpoint destination;
	uint64_t session_id; // 0: none
	struct packet_tunnel tunnel; // the outermost, when there is one
	uint32_t length; // wire bytes
	uint32_t tcp_sequence;
	uint32_t tcp_acknowledgment;
	uint16_t tcp_window;
	uint16_t ingress_id;
	uint8_t protocol;
	uint8_t tcp_flags;
	uint8_t ttl;
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint8_t ip_version;
	bool has_transport;
	uint8_t tunnel_count;
	uint8_t vlan_count;
	uint16_t vlans[OUTPUT_VLANS_MAX]; // outermost first, around and inside of tunnels
};

struct output_record {
	uint64_t time_ns; // engine time
	uint64_t order; // at one time; see spread_replay.h
	uint8_t type; // enum output_type
	uint8_t closing_reason; // session
	char rule_name[OUTPUT_NAME_SIZE]; // session, drop: "" when the rule has none
	union {
		struct session_record session;
		struct {
			struct output_packet packet;
			struct verdict verdict;
		} drop;
		struct {
			struct output_packet packet;
			uint64_t decode_events;
			const char *stream_event; // static, or NULL: it is of decoding
		} anomaly;
		struct {
			struct packet_stats packets;
			struct session_stats sessions;
			uint64_t uptime_sec;
		} stats;
		struct {
			struct session_record session; // id 0: of no session
			const char *text; // in the ring's texts
			uint16_t length;
			uint16_t plugin_id;
			uint8_t level; // enum stellar_log_level
		} log;
	};
};

#define OUTPUT_RING_SIZE 4096u // records; a power of two

// Single producer (the worker), single consumer (the writer, or the worker in replay).
struct output_ring {
	_Atomic uint64_t head __attribute__((aligned(64))); // next to write
	_Atomic uint64_t lost; // records that found no room
	_Atomic uint64_t tail __attribute__((aligned(64))); // next to read
	char (*texts)[STELLAR_LOG_TEXT_MAX]; // of log records, by place; NULL: none are written
	struct output_record records[OUTPUT_RING_SIZE] __attribute__((aligned(64)));
};

// Look at text that was formatted, whole lines. Returns how much of it is to be written; may set
// has_ended.
typedef size_t (*output_watch_fn)(void *owner, const char *text, size_t length);

struct output {
	struct engine *engine;
	char *path;
	int fd;
	uint32_t types; // STELLAR_EVE_*
	bool is_synchronous; // replay
	bool thread_started;
	_Atomic bool reopen;
	_Atomic bool stop;
	pthread_t thread;
	output_watch_fn watch; // NULL: nobody looks
	void *watch_owner;
	bool has_ended; // nothing more is written
	bool is_cut; // the file ends within a line
	char *text; // formatted, not yet written
	size_t text_length;
	uint64_t text_lines;
	_Atomic uint64_t written; // lines
	_Atomic uint64_t lost; // lines that could not be written
};

// Open path for appending. Returns 0 or -errno.
int output_open(struct output *output, struct engine *engine, const char *path, uint32_t types);
// Start the writer thread unless synchronous. Returns 0 or -errno.
int output_start(struct output *output, bool is_synchronous);
// Drain the rings, stop the thread, close. Accepts one that was never opened.
void output_close(struct output *output);
// Write what one ring holds. The consumer's thread.
void output_drain(struct output *output, struct output_ring *ring);
// Write its next record, which there is.
void output_drain_one(struct output *output, struct output_ring *ring);
// Its next record, or NULL. The consumer's thread.
const struct output_record *output_ring_peek(const struct output_ring *ring);
void output_flush(struct output *output);

// Room for one record, or NULL: lost and counted. Commit with output_ring_push. Producer's thread.
struct output_record *output_ring_reserve(struct output_ring *ring);
// Where the text of the reserved record goes. Only with texts.
char *output_ring_text(struct output_ring *ring);
void output_ring_push(struct output_ring *ring);
bool output_ring_is_full(const struct output_ring *ring);
