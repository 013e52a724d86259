// SPDX-License-Identifier: Apache-2.0

// Reads a capture to its end with the engine, and with ndpiReader, in turns: each in a process of
// its own on one core, timed by the CPU time that the process took from its first instruction to
// its last (start and reading of the file included on both sides). Prints a line of JSON a pair.
//
// usage: bench_decode CAPTURE EVENTS PAIRS      EVENTS: file of EVE flow events, or none

#define _GNU_SOURCE // binding to a processor

#include <stellar/engine.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "bench_decode: %s\n", what);
	exit(1);
}

// The last processor: the first one has the interrupts.
static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		fail("the process cannot be bound to a processor");
}

// Child: the engine without plugins on the capture as a tap. Writes how many packets it received.
static void run_engine(const char *capture, const char *events, int descriptor)
{
	struct engine_config config;
	struct engine *engine = NULL;
	struct packet_stats packets;
	char error[512] = "";
	char uri[4096];

	engine_config_init(&config);
	config.hash_seed[0] = 1;
	snprintf(uri, sizeof(uri), "pcap:%s", capture);
	int rc = engine_create(&config, &engine, error, sizeof(error));
	if (rc >= 0)
		rc = engine_add_interface(engine, "capture", uri, error, sizeof(error));
	if (rc >= 0)
		rc = engine_add_tap(engine, (uint16_t)rc, UINT16_MAX, error, sizeof(error));
	if (rc >= 0 && strcmp(events, "none") != 0)
		rc = engine_set_event_output(engine, events, STELLAR_EVE_FLOW, error,
					     sizeof(error));
	if (rc >= 0)
		rc = engine_start(engine, error, sizeof(error));
	if (rc >= 0)
		rc = engine_worker_run(engine, 0, -1);
	if (rc < 0)
		fail(error[0] != 0 ? error : strerror(-rc));
	engine_get_packet_stats(engine, &packets);
	engine_destroy(engine);
	if (write(descriptor, &packets.received, sizeof(packets.received)) < 0)
		fail("the count cannot be written");
}

static void run_ndpi(const char *capture)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execlp("ndpiReader", "ndpiReader", "-q", "-i", capture, (char *)NULL);
	_exit(127);
}

static double cpu_seconds_of(pid_t child)
{
	struct rusage usage;
	int status;

	if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
		fail("a run failed (is libndpi-bin installed?)");
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double measure_engine(const char *capture, const char *events, uint64_t *ret_packets)
{
	int ends[2];

	if (pipe(ends) != 0)
		fail(strerror(errno));
	pid_t child = fork();
	if (child == 0) {
		run_engine(capture, events, ends[1]);
		_exit(0);
	}
	double seconds = cpu_seconds_of(child);
	if (read(ends[0], ret_packets, sizeof(*ret_packets)) != sizeof(*ret_packets))
		fail("the engine told no count");
	close(ends[0]);
	close(ends[1]);
	return seconds;
}

static double measure_ndpi(const char *capture)
{
	pid_t child = fork();

	if (child == 0)
		run_ndpi(capture);
	return cpu_seconds_of(child);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		fail("expected CAPTURE EVENTS PAIRS");
	pin();
	for (long pair = 0; pair < strtol(argv[3], NULL, 10); pair++) {
		uint64_t packets;
		double ours = measure_engine(argv[1], argv[2], &packets);
		double theirs = measure_ndpi(argv[1]);

		printf("{\"ours\": %.1f, \"theirs\": %.1f, \"packets\": %" PRIu64 "}\n",
		       (double)packets / ours, (double)packets / theirs, packets);
		fflush(stdout);
	}
	return 0;
}
