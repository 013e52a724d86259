// SPDX-License-Identifier: Apache-2.0

// Every allocation fails once: a replay with plugins, a policy, metadata and outputs is run again
// and again, the n-th allocation failing in the n-th run, until a run needs fewer than n. A run may
// be refused with a reason or lose packets that it counts; it never crashes, leaks or miscounts.
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
#include <zlib.h>

#define RUNS_MAX 500
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
	int left; // successes before the one failure; below 0: it has been
	int64_t areas; // allocated and not freed
	int64_t mapped_bytes;
} memory = {.left = -1};

static bool fails(void)
{
	if (memory.left < 0 || memory.left-- > 0)
		return false;
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

static void enter(struct session *session, void *context)
{
	plugin_counter_add(session, 0, 1);
	if (session_get_event(session)->type == STELLAR_EVENT_SESSION_OPENING)
		session_copy_metadata(session, "colour", "red", 4);
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
		  EVENT(SESSION_CLOSING),
	.context_size = sizeof(void *),
	.load = load,
	.context_init = context_init,
	.context_free = context_free,
	.entry = enter,
	.policy_prepare = prepare,
	.policy_retire = retire,
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

// Raw IP: datagrams of IPv4 and IPv6 by turns, each from a port of its own.
static int write_capture(void **state)
{
	static const uint8_t header[24] = {0xd4, 0xc3,	   0xb2, 0xa1, 2,	  0,
					   4,	 [16] = 0, 0,	 1,    [20] = 101};
	int fd = mkstemp(capture_path);

	close(mkstemp(written_path));
	close(mkstemp(events_path));
	assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
	for (uint8_t i = 0; i < 40; i++) {
		uint8_t frame[16 + 48] = {0};
		uint32_t length = i % 2 == 0 ? 28 : 48;
		uint8_t *ip = frame + 16;
		uint8_t *udp = ip + length - 8;

		write_u32(frame, 1700000000u + i);
		write_u32(frame + 8, length);
		write_u32(frame + 12, length);
		if (i % 2 == 0)
			memcpy(ip, (uint8_t[]){0x45, 0, 0,   28, 0, 0, 0,   0, 64, 17,
					       0,    0, 192, 0,	 2, 1, 192, 0, 2,  2},
			       20);
		else
			memcpy(ip,
			       (uint8_t[]){0x60, 0, 0, 0, 0, 8, 17, 64, 0x20, [23] = 1,
					   0x20, [39] = 2},
			       40);
		udp[1] = (uint8_t)(i + 1);
		udp[3] = 53;
		udp[5] = 8;
		assert_int_equal(write(fd, frame, 16 + length), 16 + length);
	}
	close(fd);
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
		result = engine_set_event_output(engine, events_path,
						 STELLAR_EVE_FLOW | STELLAR_EVE_DROP, error, size);
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

// Returns 0 or the error of the first call that was refused.
static int replay(struct packet_stats *ret_stats, char *error, size_t size)
{
	struct engine_config config;
	struct engine *engine;

	engine_config_init(&config);
	config.session_capacity = 64;
	config.is_inline = true;
	config.verify_checksums = false;
	config.hash_seed[0] = 1;
	int result = engine_create(&config, &engine, error, size);

	if (result != 0)
		return result;
	result = set_up(engine, error, size);
	if (result == 0)
		result = apply_policy(engine, error, size);
	if (result == 0) {
		result = engine_worker_run(engine, 0, -1);
		snprintf(error, size, "%s", engine_get_interface_error(engine, 0));
		engine_get_packet_stats(engine, ret_stats);
	}
	engine_destroy(engine);
	return result;
}

static void test_replay_survives_the_failure_of_any_allocation(void **state)
{
	struct packet_stats stats;
	bool has_failed = true;
	int refused = 0;
	int lossy = 0;

	for (int run = 0; has_failed; run++) {
		char error[256] = "";
		int64_t areas = memory.areas;
		int64_t mapped_bytes = memory.mapped_bytes;

		assert_true(run < RUNS_MAX);
		memset(&stats, 0, sizeof(stats));
		memory.left = run;
		int result = replay(&stats, error, sizeof(error));

		has_failed = memory.left < 0;
		memory.left = -1;
		if (result < 0 && error[0] == '\0')
			fail_msg("allocation %d: %s, and no reason given", run, strerror(-result));
		if (memory.areas != areas || memory.mapped_bytes != mapped_bytes)
			fail_msg("allocation %d: %lld areas and %lld mapped bytes are left (%s)",
				 run, (long long)(memory.areas - areas),
				 (long long)(memory.mapped_bytes - mapped_bytes), error);
		assert_int_equal(packet_stats_imbalance(&stats), 0);
		if (!has_failed)
			assert_int_equal(result, 0);
		refused += result < 0;
		lossy += result == 0 && stats.forwarded < 40;
	}
	// The last run had all it asked for.
	assert_int_equal(stats.received, 40);
	assert_int_equal(stats.forwarded, 40);
	assert_true(refused > 10);
	assert_true(lossy > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay_survives_the_failure_of_any_allocation),
	};
	return cmocka_run_group_tests(tests, write_capture, remove_files);
}
