// SPDX-License-Identifier: Apache-2.0

// The numbers of a TCP session: classification, windows, and what a segment leaves behind. The
// rules are in tcp.h.

#include "session/tcp.h"

#include "session/tcp_numbers.h"

#define SCALE_MAX 14u // RFC 7323 2.3

struct segment {
	const struct packet_tcp *tcp;
	uint32_t end; // sequence number after it
	uint32_t ack;
	uint8_t own; // direction it goes
	uint8_t peer;
	enum tcp_input input;
};

static bool is_opening(uint8_t state)
{
	return state == STELLAR_TCP_SYN_SENT || state == STELLAR_TCP_SIMULTANEOUS_OPEN ||
	       state == STELLAR_TCP_SYN_RECEIVED;
}

// Whether a direction has sent its FIN, as the state tells.
static bool has_finished(uint8_t state, uint8_t direction)
{
	switch (state) {
	case STELLAR_TCP_FIN_WAIT:
		return direction == STELLAR_FORWARD;
	case STELLAR_TCP_CLOSE_WAIT:
		return direction == STELLAR_REVERSE;
	case STELLAR_TCP_CLOSING:
	case STELLAR_TCP_LAST_ACK:
	case STELLAR_TCP_TIME_WAIT:
		return true;
	default:
		return false;
	}
}

static void set_scale(struct session_hot *hot, uint8_t direction, unsigned scale)
{
	if (scale > SCALE_MAX)
		scale = SCALE_MAX;
	if (direction == STELLAR_FORWARD)
		hot->window_scale = (uint8_t)((hot->window_scale & 0xf0u) | scale);
	else
		hot->window_scale = (uint8_t)((hot->window_scale & 0x0fu) | scale << 4);
}

static void raise_window(struct session_hot *hot, uint8_t direction, const struct packet_tcp *tcp)
{
	uint32_t window = tcp->window;
	unsigned scale = tcp_get_scale(hot, direction);
	// A SYN's window is not scaled: keep it in the units of those that will be.
	if (tcp_has_flag(tcp, STELLAR_TCP_SYN))
		window = (window + (1u << scale) - 1) >> scale;
	if (window > hot->max_window[direction])
		hot->max_window[direction] = (uint16_t)window;
}

// Whether an originator's SYN is another one than the session's, which its peer may have answered.
static bool is_moved(const struct session_hot *hot, const struct packet_tcp *tcp,
		     enum stellar_direction direction)
{
	if (direction != STELLAR_FORWARD)
		return false;
	if (hot->tcp_state == STELLAR_TCP_SYN_SENT)
		return tcp->sequence != hot->acked[STELLAR_REVERSE];
	return hot->tcp_state == STELLAR_TCP_SYN_RECEIVED &&
	       tcp->sequence + 1 != hot->acked[STELLAR_REVERSE];
}

enum tcp_input tcp_classify(const struct session_hot *hot, const struct packet_tcp *tcp,
			    enum stellar_direction direction)
{
	uint8_t peer = direction == STELLAR_FORWARD ? STELLAR_REVERSE : STELLAR_FORWARD;
	uint8_t state = hot->tcp_state;
	bool syn = tcp_has_flag(tcp, STELLAR_TCP_SYN);
	bool fin = tcp_has_flag(tcp, STELLAR_TCP_FIN);
	// RFC 9293 3.10.7: it is looked at first, whatever else is set.
	if (tcp_has_flag(tcp, STELLAR_TCP_RST))
		return TCP_INPUT_RST;
	if (syn && fin)
		return TCP_INPUT_INVALID;
	if (!tcp_has_flag(tcp, STELLAR_TCP_ACK)) {
		if (!syn)
			return TCP_INPUT_INVALID;
		return is_moved(hot, tcp, direction) ? TCP_INPUT_SYN_MOVED : TCP_INPUT_SYN;
	}

	bool own_acked = tcp_difference(hot->acked[peer], hot->seq_end[direction]) >= 0;
	if (syn)
		return state == STELLAR_TCP_SIMULTANEOUS_OPEN && own_acked ? TCP_INPUT_ACK
									   : TCP_INPUT_SYN_ACK;
	bool answers = has_finished(state, peer) &&
		       tcp_difference(tcp->acknowledgment, hot->seq_end[peer]) >= 0;
	if (answers && has_finished(state, direction) && own_acked)
		return TCP_INPUT_LAST_ACK;
	if (fin)
		return answers ? TCP_INPUT_FIN_ANSWER : TCP_INPUT_FIN;
	return TCP_INPUT_ACK;
}

bool tcp_can_open(const struct packet_tcp *tcp, unsigned options)
{
	static const struct session_hot none;
	enum tcp_input input = tcp_classify(&none, tcp, STELLAR_FORWARD);
	if (tcp_next_state(STELLAR_TCP_NONE, STELLAR_FORWARD, input) == TCP_NEXT_INVALID)
		return false;
	return input == TCP_INPUT_SYN || (options & TCP_MIDSTREAM) != 0;
}

// The first segment we see of a session, or of what is left of one we lost track of. Whatever it
// does not tell about the other side is assumed as wide as it can be.
static void open_numbers(struct session_hot *hot, const struct segment *segment)
{
	const struct packet_tcp *tcp = segment->tcp;
	uint8_t own = segment->own;
	uint8_t peer = segment->peer;
	hot->flags &= (uint16_t)~(SESSION_SCALE_OFFERED | SESSION_MIDSTREAM);
	hot->window_scale = 0;
	hot->max_window[own] = 0;
	hot->max_window[peer] = 0;
	hot->seq_end[own] = segment->end;
	hot->acked[peer] = tcp->sequence;
	if (tcp_has_flag(tcp, STELLAR_TCP_SYN) && tcp->has_window_scale) {
		hot->flags |= SESSION_SCALE_OFFERED;
		set_scale(hot, own, tcp->window_scale);
	}
	if (segment->input == TCP_INPUT_SYN) {
		hot->seq_end[peer] = 0;
		hot->acked[own] = 0;
	} else {
		hot->flags |= SESSION_MIDSTREAM;
		hot->acked[own] = segment->ack;
		hot->seq_end[peer] = segment->ack;
		hot->max_window[peer] = UINT16_MAX;
		if (segment->input != TCP_INPUT_SYN_ACK) {
			set_scale(hot, own, SCALE_MAX);
			set_scale(hot, peer, SCALE_MAX);
		} else if (tcp->has_window_scale) {
			set_scale(hot, peer, SCALE_MAX);
		}
	}
	raise_window(hot, own, tcp);
}

// The responder's SYN, with or without ACK: its numbers begin, and window scaling is settled, which
// both must have asked for (RFC 7323 2.2).
static void answer_numbers(struct session_hot *hot, const struct segment *segment)
{
	const struct packet_tcp *tcp = segment->tcp;
	uint8_t own = segment->own;
	uint8_t peer = segment->peer;
	hot->seq_end[own] = segment->end;
	hot->acked[peer] = tcp->sequence;
	hot->max_window[own] = 0;
	hot->syn_moved = 0;
	if (segment->input == TCP_INPUT_SYN_ACK)
		hot->acked[own] = segment->ack;
	if ((hot->flags & SESSION_SCALE_OFFERED) != 0 && tcp->has_window_scale) {
		set_scale(hot, own, tcp->window_scale);
	} else {
		uint32_t window = tcp_get_window(hot, peer);
		hot->max_window[peer] = (uint16_t)(window < UINT16_MAX ? window : UINT16_MAX);
		hot->window_scale = 0;
	}
	raise_window(hot, own, tcp);
}

// Whether the numbers of a segment are inside both windows: four distances, none of them negative.
static inline __attribute__((always_inline)) bool
is_in_window(const struct session_hot *hot, uint8_t own, uint8_t peer, uint32_t end, uint32_t ack)
{
	uint32_t own_window = tcp_get_window(hot, own);
	uint32_t peer_window = tcp_get_window(hot, peer);
	uint32_t ack_age = own_window > TCP_ACK_AGE_MIN ? own_window : TCP_ACK_AGE_MIN;
	int32_t to_end_of_window = tcp_difference(hot->acked[peer] + peer_window, end);
	int32_t from_retransmission = tcp_difference(end, hot->seq_end[own] - peer_window - 1);
	int32_t to_sent = tcp_difference(hot->seq_end[peer], ack);
	int32_t from_old = tcp_difference(ack, hot->seq_end[peer] - ack_age);
	return (to_end_of_window | from_retransmission | to_sent | from_old) >= 0;
}

// What tcp_track predicts, where the windows had to be looked at closer. Returns false, and changes
// nothing, when it is anything else.
static inline bool follow_predicted(struct session_hot *hot, const struct packet_tcp *tcp,
				    uint32_t end, uint8_t own)
{
	if (!tcp_is_predicted(hot, tcp) ||
	    !is_in_window(hot, own, own ^ 1, end, tcp->acknowledgment))
		return false;
	tcp_follow(hot, own, end, tcp->acknowledgment);
	tcp_raise_window(hot, own, tcp->window);
	return true;
}

// Whether the acknowledgment that opens a session is of the SYN itself: a blind one is not.
// One that answers the SYN before a moved one is as good.
static bool is_syn_acknowledged(const struct session_hot *hot, const struct segment *segment)
{
	if (hot->tcp_state == STELLAR_TCP_SYN_SENT && hot->syn_moved &&
	    segment->ack == hot->acked[STELLAR_FORWARD])
		return true;
	return tcp_difference(segment->ack, hot->acked[segment->own]) > 0 &&
	       tcp_difference(segment->ack, hot->seq_end[segment->peer]) <= 0;
}

// What the receiver of a RST does (RFC 9293 3.10.7, RFC 5961 3.2).
enum rst_effect {
	RST_OUTSIDE, // nothing
	RST_CHALLENGED, // answers: if it was meant, an exact one comes back
	RST_BELIEVED,
};

static enum rst_effect get_rst_effect(const struct session_hot *hot, const struct segment *segment,
				      unsigned options)
{
	uint32_t sequence = segment->tcp->sequence;
	int32_t distance = tcp_difference(sequence, hot->acked[segment->peer]);
	if (hot->tcp_state == STELLAR_TCP_SYN_SENT) {
		// RFC 9293 3.5.2 group 2: with another number it answers an acknowledgment of
		// something else, and its sender waits on.
		if (segment->own == STELLAR_FORWARD)
			return sequence == hot->seq_end[STELLAR_FORWARD] ? RST_BELIEVED
									 : RST_CHALLENGED;
		// RFC 9293 3.10.7.3: believed only when it acknowledges the SYN.
		return tcp_has_flag(segment->tcp, STELLAR_TCP_ACK) &&
				       is_syn_acknowledged(hot, segment)
			       ? RST_BELIEVED
			       : RST_OUTSIDE;
	}
	// RFC 9293 3.10.7.4: a responder goes back to LISTEN by any in its window.
	if (hot->tcp_state == STELLAR_TCP_SYN_RECEIVED && segment->own == STELLAR_FORWARD)
		return distance >= 0 && (uint32_t)distance < tcp_get_window(hot, segment->peer)
			       ? RST_BELIEVED
			       : RST_OUTSIDE;
	// Likewise a responder's: it gives up with its own next number.
	if (hot->tcp_state == STELLAR_TCP_SYN_RECEIVED)
		return sequence == hot->seq_end[STELLAR_REVERSE] ? RST_BELIEVED : RST_CHALLENGED;
	if ((options & TCP_RST_BELIEVED) != 0)
		return RST_BELIEVED;
	if (distance < 0 || tcp_difference(sequence, hot->seq_end[segment->own]) > 0)
		return RST_OUTSIDE;
	if ((options & TCP_RST_JUDGED) != 0)
		return RST_CHALLENGED;
	return distance == 0 || sequence == hot->seq_end[segment->own] ? RST_BELIEVED
								       : RST_CHALLENGED;
}

static bool is_inside(const struct session_hot *hot, const struct segment *segment, uint8_t next)
{
	uint8_t own = segment->own;
	if (hot->tcp_state == STELLAR_TCP_SYN_SENT)
		return is_syn_acknowledged(hot, segment);
	if (is_opening(hot->tcp_state) && next != hot->tcp_state &&
	    !is_syn_acknowledged(hot, segment))
		return false;

	if (has_finished(hot->tcp_state, own) &&
	    tcp_difference(segment->end, hot->seq_end[own]) > 0)
		return false; // nothing comes after a FIN
	return is_in_window(hot, own, segment->peer, segment->end, segment->ack);
}

static void follow_inside(struct session_hot *hot, const struct segment *segment)
{
	tcp_follow(hot, segment->own, segment->end, segment->ack);
	raise_window(hot, segment->own, segment->tcp);
}

// A tap missed something: believe the segment. Numbers on the other side of a FIN stay, they tell
// when it is acknowledged.
static void follow_outside(struct session_hot *hot, const struct segment *segment)
{
	uint8_t own = segment->own;
	uint8_t peer = segment->peer;
	if (!has_finished(hot->tcp_state, own))
		hot->seq_end[own] = segment->end;
	if (!has_finished(hot->tcp_state, peer) &&
	    tcp_difference(segment->ack, hot->seq_end[peer]) > 0)
		hot->seq_end[peer] = segment->ack;
	hot->acked[own] = segment->ack;
	if (tcp_difference(segment->end, hot->acked[peer] + tcp_get_window(hot, peer)) > 0 ||
	    tcp_difference(segment->tcp->sequence, hot->acked[peer]) < 0)
		hot->acked[peer] = segment->tcp->sequence;
	raise_window(hot, own, segment->tcp);
}

// Whether the originator is all that was seen so far, and that is enough.
static bool is_one_sided(const struct session_hot *hot, unsigned options)
{
	return (options & TCP_ASYMMETRIC) != 0 && hot->packets[STELLAR_REVERSE] == 0;
}

// One side is all there is: its acknowledgments tell what the other sent, and that it has the rest.
static void follow_one_side(struct session_hot *hot, const struct segment *segment)
{
	uint8_t own = segment->own;
	uint8_t peer = segment->peer;
	tcp_follow(hot, own, segment->end, segment->ack);
	if (tcp_difference(segment->ack, hot->seq_end[peer]) > 0)
		hot->seq_end[peer] = segment->ack;
	if (tcp_difference(segment->tcp->sequence, hot->acked[peer]) > 0)
		hot->acked[peer] = segment->tcp->sequence;
	raise_window(hot, own, segment->tcp);
}

// Where a tap goes from an impossible edge: it has lost the segments that would make it possible,
// or they take another route.
static uint8_t pick_up(struct session_hot *hot, const struct segment *segment, unsigned options)
{
	bool one_sided = is_one_sided(hot, options) && segment->own == STELLAR_FORWARD;
	bool tolerated = (options & TCP_STRICT) == 0 && (options & TCP_MIDSTREAM) != 0;
	if (!is_opening(hot->tcp_state) || (!one_sided && !tolerated) ||
	    (segment->input != TCP_INPUT_ACK && segment->input != TCP_INPUT_FIN))
		return TCP_NEXT_INVALID;
	open_numbers(hot, segment);
	return tcp_next_state(STELLAR_TCP_ESTABLISHED, segment->own, segment->input);
}

// A SYN after another: which of the two the responder takes, it says. Until then the first's number
// is kept, and that of the answer to it, where nothing else needs the room: acked[FORWARD] is the
// number after the first SYN, and, when that was answered, seq_end[REVERSE] the number after the
// SYN-ACK and max_window[REVERSE] its window.
static void move_numbers(struct session_hot *hot, const struct segment *segment)
{
	uint32_t first = hot->acked[STELLAR_FORWARD];
	uint32_t answer = hot->seq_end[STELLAR_REVERSE];
	uint16_t window = hot->max_window[STELLAR_REVERSE];
	uint8_t scale = hot->window_scale & 0xf0u;
	bool moved = segment->input == TCP_INPUT_SYN_MOVED;
	if (hot->tcp_state == STELLAR_TCP_SYN_RECEIVED)
		first = hot->acked[STELLAR_REVERSE];
	else if (moved && window == 0)
		first = hot->seq_end[STELLAR_FORWARD]; // no SYN was answered: the last one but this
	open_numbers(hot, segment);
	hot->syn_moved |= moved;
	hot->acked[STELLAR_FORWARD] = first;
	hot->seq_end[STELLAR_REVERSE] = answer;
	hot->max_window[STELLAR_REVERSE] = window;
	hot->window_scale |= scale;
}

// The originator's ACK of the answer to its first SYN. The second was nobody's.
static bool is_first_completed(const struct session_hot *hot, const struct segment *segment)
{
	uint32_t first = hot->acked[STELLAR_FORWARD];
	uint32_t edge = first + tcp_get_window(hot, STELLAR_REVERSE);
	return hot->syn_moved && hot->max_window[STELLAR_REVERSE] != 0 &&
	       segment->ack == hot->seq_end[STELLAR_REVERSE] &&
	       tcp_difference(segment->end, first) >= (segment->tcp->sequence != first) &&
	       tcp_difference(segment->tcp->sequence, edge) < 0;
}

static void complete_first(struct session_hot *hot, const struct segment *segment)
{
	hot->acked[STELLAR_REVERSE] = hot->acked[STELLAR_FORWARD];
	hot->acked[STELLAR_FORWARD] = segment->ack;
	hot->seq_end[STELLAR_FORWARD] = segment->end;
	hot->syn_moved = 0;
	raise_window(hot, STELLAR_FORWARD, segment->tcp);
}

static struct tcp_outcome change_to(struct session_hot *hot, uint8_t next, bool out_of_window)
{
	struct tcp_outcome outcome = {
		.code = TCP_ACCEPTED,
		.previous_state = hot->tcp_state,
		.state_changed = next != hot->tcp_state,
		.out_of_window = out_of_window,
	};
	hot->tcp_state = next & 15u;
	return outcome;
}

static struct tcp_outcome refuse(const struct session_hot *hot, enum tcp_outcome_code code,
				 bool out_of_window)
{
	return (struct tcp_outcome){
		.code = (uint8_t)code,
		.previous_state = hot->tcp_state,
		.out_of_window = out_of_window,
	};
}

static struct tcp_outcome track_rst(struct session_hot *hot, const struct segment *segment,
				    uint8_t next, unsigned options)
{
	uint8_t state = hot->tcp_state;
	if (state == STELLAR_TCP_TIME_WAIT || state == STELLAR_TCP_CLOSED)
		return change_to(hot, next, false);
	enum rst_effect effect = get_rst_effect(hot, segment, options);
	if (effect == RST_OUTSIDE && (options & TCP_STRICT) != 0)
		return refuse(hot, TCP_INVALID, true);
	return change_to(hot, effect == RST_BELIEVED ? next : state, effect == RST_OUTSIDE);
}

// Strays, SYNs of a living session (their receiver answers and forgets them), and a half-open
// responder's ACK.
static bool has_no_numbers(uint8_t state, enum tcp_input input)
{
	if (state == STELLAR_TCP_TIME_WAIT || state == STELLAR_TCP_CLOSED)
		return true;
	if (input == TCP_INPUT_SYN)
		return state != STELLAR_TCP_NONE && state != STELLAR_TCP_SYN_SENT;
	if (input == TCP_INPUT_SYN_ACK)
		return state >= STELLAR_TCP_ESTABLISHED;
	return state == STELLAR_TCP_SYN_SENT && input == TCP_INPUT_ACK;
}

// Segments whose numbers begin something. Returns false for the others.
static bool open_or_move(struct session_hot *hot, const struct segment *segment)
{
	if (segment->input == TCP_INPUT_SYN_MOVED) {
		move_numbers(hot, segment);
		return true;
	}
	if (hot->tcp_state == STELLAR_TCP_NONE) {
		open_numbers(hot, segment);
		return true;
	}
	if (hot->tcp_state != STELLAR_TCP_SYN_SENT || segment->input != TCP_INPUT_SYN)
		return false;
	if (segment->own == STELLAR_FORWARD)
		move_numbers(hot, segment);
	else
		answer_numbers(hot, segment);
	return true;
}

static struct tcp_outcome track_numbers(struct session_hot *hot, const struct segment *segment,
					uint8_t next, unsigned options)
{
	bool inside = is_inside(hot, segment, next);
	if (!inside && segment->own == STELLAR_FORWARD && is_one_sided(hot, options)) {
		follow_one_side(hot, segment);
		return change_to(hot, next, false);
	}
	if (!inside && (options & TCP_STRICT) != 0)
		return refuse(hot, TCP_INVALID, true);
	if (!inside && tcp_has_flag(segment->tcp, STELLAR_TCP_SYN))
		return change_to(hot, hot->tcp_state, true);
	if (hot->tcp_state == STELLAR_TCP_SYN_SENT) {
		hot->seq_end[segment->peer] = segment->ack; // of the SYN it takes, were there two
		answer_numbers(hot, segment);
	} else if (inside || (options & TCP_ACCEPTABLE) != 0) {
		follow_inside(hot, segment);
	} else {
		follow_outside(hot, segment);
	}
	return change_to(hot, next, !inside);
}

// By the table and the windows.
static struct tcp_outcome track_any(struct session_hot *hot, const struct packet_tcp *tcp,
				    uint32_t end, enum stellar_direction direction,
				    unsigned options)
{
	uint8_t state = hot->tcp_state;
	struct segment segment = {
		.tcp = tcp,
		.end = end + tcp_has_flag(tcp, STELLAR_TCP_SYN) +
		       tcp_has_flag(tcp, STELLAR_TCP_FIN),
		.ack = tcp->acknowledgment,
		.own = (uint8_t)direction,
		.peer = direction == STELLAR_FORWARD ? STELLAR_REVERSE : STELLAR_FORWARD,
		.input = tcp_classify(hot, tcp, direction),
	};
	uint8_t next = tcp_next_state(state, direction, segment.input);
	if (state == STELLAR_TCP_SYN_SENT && direction == STELLAR_FORWARD &&
	    segment.input == TCP_INPUT_ACK) {
		if (!is_first_completed(hot, &segment))
			next = TCP_NEXT_INVALID;
		else
			complete_first(hot, &segment);
		if (next != TCP_NEXT_INVALID)
			return change_to(hot, next, false);
	}
	if (next == TCP_NEXT_INVALID) {
		next = pick_up(hot, &segment, options);
		return next == TCP_NEXT_INVALID ? refuse(hot, TCP_INVALID, false)
						: change_to(hot, next, true);
	}
	if (next == TCP_NEXT_REOPEN)
		return refuse(hot, TCP_REOPEN, false);
	if (segment.input == TCP_INPUT_RST && tcp_has_flag(tcp, STELLAR_TCP_SYN) &&
	    (options & TCP_STRICT) != 0)
		return refuse(hot, TCP_INVALID, false); // nobody means it
	if (segment.input == TCP_INPUT_RST)
		return track_rst(hot, &segment, next, options);
	if (has_no_numbers(state, segment.input))
		return change_to(hot, next, false);
	if (open_or_move(hot, &segment))
		return change_to(hot, next, false);
	return track_numbers(hot, &segment, next, options);
}

// What the state says of the payload. A SYN's is for its receiver to take or to leave.
static uint8_t get_payload(const struct session_hot *hot, const struct packet_tcp *tcp)
{
	if (tcp_has_flag(tcp, STELLAR_TCP_RST) || hot->tcp_state == STELLAR_TCP_TIME_WAIT ||
	    hot->tcp_state == STELLAR_TCP_CLOSED)
		return TCP_PAYLOAD_REFUSED;
	if (!tcp_has_flag(tcp, STELLAR_TCP_SYN))
		return hot->tcp_state == STELLAR_TCP_SYN_SENT ? TCP_PAYLOAD_REFUSED
							      : TCP_PAYLOAD_TAKEN;
	return hot->tcp_state == STELLAR_TCP_SYN_SENT ? TCP_PAYLOAD_PENDING : TCP_PAYLOAD_REFUSED;
}

static __attribute__((noinline)) struct tcp_outcome
track_unpredicted(struct session_hot *hot, const struct packet_tcp *tcp, uint32_t end,
		  enum stellar_direction direction, unsigned options)
{
	struct tcp_outcome outcome = track_any(hot, tcp, end, direction, options);
	if (outcome.code == TCP_ACCEPTED)
		outcome.payload = get_payload(hot, tcp);
	return outcome;
}

struct tcp_outcome tcp_track_others(struct session_hot *hot, const struct packet_tcp *tcp,
				    uint32_t end, enum stellar_direction direction,
				    unsigned options)
{
	if (!follow_predicted(hot, tcp, end, (uint8_t)direction))
		return track_unpredicted(hot, tcp, end, direction, options);
	return (struct tcp_outcome){
		.code = TCP_ACCEPTED,
		.previous_state = STELLAR_TCP_ESTABLISHED,
		.payload = TCP_PAYLOAD_TAKEN,
	};
}
