// SPDX-License-Identifier: Apache-2.0

// Waves can't be seen: made-up plugins, some of which take batches, do made-up things to made-up
// traffic, in bursts of one, some and many packets, and everything that comes out is the same.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <stellar/batch.h>
#include <stellar/expect.h>

#include "engine/worker.h"
#include "packet/checksum.h"

#define PLUGINS 4u
#define PACKETS 400u
#define HOSTS 12u
#define FRAME_MAX 128u
#define FILE_MAX (4u << 20)
#define RUNS 200u
#define ETHERNET_SIZE 14
#define IPV4_SIZE 20

static uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdull;
	value ^= value >> 29;
	value *= 0xc4ceb9fe1a85ec53ull;
	return value ^ value >> 32;
}

// Plugins. What one does follows from its number, the session and how often it was called for it.
struct context {
	uint32_t calls;
	uint32_t seen; // of what others did
};

struct actor {
	struct plugin plugin;
	struct plugin_batch batch;
	uint64_t seed;
	int counter_id;
	uint32_t wildness; // one call in so many does something
	uint32_t failing; // one in so many of those fails
};

static struct actor actors[PLUGINS];
static bool say_all;
static bool only_claim; // all plugins do is claim_same
static uint64_t batched; // calls that came with others

static void say(struct session *session, const char *what, long result,
		const struct context *context)
{
	char text[128];
	int length = snprintf(text, sizeof(text), "%s %ld calls=%u seen=%u", what, result,
			      context->calls, context->seen);

	session_log(session, STELLAR_LOG_INFO, text, (size_t)length);
}

static void read_others(struct session *session, struct context *context)
{
	const struct verdict *verdict = session_get_verdict(session);
	void *value;
	size_t size;

	if (session_get_metadata(session, "shared", &value, &size) == 0)
		context->seen = context->seen * 31 + *(uint8_t *)value + (uint32_t)size;
	context->seen += (uint32_t)session_get_packets(session, STELLAR_FORWARD) * 3 +
			 (uint32_t)session_get_bytes(session, STELLAR_REVERSE) +
			 session_get_event(session)->type +
			 (uint32_t)session_get_event(session)->time_ns;
	if (verdict != NULL)
		context->seen += verdict->disposition * 7u + verdict->disposition_plugin_id;
}

static int expect(struct session *session, uint64_t chance)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	responder.port = (uint16_t)(9000 + chance % 2);
	return expect_session(session, 17, NULL, &responder, 5000);
}

// Plugins called earlier announce for the later of two sessions: who is older, goes by packets.
static void claim_same(struct session *session)
{
	if (session_get_event(session)->packet != NULL &&
	    session_get_packets(session, STELLAR_FORWARD) == 2 &&
	    session_get_id(session) == 2u - pm_session_plugin_id(session) % 2u)
		assert_int_equal(expect(session, 0), 0);
}

// Returns whether the call fails.
static bool act(struct actor *actor, struct session *session, void *data)
{
	struct context *context = data;
	uint16_t id = pm_session_plugin_id(session);
	uint64_t chance = mix(actor->seed ^ session_get_id(session) << 20 ^ context->calls);
	uint8_t value = (uint8_t)(chance >> 40);
	const uint8_t bytes[8] = {value};

	context->calls++;
	if (only_claim) {
		claim_same(session);
		return false;
	}
	plugin_counter_add(session, actor->counter_id, chance & 7);
	read_others(session, context);
	if (chance % actor->wildness != 0) {
		if (say_all)
			say(session, stellar_event_name(session_get_event(session)->type), 0,
			    context);
		return false;
	}
	chance = mix(chance);
	if (chance % actor->failing == 0)
		return true;
	switch (chance >> 8 & 15) {
	case 0:
		say(session, "drop", session_drop_current_packet(session), context);
		break;
	case 1:
		say(session, "reject", session_reject(session, STELLAR_REPLY_RST), context);
		break;
	case 2:
		say(session, "detach", pm_session_detach_me(session), context);
		break;
	case 3:
		say(session, "take", pm_session_take_over(session), context);
		break;
	case 4:
		say(session, "give", pm_session_give_back(session), context);
		break;
	case 5:
		say(session, "lock", session_lock(session, id), context);
		break;
	case 6:
		say(session, "unlock", session_unlock(session, id), context);
		break;
	case 7:
		say(session, "bypass", session_bypass(session), context);
		break;
	case 8:
		say(session, "expect", expect(session, chance), context);
		break;
	case 9: {
		const struct verdict_request request = {.disposition = STELLAR_PASS, .rule_id = id};

		say(session, "pass", session_set_verdict(session, &request), context);
		break;
	}
	case 10:
		say(session, "del", session_del_metadata(session, "shared"), context);
		break;
	case 11:
		for (int i = 0; i < 70; i++) // more than the queue takes
			session_copy_metadata(session, "many", &value, 1);
		break;
	default:
		say(session, "set", session_copy_metadata(session, "shared", bytes, 1 + value % 8),
		    context);
	}
	return false;
}

static void entry(struct session *session, void *context)
{
	if (act(pm_session_host_data(session), session, context))
		pm_session_fail(session);
}

// As a host of another language does it.
static void deliver(struct actor *actor)
{
	struct plugin_batch *batch = &actor->batch;

	batched += batch->count > 1 ? batch->count : 0;
	for (; batch->position < batch->count; batch->position++) {
		struct plugin_batch_entry *entry = &batch->entries[batch->position];

		*batch->changing = entry->index;
		assert_int_equal(entry->event->type, batch->type);
		if (act(actor, entry->session, entry->context)) {
			entry->asked |= STELLAR_BATCH_FAILED;
			return;
		}
	}
}

static void deliver_0(void)
{
	deliver(&actors[0]);
}

static void deliver_1(void)
{
	deliver(&actors[1]);
}

static void deliver_2(void)
{
	deliver(&actors[2]);
}

static int load(struct plugin_host *host, void **ret_state)
{
	for (uint32_t i = 0; i < PLUGINS; i++)
		actors[i].counter_id = plugin_counter_create(host, "sum");
	return 0;
}

static int refuse_some(struct session *session, void *context)
{
	struct context nothing = {0};

	say(session, "begins", 0, &nothing);
	return mix(session_get_id(session)) % 13 == 0;
}

// Traffic: a capture whose packets lie close together, most of them.
struct scene {
	uint64_t seed;
	uint64_t state;
	uint64_t time_ns;
	FILE *file;
	uint8_t tcp_states[HOSTS];
};

static uint64_t next(struct scene *scene)
{
	return mix(scene->state++ * 0x9e3779b97f4a7c15ull ^ scene->seed);
}

static void write_u16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void write_frame(struct scene *scene, const uint8_t *frame, uint32_t length)
{
	const uint32_t header[4] = {(uint32_t)(scene->time_ns / 1000000000u),
				    (uint32_t)(scene->time_ns % 1000000000u), length, length};

	fwrite(header, sizeof(header), 1, scene->file);
	fwrite(frame, length, 1, scene->file);
}

static void write_ip(uint8_t *frame, uint32_t host, bool is_reverse, uint8_t protocol,
		     uint32_t length)
{
	uint8_t *ip = frame + ETHERNET_SIZE;

	memset(frame, 0, FRAME_MAX);
	frame[12] = 8;
	ip[0] = 0x45;
	write_u16(ip + 2, IPV4_SIZE + length);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, (const uint8_t[]){10, 0, 0, is_reverse ? 200 : (uint8_t)host}, 4);
	memcpy(ip + 16, (const uint8_t[]){10, 0, 0, is_reverse ? (uint8_t)host : 200}, 4);
	write_u16(ip + 10, checksum_fold(checksum_partial(ip, IPV4_SIZE, 0)));
}

static void write_udp(struct scene *scene, uint32_t host, uint64_t chance)
{
	uint8_t frame[FRAME_MAX];
	uint8_t *udp = frame + ETHERNET_SIZE + IPV4_SIZE;
	uint32_t payload = chance >> 8 & 31;
	bool is_reverse = (chance >> 16 & 3) == 0;
	uint32_t other = (chance >> 20 & 15) == 0 ? 9000 + (chance >> 24 & 7) : 53;

	write_ip(frame, host, is_reverse, 17, 8 + payload);
	write_u16(udp, is_reverse ? other : 4000 + host);
	write_u16(udp + 2, is_reverse ? 4000 + host : other);
	write_u16(udp + 4, 8 + payload);
	if ((chance >> 28 & 63) == 0)
		frame[ETHERNET_SIZE] = 0x41; // malformed
	if ((chance >> 34 & 63) == 0) // a first fragment, or all of it
		frame[ETHERNET_SIZE + 6] = (chance >> 40 & 1) ? 0x20 : 0x40;
	write_frame(scene, frame, ETHERNET_SIZE + IPV4_SIZE + 8 + payload);
}

static void write_tcp(struct scene *scene, uint32_t host, uint64_t chance)
{
	static const uint8_t flags_of[8] = {0x02, 0x12, 0x10, 0x10, 0x10, 0x11, 0x04, 0x10};
	uint8_t frame[FRAME_MAX];
	uint8_t *tcp = frame + ETHERNET_SIZE + IPV4_SIZE;
	uint8_t *state = &scene->tcp_states[host];
	uint32_t step = *state < 3 ? *state : 2 + (chance >> 8 & 31) % 28 / 4;
	uint8_t flags = flags_of[step % 8];
	bool is_reverse = *state == 1 || (*state > 2 && (chance >> 16 & 1) != 0);
	uint8_t syn_seen = *state > 0;

	write_ip(frame, host, is_reverse, 6, 20);
	write_u16(tcp, is_reverse ? 80 : 5000 + host);
	write_u16(tcp + 2, is_reverse ? 5000 + host : 80);
	write_u16(tcp + 6, 100 + ((is_reverse ? *state > 1 : syn_seen) ? 1 : 0));
	write_u16(tcp + 10, (flags & 0x10) != 0 ? 101 : 0);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	write_u16(tcp + 14, 8192);
	*state = flags == 0x04 ? 0 : *state < 250 ? *state + 1 : *state;
	write_frame(scene, frame, ETHERNET_SIZE + IPV4_SIZE + 20);
}

// An error that quotes a datagram of the host.
static void write_error(struct scene *scene, uint32_t host)
{
	uint8_t frame[FRAME_MAX];
	uint8_t quoted[FRAME_MAX];
	uint8_t *icmp = frame + ETHERNET_SIZE + IPV4_SIZE;

	write_ip(quoted, host, false, 17, 8);
	write_u16(quoted + ETHERNET_SIZE + IPV4_SIZE, 4000 + host);
	write_u16(quoted + ETHERNET_SIZE + IPV4_SIZE + 2, 53);
	write_u16(quoted + ETHERNET_SIZE + IPV4_SIZE + 4, 8);
	write_ip(frame, host, true, 1, 8 + 28);
	icmp[0] = 3;
	icmp[1] = 3;
	memcpy(icmp + 8, quoted + ETHERNET_SIZE, 28);
	write_frame(scene, frame, ETHERNET_SIZE + IPV4_SIZE + 8 + 28);
}

static void begin_capture(struct scene *scene, const char *path)
{
	static const uint32_t header[6] = {0xa1b23c4d, 0x00040002, 0, 0, 65535, 1};

	scene->file = fopen(path, "wb");
	assert_non_null(scene->file);
	fwrite(header, sizeof(header), 1, scene->file);
}

static void write_capture(const char *path, uint64_t seed)
{
	static const uint64_t gaps_ns[16] = {0,	      0,       0,	 1000, 1000, 2000,
					     5000,    9000,    20000,	 100,  1000, 500000,
					     1500000, 2000000, 40000000, 100};
	struct scene scene = {
		.seed = seed,
		.time_ns = 1700000000000000000ull + seed % 1000000,
	};

	begin_capture(&scene, path);
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint64_t chance = next(&scene);
		uint32_t host = (uint32_t)(seed % 3 == 0 ? i % HOSTS : (chance >> 48) % HOSTS);

		scene.time_ns += gaps_ns[chance & 15] + ((chance >> 56) == 0 ? 61000000000ull : 0);
		if ((chance >> 4 & 63) == 0)
			write_error(&scene, host);
		else if ((chance >> 4 & 3) == 1)
			write_tcp(&scene, host, mix(chance));
		else
			write_udp(&scene, host, mix(chance));
	}
	fclose(scene.file);
}

// Two sessions, each with a second packet in the same millisecond, and a third one that both have
// announced.
static void write_claims(const char *path)
{
	const uint64_t plain = 1ull << 34 | 1ull << 28 | 1u << 20 | 1u << 16 | 4u << 8;
	struct scene scene = {.time_ns = 1700000000000000000ull};

	begin_capture(&scene, path);
	for (uint32_t i = 0; i < 4; i++)
		write_udp(&scene, 1 + i % 2, plain);
	write_udp(&scene, 5, plain & ~(15ull << 20));
	fclose(scene.file);
}

// A run, and all that came out of it.
struct outcome {
	struct packet_stats packets;
	struct session_stats sessions;
	struct stream_stats streams;
	struct plugin_stats plugins[PLUGINS];
	uint64_t counters[PLUGINS];
	uint64_t events[STELLAR_EVENT_COUNT];
	size_t lines_size;
	size_t frames_size;
	char lines[FILE_MAX];
	char frames[FILE_MAX];
};

static size_t read_file(const char *path, char *ret_content)
{
	FILE *file = fopen(path, "rb");
	size_t size = file != NULL ? fread(ret_content, 1, FILE_MAX, file) : 0;

	if (file != NULL)
		fclose(file);
	unlink(path);
	assert_true(size < FILE_MAX);
	return size;
}

static void add_actor(struct engine *engine, uint64_t seed, uint32_t number)
{
	static void (*const delivers[PLUGINS])(void) = {deliver_0, deliver_1, deliver_2, NULL};
	static const char *const names[PLUGINS] = {"one", "two", "three", "four"};
	uint64_t chance = mix(seed * 8 + number);
	struct actor *actor = &actors[number];
	char error[256] = "";
	const struct plugin_entries entries = {
		.deliver = (chance & 3) != 0 ? delivers[number] : NULL,
		.batch = &actor->batch,
		.host_data = actor,
	};

	*actor = (struct actor){
		.plugin =
			{
				STELLAR_PLUGIN_HEADER,
				.name = names[number],
				.version = "1",
				.context_size = sizeof(struct context),
				.context_init = (chance >> 2 & 7) == 0 ? refuse_some : NULL,
				.fail_action = (chance >> 5 & 1) != 0 ? STELLAR_FAIL_CLOSED
								      : STELLAR_FAIL_OPEN,
				.load = load,
				.entry = entry,
			},
		.seed = chance,
		.wildness = (uint32_t)(1 + (chance >> 8 & 31)),
		.failing = (uint32_t)(1 + (chance >> 16 & 31)),
	};
	actor->plugin.events = (chance >> 24 & 7) == 0
				       ? STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)
				       : STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET);
	if ((chance >> 27 & 1) != 0)
		actor->plugin.events |= STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING);
	if ((chance >> 28 & 1) != 0)
		actor->plugin.events |= STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING);
	if ((chance >> 29 & 31) == 0)
		actor->plugin.events |= STELLAR_EVENT_BIT(STELLAR_EVENT_METADATA_CHANGED);
	if ((chance >> 34 & 31) == 0)
		actor->plugin.events |= STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA);
	int id = engine_add_plugin(engine, &actor->plugin, actor, error, sizeof(error));

	if (id < 0)
		fail_msg("%s", error);
	assert_int_equal(engine_set_plugin_entries(engine, (uint16_t)id, 0, &entries), 0);
}

static void run(uint64_t seed, uint32_t burst_size, const char *capture, struct outcome *outcome)
{
	struct engine_config config;
	struct engine *engine;
	char error[256] = "";
	char written[64];
	char events[64];
	char uri[80];

	snprintf(written, sizeof(written), "%s.out", capture);
	snprintf(events, sizeof(events), "%s.eve", capture);
	engine_config_init(&config);
	config.is_inline = seed % 4 != 0;
	config.session_capacity = 64;
	config.hash_seed[0] = 1;
	config.verify_checksums = false;
	config.burst_size = burst_size;
	assert_int_equal(engine_create(&config, &engine, error, sizeof(error)), 0);
	for (uint32_t i = 0; i < 1 + seed % PLUGINS; i++)
		add_actor(engine, seed, i);
	snprintf(uri, sizeof(uri), "pcap:%s", capture);
	assert_int_equal(engine_add_interface(engine, "in", uri, error, sizeof(error)), 0);
	snprintf(uri, sizeof(uri), "pcap:%s?write=1", written);
	assert_int_equal(engine_add_interface(engine, "out", uri, error, sizeof(error)), 1);
	assert_int_equal(engine_add_tap(engine, 0, 1, error, sizeof(error)), 0);
	assert_int_equal(engine_set_event_output(engine, events,
						 STELLAR_EVE_FLOW | STELLAR_EVE_DROP |
							 STELLAR_EVE_ANOMALY | STELLAR_EVE_STATS |
							 STELLAR_EVE_PLUGIN,
						 error, sizeof(error)),
			 0);
	if (engine_start(engine, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_int_equal(engine_worker_run(engine, 0, -1), 0);
	memset(outcome, 0, offsetof(struct outcome, lines));
	engine_get_packet_stats(engine, &outcome->packets);
	engine_get_session_stats(engine, &outcome->sessions);
	engine_get_stream_stats(engine, &outcome->streams);
	engine_get_plugin_stats(engine, outcome->plugins, PLUGINS);
	// What the wall clock says is no outcome, and a sample is of whole batches.
	for (size_t i = 0; i < PLUGINS; i++)
		outcome->plugins[i].timed_calls = outcome->plugins[i].timed_ns = 0;
	for (uint32_t i = 0; i < STELLAR_EVENT_COUNT; i++)
		outcome->events[i] = engine_get_event_count(engine, i);
	for (size_t i = 0; i < PLUGINS; i++) {
		const char *name;
		const char *plugin;

		engine_get_plugin_counter(engine, i, &plugin, &name, &outcome->counters[i]);
	}
	engine_destroy(engine);
	outcome->lines_size = read_file(events, outcome->lines);
	outcome->frames_size = read_file(written, outcome->frames);
}

static void assert_same_lines(const struct outcome *one, const struct outcome *other, uint64_t seed)
{
	size_t size = one->lines_size < other->lines_size ? one->lines_size : other->lines_size;
	size_t at = 0;
	size_t line = 0;

	if (one->lines_size == other->lines_size && memcmp(one->lines, other->lines, size) == 0)
		return;
	for (; at < size && one->lines[at] == other->lines[at]; at++) {
		if (one->lines[at] == '\n')
			line = at + 1;
	}
	fail_msg("seed %lu differs:\n%.600s\n--\n%.600s", seed, one->lines + line,
		 other->lines + line);
}

static void assert_same(const struct outcome *one, const struct outcome *other, uint64_t seed)
{
	assert_same_lines(one, other, seed);
	if (memcmp(one, other, offsetof(struct outcome, lines)) != 0 ||
	    memcmp(one->frames, other->frames, one->frames_size) != 0)
		fail_msg("seed %lu: figures or frames differ", seed);
}

static void bursts_give_the_same(void **state)
{
	static struct outcome alone;
	static struct outcome together;
	char capture[] = "/tmp/stellar-wave-XXXXXX";

	close(mkstemp(capture));
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		write_capture(capture, seed);
		say_all = seed % 2 != 0;
		batched = 0;
		run(seed, 1, capture, &alone);
		assert_int_equal(batched, 0);
		run(seed, 64, capture, &together);
		assert_same(&alone, &together, seed);
		run(seed, 7, capture, &together);
		assert_same(&alone, &together, seed);
	}
	unlink(capture);
}

static void oldest_of_equal_claims_is_of_the_first_packet(void **state)
{
	static struct outcome alone;
	static struct outcome together;
	char capture[] = "/tmp/stellar-wave-XXXXXX";
	uint64_t sum = 0;

	close(mkstemp(capture));
	write_claims(capture);
	only_claim = true;
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		run(seed, 1, capture, &alone);
		batched = 0;
		run(seed, 64, capture, &together);
		sum += batched;
		assert_same(&alone, &together, seed);
	}
	only_claim = false;
	unlink(capture);
	assert_true(sum > 0);
	assert_non_null(strstr(together.lines, "parent"));
}

// The first test says nothing when there are no waves.
static void there_are_waves(void **state)
{
	static struct outcome outcome;
	char capture[] = "/tmp/stellar-wave-XXXXXX";
	uint64_t sum = 0;
	uint64_t calls = 0;

	close(mkstemp(capture));
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		write_capture(capture, seed);
		batched = 0;
		run(seed, 64, capture, &outcome);
		sum += batched;
		for (uint32_t i = 0; i < PLUGINS; i++)
			calls += outcome.plugins[i].calls;
	}
	unlink(capture);
	if (getenv("WAVES_SAY") != NULL)
		printf("%lu of %lu calls came in waves\n", sum, calls);
	assert_true(sum > calls / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_give_the_same),
		cmocka_unit_test(oldest_of_equal_claims_is_of_the_first_packet),
		cmocka_unit_test(there_are_waves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
