// SPDX-License-Identifier: Apache-2.0

// TCP as a device in the middle sees it: a state table and the numbers of both windows.
//
// State. Each segment is one input (enum tcp_input); tcp_state.c holds one table indexed
// [state][direction][input], a comment an edge. Directions are those of the session: FORWARD comes
// from the originator, who is whoever sent the first packet we saw. FIN_WAIT means that the
// originator finished first, CLOSE_WAIT that the responder did; CLOSING that both did without
// either FIN being acknowledged by the other, LAST_ACK that the second FIN acknowledged the first;
// TIME_WAIT that both FINs are acknowledged; CLOSED that there was a RST.
//
// When a TCP session closes. Not with its last segment: reaching TIME_WAIT or CLOSED only shortens
// its time to tcp_closed_sec, so that stray segments (retransmitted FINs, data crossing a RST)
// still belong to it instead of opening a session. The closing event is raised when that time is
// over (reason session_hot_closing_reason: fin or rst), or at once when a SYN reuses the ports:
// then the outcome is TCP_REOPEN, and the engine closes the session and makes a new one for the
// same packet.
//
// Windows. Per direction d the hot line keeps
//	seq_end[d]	the highest sequence number d has sent, plus one (SYN and FIN count)
//	acked[d]	the highest number d has acknowledged: what d expects next
//	max_window[d]	the largest window d advertised, not scaled; window_scale has its shift
// A segment of d, peer p, is inside when (after "Real Stateful TCP Packet Filtering", van Rooij)
//	its end    <= acked[p] + max_window[p]			not beyond what p can take
//	its end    >= seq_end[d] - max_window[p] - 1		not older than a retransmission
//	its ack    <= seq_end[p]				p did send that
//	its ack    >= seq_end[p] - max(max_window[d], 66000)	not absurdly old
// The window of a SYN is never scaled (RFC 7323 2.2). A window of 0 counts as 1: that is the probe.
//
// RST. Its receiver believes one that has the number it expects, and challenges any other in its
// window (RFC 5961 3.2). What it expects is not told: acked[p] and seq_end[d] are the two numbers
// that it can be when nothing is missing, and a RST with one of them closes the session. Any other
// from acked[p] to seq_end[d] passes and changes nothing: was it meant, the answer to the challenge
// closes the session; the rest is outside. In SYN_SENT, from the responder, it must acknowledge the
// SYN; in SYN_RECEIVED, from the originator, be in the window (RFC 9293 3.10.7.4).
//
// SYN. Inside a living session a SYN or SYN-ACK is let through and changes nothing: its receiver
// answers with a challenge ACK (RFC 5961 4), and the sender's RST then closes the session. Before
// the handshake is done the originator may begin again with another number (a port used again, or
// an attacker): then both numbers are kept, and what answers says which one it is; were the first
// one answered already, its ACK may come too.
//
// TCP_STRICT (inline): a segment outside is TCP_INVALID. Otherwise (tap: segments get lost on the
// way to us) it is accepted and flagged, and the numbers follow it, but a RST or SYN outside
// changes nothing, so that a forged one cannot blind an observer.
//
// TCP_ASYMMETRIC: as long as no packet of the responder was counted, what the originator says is
// believed: the handshake is done with its ACK, and its acknowledgments tell what the other sent.
//
// ECN flags (RFC 3168), PSH and URG decide nothing.
//
// What the receiver takes. An endpoint refuses more than a device in the middle has to. Where a
// session's bytes are wanted its record embeds struct tcp_endpoints, and each of its segments goes
// through tcp_track_endpoints instead of tcp_track: outcome.payload then says what becomes of its
// bytes and of its FIN, and a RST is judged by the byte that is really expected. Without a record
// nothing of this is kept, and a segment costs no more than the hot line. Refused is what
//	has an older timestamp than what came in order last (PAWS, RFC 7323 5.3)
//	ends before what was acknowledged, or starts beyond the window's edge (RFC 9293 3.10.7.4)
//	acknowledges what was not sent, or is too old (RFC 5961 5.2)
//	carries no ACK, or a SYN or RST; comes before the handshake is done or after a RST
// A refused segment changes no number and no state, on a tap too: with it an attacker can't move
// what is expected. (A tap that lost a segment therefore refuses those that acknowledge it until
// its sender is heard again.) On a wire it is TCP_INVALID when it has something new in it. What the
// receiver may take or leave (data of a SYN) is pending until its acknowledgment tells.
//
// Nothing here allocates or knows the table: it reads and writes one hot line, and the endpoints.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/session.h>

#include "packet/decode.h"
#include "session/table.h"

// What a segment means to the state table.
enum tcp_input {
	TCP_INPUT_SYN,
	TCP_INPUT_SYN_MOVED, // the originator's, with another number, before the handshake is done
	TCP_INPUT_SYN_ACK,
	TCP_INPUT_ACK, // an acknowledgment, with or without data
	TCP_INPUT_FIN,
	TCP_INPUT_FIN_ANSWER, // a FIN that acknowledges the other side's FIN
	TCP_INPUT_LAST_ACK, // after it both FINs are acknowledged
	TCP_INPUT_RST,
	TCP_INPUT_INVALID, // flags that mean nothing: none, SYN with FIN or RST, no ACK where it
			   // must be
	TCP_INPUT_COUNT,
};

// Results of the state table beside the states.
#define TCP_NEXT_INVALID 0u // STELLAR_TCP_NONE: nothing leads back there
#define TCP_NEXT_REOPEN 0xfdu

#define TCP_STRICT 0x1u // inline: what is outside the window is invalid
#define TCP_MIDSTREAM 0x2u // a session may begin with something else than a SYN
#define TCP_ASYMMETRIC 0x4u // one side of a session may be all that is ever seen, TCP_STRICT or not
#define TCP_URGENT_INLINE 0x8u // the urgent byte stays in the stream

#define TCP_ACK_AGE_MIN 66000u // bytes an acknowledgment may be behind, whatever the window

enum tcp_outcome_code {
	TCP_ACCEPTED, // belongs to the session; count it
	TCP_INVALID, // does not: drop reason tcp_invalid; the hot line is unchanged
	TCP_REOPEN, // a SYN on an ended session: close it and make a new one; the hot line is
		    // unchanged
};

// What the receiver does with a segment's payload and FIN.
enum tcp_payload {
	TCP_PAYLOAD_REFUSED, // nothing of it reaches the receiver's application
	TCP_PAYLOAD_TAKEN, // goes into its stream, where it is new
	TCP_PAYLOAD_PENDING, // taken as far as the receiver's next segment acknowledges it: data of
			     // a SYN (RFC 7413), numbered from the SYN's sequence + 1, or the next
			     // bytes, without a FIN, where receivers differ. Refused when other
			     // bytes are held
	TCP_PAYLOAD_LIKELY, // as pending; but taken when other bytes are held
};

struct tcp_outcome {
	uint8_t code; // enum tcp_outcome_code
	uint8_t previous_state; // enum stellar_tcp_state
	uint8_t payload; // enum tcp_payload; REFUSED unless code is TCP_ACCEPTED. Exact only from
			 // tcp_track_endpoints; tcp_track knows the state alone
	bool state_changed : 1; // see session_table_rearm
	bool out_of_window : 1; // tolerated
};

// The receiver of one direction, as its own segments and what it took tell.
struct tcp_endpoint {
	uint32_t first; // number of the first byte it gets, valid when has_first
	uint32_t expected; // the next byte it has not got in order (RCV.NXT). The stream's to
			   // write, after each segment; until then what tcp_endpoints_open found
	uint32_t window_end; // past the last byte that it ever let its peer send
	uint32_t timestamp; // newest it took from its peer (TS.Recent, RFC 7323 4.3); 0: none
	uint32_t urgent; // sequence number of the urgent byte, valid when has_urgent
	bool has_first; // moves when the handshake is begun again; never once it is done
	bool has_urgent; // and the byte has not been passed. The stream's to clear when it is
	bool has_window; // window_end is known
};

// Indices are the direction of the data that is received: receiver[STELLAR_FORWARD] is the
// responder. Zeroed memory, then tcp_endpoints_open.
struct tcp_endpoints {
	struct tcp_endpoint receiver[2];
	uint32_t syn_length; // data of the originator's SYN, bytes
	bool has_timestamps; // both SYNs asked for them, or the handshake was not seen
	bool has_selective; // selective acknowledgments, RFC 2018: likewise
};

// Entry of the state table: an enum stellar_tcp_state, TCP_NEXT_INVALID or TCP_NEXT_REOPEN. Pure.
uint8_t tcp_next_state(enum stellar_tcp_state state, enum stellar_direction direction,
		       enum tcp_input input);

// What a segment means in a session (before it is applied).
enum tcp_input tcp_classify(const struct session_hot *hot, const struct packet_tcp *tcp,
			    enum stellar_direction direction);

// Whether a session may begin with this segment: ask before making one. Otherwise: tcp_invalid.
bool tcp_can_open(const struct packet_tcp *tcp, unsigned options);

// Apply one segment. A new session starts in STELLAR_TCP_NONE and gets its first segment here too,
// which tcp_can_open has let pass. Changes hot->tcp_state and the numbers, nothing else: the
// session's state (session_hot_next_state) and timer (session_table_rearm) are the caller's.
// packet_tcp is valid, payload_length in bytes.
static inline struct tcp_outcome tcp_track(struct session_hot *hot, const struct packet_tcp *tcp,
					   uint32_t payload_length,
					   enum stellar_direction direction, unsigned options);

// Begin to keep endpoints: the session's record was made, and the segment in hand has been through
// tcp_track already. endpoints is zeroed. Any state: what the hot line does not tell stays unknown.
void tcp_endpoints_open(struct tcp_endpoints *endpoints, const struct session_hot *hot,
			const struct packet_tcp *tcp, uint32_t payload_length,
			enum stellar_direction direction);

// tcp_track for a session with a record: also judges as the receiver would, and keeps endpoints.
struct tcp_outcome tcp_track_endpoints(struct session_hot *hot, struct tcp_endpoints *endpoints,
				       const struct packet_tcp *tcp, uint32_t payload_length,
				       enum stellar_direction direction, unsigned options);

// What follows is the common case of tcp_track, here for the compiler, and the rest in tcp_track.c.
// Not for others to call.

struct tcp_outcome tcp_track_others(struct session_hot *hot, const struct packet_tcp *tcp,
				    uint32_t end, enum stellar_direction direction,
				    unsigned options);

// Whether it is an acknowledgment, with or without data, inside an established session.
static inline bool tcp_is_predicted(const struct session_hot *hot, const struct packet_tcp *tcp)
{
	const uint8_t decisive =
		STELLAR_TCP_SYN | STELLAR_TCP_FIN | STELLAR_TCP_RST | STELLAR_TCP_ACK;
	return hot->tcp_state == STELLAR_TCP_ESTABLISHED &&
	       (tcp->flags & decisive) == STELLAR_TCP_ACK;
}

// Whether it is inside both windows for sure: four distances, none of them negative. What is inside
// only as its sender's own window is wide is told elsewhere. A closed window is probed with a byte.
static inline bool tcp_is_inside_surely(const struct session_hot *hot, unsigned own, uint32_t end,
					uint32_t ack)
{
	unsigned peer = own ^ 1;
	uint32_t window = (uint32_t)hot->max_window[peer] << (hot->window_scale >> peer * 4 & 15);
	window += window == 0;
	uint32_t ack_age = hot->seq_end[peer] - ack;
	return (int32_t)((hot->acked[peer] + window - end) |
			 (end - hot->seq_end[own] + window + 1) | ack_age |
			 (TCP_ACK_AGE_MIN - ack_age)) >= 0;
}

static inline void tcp_follow(struct session_hot *hot, unsigned own, uint32_t end, uint32_t ack)
{
	if ((int32_t)(end - hot->seq_end[own]) > 0)
		hot->seq_end[own] = end;
	if ((int32_t)(ack - hot->acked[own]) > 0)
		hot->acked[own] = ack;
}

static inline void tcp_raise_window(struct session_hot *hot, unsigned own, uint16_t window)
{
	if (window > hot->max_window[own])
		hot->max_window[own] = window;
}

// Header prediction: nearly every segment goes this way. Does what the table would lead to, without
// the way there.
static inline struct tcp_outcome tcp_track(struct session_hot *hot, const struct packet_tcp *tcp,
					   uint32_t payload_length,
					   enum stellar_direction direction, unsigned options)
{
	uint32_t end = tcp->sequence + payload_length;
	if (__builtin_expect(
		    !tcp_is_predicted(hot, tcp) ||
			    !tcp_is_inside_surely(hot, direction, end, tcp->acknowledgment),
		    false))
		return tcp_track_others(hot, tcp, end, direction, options);
	tcp_follow(hot, direction, end, tcp->acknowledgment);
	tcp_raise_window(hot, direction, tcp->window);
	return (struct tcp_outcome){
		.code = TCP_ACCEPTED,
		.previous_state = STELLAR_TCP_ESTABLISHED,
		.payload = TCP_PAYLOAD_TAKEN,
	};
}
