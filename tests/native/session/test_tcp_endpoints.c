// SPDX-License-Identifier: Apache-2.0

// What a receiver would take, segment by segment. Numbers count from each side's SYN; FORWARD data
// goes to the responder. What Linux really does with the same is asked in tests/system/endpoint.

#include "support.h"

#include <netinet/in.h>

#include "packet/decode.h"
#include "session/table.h"
#include "session/tcp.h"

#define F STELLAR_FORWARD
#define R STELLAR_REVERSE
#define SYN STELLAR_TCP_SYN
#define ACK STELLAR_TCP_ACK
#define FIN (STELLAR_TCP_FIN | STELLAR_TCP_ACK)
#define RST STELLAR_TCP_RST
#define URG (STELLAR_TCP_URG | STELLAR_TCP_ACK)
#define CLOCK 5000u // timestamp of both SYNs
#define WINDOW 8000u
#define TAP (TCP_MIDSTREAM | TCP_ASYMMETRIC)

struct talk {
	struct session_hot hot;
	struct tcp_endpoints endpoints;
	unsigned options;
	bool stamped;
	bool selective;
	bool is_open;
};

struct line {
	uint8_t direction;
	uint8_t flags;
	uint32_t sequence;
	uint32_t acknowledgment;
	uint32_t length;
	int32_t age; // of the timestamp, ticks
	uint16_t urgent;
};

static const uint32_t first_numbers[2] = {UINT32_MAX - 50, 7000};

static struct tcp_outcome say(struct talk *talk, struct line line)
{
	struct packet_tcp tcp = {
		.sequence = first_numbers[line.direction] + line.sequence,
		.acknowledgment = first_numbers[!line.direction] + line.acknowledgment,
		.timestamp_value = CLOCK - (uint32_t)line.age,
		.has_timestamp = talk->stamped,
		.sack_permitted = talk->selective,
		.window = WINDOW,
		.urgent = line.urgent,
		.flags = line.flags,
		.header_length = 20,
	};
	struct tcp_outcome outcome;

	if (talk->is_open) {
		outcome = tcp_track_endpoints(&talk->hot, &talk->endpoints, &tcp, line.length,
					      line.direction, talk->options);
	} else {
		outcome = tcp_track(&talk->hot, &tcp, line.length, line.direction, talk->options);
		tcp_endpoints_open(&talk->endpoints, &talk->hot, &tcp, line.length, line.direction);
		talk->is_open = true;
	}
	talk->hot.packets[line.direction]++;
	return outcome;
}

static struct talk begin(unsigned options, bool stamped)
{
	return (struct talk){
		.hot = {.protocol = IPPROTO_TCP, .version = 4},
		.options = options,
		.stamped = stamped,
	};
}

// 100 bytes were sent each way, acknowledged and put in order.
static struct talk established(unsigned options, bool stamped)
{
	struct talk talk = begin(options, stamped);

	say(&talk, (struct line){F, SYN, 0, 0, 0, 0, 0});
	say(&talk, (struct line){R, SYN | ACK, 0, 1, 0, 0, 0});
	say(&talk, (struct line){F, ACK, 1, 1, 100, 0, 0});
	say(&talk, (struct line){R, ACK, 1, 101, 100, 0, 0});
	say(&talk, (struct line){F, ACK, 101, 101, 0, 0, 0});
	talk.endpoints.receiver[F].expected = first_numbers[F] + 101;
	talk.endpoints.receiver[R].expected = first_numbers[R] + 101;
	return talk;
}

struct expectation {
	struct line line;
	uint8_t payload;
	uint8_t code; // with TCP_STRICT; a tap accepts them all
};

static void check(const struct expectation *expectations, size_t count, bool stamped)
{
	for (size_t i = 0; i < count; i++) {
		const struct expectation *each = &expectations[i];
		struct talk tap = established(TAP, stamped);
		struct session_hot before = tap.hot;
		struct tcp_outcome outcome = say(&tap, each->line);

		if (outcome.code != TCP_ACCEPTED || outcome.payload != each->payload)
			fail_msg("case %zu: code %u payload %u", i, outcome.code, outcome.payload);
		before.packets[each->line.direction]++;
		if (each->payload == TCP_PAYLOAD_REFUSED)
			assert_memory_equal(&before, &tap.hot, sizeof(before));

		struct talk wire = established(TCP_STRICT, stamped);

		if (say(&wire, each->line).code != each->code)
			fail_msg("case %zu on a wire", i);
	}
}

#define CHECK(expectations, stamped) \
	check(expectations, sizeof(expectations) / sizeof((expectations)[0]), stamped)
#define TAKEN TCP_PAYLOAD_TAKEN
#define REFUSED TCP_PAYLOAD_REFUSED
#define PENDING TCP_PAYLOAD_PENDING
#define LIKELY TCP_PAYLOAD_LIKELY

static void test_window_decides(void **state)
{
	const uint32_t edge = 101 + WINDOW;
	const struct expectation expectations[] = {
		{{F, ACK, 101, 101, 50, 0, 0}, TAKEN, TCP_ACCEPTED},
		{{F, ACK, 300, 101, 50, 0, 0}, TAKEN, TCP_ACCEPTED},
		{{F, ACK, edge - 1, 101, 1, 0, 0}, TAKEN, TCP_ACCEPTED},
		{{F, ACK, edge, 101, 1, 0, 0}, REFUSED, TCP_INVALID},
		{{F, ACK, edge + 1, 101, 0, 0, 0}, REFUSED, TCP_INVALID},
		{{F, ACK, edge - 1, 101, 2, 0, 0}, TAKEN, TCP_INVALID}, // across: it may have room
		{{F, ACK, 101, 101, WINDOW + 1, 0, 0}, LIKELY, TCP_INVALID},
		{{F, ACK, 50, 101, 60, 0, 0}, TAKEN, TCP_ACCEPTED}, // the end is new
		{{F, ACK, 1, 101, 99, 0, 0}, REFUSED, TCP_ACCEPTED}, // an old retransmission
		{{R, ACK, 101 + WINDOW, 101, 1, 0, 0}, REFUSED, TCP_INVALID},
	};
	(void)state;
	CHECK(expectations, false);
}

static void test_acknowledgment_decides(void **state)
{
	const struct expectation expectations[] = {
		{{F, ACK, 101, 102, 50, 0, 0}, REFUSED, TCP_INVALID}, // never sent
		{{F, ACK, 101, 1, 50, 0, 0}, TAKEN, TCP_ACCEPTED}, // old
		{{F, ACK, 101, 0, 50, 0, 0}, PENDING, TCP_INVALID}, // older than all that was sent
		{{F, ACK, 102, 0, 50, 0, 0}, REFUSED, TCP_INVALID},
		{{F, FIN, 101, 0, 50, 0, 0}, REFUSED, TCP_INVALID},
		{{R, ACK, 101, 0, 50, 0, 0}, TAKEN, TCP_ACCEPTED}, // the SYN counts
		{{R, ACK, 101, UINT32_MAX, 50, 0, 0}, PENDING, TCP_INVALID},
		{{F, FIN, 101, 102, 0, 0, 0}, REFUSED, TCP_INVALID},
	};
	(void)state;
	CHECK(expectations, false);
}

// RFC 7323 5.
static void test_old_timestamps_are_refused(void **state)
{
	const struct expectation expectations[] = {
		{{F, ACK, 101, 101, 50, 0, 0}, TAKEN, TCP_ACCEPTED},
		{{F, ACK, 101, 101, 50, -9, 0}, TAKEN, TCP_ACCEPTED},
		{{F, ACK, 101, 101, 50, 1, 0}, TAKEN, TCP_ACCEPTED}, // a tick
		{{F, ACK, 101, 101, 50, 2, 0}, REFUSED, TCP_INVALID},
		{{R, FIN, 101, 101, 0, 2, 0}, REFUSED, TCP_INVALID},
		{{F, ACK, 101, 101, 50, INT32_MAX, 0}, REFUSED, TCP_INVALID},
		{{F, ACK, 101, 101, 0, 2, 0}, TAKEN, TCP_ACCEPTED}, // overtaken, nothing in it
		{{F, ACK, 101, 101, 0, 241, 0}, REFUSED, TCP_ACCEPTED},
		{{F, ACK, 102, 101, 0, 2, 0}, REFUSED, TCP_ACCEPTED},
	};
	(void)state;
	CHECK(expectations, true);
}

static void test_timestamps_count_when_both_ask_for_them(void **state)
{
	struct talk talk = begin(TAP, true);
	(void)state;
	say(&talk, (struct line){F, SYN, 0, 0, 0, 0, 0});
	talk.stamped = false;
	say(&talk, (struct line){R, SYN | ACK, 0, 1, 0, 0, 0});
	talk.stamped = true;
	say(&talk, (struct line){F, ACK, 1, 1, 0, 0, 0});

	struct tcp_outcome outcome = say(&talk, (struct line){F, ACK, 1, 1, 10, 900, 0});

	assert_int_equal(outcome.payload, TAKEN);
}

// RFC 7323 4.3: a segment that is not in order moves no clock.
static void test_clock_is_that_of_what_is_in_order(void **state)
{
	struct talk talk = established(TAP, true);
	(void)state;
	say(&talk, (struct line){F, ACK, 300, 101, 50, -500, 0});
	assert_int_equal(talk.endpoints.receiver[F].timestamp, CLOCK);

	say(&talk, (struct line){F, ACK, 101, 101, 50, -400, 0});
	assert_int_equal(talk.endpoints.receiver[F].timestamp, CLOCK + 400);
}

// RFC 5961 3.2.
static void test_rst_is_believed_at_the_expected_byte_alone(void **state)
{
	struct talk talk = established(TAP, false);
	(void)state;
	say(&talk, (struct line){F, ACK, 151, 101, 50, 0, 0}); // behind a gap

	assert_int_equal(say(&talk, (struct line){F, RST, 201, 0, 0, 0, 0}).state_changed, 0);
	assert_int_equal(say(&talk, (struct line){F, RST, 102, 0, 0, 0, 0}).state_changed, 0);
	assert_int_equal(say(&talk, (struct line){F, RST, 101, 0, 0, 0, 0}).state_changed, 1);
	assert_int_equal(talk.hot.tcp_state, STELLAR_TCP_CLOSED);
}

static void test_rst_is_believed_behind_what_was_acknowledged_selectively(void **state)
{
	struct talk talk = begin(TAP, false);
	(void)state;
	talk.selective = true;
	say(&talk, (struct line){F, SYN, 0, 0, 0, 0, 0});
	say(&talk, (struct line){R, SYN | ACK, 0, 1, 0, 0, 0});
	say(&talk, (struct line){F, ACK, 51, 1, 50, 0, 0});

	assert_int_equal(say(&talk, (struct line){F, RST, 101, 0, 0, 0, 0}).state_changed, 1);
}

static void test_what_comes_after_a_rst_is_refused(void **state)
{
	struct talk talk = established(TAP, false);
	(void)state;
	say(&talk, (struct line){F, RST, 101, 0, 0, 0, 0});

	assert_int_equal(say(&talk, (struct line){F, ACK, 101, 101, 50, 0, 0}).payload, REFUSED);
	assert_int_equal(say(&talk, (struct line){R, ACK, 101, 101, 50, 0, 0}).payload, REFUSED);
}

// RFC 7413.
static void test_data_of_a_syn_is_its_receivers_to_take(void **state)
{
	struct talk talk = begin(TAP, false);
	(void)state;
	assert_int_equal(say(&talk, (struct line){F, SYN, 0, 0, 20, 0, 0}).payload,
			 TCP_PAYLOAD_PENDING);
	assert_int_equal(say(&talk, (struct line){R, SYN | ACK, 0, 21, 20, 0, 0}).payload, REFUSED);
	assert_int_equal(talk.endpoints.receiver[F].first, first_numbers[F] + 1);
}

static void test_bytes_begin_where_the_responder_says(void **state)
{
	const uint32_t taken[] = {1, 301};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct talk talk = begin(TAP, false);
		say(&talk, (struct line){F, SYN, 0, 0, 0, 0, 0});
		say(&talk, (struct line){F, SYN, 300, 0, 0, 0, 0});
		say(&talk, (struct line){R, SYN | ACK, 0, taken[i], 0, 0, 0});
		assert_int_equal(talk.endpoints.receiver[F].first, first_numbers[F] + taken[i]);
		assert_int_equal(talk.endpoints.receiver[R].first, first_numbers[R] + 1);
		assert_int_equal(say(&talk, (struct line){F, ACK, taken[i], 1, 10, 0, 0}).payload,
				 TAKEN);
	}
}

static void test_wrong_end_of_a_handshake_is_refused(void **state)
{
	const struct line lines[] = {
		{F, ACK, 1, 2, 10, 0, 0},
		{F, ACK, 1, 0, 10, 0, 0},
		{F, ACK, 1 + WINDOW, 1, 10, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct talk talk = begin(TAP, false);
		say(&talk, (struct line){F, SYN, 0, 0, 0, 0, 0});
		say(&talk, (struct line){R, SYN | ACK, 0, 1, 0, 0, 0});
		assert_int_equal(say(&talk, lines[i]).payload, REFUSED);
		assert_int_equal(talk.hot.tcp_state, STELLAR_TCP_SYN_RECEIVED);
		assert_int_equal(say(&talk, (struct line){F, ACK, 1, 1, 10, 0, 0}).payload, TAKEN);
	}
}

// RFC 6093.
static void test_urgent_byte_is_the_last_one_pointed_at(void **state)
{
	struct talk talk = established(TAP, false);
	struct tcp_endpoint *receiver = &talk.endpoints.receiver[F];
	(void)state;
	say(&talk, (struct line){F, URG, 101, 101, 0, 0, 0});
	assert_true(receiver->has_urgent);
	assert_int_equal(receiver->urgent, first_numbers[F] + 101);

	say(&talk, (struct line){F, URG, 101, 101, 10, 0, 8});
	assert_int_equal(receiver->urgent, first_numbers[F] + 108);
	say(&talk, (struct line){F, URG, 101, 101, 10, 0, 3}); // before it
	assert_int_equal(receiver->urgent, first_numbers[F] + 108);

	receiver->has_urgent = false;
	receiver->expected = first_numbers[F] + 111;
	say(&talk, (struct line){F, URG, 101, 101, 10, 0, 8}); // passed already
	assert_false(receiver->has_urgent);

	talk.options |= TCP_URGENT_INLINE;
	say(&talk, (struct line){F, URG, 111, 101, 10, 0, 5});
	assert_false(receiver->has_urgent);
}

static void test_session_met_midway_is_judged_by_what_was_seen(void **state)
{
	struct talk talk = begin(TAP, true);
	(void)state;
	assert_int_equal(say(&talk, (struct line){F, ACK, 5000, 900, 100, 0, 0}).payload, TAKEN);
	assert_int_equal(talk.endpoints.receiver[F].expected, first_numbers[F] + 5000);
	assert_int_equal(talk.endpoints.receiver[R].expected, first_numbers[R] + 900);

	// Nothing of the other side yet: whatever is in the sender's own order.
	assert_int_equal(say(&talk, (struct line){F, ACK, 9000, 70000, 100, 0, 0}).payload, TAKEN);
	assert_int_equal(say(&talk, (struct line){F, ACK, 9100, 70000, 100, 5, 0}).payload,
			 REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_decides),
		cmocka_unit_test(test_acknowledgment_decides),
		cmocka_unit_test(test_old_timestamps_are_refused),
		cmocka_unit_test(test_timestamps_count_when_both_ask_for_them),
		cmocka_unit_test(test_clock_is_that_of_what_is_in_order),
		cmocka_unit_test(test_rst_is_believed_at_the_expected_byte_alone),
		cmocka_unit_test(test_rst_is_believed_behind_what_was_acknowledged_selectively),
		cmocka_unit_test(test_what_comes_after_a_rst_is_refused),
		cmocka_unit_test(test_data_of_a_syn_is_its_receivers_to_take),
		cmocka_unit_test(test_bytes_begin_where_the_responder_says),
		cmocka_unit_test(test_wrong_end_of_a_handshake_is_refused),
		cmocka_unit_test(test_urgent_byte_is_the_last_one_pointed_at),
		cmocka_unit_test(test_session_met_midway_is_judged_by_what_was_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
