// SPDX-License-Identifier: Apache-2.0

// A killed engine's sessions in the next one. The engine that dies is a child process of the test.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/spread.h"
#include "engine/worker.h"
#include "harness.h"
#include "packet/checksum.h"
#include "packet/cursor.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define RESUMED STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_RESUMED)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define DNS 53
#define START_NS UINT64_C(1700000000000000000)

// What a plugin of these tests keeps of a session.
struct memory {
	uint64_t packets; // persistent
	uint64_t mirror; // persistent; always the same
	uint64_t pointer; // not
};

struct engine_under_test {
	struct harness harness;
	struct harness_plugin plugins[2];
	char path[64];
};

static int set_up(void **state)
{
	struct engine_under_test *test = calloc(1, sizeof(*test));

	assert_non_null(test);
	strcpy(test->path, "/dev/shm/stellar-test-restart-XXXXXX");
	assert_non_null(mkdtemp(test->path));
	*state = test;
	return 0;
}

static int tear_down(void **state)
{
	struct engine_under_test *test = *state;

	// A stopped engine has removed it.
	assert_int_equal(access(test->path, F_OK), -1);
	free(test);
	return 0;
}

static struct engine_config config_of(uint64_t capacity)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = true;
	config.midstream = 0;
	config.session_capacity = capacity;
	return config;
}

static void open_engine(struct engine_under_test *test, const struct engine_config *config)
{
	const struct engine_config defaults = config_of(1024);
	char error[256] = "";

	harness_open(&test->harness, config != NULL ? config : &defaults);
	assert_int_equal(engine_add_session_directory(test->harness.engine, test->path, error,
						      sizeof(error)),
			 0);
}

static void remember(struct harness *harness, struct session *session, void *context)
{
	struct memory *memory = context;

	(void)harness;
	switch (session_get_event(session)->type) {
	case STELLAR_EVENT_SESSION_RESUMED:
		memory->pointer = 2;
		break;
	case STELLAR_EVENT_SESSION_PACKET:
		memory->packets++;
		memory->mirror = memory->packets;
		break;
	default:
		memory->pointer = 1;
	}
}

static void block_it(struct harness *harness, struct session *session, void *context)
{
	(void)harness;
	(void)context;
	if (session_get_event(session)->type == STELLAR_EVENT_SESSION_OPENING)
		session_reject(session, STELLAR_REPLY_RST);
}

static void add_memory(struct engine_under_test *test, unsigned place, const char *name)
{
	struct harness_plugin *plugin = &test->plugins[place];

	harness_add_plugin(&test->harness, plugin, name, OPENING | RESUMED | PACKET | CLOSING,
			   remember);
	plugin->plugin.context_size = sizeof(struct memory);
	plugin->plugin.context_persistent_size = offsetof(struct memory, pointer);
	plugin->plugin.context_init = NULL;
	plugin->plugin.context_free = NULL;
}

// Run work in a process that kills itself after it, and wait for its death.
static void kill_after(struct engine_under_test *test, void (*work)(struct engine_under_test *test))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		work(test);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// The next engine's time goes on behind the last one's.
static void start_next(struct engine_under_test *test, uint64_t later_ms)
{
	harness_start(&test->harness);
	test->harness.time_ns = START_NS + later_ms * NS_PER_MS;
}

static struct session_record only_session(struct engine_under_test *test)
{
	struct worker *worker = test->harness.worker;
	struct session_record record;
	struct session session;
	uint32_t index = session_table_next(worker->table, SESSION_NONE);

	assert_int_not_equal(index, SESSION_NONE);
	assert_int_equal(session_table_next(worker->table, index), SESSION_NONE);
	session_view(worker, index, &session);
	session_record_fill(&session, &record);
	return record;
}

static struct session_stats stats_of(struct engine_under_test *test)
{
	struct session_stats stats;

	worker_publish(test->harness.worker);
	engine_get_session_stats(test->harness.engine, &stats);
	return stats;
}

static const struct harness_segment syn = {1000, 80, 100, 0, STELLAR_TCP_SYN, false};
static const struct harness_segment syn_ack = {
	1000, 80, 500, 101, STELLAR_TCP_SYN | STELLAR_TCP_ACK, true};
static const struct harness_segment ack = {1000, 80, 101, 501, STELLAR_TCP_ACK, false};

static void establish(struct engine_under_test *test)
{
	open_engine(test, NULL);
	harness_start(&test->harness);
	harness_send_segment(&test->harness, &syn);
	harness_send_segment(&test->harness, &syn_ack);
	harness_send_segment(&test->harness, &ack);
}

static void test_established_session_goes_on(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, establish);
	open_engine(test, NULL);
	start_next(test, 500);

	struct session_record record = only_session(test);
	struct verdict verdict = harness_send_segment(&test->harness, &ack);
	struct verdict back = harness_send_segment(&test->harness, &syn_ack);

	assert_int_equal(record.id, 1);
	assert_int_equal(record.start_ns, START_NS);
	assert_int_equal(record.tcp_state, STELLAR_TCP_ESTABLISHED);
	assert_int_equal(record.packets[0], 2);
	assert_int_equal(record.packets[1], 1);
	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	assert_int_not_equal(back.drop_reason, STELLAR_DROPPED_TCP_INVALID);
	assert_int_equal(only_session(test).packets[0], 3);
	assert_int_equal(only_session(test).id, 1);
	harness_close(&test->harness);
}

static void test_segment_without_its_session_is_refused(void **state)
{
	struct engine_under_test *test = *state;
	open_engine(test, NULL);
	start_next(test, 0);

	struct verdict verdict = harness_send_segment(&test->harness, &ack);

	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_TCP_INVALID);
	harness_close(&test->harness);
}

static void test_figures_tell_resumed_from_created(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, establish);
	open_engine(test, NULL);
	start_next(test, 500);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);

	struct session_stats stats = stats_of(test);

	assert_int_equal(stats.resumed, 1);
	assert_int_equal(stats.torn, 0);
	assert_int_equal(stats.created, 1);
	assert_int_equal(stats.active, 2);
	assert_non_null(strstr(engine_get_resume_line(test->harness.engine), "1 sessions go on"));
	harness_close(&test->harness);
}

static void test_ids_are_not_used_again(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, establish);
	open_engine(test, NULL);
	start_next(test, 500);
	harness_send_segment(&test->harness,
			     &(struct harness_segment){1000, 80, 101, 501,
						       STELLAR_TCP_RST | STELLAR_TCP_ACK, false});
	harness_send_segment(&test->harness,
			     &(struct harness_segment){1000, 80, 9000, 0, STELLAR_TCP_SYN, false});

	assert_int_equal(only_session(test).id, 2);
	harness_close(&test->harness);
}

static void test_sessions_keep_their_home_worker(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, establish);
	open_engine(test, NULL);
	start_next(test, 500);
	const struct engine *engine = test->harness.engine;
	struct session_secret secret = spread_secret(engine->config.hash_seed);

	assert_int_equal(test->harness.worker->table->secret.word[0], engine->config.hash_seed[0]);
	assert_memory_equal(&engine->home_secret, &secret, sizeof(secret));
	harness_close(&test->harness);
}

static void test_session_whose_time_is_over_closes_with_its_own_reason(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, establish);
	open_engine(test, NULL);
	start_next(test, 7441000);

	harness_send_datagram(&test->harness, 5000, DNS, "x", false);

	assert_int_equal(stats_of(test).closed[STELLAR_CLOSED_TIMEOUT], 1);
	assert_int_equal(stats_of(test).active, 1);
	harness_close(&test->harness);
}

static void converse(struct engine_under_test *test)
{
	open_engine(test, NULL);
	add_memory(test, 0, "memory");
	harness_start(&test->harness);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
}

static struct memory *memory_of(struct engine_under_test *test, unsigned place)
{
	struct worker *worker = test->harness.worker;
	struct session session;

	session_view(worker, session_table_next(worker->table, SESSION_NONE), &session);
	for (size_t i = 0; i < test->harness.engine->plugin_count; i++) {
		struct plugin_host *host = test->harness.engine->plugins[i];

		if (host->plugin == &test->plugins[place].plugin)
			return (struct memory *)(session.block->contexts +
						 host->account->context_offset);
	}
	return NULL;
}

static void test_plugin_hears_of_it_once_before_the_packet(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse);
	open_engine(test, NULL);
	add_memory(test, 0, "memory");
	start_next(test, 500);
	assert_string_equal(test->harness.log, "");

	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);

	assert_string_equal(test->harness.log, "memory:session_resumed memory:session_packet "
					       "memory:session_packet ");
	harness_close(&test->harness);
}

static void test_plugin_hears_of_it_before_the_closing(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse);
	open_engine(test, NULL);
	add_memory(test, 0, "memory");
	start_next(test, 500);

	harness_close(&test->harness);

	assert_string_equal(test->harness.log, "memory:session_resumed memory:session_closing ");
}

static void test_persistent_part_of_a_context_survives(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse);
	open_engine(test, NULL);
	add_memory(test, 0, "memory");
	start_next(test, 500);

	assert_int_equal(memory_of(test, 0)->packets, 2);
	assert_int_equal(memory_of(test, 0)->pointer, 0);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
	assert_int_equal(memory_of(test, 0)->packets, 3);
	assert_int_equal(memory_of(test, 0)->pointer, 2);
	harness_close(&test->harness);
}

static void test_context_follows_its_plugin_to_another_place(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse);
	open_engine(test, NULL);
	add_memory(test, 0, "memory");
	add_memory(test, 1, "aaa"); // runs first
	start_next(test, 500);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);

	assert_int_equal(memory_of(test, 0)->packets, 3);
	assert_int_equal(memory_of(test, 1)->packets, 1);
	assert_string_equal(test->harness.log, "aaa:session_resumed memory:session_resumed "
					       "aaa:session_packet memory:session_packet ");
	harness_close(&test->harness);
}

static void test_plugin_of_another_version_begins_anew(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse);
	open_engine(test, NULL);
	add_memory(test, 0, "memory");
	test->plugins[0].plugin.version = "2";
	start_next(test, 500);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);

	assert_int_equal(memory_of(test, 0)->packets, 1);
	harness_close(&test->harness);
}

static void converse_with_a_plain_plugin(struct engine_under_test *test)
{
	open_engine(test, NULL);
	harness_add_plugin(&test->harness, &test->plugins[0], "plain", PACKET, NULL);
	harness_start(&test->harness);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
}

static void test_context_without_a_persistent_part_is_made_anew(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse_with_a_plain_plugin);
	open_engine(test, NULL);
	harness_add_plugin(&test->harness, &test->plugins[0], "plain", PACKET, NULL);
	start_next(test, 500);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);

	assert_int_equal(test->plugins[0].inits, 1);
	harness_close(&test->harness);
	assert_int_equal(test->plugins[0].frees, 1);
}

static void test_plugin_that_is_new_hears_of_sessions_that_had_none(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, establish);
	open_engine(test, NULL);
	add_memory(test, 0, "memory");
	start_next(test, 500);
	harness_send_segment(&test->harness, &ack);

	assert_string_equal(test->harness.log, "memory:session_resumed memory:session_packet ");
	harness_close(&test->harness);
}

static void get_blocked(struct engine_under_test *test)
{
	open_engine(test, NULL);
	harness_add_plugin(&test->harness, &test->plugins[0], "wall", OPENING, block_it);
	harness_start(&test->harness);
	harness_send_segment(&test->harness, &syn);
}

static void test_blocked_session_stays_blocked(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, get_blocked);
	open_engine(test, NULL);
	start_next(test, 500);

	struct verdict verdict = harness_send_segment(&test->harness, &syn);

	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_BLOCKED_SESSION);
	assert_int_equal(verdict.reply, STELLAR_REPLY_RST);
	assert_true(only_session(test).blocked);
	harness_close(&test->harness);
}

static void get_locked_and_owned(struct harness *harness, struct session *session, void *context)
{
	(void)harness;
	(void)context;
	session_lock(session, pm_session_plugin_id(session));
	pm_session_take_over(session);
}

static void converse_with_an_owner(struct engine_under_test *test)
{
	open_engine(test, NULL);
	harness_add_plugin(&test->harness, &test->plugins[0], "owner", OPENING,
			   get_locked_and_owned);
	harness_add_plugin(&test->harness, &test->plugins[1], "other", PACKET, NULL);
	harness_start(&test->harness);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
}

static void test_locks_and_leases_end_with_the_engine(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse_with_an_owner);
	open_engine(test, NULL);
	harness_add_plugin(&test->harness, &test->plugins[0], "owner", OPENING, NULL);
	harness_add_plugin(&test->harness, &test->plugins[1], "other", PACKET, NULL);
	start_next(test, 500);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);

	assert_string_equal(test->harness.log, "other:session_packet ");
	assert_int_equal(test->harness.worker->lock_count, 0);
	harness_close(&test->harness);
}

// Sessions begin anew, and why.
static void assert_anew(struct engine_under_test *test, const char *why)
{
	const char *line = engine_get_resume_line(test->harness.engine);

	assert_int_equal(stats_of(test).resumed, 0);
	assert_int_equal(stats_of(test).active, 0);
	if (strstr(line, why) == NULL)
		fail_msg("expected \"%s\" in \"%s\"", why, line);
}

static void test_table_of_another_capacity_begins_anew(void **state)
{
	struct engine_under_test *test = *state;
	const struct engine_config config = config_of(2048);
	kill_after(test, establish);
	open_engine(test, &config);
	start_next(test, 500);

	assert_anew(test, "sessions-0: it is of another build, capacity");
	harness_close(&test->harness);
}

static void test_other_number_of_workers_begins_anew(void **state)
{
	struct engine_under_test *test = *state;
	struct engine_config config = config_of(1024);
	config.worker_count = 2;
	kill_after(test, establish);
	open_engine(test, &config);
	start_next(test, 500);

	assert_anew(test, "number of workers");
	harness_close(&test->harness);
}

static void test_other_secret_begins_anew(void **state)
{
	struct engine_under_test *test = *state;
	struct engine_config config = config_of(1024);
	config.hash_seed[0] = 7;
	kill_after(test, establish);
	open_engine(test, &config);
	start_next(test, 500);

	assert_anew(test, "hash secret");
	harness_close(&test->harness);
}

static void test_damaged_file_begins_anew(void **state)
{
	struct engine_under_test *test = *state;
	char path[128];
	for (int which = 0; which < 2; which++) {
		kill_after(test, establish);
		snprintf(path, sizeof(path), "%s/%s", test->path,
			 which == 0 ? "sessions-0" : "contexts-0");
		assert_int_equal(truncate(path, 5 << 20), 0);
		open_engine(test, NULL);
		start_next(test, 500);

		assert_anew(test, "damaged");
		harness_close(&test->harness);
	}
}

static void test_files_that_begin_anew_work_for_the_next(void **state)
{
	struct engine_under_test *test = *state;
	char path[128];
	kill_after(test, establish);
	snprintf(path, sizeof(path), "%s/sessions-0", test->path);
	assert_int_equal(truncate(path, 0), 0);
	kill_after(test, establish);
	open_engine(test, NULL);
	start_next(test, 500);

	assert_int_equal(stats_of(test).resumed, 1);
	harness_close(&test->harness);
}

static void test_directory_that_is_no_memory_is_not_used(void **state)
{
	struct engine_under_test *test = *state;
	assert_int_equal(rmdir(test->path), 0);
	strcpy(test->path, "/proc");
	open_engine(test, NULL);
	start_next(test, 0);
	harness_send_segment(&test->harness, &syn);

	assert_int_equal(stats_of(test).created, 1);
	assert_string_equal(engine_get_resume_line(test->harness.engine),
			    "sessions will not outlive the engine: /proc: expected a tmpfs or "
			    "hugetlbfs, found another filesystem");
	harness_close(&test->harness);
	strcpy(test->path, "/dev/shm/stellar-test-none");
}

static void test_second_directory_is_used_when_the_first_can_not_be(void **state)
{
	struct engine_under_test *test = *state;
	const struct engine_config config = config_of(1024);
	char error[256] = "";
	harness_open(&test->harness, &config);
	assert_int_equal(engine_add_session_directory(test->harness.engine, "/proc", error, 256),
			 0);
	assert_int_equal(engine_add_session_directory(test->harness.engine, test->path, error, 256),
			 0);
	start_next(test, 0);

	assert_non_null(strstr(engine_get_resume_line(test->harness.engine), test->path));
	assert_non_null(test->harness.worker->table->memory.hot);
	harness_close(&test->harness);
}

static void test_directory_of_a_running_engine_is_left_alone(void **state)
{
	struct engine_under_test *test = *state;
	struct engine_under_test other = {0};
	open_engine(test, NULL);
	start_next(test, 0);
	harness_send_segment(&test->harness, &syn);
	strcpy(other.path, test->path);
	open_engine(&other, NULL);
	harness_start(&other.harness);

	assert_anew(&other, "another engine uses it");
	harness_close(&other.harness);
	assert_int_equal(stats_of(test).active, 1);
	assert_int_equal(access(test->path, F_OK), 0);
	harness_close(&test->harness);
}

static void hand_over(struct engine_under_test *test)
{
	establish(test);
	engine_hand_over(test->harness.engine);
	harness_close(&test->harness);
}

static void test_sessions_handed_over_go_on(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, hand_over);
	open_engine(test, NULL);
	start_next(test, 500);

	assert_int_equal(only_session(test).id, 1);
	assert_int_equal(stats_of(test).torn, 0);
	harness_close(&test->harness);
}

static void die_in_a_callback(struct harness *harness, struct session *session, void *context)
{
	(void)harness;
	(void)context;
	if (session_get_packets(session, STELLAR_FORWARD) == 2)
		raise(SIGKILL);
}

static void converse_until_a_plugin_kills(struct engine_under_test *test)
{
	open_engine(test, NULL);
	harness_add_plugin(&test->harness, &test->plugins[0], "killer", PACKET, die_in_a_callback);
	harness_start(&test->harness);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
	harness_send_datagram(&test->harness, 6000, DNS, "x", false);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
}

static void test_session_that_kills_the_engine_is_not_met_again(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse_until_a_plugin_kills);
	open_engine(test, NULL);
	start_next(test, 500);

	assert_int_equal(stats_of(test).torn, 1);
	assert_int_equal(stats_of(test).resumed, 1);
	assert_int_equal(only_session(test).originator.port, 6000);
	harness_close(&test->harness);
}

static void die_while_closing(struct harness *harness, struct session *session, void *context)
{
	(void)harness;
	(void)context;
	(void)session;
	raise(SIGKILL);
}

static void converse_until_a_closing_kills(struct engine_under_test *test)
{
	open_engine(test, NULL);
	harness_add_plugin(&test->harness, &test->plugins[0], "killer", CLOSING, die_while_closing);
	harness_start(&test->harness);
	harness_send_datagram(&test->harness, 5000, DNS, "x", false);
	test->harness.time_ns += UINT64_C(20000000000);
	harness_send_datagram(&test->harness, 6000, DNS, "x", false);
	test->harness.time_ns += UINT64_C(20000000000);
	harness_send_datagram(&test->harness, 6000, DNS, "x", false);
}

static void test_session_that_was_closing_is_dropped(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, converse_until_a_closing_kills);
	open_engine(test, NULL);
	start_next(test, 40100);

	assert_int_equal(stats_of(test).torn, 1);
	assert_int_equal(only_session(test).originator.port, 6000);
	harness_close(&test->harness);
}

// A datagram of IPv4 in IPv4.
static struct verdict send_tunneled(struct engine_under_test *test)
{
	uint8_t frame[14 + 20 + 20 + 8] = {2, [6] = 2, [11] = 1, [12] = 8};

	for (uint8_t depth = 0; depth < 2; depth++) {
		uint8_t *ip = frame + 14 + 20 * depth;

		ip[0] = 0x45;
		store_be16(ip + 2, depth == 0 ? 48 : 28);
		ip[8] = 64;
		ip[9] = depth == 0 ? 4 : 17;
		store_be32(ip + 12, 0xc0000201u + depth);
		store_be32(ip + 16, 0xc6336401u + depth);
		store_be16(ip + 10, checksum_fold(checksum_partial(ip, 20, 0)));
	}
	store_be16(frame + 54, 1000);
	store_be16(frame + 56, DNS);
	store_be16(frame + 58, 8);
	return harness_send(&test->harness, frame, sizeof(frame), false);
}

static void start_with_tunnels(struct engine_under_test *test)
{
	struct engine_config config = config_of(1024);

	config.tunnel_parents = true;
	open_engine(test, &config);
	harness_add_plugin(&test->harness, &test->plugins[0], "a", RESUMED | PACKET, NULL);
	start_next(test, 0);
	send_tunneled(test);
}

static void test_tunnel_is_heard_of_like_what_goes_through_it(void **state)
{
	struct engine_under_test *test = *state;
	kill_after(test, start_with_tunnels);
	start_with_tunnels(test);

	assert_int_equal(stats_of(test).resumed, 2);
	assert_int_equal(stats_of(test).opening, 2);
	assert_string_equal(test->harness.log, "a:session_resumed a:session_resumed "
					       "a:session_packet a:session_packet ");
	worker_finish(test->harness.worker);
	assert_int_equal(stats_of(test).opening, 0);
	harness_close(&test->harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_established_session_goes_on),
		TEST(test_segment_without_its_session_is_refused),
		TEST(test_figures_tell_resumed_from_created),
		TEST(test_ids_are_not_used_again),
		TEST(test_sessions_keep_their_home_worker),
		TEST(test_session_whose_time_is_over_closes_with_its_own_reason),
		TEST(test_plugin_hears_of_it_once_before_the_packet),
		TEST(test_plugin_hears_of_it_before_the_closing),
		TEST(test_persistent_part_of_a_context_survives),
		TEST(test_context_follows_its_plugin_to_another_place),
		TEST(test_plugin_of_another_version_begins_anew),
		TEST(test_context_without_a_persistent_part_is_made_anew),
		TEST(test_plugin_that_is_new_hears_of_sessions_that_had_none),
		TEST(test_blocked_session_stays_blocked),
		TEST(test_locks_and_leases_end_with_the_engine),
		TEST(test_table_of_another_capacity_begins_anew),
		TEST(test_other_number_of_workers_begins_anew),
		TEST(test_other_secret_begins_anew),
		TEST(test_damaged_file_begins_anew),
		TEST(test_files_that_begin_anew_work_for_the_next),
		TEST(test_directory_that_is_no_memory_is_not_used),
		TEST(test_second_directory_is_used_when_the_first_can_not_be),
		TEST(test_directory_of_a_running_engine_is_left_alone),
		TEST(test_sessions_handed_over_go_on),
		TEST(test_session_that_kills_the_engine_is_not_met_again),
		TEST(test_session_that_was_closing_is_dropped),
		TEST(test_tunnel_is_heard_of_like_what_goes_through_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
