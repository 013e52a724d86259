// SPDX-License-Identifier: Apache-2.0

// The packet that an ICMP error quotes (RFC 792, RFC 4443 2.4(c), RFC 4884): its IP header and what
// follows, of which as little as 8 bytes need be there. Every length is checked; nothing is
// believed but what a session's key needs, and TCP's sequence number. Pure functions, any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <stellar/packet.h>

struct packet;

struct icmp_quote {
	struct ip_address source;
	struct ip_address destination;
	uint16_t source_port; // host order; ICMP query: the identifier in both; else 0
	uint16_t destination_port;
	uint32_t sequence; // TCP
	uint8_t protocol;
	uint8_t icmp_type;
	uint8_t icmp_code;
};

// Whether a packet is an ICMP error that quotes another: destination unreachable, source quench,
// redirect, time exceeded, parameter problem; ICMPv6: 1 to 4. Its header was decoded.
bool icmp_quote_is_error(const struct packet *packet);

// Read the quoted packet of such an error. Returns 0, or -ENOENT when no session can be told from
// it: cut, not of the error's own IP version, a later fragment, ICMP that is no query, or extension
// headers that lead nowhere.
int icmp_quote_parse(const struct packet *packet, struct icmp_quote *ret_quote);
