// SPDX-License-Identifier: Apache-2.0

// The TCP state table, told a second time: every edge, and that there is no other.

#include "support.h"

#include "session/tcp.h"

struct edge {
	uint8_t state;
	uint8_t direction;
	uint8_t input;
	uint8_t next;
};

#define REOPEN TCP_NEXT_REOPEN
#define F(state, input, next) {STELLAR_TCP_##state, STELLAR_FORWARD, TCP_INPUT_##input, next}
#define R(state, input, next) {STELLAR_TCP_##state, STELLAR_REVERSE, TCP_INPUT_##input, next}
#define BOTH(state, input, next) F(state, input, next), R(state, input, next)
#define TO(state) STELLAR_TCP_##state

// clang-format off
static const struct edge edges[] = {
	F(NONE, SYN, TO(SYN_SENT)),
	F(NONE, SYN_ACK, TO(ESTABLISHED)),
	F(NONE, ACK, TO(ESTABLISHED)),
	F(NONE, FIN, TO(FIN_WAIT)),

	F(SYN_SENT, SYN, TO(SYN_SENT)),
	F(SYN_SENT, SYN_MOVED, TO(SYN_SENT)),
	F(SYN_SENT, ACK, TO(ESTABLISHED)),
	R(SYN_SENT, SYN, TO(SIMULTANEOUS_OPEN)),
	R(SYN_SENT, SYN_ACK, TO(SYN_RECEIVED)),
	R(SYN_SENT, ACK, TO(SYN_SENT)),
	BOTH(SYN_SENT, RST, TO(CLOSED)),

	BOTH(SIMULTANEOUS_OPEN, SYN, TO(SIMULTANEOUS_OPEN)),
	BOTH(SIMULTANEOUS_OPEN, SYN_ACK, TO(SIMULTANEOUS_OPEN)),
	BOTH(SIMULTANEOUS_OPEN, ACK, TO(ESTABLISHED)),
	F(SIMULTANEOUS_OPEN, FIN, TO(FIN_WAIT)),
	R(SIMULTANEOUS_OPEN, FIN, TO(CLOSE_WAIT)),
	BOTH(SIMULTANEOUS_OPEN, RST, TO(CLOSED)),

	F(SYN_RECEIVED, SYN, TO(SYN_RECEIVED)),
	F(SYN_RECEIVED, SYN_MOVED, TO(SYN_SENT)),
	F(SYN_RECEIVED, ACK, TO(ESTABLISHED)),
	F(SYN_RECEIVED, FIN, TO(FIN_WAIT)),
	R(SYN_RECEIVED, SYN_ACK, TO(SYN_RECEIVED)),
	R(SYN_RECEIVED, ACK, TO(SYN_RECEIVED)),
	R(SYN_RECEIVED, FIN, TO(CLOSE_WAIT)),
	BOTH(SYN_RECEIVED, RST, TO(CLOSED)),

	BOTH(ESTABLISHED, SYN, TO(ESTABLISHED)),
	BOTH(ESTABLISHED, SYN_ACK, TO(ESTABLISHED)),
	BOTH(ESTABLISHED, ACK, TO(ESTABLISHED)),
	F(ESTABLISHED, FIN, TO(FIN_WAIT)),
	R(ESTABLISHED, FIN, TO(CLOSE_WAIT)),
	BOTH(ESTABLISHED, RST, TO(CLOSED)),

	BOTH(FIN_WAIT, SYN, TO(FIN_WAIT)),
	R(FIN_WAIT, SYN_ACK, TO(FIN_WAIT)),
	BOTH(FIN_WAIT, ACK, TO(FIN_WAIT)),
	F(FIN_WAIT, FIN, TO(FIN_WAIT)),
	R(FIN_WAIT, FIN, TO(CLOSING)),
	R(FIN_WAIT, FIN_ANSWER, TO(LAST_ACK)),
	BOTH(FIN_WAIT, RST, TO(CLOSED)),

	BOTH(CLOSE_WAIT, SYN, TO(CLOSE_WAIT)),
	R(CLOSE_WAIT, SYN_ACK, TO(CLOSE_WAIT)),
	BOTH(CLOSE_WAIT, ACK, TO(CLOSE_WAIT)),
	F(CLOSE_WAIT, FIN, TO(CLOSING)),
	F(CLOSE_WAIT, FIN_ANSWER, TO(LAST_ACK)),
	R(CLOSE_WAIT, FIN, TO(CLOSE_WAIT)),
	BOTH(CLOSE_WAIT, RST, TO(CLOSED)),

	BOTH(CLOSING, SYN, TO(CLOSING)),
	BOTH(CLOSING, ACK, TO(CLOSING)),
	BOTH(CLOSING, FIN, TO(CLOSING)),
	BOTH(CLOSING, FIN_ANSWER, TO(CLOSING)),
	BOTH(CLOSING, LAST_ACK, TO(TIME_WAIT)),
	BOTH(CLOSING, RST, TO(CLOSED)),

	BOTH(LAST_ACK, SYN, TO(LAST_ACK)),
	BOTH(LAST_ACK, ACK, TO(LAST_ACK)),
	BOTH(LAST_ACK, FIN, TO(LAST_ACK)),
	BOTH(LAST_ACK, FIN_ANSWER, TO(LAST_ACK)),
	BOTH(LAST_ACK, LAST_ACK, TO(TIME_WAIT)),
	BOTH(LAST_ACK, RST, TO(CLOSED)),

	BOTH(TIME_WAIT, SYN, REOPEN),
	BOTH(TIME_WAIT, ACK, TO(TIME_WAIT)),
	BOTH(TIME_WAIT, FIN, TO(TIME_WAIT)),
	BOTH(TIME_WAIT, FIN_ANSWER, TO(TIME_WAIT)),
	BOTH(TIME_WAIT, LAST_ACK, TO(TIME_WAIT)),
	BOTH(TIME_WAIT, RST, TO(TIME_WAIT)),

	BOTH(CLOSED, SYN, REOPEN),
	BOTH(CLOSED, SYN_ACK, TO(CLOSED)),
	BOTH(CLOSED, ACK, TO(CLOSED)),
	BOTH(CLOSED, FIN, TO(CLOSED)),
	BOTH(CLOSED, RST, TO(CLOSED)),
};
// clang-format on
#define EDGE_COUNT (sizeof(edges) / sizeof(edges[0]))

static void test_every_listed_edge_leads_where_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < EDGE_COUNT; i++) {
		const struct edge *edge = &edges[i];
		if (tcp_next_state(edge->state, edge->direction, edge->input) != edge->next)
			fail_msg("edge %zu: %s direction %u input %u", i,
				 stellar_tcp_state_name(edge->state), edge->direction, edge->input);
	}
}

static bool is_listed(uint8_t state, uint8_t direction, uint8_t input)
{
	for (size_t i = 0; i < EDGE_COUNT; i++) {
		if (edges[i].state == state && edges[i].direction == direction &&
		    edges[i].input == input)
			return true;
	}
	return false;
}

static void test_every_edge_that_is_not_listed_is_invalid(void **state)
{
	(void)state;
	size_t missing = 0;
	for (uint8_t from = 0; from < STELLAR_TCP_STATE_COUNT; from++) {
		for (uint8_t direction = 0; direction < STELLAR_DIRECTION_COUNT; direction++) {
			for (uint8_t input = 0; input < TCP_INPUT_COUNT; input++) {
				if (is_listed(from, direction, input))
					continue;
				missing++;
				if (tcp_next_state(from, direction, input) != TCP_NEXT_INVALID)
					fail_msg("%s direction %u input %u is an edge",
						 stellar_tcp_state_name(from), direction, input);
			}
		}
	}
	assert_int_equal(missing + EDGE_COUNT,
			 STELLAR_TCP_STATE_COUNT * STELLAR_DIRECTION_COUNT * TCP_INPUT_COUNT);
}

static void test_nothing_leads_back_to_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < EDGE_COUNT; i++)
		assert_int_not_equal(edges[i].next, STELLAR_TCP_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_listed_edge_leads_where_it_says),
		cmocka_unit_test(test_every_edge_that_is_not_listed_is_invalid),
		cmocka_unit_test(test_nothing_leads_back_to_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
