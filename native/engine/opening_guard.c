// SPDX-License-Identifier: Apache-2.0

#include "engine/opening_guard.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/worker.h"

#define COUNTERS_MIN 1024u
#define COUNTERS_MAX (1u << 20)
#define SWEPT_MAX 2 // sessions closed between two packets

int opening_guard_init(struct worker *worker)
{
	const struct engine_config *config = &worker->engine->config;
	struct opening_guard *guard = &worker->opening;
	uint32_t counters = COUNTERS_MIN;

	while (counters < COUNTERS_MAX && counters < config->session_capacity / 4)
		counters *= 2;
	*guard = (struct opening_guard){
		// Another secret than the table's: any constants make one.
		.secret = {{config->hash_seed[0] ^ 0x6f70656e696e6767u,
			    config->hash_seed[1] ^ 0x75617264736f7572u}},
		.counts = calloc((size_t)counters * 2, sizeof(*guard->counts)),
		.mask = counters - 1,
		.source_max = config->limits.source_opening,
		.flood_begins = config->session_capacity / 2,
		.flood_ends = config->session_capacity / 4,
	};
	if (guard->counts == NULL)
		return -ENOMEM;
	return remembered_syns_init(&guard->syns, &guard->secret, config->session_capacity);
}

void opening_guard_fini(struct opening_guard *guard)
{
	free(guard->counts);
	guard->counts = NULL;
	remembered_syns_fini(&guard->syns);
}

// The two counters of an address.
static void find_counters(const struct opening_guard *guard, const struct ip_address *source,
			  uint32_t *ret_counters[2])
{
	const struct packet_endpoint endpoint = {.address = *source};
	struct session_key key;

	session_key_from_endpoints(&endpoint, &endpoint, 0, 0, 0, &key);
	uint64_t hash = session_key_hash(&guard->secret, &key);

	ret_counters[0] = &guard->counts[hash & guard->mask];
	ret_counters[1] = &guard->counts[guard->mask + 1 + (hash >> 32 & guard->mask)];
}

bool opening_guard_admits(const struct opening_guard *guard, const struct ip_address *source)
{
	uint32_t *counters[2];

	find_counters(guard, source, counters);
	return *counters[0] < guard->source_max || *counters[1] < guard->source_max;
}

static void find_originator(const struct worker *worker, uint32_t index, uint32_t *ret_counters[2])
{
	struct packet_endpoint originator;
	struct packet_endpoint responder;

	session_table_get_endpoints(worker->table, index, &originator, &responder);
	find_counters(&worker->opening, &originator.address, ret_counters);
}

void opening_guard_enter(struct worker *worker, uint32_t index)
{
	struct session_stats *sessions = &worker->ledger.sessions;
	uint32_t *counters[2];

	find_originator(worker, index, counters);
	++*counters[0];
	++*counters[1];
	sessions->opening++;
	if (sessions->flood == 0 && sessions->opening >= worker->opening.flood_begins) {
		sessions->flood = 1;
		sessions->floods++;
	}
}

void opening_guard_leave(struct worker *worker, uint32_t index)
{
	struct session_stats *sessions = &worker->ledger.sessions;
	uint32_t *counters[2];

	find_originator(worker, index, counters);
	--*counters[0];
	--*counters[1];
	sessions->opening--;
	if (sessions->flood != 0 && sessions->opening <= worker->opening.flood_ends)
		sessions->flood = 0;
}

void opening_guard_sweep(struct worker *worker)
{
	for (int swept = 0; swept < SWEPT_MAX && worker->ledger.sessions.flood != 0; swept++) {
		uint32_t oldest = session_table_get_oldest_opening(worker->table);

		if (oldest == SESSION_NONE ||
		    worker->now_ns - worker->table->cold[oldest].start_ns <
			    (uint64_t)FLOOD_OPENING_MS * NS_PER_MS)
			return;
		session_stage_evict(worker, oldest);
	}
}
