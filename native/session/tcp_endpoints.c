// SPDX-License-Identifier: Apache-2.0

// What the two receivers of a session take: the rules are in tcp.h. They are those of RFC 9293
// 3.10.7, in the order and with the tolerances that Linux has (tcp_validate_incoming, tcp_ack,
// tcp_data_queue of 6.x), which are within what the RFC leaves open: where receivers differ, the
// segment is taken, or left to the receiver's acknowledgment to tell.

#include "session/tcp.h"

#include "session/tcp_numbers.h"

#define PAWS_TOLERANCE 1 // ticks: clocks of several processors (TCP_PAWS_WINDOW of Linux)
#define DISORDER_MAX \
	240 // ticks that an ACK alone may be late (tcp_disordered_ack of Linux, 200 ms)

// A segment on its way to a receiver.
struct arrival {
	const struct packet_tcp *tcp;
	const struct session_hot *hot;
	struct tcp_endpoint *receiver;
	uint32_t start; // of its data
	uint32_t length; // of its data
	uint32_t end; // after data and FIN
	uint8_t own; // the direction it goes
	uint8_t peer; // that of its receiver
};

static bool is_synchronized(uint8_t state)
{
	return state >= STELLAR_TCP_ESTABLISHED && state < STELLAR_TCP_TIME_WAIT;
}

// The next byte that the receiver is known to lack.
static uint32_t get_expected(const struct arrival *arrival)
{
	uint32_t acked = arrival->hot->acked[arrival->peer];
	uint32_t expected = arrival->receiver->expected;
	return tcp_difference(acked, expected) > 0 ? acked : expected;
}

// PAWS, RFC 7323 5.3 R1. A RST goes without (RFC 7323 5.2), and so does a clock that was never 0.
static bool is_too_old(const struct tcp_endpoints *endpoints, const struct arrival *arrival)
{
	const struct tcp_endpoint *receiver = arrival->receiver;
	const struct packet_tcp *tcp = arrival->tcp;
	int32_t age = tcp_difference(receiver->timestamp, tcp->timestamp_value);
	bool opening = arrival->hot->tcp_state == STELLAR_TCP_SYN_RECEIVED;
	if (!endpoints->has_timestamps || !tcp->has_timestamp || receiver->timestamp == 0 ||
	    age <= (opening ? 0 : PAWS_TOLERANCE))
		return false;
	// An ACK that says nothing new was overtaken: its urgent pointer counts.
	return opening || arrival->end != tcp->sequence || age > DISORDER_MAX ||
	       tcp->sequence != get_expected(arrival) ||
	       tcp->acknowledgment != arrival->hot->acked[arrival->own];
}

// RFC 9293 3.10.7.4, first: before what it has acknowledged, or beyond the edge it advertised. What
// lies across the edge is taken: receivers that have room do.
static bool is_beyond_window(const struct arrival *arrival)
{
	const struct tcp_endpoint *receiver = arrival->receiver;
	if (tcp_difference(arrival->end, arrival->hot->acked[arrival->peer]) < 0)
		return true;
	if (!receiver->has_window)
		return false;
	int32_t to_edge = tcp_difference(receiver->window_end, arrival->start);
	int32_t open = tcp_difference(receiver->window_end, get_expected(arrival));
	return to_edge < 0 || ((to_edge == 0 || open <= 0) && arrival->length > 0);
}

// RFC 5961 5.2: an acknowledgment may be older by the largest window that the receiver, as a
// sender, was given, but not older than what it sent.
static bool is_ack_too_old(const struct tcp_endpoints *endpoints, const struct arrival *arrival)
{
	uint32_t acked = arrival->hot->acked[arrival->own];
	int32_t age = tcp_difference(acked, arrival->tcp->acknowledgment);
	uint32_t age_max = tcp_get_window(arrival->hot, arrival->own);
	const struct tcp_endpoint *back = &endpoints->receiver[arrival->peer];
	if (back->has_first) {
		uint32_t sent = acked - back->first + (arrival->peer == STELLAR_FORWARD);
		age_max = sent < age_max ? sent : age_max;
	}
	return age > 0 && (uint32_t)age > age_max;
}

// Whether a segment has the next byte, and no FIN.
static bool is_next(const struct arrival *arrival)
{
	uint32_t expected = get_expected(arrival);
	return arrival->length > 0 && !tcp_has_flag(arrival->tcp, STELLAR_TCP_FIN) &&
	       tcp_difference(arrival->start, expected) <= 0 &&
	       tcp_difference(arrival->end, expected) > 0;
}

// What the receiver makes of a segment once its handshake is done. It leaves open two things that
// receivers do differently, and that the answer to a segment with the next byte tells: whether it
// may go on past the edge of the window (Linux: before 6.17 always, then when all was read), and
// whether its acknowledgment may be too old (Linux: when it predicted the header).
static uint8_t judge(const struct tcp_endpoints *endpoints, const struct arrival *arrival)
{
	const struct tcp_endpoint *receiver = arrival->receiver;
	if (is_too_old(endpoints, arrival))
		return TCP_PAYLOAD_REFUSED;
	if (arrival->hot->packets[arrival->peer] == 0)
		return TCP_PAYLOAD_TAKEN; // the other side takes another route: nothing is known
	// What was never sent can't be acknowledged, RFC 9293 3.10.7.4.
	if (is_beyond_window(arrival) ||
	    tcp_difference(arrival->tcp->acknowledgment, arrival->hot->seq_end[arrival->peer]) > 0)
		return TCP_PAYLOAD_REFUSED;
	if (is_ack_too_old(endpoints, arrival))
		return is_next(arrival) ? TCP_PAYLOAD_PENDING : TCP_PAYLOAD_REFUSED;
	if (receiver->has_window && is_next(arrival) &&
	    tcp_difference(arrival->end, receiver->window_end) > 0)
		return TCP_PAYLOAD_LIKELY;
	return TCP_PAYLOAD_TAKEN;
}

// Whether the receiver believes a RST: it has the one number that it expects, RFC 5961 3.2; or, as
// Linux has it, the one after what it acknowledged selectively.
static bool is_rst_exact(const struct tcp_endpoints *endpoints, const struct arrival *arrival)
{
	uint32_t sequence = arrival->tcp->sequence;
	if (sequence == get_expected(arrival))
		return true;
	return endpoints->has_selective && sequence == arrival->hot->seq_end[arrival->own] &&
	       tcp_difference(sequence, get_expected(arrival)) > 0;
}

// RFC 7323 4.3: the clock of what was in order when the receiver acknowledged last.
static void keep_timestamp(const struct tcp_endpoints *endpoints, const struct arrival *arrival,
			   uint32_t acked)
{
	struct tcp_endpoint *receiver = arrival->receiver;
	const struct packet_tcp *tcp = arrival->tcp;
	if (!endpoints->has_timestamps || !tcp->has_timestamp ||
	    tcp_difference(tcp->sequence, acked) > 0)
		return;
	if (receiver->timestamp == 0 ||
	    tcp_difference(tcp->timestamp_value, receiver->timestamp) >= 0)
		receiver->timestamp = tcp->timestamp_value;
}

// RFC 9293 3.8.5, and the pointer as everybody reads it (RFC 6093 3.1): one after the urgent byte.
static void keep_urgent(const struct arrival *arrival)
{
	struct tcp_endpoint *receiver = arrival->receiver;
	const struct packet_tcp *tcp = arrival->tcp;
	if (!tcp_has_flag(tcp, STELLAR_TCP_URG))
		return;
	uint32_t urgent = tcp->sequence + tcp->urgent - (tcp->urgent > 0);
	if (tcp_difference(urgent, get_expected(arrival)) < 0)
		return;
	if (receiver->has_urgent && tcp_difference(urgent, receiver->urgent) <= 0)
		return;
	receiver->urgent = urgent;
	receiver->has_urgent = true;
}

// The sender is a receiver too: the edge of the window it advertises. Never moved back: what it
// once allowed it takes (RFC 9293 3.8.6).
static void keep_window(struct tcp_endpoints *endpoints, const struct session_hot *hot,
			const struct packet_tcp *tcp, uint8_t own)
{
	struct tcp_endpoint *sender = &endpoints->receiver[!own];
	if ((tcp->flags & (STELLAR_TCP_ACK | STELLAR_TCP_RST)) != STELLAR_TCP_ACK)
		return;
	unsigned scale = tcp_has_flag(tcp, STELLAR_TCP_SYN) ? 0 : tcp_get_scale(hot, own);
	uint32_t edge = tcp->acknowledgment + ((uint32_t)tcp->window << scale);
	if (sender->has_window && tcp_difference(edge, sender->window_end) <= 0)
		return;
	sender->window_end = edge;
	sender->has_window = true;
}

static void set_first(struct tcp_endpoint *receiver, uint32_t first)
{
	if (receiver->has_first && receiver->first == first)
		return;
	receiver->first = first;
	receiver->expected = first;
	receiver->has_first = true;
}

// A SYN: where the bytes begin, and what is agreed on, which both must have asked for.
static void keep_syn(struct tcp_endpoints *endpoints, const struct packet_tcp *tcp,
		     uint32_t payload_length, uint8_t own)
{
	struct tcp_endpoint *receiver = &endpoints->receiver[own];
	bool answers = own == STELLAR_REVERSE;
	set_first(receiver, tcp->sequence + 1);
	endpoints->has_timestamps = tcp->has_timestamp && (!answers || endpoints->has_timestamps);
	endpoints->has_selective = tcp->sack_permitted && (!answers || endpoints->has_selective);
	receiver->timestamp = tcp->has_timestamp ? tcp->timestamp_value : 0;
	if (!answers)
		endpoints->syn_length = payload_length;
}

// Which SYN the responder took, were there several, as its acknowledgment or that of the answer
// tells. Data of a SYN may be in it.
static void settle_first(struct tcp_endpoints *endpoints, const struct session_hot *hot)
{
	struct tcp_endpoint *responder = &endpoints->receiver[STELLAR_FORWARD];
	uint32_t acked = hot->acked[STELLAR_REVERSE];
	if (responder->has_first && acked - responder->first > endpoints->syn_length)
		set_first(responder, acked);
}

// What a segment of the handshake leaves behind.
static void keep_opening(struct tcp_endpoints *endpoints, const struct session_hot *hot,
			 const struct arrival *arrival, uint8_t previous_state)
{
	bool opened = hot->tcp_state != STELLAR_TCP_SYN_SENT;
	if (previous_state != STELLAR_TCP_SYN_SENT && opened)
		return;
	if (tcp_has_flag(arrival->tcp, STELLAR_TCP_SYN) &&
	    (arrival->own == STELLAR_FORWARD || opened))
		keep_syn(endpoints, arrival->tcp, arrival->length, arrival->own);
	if (opened && hot->tcp_state < STELLAR_TCP_TIME_WAIT)
		settle_first(endpoints, hot);
}

void tcp_endpoints_open(struct tcp_endpoints *endpoints, const struct session_hot *hot,
			const struct packet_tcp *tcp, uint32_t payload_length,
			enum stellar_direction direction)
{
	uint8_t own = (uint8_t)direction;
	uint8_t peer = own ^ 1;
	if (tcp_has_flag(tcp, STELLAR_TCP_SYN)) {
		keep_syn(endpoints, tcp, payload_length, STELLAR_FORWARD);
	} else {
		set_first(&endpoints->receiver[own], tcp->sequence);
		endpoints->receiver[own].timestamp = tcp->timestamp_value;
		endpoints->has_timestamps = tcp->has_timestamp;
		endpoints->has_selective = true;
	}
	if (tcp_has_flag(tcp, STELLAR_TCP_ACK)) {
		set_first(&endpoints->receiver[peer], tcp->acknowledgment);
		keep_window(endpoints, hot, tcp, own);
	}
}

// A segment that its receiver will not look at changes nothing. On a wire it goes no further when
// it brings something new, should we be wrong.
static struct tcp_outcome track_unacceptable(const struct session_hot *hot,
					     const struct arrival *arrival, unsigned options)
{
	struct session_hot copy = *hot;
	struct tcp_outcome outcome = tcp_track(&copy, arrival->tcp, arrival->length,
					       (enum stellar_direction)arrival->own, options);
	bool brings = arrival->end != arrival->tcp->sequence &&
		      tcp_difference(arrival->end, get_expected(arrival)) > 0;
	if ((options & TCP_STRICT) != 0 && brings)
		outcome.code = TCP_INVALID;
	if (outcome.code == TCP_REOPEN)
		return outcome;
	outcome.state_changed = false;
	outcome.out_of_window = true;
	outcome.payload = TCP_PAYLOAD_REFUSED;
	return outcome;
}

// Whether a segment starts where the window ends: its header is looked at, its bytes are not.
static bool is_at_edge(const struct arrival *arrival)
{
	return is_synchronized(arrival->hot->tcp_state) && arrival->receiver->has_window &&
	       arrival->start == arrival->receiver->window_end;
}

// What the receiver makes of a segment: not a question of SYNs and RSTs, which are the table's.
static uint8_t judge_any(const struct tcp_endpoints *endpoints, const struct arrival *arrival,
			 unsigned options)
{
	const uint8_t decisive = STELLAR_TCP_SYN | STELLAR_TCP_RST | STELLAR_TCP_ACK;
	uint8_t state = arrival->hot->tcp_state;
	if ((arrival->tcp->flags & decisive) != STELLAR_TCP_ACK)
		return TCP_PAYLOAD_TAKEN;
	if (is_synchronized(state))
		return judge(endpoints, arrival);
	if (state != STELLAR_TCP_SYN_RECEIVED || arrival->own != STELLAR_FORWARD)
		return TCP_PAYLOAD_TAKEN;
	// The ACK that ends the handshake: RFC 9293 3.10.7.4, a wrong one draws a RST.
	struct session_hot copy = *arrival->hot;
	struct tcp_outcome outcome = tcp_track(&copy, arrival->tcp, arrival->length,
					       STELLAR_FORWARD, options | TCP_STRICT);
	return outcome.code != TCP_ACCEPTED || is_too_old(endpoints, arrival) ? TCP_PAYLOAD_REFUSED
									      : TCP_PAYLOAD_TAKEN;
}

struct tcp_outcome tcp_track_endpoints(struct session_hot *hot, struct tcp_endpoints *endpoints,
				       const struct packet_tcp *tcp, uint32_t payload_length,
				       enum stellar_direction direction, unsigned options)
{
	uint8_t own = (uint8_t)direction;
	uint8_t peer = own ^ 1;
	uint32_t acked = hot->acked[peer];
	struct arrival arrival = {
		.tcp = tcp,
		.hot = hot,
		.receiver = &endpoints->receiver[own],
		.start = tcp->sequence + tcp_has_flag(tcp, STELLAR_TCP_SYN),
		.length = payload_length,
		.end = tcp->sequence + payload_length + tcp_has_flag(tcp, STELLAR_TCP_FIN),
		.own = own,
		.peer = peer,
	};
	uint8_t judgement = judge_any(endpoints, &arrival, options);
	if (judgement == TCP_PAYLOAD_REFUSED && is_at_edge(&arrival) &&
	    (options & TCP_URGENT_INLINE) == 0)
		keep_urgent(&arrival); // looked at before the bytes are dropped
	if (judgement == TCP_PAYLOAD_REFUSED ||
	    (judgement != TCP_PAYLOAD_TAKEN && (options & TCP_STRICT) != 0))
		return track_unacceptable(hot, &arrival, options);
	if (tcp_has_flag(tcp, STELLAR_TCP_RST) && is_synchronized(hot->tcp_state))
		options |=
			TCP_RST_JUDGED | (is_rst_exact(endpoints, &arrival) ? TCP_RST_BELIEVED : 0);
	if (arrival.receiver->has_window && hot->packets[peer] != 0)
		options |= TCP_ACCEPTABLE;
	struct tcp_outcome outcome = tcp_track(hot, tcp, payload_length, direction, options);
	if (outcome.code != TCP_ACCEPTED)
		return outcome;
	if (outcome.previous_state < STELLAR_TCP_ESTABLISHED)
		keep_opening(endpoints, hot, &arrival, outcome.previous_state);
	keep_window(endpoints, hot, tcp, own);
	if (outcome.payload == TCP_PAYLOAD_TAKEN && judgement != TCP_PAYLOAD_TAKEN) {
		outcome.payload = judgement;
		return outcome;
	}
	bool taken = outcome.payload == TCP_PAYLOAD_TAKEN;
	bool answered = outcome.previous_state == STELLAR_TCP_SYN_SENT && own == STELLAR_REVERSE;
	if (taken)
		keep_timestamp(endpoints, &arrival, acked);
	if ((taken || (answered && outcome.state_changed)) && (options & TCP_URGENT_INLINE) == 0)
		keep_urgent(&arrival);
	return outcome;
}
