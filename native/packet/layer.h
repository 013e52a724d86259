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
	ETHERNET_TYPE_ERSPAN_III = 0x22eb,
	ETHERNET_TYPE_BRIDGED = 0x6558, // transparent Ethernet bridging: a frame
	ETHERNET_TYPE_VLAN = 0x8100,
	ETHERNET_TYPE_IPV6 = 0x86dd,
	ETHERNET_TYPE_PPP = 0x880b,
	ETHERNET_TYPE_MPLS = 0x8847,
	ETHERNET_TYPE_MPLS_MULTICAST = 0x8848,
	ETHERNET_TYPE_PPPOE_SESSION = 0x8864,
	ETHERNET_TYPE_QINQ = 0x88a8,
	ETHERNET_TYPE_ERSPAN = 0x88be,
	ETHERNET_TYPE_QINQ_OLD = 0x9100,
};

enum ip_protocol {
	IP_PROTOCOL_HOP_BY_HOP = 0,
	IP_PROTOCOL_ICMP = 1,
	IP_PROTOCOL_IPV4 = 4,
	IP_PROTOCOL_TCP = 6,
	IP_PROTOCOL_UDP = 17,
	IP_PROTOCOL_IPV6 = 41,
	IP_PROTOCOL_ROUTING = 43,
	IP_PROTOCOL_FRAGMENT = 44,
	IP_PROTOCOL_GRE = 47,
	IP_PROTOCOL_AUTHENTICATION = 51,
	IP_PROTOCOL_ICMPV6 = 58,
	IP_PROTOCOL_NO_NEXT_HEADER = 59,
	IP_PROTOCOL_DESTINATION_OPTIONS = 60,
	IP_PROTOCOL_L2TP = 115,
	IP_PROTOCOL_MOBILITY = 135,
	IP_PROTOCOL_HIP = 139,
	IP_PROTOCOL_SHIM6 = 140,
};

enum udp_port {
	UDP_PORT_L2TP = 1701,
	UDP_PORT_GTP_U = 2152,
	UDP_PORT_TEREDO = 3544,
	UDP_PORT_VXLAN = 4789,
	UDP_PORT_VXLAN_GPE = 4790,
	UDP_PORT_GENEVE = 6081,
	UDP_PORT_VXLAN_LINUX = 8472, // what Linux took before there was a number
};

enum vlan_id {
	VLAN_ID_BITS = 12,
	VLAN_ID_MASK = 0xfff,
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

void decode_ppp(struct packet *packet, struct cursor cursor, bool verify);
void decode_ppp_hdlc(struct packet *packet, struct cursor cursor, bool verify);
void decode_cisco_hdlc(struct packet *packet, struct cursor cursor, bool verify);

// What follows an EtherType: VLAN tags, or what it names. The cursor is past it.
void decode_ethernet_type(struct packet *packet, struct cursor cursor, uint16_t type, bool verify);

void decode_mpls(struct packet *packet, struct cursor cursor, bool verify);
void decode_pppoe(struct packet *packet, struct cursor cursor, bool verify);
void decode_arp(struct packet *packet, struct cursor cursor);
void decode_ipv4(struct packet *packet, struct cursor cursor, bool verify);
void decode_ipv6(struct packet *packet, struct cursor cursor, bool verify);

// What an IP header carries. The packet's addresses and fragment marks are set.
void decode_transport(struct packet *packet, struct cursor cursor, uint8_t protocol, bool verify);

// The tunnels that IP protocol numbers name: what is wrong there is wrong. The cursor is past the
// IP header.
void decode_gre(struct packet *packet, struct cursor cursor, bool verify);
void decode_l2tp_over_ip(struct packet *packet, struct cursor cursor, bool verify);

// The tunnels that UDP ports hint at: the header must hold too. Returns false, and leaves the
// packet as it is, when it is a datagram like any other. The cursor is past the UDP header, whose
// ports are in the packet.
bool decode_udp_tunnel(struct packet *packet, struct cursor cursor, bool verify);

// Another IP header begins, inside of the one that the packet shows. Its layer is recorded.
void packet_enter_tunnel(struct packet *packet);

// Whether an IP packet, or a frame with one, begins at the cursor as far as lengths and numbers
// say. For what is only guessed.
bool is_plausible_ip(struct cursor cursor);
bool is_plausible_ethernet(struct cursor cursor);

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

// There is no room for a layer: an event. Returns false.
bool packet_refuse_layer(struct packet *packet);

// Record a layer that begins at the cursor. False, and an event, when there is no room: the walk
// ends, or an attacker would choose how long it takes.
static inline bool packet_add_layer(struct packet *packet, enum stellar_layer type,
				    struct cursor cursor, uint32_t header_length)
{
	if (__builtin_expect(packet->layer_count == STELLAR_LAYERS_MAX, 0))
		return packet_refuse_layer(packet);
	packet->layers[packet->layer_count++] = (struct packet_layer){
		(uint8_t)type, 0, (uint16_t)header_length, packet_offset(packet, cursor)};
	return true;
}

// What is left is payload of that type: STELLAR_LAYER_PAYLOAD, or UNKNOWN for a header that this
// version does not decode.
void packet_set_payload(struct packet *packet, enum stellar_layer type, struct cursor cursor);
