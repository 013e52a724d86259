// SPDX-License-Identifier: Apache-2.0

// Death at any instruction. An engine in a child process handles packets; at each of its
// instructions that changes what outlives it, and at random moments, its successor looks at what is
// there. Every session that was not in change must be there, whole.

#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "harness.h"
#include "session/region.h"
#include "session/resume.h"

#define CAPACITY 64
#define BYSTANDERS 8
#define FIRST_PORT 3000
#define FRAME_BYTES 43 // of a datagram with one byte
#define DNS 53
#define LAST_BYTES 65536
#define KILLS 250
#define STEPS_MAX 400000

struct memory {
	uint64_t packets;
	uint64_t mirror;
};

struct life {
	struct harness harness;
	struct harness_plugin plugin;
	char path[64];
};

static void remember(struct harness *harness, struct session *session, void *context)
{
	struct memory *memory = context;

	(void)session;
	harness->log[0] = '\0';
	memory->packets++;
	memory->mirror++;
}

static void open_engine(struct life *life)
{
	struct engine_config config;
	char error[256] = "";

	engine_config_init(&config);
	config.is_inline = true;
	config.session_capacity = CAPACITY;
	config.timeouts.udp_opening_sec = 1;
	harness_open(&life->harness, &config);
	harness_add_plugin(&life->harness, &life->plugin, "memory",
			   STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET), remember);
	life->plugin.plugin.context_size = sizeof(struct memory);
	life->plugin.plugin.context_persistent_size = sizeof(struct memory);
	life->plugin.plugin.context_init = NULL;
	life->plugin.plugin.context_free = NULL;
	assert_int_equal(engine_add_session_directory(life->harness.engine, life->path, error,
						      sizeof(error)),
			 0);
	harness_start(&life->harness);
}

static void send_to(struct life *life, uint32_t number, bool from_responder)
{
	harness_send_datagram(&life->harness, (uint16_t)(FIRST_PORT + number), DNS, "x",
			      from_responder);
	harness_drain(&life->harness, true);
	harness_drain(&life->harness, false);
}

// Sessions that nothing happens to later.
static void open_bystanders(struct life *life)
{
	for (uint32_t number = 0; number < BYSTANDERS; number++) {
		send_to(life, number, false);
		send_to(life, number, true);
	}
}

static void set_up_life(struct life *life)
{
	memset(life, 0, sizeof(*life));
	strcpy(life->path, "/dev/shm/stellar-test-death-XXXXXX");
	assert_non_null(mkdtemp(life->path));
}

// What holds for every session that is found: nothing of it is half done.
static void assert_whole(const struct session_table *table, uint32_t index,
			 const struct plugin_block *block)
{
	const struct memory *memory = (const struct memory *)block->contexts;
	uint64_t packets = 0;

	for (int direction = 0; direction < STELLAR_DIRECTION_COUNT; direction++) {
		uint64_t count = session_table_get_packets(table, index, direction);

		assert_int_equal(session_table_get_bytes_of(table, index, direction),
				 count * FRAME_BYTES);
		packets += count;
	}
	assert_int_equal(table->hot[index].flags & (SESSION_REPLY_RST | SESSION_REPLY_ICMP), 0);
	assert_int_equal(memory->packets, packets);
	assert_int_equal(memory->mirror, packets);
	assert_int_equal(table->hot[index].state, session_table_get_packets(table, index, 1) > 0
							  ? STELLAR_SESSION_ACTIVE
							  : STELLAR_SESSION_OPENING);
}

// A copy of what the engine under test has, and the table that a successor makes of it.
struct copy {
	int directory;
	char path[64];
	struct region *region;
	struct session_table *table;
	const struct worker *worker; // the original's
	uint8_t *last; // what was looked at before
	uint64_t looks;
	uint64_t torn;
	uint64_t found_most;
};

static void open_copy(struct copy *copy, const struct worker *worker)
{
	struct region_shape shape = {.header_size = sizeof(struct session_marks)};

	*copy = (struct copy){.worker = worker, .last = calloc(1, LAST_BYTES)};
	strcpy(copy->path, "/dev/shm/stellar-test-copy-XXXXXX");
	assert_non_null(mkdtemp(copy->path));
	copy->directory = region_directory_open(copy->path);
	assert_true(copy->directory >= 0);
	session_resume_add_shape(CAPACITY, &shape);
	assert_int_equal(region_create(copy->directory, "copy", &shape, &copy->region), 0);
	assert_true(region_array_reach(&copy->region->array[0], CAPACITY + 1));
	assert_true(region_array_reach(&copy->region->array[1], CAPACITY + 1));
}

static void close_copy(struct copy *copy)
{
	region_close(copy->region);
	region_remove(copy->directory, "copy");
	rmdir(copy->path);
	free(copy->last);
}

// Whether a line, a mark or a context is another than at the last look.
static bool has_changed(struct copy *copy)
{
	const struct session_memory *memory = &copy->worker->table->memory;
	uint8_t *last = copy->last;
	const struct region_array *blocks = copy->worker->blocks.area;
	const void *parts[] = {memory->hot->records, memory->cold->records, blocks->records,
			       memory->marks};
	const size_t sizes[] = {CAPACITY * 64, CAPACITY * 48, CAPACITY * blocks->record_size,
				sizeof(*memory->marks)};
	bool changed = false;

	for (int i = 0; i < 4; i++) {
		changed |= memcmp(last, parts[i], sizes[i]) != 0;
		memcpy(last, parts[i], sizes[i]);
		last += sizes[i];
	}
	assert_true(last <= copy->last + LAST_BYTES);
	return changed;
}

static void take_copy(struct copy *copy)
{
	const struct session_table *original = copy->worker->table;
	struct session_table_config config = {
		.capacity = CAPACITY,
		.secret = original->secret,
		.timeouts = copy->worker->engine->config.timeouts,
		.expired = session_stage_expired,
		.memory =
			{
				.hot = &copy->region->array[0],
				.cold = &copy->region->array[1],
				.extensions = &copy->region->array[2],
				.marks = copy->region->header,
			},
	};

	memcpy(copy->region->header, original->memory.marks, sizeof(*original->memory.marks));
	memcpy(config.memory.hot->records, original->memory.hot->records, (CAPACITY + 1) * 64);
	memcpy(config.memory.cold->records, original->memory.cold->records, (CAPACITY + 1) * 48);
	config.now_ms = config.memory.marks->now_ns / NS_PER_MS;
	assert_int_equal(session_table_create(&config, &copy->table), 0);
}

static void look(struct copy *copy)
{
	const struct session_resume resume = {.interface_count = 2, .flags = UINT16_MAX};
	const struct region_array *blocks = copy->worker->blocks.area;
	struct session_resume_count count = {0};
	uint32_t bystanders = 0;

	take_copy(copy);
	assert_int_equal(session_table_resume(copy->table, &resume, &count), 0);
	for (uint32_t index = session_table_next(copy->table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(copy->table, index)) {
		assert_int_not_equal(copy->table->cold[index].context, 0);
		const struct plugin_block *block =
			(const struct plugin_block *)(blocks->records +
						      (copy->table->cold[index].context - 1) *
							      blocks->record_size);

		assert_whole(copy->table, index, block);
		bystanders += session_table_get_id(copy->table, index) <= BYSTANDERS;
	}
	assert_int_equal(bystanders, BYSTANDERS);
	assert_true(count.torn <= 1);
	copy->looks++;
	copy->torn += count.torn;
	if (count.resumed > copy->found_most)
		copy->found_most = count.resumed;
	session_table_destroy(copy->table);
}

// What happens under the eyes of the test: packets of known and new sessions, both ways, then the
// end of some by time.
static void live(struct life *life)
{
	for (uint32_t number = 20; number < 23; number++) {
		send_to(life, number, false);
		send_to(life, number, false);
		if (number == 20)
			send_to(life, number, true);
	}
	life->harness.time_ns += UINT64_C(1500000000);
	send_to(life, 30, false);
}

// The lines were changed by another process: this one's engine must not close what it believes to
// have, so it ends as one that did not come to run, and leaves its files.
static void abandon(struct life *life)
{
	int directory;

	life->harness.worker = NULL;
	life->harness.engine->started = false;
	harness_close(&life->harness);
	directory = region_directory_open(life->path);
	region_remove(directory, "sessions-0");
	region_remove(directory, "contexts-0");
	close(directory);
	assert_int_equal(rmdir(life->path), 0);
}

static void test_death_at_any_instruction_leaves_whole_sessions(void **state)
{
	struct life life;
	struct copy copy;
	int status = 0;
	uint64_t steps = 0;
	(void)state;
	set_up_life(&life);
	open_engine(&life);
	open_bystanders(&life);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		live(&life);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	open_copy(&copy, life.harness.worker);

	for (; WIFSTOPPED(status) && steps < STEPS_MAX; steps++) {
		if (has_changed(&copy))
			look(&copy);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, 0, 0), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
	}

	assert_true(WIFEXITED(status));
	printf("%llu steps, %llu states looked at, %llu with a torn session\n",
	       (unsigned long long)steps, (unsigned long long)copy.looks,
	       (unsigned long long)copy.torn);
	assert_true(copy.looks > 150);
	assert_true(copy.torn > 80 && copy.torn < copy.looks);
	assert_int_equal(copy.found_most, BYSTANDERS + 3);
	close_copy(&copy);
	abandon(&life);
}

// Packets without end, to sessions that stay and to others that come and go.
static void live_on(struct life *life, uint32_t seed)
{
	for (uint32_t round = seed;; round = round * 1664525u + 1013904223u) {
		send_to(life, round >> 16 & 7u, (round >> 24 & 1u) != 0);
		send_to(life, BYSTANDERS + (round >> 20 & 31u), false);
		life->harness.time_ns += round >> 8 & 0x3fffffu;
	}
}

// The alarm, which nobody handles, comes at any instruction.
static void kill_and_resume(struct life *life, uint32_t seed)
{
	const struct itimerval moment = {.it_value.tv_usec = 1 + seed * 7919u % 3000u};
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		open_engine(life);
		open_bystanders(life);
		setitimer(ITIMER_REAL, &moment, NULL);
		live_on(life, seed);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
	open_engine(life);
}

static void test_death_at_random_moments_leaves_whole_sessions(void **state)
{
	uint64_t resumed = 0;
	uint64_t torn = 0;
	struct life life;
	(void)state;
	set_up_life(&life);
	for (uint32_t seed = 1; seed <= KILLS; seed++) {
		uint32_t bystanders = 0;
		kill_and_resume(&life, seed);
		struct worker *worker = life.harness.worker;
		const struct session_stats *stats = &worker->ledger.sessions;

		for (uint32_t index = session_table_next(worker->table, SESSION_NONE);
		     index != SESSION_NONE; index = session_table_next(worker->table, index)) {
			struct session session;
			session_view(worker, index, &session);
			assert_whole(worker->table, index, session.block);
			bystanders += session_get_id(&session) <= BYSTANDERS;
		}

		assert_true(stats->torn <= 1);
		assert_true(bystanders + stats->torn >= BYSTANDERS);
		assert_int_equal(stats->active, worker->table->count);
		resumed += stats->resumed;
		torn += stats->torn;
		harness_close(&life.harness);
	}
	printf("%d deaths: %llu sessions went on, %llu were torn\n", KILLS,
	       (unsigned long long)resumed, (unsigned long long)torn);
	assert_true(resumed > KILLS * BYSTANDERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_death_at_any_instruction_leaves_whole_sessions),
		cmocka_unit_test(test_death_at_random_moments_leaves_whole_sessions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
