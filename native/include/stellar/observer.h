// SPDX-License-Identifier: Apache-2.0

// Observers: programs in processes of their own that are told of events, in batches, and can't hold
// up a packet. The engine writes fixed-size records into a ring in shared memory, one ring for each
// worker and observer; the observer reads them when it comes to it. A full ring loses records,
// counted in the ring itself; in replay the engine waits instead, so that nothing is lost.
//
// A ring is a sealed memfd of struct observer_ring followed by its records. Each side writes only
// its own position; the engine keeps a position of its own and never believes the ring.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

struct engine;

#define STELLAR_OBSERVERS_MAX 8
#define STELLAR_OBSERVER_MAGIC "STLROBS1"
#define STELLAR_OBSERVER_DATA_SIZE 48
#define STELLAR_OBSERVER_CAPACITY_MAX (1u << 20) // records of a ring

// One event. Of a session that closes all counts are final. Little endian.
struct observer_record {
	uint64_t time_ns; // engine time of the event, ns since the epoch
	uint64_t session_id; // EVE's flow_id
	uint64_t parent_id; // 0: none
	uint64_t start_ns; // of the session's first packet
	uint64_t last_ns; // of its last, at 1 ms
	uint64_t packets[2]; // forward, reverse
	uint64_t bytes[2];
	uint8_t originator[16]; // IPv4 addresses fill the first four bytes
	uint8_t responder[16];
	uint16_t originator_port;
	uint16_t responder_port;
	uint16_t ingress_id;
	uint16_t egress_id;
	uint32_t tag;
	uint32_t generation; // of the policy that judged it
	uint32_t rule_id;
	uint32_t data_length; // bytes that the event is about; `data` has the first of them
	uint16_t worker_id;
	uint16_t derived_id; // with `derived`
	uint8_t event; // enum stellar_event
	uint8_t direction;
	uint8_t reason; // enum stellar_closing_reason, with session_closing
	uint8_t protocol;
	uint8_t ip_version;
	uint8_t state; // enum stellar_session_state
	uint8_t tcp_state;
	uint8_t is_blocked;
	uint8_t data[STELLAR_OBSERVER_DATA_SIZE];
	uint8_t reserved[4];
};

// Positions count records and never wrap in practice; the record of one is at position modulo
// capacity. The records lie behind the structure. head and tail are stored with release and loaded
// with acquire.
struct observer_ring {
	char magic[8];
	uint32_t record_size;
	uint32_t capacity; // records, a power of two
	uint64_t events; // bit set of STELLAR_EVENT_BIT
	uint64_t head __attribute__((aligned(64))); // next to write, the engine's
	uint64_t lost; // records that found no room, the engine's
	uint32_t ended; // 1: nothing comes any more, the engine's
	uint64_t tail __attribute__((aligned(64))); // next to read, the observer's
} __attribute__((aligned(64)));

// Begin to tell an observer of events: those that plugins would be told of, after them. Bytes of
// TCP streams only as long as a plugin wants them. ret_fds gets one file descriptor for each
// worker's ring, the caller's to close. Before workers run or while they do. Control thread.
// Returns the observer's id; -EINVAL (no event, one that is not raised or is of one plugin alone:
// timer, session_suspended; a capacity that is no power of two up to
// STELLAR_OBSERVER_CAPACITY_MAX), -EBUSY (not started), -ENOSPC, -ENOMEM, -ETIMEDOUT (a worker does
// not come to a boundary).
STELLAR_PUBLIC int engine_add_observer(struct engine *engine, uint64_t events, uint32_t capacity,
				       int *ret_fds);

// End it; its rings say that nothing comes any more. Control thread. Returns 0 or -ENOENT.
STELLAR_PUBLIC int engine_remove_observer(struct engine *engine, int observer_id);

// Records lost by all observers that there are or were. Any thread.
STELLAR_PUBLIC uint64_t engine_get_observer_lost(const struct engine *engine);
