// SPDX-License-Identifier: Apache-2.0

// What calling C plugins costs. usage: bench_plugin COUNT needed|unneeded PAIRS
//
// needed: ns a packet that COUNT plugins cost, each of which counts the packets of a session in its
// context, beside calling as many functions through pointers on as many contexts. unneeded: packets
// a second with COUNT plugins that need another event, beside none.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stellar/engine.h>

#include "packet/checksum.h"

#define PACKETS (128u << 10)
#define SESSIONS 64u
#define PLUGINS_MAX 20u
#define FRAME_SIZE 60u
#define PATH "/dev/shm/stellar-bench-plugin.pcap"

static struct plugin plugins[PLUGINS_MAX];
static char names[PLUGINS_MAX][8];
static uint64_t contexts[SESSIONS][PLUGINS_MAX];
static void (*volatile entries[PLUGINS_MAX])(struct session *session, void *context);

static void fail(const char *what)
{
	fprintf(stderr, "bench_plugin: %s\n", what);
	exit(1);
}

static void entry(struct session *session, void *context)
{
	++*(uint64_t *)context;
}

static uint64_t read_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void write_capture(void)
{
	static const uint32_t header[6] = {0xa1b23c4d, 0x00040002, 0, 0, 65535, 1};
	uint8_t frame[FRAME_SIZE] = {
		[12] = 8, [14] = 0x45, [17] = 46, [22] = 64, [23] = 17, [26] = 10,
		[29] = 1, [30] = 10,   [33] = 2,  [37] = 53, [39] = 26};
	FILE *file = fopen(PATH, "wb");

	if (file == NULL)
		fail("no capture could be written");
	uint16_t sum = checksum_fold(checksum_partial(frame + 14, 20, 0));

	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	fwrite(header, sizeof(header), 1, file);
	for (uint32_t i = 0; i < PACKETS; i++) {
		const uint32_t record[4] = {1700000000, i * 100, FRAME_SIZE, FRAME_SIZE};

		frame[34] = 4;
		frame[35] = (uint8_t)(i % SESSIONS);
		fwrite(record, sizeof(record), 1, file);
		fwrite(frame, sizeof(frame), 1, file);
	}
	fclose(file);
}

// CPU time of a run, ns a packet.
static double run(uint32_t count, uint64_t events)
{
	struct engine_config config;
	struct engine *engine;
	char error[256] = "";

	engine_config_init(&config);
	config.session_capacity = 1024;
	config.is_inline = true;
	config.hash_seed[0] = 1;
	if (engine_create(&config, &engine, error, sizeof(error)) != 0)
		fail(error);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "p%u", i);
		plugins[i] = (struct plugin){
			STELLAR_PLUGIN_HEADER,
			.name = names[i],
			.version = "1",
			.events = events,
			.context_size = sizeof(uint64_t),
			.entry = entry,
		};
		if (engine_add_plugin(engine, &plugins[i], NULL, error, sizeof(error)) < 0)
			fail(error);
	}
	if (engine_add_interface(engine, "in", "pcap:" PATH, error, sizeof(error)) != 0 ||
	    engine_add_tap(engine, 0, UINT16_MAX, error, sizeof(error)) != 0 ||
	    engine_start(engine, error, sizeof(error)) != 0)
		fail(error);
	uint64_t before = read_clock_ns();

	if (engine_worker_run(engine, 0, -1) != 0)
		fail("the run failed");
	uint64_t after = read_clock_ns();

	engine_destroy(engine);
	return (double)(after - before) / PACKETS;
}

// The least that calling functions takes, ns a packet.
static double call_only(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		entries[i] = entry;
	uint64_t before = read_clock_ns();

	for (uint32_t packet = 0; packet < PACKETS; packet++) {
		for (uint32_t i = 0; i < count; i++)
			entries[i](NULL, &contexts[packet % SESSIONS][i]);
	}
	return (double)(read_clock_ns() - before) / PACKETS;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		fail("usage: bench_plugin COUNT needed|unneeded PAIRS");
	uint32_t count = (uint32_t)atoi(argv[1]);
	bool is_needed = strcmp(argv[2], "needed") == 0;
	uint64_t events = STELLAR_EVENT_BIT(is_needed ? STELLAR_EVENT_SESSION_PACKET
						      : STELLAR_EVENT_SESSION_ACTIVE);

	if (count > PLUGINS_MAX)
		fail("at most 20 plugins");
	write_capture();
	for (int pair = 0; pair < atoi(argv[3]); pair++) {
		double none = run(0, 0);
		double with = run(count, events);

		none = (none + run(0, 0)) / 2;
		if (is_needed)
			printf("{\"ours\": %.3f, \"theirs\": %.3f}\n", with - none,
			       call_only(count));
		else
			printf("{\"ours\": %.0f, \"theirs\": %.0f}\n", 1e9 / with, 1e9 / none);
	}
	unlink(PATH);
	return 0;
}
