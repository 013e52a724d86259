// SPDX-License-Identifier: Apache-2.0

// Datagrams put together: in any order, as each target profile does, and given up where they must.

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/engine.h>

#include "fragments.h"

#define PIECES_MAX 8
#define ANY STELLAR_TARGET_PROFILE_COUNT // a row holds for every profile

struct row {
	const char *what;
	uint8_t profile;
	struct piece pieces[PIECES_MAX];
	enum defragment_answer answer; // to the last piece
	const char *letters;
};

// clang-format off
#define PIECE(place, length, fill, ...) {.begin = place, .units = length, .letter = fill, ##__VA_ARGS__}
#define LAST .is_last = true
#define SIX .version = 6

// The test of Shankar and Paxson 2003, figure "fragment overlap": its result names the policy.
#define PAXSON PIECE(0, 3, '1'), PIECE(4, 2, '2'), PIECE(6, 3, '3'), PIECE(1, 4, '4'), \
	PIECE(6, 3, '5'), PIECE(9, 3, '6', LAST)
// An old piece within the new one, strictly and with the same end.
#define WITHIN PIECE(2, 2, 'a'), PIECE(1, 4, 'b'), PIECE(0, 1, 'c'), PIECE(5, 1, 'd', LAST)
#define SAME_END PIECE(2, 2, 'a'), PIECE(1, 3, 'b'), PIECE(0, 1, 'c'), PIECE(4, 1, 'd', LAST)
// A new piece in the middle of an old one.
#define MIDDLE PIECE(0, 5, 'a'), PIECE(1, 2, 'b'), PIECE(5, 1, 'd', LAST)

static const struct row rows[] = {
	{"in order", ANY, {PIECE(0, 1, 'a'), PIECE(1, 2, 'b'), PIECE(3, 1, 'c', LAST)}, DEFRAGMENT_WHOLE, "abbc"},
	{"in order, six", ANY, {PIECE(0, 1, 'a', SIX), PIECE(1, 2, 'b', SIX), PIECE(3, 1, 'c', LAST, SIX)}, DEFRAGMENT_WHOLE, "abbc"},
	{"reverse", ANY, {PIECE(3, 1, 'c', LAST), PIECE(1, 2, 'b'), PIECE(0, 1, 'a')}, DEFRAGMENT_WHOLE, "abbc"},
	{"reverse, six", ANY, {PIECE(3, 1, 'c', LAST, SIX), PIECE(1, 2, 'b', SIX), PIECE(0, 1, 'a', SIX)}, DEFRAGMENT_WHOLE, "abbc"},
	{"last first", ANY, {PIECE(3, 1, 'c', LAST), PIECE(0, 1, 'a'), PIECE(1, 2, 'b')}, DEFRAGMENT_WHOLE, "abbc"},
	{"not all there", ANY, {PIECE(0, 1, 'a'), PIECE(3, 1, 'c', LAST)}, DEFRAGMENT_KEPT, ""},
	{"odd last", ANY, {PIECE(0, 1, 'a'), {.begin = 1, .rest = 3, .letter = 'b', LAST}}, DEFRAGMENT_WHOLE, "ab"},
	{"exact duplicate", ANY, {PIECE(0, 1, 'a'), PIECE(0, 1, 'a'), PIECE(1, 1, 'b', LAST)}, DEFRAGMENT_WHOLE, "ab"},
	{"exact duplicate, six", ANY, {PIECE(0, 1, 'a', SIX), PIECE(0, 1, 'a', SIX), PIECE(1, 1, 'b', LAST, SIX)}, DEFRAGMENT_WHOLE, "ab"},
	{"another id", ANY, {PIECE(0, 1, 'a'), PIECE(1, 1, 'b', LAST, .id = 7)}, DEFRAGMENT_KEPT, ""},
	{"another source", ANY, {PIECE(0, 1, 'a'), PIECE(1, 1, 'b', LAST, .source = 7)}, DEFRAGMENT_KEPT, ""},
	{"another protocol", ANY, {PIECE(0, 1, 'a'), PIECE(1, 1, 'b', LAST, .protocol = 254)}, DEFRAGMENT_KEPT, ""},
	{"another next header, six", ANY, {PIECE(0, 1, 'a', SIX), PIECE(1, 1, 'b', LAST, SIX, .protocol = 254)}, DEFRAGMENT_WHOLE, "ab"},
	{"id again after the whole", ANY, {PIECE(0, 1, 'a'), PIECE(1, 1, 'b', LAST), PIECE(0, 1, 'c'), PIECE(1, 1, 'd', LAST)}, DEFRAGMENT_WHOLE, "cd"},
	{"id again after giving up", ANY, {PIECE(2, 1, 'a', LAST), PIECE(3, 1, 'x'), PIECE(0, 1, 'c'), PIECE(1, 1, 'd', LAST)}, DEFRAGMENT_WHOLE, "cd"},

	{"piece beyond the end", ANY, {PIECE(1, 1, 'a', LAST), PIECE(2, 1, 'b')}, DEFRAGMENT_GIVEN_UP, ""},
	{"two ends", ANY, {PIECE(1, 1, 'a', LAST), PIECE(1, 2, 'b', LAST)}, DEFRAGMENT_GIVEN_UP, ""},
	{"end before a piece", ANY, {PIECE(5, 1, 'a'), PIECE(1, 1, 'b', LAST)}, DEFRAGMENT_GIVEN_UP, ""},

	{"misaligned", STELLAR_TARGET_LINUX, {{.begin = 0, .units = 1, .rest = 3, .letter = 'a'}, PIECE(1, 1, 'b', LAST)}, DEFRAGMENT_WHOLE, "ab"},
	{"misaligned", STELLAR_TARGET_FIRST, {{.begin = 0, .units = 1, .rest = 3, .letter = 'a'}, PIECE(1, 1, 'b', LAST)}, DEFRAGMENT_KEPT, ""},
	{"misaligned, six", ANY, {{.begin = 0, .units = 1, .rest = 3, .letter = 'a', SIX}, PIECE(1, 1, 'b', LAST, SIX)}, DEFRAGMENT_KEPT, ""},

	{"paxson", STELLAR_TARGET_FIRST, {PAXSON}, DEFRAGMENT_WHOLE, "111422333666"},
	{"paxson", STELLAR_TARGET_LAST, {PAXSON}, DEFRAGMENT_WHOLE, "144442555666"},
	{"paxson", STELLAR_TARGET_BSD, {PAXSON}, DEFRAGMENT_WHOLE, "111442333666"},
	{"paxson", STELLAR_TARGET_BSD_RIGHT, {PAXSON}, DEFRAGMENT_WHOLE, "144422555666"},
	{"paxson", STELLAR_TARGET_WINDOWS, {PAXSON}, DEFRAGMENT_WHOLE, "111422333666"},
	{"paxson", STELLAR_TARGET_SOLARIS, {PAXSON}, DEFRAGMENT_WHOLE, "111422333666"},
	{"within", STELLAR_TARGET_FIRST, {WITHIN}, DEFRAGMENT_WHOLE, "cbaabd"},
	{"within", STELLAR_TARGET_WINDOWS, {WITHIN}, DEFRAGMENT_WHOLE, "cbbbbd"},
	{"within", STELLAR_TARGET_SOLARIS, {WITHIN}, DEFRAGMENT_WHOLE, "cbbbbd"},
	{"within", STELLAR_TARGET_BSD, {WITHIN}, DEFRAGMENT_WHOLE, "cbbbbd"},
	{"same end", STELLAR_TARGET_FIRST, {SAME_END}, DEFRAGMENT_WHOLE, "cbaad"},
	{"same end", STELLAR_TARGET_WINDOWS, {SAME_END}, DEFRAGMENT_WHOLE, "cbaad"},
	{"same end", STELLAR_TARGET_SOLARIS, {SAME_END}, DEFRAGMENT_WHOLE, "cbbbd"},
	{"middle", STELLAR_TARGET_LAST, {MIDDLE}, DEFRAGMENT_WHOLE, "abbaad"},
	{"middle", STELLAR_TARGET_BSD_RIGHT, {MIDDLE}, DEFRAGMENT_WHOLE, "aaaaad"},
	{"middle", STELLAR_TARGET_BSD, {MIDDLE}, DEFRAGMENT_WHOLE, "aaaaad"},

	{"overlap", STELLAR_TARGET_LINUX, {PIECE(0, 2, 'a'), PIECE(1, 2, 'b')}, DEFRAGMENT_GIVEN_UP, ""},
	{"overlap on the left", STELLAR_TARGET_LINUX, {PIECE(1, 2, 'a'), PIECE(0, 2, 'b')}, DEFRAGMENT_GIVEN_UP, ""},
	{"within a run", STELLAR_TARGET_LINUX, {PIECE(0, 1, 'a'), PIECE(1, 1, 'b'), PIECE(0, 2, 'x'), PIECE(2, 1, 'c', LAST)}, DEFRAGMENT_WHOLE, "abc"},
	{"over two runs", STELLAR_TARGET_LINUX, {PIECE(1, 1, 'b'), PIECE(0, 1, 'a'), PIECE(0, 2, 'x')}, DEFRAGMENT_GIVEN_UP, ""},
	{"other bytes", STELLAR_TARGET_LINUX, {PIECE(0, 1, 'a'), PIECE(0, 1, 'x'), PIECE(1, 1, 'b', LAST)}, DEFRAGMENT_WHOLE, "ab"},
	{"a last piece that is a duplicate", STELLAR_TARGET_LINUX, {PIECE(0, 1, 'a'), PIECE(1, 1, 'b'), PIECE(1, 1, 'x', LAST)}, DEFRAGMENT_KEPT, ""},
	{"ecn disagrees", STELLAR_TARGET_LINUX, {PIECE(0, 1, 'a', .ecn = 2), PIECE(1, 1, 'b', LAST)}, DEFRAGMENT_GIVEN_UP, ""},
	{"ecn disagrees", STELLAR_TARGET_BSD, {PIECE(0, 1, 'a', .ecn = 2), PIECE(1, 1, 'b', LAST)}, DEFRAGMENT_WHOLE, "ab"},
	{"ecn of two senders", STELLAR_TARGET_LINUX, {PIECE(0, 1, 'a', .ecn = 2), PIECE(1, 1, 'b', LAST, .ecn = 3)}, DEFRAGMENT_WHOLE, "ab"},

	{"overlap, six", ANY, {PIECE(0, 2, 'a', SIX), PIECE(1, 2, 'b', SIX)}, DEFRAGMENT_GIVEN_UP, ""},
	{"overlap, same bytes, six", ANY, {PIECE(0, 2, 'a', SIX), PIECE(1, 2, 'a', SIX)}, DEFRAGMENT_GIVEN_UP, ""},
	{"other bytes, six", STELLAR_TARGET_LAST, {PIECE(0, 1, 'a', SIX), PIECE(0, 1, 'x', SIX)}, DEFRAGMENT_GIVEN_UP, ""},
	{"other bytes, six", STELLAR_TARGET_LINUX, {PIECE(0, 1, 'a', SIX), PIECE(0, 1, 'x', SIX), PIECE(1, 1, 'b', LAST, SIX)}, DEFRAGMENT_WHOLE, "ab"},
};
// clang-format on

static void check_row(const struct row *row, uint8_t profile)
{
	static char letters[FRAGMENT_FRAME_MAX];
	static struct fragment_bench bench;

	fragment_bench_open(&bench, (struct defragment_config){0}, profile);
	enum defragment_answer answer = fragment_bench_run(&bench, row->pieces, letters);

	if (answer != row->answer || strcmp(letters, row->letters) != 0)
		fail_msg("%s, profile %s: answer %d, \"%s\"", row->what,
			 stellar_target_profile_name(profile), answer, letters);
	fragment_bench_close(&bench);
}

static void test_datagram_is_put_together_as_its_receiver_does(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint8_t profile = 0; profile < STELLAR_TARGET_PROFILE_COUNT; profile++) {
			if (rows[i].profile == ANY || rows[i].profile == profile)
				check_row(&rows[i], profile);
		}
	}
}

static void test_datagram_longer_than_ip_allows_is_not_joined(void **state)
{
	// 20 bytes of header and 65520 of payload.
	static const struct piece pieces[] = {PIECE(0, 8000, 'a'), PIECE(8000, 190, 'b', LAST)};
	static struct fragment_bench bench;
	struct defragment_result result;
	struct defragment_whole whole;

	fragment_bench_open(&bench, (struct defragment_config){0}, STELLAR_TARGET_LINUX);
	assert_int_equal(fragment_bench_add(&bench, &pieces[0], &result), DEFRAGMENT_KEPT);
	assert_int_equal(fragment_bench_add(&bench, &pieces[1], &result), DEFRAGMENT_WHOLE);
	assert_false(defragment_join(bench.defragmenter, result.datagram, &whole));
	defragment_release(bench.defragmenter, result.datagram);
	fragment_bench_close(&bench);
}

static void test_empty_piece_gives_the_datagram_up(void **state)
{
	static const struct piece first = PIECE(0, 1, 'a');
	static const struct piece empty = {.begin = 4, .is_last = true};
	static struct fragment_bench bench;
	struct defragment_result result;

	fragment_bench_open(&bench, (struct defragment_config){0}, STELLAR_TARGET_LINUX);
	fragment_bench_add(&bench, &first, &result);

	assert_int_equal(fragment_bench_add(&bench, &empty, &result), DEFRAGMENT_GIVEN_UP);
	assert_int_equal(result.cause, DEFRAGMENT_MALFORMED);
	assert_int_equal(datagram_count_frames(result.datagram), 2);
	defragment_release(bench.defragmenter, result.datagram);
	fragment_bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_datagram_is_put_together_as_its_receiver_does),
		cmocka_unit_test(test_datagram_longer_than_ip_allows_is_not_joined),
		cmocka_unit_test(test_empty_piece_gives_the_datagram_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
