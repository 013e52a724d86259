// SPDX-License-Identifier: Apache-2.0

// Every allocation fails once: a replay with plugins, a policy, metadata and outputs, of fragments,
// tunnels, TCP out of order, ICMP errors and announced sessions, is run again and again, the n-th
// allocation failing in the n-th run, until a run needs fewer than n. A run may be refused with a
// reason or lose packets that it counts; it never crashes, leaks or miscounts.
//
// The linker wraps what the engine's objects call (meson.build); libraries allocate as ever.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <stellar/engine.h>
#include <stellar/expect.h>
#include <stellar/inject.h>
#include <stellar/stream.h>
#include <stellar/timer.h>
#include <zlib.h>

#define RUNS_MAX 500
#define LASTING (-2)
#define PLAIN_FRAMES 40
#define MIXED_FRAMES 22
#define FRAME_MAX 256
#define TCP 6
#define UDP 17
#define SECTION_SIZE 4
#define IMAGE_SIZE (STELLAR_POLICY_HEADER_SIZE + STELLAR_POLICY_SECTION_SIZE + SECTION_SIZE)
#define EVENT(name) STELLAR_EVENT_BIT(STELLAR_EVENT_##name)

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *area, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *area);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *area, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *area, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *area);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *area, size_t size);

static struct {
	int left; // successes before the failure; below 0: it has been, LASTING: and goes on
	bool lasts;
	int64_t areas; // allocated and not freed
	int64_t mapped_bytes;
} memory = {.left = -1};

static bool fails(void)
{
	if (memory.left == -1 || (memory.left >= 0 && memory.left-- > 0))
		return false;
	memory.left = memory.lasts ? LASTING : -1;
	errno = ENOMEM;
	return true;
}

static void *count(void *area)
{
	memory.areas += area != NULL;
	return area;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
	return fails() ? NULL : count(__real_calloc(number, size));
}

void *__wrap_realloc(void *area, size_t size)
{
	if (fails())
		return NULL;
	memory.areas -= area != NULL;
	return count(__real_realloc(area, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : count(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : count(__real_strdup(text));
}

void __wrap_free(void *area)
{
	memory.areas -= area != NULL;
	__real_free(area);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (fails())
		return MAP_FAILED;
	void *area = __real_mmap(at, size, protection, flags, fd, offset);

	memory.mapped_bytes += area != MAP_FAILED ? (int64_t)size : 0;
	return area;
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return __wrap_mmap(at, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *area, size_t size)
{
	memory.mapped_bytes -= (int64_t)size;
	return __real_munmap(area, size);
}

// The plugin: a context, counters, and metadata on every session.

static int load(struct plugin_host *host, void **ret_state)
{
	int id = plugin_counter_create(host, "packets");
	int blushed = plugin_get_derived_id(host, "blushed");

	assert_int_equal(blushed, 0);
	*ret_state = NULL;
	return id < 0 ? id : 0;
}

static int context_init(struct session *session, void *context)
{
	*(void **)context = malloc(16);
	return *(void **)context != NULL ? 0 : -ENOMEM;
}

static void context_free(struct session *session, void *context)
{
	free(*(void **)context);
}

// What a TFTP server answers with: from a port of its own.
static void expect_answer(struct session *session)
{
	struct packet_endpoint client;
	struct packet_endpoint server;

	session_get_responder(session, &server);
	session_get_originator(session, &client);
	if (server.port != 69)
		return;
	server.port = 0;
	expect_session(session, UDP, &server, &client, 5000);
}

static uint32_t not_injected; // packets for which there was no memory

static void enter(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);
	const uint8_t *data;
	size_t length;

	plugin_counter_add(session, 0, 1);
	if (event->type == STELLAR_EVENT_SESSION_OPENING)
		session_copy_metadata(session, "colour", "red", 4);
	if (event->type == STELLAR_EVENT_SESSION_OPENING)
		session_log(session, STELLAR_LOG_INFO, "seen", 4);
	if (event->type == STELLAR_EVENT_SESSION_OPENING)
		timer_start(session, 1500);
	if (event->type == STELLAR_EVENT_SESSION_OPENING || event->type == STELLAR_EVENT_TIMER)
		session_raise_event(session, 0, "deeply", 6);
	if (event->type == STELLAR_EVENT_UDP_DATA)
		expect_answer(session);
	if (event->type == STELLAR_EVENT_UDP_DATA)
		not_injected += inject_payload(session, STELLAR_REVERSE, (const uint8_t *)"x", 1) ==
				-ENOMEM;
	if (event->type == STELLAR_EVENT_TCP_DATA)
		not_injected += inject_rst(session, STELLAR_DIRECTION_COUNT) == -ENOMEM;
	// Bytes are kept until there are enough of them.
	if (event->type == STELLAR_EVENT_TCP_DATA &&
	    stream_peek(session, STELLAR_FORWARD, &data, &length) == 0 && length > 64)
		stream_skip(session, STELLAR_FORWARD, 64);
}

static int worker_init(struct plugin_host *host, void *state, uint32_t worker_id,
		       void **ret_worker_state)
{
	*ret_worker_state = malloc(16);
	return *ret_worker_state != NULL ? 0 : -ENOMEM;
}

static void worker_fini(struct plugin_host *host, void *state, void *worker_state)
{
	free(worker_state);
}

static void tick(struct plugin_worker *worker, void *worker_state)
{
	plugin_worker_counter_add(worker, 0, 1);
	plugin_worker_log(worker, STELLAR_LOG_INFO, "second", 6);
}

static int prepare(struct plugin_host *host, void *state, const void *policy, size_t size,
		   void **ret_prepared, char *error, size_t error_size)
{
	*ret_prepared = malloc(size);
	if (*ret_prepared != NULL)
		return 0;
	snprintf(error, error_size, "no memory for the policy");
	return -ENOMEM;
}

static void retire(struct plugin_host *host, void *state, void *prepared)
{
	free(prepared);
}

static const struct plugin plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "painter",
	.version = "1",
	.events = EVENT(SESSION_OPENING) | EVENT(SESSION_PACKET) | EVENT(METADATA_CHANGED) |
		  EVENT(SESSION_CLOSING) | EVENT(UDP_DATA) | EVENT(TCP_DATA) | EVENT(TCP_GAP) |
		  EVENT(CHILD_OPENING) | EVENT(TIMER),
	.context_size = sizeof(void *),
	.load = load,
	.context_init = context_init,
	.context_free = context_free,
	.entry = enter,
	.policy_prepare = prepare,
	.policy_retire = retire,
	.worker_init = worker_init,
	.worker_fini = worker_fini,
	.tick_ms = 1000,
	.tick = tick,
	.raises = (const char *const[]){"blushed", NULL},
};

static void hear(struct session *session, void *context)
{
	*(uint64_t *)context += session_get_event(session)->data_length;
}

static const struct plugin viewer = {
	STELLAR_PLUGIN_HEADER, .name = "viewer",
	.version = "1",	       .context_size = sizeof(uint64_t),
	.entry = hear,	       .hears = (const char *const[]){"painter.blushed", NULL},
};

// What a run reads and writes.
static char capture_path[] = "/tmp/stellar-test-in-XXXXXX";
static char written_path[] = "/tmp/stellar-test-out-XXXXXX";
static char events_path[] = "/tmp/stellar-test-eve-XXXXXX";

static void write_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void store16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void store32(uint8_t *at, uint32_t value)
{
	store16(at, value >> 16);
	store16(at + 2, value & 0xffff);
}

// Raw IP. What is built stands in `bytes`; each function puts a header before what is there.
struct capture {
	int fd;
	uint32_t frames;
	uint32_t length;
	uint8_t bytes[FRAME_MAX];
};

static uint8_t *push(struct capture *capture, uint32_t length)
{
	assert_true(capture->length + length <= FRAME_MAX);
	memmove(capture->bytes + length, capture->bytes, capture->length);
	memset(capture->bytes, 0, length);
	capture->length += length;
	return capture->bytes;
}

static void push_ip4(struct capture *capture, uint8_t protocol, uint16_t fragment, bool is_reply)
{
	static const uint8_t near[4] = {192, 0, 2, 1}, far[4] = {192, 0, 2, 2};
	uint8_t *ip = push(capture, 20);

	ip[0] = 0x45;
	store16(ip + 2, capture->length);
	store16(ip + 4, 7);
	store16(ip + 6, fragment);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, is_reply ? far : near, 4);
	memcpy(ip + 16, is_reply ? near : far, 4);
}

static void push_ip6(struct capture *capture, uint8_t protocol)
{
	uint8_t *ip = push(capture, 40);

	ip[0] = 0x60;
	store16(ip + 4, capture->length - 40);
	ip[6] = protocol;
	ip[7] = 64;
	ip[8] = ip[24] = 0x20;
	ip[23] = 1;
	ip[39] = 2;
}

static void push_udp(struct capture *capture, uint16_t source, uint16_t destination)
{
	uint8_t *udp = push(capture, 8);

	store16(udp, source);
	store16(udp + 2, destination);
	store16(udp + 4, capture->length);
}

static void put_frame(struct capture *capture)
{
	uint8_t header[16] = {0};

	write_u32(header, 1700000000u + capture->frames++);
	write_u32(header + 8, capture->length);
	write_u32(header + 12, capture->length);
	assert_int_equal(write(capture->fd, header, 16), 16);
	assert_int_equal(write(capture->fd, capture->bytes, capture->length), capture->length);
	capture->length = 0;
}

// Datagrams of IPv4 and IPv6 by turns, each from a port of its own.
static void put_plain(struct capture *capture)
{
	for (uint16_t i = 0; i < PLAIN_FRAMES; i++) {
		push_udp(capture, i + 1, 53);
		if (i % 2 == 0)
			push_ip4(capture, UDP, 0, false);
		else
			push_ip6(capture, UDP);
		put_frame(capture);
	}
}

// A datagram of 48 bytes in two pieces, the second one first; in a tunnel or not.
static void put_fragments4(struct capture *capture, uint16_t port, bool is_tunneled)
{
	for (int piece = 1; piece >= 0; piece--) {
		push(capture, piece == 1 ? 24 : 16);
		if (piece == 0) {
			push_udp(capture, port, 53);
			store16(capture->bytes + 4, 48);
		}
		push_ip4(capture, UDP, piece == 1 ? 3 : 0x2000, false);
		if (is_tunneled)
			push_ip4(capture, 4, 0, false);
		put_frame(capture);
	}
}

static void put_fragments6(struct capture *capture, uint16_t port)
{
	for (int piece = 0; piece < 2; piece++) {
		push(capture, piece == 1 ? 24 : 16);
		if (piece == 0) {
			push_udp(capture, port, 53);
			store16(capture->bytes + 4, 48);
		}
		uint8_t *fragment = push(capture, 8);

		fragment[0] = UDP;
		store16(fragment + 2, piece == 1 ? 24 : 1);
		fragment[7] = 9;
		push_ip6(capture, 44);
		put_frame(capture);
	}
}

static void put_segment(struct capture *capture, bool is_reply, uint8_t flags, uint32_t sequence,
			uint32_t acknowledged, uint32_t length)
{
	push(capture, length);

	uint8_t *tcp = push(capture, 20);

	store16(tcp, is_reply ? 80 : 3000);
	store16(tcp + 2, is_reply ? 3000 : 80);
	store32(tcp + 4, (is_reply ? 9000 : 1000) + sequence);
	store32(tcp + 8, (flags & 0x10) != 0 ? (is_reply ? 1000 : 9000) + acknowledged : 0);
	tcp[12] = 0x50;
	tcp[13] = flags;
	store16(tcp + 14, 8192);
	push_ip4(capture, TCP, 0, is_reply);
	put_frame(capture);
}

// Bytes that come early, twice, and in order in the end.
static void put_tcp(struct capture *capture)
{
	put_segment(capture, false, 0x02, 0, 0, 0);
	put_segment(capture, true, 0x12, 0, 1, 0);
	put_segment(capture, false, 0x10, 1, 1, 0);
	put_segment(capture, false, 0x10, 101, 1, 50);
	put_segment(capture, false, 0x10, 201, 1, 50);
	put_segment(capture, false, 0x10, 1, 1, 30);
	put_segment(capture, false, 0x10, 31, 1, 100);
	put_segment(capture, false, 0x10, 151, 1, 50);
	put_segment(capture, true, 0x10, 1, 251, 20);
	put_segment(capture, false, 0x11, 251, 21, 0);
	put_segment(capture, true, 0x11, 21, 252, 0);
}

static void put_mixed(struct capture *capture)
{
	push(capture, 4);
	push_udp(capture, 2000, 69);
	push_ip4(capture, UDP, 0, false);
	put_frame(capture);
	push_udp(capture, 7777, 2000);
	push_ip4(capture, UDP, 0, true);
	put_frame(capture);
	// An ICMP error about the first.
	push_udp(capture, 2000, 69);
	push_ip4(capture, UDP, 0, false);
	memcpy(push(capture, 8), (uint8_t[]){3, 3}, 2);
	push_ip4(capture, 1, 0, true);
	put_frame(capture);
	// And one about nothing that was seen.
	push_udp(capture, 2001, 69);
	push_ip4(capture, UDP, 0, false);
	memcpy(push(capture, 8), (uint8_t[]){3, 3}, 2);
	push_ip4(capture, 1, 0, true);
	put_frame(capture);
	put_fragments4(capture, 2100, false);
	put_fragments4(capture, 2200, true);
	put_fragments6(capture, 2300);
	push_udp(capture, 2400, 53);
	push_ip6(capture, UDP);
	push_ip4(capture, 41, 0, false);
	put_frame(capture);
	put_tcp(capture);
}

static int write_capture(void **state)
{
	static const uint8_t header[24] = {0xd4, 0xc3,	   0xb2, 0xa1, 2,	  0,
					   4,	 [16] = 0, 0,	 1,    [20] = 101};
	struct capture capture = {.fd = mkstemp(capture_path)};

	close(mkstemp(written_path));
	close(mkstemp(events_path));
	assert_int_equal(write(capture.fd, header, sizeof(header)), sizeof(header));
	put_plain(&capture);
	put_mixed(&capture);
	assert_int_equal(capture.frames, PLAIN_FRAMES + MIXED_FRAMES);
	close(capture.fd);
	return 0;
}

static int remove_files(void **state)
{
	unlink(capture_path);
	unlink(written_path);
	unlink(events_path);
	return 0;
}

static int set_up(struct engine *engine, char *error, size_t size)
{
	char uri[128];

	snprintf(uri, sizeof(uri), "pcap:%s", capture_path);
	int result = engine_add_interface(engine, "in", uri, error, size);

	if (result < 0)
		return result;
	snprintf(uri, sizeof(uri), "pcap:%s?write=1", written_path);
	result = engine_add_interface(engine, "out", uri, error, size);
	if (result < 0)
		return result;
	result = engine_add_interface(engine, "spare", "memory:spare?frames=2", error, size);
	if (result < 0)
		return result;
	result = engine_add_tap(engine, 0, 1, error, size);
	if (result == 0)
		result = engine_add_plugin(engine, &plugin, NULL, error, size);
	if (result >= 0)
		result = engine_add_plugin(engine, &viewer, NULL, error, size);
	if (result >= 0)
		result = engine_set_event_output(
			engine, events_path,
			STELLAR_EVE_FLOW | STELLAR_EVE_DROP | STELLAR_EVE_PLUGIN, error, size);
	if (result == 0)
		result = engine_start(engine, error, size);
	return result;
}

static int apply_policy(struct engine *engine, char *error, size_t size)
{
	uint8_t image[IMAGE_SIZE] = STELLAR_POLICY_MAGIC;
	uint8_t *section = image + STELLAR_POLICY_HEADER_SIZE;

	write_u32(image + 8, IMAGE_SIZE);
	write_u32(image + 12, 1);
	write_u32(image + 16, 1);
	memcpy(section, "painter", 7);
	write_u32(section + 64, IMAGE_SIZE - SECTION_SIZE);
	write_u32(section + 68, SECTION_SIZE);
	write_u32(image + 20, (uint32_t)crc32(0, image + 24, IMAGE_SIZE - 24));
	return engine_policy_apply(engine, image, sizeof(image), error, size);
}

struct figures {
	struct packet_stats packets;
	struct session_stats sessions;
	struct stream_stats streams;
	struct plugin_stats plugin;
};

// worker_count: more than one are made, and not run. Returns 0 or the error of the first call that
// was refused.
static int replay(uint32_t worker_count, struct figures *ret_figures, char *error, size_t size)
{
	struct engine_config config;
	struct engine *engine;

	engine_config_init(&config);
	config.session_capacity = 64;
	config.worker_count = worker_count;
	config.tunnel_parents = true;
	config.is_inline = true;
	config.verify_checksums = false;
	config.hash_seed[0] = 1;
	int result = engine_create(&config, &engine, error, size);

	if (result != 0)
		return result;
	result = set_up(engine, error, size);
	if (result == 0)
		result = apply_policy(engine, error, size);
	if (result == 0 && worker_count == 1) {
		result = engine_worker_run(engine, 0, -1);
		snprintf(error, size, "%s", engine_get_interface_error(engine, 0));
		engine_get_packet_stats(engine, &ret_figures->packets);
		engine_get_session_stats(engine, &ret_figures->sessions);
		engine_get_stream_stats(engine, &ret_figures->streams);
		engine_get_plugin_stats(engine, &ret_figures->plugin, 1);
	}
	engine_destroy(engine);
	return result;
}

struct outcome {
	struct figures figures; // of the last run, which had all it asked for
	int refused; // runs
	int lossy;
	int unheard; // runs in which a session's bytes could not be put in order
	int timerless; // runs in which a timer could not be had
};

// lasts: what is asked for after the one that failed is not given either.
static void fail_each_allocation(uint32_t worker_count, bool lasts, struct outcome *ret_outcome)
{
	struct figures *figures = &ret_outcome->figures;
	bool has_failed = true;

	memory.lasts = lasts;
	for (int run = 0; has_failed; run++) {
		char error[256] = "";
		int64_t areas = memory.areas;
		int64_t mapped_bytes = memory.mapped_bytes;

		assert_true(run < RUNS_MAX);
		memset(figures, 0, sizeof(*figures));
		memory.left = run;
		int result = replay(worker_count, figures, error, sizeof(error));

		has_failed = memory.left < 0;
		memory.left = -1;
		if (result < 0 && error[0] == '\0')
			fail_msg("allocation %d: %s, and no reason given", run, strerror(-result));
		if (memory.areas != areas || memory.mapped_bytes != mapped_bytes)
			fail_msg("allocation %d: %lld areas and %lld mapped bytes are left (%s)",
				 run, (long long)(memory.areas - areas),
				 (long long)(memory.mapped_bytes - mapped_bytes), error);
		assert_int_equal(packet_stats_imbalance(&figures->packets), 0);
		assert_int_equal(figures->packets.held, 0);
		assert_int_equal(figures->sessions.active, 0);
		assert_int_equal(figures->sessions.opening, 0);
		assert_int_equal(figures->streams.active, 0);
		assert_int_equal(figures->streams.held_bytes, 0);
		assert_int_equal(figures->plugin.timers, 0);
		if (!has_failed)
			assert_int_equal(result, 0);
		ret_outcome->refused += result < 0;
		ret_outcome->lossy +=
			result == 0 && figures->packets.forwarded - figures->packets.generated <
					       PLAIN_FRAMES + MIXED_FRAMES;
		ret_outcome->unheard += figures->streams.no_memory > 0;
		ret_outcome->timerless += figures->plugin.timers_refused > 0;
	}
}

static void check_replay(bool lasts)
{
	struct outcome outcome = {0};

	not_injected = 0;
	fail_each_allocation(1, lasts, &outcome);

	const struct figures *figures = &outcome.figures;

	assert_int_equal(figures->packets.received, PLAIN_FRAMES + MIXED_FRAMES);
	assert_int_equal(figures->packets.generated, 15);
	assert_int_equal(figures->packets.forwarded, PLAIN_FRAMES + MIXED_FRAMES + 15);
	assert_int_equal(figures->sessions.expectations_met, 1);
	assert_int_equal(figures->streams.opened, 1);
	assert_int_equal(figures->streams.delivered_bytes, 250 + 20);
	assert_true(outcome.refused > 10);
	assert_true(outcome.lossy > 0);
	assert_true(outcome.unheard > 0);
	assert_true(outcome.timerless > 0);
	assert_true(not_injected > 0);
}

static void test_replay_survives_the_failure_of_any_allocation(void **state)
{
	check_replay(false);
}

static void test_replay_survives_the_end_of_memory(void **state)
{
	check_replay(true);
}

static void test_workers_are_made_or_refused_whole(void **state)
{
	struct outcome outcome = {0};

	fail_each_allocation(3, true, &outcome);

	assert_true(outcome.refused > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay_survives_the_failure_of_any_allocation),
		cmocka_unit_test(test_replay_survives_the_end_of_memory),
		cmocka_unit_test(test_workers_are_made_or_refused_whole),
	};
	return cmocka_run_group_tests(tests, write_capture, remove_files);
}
