// SPDX-License-Identifier: Apache-2.0

// The TCP state table. What is not listed is 0, STELLAR_TCP_NONE, which is never entered: invalid.
// Its tests list every edge again, and every one that is not there.

#include "session/tcp.h"

_Static_assert(TCP_NEXT_INVALID == STELLAR_TCP_NONE, "an edge that is not listed is invalid");
_Static_assert(TCP_NEXT_REOPEN >= STELLAR_TCP_STATE_COUNT, "not a state");

#define FORWARD STELLAR_FORWARD
#define REVERSE STELLAR_REVERSE
#define TO(state) STELLAR_TCP_##state

// clang-format off
static const uint8_t next_state[STELLAR_TCP_STATE_COUNT][STELLAR_DIRECTION_COUNT][TCP_INPUT_COUNT] = {
	[STELLAR_TCP_NONE] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(SYN_SENT), // the originator opens
			[TCP_INPUT_SYN_ACK] = TO(ESTABLISHED), // midstream: the SYN was not seen
			[TCP_INPUT_ACK] = TO(ESTABLISHED), // midstream
			[TCP_INPUT_FIN] = TO(FIN_WAIT), // midstream, and finishing
		},
	},
	[STELLAR_TCP_SYN_SENT] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(SYN_SENT), // retransmission
			[TCP_INPUT_SYN_MOVED] = TO(SYN_SENT), // the originator begins again, RFC 9293 3.5.1
			[TCP_INPUT_ACK] = TO(ESTABLISHED), // completes what an earlier SYN began, and no other
			[TCP_INPUT_RST] = TO(CLOSED), // the originator gives up
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TO(SIMULTANEOUS_OPEN), // RFC 9293 figure 7
			[TCP_INPUT_SYN_ACK] = TO(SYN_RECEIVED), // the responder agrees
			[TCP_INPUT_ACK] = TO(SYN_SENT), // a half-open responder, RFC 9293 figure 9: RST follows
			[TCP_INPUT_RST] = TO(CLOSED), // refused
		},
	},
	[STELLAR_TCP_SIMULTANEOUS_OPEN] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(SIMULTANEOUS_OPEN), // retransmission
			[TCP_INPUT_SYN_ACK] = TO(SIMULTANEOUS_OPEN), // the other side's is still to come
			[TCP_INPUT_ACK] = TO(ESTABLISHED), // both SYNs are acknowledged
			[TCP_INPUT_FIN] = TO(FIN_WAIT), // acknowledges the SYN and finishes
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TO(SIMULTANEOUS_OPEN), // retransmission
			[TCP_INPUT_SYN_ACK] = TO(SIMULTANEOUS_OPEN), // the other side's is still to come
			[TCP_INPUT_ACK] = TO(ESTABLISHED), // both SYNs are acknowledged
			[TCP_INPUT_FIN] = TO(CLOSE_WAIT), // acknowledges the SYN and finishes
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
	},
	[STELLAR_TCP_SYN_RECEIVED] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(SYN_RECEIVED), // retransmission, the SYN-ACK got lost
			[TCP_INPUT_SYN_MOVED] = TO(SYN_SENT), // begins again: the responder says which it takes
			[TCP_INPUT_ACK] = TO(ESTABLISHED), // the handshake is complete
			[TCP_INPUT_FIN] = TO(FIN_WAIT), // complete, and finished at once
			[TCP_INPUT_RST] = TO(CLOSED), // the originator changed its mind
		},
		[REVERSE] = {
			[TCP_INPUT_SYN_ACK] = TO(SYN_RECEIVED), // retransmission
			[TCP_INPUT_ACK] = TO(SYN_RECEIVED), // data before the handshake ends, RFC 7413 4.2
			[TCP_INPUT_FIN] = TO(CLOSE_WAIT), // the responder finishes early, RFC 9293 3.6
			[TCP_INPUT_RST] = TO(CLOSED), // refused after all
		},
	},
	[STELLAR_TCP_ESTABLISHED] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(ESTABLISHED), // draws a challenge ACK, RFC 5961 4
			[TCP_INPUT_SYN_ACK] = TO(ESTABLISHED), // retransmission of a simultaneous open
			[TCP_INPUT_ACK] = TO(ESTABLISHED), // data or acknowledgment
			[TCP_INPUT_FIN] = TO(FIN_WAIT), // the originator finishes first
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TO(ESTABLISHED), // draws a challenge ACK, RFC 5961 4
			[TCP_INPUT_SYN_ACK] = TO(ESTABLISHED), // retransmission, the last ACK got lost
			[TCP_INPUT_ACK] = TO(ESTABLISHED), // data or acknowledgment
			[TCP_INPUT_FIN] = TO(CLOSE_WAIT), // the responder finishes first
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
	},
	[STELLAR_TCP_FIN_WAIT] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(FIN_WAIT), // draws a challenge ACK
			[TCP_INPUT_ACK] = TO(FIN_WAIT), // half closed: still acknowledges, or sends again
			[TCP_INPUT_FIN] = TO(FIN_WAIT), // retransmission
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TO(FIN_WAIT), // draws a challenge ACK
			[TCP_INPUT_SYN_ACK] = TO(FIN_WAIT), // retransmission, overtaken by the FIN
			[TCP_INPUT_ACK] = TO(FIN_WAIT), // half closed: the responder still sends
			[TCP_INPUT_FIN] = TO(CLOSING), // both FINs cross
			[TCP_INPUT_FIN_ANSWER] = TO(LAST_ACK), // the responder finishes too
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
	},
	[STELLAR_TCP_CLOSE_WAIT] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(CLOSE_WAIT), // draws a challenge ACK
			[TCP_INPUT_ACK] = TO(CLOSE_WAIT), // half closed: the originator still sends
			[TCP_INPUT_FIN] = TO(CLOSING), // both FINs cross
			[TCP_INPUT_FIN_ANSWER] = TO(LAST_ACK), // the originator finishes too
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TO(CLOSE_WAIT), // draws a challenge ACK
			[TCP_INPUT_SYN_ACK] = TO(CLOSE_WAIT), // retransmission of an early finisher
			[TCP_INPUT_ACK] = TO(CLOSE_WAIT), // half closed: still acknowledges, or sends again
			[TCP_INPUT_FIN] = TO(CLOSE_WAIT), // retransmission
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
	},
	[STELLAR_TCP_CLOSING] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(CLOSING), // draws a challenge ACK
			[TCP_INPUT_ACK] = TO(CLOSING), // one of the two FINs is acknowledged at most
			[TCP_INPUT_FIN] = TO(CLOSING), // retransmission
			[TCP_INPUT_FIN_ANSWER] = TO(CLOSING), // retransmission that acknowledges
			[TCP_INPUT_LAST_ACK] = TO(TIME_WAIT), // both FINs are acknowledged
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TO(CLOSING), // draws a challenge ACK
			[TCP_INPUT_ACK] = TO(CLOSING), // one of the two FINs is acknowledged at most
			[TCP_INPUT_FIN] = TO(CLOSING), // retransmission
			[TCP_INPUT_FIN_ANSWER] = TO(CLOSING), // retransmission that acknowledges
			[TCP_INPUT_LAST_ACK] = TO(TIME_WAIT), // both FINs are acknowledged
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
	},
	[STELLAR_TCP_LAST_ACK] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TO(LAST_ACK), // draws a challenge ACK
			[TCP_INPUT_ACK] = TO(LAST_ACK), // not yet of the FIN, or from the second finisher
			[TCP_INPUT_FIN] = TO(LAST_ACK), // retransmission
			[TCP_INPUT_FIN_ANSWER] = TO(LAST_ACK), // retransmission
			[TCP_INPUT_LAST_ACK] = TO(TIME_WAIT), // both FINs are acknowledged
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TO(LAST_ACK), // draws a challenge ACK
			[TCP_INPUT_ACK] = TO(LAST_ACK), // not yet of the FIN, or from the second finisher
			[TCP_INPUT_FIN] = TO(LAST_ACK), // retransmission
			[TCP_INPUT_FIN_ANSWER] = TO(LAST_ACK), // retransmission
			[TCP_INPUT_LAST_ACK] = TO(TIME_WAIT), // both FINs are acknowledged
			[TCP_INPUT_RST] = TO(CLOSED), // reset
		},
	},
	[STELLAR_TCP_TIME_WAIT] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TCP_NEXT_REOPEN, // the ports are used again
			[TCP_INPUT_ACK] = TO(TIME_WAIT), // stray
			[TCP_INPUT_FIN] = TO(TIME_WAIT), // stray
			[TCP_INPUT_FIN_ANSWER] = TO(TIME_WAIT), // retransmission, the last ACK got lost
			[TCP_INPUT_LAST_ACK] = TO(TIME_WAIT), // the last ACK again
			[TCP_INPUT_RST] = TO(TIME_WAIT), // must not cut it short, RFC 1337
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TCP_NEXT_REOPEN, // the ports are used again, other way round
			[TCP_INPUT_ACK] = TO(TIME_WAIT), // stray
			[TCP_INPUT_FIN] = TO(TIME_WAIT), // stray
			[TCP_INPUT_FIN_ANSWER] = TO(TIME_WAIT), // retransmission, the last ACK got lost
			[TCP_INPUT_LAST_ACK] = TO(TIME_WAIT), // the last ACK again
			[TCP_INPUT_RST] = TO(TIME_WAIT), // must not cut it short, RFC 1337
		},
	},
	[STELLAR_TCP_CLOSED] = {
		[FORWARD] = {
			[TCP_INPUT_SYN] = TCP_NEXT_REOPEN, // the ports are used again
			[TCP_INPUT_SYN_ACK] = TO(CLOSED), // crossed the RST
			[TCP_INPUT_ACK] = TO(CLOSED), // crossed the RST
			[TCP_INPUT_FIN] = TO(CLOSED), // crossed the RST
			[TCP_INPUT_RST] = TO(CLOSED), // answers what crossed
		},
		[REVERSE] = {
			[TCP_INPUT_SYN] = TCP_NEXT_REOPEN, // the ports are used again, other way round
			[TCP_INPUT_SYN_ACK] = TO(CLOSED), // crossed the RST
			[TCP_INPUT_ACK] = TO(CLOSED), // crossed the RST
			[TCP_INPUT_FIN] = TO(CLOSED), // crossed the RST
			[TCP_INPUT_RST] = TO(CLOSED), // answers what crossed
		},
	},
};
// clang-format on

uint8_t tcp_next_state(enum stellar_tcp_state state, enum stellar_direction direction,
		       enum tcp_input input)
{
	return next_state[state][direction][input];
}
