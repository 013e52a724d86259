// SPDX-License-Identifier: Apache-2.0

// The steps of the walk through a frame. Each takes what its enclosing layer gives it, fills its
// part of the packet and calls the next step; it stops at the first thing it cannot trust, leaving
// a decode event. verify: compare checksums.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/cursor.h"
#include "packet/decode.h"

enum ethernet_type {
	ETHERNET_TYPE_LEAST = 0x0600, // below is an 802.3 length
	ETHERNET_TYPE_IPV4 = 0x0800,
	ETHERNET_TYPE_ARP = 0x0806,
	ETHERNET_TYPE_VLAN = 0x8100,
	ETHERNET_TYPE_IPV6 = 0x86dd,
	ETHERNET_TYPE_QINQ = 0x88a8,
	ETHERNET_TYPE_QINQ_OLD = 0x9100,
};

enum ip_protocol {
	IP_PROTOCOL_HOP_BY_HOP = 0,
	IP_PROTOCOL_ICMP = 1,
	IP_PROTOCOL_TCP = 6,
	IP_PROTOCOL_UDP = 17,
	IP_PROTOCOL_ROUTING = 43,
	IP_PROTOCOL_FRAGMENT = 44,
	IP_PROTOCOL_AUTHENTICATION = 51,
	IP_PROTOCOL_ICMPV6 = 58,
	IP_PROTOCOL_NO_NEXT_HEADER = 59,
	IP_PROTOCOL_DESTINATION_OPTIONS = 60,
	IP_PROTOCOL_MOBILITY = 135,
	IP_PROTOCOL_HIP = 139,
	IP_PROTOCOL_SHIM6 = 140,
};

enum wire_size {
	ETHERNET_HEADER_SIZE = 14,
	VLAN_TAG_SIZE = 4,
	IPV4_HEADER_SIZE = 20,
	IPV6_HEADER_SIZE = 40,
	TCP_HEADER_SIZE = 20,
	UDP_HEADER_SIZE = 8,
	ICMP_HEADER_SIZE = 8,
};

// Link layers, by frame.link_type (link.c).
void decode_ethernet(struct packet *packet, struct cursor cursor, bool verify);
void decode_raw_ip(struct packet *packet, struct cursor cursor, bool verify);
void decode_null_loopback(struct packet *packet, struct cursor cursor, bool verify);
void decode_linux_cooked(struct packet *packet, struct cursor cursor, bool verify);
void decode_linux_cooked_v2(struct packet *packet, struct cursor cursor, bool verify);

void decode_arp(struct packet *packet, struct cursor cursor);
void decode_ipv4(struct packet *packet, struct cursor cursor, bool verify);
void decode_ipv6(struct packet *packet, struct cursor cursor, bool verify);

// What an IP header carries. The packet's addresses and fragment marks are set.
void decode_transport(struct packet *packet, struct cursor cursor, uint8_t protocol, bool verify);

// Whether an ICMP message of this type carries an identifier: the queries and their replies.
bool icmp_has_identifier(uint8_t type);

static inline void packet_set_event(struct packet *packet, enum stellar_decode_event event)
{
	packet->decode_events |= STELLAR_DECODE_BIT(event);
}

// Place of the cursor in the frame.
static inline uint32_t packet_offset(const struct packet *packet, struct cursor cursor)
{
	return (uint32_t)(cursor.data - packet->frame.data);
}

// Record a layer that begins at the cursor. False, and an event, when there is no room: the walk
// ends, or an attacker would choose how long it takes.
bool packet_add_layer(struct packet *packet, enum stellar_layer type, struct cursor cursor,
		      uint32_t header_length);

// What is left is payload of that type: STELLAR_LAYER_PAYLOAD, or UNKNOWN for a header that this
// version does not decode.
void packet_set_payload(struct packet *packet, enum stellar_layer type, struct cursor cursor);
