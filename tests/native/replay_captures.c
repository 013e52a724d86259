// SPDX-License-Identifier: Apache-2.0

// Replays captures through the public engine, one engine each, with an independent count beside it
// by libpcap: what the engine received is what the capture holds, and the ledger balances; whatever
// the burst, and with several workers too. One line a capture; exit 1 when one fails.
// tests/native/test_captures.py runs it, also under sanitizers.

#include <stellar/engine.h>

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 3

// Frames that libpcap reads, up to the first error.
static uint64_t count_frames(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(path, error);
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	uint64_t count = 0;

	if (!capture)
		return 0;
	while (pcap_next_ex(capture, &header, &bytes) == 1)
		count++;
	pcap_close(capture);
	return count;
}

struct other_worker {
	pthread_t thread;
	struct engine *engine;
	uint32_t id;
};

static void *run_other_worker(void *argument)
{
	struct other_worker *other = argument;

	engine_worker_run(other->engine, other->id, -1);
	return NULL;
}

// Worker 0 on this thread, the others on threads of their own. Returns what worker 0 did.
static int run_workers(struct engine *engine, uint32_t worker_count)
{
	struct other_worker others[WORKERS];

	for (uint32_t id = 1; id < worker_count; id++) {
		others[id] = (struct other_worker){.engine = engine, .id = id};
		if (pthread_create(&others[id].thread, NULL, run_other_worker, &others[id]) != 0)
			abort();
	}
	int rc = engine_worker_run(engine, 0, -1);
	for (uint32_t id = 1; id < worker_count; id++)
		pthread_join(others[id].thread, NULL);
	return rc;
}

static int run_engine(const char *path, uint32_t burst_size, uint32_t worker_count,
		      struct packet_stats *ret_packets, struct session_stats *ret_sessions,
		      char *error, size_t error_size)
{
	struct engine_config config;
	struct engine *engine = NULL;
	char uri[4096];

	engine_config_init(&config);
	config.burst_size = burst_size;
	config.worker_count = worker_count;
	config.session_capacity = 65536;
	config.hash_seed[0] = 1;
	snprintf(uri, sizeof(uri), "pcap:%s", path);
	int rc = engine_create(&config, &engine, error, error_size);
	if (rc < 0)
		return rc;
	int interface_id = engine_add_interface(engine, "capture", uri, error, error_size);
	rc = interface_id;
	if (rc >= 0)
		rc = engine_add_tap(engine, (uint16_t)interface_id, UINT16_MAX, error, error_size);
	if (rc >= 0)
		rc = engine_set_event_output(engine, "/dev/null",
					     STELLAR_EVE_FLOW | STELLAR_EVE_DROP |
						     STELLAR_EVE_ANOMALY,
					     error, error_size);
	if (rc >= 0)
		rc = engine_start(engine, error, error_size);
	if (rc >= 0) {
		// -EBADMSG: the capture was cut; what came before is judged like any other.
		rc = run_workers(engine, worker_count);
		if (rc < 0)
			snprintf(error, error_size, "%s", strerror(-rc));
		if (rc == -EBADMSG)
			rc = 0;
		engine_get_packet_stats(engine, ret_packets);
		engine_get_session_stats(engine, ret_sessions);
	}
	engine_destroy(engine);
	return rc;
}

static int replay(const char *path)
{
	struct packet_stats packets = {0}, one_by_one = {0}, spread = {0};
	struct session_stats sessions = {0}, spread_sessions = {0};
	char error[512] = "";
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	int rc = run_engine(path, STELLAR_BURST_MAX, 1, &packets, &sessions, error, sizeof(error));
	if (rc < 0) {
		printf("%s: FAILED: %s\n", name, error);
		return 1;
	}
	run_engine(path, 1, 1, &one_by_one, &sessions, error, sizeof(error));
	run_engine(path, STELLAR_BURST_MAX, WORKERS, &spread, &spread_sessions, error,
		   sizeof(error));

	uint64_t expected = count_frames(path);
	int64_t imbalance = packet_stats_imbalance(&packets);
	int failed = packets.received != expected || imbalance != 0 || sessions.active != 0 ||
		     memcmp(&packets, &one_by_one, sizeof(packets)) != 0 ||
		     memcmp(&packets, &spread, sizeof(packets)) != 0 || spread_sessions.active != 0;
	printf("%s: %sframes=%" PRIu64 " received=%" PRIu64 " forwarded=%" PRIu64
	       " imbalance=%" PRId64 " sessions=%" PRIu64 " still_active=%" PRIu64
	       " burst_1_received=%" PRIu64 "\n",
	       name, failed ? "FAILED: " : "", expected, packets.received, packets.forwarded,
	       imbalance, sessions.created, sessions.active, one_by_one.received);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int index = 1; index < argc; index++)
		failed += replay(argv[index]);
	printf("%d captures, %d failed\n", argc - 1, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
