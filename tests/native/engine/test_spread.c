// SPDX-License-Identifier: Apache-2.0

// Homes of address pairs: the same in both directions, evenly spread, and not to be aimed at.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/spread.h"
#include "packet/decode.h"

#define PAIRS 100000u // of 8 workers: a standard deviation of 0.8 % of a worker's share
#define WORKERS_MAX 8u

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32);
}

static struct ip_address random_address(uint64_t *state, uint8_t version)
{
	struct ip_address address = {.version = version};

	for (size_t i = 0; i < (version == 4 ? 4u : 16u); i++)
		address.bytes[i] = (uint8_t)next_random(state);
	return address;
}

static void assert_even(const uint32_t *counts, uint32_t worker_count, uint32_t total)
{
	uint32_t share = total / worker_count;

	for (uint32_t id = 0; id < worker_count; id++)
		assert_in_range(counts[id], share - share / 20, share + share / 20);
}

static void spread_random_pairs(uint8_t version)
{
	const uint64_t seed[2] = {1, 2};
	struct session_secret secret = spread_secret(seed);

	for (uint32_t worker_count = 2; worker_count <= WORKERS_MAX; worker_count++) {
		uint32_t counts[WORKERS_MAX] = {0};
		uint64_t state = worker_count;

		for (uint32_t i = 0; i < PAIRS; i++) {
			struct ip_address first = random_address(&state, version);
			struct ip_address second = random_address(&state, version);

			counts[spread_pair(&secret, &first, &second, worker_count)]++;
		}
		assert_even(counts, worker_count, PAIRS);
	}
}

static void test_random_pairs_are_spread_evenly(void **state)
{
	spread_random_pairs(4);
	spread_random_pairs(6);
}

static void test_neighbours_are_spread_evenly(void **state)
{
	const uint64_t seed[2] = {1, 2};
	struct session_secret secret = spread_secret(seed);
	struct ip_address server = {.version = 4, .bytes = {192, 0, 2, 1}};
	uint32_t counts[4] = {0};

	for (uint32_t i = 0; i < 65536; i++) {
		struct ip_address client = {.version = 4,
					    .bytes = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};

		counts[spread_pair(&secret, &client, &server, 4)]++;
	}

	assert_even(counts, 4, 65536);
}

static void test_both_directions_have_one_home(void **state)
{
	const uint64_t seed[2] = {3, 4};
	struct session_secret secret = spread_secret(seed);
	uint64_t random = 1;

	for (uint32_t i = 0; i < 1000; i++) {
		uint8_t version = i % 2 == 0 ? 4 : 6;
		struct ip_address first = random_address(&random, version);
		struct ip_address second = random_address(&random, version);

		assert_int_equal(spread_pair(&secret, &first, &second, 7),
				 spread_pair(&secret, &second, &first, 7));
	}
}

// Pairs that all meet on worker 0 under one secret are nothing special under another.
static void test_pairs_aimed_under_one_secret_are_spread_under_another(void **state)
{
	const uint64_t seeds[2][2] = {{5, 6}, {5, 7}};
	struct session_secret known = spread_secret(seeds[0]);
	struct session_secret actual = spread_secret(seeds[1]);
	uint32_t counts[4] = {0};
	uint32_t aimed = 0;
	uint64_t random = 1;

	while (aimed < PAIRS) {
		struct ip_address first = random_address(&random, 4);
		struct ip_address second = random_address(&random, 4);

		if (spread_pair(&known, &first, &second, 4) != 0)
			continue;
		counts[spread_pair(&actual, &first, &second, 4)]++;
		aimed++;
	}

	assert_even(counts, 4, PAIRS);
}

static void test_what_has_no_session_has_no_home(void **state)
{
	const uint64_t seed[2] = {1, 2};
	struct session_secret secret = spread_secret(seed);
	const struct packet whole = {
		.ip_version = 4,
		.source = {.version = 4, .bytes = {192, 0, 2, 1}},
		.destination = {.version = 4, .bytes = {192, 0, 2, 2}},
	};
	struct packet not_ip = whole, malformed = whole, wrong = whole, fragment = whole;

	not_ip.ip_version = 0;
	malformed.malformed = true;
	wrong.checksum_wrong = true;
	fragment.is_fragment = true;

	assert_in_range(spread_packet(&secret, &whole, 4), 0, 3);
	assert_int_equal(spread_packet(&secret, &not_ip, 4), SPREAD_NOWHERE);
	assert_int_equal(spread_packet(&secret, &malformed, 4), SPREAD_NOWHERE);
	assert_int_equal(spread_packet(&secret, &wrong, 4), SPREAD_NOWHERE);
	assert_int_equal(spread_packet(&secret, &fragment, 4), SPREAD_NOWHERE);
}

static void test_error_has_the_home_of_what_it_quotes(void **state)
{
	const uint64_t seed[2] = {1, 2};
	struct session_secret secret = spread_secret(seed);
	uint8_t bytes[28] = {0x45, [9] = 17, [12] = 192, 0, 2, 1, 198, 51, 100, 2};
	const struct packet error = {
		.frame = {.data = bytes, .length = sizeof(bytes)},
		.ip_version = 4,
		.protocol = 1,
		.has_transport = true,
		.icmp_type = 3,
		.payload_length = sizeof(bytes),
		.source = {.version = 4, .bytes = {203, 0, 113, 9}},
		.destination = {.version = 4, .bytes = {192, 0, 2, 1}},
	};
	struct ip_address client = {.version = 4, .bytes = {192, 0, 2, 1}};
	struct ip_address server = {.version = 4, .bytes = {198, 51, 100, 0}};

	for (unsigned host = 0; host < 256; host++) {
		server.bytes[3] = bytes[19] = (uint8_t)host;
		assert_int_equal(spread_packet(&secret, &error, 8),
				 spread_pair(&secret, &server, &client, 8));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_pairs_are_spread_evenly),
		cmocka_unit_test(test_neighbours_are_spread_evenly),
		cmocka_unit_test(test_both_directions_have_one_home),
		cmocka_unit_test(test_pairs_aimed_under_one_secret_are_spread_under_another),
		cmocka_unit_test(test_what_has_no_session_has_no_home),
		cmocka_unit_test(test_error_has_the_home_of_what_it_quotes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
