// SPDX-License-Identifier: Apache-2.0

// A live engine that records, and replays of what it left: the same events, byte for byte, and the
// same figures; after a stop, after a kill, with a damaged tail, from the middle, until an event.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "engine/worker.h"

#define REPLAYS 20
#define IMAGE_SIZE (STELLAR_POLICY_HEADER_SIZE + STELLAR_POLICY_SECTION_SIZE + 16)
#define TYPES (STELLAR_EVE_FLOW | STELLAR_EVE_DROP | STELLAR_EVE_ANOMALY | STELLAR_EVE_STATS)
#define SIZE (128u << 20)
#define DATAGRAM_SIZE 42

static uint32_t udp_opening_sec = 1;
static bool fails; // the plugin

// What one engine left to be compared.
struct outcome {
	struct packet_stats packets;
	struct session_stats sessions;
	struct recording_stats recording;
	struct replay_position position;
	uint32_t reloads;
	char *events;
	size_t length;
};

struct live {
	struct engine *engine;
	struct packet_io_device *devices[2];
	pthread_t thread;
	char directory[32];
	char events[64];
	uint32_t pushed;
};

// A policy of this plugin says which ports are refused.
static int prepare(struct plugin_host *host, void *state, const void *policy, size_t size,
		   void **ret_prepared, char *error, size_t error_size)
{
	*ret_prepared = malloc(size);
	if (*ret_prepared == NULL)
		return -ENOMEM;
	memcpy(*ret_prepared, policy, size);
	return 0;
}

static void retire(struct plugin_host *host, void *state, void *prepared)
{
	free(prepared);
}

static void judge(struct session *session, void *context)
{
	const struct verdict_request refusal = {
		.disposition = STELLAR_DROP,
		.block = true,
		.rule_id = STELLAR_RULE_NONE,
	};
	const uint8_t *policy = pm_session_policy(session);
	struct packet_endpoint originator;

	session_get_originator(session, &originator);
	if (fails && originator.port % 7 == 6)
		pm_session_fail(session); // too often, and the plugin is disabled
	else if (policy != NULL && originator.port % policy[0] == 0)
		session_set_verdict(session, &refusal);
}

static const struct plugin judge_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "judge",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING),
	.fail_action = STELLAR_FAIL_CLOSED,
	.entry = judge,
	.policy_prepare = prepare,
	.policy_retire = retire,
};

// Refuses what the first version lets pass, too.
static void judge_second(struct session *session, void *context)
{
	const struct verdict_request refusal = {
		.disposition = STELLAR_DROP,
		.rule_id = STELLAR_RULE_NONE,
	};
	struct packet_endpoint originator;

	session_get_originator(session, &originator);
	if (originator.port % 3 == 0)
		session_set_verdict(session, &refusal);
}

static const struct plugin judge_plugin_second = {
	STELLAR_PLUGIN_HEADER,
	.name = "judge",
	.version = "2",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING),
	.fail_action = STELLAR_FAIL_CLOSED,
	.entry = judge_second,
	.policy_prepare = prepare,
	.policy_retire = retire,
};

static void reload(struct engine *engine, uint16_t plugin_id)
{
	char error[256] = "";

	if (engine_replace_plugin(engine, plugin_id, &judge_plugin_second, NULL, error,
				  sizeof(error)) != 0)
		fail_msg("%s", error);
}

static void write_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void apply(struct engine *engine, uint32_t generation, uint8_t divisor)
{
	uint8_t image[IMAGE_SIZE] = {0};
	uint8_t *section = image + STELLAR_POLICY_HEADER_SIZE;
	char error[256] = "";

	memcpy(image, STELLAR_POLICY_MAGIC, 8);
	write_u32(image + 8, IMAGE_SIZE);
	write_u32(image + 12, generation);
	write_u32(image + 16, 1);
	memcpy(section, "judge", 5);
	write_u32(section + 64, IMAGE_SIZE - 16);
	write_u32(section + 68, 16);
	image[IMAGE_SIZE - 16] = divisor;
	write_u32(image + 20, (uint32_t)crc32(0, image + 24, IMAGE_SIZE - 24));
	if (engine_policy_apply(engine, image, sizeof(image), error, sizeof(error)) != 0)
		fail_msg("%s", error);
}

static struct engine *make_engine(const char *events, uint64_t seed)
{
	struct engine_config config;
	struct engine *engine;
	char error[256] = "";

	engine_config_init(&config);
	config.session_capacity = 1024;
	config.verify_checksums = false;
	config.is_inline = true;
	config.timeouts.udp_opening_sec = udp_opening_sec;
	config.hash_seed[0] = seed;
	assert_int_equal(engine_create(&config, &engine, error, sizeof(error)), 0);
	assert_true(engine_add_plugin(engine, &judge_plugin, NULL, error, sizeof(error)) >= 0);
	assert_int_equal(engine_set_event_output(engine, events, TYPES, error, sizeof(error)), 0);
	return engine;
}

static void *run_worker(void *argument)
{
	struct live *live = argument;

	return (void *)(intptr_t)engine_worker_run(live->engine, 0, -1);
}

static void live_name(struct live *live)
{
	memset(live, 0, sizeof(*live));
	snprintf(live->directory, sizeof(live->directory), "/dev/shm/stellar-test-XXXXXX");
	assert_non_null(mkdtemp(live->directory));
	snprintf(live->events, sizeof(live->events), "%s/live.json", live->directory);
}

static void live_begin(struct live *live, uint64_t size)
{
	static const char *const names[2] = {"inside", "outside"};
	char error[256] = "";

	live->engine = make_engine(live->events, 77);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(packet_io_device_open("memory:x?live=1&frames=64",
						       &live->devices[i], error, sizeof(error)),
				 0);
		assert_int_equal(engine_add_interface_device(live->engine, names[i],
							     live->devices[i], error,
							     sizeof(error)),
				 i);
	}
	assert_int_equal(engine_add_wire(live->engine, 0, 1, true, error, sizeof(error)), 0);
	assert_int_equal(
		engine_set_recording(live->engine, live->directory, size, 0, error, sizeof(error)),
		0);
	if (engine_start(live->engine, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_int_equal(pthread_create(&live->thread, NULL, run_worker, live), 0);
}

static void live_open(struct live *live, uint64_t size)
{
	live_name(live);
	live_begin(live, size);
}

static void write_datagram(uint8_t *frame, uint16_t source_port)
{
	static const uint8_t headers[DATAGRAM_SIZE] = {
		2,    0,   0,  0,   0, 1, 2, 0, 0,  0,	0,    0,    8,	 0, // Ethernet
		0x45, 0,   0,  28,  0, 0, 0, 0, 64, 17, 0xef, 0x02, 192, 0, 2,
		1,    198, 51, 100, 2, 0, 0, 0, 53, 0,	8,    0,    0, // UDP without a checksum
	};

	memcpy(frame, headers, sizeof(headers));
	frame[34] = (uint8_t)(source_port >> 8);
	frame[35] = (uint8_t)source_port;
}

// Push datagrams of new sessions as fast as they are taken, and wait until they are judged.
static void push(struct live *live, uint32_t count, uint32_t length)
{
	uint8_t frame[2048] = {0};
	struct packet_stats stats;

	for (uint32_t i = 0; i < count; i++) {
		write_datagram(frame, (uint16_t)(1000 + live->pushed++));
		while (packet_io_memory_push(live->devices[i % 2], frame, length, 0) != 0)
			sched_yield();
	}
	do {
		engine_get_packet_stats(live->engine, &stats);
	} while (stats.received < live->pushed);
}

// The same in pieces, no faster than segments are made and events are written: the recording does
// not end, and no event is lost.
static void push_slowly(struct live *live, uint32_t count, uint32_t length)
{
	const struct worker *worker = live->engine->workers[0];
	const struct recorder_queue *ready = &worker->recorder->ready;
	const struct output_ring *ring = &worker->output_ring;

	for (; count > 0; count -= 250) {
		push(live, 250, length);
		while ((atomic_load(&ready->head) - atomic_load(&ready->tail) < RECORDER_AHEAD &&
			worker->recorder->segment.bytes != NULL) ||
		       atomic_load(&ring->head) != atomic_load(&ring->tail))
			sched_yield();
	}
}

// Sessions end while nothing comes.
static void wait_for_timeouts(struct live *live)
{
	struct session_stats stats;

	do {
		sched_yield();
		engine_get_session_stats(live->engine, &stats);
	} while (stats.active > 0);
}

// What was sent; what nobody takes is refused by the device: tx_full.
static void drain(struct live *live)
{
	uint8_t frame[2048];

	for (int i = 0; i < 2; i++) {
		while (packet_io_memory_pop(live->devices[i], frame, sizeof(frame)) > 0)
			;
	}
}

static void read_file(const char *path, struct outcome *outcome)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	outcome->length = (size_t)ftell(file);
	rewind(file);
	outcome->events = calloc(1, outcome->length + 1);
	assert_int_equal(fread(outcome->events, 1, outcome->length, file), outcome->length);
	fclose(file);
}

static void live_stop(struct live *live, struct outcome *outcome)
{
	void *result;

	engine_stop(live->engine);
	pthread_join(live->thread, &result);
	assert_int_equal((intptr_t)result, 0);
	engine_get_packet_stats(live->engine, &outcome->packets);
	engine_get_session_stats(live->engine, &outcome->sessions);
	engine_get_recording(live->engine, &outcome->recording);
	engine_destroy(live->engine);
	for (int i = 0; i < 2; i++)
		packet_io_device_close(live->devices[i]);
	read_file(live->events, outcome);
}

static void remove_directory(const char *path)
{
	DIR *directory = opendir(path);
	char name[600];

	assert_non_null(directory);
	for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		unlink(name);
	}
	closedir(directory);
	rmdir(path);
}

static void replay_until(const struct live *live, const struct replay_until *until,
			 struct outcome *outcome)
{
	char events[96];
	char error[256] = "";

	snprintf(events, sizeof(events), "%s/replay.json", live->directory);
	unlink(events);
	struct engine *engine = make_engine(events, 77);

	assert_int_equal(engine_add_interface(engine, "inside", "recorded:x", error, sizeof(error)),
			 0);
	assert_int_equal(
		engine_add_interface(engine, "outside", "recorded:y", error, sizeof(error)), 1);
	assert_int_equal(engine_add_wire(engine, 0, 1, true, error, sizeof(error)), 0);
	assert_int_equal(engine_start(engine, error, sizeof(error)), 0);
	if (engine_replay(engine, live->directory, until, &outcome->position, error,
			  sizeof(error)) != 0)
		fail_msg("%s", error);
	for (; outcome->position.end == STELLAR_REPLAY_PLUGIN; outcome->reloads++) {
		reload(engine, outcome->position.plugin_id);
		assert_int_equal(engine_replay(engine, live->directory, until, &outcome->position,
					       error, sizeof(error)),
				 0);
	}
	engine_get_packet_stats(engine, &outcome->packets);
	engine_get_session_stats(engine, &outcome->sessions);
	engine_destroy(engine);
	read_file(events, outcome);
}

static void replay(const struct live *live, struct outcome *outcome)
{
	replay_until(live, NULL, outcome);
}

static size_t count_text(const struct outcome *outcome, const char *text)
{
	size_t count = 0;

	for (const char *at = outcome->events; (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

static void assert_same(const struct outcome *live, const struct outcome *replayed)
{
	assert_string_equal(live->events, replayed->events);
	assert_memory_equal(&live->packets, &replayed->packets, sizeof(live->packets));
	assert_memory_equal(&live->sessions, &replayed->sessions, sizeof(live->sessions));
	assert_int_equal(replayed->position.diverged_packet, 0);
	assert_int_equal(packet_stats_imbalance(&replayed->packets), 0);
}

static void test_replay_has_the_events_and_figures_of_the_live_run(void **state)
{
	struct live live;
	struct outcome left = {0};

	live_open(&live, SIZE);
	push(&live, 50, DATAGRAM_SIZE);
	apply(live.engine, 3, 5);
	push(&live, 100, DATAGRAM_SIZE); // more than the far side holds
	drain(&live);
	apply(live.engine, 9, 2);
	push(&live, 100, 600);
	wait_for_timeouts(&live);
	push(&live, 20, DATAGRAM_SIZE);
	live_stop(&live, &left);

	assert_int_equal(left.packets.received, 270);
	assert_true(left.packets.dropped[STELLAR_DROPPED_TX_FULL] > 0);
	assert_true(count_text(&left, "\"generation\":3") > 10);
	assert_true(count_text(&left, "\"generation\":9") > 30);
	assert_true(count_text(&left, "\"reason\":\"timeout\"") > 100);
	assert_int_equal(left.recording.packets, 270);
	assert_int_equal(left.recording.lost, 0);
	for (int i = 0; i < REPLAYS; i++) {
		struct outcome again = {0};

		replay(&live, &again);
		assert_int_equal(again.position.end, STELLAR_REPLAY_FINISHED);
		assert_same(&left, &again);
		free(again.events);
	}
	free(left.events);
	remove_directory(live.directory);
}

static char *last_line(const struct outcome *outcome)
{
	char *at = outcome->events + outcome->length - 1;

	while (at > outcome->events && at[-1] != '\n')
		at--;
	return at;
}

// A run that was stopped, with some sessions and drops.
static void make_run(struct live *live, struct outcome *left)
{
	live_open(live, SIZE);
	apply(live->engine, 3, 5);
	push(live, 100, DATAGRAM_SIZE);
	live_stop(live, left);
}

static void test_disabled_plugin_is_disabled_at_the_same_packet(void **state)
{
	struct live live;
	struct outcome left = {0};
	struct outcome again = {0};

	live_open(&live, SIZE);
	apply(live.engine, 3, 5);
	fails = true;
	push(&live, 10 * STELLAR_PLUGIN_ERRORS_MAX, DATAGRAM_SIZE);
	live_stop(&live, &left);

	assert_true(count_text(&left, "\"reason\":\"plugin_failed\"") > STELLAR_PLUGIN_ERRORS_MAX);
	replay(&live, &again);
	fails = false;
	assert_same(&left, &again);
	free(left.events);
	free(again.events);
	remove_directory(live.directory);
}

static void test_swap_and_reload_in_the_middle_come_at_the_same_packets(void **state)
{
	struct live live;
	struct outcome left = {0};

	live_open(&live, SIZE);
	apply(live.engine, 3, 5);
	push(&live, 100, DATAGRAM_SIZE);
	reload(live.engine, 0);
	push(&live, 100, DATAGRAM_SIZE);
	apply(live.engine, 4, 2);
	push(&live, 100, DATAGRAM_SIZE);
	live_stop(&live, &left);
	assert_int_equal(left.packets.dropped[STELLAR_DROPPED_PLUGIN], 20 + 67);

	for (int i = 0; i < REPLAYS; i++) {
		struct outcome again = {0};

		replay(&live, &again);
		assert_int_equal(again.reloads, 1);
		assert_same(&left, &again);
		free(again.events);
	}
	free(left.events);
	remove_directory(live.directory);
}

static void test_killed_process_leaves_what_it_did(void **state)
{
	struct live live;
	struct outcome left = {0};
	struct outcome again = {0};
	int status;

	live_name(&live);
	pid_t child = fork();

	if (child == 0) {
		uint64_t written;
		uint64_t lost;

		live_begin(&live, SIZE);
		apply(live.engine, 3, 2);
		push(&live, 100, DATAGRAM_SIZE);
		do {
			sched_yield();
			engine_get_output_stats(live.engine, &written, &lost);
		} while (written < 50);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	read_file(live.events, &left);

	replay(&live, &again);
	assert_int_equal(again.position.end, STELLAR_REPLAY_CUT);
	assert_int_equal(again.position.packets, 100);
	assert_string_equal(left.events, again.events);
	assert_int_equal(count_text(&again, "\"event_type\":\"drop\""), 50);
	free(left.events);
	free(again.events);
	remove_directory(live.directory);
}

static void test_damaged_block_ends_the_replay_with_a_line(void **state)
{
	struct live live;
	struct outcome left = {0};
	char path[128];

	make_run(&live, &left);
	snprintf(path, sizeof(path), "%s/worker-0-00000000.segment", live.directory);
	int fd = open(path, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t byte;

	// The last block is the engine's end; its bytes, its header, its last byte missing.
	for (int i = 0; i < 3; i++) {
		struct outcome again = {0};
		off_t at = size - (i == 0 ? 4 : 20);

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 1;
		if (i < 2)
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		else
			assert_int_equal(ftruncate(fd, size - 1), 0);
		replay(&live, &again);
		assert_int_equal(again.position.end, STELLAR_REPLAY_DAMAGED);
		assert_non_null(strstr(again.position.line, "damaged"));
		assert_int_equal(again.position.packets, 100);
		assert_int_equal(again.sessions.active, 100);
		free(again.events);
		byte ^= 1;
		if (i < 2)
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
	free(left.events);
	remove_directory(live.directory);
}

static void test_replay_stops_at_an_event_or_a_time(void **state)
{
	struct live live;
	struct outcome left = {0};
	struct outcome again = {0};
	struct replay_until until = {
		.text_count = 2,
		.texts = {"\"event_type\":\"drop\"", "\"src_port\":1020"},
	};

	make_run(&live, &left);
	replay_until(&live, &until, &again);
	assert_int_equal(again.position.end, STELLAR_REPLAY_STOPPED);
	assert_in_range(again.position.packets, 1, 99);
	assert_int_equal(again.packets.received, again.position.packets);
	assert_non_null(strstr(last_line(&again), "\"src_port\":1020"));
	assert_int_equal(strncmp(left.events, again.events, again.length), 0);
	free(again.events);

	until.text_count = 0;
	until.time_ns = 1;
	replay_until(&live, &until, &again);
	assert_int_equal(again.position.end, STELLAR_REPLAY_STOPPED);
	assert_int_equal(again.position.packets, 0);
	free(again.events);
	free(left.events);
	remove_directory(live.directory);
}

static void test_ring_keeps_the_newest_and_their_sessions(void **state)
{
	struct live live;
	struct outcome left = {0};
	struct outcome again = {0};

	live_open(&live, 1);
	push_slowly(&live, 50000, 1500);
	live_stop(&live, &left);
	assert_int_equal(left.recording.lost, 0);
	assert_int_equal(left.recording.packets, 50000);

	replay(&live, &again);
	assert_int_equal(again.position.end, STELLAR_REPLAY_FINISHED);
	assert_true(again.position.lost_packets > 10000);
	assert_int_equal(again.position.packets, 50000);
	assert_int_equal(again.packets.received, 50000 - again.position.lost_packets);
	// What was open at the end began in what is left: the same sessions, with the same ids.
	char *open = strstr(left.events, "\"reason\":\"shutdown\"");

	assert_non_null(open);
	assert_true(again.packets.received > 5000);
	assert_int_equal(count_text(&left, "\"reason\":\"shutdown\""),
			 count_text(&again, "\"reason\":\"shutdown\""));
	for (char *line = strtok(strchr(open, '\n'), "\n"); line != NULL;
	     line = strtok(NULL, "\n")) {
		if (strstr(line, "\"event_type\":\"flow\"") != NULL)
			assert_non_null(strstr(again.events, line));
	}
	free(left.events);
	free(again.events);
	remove_directory(live.directory);
}

static void test_full_disk_ends_the_recording_and_nothing_else(void **state)
{
	struct live live;
	struct outcome left = {0};
	struct outcome again = {0};
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	live_open(&live, SIZE);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 1 << 20;
	setrlimit(RLIMIT_FSIZE, &limit);
	push(&live, 40000, 1500);
	live_stop(&live, &left);
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);

	assert_int_equal(left.packets.received, 40000);
	assert_int_equal(packet_stats_imbalance(&left.packets), 0);
	assert_false(left.recording.is_on);
	assert_string_equal(left.recording.reason, "no room for a segment");
	assert_true(left.recording.lost > 0);
	assert_true(left.recording.packets > 5000);
	replay(&live, &again);
	assert_int_equal(again.position.end, STELLAR_REPLAY_CUT);
	assert_int_equal(again.position.packets, left.recording.packets);
	assert_int_equal(again.position.diverged_packet, 0);
	free(left.events);
	free(again.events);
	remove_directory(live.directory);
}

static void test_missing_policy_ends_the_replay_with_a_line(void **state)
{
	struct live live;
	struct outcome left = {0};
	struct outcome again = {0};
	char path[128];

	make_run(&live, &left);
	snprintf(path, sizeof(path), "%s/policy-3.bin", live.directory);
	assert_int_equal(unlink(path), 0);
	replay(&live, &again);
	assert_int_equal(again.position.end, STELLAR_REPLAY_DAMAGED);
	assert_non_null(strstr(again.position.line, "policy-3.bin"));
	free(left.events);
	free(again.events);
	remove_directory(live.directory);
}

// One whose sessions take longer to end has more of them at the same packet.
static void test_other_engine_is_seen_to_diverge(void **state)
{
	struct live live;
	struct outcome left = {0};
	struct outcome again = {0};

	live_open(&live, SIZE);
	push(&live, 50, DATAGRAM_SIZE);
	wait_for_timeouts(&live);
	push(&live, 50, DATAGRAM_SIZE);
	live_stop(&live, &left);
	udp_opening_sec = 30;
	replay(&live, &again);
	udp_opening_sec = 1;
	assert_int_equal(again.position.diverged_packet, 51);
	free(left.events);
	free(again.events);
	remove_directory(live.directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay_has_the_events_and_figures_of_the_live_run),
		cmocka_unit_test(test_disabled_plugin_is_disabled_at_the_same_packet),
		cmocka_unit_test(test_swap_and_reload_in_the_middle_come_at_the_same_packets),
		cmocka_unit_test(test_killed_process_leaves_what_it_did),
		cmocka_unit_test(test_damaged_block_ends_the_replay_with_a_line),
		cmocka_unit_test(test_replay_stops_at_an_event_or_a_time),
		cmocka_unit_test(test_ring_keeps_the_newest_and_their_sessions),
		cmocka_unit_test(test_full_disk_ends_the_recording_and_nothing_else),
		cmocka_unit_test(test_missing_policy_ends_the_replay_with_a_line),
		cmocka_unit_test(test_other_engine_is_seen_to_diverge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
