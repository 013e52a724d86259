// SPDX-License-Identifier: Apache-2.0

// Two session tables under one interface, for tests/bench/session/main.c: ours as the engine runs
// it, and DPDK's rte_hash with an array of 64-byte states. Both are fed the same tuples in the same
// order.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BENCH_BURST_MAX 64

// What arrives: 16 bytes a packet. Addresses as on the wire.
struct bench_tuple {
	uint32_t source;
	uint32_t destination;
	uint16_t source_port;
	uint16_t destination_port;
	uint32_t reverse; // 1: sent by the responder, endpoints are swapped already
};

// Each function returns 0 or -1 when an answer was not as expected: a wrong table is no fast table.
struct bench_table {
	const char *name;
	// Make a table with room for capacity sessions.
	int (*create)(size_t capacity, void **ret_table);
	void (*destroy)(void *table);
	// Packets of sessions that are there: find each, check its key, update 64 bytes. `touch`
	// with plain additions, `hit` with all that the engine does.
	int (*hit)(void *table, const struct bench_tuple *tuples, size_t count, size_t burst);
	int (*touch)(void *table, const struct bench_tuple *tuples, size_t count, size_t burst);
	// Packets that open sessions.
	int (*open)(void *table, const struct bench_tuple *tuples, size_t count, size_t burst);
	// The same, while as many of the oldest end: `oldest` are their tuples.
	int (*churn)(void *table, const struct bench_tuple *tuples,
		     const struct bench_tuple *oldest, size_t count, size_t burst);
	// End these sessions, in this order.
	int (*close)(void *table, const struct bench_tuple *tuples, size_t count);
	// Bytes that the table takes.
	uint64_t (*get_bytes)(void *table);
};

extern const struct bench_table stellar_bench_table;
extern const struct bench_table rte_bench_table;

// Before anything else of DPDK. huge: its memory is of huge pages. Returns 0 or -1.
int rte_bench_start(int huge, unsigned megabytes);
