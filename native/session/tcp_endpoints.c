// SPDX-License-Identifier: Apache-2.0

// What the two receivers of a session take: see tcp.h.

#include "session/tcp.h"

#include "packet/decode.h"
#include "session/table.h"

void tcp_endpoints_open(struct tcp_endpoints *endpoints, const struct session_hot *hot,
			const struct packet_tcp *tcp, uint32_t payload_length,
			enum stellar_direction direction)
{
	(void)hot;
	(void)payload_length;
	struct tcp_endpoint *receiver = &endpoints->receiver[direction];
	receiver->expected = tcp->sequence + ((tcp->flags & STELLAR_TCP_SYN) != 0);
	if (tcp->has_timestamp)
		receiver->timestamp = tcp->timestamp_value;
}

// PAWS, RFC 7323 5.2 R1, with the one tick of tolerance that Linux gives.
static bool is_too_old(const struct tcp_endpoint *receiver, const struct packet_tcp *tcp)
{
	return tcp->has_timestamp && receiver->timestamp != 0 &&
	       (tcp->flags & (STELLAR_TCP_RST | STELLAR_TCP_SYN)) == 0 &&
	       (int32_t)(receiver->timestamp - tcp->timestamp_value) > 1;
}

struct tcp_outcome tcp_track_endpoints(struct session_hot *hot, struct tcp_endpoints *endpoints,
				       const struct packet_tcp *tcp, uint32_t payload_length,
				       enum stellar_direction direction, unsigned options)
{
	struct tcp_endpoint *receiver = &endpoints->receiver[direction];
	bool too_old = is_too_old(receiver, tcp);
	struct tcp_outcome outcome = tcp_track(hot, tcp, payload_length, direction, options);
	if (outcome.code != TCP_ACCEPTED)
		return outcome;
	if (too_old)
		outcome.payload = TCP_PAYLOAD_REFUSED;
	else if (tcp->has_timestamp && !outcome.out_of_window)
		receiver->timestamp = tcp->timestamp_value;
	return outcome;
}
