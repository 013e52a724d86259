// SPDX-License-Identifier: Apache-2.0

#include "packet_io/uri.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static char error[256];

static void test_kind_target_and_options_are_taken_apart(void **state)
{
	struct packet_io_uri uri;

	assert_int_equal(
		packet_io_uri_parse(&uri, "xdp:eth0?queue=3&fail=open", error, sizeof(error)), 0);

	assert_string_equal(uri.kind, "xdp");
	assert_string_equal(uri.target, "eth0");
	assert_int_equal(uri.option_count, 2);
	assert_string_equal(packet_io_uri_get_text(&uri, "queue", "0"), "3");
	assert_string_equal(packet_io_uri_get_text(&uri, "fail", "closed"), "open");
	assert_string_equal(packet_io_uri_get_text(&uri, "peer", "none"), "none");
}

static void test_target_keeps_colons_and_inner_question_marks(void **state)
{
	struct packet_io_uri uri;

	assert_int_equal(
		packet_io_uri_parse(&uri, "pcap:/a:b?c.pcap?write=1", error, sizeof(error)), 0);

	assert_string_equal(uri.target, "/a:b?c.pcap");
	assert_int_equal(uri.option_count, 1);
}

static void test_last_question_mark_with_nothing_after_gives_no_options(void **state)
{
	struct packet_io_uri uri;

	assert_int_equal(packet_io_uri_parse(&uri, "pcap:what?.pcap?", error, sizeof(error)), 0);

	assert_string_equal(uri.target, "what?.pcap");
	assert_int_equal(uri.option_count, 0);
}

static void test_bad_uris_are_refused_with_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{"", "expected KIND:NAME"},
		{"eth0", "expected KIND:NAME"},
		{":eth0", "expected KIND:NAME"},
		{"xdp:", "expected KIND:NAME"},
		{"xdp:?queue=1", "expected KIND:NAME"},
		{"xdp:eth0?queue", "found \"queue\""},
		{"xdp:eth0?=1", "found \"=1\""},
		{"xdp:eth0?a=1&a=2", "\"a\" is given twice"},
		{"xdp:e?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1", "at most 8 options"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet_io_uri uri;

		assert_int_equal(packet_io_uri_parse(&uri, cases[i].text, error, sizeof(error)),
				 -EINVAL);

		assert_non_null(strstr(error, cases[i].message));
	}
}

static void test_text_longer_than_its_room_is_refused(void **state)
{
	struct packet_io_uri uri;
	static char text[PACKET_IO_URI_SIZE + 1];
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "pcap:", 5);

	assert_int_equal(packet_io_uri_parse(&uri, text, error, sizeof(error)), -EINVAL);
	text[PACKET_IO_URI_SIZE - 1] = '\0';
	assert_int_equal(packet_io_uri_parse(&uri, text, error, sizeof(error)), 0);
}

static void test_unknown_option_is_named_beside_the_known(void **state)
{
	static const char *const known[] = {"queue", "fail", NULL};
	struct packet_io_uri uri;
	assert_int_equal(packet_io_uri_parse(&uri, "xdp:e?queue=1&qeue=2", error, sizeof(error)),
			 0);

	assert_int_equal(packet_io_uri_check_options(&uri, known, error, sizeof(error)), -EINVAL);

	assert_string_equal(error, "xdp:e: unknown option \"qeue\"; known: queue fail");
	assert_int_equal(packet_io_uri_check_options(&uri, NULL, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "xdp:e: unknown option \"queue\"; known: none");
}

static void test_error_line_is_cut_to_its_room(void **state)
{
	static const char *const known[] = {"a_rather_long_name", "another_long_name", NULL};
	struct packet_io_uri uri;
	char small[24];
	assert_int_equal(packet_io_uri_parse(&uri, "xdp:e?x=1", error, sizeof(error)), 0);

	assert_int_equal(packet_io_uri_check_options(&uri, known, small, sizeof(small)), -EINVAL);

	assert_int_equal(strlen(small), sizeof(small) - 1);
}

static void test_numbers_hold_their_range(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t value;
	} cases[] = {
		{"k:t", 0, 7},
		{"k:t?n=2", 0, 2},
		{"k:t?n=16", 0, 16},
		{"k:t?n=1", -EINVAL, 99},
		{"k:t?n=17", -EINVAL, 99},
		{"k:t?n=", -EINVAL, 99},
		{"k:t?n=-3", -EINVAL, 99},
		{"k:t?n=3x", -EINVAL, 99},
		{"k:t?n=0x3", -EINVAL, 99},
		{"k:t?n= 3", -EINVAL, 99},
		{"k:t?n=99999999999999999999999", -EINVAL, 99},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet_io_uri uri;
		uint32_t value = 99;
		assert_int_equal(packet_io_uri_parse(&uri, cases[i].text, error, sizeof(error)), 0);

		assert_int_equal(
			packet_io_uri_get_number(&uri, "n", 7, 2, 16, &value, error, sizeof(error)),
			cases[i].result);

		assert_int_equal(value, cases[i].value);
	}
}

static void test_flags_are_zero_or_one(void **state)
{
	struct packet_io_uri uri;
	bool flag = false;

	assert_int_equal(packet_io_uri_parse(&uri, "k:t?on=1&odd=yes", error, sizeof(error)), 0);

	assert_int_equal(packet_io_uri_get_flag(&uri, "on", false, &flag, error, sizeof(error)), 0);
	assert_true(flag);
	assert_int_equal(packet_io_uri_get_flag(&uri, "absent", true, &flag, error, sizeof(error)),
			 0);
	assert_true(flag);
	assert_int_equal(packet_io_uri_get_flag(&uri, "odd", true, &flag, error, sizeof(error)),
			 -EINVAL);
	assert_string_equal(error, "k:t: odd: expected 0 or 1, found \"yes\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kind_target_and_options_are_taken_apart),
		cmocka_unit_test(test_target_keeps_colons_and_inner_question_marks),
		cmocka_unit_test(test_last_question_mark_with_nothing_after_gives_no_options),
		cmocka_unit_test(test_bad_uris_are_refused_with_what_is_wrong),
		cmocka_unit_test(test_text_longer_than_its_room_is_refused),
		cmocka_unit_test(test_unknown_option_is_named_beside_the_known),
		cmocka_unit_test(test_error_line_is_cut_to_its_room),
		cmocka_unit_test(test_numbers_hold_their_range),
		cmocka_unit_test(test_flags_are_zero_or_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
