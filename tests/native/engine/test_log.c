// SPDX-License-Identifier: Apache-2.0

// What plugins say in the event output.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define LINES_SIZE 32768

struct words {
	enum stellar_log_level level;
	const char *text;
	size_t length;
	int result;
};

static struct words words; // what the plugin says next, and what came of it

static void say(struct harness *harness, struct session *session, void *context)
{
	words.result = session_log(session, words.level, words.text, words.length);
}

static struct harness harness;
static struct harness_plugin plugin;
static char path[32];
static char lines[LINES_SIZE];
static uint16_t port;

static void open_output(uint32_t types)
{
	char error[256];

	strcpy(path, "/tmp/stellar-test-XXXXXX");
	close(mkstemp(path));
	port = 0;
	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "talker", OPENING, say);
	assert_int_equal(engine_set_event_output(harness.engine, path, types, error, sizeof(error)),
			 0);
	harness_start(&harness);
}

// A new session, whose opening the plugin says something of.
static int talk(enum stellar_log_level level, const char *text, size_t length)
{
	words = (struct words){.level = level, .text = text, .length = length, .result = 1};
	harness_send_datagram(&harness, ++port, 53, "x", false);
	return words.result;
}

static const char *close_output(void)
{
	harness_close(&harness);
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	lines[fread(lines, 1, sizeof(lines) - 1, file)] = '\0';
	fclose(file);
	unlink(path);
	return lines;
}

// The text of the only line, as it stands in the file, quotes included.
static const char *text_of(const char *text, size_t length)
{
	open_output(STELLAR_EVE_PLUGIN);
	assert_int_equal(talk(STELLAR_LOG_INFO, text, length), 0);
	char *found = strstr(close_output(), "\"text\":");

	assert_non_null(found);
	assert_string_equal(found + strlen(found) - 3, "}}\n");
	found[strlen(found) - 3] = '\0';
	return found + strlen("\"text\":");
}

static void test_line_names_time_session_plugin_and_level(void **state)
{
	open_output(STELLAR_EVE_PLUGIN);

	assert_int_equal(talk(STELLAR_LOG_WARNING, "seen", 4), 0);

	assert_string_equal(
		close_output(),
		"{\"timestamp\":\"2023-11-14T22:13:20.000000+0000\",\"flow_id\":1,"
		"\"in_iface\":\"inside\",\"event_type\":\"plugin\",\"src_ip\":\"192.0.2.1\","
		"\"src_port\":1,\"dest_ip\":\"198.51.100.2\",\"dest_port\":53,\"proto\":\"UDP\","
		"\"ip_v\":4,\"plugin\":{\"name\":\"talker\",\"level\":\"warning\",\"text\":"
		"\"seen\"}}\n");
}

static void test_line_of_no_session_has_neither_ids_nor_endpoints(void **state)
{
	open_output(STELLAR_EVE_PLUGIN);

	assert_int_equal(record_log(harness.worker, NULL, 0, STELLAR_LOG_DEBUG, "tick", 4), 0);

	assert_string_equal(close_output(),
			    "{\"timestamp\":\"1970-01-01T00:00:00.000000+0000\",\"event_type\":"
			    "\"plugin\",\"plugin\":{\"name\":\"talker\",\"level\":\"debug\","
			    "\"text\":\"tick\"}}\n");
}

static void test_text_is_json_whatever_the_bytes(void **state)
{
	assert_string_equal(text_of("", 0), "\"\"");
	assert_string_equal(text_of("a\"b\\c\n\0d\x7f", 9),
			    "\"a\\\"b\\\\c\\u000a\\u0000d\\u007f\"");
	// UTF-8 of two, three and four bytes.
	assert_string_equal(text_of("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9),
			    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	// Too long for its value, a surrogate, beyond Unicode, a tail alone, cut at the end.
	assert_string_equal(text_of("\xc0\xaf", 2), "\"\\u00c0\\u00af\"");
	assert_string_equal(text_of("\xe0\x9f\xbf", 3), "\"\\u00e0\\u009f\\u00bf\"");
	assert_string_equal(text_of("\xed\xa0\x80", 3), "\"\\u00ed\\u00a0\\u0080\"");
	assert_string_equal(text_of("\xf4\x90\x80\x80", 4), "\"\\u00f4\\u0090\\u0080\\u0080\"");
	assert_string_equal(text_of("\xf5x", 2), "\"\\u00f5x\"");
	assert_string_equal(text_of("\xbf!", 2), "\"\\u00bf!\"");
	assert_string_equal(text_of("x\xe2\x82", 3), "\"x\\u00e2\\u0082\"");
}

static void test_longest_text_is_whole_and_a_longer_one_refused(void **state)
{
	char longest[STELLAR_LOG_TEXT_MAX + 1];

	memset(longest, 1, sizeof(longest));
	const char *found = text_of(longest, STELLAR_LOG_TEXT_MAX);

	assert_int_equal(strlen(found), 6 * STELLAR_LOG_TEXT_MAX + 2);
	open_output(STELLAR_EVE_PLUGIN);
	assert_int_equal(talk(STELLAR_LOG_INFO, longest, sizeof(longest)), -EMSGSIZE);
	assert_string_equal(close_output(), "");
}

static void test_unknown_level_is_refused(void **state)
{
	open_output(STELLAR_EVE_PLUGIN);
	assert_int_equal(talk(STELLAR_LOG_LEVEL_COUNT, "x", 1), -EINVAL);
	assert_int_equal(talk((enum stellar_log_level) - 1, "x", 1), -EINVAL);
	assert_string_equal(close_output(), "");
}

static void test_nothing_is_written_of_a_type_not_asked_for(void **state)
{
	open_output(STELLAR_EVE_DROP);
	assert_int_equal(talk(STELLAR_LOG_INFO, "x", 1), 0);
	assert_string_equal(close_output(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_names_time_session_plugin_and_level),
		cmocka_unit_test(test_line_of_no_session_has_neither_ids_nor_endpoints),
		cmocka_unit_test(test_text_is_json_whatever_the_bytes),
		cmocka_unit_test(test_longest_text_is_whole_and_a_longer_one_refused),
		cmocka_unit_test(test_unknown_level_is_refused),
		cmocka_unit_test(test_nothing_is_written_of_a_type_not_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
