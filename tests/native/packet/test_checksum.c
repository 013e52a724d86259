// SPDX-License-Identifier: Apache-2.0

// The fast sums against the definition of RFC 1071, two bytes at a time.

#include "samples.h"

#include "packet/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

enum {
	LENGTH_MAX = 300,
	TRIALS = 20000,
};

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fill_random(uint8_t *ret_bytes, size_t length, uint64_t *state)
{
	for (size_t at = 0; at < length; at++)
		ret_bytes[at] = (uint8_t)random_next(state);
}

static uint16_t slow_checksum(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t at = 0; at < length; at += 2) {
		sum += (uint32_t)data[at] << 8 | (at + 1 < length ? data[at + 1] : 0);
		if (sum > UINT16_MAX)
			sum -= UINT16_MAX;
	}
	return (uint16_t)~sum;
}

static void test_checksum_of_every_length_is_the_slow_one(void **state)
{
	uint8_t bytes[LENGTH_MAX] = {0};
	uint64_t seed = 1;

	for (size_t length = 0; length <= LENGTH_MAX; length++) {
		fill_random(bytes, length, &seed);
		uint8_t *placed = guard_place(*state, bytes, length);

		uint16_t checksum = checksum_fold(checksum_partial(placed, length, 0));

		assert_int_equal(checksum, slow_checksum(bytes, length));
	}
}

static void test_checksum_of_ones_carries_to_the_end(void **state)
{
	uint8_t bytes[65536];
	memset(bytes, 0xff, sizeof(bytes));

	for (size_t length = 2; length <= sizeof(bytes); length += 2) {
		uint64_t sum = checksum_partial(bytes, length, UINT64_MAX);
		assert_int_equal(checksum_fold(sum), 0);
	}
}

static void test_checksum_of_pieces_is_that_of_the_whole(void **state)
{
	uint8_t bytes[LENGTH_MAX];
	uint64_t seed = 2;

	for (size_t trial = 0; trial < TRIALS; trial++) {
		size_t length = random_next(&seed) % (LENGTH_MAX + 1);
		size_t first = length == 0 ? 0 : (random_next(&seed) % length) & ~(size_t)1;
		fill_random(bytes, length, &seed);

		uint64_t sum = checksum_partial(bytes, first, 0);
		sum = checksum_partial(bytes + first, length - first, sum);

		assert_int_equal(checksum_fold(sum), slow_checksum(bytes, length));
	}
}

static void check_pseudo(size_t address_length, const uint8_t *wire, size_t wire_length,
			 uint8_t protocol, uint32_t length)
{
	uint64_t sum =
		checksum_pseudo(wire, wire + address_length, address_length, protocol, length);

	assert_int_equal(checksum_fold(sum), slow_checksum(wire, wire_length));
}

static void test_checksum_pseudo_is_that_of_the_header_written_out(void **state)
{
	uint8_t ipv4[12] = {192, 0, 2, 1, 198, 51, 100, 2, 0, 6, 0x12, 0x34};
	uint8_t ipv6[40] = {0x20, 0x01,	    0x0d, 0xb8, [15] = 1, 0x20, 0x01,	  0x0d,
			    0xb8, [31] = 2, 0x00, 0x01, 0x12,	  0x34, [39] = 58};

	check_pseudo(4, ipv4, sizeof(ipv4), 6, 0x1234);
	check_pseudo(16, ipv6, sizeof(ipv6), 58, 0x11234);
}

// RFC 1624 section 4: the example that eqn. 2 gets wrong.
static void test_checksum_update_gives_the_value_of_the_rfc(void **state)
{
	assert_int_equal(checksum_update(0xdd2f, 0x5555, 0x3285), 0x0000);
}

static void test_checksum_update_is_a_new_sum(void **state)
{
	uint8_t bytes[20];
	uint64_t seed = 3;

	for (size_t trial = 0; trial < TRIALS; trial++) {
		fill_random(bytes, sizeof(bytes), &seed);
		size_t at = random_next(&seed) % sizeof(bytes) & ~(size_t)1;
		uint16_t old_word = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
		uint16_t new_word = (uint16_t)random_next(&seed);
		uint16_t checksum = slow_checksum(bytes, sizeof(bytes));
		bytes[at] = (uint8_t)(new_word >> 8);
		bytes[at + 1] = (uint8_t)new_word;

		uint16_t updated = checksum_update(checksum, old_word, new_word);

		assert_int_equal(updated, slow_checksum(bytes, sizeof(bytes)));
	}
}

static int set_up(void **state)
{
	static struct guard guard;
	*state = &guard;
	return guard_init(&guard);
}

static int tear_down(void **state)
{
	guard_fini(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum_of_every_length_is_the_slow_one),
		cmocka_unit_test(test_checksum_of_ones_carries_to_the_end),
		cmocka_unit_test(test_checksum_of_pieces_is_that_of_the_whole),
		cmocka_unit_test(test_checksum_pseudo_is_that_of_the_header_written_out),
		cmocka_unit_test(test_checksum_update_gives_the_value_of_the_rfc),
		cmocka_unit_test(test_checksum_update_is_a_new_sum),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
