// SPDX-License-Identifier: Apache-2.0

// Whole conversations, segment by segment. Sequence numbers are given relative to each side's first
// one, so that every case can be run again where they wrap.

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
#define NO_SCALE 255

static const uint32_t first_numbers[][2] = {
	{1000, 5000},
	{UINT32_MAX - 1, UINT32_MAX - 2},
	{UINT32_MAX, 0},
	{0x7fffffff, 0x80000000},
	{UINT32_MAX - 20000, UINT32_MAX - 30000},
};
#define VARIANTS (sizeof(first_numbers) / sizeof(first_numbers[0]))

struct talk {
	struct session_hot hot;
	uint32_t first[2];
	unsigned options;
	uint8_t scale; // of segments with SYN
	uint16_t window;
};

static struct talk talk_between(size_t variant, unsigned options)
{
	struct talk talk = {
		.hot = {.protocol = IPPROTO_TCP, .version = 4, .state = STELLAR_SESSION_OPENING},
		.first = {first_numbers[variant][0], first_numbers[variant][1]},
		.options = options,
		.scale = NO_SCALE,
		.window = 8000,
	};
	return talk;
}

static struct packet_tcp make_segment(const struct talk *talk, uint8_t direction, uint8_t flags,
				      uint32_t sequence, uint32_t acknowledgment)
{
	struct packet_tcp tcp = {
		.sequence = talk->first[direction] + sequence,
		.flags = flags,
		.window = talk->window,
		.header_length = 20,
	};
	if ((flags & ACK) != 0)
		tcp.acknowledgment = talk->first[!direction] + acknowledgment;
	if ((flags & SYN) != 0 && talk->scale != NO_SCALE) {
		tcp.has_window_scale = true;
		tcp.window_scale = talk->scale;
	}
	return tcp;
}

// Send one segment; numbers are relative to the first ones.
static struct tcp_outcome say(struct talk *talk, uint8_t direction, uint8_t flags,
			      uint32_t sequence, uint32_t acknowledgment, uint32_t length)
{
	struct packet_tcp tcp = make_segment(talk, direction, flags, sequence, acknowledgment);
	return tcp_track(&talk->hot, &tcp, length, direction, talk->options);
}

static void assert_accepted(struct talk *talk, struct tcp_outcome outcome, uint8_t state)
{
	assert_int_equal(outcome.code, TCP_ACCEPTED);
	assert_false(outcome.out_of_window);
	assert_int_equal(talk->hot.tcp_state, state);
	assert_int_equal(outcome.state_changed, outcome.previous_state != state);
}

// The segment is refused and leaves no trace.
static void assert_refused(struct talk *talk, uint8_t direction, uint8_t flags, uint32_t sequence,
			   uint32_t acknowledgment, uint32_t length)
{
	struct session_hot before = talk->hot;
	struct tcp_outcome outcome = say(talk, direction, flags, sequence, acknowledgment, length);
	assert_int_equal(outcome.code, TCP_INVALID);
	assert_false(outcome.state_changed);
	assert_memory_equal(&before, &talk->hot, sizeof(before));
}

static void shake_hands(struct talk *talk)
{
	assert_accepted(talk, say(talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_SENT);
	assert_accepted(talk, say(talk, R, SYN | ACK, 0, 1, 0), STELLAR_TCP_SYN_RECEIVED);
	assert_accepted(talk, say(talk, F, ACK, 1, 1, 0), STELLAR_TCP_ESTABLISHED);
}

static struct talk established(size_t variant, unsigned options)
{
	struct talk talk = talk_between(variant, options);
	shake_hands(&talk);
	return talk;
}

static void test_handshake_data_and_both_fins(void **state)
{
	(void)state;
	for (size_t variant = 0; variant < VARIANTS; variant++) {
		struct talk talk = established(variant, TCP_STRICT);
		assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 500), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, R, ACK, 1, 501, 1400), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, F, FIN, 501, 1401, 0), STELLAR_TCP_FIN_WAIT);
		assert_accepted(&talk, say(&talk, R, ACK, 1401, 502, 0), STELLAR_TCP_FIN_WAIT);
		assert_accepted(&talk, say(&talk, R, FIN, 1401, 502, 0), STELLAR_TCP_LAST_ACK);
		assert_accepted(&talk, say(&talk, F, ACK, 502, 1402, 0), STELLAR_TCP_TIME_WAIT);
		assert_int_equal(session_hot_closing_reason(&talk.hot), STELLAR_CLOSED_FIN);
	}
}

static void test_responder_finishes_first(void **state)
{
	(void)state;
	struct talk talk = established(1, TCP_STRICT);
	assert_accepted(&talk, say(&talk, R, FIN, 1, 1, 10), STELLAR_TCP_CLOSE_WAIT);
	assert_accepted(&talk, say(&talk, F, FIN, 1, 12, 0), STELLAR_TCP_LAST_ACK);
	assert_accepted(&talk, say(&talk, R, ACK, 12, 2, 0), STELLAR_TCP_TIME_WAIT);
}

static void test_half_closed_session_still_carries_data(void **state)
{
	(void)state;
	struct talk talk = established(0, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, FIN, 1, 1, 0), STELLAR_TCP_FIN_WAIT);

	assert_accepted(&talk, say(&talk, R, ACK, 1, 2, 1000), STELLAR_TCP_FIN_WAIT);
	assert_accepted(&talk, say(&talk, F, ACK, 2, 1001, 0), STELLAR_TCP_FIN_WAIT);
	assert_accepted(&talk, say(&talk, R, ACK, 1001, 2, 1000), STELLAR_TCP_FIN_WAIT);
}

static void test_nothing_comes_after_a_fin(void **state)
{
	(void)state;
	struct talk talk = established(0, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, FIN, 1, 1, 0), STELLAR_TCP_FIN_WAIT);

	assert_refused(&talk, F, ACK, 2, 1, 10);
	assert_accepted(&talk, say(&talk, F, FIN, 1, 1, 0), STELLAR_TCP_FIN_WAIT);
}

static void test_crossing_fins_need_both_acknowledgments(void **state)
{
	(void)state;
	struct talk talk = established(2, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, FIN, 1, 1, 0), STELLAR_TCP_FIN_WAIT);
	assert_accepted(&talk, say(&talk, R, FIN, 1, 1, 0), STELLAR_TCP_CLOSING);
	assert_accepted(&talk, say(&talk, F, ACK, 2, 2, 0), STELLAR_TCP_CLOSING);
	assert_accepted(&talk, say(&talk, F, ACK, 2, 2, 0), STELLAR_TCP_CLOSING);
	assert_accepted(&talk, say(&talk, R, ACK, 2, 2, 0), STELLAR_TCP_TIME_WAIT);
}

static void test_retransmitted_last_fin_is_not_its_acknowledgment(void **state)
{
	(void)state;
	struct talk talk = established(0, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, FIN, 1, 1, 0), STELLAR_TCP_FIN_WAIT);
	assert_accepted(&talk, say(&talk, R, FIN, 1, 2, 0), STELLAR_TCP_LAST_ACK);

	assert_accepted(&talk, say(&talk, R, FIN, 1, 2, 0), STELLAR_TCP_LAST_ACK);
	assert_accepted(&talk, say(&talk, R, ACK, 2, 2, 0), STELLAR_TCP_LAST_ACK);
	assert_accepted(&talk, say(&talk, F, ACK, 2, 1, 0), STELLAR_TCP_LAST_ACK);
	assert_accepted(&talk, say(&talk, F, ACK, 2, 2, 0), STELLAR_TCP_TIME_WAIT);
}

static void test_lost_handshake_segments_come_again(void **state)
{
	(void)state;
	struct talk talk = talk_between(1, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_SENT);
	assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_SENT);
	assert_accepted(&talk, say(&talk, R, SYN | ACK, 0, 1, 0), STELLAR_TCP_SYN_RECEIVED);
	assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_RECEIVED);
	assert_accepted(&talk, say(&talk, R, SYN | ACK, 0, 1, 0), STELLAR_TCP_SYN_RECEIVED);
	assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 0), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, R, SYN | ACK, 0, 1, 0), STELLAR_TCP_ESTABLISHED);
}

static void test_new_attempt_may_have_another_first_number(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_SENT);

	talk.first[F] += 123456789;
	shake_hands(&talk);
}

static void test_handshake_must_acknowledge_the_syn(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_SENT);
	assert_refused(&talk, R, SYN | ACK, 0, 0, 0);
	assert_refused(&talk, R, SYN | ACK, 0, 2, 0);
	assert_accepted(&talk, say(&talk, R, SYN | ACK, 0, 1, 0), STELLAR_TCP_SYN_RECEIVED);
	assert_refused(&talk, F, ACK, 1, 0, 0);
	assert_refused(&talk, F, ACK, 1, 2, 0);
	assert_refused(&talk, F, ACK, 1, UINT32_MAX - 60000, 0);
	assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 0), STELLAR_TCP_ESTABLISHED);
}

static void test_data_in_the_syn_may_be_taken_or_not(void **state)
{
	(void)state;
	for (uint32_t taken = 0; taken <= 100; taken += 100) {
		struct talk talk = talk_between(0, TCP_STRICT);
		assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 100), STELLAR_TCP_SYN_SENT);
		assert_accepted(&talk, say(&talk, R, SYN | ACK, 0, 1 + taken, 0),
				STELLAR_TCP_SYN_RECEIVED);
		assert_accepted(&talk, say(&talk, R, ACK, 1, 1 + taken, 500),
				STELLAR_TCP_SYN_RECEIVED);
		assert_accepted(&talk, say(&talk, F, ACK, 1 + taken, 501, 100),
				STELLAR_TCP_ESTABLISHED);
	}
}

static void test_simultaneous_open_in_either_order(void **state)
{
	(void)state;
	for (uint8_t first = 0; first < 2; first++) {
		struct talk talk = talk_between(1, TCP_STRICT);
		uint8_t second = !first;
		assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_SENT);
		assert_accepted(&talk, say(&talk, R, SYN, 0, 0, 0), STELLAR_TCP_SIMULTANEOUS_OPEN);
		assert_accepted(&talk, say(&talk, first, SYN | ACK, 0, 1, 0),
				STELLAR_TCP_SIMULTANEOUS_OPEN);
		assert_accepted(&talk, say(&talk, first, SYN | ACK, 0, 1, 0),
				STELLAR_TCP_SIMULTANEOUS_OPEN);
		assert_accepted(&talk, say(&talk, second, SYN | ACK, 0, 1, 0),
				STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 100), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, R, ACK, 1, 101, 100), STELLAR_TCP_ESTABLISHED);
	}
}

static void test_half_open_responder_is_heard_and_changes_nothing(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_SENT);
	struct session_hot before = talk.hot;

	assert_accepted(&talk, say(&talk, R, ACK, 70000000, 80000000, 0), STELLAR_TCP_SYN_SENT);

	assert_accepted(&talk, say(&talk, F, RST, 80000000, 0, 0), STELLAR_TCP_SYN_SENT);
	assert_memory_equal(&before, &talk.hot, sizeof(before));
	assert_accepted(&talk, say(&talk, F, RST, 1, 0, 0), STELLAR_TCP_CLOSED);
}

static void test_segment_beyond_the_window_is_refused(void **state)
{
	(void)state;
	for (size_t variant = 0; variant < VARIANTS; variant++) {
		struct talk talk = established(variant, TCP_STRICT);
		assert_refused(&talk, F, ACK, 1, 1, 8001);
		assert_refused(&talk, F, ACK, 8001, 1, 1);
		assert_refused(&talk, R, ACK, 100000, 1, 1);
		assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 8000), STELLAR_TCP_ESTABLISHED);
	}
}

static void test_window_moves_with_acknowledgments(void **state)
{
	(void)state;
	for (size_t variant = 0; variant < VARIANTS; variant++) {
		struct talk talk = established(variant, TCP_STRICT);
		for (uint32_t sent = 1; sent < 100000; sent += 8000) {
			assert_accepted(&talk, say(&talk, F, ACK, sent, 1, 8000),
					STELLAR_TCP_ESTABLISHED);
			assert_refused(&talk, F, ACK, sent + 8000, 1, 1);
			assert_accepted(&talk, say(&talk, R, ACK, 1, sent + 8000, 0),
					STELLAR_TCP_ESTABLISHED);
		}
	}
}

static void test_segment_older_than_a_retransmission_is_refused(void **state)
{
	(void)state;
	for (size_t variant = 0; variant < VARIANTS; variant++) {
		struct talk talk = established(variant, TCP_STRICT);
		for (uint32_t sent = 1; sent < 40000; sent += 8000) {
			say(&talk, F, ACK, sent, 1, 8000);
			say(&talk, R, ACK, 1, sent + 8000, 0);
		}
		assert_accepted(&talk, say(&talk, F, ACK, 32001, 1, 1000), STELLAR_TCP_ESTABLISHED);
		assert_refused(&talk, F, ACK, 31000, 1, 999);
	}
}

static void test_acknowledgment_of_what_was_not_sent_is_refused(void **state)
{
	(void)state;
	struct talk talk = established(3, TCP_STRICT);
	assert_accepted(&talk, say(&talk, R, ACK, 1, 1, 100), STELLAR_TCP_ESTABLISHED);

	assert_refused(&talk, F, ACK, 1, 102, 0);
	assert_accepted(&talk, say(&talk, F, ACK, 1, 101, 0), STELLAR_TCP_ESTABLISHED);
}

static void test_acknowledgment_of_long_ago_is_refused(void **state)
{
	(void)state;
	struct talk talk = established(0, TCP_STRICT);
	for (uint32_t sent = 1; sent < 80000; sent += 8000) {
		say(&talk, R, ACK, sent, 1, 8000);
		say(&talk, F, ACK, 1, sent + 8000, 0);
	}

	assert_refused(&talk, F, ACK, 1, 80001 - 66001, 10);
	assert_accepted(&talk, say(&talk, F, ACK, 1, 80001 - 66000, 10), STELLAR_TCP_ESTABLISHED);
}

static void test_keep_alive_is_inside(void **state)
{
	(void)state;
	for (size_t variant = 0; variant < VARIANTS; variant++) {
		struct talk talk = established(variant, TCP_STRICT);
		say(&talk, F, ACK, 1, 1, 100);
		say(&talk, R, ACK, 1, 101, 0);

		assert_accepted(&talk, say(&talk, F, ACK, 100, 1, 0), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, F, ACK, 100, 1, 1), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, R, ACK, 0, 101, 0), STELLAR_TCP_ESTABLISHED);
	}
}

static void test_closed_window_is_probed_with_one_byte(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT);
	talk.window = 0;
	shake_hands(&talk);

	assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 1), STELLAR_TCP_ESTABLISHED);
	assert_refused(&talk, F, ACK, 1, 1, 2);
}

static void test_window_scale_counts_when_both_offer_it(void **state)
{
	(void)state;
	for (size_t variant = 0; variant < VARIANTS; variant++) {
		struct talk talk = talk_between(variant, TCP_STRICT);
		talk.scale = 7;
		talk.window = 1000;
		shake_hands(&talk);

		assert_refused(&talk, F, ACK, 1, 1, 128001);
		assert_accepted(&talk, say(&talk, R, ACK, 1, 1, 128000), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 128000), STELLAR_TCP_ESTABLISHED);
	}
}

static void test_window_of_a_syn_is_not_scaled(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT);
	talk.scale = 7;
	talk.window = 64000;
	say(&talk, F, SYN, 0, 0, 0);
	say(&talk, R, SYN | ACK, 0, 1, 0);
	talk.window = 1;
	say(&talk, F, ACK, 1, 1, 0);

	assert_refused(&talk, R, ACK, 1, 1, 64001);
	assert_accepted(&talk, say(&talk, R, ACK, 1, 1, 64000), STELLAR_TCP_ESTABLISHED);
}

static void test_window_scale_does_not_count_when_one_side_has_none(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT);
	talk.scale = 7;
	say(&talk, F, SYN, 0, 0, 0);
	talk.scale = NO_SCALE;
	say(&talk, R, SYN | ACK, 0, 1, 0);
	say(&talk, F, ACK, 1, 1, 0);

	assert_int_equal(talk.hot.window_scale, 0);
	assert_refused(&talk, F, ACK, 1, 1, 8001);
	assert_refused(&talk, R, ACK, 1, 1, 8128);
	assert_accepted(&talk, say(&talk, R, ACK, 1, 1, 8000), STELLAR_TCP_ESTABLISHED);
}

static void test_absurd_window_scale_is_fourteen(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT);
	talk.scale = 200;
	shake_hands(&talk);
	assert_int_equal(talk.hot.window_scale, 14 << 4 | 14);
}

static void test_rst_at_rest_needs_the_exact_number(void **state)
{
	(void)state;
	for (size_t variant = 0; variant < VARIANTS; variant++) {
		struct talk talk = established(variant, TCP_STRICT);
		say(&talk, F, ACK, 1, 1, 100);
		say(&talk, R, ACK, 1, 101, 0);
		assert_refused(&talk, F, RST, 100, 0, 0);
		assert_refused(&talk, F, RST, 102, 0, 0);
		assert_refused(&talk, R, RST, 0, 0, 0);
		assert_accepted(&talk, say(&talk, F, RST, 101, 0, 0), STELLAR_TCP_CLOSED);
		assert_int_equal(session_hot_closing_reason(&talk.hot), STELLAR_CLOSED_RST);
	}
}

// RFC 5961 3.2: what the receiver has got is between its last acknowledgment and the last byte
// sent.
static void test_rst_before_or_behind_what_is_in_flight_is_believed(void **state)
{
	(void)state;
	const uint32_t exact[] = {1, 101};
	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
		struct talk talk = established(0, TCP_STRICT);
		say(&talk, F, ACK, 1, 1, 100);
		assert_accepted(&talk, say(&talk, F, RST, exact[i], 0, 0), STELLAR_TCP_CLOSED);
	}
}

static void test_other_rst_in_the_window_passes_for_its_challenge(void **state)
{
	(void)state;
	struct talk talk = established(0, TCP_STRICT);
	say(&talk, F, ACK, 1, 1, 100);

	assert_accepted(&talk, say(&talk, F, RST, 60, 0, 0), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, R, ACK, 1, 101, 0), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, F, RST, 101, 0, 0), STELLAR_TCP_CLOSED);
}

// RFC 9293 3.10.7.4: a responder whose handshake is not done goes back to listening.
static void test_rst_in_the_window_ends_a_handshake(void **state)
{
	(void)state;
	const uint32_t inside[] = {1, 2, 8000};
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		struct talk talk = talk_between(1, TCP_STRICT);
		say(&talk, F, SYN, 0, 0, 0);
		say(&talk, R, SYN | ACK, 0, 1, 0);
		assert_refused(&talk, F, RST, 0, 0, 0);
		assert_refused(&talk, F, RST, 8001, 0, 0);
		assert_accepted(&talk, say(&talk, F, RST, inside[i], 0, 0), STELLAR_TCP_CLOSED);
	}
}

static struct talk moved_by(size_t variant, uint32_t distance)
{
	struct talk talk = talk_between(variant, TCP_STRICT);
	assert_accepted(&talk, say(&talk, F, SYN, 0, 0, 0), STELLAR_TCP_SYN_SENT);
	assert_accepted(&talk, say(&talk, R, SYN | ACK, 0, 1, 0), STELLAR_TCP_SYN_RECEIVED);
	assert_accepted(&talk, say(&talk, F, SYN, distance, 0, 0), STELLAR_TCP_SYN_SENT);
	return talk;
}

static const uint32_t distances[] = {1, 1000, UINT32_MAX - 1, 1000000, 0x40000000};
#define DISTANCES (sizeof(distances) / sizeof(distances[0]))

// What answers a SYN says which of two it is.
static void test_responder_may_take_the_moved_syn(void **state)
{
	(void)state;
	for (size_t i = 0; i < DISTANCES * VARIANTS; i++) {
		uint32_t by = distances[i % DISTANCES];
		struct talk talk = moved_by(i / DISTANCES, by);
		assert_accepted(&talk, say(&talk, F, SYN, by, 0, 0), STELLAR_TCP_SYN_SENT);
		assert_accepted(&talk, say(&talk, R, SYN | ACK, 700, by + 1, 0),
				STELLAR_TCP_SYN_RECEIVED);
		assert_accepted(&talk, say(&talk, F, ACK, by + 1, 701, 100),
				STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, R, ACK, 701, by + 101, 100),
				STELLAR_TCP_ESTABLISHED);
	}
}

static void test_responder_may_keep_the_first_syn(void **state)
{
	(void)state;
	for (size_t i = 0; i < DISTANCES * VARIANTS; i++) {
		struct talk talk = moved_by(i / DISTANCES, distances[i % DISTANCES]);
		assert_accepted(&talk, say(&talk, R, ACK, 1, 1, 0), STELLAR_TCP_SYN_SENT);
		assert_accepted(&talk, say(&talk, R, SYN | ACK, 0, 1, 0), STELLAR_TCP_SYN_RECEIVED);
		assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 100), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, R, ACK, 1, 101, 100), STELLAR_TCP_ESTABLISHED);
	}
}

static void test_originator_completes_the_first_handshake_whoever_moved_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < DISTANCES * VARIANTS; i++) {
		struct talk talk = moved_by(i / DISTANCES, distances[i % DISTANCES]);
		assert_refused(&talk, F, ACK, 1, 2, 0);
		assert_refused(&talk, F, ACK, 0, 1, 0);
		assert_accepted(&talk, say(&talk, F, ACK, 1, 1, 100), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, R, ACK, 1, 101, 100), STELLAR_TCP_ESTABLISHED);
	}
}

static void test_refusal_of_a_moved_syn_ends_the_session(void **state)
{
	(void)state;
	struct talk talk = moved_by(0, 5);
	talk.first[R] = 0;

	assert_accepted(&talk, say(&talk, R, RST | ACK, 0, 6, 0), STELLAR_TCP_CLOSED);
}

// ECN, RFC 3168 and RFC 9768: no use of the flags makes a segment invalid.
static void test_congestion_flags_decide_nothing(void **state)
{
	(void)state;
	const uint8_t marks[] = {STELLAR_TCP_ECE, STELLAR_TCP_CWR,
				 STELLAR_TCP_ECE | STELLAR_TCP_CWR};
	for (size_t i = 0; i < sizeof(marks); i++) {
		struct talk talk = talk_between(0, TCP_STRICT);
		assert_accepted(&talk, say(&talk, F, SYN | marks[i], 0, 0, 0),
				STELLAR_TCP_SYN_SENT);
		assert_accepted(&talk, say(&talk, R, SYN | ACK | marks[i], 0, 1, 0),
				STELLAR_TCP_SYN_RECEIVED);
		assert_accepted(&talk, say(&talk, F, ACK | marks[i], 1, 1, 100),
				STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, R, FIN | marks[i], 1, 101, 0),
				STELLAR_TCP_CLOSE_WAIT);
	}
}

// The other route: an originator's half of a session says enough.
static void test_one_side_alone_is_tracked_from_its_syn_to_its_fin(void **state)
{
	(void)state;
	const unsigned options[] = {TCP_ASYMMETRIC, TCP_STRICT | TCP_ASYMMETRIC};
	for (size_t i = 0; i < 2; i++) {
		struct talk talk = talk_between(2, options[i]);
		say(&talk, F, SYN, 0, 0, 0);
		assert_int_equal(say(&talk, F, ACK, 1, 1, 100).code, TCP_ACCEPTED);
		assert_int_equal(talk.hot.tcp_state, STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, F, ACK, 101, 90001, 0), STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, F, ACK, 101, 200001, 900),
				STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, F, FIN, 1001, 400001, 0), STELLAR_TCP_FIN_WAIT);
	}
}

static void test_one_side_is_not_enough_once_the_other_was_seen(void **state)
{
	(void)state;
	struct talk talk = established(0, TCP_STRICT | TCP_ASYMMETRIC);
	talk.hot.packets[R] = 1;

	assert_refused(&talk, F, ACK, 1, 90001, 0);
}

static void test_refusal_must_acknowledge_the_syn(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT);
	say(&talk, F, SYN, 0, 0, 0);
	assert_refused(&talk, R, RST, 0, 0, 0);
	assert_refused(&talk, R, RST | ACK, 0, 2, 0);
	assert_refused(&talk, R, RST | ACK, 0, 0, 0);
	talk.first[R] = 0;
	struct packet_tcp tcp = make_segment(&talk, R, RST | ACK, 0, 1);
	assert_accepted(&talk, tcp_track(&talk.hot, &tcp, 0, R, TCP_STRICT), STELLAR_TCP_CLOSED);
	assert_int_equal(session_hot_next_state(&talk.hot, R), STELLAR_SESSION_OPENING);
}

static void test_strays_belong_to_the_closed_session(void **state)
{
	(void)state;
	struct talk talk = established(0, TCP_STRICT);
	say(&talk, F, RST, 1, 0, 0);

	assert_accepted(&talk, say(&talk, R, ACK, 1, 1, 1000), STELLAR_TCP_CLOSED);
	assert_accepted(&talk, say(&talk, R, FIN, 1001, 1, 0), STELLAR_TCP_CLOSED);
	assert_accepted(&talk, say(&talk, F, RST, 1, 0, 0), STELLAR_TCP_CLOSED);
}

static void test_syn_on_an_ended_session_opens_it_anew(void **state)
{
	(void)state;
	for (uint8_t direction = 0; direction < 2; direction++) {
		struct talk talk = established(0, TCP_STRICT);
		say(&talk, F, RST, 1, 0, 0);
		struct session_hot before = talk.hot;
		struct tcp_outcome outcome = say(&talk, direction, SYN, 9999, 0, 0);
		assert_int_equal(outcome.code, TCP_REOPEN);
		assert_false(outcome.state_changed);
		assert_memory_equal(&before, &talk.hot, sizeof(before));
	}
}

static void test_syn_in_a_living_session_passes_and_changes_nothing(void **state)
{
	(void)state;
	for (uint8_t direction = 0; direction < 2; direction++) {
		struct talk talk = established(0, TCP_STRICT);
		struct session_hot before = talk.hot;
		assert_accepted(&talk, say(&talk, direction, SYN, 50000000, 0, 0),
				STELLAR_TCP_ESTABLISHED);
		assert_memory_equal(&before, &talk.hot, sizeof(before));
	}
}

static void test_flags_that_mean_nothing_are_invalid_in_every_state(void **state)
{
	(void)state;
	const uint8_t flags[] = {
		0,
		STELLAR_TCP_PSH | STELLAR_TCP_URG,
		STELLAR_TCP_FIN,
		SYN | STELLAR_TCP_FIN,
		SYN | RST,
		SYN | ACK | STELLAR_TCP_FIN,
		0xff,
	};
	for (uint8_t from = 0; from < STELLAR_TCP_STATE_COUNT; from++) {
		struct talk talk = established(0, TCP_STRICT);
		talk.hot.tcp_state = from & 15u;
		for (size_t i = 0; i < sizeof(flags); i++)
			assert_refused(&talk, F, flags[i], 1, 1, 0);
	}
}

static void test_what_may_open_a_session(void **state)
{
	(void)state;
	const struct {
		uint8_t flags;
		bool strict;
		bool midstream;
	} cases[] = {
		{SYN, true, true},
		{SYN | STELLAR_TCP_ECE | STELLAR_TCP_CWR, true, true},
		{SYN | ACK, false, true},
		{ACK, false, true},
		{ACK | STELLAR_TCP_PSH, false, true},
		{FIN, false, true},
		{RST, false, false},
		{RST | ACK, false, false},
		{SYN | STELLAR_TCP_FIN, false, false},
		{0, false, false},
		{STELLAR_TCP_FIN, false, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet_tcp tcp = {.flags = cases[i].flags};
		assert_int_equal(tcp_can_open(&tcp, TCP_STRICT), cases[i].strict);
		assert_int_equal(tcp_can_open(&tcp, TCP_STRICT | TCP_MIDSTREAM),
				 cases[i].midstream);
	}
}

static void test_midstream_session_is_tracked_from_its_first_segment(void **state)
{
	(void)state;
	for (size_t variant = 0; variant < VARIANTS; variant++) {
		struct talk talk = talk_between(variant, TCP_STRICT | TCP_MIDSTREAM);
		assert_accepted(&talk, say(&talk, F, ACK, 1000, 2000, 500),
				STELLAR_TCP_ESTABLISHED);
		assert_true(talk.hot.flags & SESSION_MIDSTREAM);
		assert_accepted(&talk, say(&talk, R, ACK, 2000, 1500, 60000),
				STELLAR_TCP_ESTABLISHED);
		assert_accepted(&talk, say(&talk, F, ACK, 1500, 62000, 60000),
				STELLAR_TCP_ESTABLISHED);
		assert_refused(&talk, R, RST, 62001, 0, 0);
		assert_accepted(&talk, say(&talk, R, RST, 62000, 0, 0), STELLAR_TCP_CLOSED);
	}
}

static void test_midstream_may_begin_with_a_syn_ack_or_a_fin(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_STRICT | TCP_MIDSTREAM);
	assert_accepted(&talk, say(&talk, F, SYN | ACK, 0, 1, 0), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, R, ACK, 1, 1, 100), STELLAR_TCP_ESTABLISHED);

	talk = talk_between(0, TCP_STRICT | TCP_MIDSTREAM);
	assert_accepted(&talk, say(&talk, F, FIN, 10, 20, 0), STELLAR_TCP_FIN_WAIT);
	assert_accepted(&talk, say(&talk, R, FIN, 20, 11, 0), STELLAR_TCP_LAST_ACK);
	assert_accepted(&talk, say(&talk, F, ACK, 11, 21, 0), STELLAR_TCP_TIME_WAIT);
}

static void assert_tolerated(struct talk *talk, struct tcp_outcome outcome, uint8_t state)
{
	assert_int_equal(outcome.code, TCP_ACCEPTED);
	assert_true(outcome.out_of_window);
	assert_int_equal(talk->hot.tcp_state, state);
}

static void test_tap_follows_a_session_over_a_gap(void **state)
{
	(void)state;
	struct talk talk = established(4, 0);

	assert_tolerated(&talk, say(&talk, F, ACK, 500000, 700000, 100), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, R, ACK, 700000, 500100, 100), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, F, ACK, 500100, 700100, 100), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, F, FIN, 500200, 700100, 0), STELLAR_TCP_FIN_WAIT);
}

static void test_tap_is_not_blinded_by_a_forged_rst_or_syn(void **state)
{
	(void)state;
	struct talk talk = established(0, 0);
	struct session_hot before = talk.hot;

	assert_tolerated(&talk, say(&talk, F, RST, 4000, 0, 0), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, R, SYN | ACK, 900000, 900000, 0),
			STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, F, SYN, 900000, 0, 0), STELLAR_TCP_ESTABLISHED);

	assert_memory_equal(&before, &talk.hot, sizeof(before));
}

static void test_tap_picks_up_a_handshake_of_which_it_saw_half(void **state)
{
	(void)state;
	struct talk talk = talk_between(0, TCP_MIDSTREAM);
	say(&talk, F, SYN, 0, 0, 0);

	assert_tolerated(&talk, say(&talk, F, ACK, 1, 1, 0), STELLAR_TCP_ESTABLISHED);
	assert_accepted(&talk, say(&talk, R, ACK, 1, 1, 1000), STELLAR_TCP_ESTABLISHED);

	talk = talk_between(0, TCP_STRICT | TCP_MIDSTREAM);
	say(&talk, F, SYN, 0, 0, 0);
	assert_refused(&talk, F, ACK, 1, 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_data_and_both_fins),
		cmocka_unit_test(test_responder_finishes_first),
		cmocka_unit_test(test_half_closed_session_still_carries_data),
		cmocka_unit_test(test_nothing_comes_after_a_fin),
		cmocka_unit_test(test_crossing_fins_need_both_acknowledgments),
		cmocka_unit_test(test_retransmitted_last_fin_is_not_its_acknowledgment),
		cmocka_unit_test(test_lost_handshake_segments_come_again),
		cmocka_unit_test(test_new_attempt_may_have_another_first_number),
		cmocka_unit_test(test_handshake_must_acknowledge_the_syn),
		cmocka_unit_test(test_data_in_the_syn_may_be_taken_or_not),
		cmocka_unit_test(test_simultaneous_open_in_either_order),
		cmocka_unit_test(test_half_open_responder_is_heard_and_changes_nothing),
		cmocka_unit_test(test_segment_beyond_the_window_is_refused),
		cmocka_unit_test(test_window_moves_with_acknowledgments),
		cmocka_unit_test(test_segment_older_than_a_retransmission_is_refused),
		cmocka_unit_test(test_acknowledgment_of_what_was_not_sent_is_refused),
		cmocka_unit_test(test_acknowledgment_of_long_ago_is_refused),
		cmocka_unit_test(test_keep_alive_is_inside),
		cmocka_unit_test(test_closed_window_is_probed_with_one_byte),
		cmocka_unit_test(test_window_scale_counts_when_both_offer_it),
		cmocka_unit_test(test_window_of_a_syn_is_not_scaled),
		cmocka_unit_test(test_window_scale_does_not_count_when_one_side_has_none),
		cmocka_unit_test(test_absurd_window_scale_is_fourteen),
		cmocka_unit_test(test_rst_at_rest_needs_the_exact_number),
		cmocka_unit_test(test_rst_before_or_behind_what_is_in_flight_is_believed),
		cmocka_unit_test(test_other_rst_in_the_window_passes_for_its_challenge),
		cmocka_unit_test(test_rst_in_the_window_ends_a_handshake),
		cmocka_unit_test(test_responder_may_take_the_moved_syn),
		cmocka_unit_test(test_responder_may_keep_the_first_syn),
		cmocka_unit_test(test_originator_completes_the_first_handshake_whoever_moved_it),
		cmocka_unit_test(test_refusal_of_a_moved_syn_ends_the_session),
		cmocka_unit_test(test_congestion_flags_decide_nothing),
		cmocka_unit_test(test_one_side_alone_is_tracked_from_its_syn_to_its_fin),
		cmocka_unit_test(test_one_side_is_not_enough_once_the_other_was_seen),
		cmocka_unit_test(test_refusal_must_acknowledge_the_syn),
		cmocka_unit_test(test_strays_belong_to_the_closed_session),
		cmocka_unit_test(test_syn_on_an_ended_session_opens_it_anew),
		cmocka_unit_test(test_syn_in_a_living_session_passes_and_changes_nothing),
		cmocka_unit_test(test_flags_that_mean_nothing_are_invalid_in_every_state),
		cmocka_unit_test(test_what_may_open_a_session),
		cmocka_unit_test(test_midstream_session_is_tracked_from_its_first_segment),
		cmocka_unit_test(test_midstream_may_begin_with_a_syn_ack_or_a_fin),
		cmocka_unit_test(test_tap_follows_a_session_over_a_gap),
		cmocka_unit_test(test_tap_is_not_blinded_by_a_forged_rst_or_syn),
		cmocka_unit_test(test_tap_picks_up_a_handshake_of_which_it_saw_half),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
