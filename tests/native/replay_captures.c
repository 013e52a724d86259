// SPDX-License-Identifier: Apache-2.0

// Replays captures through the public engine, one engine each, with an independent count beside it
// by libpcap: what the engine received is what the capture holds, and the ledger balances; whatever
// the burst, and with several workers too; on a tap and as on a wire, where a plugin hears every
// event, reads what it gets to the last byte, and peeks. One line a capture; exit 1 when one fails.
// tests/native/test_captures.py runs it, also under sanitizers.

#include <stellar/engine.h>
#include <stellar/plugin.h>
#include <stellar/stream.h>

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

// Read bytes, so that a sanitizer sees where they end.
static uint64_t add_up(const uint8_t *data, size_t length)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += data[i];
	return sum;
}

// A session in four is read at the plugin's own pace, seven bytes behind.
static uint64_t peek(struct session *session, const struct event *event)
{
	enum stellar_direction direction = (enum stellar_direction)event->direction;
	const uint8_t *data;
	size_t length = 0;

	if (event->type == STELLAR_EVENT_SESSION_PACKET || session_get_id(session) % 4 != 0 ||
	    stream_peek(session, direction, &data, &length) != 0)
		return 0;
	uint64_t sum = add_up(data, length);

	if (length > 7)
		stream_skip(session, direction, length - 7);
	return sum;
}

static void hear(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);
	uint64_t sum = peek(session, event);

	if (event->data != NULL)
		sum += add_up(event->data, event->data_length);
	if (event->packet != NULL) {
		size_t length;
		const uint8_t *payload = packet_get_payload(event->packet, &length);

		sum += add_up(payload, length);
	}
	*(uint64_t *)context += sum;
}

static struct plugin listener = {
	STELLAR_PLUGIN_HEADER, .name = "listener", .version = "1", .context_size = sizeof(uint64_t),
	.entry = hear,
};

// How a capture is replayed.
struct way {
	uint32_t burst_size;
	uint32_t worker_count;
	bool is_inline;
	bool has_listener;
};

static int run_engine(const char *path, struct way way, struct packet_stats *ret_packets,
		      struct session_stats *ret_sessions, char *error, size_t error_size)
{
	struct engine_config config;
	struct engine *engine = NULL;
	char uri[4096];

	engine_config_init(&config);
	config.burst_size = way.burst_size;
	config.worker_count = way.worker_count;
	config.is_inline = way.is_inline;
	config.tunnel_parents = way.has_listener;
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
	if (rc >= 0 && way.has_listener)
		rc = engine_add_plugin(engine, &listener, NULL, error, error_size);
	if (rc >= 0)
		rc = engine_set_event_output(engine, "/dev/null",
					     STELLAR_EVE_FLOW | STELLAR_EVE_DROP |
						     STELLAR_EVE_ANOMALY,
					     error, error_size);
	if (rc >= 0)
		rc = engine_start(engine, error, error_size);
	if (rc >= 0) {
		// -EBADMSG: the capture was cut; what came before is judged like any other.
		rc = run_workers(engine, way.worker_count);
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

static bool is_same(const struct way *way, const struct way *as)
{
	return way->is_inline == as->is_inline && way->has_listener == as->has_listener;
}

// Replay a capture in one way. Returns what is wrong, or NULL.
static const char *check(const char *path, const struct way *way, uint64_t expected,
			 struct packet_stats *ret_packets)
{
	static char error[512];
	struct session_stats sessions = {0};

	error[0] = '\0';
	if (run_engine(path, *way, ret_packets, &sessions, error, sizeof(error)) < 0)
		return error;
	if (ret_packets->received != expected)
		return "frames are missing";
	if (packet_stats_imbalance(ret_packets) != 0 || ret_packets->held != 0)
		return "the ledger does not balance";
	return sessions.active != 0 || sessions.opening != 0 ? "sessions stay" : NULL;
}

static int replay(const char *path)
{
	// Those that are the same but for burst and workers stand together.
	static const struct way ways[] = {
		{STELLAR_BURST_MAX, 1, false, false},	    {1, 1, false, false},
		{STELLAR_BURST_MAX, WORKERS, false, false}, {STELLAR_BURST_MAX, 1, false, true},
		{STELLAR_BURST_MAX, WORKERS, false, true},  {STELLAR_BURST_MAX, 1, true, true},
		{STELLAR_BURST_MAX, WORKERS, true, true},
	};
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	uint64_t expected = count_frames(path);
	struct packet_stats packets = {0}, first = {0};
	const char *wrong = NULL;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways) && wrong == NULL; i++) {
		const struct way *way = &ways[i];

		memset(&packets, 0, sizeof(packets));
		wrong = check(path, way, expected, &packets);
		if (i == 0 || !is_same(way, &ways[i - 1]))
			first = packets;
		else if (wrong == NULL && memcmp(&packets, &first, sizeof(packets)) != 0)
			wrong = "other figures than in another burst, or with one worker";
		if (wrong != NULL)
			printf("%s: FAILED: burst %u, %u workers, %s%s: %s\n", name,
			       way->burst_size, way->worker_count,
			       way->is_inline ? "inline" : "tap",
			       way->has_listener ? ", listening" : "", wrong);
	}
	if (wrong == NULL)
		printf("%s: frames=%" PRIu64 " forwarded=%" PRIu64 "\n", name, expected,
		       packets.forwarded);
	return wrong != NULL;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (uint32_t event = 0; event < STELLAR_EVENT_COUNT; event++) {
		if (stellar_event_is_raised(event) && event != STELLAR_EVENT_DERIVED)
			listener.events |= STELLAR_EVENT_BIT(event);
	}
	for (int index = 1; index < argc; index++)
		failed += replay(argv[index]);
	printf("%d captures, %d failed\n", argc - 1, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
