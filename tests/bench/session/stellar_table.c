// SPDX-License-Identifier: Apache-2.0

// Our session table, called as native/engine/session_stage.c calls it: keys and hashes for the
// burst, prefetch, hints, then packet by packet timers, lookup, TCP tracking and counters. The
// packets are decoded ones; writing their fields is on our account.

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "packet/decode.h"
#include "session/table.h"
#include "session/tcp.h"

#define START_MS UINT64_C(1700000000000)
#define NS_PER_MS UINT64_C(1000000)
#define OPENING_MS 30000
#define WIRE_LENGTH 100

struct stellar {
	struct session_table *table;
	size_t capacity;
	uint64_t now_ms;
	uint64_t opened; // sessions opened so far: time follows them
	uint64_t expired;
	struct packet packets[BENCH_BURST_MAX];
	struct session_key keys[BENCH_BURST_MAX];
	uint64_t hashes[BENCH_BURST_MAX];
	uint32_t hints[BENCH_BURST_MAX];
	bool has_key[BENCH_BURST_MAX];
};

static void close_expired(void *owner, uint32_t index, uint64_t due_ms)
{
	(void)due_ms;
	struct stellar *stellar = owner;
	session_table_remove(stellar->table, index);
	stellar->expired++;
}

// What is the same in all packets of one kind: set before the clock runs.
static void set_kind(struct stellar *stellar, uint8_t flags)
{
	memset(stellar->packets, 0, sizeof(stellar->packets));
	for (size_t i = 0; i < BENCH_BURST_MAX; i++) {
		struct packet *packet = &stellar->packets[i];
		packet->source.version = 4;
		packet->destination.version = 4;
		packet->ip_version = 4;
		packet->protocol = IPPROTO_TCP;
		packet->has_transport = true;
		packet->payload_length = flags == STELLAR_TCP_SYN ? 0 : 46;
		packet->frame.wire_length = WIRE_LENGTH;
		packet->tcp.sequence = 1;
		packet->tcp.acknowledgment = 1;
		packet->tcp.window = 8000;
		packet->tcp.flags = flags;
	}
}

// What packet_decode writes anew for each.
static void write_packet(struct packet *packet, const struct bench_tuple *tuple)
{
	memcpy(packet->source.bytes, &tuple->source, sizeof(tuple->source));
	memcpy(packet->destination.bytes, &tuple->destination, sizeof(tuple->destination));
	packet->source_port = tuple->source_port;
	packet->destination_port = tuple->destination_port;
}

// The stages that run over the whole burst.
static int prepare(struct stellar *stellar, const struct bench_tuple *tuples, size_t count)
{
	bool all = true;
	for (size_t i = 0; i < count; i++)
		write_packet(&stellar->packets[i], &tuples[i]);
	session_table_find_packets(stellar->table, stellar->packets, count, stellar->keys,
				   stellar->has_key, stellar->hashes, stellar->hints);
	for (size_t i = 0; i < count; i++)
		all &= stellar->has_key[i];
	return all ? 0 : -1;
}

// What every packet does to its session.
static inline int update(struct session_table *table, uint32_t index, const struct packet *packet,
			 const struct session_key *key, uint64_t now_ms, unsigned options)
{
	struct session_hot *hot = &table->hot[index];
	enum stellar_direction direction = session_table_get_direction(table, index, key);
	struct tcp_outcome outcome =
		tcp_track(hot, &packet->tcp, packet->payload_length, direction, options);
	if (outcome.code != TCP_ACCEPTED)
		return -1;
	if (outcome.state_changed)
		session_table_rearm(table, index, table->timeout_ms[outcome.previous_state]);
	session_table_count(table, index, direction, packet->frame.wire_length);
	session_hot_touch(hot, now_ms);
	enum stellar_session_state next = session_hot_next_state(hot, direction);
	if (next != hot->state)
		hot->state = (uint8_t)next & 3u;
	return 0;
}

// The lookup of one packet of a burst, with what the engine does around it.
static inline uint32_t find(struct stellar *stellar, struct session_table *table, size_t position,
			    size_t size)
{
	session_table_look_ahead(table, stellar->hashes, size, position, stellar->hints);
	session_table_advance(table, stellar->now_ms);
	return session_table_lookup(table, &stellar->keys[position], stellar->hashes[position],
				    stellar->hints[position]);
}

static int hit_sessions(void *data, const struct bench_tuple *tuples, size_t count, size_t burst)
{
	struct stellar *stellar = data;
	struct session_table *table = stellar->table;
	int failed = 0;
	set_kind(stellar, STELLAR_TCP_ACK);
	for (size_t done = 0; done < count; done += burst) {
		size_t size = count - done < burst ? count - done : burst;
		failed |= prepare(stellar, tuples + done, size);
		for (size_t i = 0; i < size; i++) {
			uint32_t index = find(stellar, table, i, size);
			failed |= index == SESSION_NONE ||
				  update(table, index, &stellar->packets[i], &stellar->keys[i],
					 stellar->now_ms, TCP_STRICT) != 0;
		}
	}
	return failed ? -1 : 0;
}

// No TCP: counters, time and the numbers of one direction, as plain additions like the peer's.
static int touch_sessions(void *data, const struct bench_tuple *tuples, size_t count, size_t burst)
{
	struct stellar *stellar = data;
	struct session_table *table = stellar->table;
	int failed = 0;
	set_kind(stellar, STELLAR_TCP_ACK);
	for (size_t done = 0; done < count; done += burst) {
		size_t size = count - done < burst ? count - done : burst;
		failed |= prepare(stellar, tuples + done, size);
		for (size_t i = 0; i < size; i++) {
			uint32_t index = find(stellar, table, i, size);
			struct session_hot *hot = &table->hot[index];
			enum stellar_direction direction =
				session_table_get_direction(table, index, &stellar->keys[i]);
			failed |= index == SESSION_NONE;
			session_table_count(table, index, direction, WIRE_LENGTH);
			session_hot_touch(hot, stellar->now_ms);
			hot->seq_end[direction] += WIRE_LENGTH;
			hot->acked[direction] += WIRE_LENGTH;
			hot->max_window[direction] += 1;
		}
	}
	return failed ? -1 : 0;
}

// Time runs so that capacity sessions open in the time that an embryonic one may live.
static int open_with(struct stellar *stellar, const struct bench_tuple *tuples, size_t count,
		     size_t burst, uint8_t flags)
{
	struct session_table *table = stellar->table;
	int failed = 0;
	set_kind(stellar, flags);
	for (size_t done = 0; done < count; done += burst) {
		size_t size = count - done < burst ? count - done : burst;
		failed |= prepare(stellar, tuples + done, size);
		for (size_t i = 0; i < size; i++) {
			stellar->now_ms =
				START_MS + stellar->opened++ * OPENING_MS / stellar->capacity;
			uint32_t index = find(stellar, table, i, size);
			failed |= index != SESSION_NONE ||
				  session_table_insert(table, &stellar->keys[i], stellar->hashes[i],
						       stellar->now_ms * NS_PER_MS, &index) != 0 ||
				  update(table, index, &stellar->packets[i], &stellar->keys[i],
					 stellar->now_ms, TCP_STRICT | TCP_MIDSTREAM) != 0;
		}
	}
	return failed ? -1 : 0;
}

static int open_established(void *data, const struct bench_tuple *tuples, size_t count,
			    size_t burst)
{
	return open_with(data, tuples, count, burst, STELLAR_TCP_ACK);
}

static int churn(void *data, const struct bench_tuple *tuples, const struct bench_tuple *oldest,
		 size_t count, size_t burst)
{
	(void)oldest; // the timers know
	return open_with(data, tuples, count, burst, STELLAR_TCP_SYN);
}

static int close_sessions(void *data, const struct bench_tuple *tuples, size_t count)
{
	struct stellar *stellar = data;
	set_kind(stellar, STELLAR_TCP_ACK);
	for (size_t i = 0; i < count; i++) {
		prepare(stellar, tuples + i, 1);
		uint32_t index = session_table_lookup(stellar->table, &stellar->keys[0],
						      stellar->hashes[0], stellar->hints[0]);
		if (index == SESSION_NONE)
			return -1;
		session_table_remove(stellar->table, index);
	}
	return 0;
}

static int create(size_t capacity, void **ret_table)
{
	struct stellar *stellar = aligned_alloc(64, (sizeof(*stellar) + 63) & ~(size_t)63);
	if (stellar == NULL)
		return -1;
	memset(stellar, 0, sizeof(*stellar));
	// One tick of sessions more: the oldest end at the tick, not with each new one.
	struct session_table_config config = {
		.capacity = capacity + capacity / OPENING_MS + BENCH_BURST_MAX,
		.secret = {{UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)}},
		.expired = close_expired,
		.owner = stellar,
		.now_ms = START_MS,
		.timeouts =
			{
#define X(name, seconds, sentence) .name = seconds,
				STELLAR_TIMEOUTS(X)
#undef X
			},
	};
	stellar->capacity = capacity;
	stellar->now_ms = START_MS;
	if (session_table_create(&config, &stellar->table) != 0) {
		free(stellar);
		return -1;
	}
	*ret_table = stellar;
	return 0;
}

static void destroy(void *data)
{
	struct stellar *stellar = data;
	session_table_destroy(stellar->table);
	free(stellar);
}

static uint64_t get_bytes(void *data)
{
	return session_table_get_bytes(((struct stellar *)data)->table);
}

const struct bench_table stellar_bench_table = {
	.name = "stellar",
	.create = create,
	.destroy = destroy,
	.hit = hit_sessions,
	.touch = touch_sessions,
	.open = open_established,
	.churn = churn,
	.close = close_sessions,
	.get_bytes = get_bytes,
};
