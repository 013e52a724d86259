// SPDX-License-Identifier: Apache-2.0

// Frames the engine makes itself: the replies of a verdict, and what plugins inject. Replies answer
// a decoded packet toward its sender, with the same link layer (addresses swapped, VLAN tags kept).
// Never answers a packet that RFC 1122 3.2.2 and RFC 4443 2.4(e) forbid answering: an ICMP error, a
// broadcast or multicast, a fragment that is not the first; nor one whose link layer has no way
// back (Linux cooked captures lack the receiver's address). Leaves no byte of the frame unwritten.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/decode.h"

#define BUILD_REPLY_MAX 1400 // bytes, longest frame built here

// TCP RST for a TCP packet (RFC 9293 3.10.7.1: sequence and ACK so that the sender accepts it).
// Returns the length written to ret_frame, 0 when the packet must not be answered (a RST itself),
// or -ENOSPC.
int build_rst(const struct packet *packet, uint8_t *ret_frame, size_t size);

// ICMP destination unreachable, administratively prohibited (RFC 1812 5.2.7.1 code 13; RFC 4443 3.1
// code 1), quoting as much as the RFCs allow. Same return values.
int build_icmp_prohibited(const struct packet *packet, uint8_t *ret_frame, size_t size);

// An ICMP or ICMPv6 error of any type and code whose second word is 0, quoting likewise. Same
// return values.
int build_icmp_error(const struct packet *packet, uint8_t type, uint8_t code, uint8_t *ret_frame,
		     size_t size);

// Injected packets: between the endpoints given, with the packet's link layer, its addresses
// swapped when the way is back to its sender.
struct build_way {
	struct packet_endpoint source;
	struct packet_endpoint destination;
	bool is_back;
	bool has_timestamps; // of a segment: RFC 7323 has a receiver drop it without
	uint32_t timestamp_value;
	uint32_t timestamp_echo;
};

// Whether the packet's link layer can be taken, either way.
bool build_has_link(const struct packet *packet);
// Whether the packet's link layer, and the network layer around the endpoints, can be written.
bool build_has_way(const struct packet *packet, const struct build_way *way);

// Bytes before the payload of what the next two build.
uint32_t build_get_overhead(const struct packet *packet, const struct build_way *way,
			    uint8_t protocol);

// A TCP segment whose numbers are all 0, for build_set_numbers, or a UDP datagram. build_has_way.
// length: of the payload; ret_frame has room for overhead and payload. Return the
// length of the frame, or -EMSGSIZE: IP has no way to say it.
int build_segment(const struct packet *packet, const struct build_way *way, const uint8_t *payload,
		  size_t length, uint8_t *ret_frame);
int build_datagram(const struct packet *packet, const struct build_way *way, const uint8_t *payload,
		   size_t length, uint8_t *ret_frame);

struct build_numbers {
	uint32_t sequence;
	uint32_t acknowledgment;
	uint16_t window;
	uint8_t flags;
};

// Complete a segment of build_segment, whose IP header begins at network_offset: numbers, checksum.
void build_set_numbers(uint8_t *frame, uint32_t length, uint32_t network_offset,
		       const struct build_numbers *numbers);
