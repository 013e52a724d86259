// SPDX-License-Identifier: Apache-2.0

// Lua patterns: what they find, and that their work has an end. That they find what Lua's own
// matcher does is tests/unit/lua/test_patterns.py.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <stellar/pattern.h>

#define PLENTY 100000u

static struct pattern_match match;

static int find(const char *text, const char *pattern, uint64_t steps)
{
	return pattern_find(text, strlen(text), pattern, strlen(pattern), 0, false, &steps, &match);
}

static void test_match_has_its_place_and_captures(void **state)
{
	(void)state;

	assert_int_equal(find("GET /a HTTP/1.1", "(%u+) ()(%S+)", PLENTY), 1);

	assert_int_equal(match.start, 0);
	assert_int_equal(match.end, 6);
	assert_int_equal(match.capture_count, 3);
	assert_int_equal(match.captures[0].length, 3);
	assert_int_equal(match.captures[1].offset, 4);
	assert_int_equal(match.captures[1].length, STELLAR_PATTERN_POSITION);
	assert_int_equal(match.captures[2].offset, 4);
	assert_int_equal(match.captures[2].length, 2);
}

static void test_malformed_patterns_are_told_apart(void **state)
{
	(void)state;
	static const char *const malformed[] = {"%", "[a", "%b", "%bx", "%f", ")", "%1", "(%1)"};

	for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
		match.problem = NULL;
		assert_int_equal(find("aaa", malformed[i], PLENTY), -EINVAL);
		assert_non_null(match.problem);
	}
}

static void test_work_ends_with_its_steps(void **state)
{
	(void)state;
	static const char *const patterns[] = {
		".-.-.-.-.-.-b",
		"(a*)*(a*)(a*)(a*)(a*)b",
		"a?a?a?a?a?a?a?a?a*a*a*a*b",
	};
	char text[4096];
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';

	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		assert_int_equal(find(text, patterns[i], PLENTY), -EDQUOT);
}

static void test_steps_are_what_was_tried(void **state)
{
	(void)state;
	uint64_t steps = PLENTY;

	assert_int_equal(pattern_find("aaab", 4, "b", 1, 0, false, &steps, &match), 1);

	assert_int_equal(match.start, 3);
	assert_in_range(PLENTY - steps, 4, 16);
}

static void test_plain_bytes_take_steps_too(void **state)
{
	(void)state;
	size_t size = 65536;
	char *text = malloc(size);
	assert_non_null(text);
	memset(text, 'a', size);
	text[size / 2] = 'b';
	uint64_t few = PLENTY, plenty = 1u << 30;

	int too_few = pattern_find_plain(text, size / 2, text + 1, size / 2, 0, &few, &match);
	few = PLENTY;
	int stopped =
		pattern_find_plain(text, size / 2, text + size / 4 + 1, size / 4, 0, &few, &match);
	int found = pattern_find_plain(text, size, text + size / 4, size / 2, 0, &plenty, &match);

	assert_int_equal(too_few, 0);
	assert_int_equal(stopped, -EDQUOT);
	assert_int_equal(found, 1);
	assert_int_equal(match.start, size / 4);
	free(text);
}

static void test_start_behind_the_text_is_refused(void **state)
{
	(void)state;
	uint64_t steps = PLENTY;

	assert_int_equal(pattern_find("a", 1, "a", 1, 2, false, &steps, &match), -ERANGE);
	assert_int_equal(pattern_find_plain("a", 1, "a", 1, 2, &steps, &match), -ERANGE);
	assert_int_equal(pattern_find("a", 1, "", 0, 1, false, &steps, &match), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match_has_its_place_and_captures),
		cmocka_unit_test(test_malformed_patterns_are_told_apart),
		cmocka_unit_test(test_work_ends_with_its_steps),
		cmocka_unit_test(test_steps_are_what_was_tried),
		cmocka_unit_test(test_plain_bytes_take_steps_too),
		cmocka_unit_test(test_start_behind_the_text_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
