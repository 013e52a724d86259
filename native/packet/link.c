// SPDX-License-Identifier: Apache-2.0

// Link layers: Ethernet II and 802.3, VLAN tags, raw IP, BSD loopback, Linux cooked; and ARP.

#include "packet/layer.h"

enum {
	VLAN_TAGS_MAX = 2,
	VLAN_ID_BITS = 12,
	VLAN_ID_MASK = 0xfff,
	NULL_LOOPBACK_HEADER_SIZE = 4,
	LINUX_COOKED_HEADER_SIZE = 16,
	LINUX_COOKED_V2_HEADER_SIZE = 20,
	ARP_HEADER_SIZE = 8,
	HARDWARE_TYPE_ETHERNET = 1,
	HARDWARE_TYPE_NETLINK = 824,
};

static bool ethernet_type_is_vlan(uint16_t type)
{
	return type == ETHERNET_TYPE_VLAN || type == ETHERNET_TYPE_QINQ ||
	       type == ETHERNET_TYPE_QINQ_OLD;
}

// The cursor is past the EtherType. A single tag is the outer one.
static void decode_ethernet_type(struct packet *packet, struct cursor cursor, uint16_t type,
				 bool verify)
{
	for (uint32_t tag_count = 0; ethernet_type_is_vlan(type); tag_count++) {
		if (tag_count == VLAN_TAGS_MAX) {
			packet_set_event(packet, STELLAR_DECODE_VLAN_TOO_MANY);
			return;
		}
		if (!cursor_has(cursor, VLAN_TAG_SIZE)) {
			packet_set_event(packet, STELLAR_DECODE_VLAN_TRUNCATED);
			return;
		}
		if (!packet_add_layer(packet, STELLAR_LAYER_VLAN, cursor, VLAN_TAG_SIZE))
			return;
		uint32_t vlan_id = cursor_be16(cursor, 0) & VLAN_ID_MASK;
		packet->tag |= tag_count == 0 ? vlan_id << VLAN_ID_BITS : vlan_id;
		type = cursor_be16(cursor, 2);
		cursor = cursor_skip(cursor, VLAN_TAG_SIZE);
	}

	if (type < ETHERNET_TYPE_LEAST) {
		// 802.3: the length says where the padding begins. An LLC header follows.
		if (type < cursor_wire_length(cursor))
			cursor = cursor_trim(cursor, type);
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		return;
	}
	packet->ethernet_type = type;
	switch (type) {
	case ETHERNET_TYPE_IPV4:
		decode_ipv4(packet, cursor, verify);
		break;
	case ETHERNET_TYPE_IPV6:
		decode_ipv6(packet, cursor, verify);
		break;
	case ETHERNET_TYPE_ARP:
		decode_arp(packet, cursor);
		break;
	default:
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		break;
	}
}

void decode_ethernet(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, ETHERNET_HEADER_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_LINK_TRUNCATED);
		return;
	}
	packet_add_layer(packet, STELLAR_LAYER_ETHERNET, cursor, ETHERNET_HEADER_SIZE);
	uint16_t type = cursor_be16(cursor, 12);
	decode_ethernet_type(packet, cursor_skip(cursor, ETHERNET_HEADER_SIZE), type, verify);
}

void decode_raw_ip(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, 1)) {
		packet_set_event(packet, STELLAR_DECODE_LINK_TRUNCATED);
		return;
	}
	if (cursor_u8(cursor, 0) >> 4 == 6)
		decode_ipv6(packet, cursor, verify);
	else
		decode_ipv4(packet, cursor, verify); // finds any other version wrong
}

// The address family is in the byte order of the machine that captured (LINKTYPE_NULL), or in
// network order (LINKTYPE_LOOP); families are small, so that the value tells. IPv6 is 24, 28 or 30
// on the BSDs and 10 on Linux.
void decode_null_loopback(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, NULL_LOOPBACK_HEADER_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_LINK_TRUNCATED);
		return;
	}
	packet_add_layer(packet, STELLAR_LAYER_NULL_LOOPBACK, cursor, NULL_LOOPBACK_HEADER_SIZE);
	uint32_t family = cursor_be32(cursor, 0);
	if (family > UINT16_MAX)
		family = __builtin_bswap32(family);
	cursor = cursor_skip(cursor, NULL_LOOPBACK_HEADER_SIZE);

	switch (family) {
	case 2:
		decode_ipv4(packet, cursor, verify);
		break;
	case 10:
	case 24:
	case 28:
	case 30:
		decode_ipv6(packet, cursor, verify);
		break;
	default:
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		break;
	}
}

// Where the hardware type is netlink, the protocol is a netlink family and no EtherType.
static void decode_cooked(struct packet *packet, struct cursor cursor, uint32_t header_size,
			  uint32_t protocol_at, uint32_t hardware_type_at, bool verify)
{
	if (!cursor_has(cursor, header_size)) {
		packet_set_event(packet, STELLAR_DECODE_LINK_TRUNCATED);
		return;
	}
	packet_add_layer(packet, STELLAR_LAYER_LINUX_COOKED, cursor, header_size);
	uint16_t type = cursor_be16(cursor, protocol_at);
	bool is_netlink = cursor_be16(cursor, hardware_type_at) == HARDWARE_TYPE_NETLINK;
	cursor = cursor_skip(cursor, header_size);
	// Below an EtherType are the kernel's own numbers of frames without one (802.3, LLC).
	if (is_netlink || type < ETHERNET_TYPE_LEAST)
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
	else
		decode_ethernet_type(packet, cursor, type, verify);
}

void decode_linux_cooked(struct packet *packet, struct cursor cursor, bool verify)
{
	decode_cooked(packet, cursor, LINUX_COOKED_HEADER_SIZE, 14, 2, verify);
}

void decode_linux_cooked_v2(struct packet *packet, struct cursor cursor, bool verify)
{
	decode_cooked(packet, cursor, LINUX_COOKED_V2_HEADER_SIZE, 0, 8, verify);
}

// RFC 826. The sizes of the two that everyone uses are known and must agree with their types.
void decode_arp(struct packet *packet, struct cursor cursor)
{
	if (!cursor_has(cursor, ARP_HEADER_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_ARP_MALFORMED);
		return;
	}
	uint16_t hardware_type = cursor_be16(cursor, 0);
	uint16_t protocol_type = cursor_be16(cursor, 2);
	uint32_t hardware_size = cursor_u8(cursor, 4);
	uint32_t protocol_size = cursor_u8(cursor, 5);
	uint32_t length = ARP_HEADER_SIZE + 2 * hardware_size + 2 * protocol_size;
	if (!cursor_has(cursor, length) ||
	    (hardware_type == HARDWARE_TYPE_ETHERNET && hardware_size != 6) ||
	    (protocol_type == ETHERNET_TYPE_IPV4 && protocol_size != 4)) {
		packet_set_event(packet, STELLAR_DECODE_ARP_MALFORMED);
		return;
	}
	packet_add_layer(packet, STELLAR_LAYER_ARP, cursor, length);
}
