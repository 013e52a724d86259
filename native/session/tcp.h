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
// A RST is inside only when acked[p] <= seq <= seq_end[d]: in a session at rest that is the one
// number that RFC 5961 3.2 asks for; in SYN_SENT, from the responder, it must acknowledge the SYN.
// A SYN inside a living session is let through and changes nothing: its receiver answers with a
// challenge ACK (RFC 5961 4), and the sender's RST then closes the session.
//
// TCP_STRICT (inline): a segment outside is TCP_INVALID. Otherwise (tap: segments get lost on the
// way to us) it is accepted and flagged, and the numbers follow it, but a RST or SYN outside
// changes nothing, so that a forged one cannot blind an observer.
//
// What the receiver takes. An endpoint refuses more than a device in the middle has to: what is
// older than its clock of timestamps (PAWS, RFC 7323 5), beyond the edge of the window it
// advertised last, acknowledges what was never sent, or comes in a state without data. Where a
// session's bytes are wanted its record embeds struct tcp_endpoints, and each of its segments goes
// through tcp_track_endpoints instead of tcp_track: outcome.payload then says what becomes of its
// bytes and of its FIN. Without a record nothing of this is kept, and a segment costs no more than
// the hot line.
//
// Nothing here allocates or knows the table: it reads and writes one hot line, and the endpoints.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/session.h>

struct packet_tcp;
struct session_hot;

// What a segment means to the state table.
enum tcp_input {
	TCP_INPUT_SYN,
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
	TCP_PAYLOAD_PENDING, // data of a SYN (RFC 7413): taken as far as the SYN-ACK acknowledges
			     // it, refused when that acknowledges the SYN alone. Numbered from the
			     // SYN's sequence + 1
};

struct tcp_outcome {
	uint8_t code; // enum tcp_outcome_code
	uint8_t previous_state; // enum stellar_tcp_state
	bool state_changed; // see session_table_rearm
	bool out_of_window; // tolerated
	uint8_t payload; // enum tcp_payload; REFUSED unless code is TCP_ACCEPTED. Exact only from
			 // tcp_track_endpoints; tcp_track knows the state alone
};

// The receiver of one direction, as its own segments and what it took tell.
struct tcp_endpoint {
	uint32_t expected; // the next byte it has not got in order (RCV.NXT). The stream's to
			   // write, after each segment; until then what tcp_endpoints_open found
	uint32_t window_end; // past the last byte that it ever let its peer send
	uint32_t timestamp; // newest it took from its peer (TS.Recent, RFC 7323 4.3); 0: none
	uint32_t urgent; // sequence number of the urgent byte, valid when has_urgent
	bool has_urgent; // and the byte has not been passed. The stream's to clear when it is
	bool has_window; // window_end is known
};

// Indices are the direction of the data that is received: receiver[STELLAR_FORWARD] is the
// responder. Zeroed memory, then tcp_endpoints_open.
struct tcp_endpoints {
	struct tcp_endpoint receiver[2];
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
struct tcp_outcome tcp_track(struct session_hot *hot, const struct packet_tcp *tcp,
			     uint32_t payload_length, enum stellar_direction direction,
			     unsigned options);

// Begin to keep endpoints: the session's record was made, and the segment in hand has been through
// tcp_track already. endpoints is zeroed. Any state: what the hot line does not tell stays unknown.
void tcp_endpoints_open(struct tcp_endpoints *endpoints, const struct session_hot *hot,
			const struct packet_tcp *tcp, uint32_t payload_length,
			enum stellar_direction direction);

// tcp_track for a session with a record: also judges as the receiver would, and keeps endpoints.
struct tcp_outcome tcp_track_endpoints(struct session_hot *hot, struct tcp_endpoints *endpoints,
				       const struct packet_tcp *tcp, uint32_t payload_length,
				       enum stellar_direction direction, unsigned options);
