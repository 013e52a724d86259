// SPDX-License-Identifier: Apache-2.0

// usage: bench_session CASE SESSIONS BURST PAIRS huge|small
//
// CASE is hit, touch, churn, growth, bytes, scale or held. Runs rounds of ours and theirs in turn,
// in one process over the same tuples, and prints a line of JSON a pair: {"ours": x, "theirs": y},
// in sessions a second (hit, churn), microseconds of the longest insertion (growth) or bytes a
// session. Two cases are ours alone: scale, where theirs is our table with SMALL_SESSIONS, and
// held, GiB taken beside the LIMIT_GIB there are. Time is the CPU time of the thread, so that other
// work on the machine counts as little as it can. Fails when either table gives a wrong answer.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define ROUND_COUNT ((size_t)4 << 20) // packets in a round, about
#define SMALL_SESSIONS ((size_t)1000000)
#define LIMIT_GIB 8.0
#define EAL_MEMORY_PER_SESSION 160 // bytes, with room to spare

static uint64_t random_state = 88172645463325252u;

// Xorshift64 (Marsaglia 2003).
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

// Tuple of session `number`: all different, spread like clients of a few servers.
static struct bench_tuple tuple_of(uint64_t number)
{
	uint32_t client = (uint32_t)(number / 60) * 2654435761u;
	struct bench_tuple tuple = {
		.source = client,
		.destination = (uint32_t)(0x0100000au + ((number % 200) << 24)),
		.source_port = (uint16_t)(1024 + number % 60 * 997),
		.destination_port = 443,
	};
	return tuple;
}

static struct bench_tuple reversed(struct bench_tuple tuple)
{
	struct bench_tuple back = {
		.source = tuple.destination,
		.destination = tuple.source,
		.source_port = tuple.destination_port,
		.destination_port = tuple.source_port,
		.reverse = 1,
	};
	return back;
}

static void shuffle(struct bench_tuple *tuples, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t other = random_next() % i;
		struct bench_tuple tuple = tuples[i - 1];
		tuples[i - 1] = tuples[other];
		tuples[other] = tuple;
	}
}

static double now_seconds(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

struct measurement {
	const struct bench_table *tables[2];
	void *data[2];
	struct bench_tuple *tuples; // sessions that are there at the start, then more
	size_t sessions;
	size_t burst;
	size_t pairs;
};

static int report(const double rates[2])
{
	printf("{\"ours\": %.6g, \"theirs\": %.6g}\n", rates[0], rates[1]);
	return fflush(stdout);
}

static int measure_hit(struct measurement *run, bool tracked)
{
	size_t count = run->sessions < ROUND_COUNT ? run->sessions : ROUND_COUNT;
	size_t passes = ROUND_COUNT / count;
	shuffle(run->tuples, run->sessions);
	for (size_t i = 0; i < run->sessions; i++) {
		if (random_next() & 1)
			run->tuples[i] = reversed(run->tuples[i]);
	}
	for (size_t pair = 0; pair <= run->pairs; pair++) {
		double rates[2];
		size_t from = run->sessions == count ? 0 : random_next() % (run->sessions - count);
		for (size_t side = 0; side < 2; side++) {
			const struct bench_table *table = run->tables[side];
			double start = now_seconds();
			for (size_t pass = 0; pass < passes; pass++) {
				if ((tracked ? table->hit : table->touch)(run->data[side],
									  run->tuples + from, count,
									  run->burst) != 0)
					return -1;
			}
			rates[side] = (double)(count * passes) / (now_seconds() - start);
		}
		if (pair > 0) // the first warms up
			report(rates);
	}
	return 0;
}

// Sessions end in random order and open again, so that neighbours in time are none in memory, as
// after a day of work.
static int age(struct measurement *run, size_t side)
{
	struct bench_tuple *shuffled = malloc(run->sessions * sizeof(*shuffled));
	if (shuffled == NULL)
		return -1;
	memcpy(shuffled, run->tuples, run->sessions * sizeof(*shuffled));
	random_state = 88172645463325252u;
	shuffle(shuffled, run->sessions);
	int failed = run->tables[side]->close(run->data[side], shuffled, run->sessions);
	free(shuffled);
	return failed;
}

static int measure_churn(struct measurement *run)
{
	size_t count = run->sessions / 4 < ROUND_COUNT ? run->sessions / 4 : ROUND_COUNT;
	for (size_t side = 0; side < 2; side++) {
		if (age(run, side) != 0)
			return -1;
	}
	if (run->tables[1]->open(run->data[1], run->tuples, run->sessions, run->burst) != 0 ||
	    run->tables[0]->churn(run->data[0], run->tuples, NULL, run->sessions, run->burst) != 0)
		return -1;
	for (size_t pair = 0; pair <= run->pairs; pair++) {
		double rates[2];
		const struct bench_tuple *oldest = run->tuples + pair * count;
		const struct bench_tuple *newest = run->tuples + run->sessions + pair * count;
		for (size_t side = 0; side < 2; side++) {
			double start = now_seconds();
			if (run->tables[side]->churn(run->data[side], newest, oldest, count,
						     run->burst) != 0)
				return -1;
			rates[side] = (double)count / (now_seconds() - start);
		}
		if (pair > 0)
			report(rates);
	}
	return 0;
}

// Both tables anew, filled one by one.
static int measure_growth(struct measurement *run)
{
	for (size_t pair = 0; pair <= run->pairs; pair++) {
		double longest[2] = {0};
		for (size_t side = 0; side < 2; side++) {
			const struct bench_table *table = run->tables[side];
			void *data;
			if (table->create(run->sessions, &data) != 0)
				return -1;
			double before = now_seconds();
			for (size_t i = 0; i < run->sessions; i++) {
				if (table->open(data, run->tuples + i, 1, 1) != 0)
					return -1;
				double after = now_seconds();
				if ((after - before) * 1e6 > longest[side])
					longest[side] = (after - before) * 1e6;
				before = after;
			}
			table->destroy(data);
		}
		if (pair > 0)
			report(longest);
	}
	return 0;
}

// Our table alone: many sessions beside SMALL_SESSIONS.
static int measure_scale(struct measurement *run)
{
	const struct bench_table *table = run->tables[0];
	struct bench_tuple *small = malloc(SMALL_SESSIONS * sizeof(*small));
	if (small == NULL || table->create(SMALL_SESSIONS, &run->data[1]) != 0 ||
	    table->open(run->data[1], run->tuples, SMALL_SESSIONS, run->burst) != 0)
		return -1;
	memcpy(small, run->tuples, SMALL_SESSIONS * sizeof(*small));
	shuffle(small, SMALL_SESSIONS);
	shuffle(run->tuples, run->sessions);
	for (size_t pair = 0; pair <= run->pairs; pair++) {
		double rates[2];
		const struct bench_tuple *tuples[2] = {
			run->tuples + random_next() % (run->sessions - SMALL_SESSIONS), small};
		for (size_t side = 0; side < 2; side++) {
			double start = now_seconds();
			if (table->hit(run->data[side], tuples[side], SMALL_SESSIONS, run->burst) !=
			    0)
				return -1;
			rates[side] = (double)SMALL_SESSIONS / (now_seconds() - start);
		}
		if (pair > 0)
			report(rates);
	}
	free(small);
	return 0;
}

static int measure_held(struct measurement *run)
{
	const double gib[2] = {(double)run->tables[0]->get_bytes(run->data[0]) / (1 << 30),
			       LIMIT_GIB};
	for (size_t pair = 0; pair < run->pairs; pair++)
		report(gib);
	return 0;
}

static int measure_bytes(struct measurement *run)
{
	double bytes[2];
	for (size_t side = 0; side < 2; side++)
		bytes[side] = (double)run->tables[side]->get_bytes(run->data[side]) /
			      (double)run->sessions;
	for (size_t pair = 0; pair < run->pairs; pair++)
		report(bytes);
	return 0;
}

static bool is_alone(const char *name)
{
	return strcmp(name, "scale") == 0 || strcmp(name, "held") == 0;
}

static int run_case(struct measurement *run, const char *name)
{
	size_t more = strcmp(name, "churn") == 0 ? (run->pairs + 1) * (run->sessions / 4 + 1) : 0;
	size_t total = run->sessions + more;
	bool alone = is_alone(name);
	run->tuples = malloc(total * sizeof(*run->tuples));
	if (run->tuples == NULL)
		return -1;
	for (size_t i = 0; i < total; i++)
		run->tuples[i] = tuple_of(i);
	if (strcmp(name, "growth") == 0)
		return measure_growth(run);
	for (size_t side = 0; side < (alone ? 1 : 2); side++) {
		if (run->tables[side]->create(run->sessions, &run->data[side]) != 0 ||
		    run->tables[side]->open(run->data[side], run->tuples, run->sessions,
					    run->burst) != 0)
			return -1;
	}
	if (strcmp(name, "hit") == 0 || strcmp(name, "touch") == 0)
		return measure_hit(run, strcmp(name, "hit") == 0);
	if (strcmp(name, "churn") == 0)
		return measure_churn(run);
	if (alone)
		return strcmp(name, "scale") == 0 ? measure_scale(run) : measure_held(run);
	return strcmp(name, "bytes") == 0 ? measure_bytes(run) : -1;
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: bench_session hit|touch|churn|growth|bytes|scale|held "
				"SESSIONS BURST PAIRS huge|small\n");
		return 2;
	}
	struct measurement run = {
		.tables = {&stellar_bench_table, &rte_bench_table},
		.sessions = strtoull(argv[2], NULL, 10),
		.burst = strtoull(argv[3], NULL, 10),
		.pairs = strtoull(argv[4], NULL, 10),
	};
	unsigned megabytes = 64;
	if (!is_alone(argv[1]))
		megabytes += (unsigned)(run.sessions * EAL_MEMORY_PER_SESSION >> 20);
	if (run.sessions < (is_alone(argv[1]) ? 2 * SMALL_SESSIONS : 1000) || run.burst == 0 ||
	    run.burst > BENCH_BURST_MAX || run.pairs == 0 ||
	    rte_bench_start(strcmp(argv[5], "huge") == 0, megabytes) != 0) {
		fprintf(stderr, "bench_session: bad arguments, or DPDK has no memory\n");
		return 2;
	}
	if (run_case(&run, argv[1]) != 0) {
		fprintf(stderr, "bench_session: a table gave a wrong answer or had no memory\n");
		return 1;
	}
	return 0;
}
