// SPDX-License-Identifier: Apache-2.0

// Another version of a plugin while sessions live: who is called, whose context it is, what is
// refused, when the old one goes.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define ALIVE UINT64_C(0x600dc0ffee)

struct version {
	struct plugin plugin;
	struct harness *harness;
	uint32_t loads;
	uint32_t unloads;
	uint32_t inits;
	uint32_t frees;
	uint32_t migrations;
	int migrate_result;
	bool fails; // in entry
	bool detaches;
	char migrated_from[32];
	const void *policy; // in force at the last call
};

struct context {
	uint64_t alive;
	uint64_t calls;
	uint8_t rest[];
};

static int load(struct plugin_host *host, void **ret_state)
{
	return 0;
}

static void entry(struct session *session, void *context)
{
	struct version *version = pm_session_host_data(session);
	char *log = version->harness->log;
	size_t used = strlen(log);

	snprintf(log + used, HARNESS_LOG_SIZE - used, "%s:%s ", version->plugin.version,
		 stellar_event_name(session_get_event(session)->type));
	if (context != NULL) {
		assert_int_equal(((struct context *)context)->alive, ALIVE);
		((struct context *)context)->calls++;
	}
	version->policy = pm_session_policy(session);
	if (version->fails)
		pm_session_fail(session);
	if (version->detaches)
		pm_session_detach_me(session);
}

static int context_init(struct session *session, void *context)
{
	struct version *version = pm_session_host_data(session);
	const struct context zeroes = {0};

	assert_memory_equal(context, &zeroes, sizeof(zeroes));
	((struct context *)context)->alive = ALIVE;
	memset(((struct context *)context)->rest, 0xa5,
	       version->plugin.context_size - sizeof(struct context));
	version->inits++;
	return 0;
}

static void context_free(struct session *session, void *context)
{
	struct version *version = pm_session_host_data(session);

	assert_int_equal(((struct context *)context)->alive, ALIVE);
	for (uint32_t i = sizeof(struct context); i < version->plugin.context_size; i++)
		assert_int_equal(((uint8_t *)context)[i], 0xa5);
	version->frees++;
}

static int migrate(struct session *session, const char *old_version, void *old_context,
		   uint32_t old_context_size, void *context)
{
	struct version *version = pm_session_host_data(session);
	struct context *fresh = context;
	const struct context *old = old_context;
	const struct version *maker = pm_session_old_host_data(session);

	assert_int_equal(old->alive, ALIVE);
	assert_int_equal(old_context_size, maker->plugin.context_size);
	assert_string_equal(old_version, maker->plugin.version);
	snprintf(version->migrated_from, sizeof(version->migrated_from), "%s", old_version);
	version->migrations++;
	if (fresh != NULL) {
		assert_int_equal(fresh->alive, 0);
		fresh->alive = ALIVE;
		fresh->calls = old->calls + 100;
		memset(fresh->rest, 0xa5, version->plugin.context_size - sizeof(*fresh));
	}
	return version->migrate_result;
}

// Of the plugin "gate", open unless said otherwise.
static void fill(struct harness *harness, struct version *version, const char *name,
		 uint64_t events)
{
	*version = (struct version){
		.plugin =
			{
				STELLAR_PLUGIN_HEADER,
				.name = "gate",
				.version = name,
				.events = events,
				.context_size = sizeof(struct context),
				.fail_action = STELLAR_FAIL_OPEN,
				.load = load,
				.context_init = context_init,
				.context_free = context_free,
				.entry = entry,
			},
		.harness = harness,
	};
}

static void open_with(struct harness *harness, struct version *version)
{
	char error[256] = "";

	harness_open(harness, NULL);
	version->harness = harness;
	assert_int_equal(
		engine_add_plugin(harness->engine, &version->plugin, version, error, sizeof(error)),
		0);
	harness_start(harness);
}

static int replace(struct harness *harness, struct version *version, char *error, size_t size)
{
	const struct plugin_entries entries = {.host_data = version};

	error[0] = '\0';
	return engine_replace_plugin(harness->engine, 0, &version->plugin, &entries, error, size);
}

static void must_replace(struct harness *harness, struct version *version)
{
	char error[256];

	if (replace(harness, version, error, sizeof(error)) != 0)
		fail_msg("%s", error);
}

static struct plugin_stats get_stats(struct harness *harness)
{
	struct plugin_stats stats;

	assert_int_equal(engine_get_plugin_stats(harness->engine, &stats, 1), 1);
	return stats;
}

static void send_to(struct harness *harness, uint16_t port)
{
	harness_send_datagram(harness, 1000, port, "x", false);
}

static void expect_log(struct harness *harness, const char *expected)
{
	assert_string_equal(harness->log, expected);
	harness->log[0] = '\0';
}

static void pass_time(struct harness *harness)
{
	harness->time_ns += 3600ull * 1000000000ull;
	harness_send_datagram(harness, 9999, 9999, "an hour later", false);
	harness->log[0] = '\0';
}

static void test_context_pins_its_version_and_new_sessions_get_the_new_one(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;

	fill(&harness, &one, "1", OPENING | PACKET);
	fill(&harness, &two, "2", OPENING | PACKET);
	open_with(&harness, &one);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	send_to(&harness, 53);
	send_to(&harness, 54);

	expect_log(&harness, "1:session_opening 1:session_packet 1:session_packet "
			     "2:session_opening 2:session_packet ");
	const struct plugin_stats stats = get_stats(&harness);

	assert_string_equal(stats.version, "2");
	assert_int_equal(stats.versions, 2);
	assert_int_equal(stats.contexts, 2);
	assert_int_equal(stats.old_contexts, 1);
	assert_int_equal(stats.reloads, 1);
	assert_int_equal(stats.calls, 5);
	assert_int_equal(stats.migrated + stats.stayed, 0);
	assert_int_equal(engine_collect_plugins(harness.engine), 1);
	assert_true(engine_has_plugin(harness.engine, &one.plugin));
	harness_balance(&harness);
	harness_close(&harness);
	assert_int_equal(one.frees, 1);
	assert_int_equal(two.frees, two.inits);
}

static void test_old_version_goes_with_its_last_context(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;

	fill(&harness, &one, "1", OPENING | PACKET);
	fill(&harness, &two, "2", OPENING | PACKET);
	open_with(&harness, &one);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	pass_time(&harness);

	assert_int_equal(one.frees, 1);
	assert_int_equal(engine_collect_plugins(harness.engine), 0);
	assert_false(engine_has_plugin(harness.engine, &one.plugin));
	memset(&one.plugin, 0, sizeof(one.plugin)); // nobody looks at it any more
	const struct plugin_stats stats = get_stats(&harness);

	assert_int_equal(stats.versions, 1);
	assert_int_equal(stats.calls, 4); // what the old one counted is still there
	harness_close(&harness);
}

static void test_version_without_contexts_goes_at_once(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;

	fill(&harness, &one, "1", OPENING | PACKET);
	fill(&harness, &two, "2", OPENING | PACKET);
	one.plugin.context_size = 0;
	one.plugin.context_init = NULL;
	one.plugin.context_free = NULL;
	open_with(&harness, &one);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	assert_false(engine_has_plugin(harness.engine, &one.plugin));
	send_to(&harness, 53);

	// The context is bigger than the room the first version left for one.
	expect_log(&harness, "1:session_opening 1:session_packet 2:session_packet ");
	assert_int_equal(two.inits, 1);
	harness_close(&harness);
	assert_int_equal(two.frees, 1);
}

static void check_migration(uint32_t old_size, uint32_t new_size)
{
	struct harness harness;
	struct version one;
	struct version two;

	fill(&harness, &one, "1", OPENING | PACKET | CLOSING);
	fill(&harness, &two, "2", PACKET | CLOSING);
	one.plugin.context_size = old_size;
	two.plugin.context_size = new_size;
	two.plugin.context_migrate = migrate;
	open_with(&harness, &one);
	send_to(&harness, 53);
	send_to(&harness, 54);
	must_replace(&harness, &two);
	assert_int_equal(two.migrations, 0); // not before an event
	send_to(&harness, 53);
	send_to(&harness, 53);

	assert_int_equal(two.migrations, 1);
	assert_string_equal(two.migrated_from, "1");
	assert_int_equal(two.inits, 0);
	expect_log(&harness, "1:session_opening 1:session_packet 1:session_opening "
			     "1:session_packet 2:session_packet 2:session_packet ");
	assert_int_equal(get_stats(&harness).migrated, 1);
	assert_int_equal(get_stats(&harness).old_contexts, 1);
	pass_time(&harness);
	assert_int_equal(two.migrations, 2); // the other one, as it closed
	assert_int_equal(one.frees, 0);
	assert_int_equal(two.frees, 2);
	assert_int_equal(engine_collect_plugins(harness.engine), 0);
	harness_close(&harness);
}

static void test_migrate_takes_the_context_over(void **state)
{
	check_migration(sizeof(struct context), sizeof(struct context));
}

static void test_migrate_to_a_bigger_context(void **state)
{
	check_migration(sizeof(struct context), sizeof(struct context) + 5000);
}

static void test_migrate_to_a_smaller_context(void **state)
{
	check_migration(sizeof(struct context) + 5000, sizeof(struct context));
}

static void test_migrate_from_bigger_to_bigger(void **state)
{
	struct harness harness;
	struct version versions[4];
	const uint32_t sizes[] = {16, 100, 2000, 24};
	char error[256];

	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"1", "2", "3", "4"};

		fill(&harness, &versions[i], names[i], OPENING | PACKET);
		versions[i].plugin.context_size = sizes[i];
		versions[i].plugin.context_migrate = migrate;
	}
	open_with(&harness, &versions[0]);
	send_to(&harness, 53);
	for (int i = 1; i < 4; i++) {
		assert_int_equal(replace(&harness, &versions[i], error, sizeof(error)), 0);
		send_to(&harness, 53);
		assert_int_equal(versions[i].migrations, 1);
	}
	assert_int_equal(engine_collect_plugins(harness.engine), 0);
	harness_close(&harness);
	assert_int_equal(versions[3].frees, 1);
}

static void test_migrate_may_refuse_and_is_asked_once(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;
	struct version three;

	fill(&harness, &one, "1", OPENING | PACKET);
	fill(&harness, &two, "2", OPENING | PACKET);
	fill(&harness, &three, "3", OPENING | PACKET);
	two.plugin.context_migrate = migrate;
	two.plugin.context_size = 4000;
	two.migrate_result = -EINVAL;
	three.plugin.context_migrate = migrate;
	open_with(&harness, &one);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	send_to(&harness, 53);
	send_to(&harness, 53);
	assert_int_equal(two.migrations, 1);
	assert_int_equal(get_stats(&harness).stayed, 1);
	must_replace(&harness, &three);
	send_to(&harness, 53);

	assert_int_equal(three.migrations, 1);
	assert_string_equal(three.migrated_from, "1");
	expect_log(&harness, "1:session_opening 1:session_packet 1:session_packet "
			     "1:session_packet 3:session_packet ");
	harness_close(&harness);
	assert_int_equal(one.frees + two.frees, 0);
	assert_int_equal(three.frees, 1);
}

static void test_fifth_version_is_refused_until_one_has_gone(void **state)
{
	static const char *const names[] = {"1", "2", "3", "4", "5"};
	struct harness harness;
	struct version versions[5];
	char error[256];

	for (int i = 0; i < 5; i++)
		fill(&harness, &versions[i], names[i], OPENING | PACKET);
	open_with(&harness, &versions[0]);
	for (uint16_t i = 0; i < 4; i++) {
		if (i > 0)
			must_replace(&harness, &versions[i]);
		send_to(&harness, (uint16_t)(100 + i));
	}
	assert_int_equal(replace(&harness, &versions[4], error, sizeof(error)), -ENOSPC);
	assert_string_equal(error, "plugin gate: 4 versions live, with 4 contexts: the sessions of "
				   "an old one must end first");
	for (uint16_t i = 0; i < 4; i++)
		send_to(&harness, (uint16_t)(100 + i));
	assert_non_null(strstr(harness.log, "1:session_packet 2:session_packet "
					    "3:session_packet 4:session_packet "));
	pass_time(&harness);

	must_replace(&harness, &versions[4]);
	assert_int_equal(get_stats(&harness).reloads, 4);
	harness_close(&harness);
}

static void test_needs_change_and_old_contexts_keep_theirs(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;

	fill(&harness, &one, "1", OPENING | PACKET);
	fill(&harness, &two, "2", OPENING | STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA));
	open_with(&harness, &one);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	send_to(&harness, 53);
	send_to(&harness, 54);

	expect_log(&harness, "1:session_opening 1:session_packet 1:session_packet "
			     "2:session_opening 2:udp_data ");
	harness_close(&harness);
}

static void test_detached_sessions_stay_detached(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;

	fill(&harness, &one, "1", OPENING | PACKET);
	fill(&harness, &two, "2", OPENING | PACKET);
	one.detaches = true;
	open_with(&harness, &one);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	send_to(&harness, 53);

	expect_log(&harness, "1:session_opening ");
	harness_close(&harness);
	assert_int_equal(two.inits, 0);
}

static void test_reload_enables_a_plugin_that_failed(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;

	fill(&harness, &one, "1", OPENING | PACKET);
	fill(&harness, &two, "2", OPENING | PACKET);
	one.plugin.fail_action = STELLAR_FAIL_CLOSED;
	open_with(&harness, &one);
	send_to(&harness, 53);
	one.fails = true;
	for (uint16_t i = 0; i < STELLAR_PLUGIN_ERRORS_MAX; i++)
		send_to(&harness, (uint16_t)(1000 + i));
	assert_false(get_stats(&harness).enabled);
	assert_int_equal(harness_send_datagram(&harness, 1000, 53, "x", false).drop_reason,
			 STELLAR_DROPPED_PLUGIN_FAILED);
	harness.log[0] = '\0';
	must_replace(&harness, &two);

	// Its context was of a version that can't be called: the new one makes its own.
	assert_int_equal(harness_send_datagram(&harness, 1000, 53, "x", false).disposition,
			 STELLAR_CONTINUE);
	expect_log(&harness, "2:session_packet ");
	assert_true(get_stats(&harness).enabled);
	assert_int_equal(get_stats(&harness).errors, STELLAR_PLUGIN_ERRORS_MAX);
	assert_int_equal(get_stats(&harness).old_contexts, 0);
	assert_int_equal(engine_collect_plugins(harness.engine), 0);
	two.fails = true;
	for (uint16_t i = 0; i < STELLAR_PLUGIN_ERRORS_MAX; i++) {
		assert_true(get_stats(&harness).enabled); // errors count anew
		send_to(&harness, (uint16_t)(2000 + i));
	}
	assert_false(get_stats(&harness).enabled);
	harness_close(&harness);
	assert_int_equal(one.frees, one.inits);
	assert_int_equal(two.frees, two.inits);
}

static void test_what_is_no_version_of_the_plugin_is_refused(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;
	char error[256];

	fill(&harness, &one, "1", OPENING);
	open_with(&harness, &one);
	fill(&harness, &two, "2", OPENING);
	two.plugin.name = "other";
	assert_int_equal(replace(&harness, &two, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "plugin other: expected another version of gate");
	two.plugin.name = "gate";
	two.plugin.abi_version++;
	assert_int_equal(replace(&harness, &two, error, sizeof(error)), -ENOEXEC);
	two.plugin.abi_version--;
	assert_int_equal(
		engine_replace_plugin(harness.engine, 1, &two.plugin, NULL, error, sizeof(error)),
		-EINVAL);
	assert_int_equal(engine_find_plugin(harness.engine, "gate"), 0);
	assert_int_equal(engine_find_plugin(harness.engine, "other"), -ENOENT);
	assert_int_equal(
		engine_reload_plugin(harness.engine, 0, "/nowhere.so", error, sizeof(error)),
		-ENOENT);
	assert_string_equal(get_stats(&harness).version, "1");
	assert_int_equal(get_stats(&harness).reloads, 0);
	harness_close(&harness);
}

static void test_another_place_in_the_order_is_refused(void **state)
{
	static const char *const later[] = {"zebra", NULL};
	struct harness harness;
	struct version gate;
	struct version zebra;
	struct version two;
	char error[256];

	harness_open(&harness, NULL);
	fill(&harness, &gate, "1", OPENING);
	fill(&harness, &zebra, "1", OPENING);
	zebra.plugin.name = "zebra";
	engine_add_plugin(harness.engine, &gate.plugin, &gate, error, sizeof(error));
	engine_add_plugin(harness.engine, &zebra.plugin, &zebra, error, sizeof(error));
	harness_start(&harness);
	fill(&harness, &two, "2", OPENING);
	two.plugin.after = later;

	assert_int_equal(replace(&harness, &two, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "plugin gate: its order would put zebra in the place of gate: "
				   "restart the engine");
	two.plugin.after = NULL;
	two.plugin.before = later; // the order that is there already
	must_replace(&harness, &two);
	harness_close(&harness);
}

// Policy: one byte, 0xff is refused by version "2".

static uint32_t prepared_count;
static uint32_t retired_count;
static uint8_t refused;
static uint8_t policies[16];

static int policy_prepare(struct plugin_host *host, void *plugin_state, const void *policy,
			  size_t size, void **ret_prepared, char *error, size_t error_size)
{
	if (*(const uint8_t *)policy == refused) {
		snprintf(error, error_size, "the section says no");
		return -EINVAL;
	}
	policies[prepared_count] = *(const uint8_t *)policy;
	*ret_prepared = &policies[prepared_count++];
	return 0;
}

static void policy_retire(struct plugin_host *host, void *plugin_state, void *prepared)
{
	*(uint8_t *)prepared = 0;
	retired_count++;
}

#define IMAGE_SIZE (STELLAR_POLICY_HEADER_SIZE + STELLAR_POLICY_SECTION_SIZE + 1)

static int apply(struct harness *harness, uint8_t generation, char *error, size_t error_size)
{
	uint8_t image[IMAGE_SIZE] = STELLAR_POLICY_MAGIC;
	uint8_t *section = image + STELLAR_POLICY_HEADER_SIZE;

	image[8] = IMAGE_SIZE;
	image[12] = generation;
	image[16] = 1;
	memcpy(section, "gate", 4);
	section[64] = IMAGE_SIZE - 1;
	section[68] = 1;
	image[IMAGE_SIZE - 1] = generation;
	uint32_t crc = (uint32_t)crc32(0, image + 24, IMAGE_SIZE - 24);

	memcpy(image + 20, &crc, sizeof(crc));
	return engine_policy_apply(harness->engine, image, sizeof(image), error, error_size);
}

static void test_new_version_has_the_policy_in_force(void **state)
{
	struct harness harness;
	struct version versions[3];
	static const char *const names[] = {"1", "2", "3"};
	char error[256];

	prepared_count = retired_count = refused = 0;
	for (int i = 0; i < 3; i++) {
		fill(&harness, &versions[i], names[i], OPENING | PACKET);
		versions[i].plugin.policy_prepare = policy_prepare;
		versions[i].plugin.policy_retire = policy_retire;
	}
	open_with(&harness, &versions[0]);
	assert_int_equal(apply(&harness, 1, error, sizeof(error)), 0);
	assert_int_equal(apply(&harness, 2, error, sizeof(error)), 0);
	send_to(&harness, 53);
	must_replace(&harness, &versions[1]);
	send_to(&harness, 53);
	send_to(&harness, 54);
	assert_ptr_equal(versions[0].policy, &policies[1]);
	assert_ptr_equal(versions[1].policy, &policies[2]);
	assert_int_equal(*(const uint8_t *)versions[1].policy, 2);

	// A policy is for all versions that live, or for none.
	refused = 3;
	assert_int_equal(apply(&harness, 3, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "gate 1: the section says no");
	assert_int_equal(apply(&harness, 4, error, sizeof(error)), 0);
	send_to(&harness, 53);
	send_to(&harness, 54);
	assert_int_equal(*(const uint8_t *)versions[0].policy, 4);
	assert_int_equal(*(const uint8_t *)versions[1].policy, 4);
	assert_ptr_not_equal(versions[0].policy, versions[1].policy);

	// A version that refuses the policy in force does not come into it.
	refused = 4;
	assert_int_equal(replace(&harness, &versions[2], error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "gate 3: the section says no");
	send_to(&harness, 55);
	assert_non_null(strstr(harness.log, "2:session_opening 2:session_packet "));
	harness_close(&harness);
	assert_int_equal(retired_count, prepared_count);
}

static uint32_t freed_values;

static void free_value(void *value, size_t size)
{
	freed_values++;
}

static void entry_with_value(struct session *session, void *context)
{
	session_set_metadata(session, "gate.value", &freed_values, 4, free_value);
}

static void test_value_that_a_version_frees_pins_it(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;

	freed_values = 0;
	fill(&harness, &one, "1", OPENING);
	one.plugin.context_size = 0;
	one.plugin.entry = entry_with_value;
	fill(&harness, &two, "2", OPENING);
	open_with(&harness, &one);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	assert_int_equal(engine_collect_plugins(harness.engine), 1);
	pass_time(&harness);
	assert_int_equal(freed_values, 1);
	assert_int_equal(engine_collect_plugins(harness.engine), 0);
	harness_close(&harness);
}

static int load_counters(struct plugin_host *host, void **ret_state)
{
	assert_int_equal(plugin_counter_create(host, "second"), 0);
	assert_int_equal(plugin_counter_create(host, "first"), 1);
	assert_int_equal(plugin_counter_create(host, "second"), 0);
	return 0;
}

static int load_old_counters(struct plugin_host *host, void **ret_state)
{
	assert_int_equal(plugin_counter_create(host, "first"), 0);
	return 0;
}

static void count_first(struct session *session, void *context)
{
	plugin_counter_add(session, 0, 1);
}

static void count_both(struct session *session, void *context)
{
	plugin_counter_add(session, 0, 10);
	plugin_counter_add(session, 1, 1);
	plugin_counter_add(session, 2, 1000); // there is none
}

static void test_counters_go_on_by_their_names(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;
	const char *plugin;
	const char *name;
	uint64_t value;

	fill(&harness, &one, "1", OPENING);
	one.plugin.load = load_old_counters;
	one.plugin.entry = count_first;
	fill(&harness, &two, "2", OPENING);
	two.plugin.load = load_counters;
	two.plugin.entry = count_both;
	open_with(&harness, &one);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	send_to(&harness, 54);

	assert_int_equal(engine_get_plugin_counter(harness.engine, 0, &plugin, &name, &value), 0);
	assert_string_equal(name, "first");
	assert_int_equal(value, 2);
	assert_int_equal(engine_get_plugin_counter(harness.engine, 1, &plugin, &name, &value), 0);
	assert_string_equal(name, "second");
	assert_int_equal(value, 10);
	assert_int_equal(engine_get_plugin_counter(harness.engine, 2, &plugin, &name, &value),
			 -ENOENT);
	harness_close(&harness);
}

static void ask_bypass(struct harness *harness, struct session *session, void *context)
{
	session_bypass(session);
}

static void test_bypass_asks_the_version_that_the_session_has(void **state)
{
	struct harness harness;
	struct version one;
	struct version two;
	struct harness_plugin other;

	// Version 2 hears of the ends only: it withholds no consent, but version 1 does.
	fill(&harness, &one, "1", OPENING | PACKET);
	fill(&harness, &two, "2", OPENING);
	harness_open(&harness, NULL);
	char error[256];

	engine_add_plugin(harness.engine, &one.plugin, &one, error, sizeof(error));
	harness_add_plugin(&harness, &other, "other", PACKET, ask_bypass);
	harness_start(&harness);
	send_to(&harness, 53);
	must_replace(&harness, &two);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	assert_false(harness_send_datagram(&harness, 1000, 53, "x", false).bypass);

	assert_true(harness_send_datagram(&harness, 1000, 54, "x", false).bypass);
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_context_pins_its_version_and_new_sessions_get_the_new_one),
		cmocka_unit_test(test_old_version_goes_with_its_last_context),
		cmocka_unit_test(test_version_without_contexts_goes_at_once),
		cmocka_unit_test(test_migrate_takes_the_context_over),
		cmocka_unit_test(test_migrate_to_a_bigger_context),
		cmocka_unit_test(test_migrate_to_a_smaller_context),
		cmocka_unit_test(test_migrate_from_bigger_to_bigger),
		cmocka_unit_test(test_migrate_may_refuse_and_is_asked_once),
		cmocka_unit_test(test_fifth_version_is_refused_until_one_has_gone),
		cmocka_unit_test(test_needs_change_and_old_contexts_keep_theirs),
		cmocka_unit_test(test_detached_sessions_stay_detached),
		cmocka_unit_test(test_reload_enables_a_plugin_that_failed),
		cmocka_unit_test(test_what_is_no_version_of_the_plugin_is_refused),
		cmocka_unit_test(test_another_place_in_the_order_is_refused),
		cmocka_unit_test(test_new_version_has_the_policy_in_force),
		cmocka_unit_test(test_value_that_a_version_frees_pins_it),
		cmocka_unit_test(test_counters_go_on_by_their_names),
		cmocka_unit_test(test_bypass_asks_the_version_that_the_session_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
