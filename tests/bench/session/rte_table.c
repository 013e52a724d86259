// SPDX-License-Identifier: Apache-2.0

// The peer: DPDK's rte_hash (16-byte keys, CRC hash, bulk lookup with hashes worked out before) and
// an array of 64-byte states at the positions it gives, prefetched, updated with plain additions.
// No timers, no TCP tracking, no second direction: a packet of the responder is looked up under the
// originator's key, which the tuple's flag makes for nothing.

#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "bench.h"

struct state {
	uint64_t word[8];
} __attribute__((aligned(64)));

struct rte_bench {
	struct rte_hash *hash;
	struct state *states;
	uint64_t bytes;
	struct bench_tuple keys[BENCH_BURST_MAX];
	const void *key_pointers[BENCH_BURST_MAX];
	hash_sig_t signatures[BENCH_BURST_MAX];
	int32_t positions[BENCH_BURST_MAX];
};

int rte_bench_start(int huge, unsigned megabytes)
{
	char memory[16];
	snprintf(memory, sizeof(memory), "%u", megabytes);
	// Memory of its own in either case, in no file: --no-huge is that by itself.
	char *arguments[] = {"bench",
			     "--no-pci",
			     "--no-telemetry",
			     "-l",
			     "0",
			     "--log-level",
			     "error",
			     "-m",
			     memory,
			     huge ? "--in-memory" : "--no-huge"};
	int count = (int)(sizeof(arguments) / sizeof(arguments[0]));
	return rte_eal_init(count, arguments) < 0 ? -1 : 0;
}

static uint64_t allocated(void)
{
	struct rte_malloc_socket_stats stats;
	return rte_malloc_get_socket_stats(0, &stats) == 0 ? stats.heap_allocsz_bytes : 0;
}

static int create(size_t capacity, void **ret_table)
{
	static unsigned made;
	char name[32];
	struct rte_bench *bench = aligned_alloc(64, (sizeof(*bench) + 63) & ~(size_t)63);
	if (bench == NULL)
		return -1;
	memset(bench, 0, sizeof(*bench));
	snprintf(name, sizeof(name), "sessions%u", made++);
	uint64_t before = allocated();
	struct rte_hash_parameters parameters = {
		.name = name,
		// rte_hash promises no full load: a tenth more, so that all keys fit.
		.entries = (uint32_t)(capacity + capacity / 10),
		.key_len = sizeof(struct bench_tuple),
		.hash_func = rte_hash_crc,
	};
	bench->hash = rte_hash_create(&parameters);
	if (bench->hash == NULL) {
		free(bench);
		return -1;
	}
	size_t positions = (size_t)rte_hash_max_key_id(bench->hash) + 1;
	bench->states = rte_zmalloc("states", positions * sizeof(struct state), 64);
	bench->bytes = allocated() - before;
	for (size_t i = 0; i < BENCH_BURST_MAX; i++)
		bench->key_pointers[i] = &bench->keys[i];
	*ret_table = bench;
	return bench->states == NULL ? -1 : 0;
}

static void destroy(void *data)
{
	struct rte_bench *bench = data;
	rte_hash_free(bench->hash);
	rte_free(bench->states);
	free(bench);
}

// The originator's key: swapped back when the responder sent the packet.
static void write_key(struct bench_tuple *key, const struct bench_tuple *tuple)
{
	*key = *tuple;
	key->reverse = 0;
	if (tuple->reverse) {
		key->source = tuple->destination;
		key->destination = tuple->source;
		key->source_port = tuple->destination_port;
		key->destination_port = tuple->source_port;
	}
}

static void prepare(struct rte_bench *bench, const struct bench_tuple *tuples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		write_key(&bench->keys[i], &tuples[i]);
		bench->signatures[i] = rte_hash_crc(&bench->keys[i], sizeof(bench->keys[i]), 0);
	}
}

static void update(struct state *state)
{
	for (size_t i = 0; i < 8; i++)
		state->word[i] += i + 1;
}

static int hit_keys(void *data, const struct bench_tuple *tuples, size_t count, size_t burst)
{
	struct rte_bench *bench = data;
	int failed = 0;
	for (size_t done = 0; done < count; done += burst) {
		size_t size = count - done < burst ? count - done : burst;
		prepare(bench, tuples + done, size);
		rte_hash_lookup_with_hash_bulk(bench->hash, bench->key_pointers, bench->signatures,
					       (uint32_t)size, bench->positions);
		for (size_t i = 0; i < size; i++) {
			failed |= bench->positions[i] < 0;
			rte_prefetch0(&bench->states[bench->positions[i]]);
		}
		for (size_t i = 0; i < size; i++)
			update(&bench->states[bench->positions[i]]);
	}
	return failed ? -1 : 0;
}

static int add(struct rte_bench *bench, size_t position)
{
	int32_t place = rte_hash_add_key_with_hash(bench->hash, &bench->keys[position],
						   bench->signatures[position]);
	if (place < 0)
		return -1;
	memset(&bench->states[place], 0, sizeof(struct state));
	update(&bench->states[place]);
	return 0;
}

static int open_sessions(void *data, const struct bench_tuple *tuples, size_t count, size_t burst)
{
	struct rte_bench *bench = data;
	int failed = 0;
	for (size_t done = 0; done < count; done += burst) {
		size_t size = count - done < burst ? count - done : burst;
		prepare(bench, tuples + done, size);
		for (size_t i = 0; i < size; i++)
			failed |= add(bench, i);
	}
	return failed ? -1 : 0;
}

static int close_sessions(void *data, const struct bench_tuple *tuples, size_t count)
{
	struct rte_bench *bench = data;
	int failed = 0;
	for (size_t done = 0; done < count; done += BENCH_BURST_MAX) {
		size_t size = count - done < BENCH_BURST_MAX ? count - done : BENCH_BURST_MAX;
		prepare(bench, tuples + done, size);
		for (size_t i = 0; i < size; i++)
			failed |= rte_hash_del_key_with_hash(bench->hash, &bench->keys[i],
							     bench->signatures[i]) < 0;
	}
	return failed ? -1 : 0;
}

static int churn(void *data, const struct bench_tuple *tuples, const struct bench_tuple *oldest,
		 size_t count, size_t burst)
{
	struct rte_bench *bench = data;
	int failed = 0;
	for (size_t done = 0; done < count; done += burst) {
		size_t size = count - done < burst ? count - done : burst;
		failed |= close_sessions(bench, oldest + done, size);
		failed |= open_sessions(bench, tuples + done, size, burst);
	}
	return failed ? -1 : 0;
}

static uint64_t get_bytes(void *data)
{
	return ((struct rte_bench *)data)->bytes;
}

const struct bench_table rte_bench_table = {
	.name = "rte_hash",
	.create = create,
	.destroy = destroy,
	.hit = hit_keys,
	.touch = hit_keys,
	.open = open_sessions,
	.churn = churn,
	.close = close_sessions,
	.get_bytes = get_bytes,
};
