// SPDX-License-Identifier: Apache-2.0

// Floods an engine (tests/native/engine/flood.h) and prints one figure beside what it must be, a
// line of JSON a run. Each run is a process of its own, so that its memory can be told, and has its
// own random numbers.
//
// usage: bench_flood CASE FIGURE RUNS      cases and figures: the tables at the end

#define _GNU_SOURCE // wait

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flood.h"

#define MIB (UINT64_C(1) << 20)
#define LIVE 10000u
#define CAPACITY 100000u
#define REMEMBERED_BYTES (UINT64_C(262144) * 8) // for that capacity, remembered_syn.h

struct figure {
	double ours;
	double theirs;
};

static void fail(const char *what)
{
	fprintf(stderr, "bench_flood: %s\n", what);
	exit(1);
}

// Work in a process of its own. result: size bytes that run fills.
static void apart(void (*run)(const void *flood, void *result), const void *flood, void *result,
		  size_t size)
{
	int ends[2];
	int status;

	if (pipe(ends) != 0)
		fail("no pipe");
	pid_t child = fork();
	if (child == 0) {
		run(flood, result);
		_exit(write(ends[1], result, size) == (ssize_t)size ? 0 : 1);
	}
	if (child < 0 || read(ends[0], result, size) != (ssize_t)size ||
	    waitpid(child, &status, 0) != child || status != 0)
		fail("a run failed");
	close(ends[0]);
	close(ends[1]);
}

static void run_syn(const void *flood, void *result)
{
	flood_syn_run(flood, result);
}

static void run_fragment(const void *flood, void *result)
{
	flood_fragment_run(flood, result);
}

static void run_disorder(const void *flood, void *result)
{
	flood_disorder_run(flood, result);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static double rate(uint64_t packets, uint64_t cpu_ns)
{
	return (double)packets * 1e9 / (double)cpu_ns;
}

static struct figure measure_syn(const struct flood_syn *flood, const char *name)
{
	struct flood_syn calm = *flood;
	struct flood_syn_result ours;
	struct flood_syn_result theirs;

	apart(run_syn, flood, &ours, sizeof(ours));
	if (strcmp(name, "live") == 0)
		return (struct figure){percent(ours.live_kept, flood->live), 99};
	if (strcmp(name, "honest") == 0)
		return (struct figure){percent(ours.honest_accepted, ours.honest), 95};
	if (strcmp(name, "opening") == 0)
		return (struct figure){ours.opening_ms, 30000};
	if (strcmp(name, "mode") == 0)
		return (struct figure){ours.mode_ms, 30000};
	if (strcmp(name, "memory") == 0) {
		calm.syn_count = 0;
		calm.live = (uint32_t)flood->capacity;
		apart(run_syn, &calm, &theirs, sizeof(theirs));
		theirs.resident_bytes += REMEMBERED_BYTES;
		return (struct figure){(double)ours.resident_bytes,
				       1.05 * (double)theirs.resident_bytes};
	}
	if (strcmp(name, "rate") != 0)
		fail("no such figure");
	// The same number of SYN, in a table that they do not fill.
	calm.capacity = 4 * (uint64_t)flood->syn_count;
	apart(run_syn, &calm, &theirs, sizeof(theirs));
	return (struct figure){rate(ours.packets, ours.cpu_ns),
			       rate(theirs.packets, theirs.cpu_ns)};
}

static struct figure measure_fragment(const struct flood_fragment *flood, const char *name)
{
	struct flood_fragment_result ours;

	apart(run_fragment, flood, &ours, sizeof(ours));
	if (strcmp(name, "honest") == 0)
		return (struct figure){percent(ours.honest_whole, ours.honest), 95};
	if (strcmp(name, "memory") != 0)
		fail("no such figure");
	return (struct figure){(double)ours.resident_bytes, 1.05 * (double)flood->memory_bytes};
}

static struct figure measure_disorder(const struct flood_disorder *flood, const char *name)
{
	struct flood_disorder calm = *flood;
	struct flood_disorder_result ours;
	struct flood_disorder_result theirs;

	apart(run_disorder, flood, &ours, sizeof(ours));
	if (strcmp(name, "ordered") == 0)
		return (struct figure){percent(ours.ordered_delivered, ours.ordered_bytes), 95};
	if (strcmp(name, "reordered") == 0)
		return (struct figure){percent(ours.reordered_delivered, ours.reordered_bytes), 95};
	if (strcmp(name, "memory") == 0)
		return (struct figure){(double)ours.resident_bytes,
				       1.05 * (double)flood->memory_bytes};
	if (strcmp(name, "rate") != 0)
		fail("no such figure");
	calm.segments = 0;
	apart(run_disorder, &calm, &theirs, sizeof(theirs));
	return (struct figure){rate(ours.packets, ours.cpu_ns),
			       rate(theirs.packets, theirs.cpu_ns)};
}

static struct figure measure(const char *name, const char *figure, uint64_t seed)
{
	struct flood_syn syn = {
		.capacity = CAPACITY,
		.live = LIVE,
		.syn_count = 2000000,
		.syn_pps = 1000000,
		.honest_pps = 2000,
		.rtt_ms = 50,
		.seed = seed,
	};
	struct flood_fragment fragment = {
		.memory_bytes = 32 * MIB,
		.piece_count = 1000000,
		.piece_pps = 1000000,
		.honest_pps = 2000,
		.gap_ms = 1,
		.seed = seed,
	};
	struct flood_disorder disorder = {
		.memory_bytes = 32 * MIB,
		.sessions = 2000,
		.segments = 500,
		.honest = 400,
		.honest_segments = 200,
	};

	if (strcmp(name, "syn_far") == 0)
		syn.rtt_ms = 200;
	if (strcmp(name, "source") == 0)
		syn.one_source = true;
	if (strcmp(name, "fragment_slow") == 0)
		fragment.gap_ms = 20;
	if (strcmp(name, "fragment_source") == 0) {
		fragment.gap_ms = 20;
		fragment.one_source = true;
	}
	if (strcmp(name, "syn") == 0 || strcmp(name, "syn_far") == 0 || strcmp(name, "source") == 0)
		return measure_syn(&syn, figure);
	if (strncmp(name, "fragment", strlen("fragment")) == 0)
		return measure_fragment(&fragment, figure);
	if (strcmp(name, "disorder") != 0)
		fail("no such case");
	return measure_disorder(&disorder, figure);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		fail("expected CASE FIGURE RUNS");
	for (long run = 0; run < strtol(argv[3], NULL, 10); run++) {
		struct figure figure = measure(argv[1], argv[2], (uint64_t)run);

		printf("{\"ours\": %.3f, \"theirs\": %.3f}\n", figure.ours, figure.theirs);
		fflush(stdout);
	}
	return 0;
}
