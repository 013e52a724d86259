// SPDX-License-Identifier: Apache-2.0

// What tcp_track decides at once is what it decides the long way, at every edge of both windows.

#include "support.h"

#include <netinet/in.h>

#include "packet/decode.h"
#include "session/table.h"
#include "session/tcp.h"

#define ROUNDS 400000

// Numbers that meet at the edges: distances of a window, an old acknowledgment, half of all.
static uint32_t random_near(uint64_t *seed, uint32_t base)
{
	static const uint32_t distances[] = {0,	    1,	   100,	       8000,	   65535,
					     66000, 66001, 0x7fffffff, 0x80000000, 1 << 20};
	const size_t count = sizeof(distances) / sizeof(distances[0]);
	uint32_t distance = distances[random_next(seed) % count];
	uint32_t shake = (uint32_t)(random_next(seed) % 5) - 2;
	return (random_next(seed) & 1) != 0 ? base + distance + shake : base - distance + shake;
}

static struct session_hot random_hot(uint64_t *seed, uint32_t base)
{
	static const uint16_t windows[] = {0, 1, 100, 8000, UINT16_MAX};
	struct session_hot hot = {.protocol = IPPROTO_TCP, .version = 4};
	for (size_t side = 0; side < 2; side++) {
		hot.seq_end[side] = random_near(seed, base);
		hot.acked[side] = random_near(seed, base);
		hot.max_window[side] = windows[random_next(seed) % 5];
		hot.packets[side] = 1;
	}
	hot.window_scale = (uint8_t)(random_next(seed) % 15 | (random_next(seed) % 15) << 4);
	hot.tcp_state = random_next(seed) % 8 != 0 ? STELLAR_TCP_ESTABLISHED
						   : random_next(seed) % STELLAR_TCP_STATE_COUNT;
	hot.state = STELLAR_SESSION_ACTIVE;
	return hot;
}

static struct packet_tcp random_segment(uint64_t *seed, uint32_t base)
{
	static const uint8_t flags[] = {STELLAR_TCP_ACK, STELLAR_TCP_ACK | STELLAR_TCP_PSH,
					STELLAR_TCP_ACK | STELLAR_TCP_FIN,
					STELLAR_TCP_SYN | STELLAR_TCP_ACK, STELLAR_TCP_RST};
	struct packet_tcp tcp = {
		.sequence = random_near(seed, base),
		.acknowledgment = random_near(seed, base),
		.window = (uint16_t)random_next(seed),
		.flags = flags[random_next(seed) % 4 != 0 ? 0 : random_next(seed) % 5],
	};
	return tcp;
}

static void test_prediction_is_what_the_rules_say(void **state)
{
	(void)state;
	static const unsigned options[] = {TCP_STRICT, TCP_MIDSTREAM, 0,
					   TCP_STRICT | TCP_ASYMMETRIC};
	uint64_t seed = 7;
	size_t followed = 0;
	for (size_t round = 0; round < ROUNDS; round++) {
		uint32_t base = (uint32_t)random_next(&seed);
		struct session_hot hot = random_hot(&seed, base);
		struct session_hot other = hot;
		struct packet_tcp tcp = random_segment(&seed, base);
		uint32_t length = random_next(&seed) % 3 * 700;
		enum stellar_direction direction = (enum stellar_direction)(round & 1);
		unsigned chosen = options[round / 2 % 4];

		struct tcp_outcome outcome = tcp_track(&hot, &tcp, length, direction, chosen);
		struct tcp_outcome expected =
			tcp_track_others(&other, &tcp, tcp.sequence + length, direction, chosen);

		assert_memory_equal(&hot, &other, sizeof(hot));
		assert_int_equal(outcome.code, expected.code);
		assert_int_equal(outcome.payload, expected.payload);
		assert_int_equal(outcome.previous_state, expected.previous_state);
		assert_int_equal(outcome.state_changed, expected.state_changed);
		assert_int_equal(outcome.out_of_window, expected.out_of_window);
		followed += outcome.code == TCP_ACCEPTED && !outcome.out_of_window;
	}
	assert_true(followed > ROUNDS / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prediction_is_what_the_rules_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
