// SPDX-License-Identifier: Apache-2.0

// Policy images: what is refused, who prepares, when it is committed, when it is retired.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "harness.h"

#define IMAGE_SIZE (STELLAR_POLICY_HEADER_SIZE + STELLAR_POLICY_SECTION_SIZE + 16)

// What the plugin under test was asked to do; its prepared policy is a pointer into sections.
static struct {
	uint8_t sections[256][16];
	uint32_t prepared;
	uint32_t committed;
	uint32_t retired;
	uint32_t generation;
} ledger;

static int prepare(struct plugin_host *host, void *state, const void *policy, size_t size,
		   void **ret_prepared, char *error, size_t error_size)
{
	if (size != 16 || ((const uint8_t *)policy)[0] == 0xff) {
		snprintf(error, error_size, "the section says no");
		return -EINVAL;
	}
	memcpy(ledger.sections[ledger.prepared], policy, size);
	*ret_prepared = ledger.sections[ledger.prepared++];
	return 0;
}

static void commit(struct plugin_host *host, void *state, void *prepared, uint32_t generation)
{
	ledger.committed++;
	ledger.generation = generation;
}

static void retire(struct plugin_host *host, void *state, void *prepared)
{
	ledger.retired++;
}

static void write_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void seal(uint8_t *image, size_t size)
{
	write_u32(image + 20, (uint32_t)crc32(0, image + 24, (uInt)(size - 24)));
}

static void build_image(uint8_t *image, uint32_t generation, const char *plugin, uint8_t content)
{
	uint8_t *section = image + STELLAR_POLICY_HEADER_SIZE;

	memset(image, 0, IMAGE_SIZE);
	memcpy(image, STELLAR_POLICY_MAGIC, 8);
	write_u32(image + 8, IMAGE_SIZE);
	write_u32(image + 12, generation);
	write_u32(image + 16, 1);
	memcpy(section, plugin, strlen(plugin));
	write_u32(section + 64, IMAGE_SIZE - 16);
	write_u32(section + 68, 16);
	memset(image + IMAGE_SIZE - 16, content, 16);
	seal(image, IMAGE_SIZE);
}

static void open_with_plugin(struct harness *harness, struct harness_plugin *plugin)
{
	memset(&ledger, 0, sizeof(ledger));
	harness_open(harness, NULL);
	harness_add_plugin(harness, plugin, "judge",
			   STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING), NULL);
	plugin->plugin.policy_prepare = prepare;
	plugin->plugin.policy_commit = commit;
	plugin->plugin.policy_retire = retire;
	harness_start(harness);
}

static int apply(struct harness *harness, uint32_t generation, uint8_t content)
{
	uint8_t image[IMAGE_SIZE];
	char error[256] = "";

	build_image(image, generation, "judge", content);
	return engine_policy_apply(harness->engine, image, sizeof(image), error, sizeof(error));
}

static void test_sessions_carry_the_generation_that_judged_them(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with_plugin(&harness, &plugin);
	assert_int_equal(harness_send_datagram(&harness, 999, 53, "x", false).generation, 0);
	assert_int_equal(apply(&harness, 7, 1), 0);
	assert_int_equal(harness_send_datagram(&harness, 1000, 53, "x", false).generation, 7);

	assert_int_equal(engine_policy_generation(harness.engine), 7);
	assert_int_equal(ledger.generation, 7);
	harness_close(&harness);
	assert_int_equal(ledger.retired, ledger.prepared);
}

static void test_old_generation_is_retired_when_no_session_pins_it(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with_plugin(&harness, &plugin);
	apply(&harness, 1, 1);
	harness_send_datagram(&harness, 1000, 53, "pins generation 1", false);
	apply(&harness, 2, 2);
	apply(&harness, 3, 3);
	assert_int_equal(ledger.retired, 1); // 2, which judged nobody
	harness.time_ns += 3600ull * 1000000000ull;
	harness_send_datagram(&harness, 2000, 53, "an hour later", false);

	apply(&harness, 4, 4);

	assert_int_equal(ledger.retired, 2); // 1, whose session is over; 3 judged the last one
	harness_close(&harness);
	assert_int_equal(ledger.retired, 4);
}

static void test_generation_that_is_not_higher_is_refused(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with_plugin(&harness, &plugin);
	assert_int_equal(apply(&harness, 5, 1), 0);

	assert_int_equal(apply(&harness, 5, 2), -EEXIST);
	assert_int_equal(apply(&harness, 4, 2), -EEXIST);
	assert_int_equal(engine_policy_generation(harness.engine), 5);
	harness_close(&harness);
}

static void test_refusal_of_a_plugin_keeps_the_policy_in_force(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	uint8_t image[IMAGE_SIZE];
	char error[256] = "";

	open_with_plugin(&harness, &plugin);
	apply(&harness, 1, 1);
	build_image(image, 2, "judge", 0xff);

	assert_int_equal(
		engine_policy_apply(harness.engine, image, sizeof(image), error, sizeof(error)),
		-EINVAL);
	assert_string_equal(error, "judge: the section says no");
	assert_int_equal(engine_policy_generation(harness.engine), 1);
	assert_int_equal(ledger.committed, 1);
	harness_close(&harness);
}

static void test_damaged_images_are_refused_wherever_the_damage_is(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	uint8_t image[IMAGE_SIZE];
	char error[256];

	open_with_plugin(&harness, &plugin);
	build_image(image, 1, "judge", 1);
	for (size_t i = 0; i < sizeof(image); i++) {
		// The generation alone is a number that may be any.
		if (i >= 12 && i < 16)
			continue;
		image[i] ^= 0x5a;
		assert_int_not_equal(engine_policy_apply(harness.engine, image, sizeof(image),
							 error, sizeof(error)),
				     0);
		image[i] ^= 0x5a;
	}
	for (size_t size = 0; size < sizeof(image); size++)
		assert_int_equal(
			engine_policy_apply(harness.engine, image, size, error, sizeof(error)),
			-EINVAL);

	assert_int_equal(ledger.prepared, 0);
	assert_int_equal(engine_policy_generation(harness.engine), 0);
	harness_close(&harness);
}

static void test_sections_out_of_bounds_or_for_nobody_are_refused(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	uint8_t image[IMAGE_SIZE];
	char error[256] = "";

	open_with_plugin(&harness, &plugin);
	build_image(image, 1, "nobody", 1);
	assert_int_equal(
		engine_policy_apply(harness.engine, image, sizeof(image), error, sizeof(error)),
		-EINVAL);
	assert_non_null(strstr(error, "nobody: no such plugin is loaded"));
	build_image(image, 1, "judge", 1);
	write_u32(image + STELLAR_POLICY_HEADER_SIZE + 64, IMAGE_SIZE - 15);
	seal(image, sizeof(image));
	assert_int_equal(
		engine_policy_apply(harness.engine, image, sizeof(image), error, sizeof(error)),
		-EINVAL);
	write_u32(image + STELLAR_POLICY_HEADER_SIZE + 64, UINT32_MAX);
	write_u32(image + STELLAR_POLICY_HEADER_SIZE + 68, UINT32_MAX);
	seal(image, sizeof(image));
	assert_int_equal(
		engine_policy_apply(harness.engine, image, sizeof(image), error, sizeof(error)),
		-EINVAL);
	assert_non_null(strstr(error, "runs past the end"));
	harness_close(&harness);
}

static void deny_in_first_generation(struct harness *harness, struct session *session,
				     void *context)
{
	const struct verdict_request policy_deny = {
		.disposition = STELLAR_DROP,
		.block = true,
		.drop_reason = STELLAR_DROPPED_POLICY_RULE,
		.rule_id = 1,
	};

	if (session_get_generation(session) == 1)
		assert_int_equal(session_set_verdict(session, &policy_deny), 0);
}

static void test_block_of_a_policy_lapses_with_it(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	struct session_stats sessions;

	open_with_plugin(&harness, &plugin);
	plugin.react = deny_in_first_generation;
	apply(&harness, 1, 1);
	harness_send_datagram(&harness, 1000, 53, "denied", false);
	struct verdict blocked = harness_send_datagram(&harness, 1000, 53, "again", false);

	apply(&harness, 2, 2);
	struct verdict passed = harness_send_datagram(&harness, 1000, 53, "once more", false);

	assert_int_equal(blocked.drop_reason, STELLAR_DROPPED_BLOCKED_SESSION);
	assert_int_equal(blocked.rule_id, 1);
	assert_int_not_equal(passed.disposition, STELLAR_DROP);
	assert_int_equal(passed.generation, 2);
	assert_int_equal(harness_drain(&harness, true), 1);
	engine_get_session_stats(harness.engine, &sessions);
	assert_int_equal(sessions.closed[STELLAR_CLOSED_POLICY], 1);
	harness_close(&harness);
}

static void deny_for_good(struct harness *harness, struct session *session, void *context)
{
	session_reject(session, STELLAR_REPLY_NONE);
}

static void test_block_of_another_reason_outlives_the_policy(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_with_plugin(&harness, &plugin);
	plugin.react = deny_for_good;
	apply(&harness, 1, 1);
	harness_send_datagram(&harness, 1000, 53, "an attack", false);
	plugin.react = NULL;

	apply(&harness, 2, 2);

	assert_int_equal(harness_send_datagram(&harness, 1000, 53, "again", false).drop_reason,
			 STELLAR_DROPPED_BLOCKED_SESSION);
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_carry_the_generation_that_judged_them),
		cmocka_unit_test(test_old_generation_is_retired_when_no_session_pins_it),
		cmocka_unit_test(test_generation_that_is_not_higher_is_refused),
		cmocka_unit_test(test_refusal_of_a_plugin_keeps_the_policy_in_force),
		cmocka_unit_test(test_damaged_images_are_refused_wherever_the_damage_is),
		cmocka_unit_test(test_sections_out_of_bounds_or_for_nobody_are_refused),
		cmocka_unit_test(test_block_of_a_policy_lapses_with_it),
		cmocka_unit_test(test_block_of_another_reason_outlives_the_policy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
