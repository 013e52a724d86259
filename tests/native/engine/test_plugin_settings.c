// SPDX-License-Identifier: Apache-2.0

// What the operator tells a plugin: what reaches its load, and what is refused.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static const char *const keys[] = {"word", "port", NULL};
static char error[256];
static char read[64]; // what load found

static void do_nothing(struct session *session, void *context)
{
}

static int read_settings(struct plugin_host *host, void **ret_state)
{
	const char *word = plugin_get_setting(host, "word");
	const char *port = plugin_get_setting(host, "port");

	snprintf(read, sizeof(read), "%s %s", word ? word : "-", port ? port : "-");
	*ret_state = NULL;
	return 0;
}

static void open_gate(struct harness *harness, struct harness_plugin *plugin)
{
	harness_open(harness, NULL);
	harness_add_plugin(harness, plugin, "gate", 0, NULL);
	plugin->plugin.settings = keys;
	plugin->plugin.load = read_settings;
}

static int set(struct harness *harness, uint16_t plugin_id, const char *key, const char *value)
{
	return engine_set_plugin_setting(harness->engine, plugin_id, key, value, error,
					 sizeof(error));
}

static void test_load_reads_copies_of_what_was_given(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	char value[] = "sesame";

	open_gate(&harness, &plugin);
	assert_int_equal(set(&harness, 0, "word", value), 0);
	value[0] = 'x';

	harness_start(&harness);

	assert_string_equal(read, "sesame -");
	harness_close(&harness);
}

static void test_setting_belongs_to_one_plugin_whatever_the_order(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;
	struct harness_plugin other; // runs first, by its name

	open_gate(&harness, &plugin);
	harness_add_plugin(&harness, &other, "a", 0, NULL);
	assert_int_equal(set(&harness, 0, "port", "23"), 0);

	assert_int_equal(set(&harness, 1, "port", "24"), -EINVAL);
	assert_string_equal(error, "plugin a: takes no settings, found port");
	harness_start(&harness);

	assert_string_equal(read, "- 23");
	harness_close(&harness);
}

static void test_unknown_key_is_refused_with_those_there_are(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_gate(&harness, &plugin);

	assert_int_equal(set(&harness, 0, "colour", "red"), -EINVAL);

	assert_string_equal(error,
			    "plugin gate: expected one of the settings word, port; found colour");
	harness_close(&harness);
}

static void test_second_value_is_refused(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_gate(&harness, &plugin);
	assert_int_equal(set(&harness, 0, "word", ""), 0);

	assert_int_equal(set(&harness, 0, "word", "b"), -EEXIST);

	assert_string_equal(error, "plugin gate: setting word: is given twice");
	harness_close(&harness);
}

static void test_setting_of_no_plugin_or_after_start_is_refused(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_gate(&harness, &plugin);
	assert_int_equal(set(&harness, 1, "word", "x"), -EINVAL);
	harness_start(&harness);

	assert_int_equal(set(&harness, 0, "word", "x"), -EINVAL);

	assert_string_equal(error, "setting word: expected a plugin before start");
	harness_close(&harness);
}

static void test_name_that_is_none_is_refused(void **state)
{
	static const char *const wrong[] = {"word", "Port", NULL};
	const struct plugin plugin = {
		STELLAR_PLUGIN_HEADER, .name = "gate",	  .version = "1",
		.entry = do_nothing,   .settings = wrong,
	};
	struct harness harness;

	harness_open(&harness, NULL);

	assert_int_equal(engine_add_plugin(harness.engine, &plugin, NULL, error, sizeof(error)),
			 -EINVAL);

	assert_string_equal(error, "plugin gate: setting: expected [a-z][a-z0-9_]*");
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_reads_copies_of_what_was_given),
		cmocka_unit_test(test_setting_belongs_to_one_plugin_whatever_the_order),
		cmocka_unit_test(test_unknown_key_is_refused_with_those_there_are),
		cmocka_unit_test(test_second_value_is_refused),
		cmocka_unit_test(test_setting_of_no_plugin_or_after_start_is_refused),
		cmocka_unit_test(test_name_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
