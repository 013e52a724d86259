// SPDX-License-Identifier: Apache-2.0

// Link layers: Ethernet II and 802.3 with LLC, VLAN tags, raw IP, BSD loopback, Linux cooked; and
// ARP.

#include "packet/layer.h"

enum {
	VLAN_TAGS_MAX = 2,
	LLC_HEADER_SIZE = 3,
	SNAP_HEADER_SIZE = 8, // with the LLC header
	LLC_SAP_IP = 0x06,
	LLC_SAP_SNAP = 0xaa,
	LLC_UNNUMBERED = 0x03,
	LINUX_COOKED_LLC = 0x0004, // the kernel's number of frames with an LLC header
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

// Logical link control: IP, and SNAP with an EtherType (RFC 1042), or one that was bridged from
// Ethernet (802.1H). Anything else is no IP.
static void decode_llc(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, LLC_HEADER_SIZE) || cursor_u8(cursor, 2) != LLC_UNNUMBERED) {
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		return;
	}
	uint16_t saps = cursor_be16(cursor, 0);
	if (saps == (LLC_SAP_IP << 8 | LLC_SAP_IP)) {
		if (packet_add_layer(packet, STELLAR_LAYER_LLC, cursor, LLC_HEADER_SIZE))
			decode_ipv4(packet, cursor_skip(cursor, LLC_HEADER_SIZE), verify);
		return;
	}
	if (saps == (LLC_SAP_SNAP << 8 | LLC_SAP_SNAP) && cursor_has(cursor, SNAP_HEADER_SIZE)) {
		uint32_t organization = cursor_be32(cursor, 2) & 0xffffff;
		uint16_t type = cursor_be16(cursor, 6);
		if ((organization == 0 || organization == 0x0000f8) &&
		    type >= ETHERNET_TYPE_LEAST) {
			if (packet_add_layer(packet, STELLAR_LAYER_LLC, cursor, SNAP_HEADER_SIZE))
				decode_ethernet_type(packet, cursor_skip(cursor, SNAP_HEADER_SIZE),
						     type, verify);
			return;
		}
	}
	packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
}

// Step over the tags. Returns false when the walk ends in them. A single tag is the outer one;
// inside of a tunnel the tag is worked out anew when there is an IP header (packet_enter_tunnel).
static bool decode_vlans(struct packet *packet, struct cursor *cursor, uint16_t *type)
{
	for (uint32_t tag_count = 0; ethernet_type_is_vlan(*type); tag_count++) {
		if (tag_count == VLAN_TAGS_MAX) {
			packet_set_event(packet, STELLAR_DECODE_VLAN_TOO_MANY);
			return false;
		}
		if (!cursor_has(*cursor, VLAN_TAG_SIZE)) {
			packet_set_event(packet, STELLAR_DECODE_VLAN_TRUNCATED);
			return false;
		}
		if (!packet_add_layer(packet, STELLAR_LAYER_VLAN, *cursor, VLAN_TAG_SIZE))
			return false;
		uint32_t vlan_id = cursor_be16(*cursor, 0) & VLAN_ID_MASK;
		if (packet->network_offset == PACKET_NO_OFFSET)
			packet->tag |= tag_count == 0 ? vlan_id << VLAN_ID_BITS : vlan_id;
		*type = cursor_be16(*cursor, 2);
		*cursor = cursor_skip(*cursor, VLAN_TAG_SIZE);
	}
	return true;
}

void decode_ethernet_type(struct packet *packet, struct cursor cursor, uint16_t type, bool verify)
{
	// IPv4 is asked for first: nearly every frame is done with the tags then.
	if (type != ETHERNET_TYPE_IPV4 && ethernet_type_is_vlan(type) &&
	    !decode_vlans(packet, &cursor, &type))
		return;
	if (type < ETHERNET_TYPE_LEAST) {
		// 802.3: the length says where the padding begins. An LLC header follows.
		if (type < cursor_wire_length(cursor))
			cursor = cursor_trim(cursor, type);
		decode_llc(packet, cursor, verify);
		return;
	}
	if (packet->ethernet_type == 0)
		packet->ethernet_type = type;
	if (type == ETHERNET_TYPE_IPV4) {
		decode_ipv4(packet, cursor, verify);
		return;
	}
	switch (type) {
	case ETHERNET_TYPE_IPV6:
		decode_ipv6(packet, cursor, verify);
		break;
	case ETHERNET_TYPE_ARP:
		decode_arp(packet, cursor);
		break;
	case ETHERNET_TYPE_MPLS:
	case ETHERNET_TYPE_MPLS_MULTICAST:
		decode_mpls(packet, cursor, verify);
		break;
	case ETHERNET_TYPE_PPPOE_SESSION:
		decode_pppoe(packet, cursor, verify);
		break;
	case ETHERNET_TYPE_BRIDGED:
		decode_ethernet(packet, cursor, verify);
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
	if (!packet_add_layer(packet, STELLAR_LAYER_ETHERNET, cursor, ETHERNET_HEADER_SIZE))
		return;
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
	if (!is_netlink && type == LINUX_COOKED_LLC)
		decode_llc(packet, cursor, verify);
	else if (is_netlink || type < ETHERNET_TYPE_LEAST)
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

static bool is_plausible_ipv4(struct cursor cursor)
{
	if (!cursor_has(cursor, IPV4_HEADER_SIZE))
		return false;
	uint32_t header_length = (cursor_u8(cursor, 0) & 0xfu) * 4;
	uint32_t total_length = cursor_be16(cursor, 2);
	return header_length >= IPV4_HEADER_SIZE && total_length >= header_length &&
	       total_length <= cursor_wire_length(cursor);
}

bool is_plausible_ip(struct cursor cursor)
{
	if (!cursor_has(cursor, 1))
		return false;
	switch (cursor_u8(cursor, 0) >> 4) {
	case 4:
		return is_plausible_ipv4(cursor);
	case 6:
		return cursor_has(cursor, IPV6_HEADER_SIZE) &&
		       cursor_be16(cursor, 4) <= cursor_wire_length(cursor) - IPV6_HEADER_SIZE;
	default:
		return false;
	}
}

bool is_plausible_ethernet(struct cursor cursor)
{
	if (!cursor_has(cursor, ETHERNET_HEADER_SIZE))
		return false;
	uint16_t type = cursor_be16(cursor, 12);
	cursor = cursor_skip(cursor, ETHERNET_HEADER_SIZE);
	while (ethernet_type_is_vlan(type) && cursor_has(cursor, VLAN_TAG_SIZE)) {
		type = cursor_be16(cursor, 2);
		cursor = cursor_skip(cursor, VLAN_TAG_SIZE);
	}
	switch (type) {
	case ETHERNET_TYPE_IPV4:
	case ETHERNET_TYPE_IPV6:
		return is_plausible_ip(cursor) &&
		       cursor_u8(cursor, 0) >> 4 == (type == ETHERNET_TYPE_IPV4 ? 4 : 6);
	case ETHERNET_TYPE_ARP:
		return cursor_has(cursor, ARP_HEADER_SIZE) &&
		       cursor_be16(cursor, 0) == HARDWARE_TYPE_ETHERNET &&
		       cursor_be16(cursor, 2) == ETHERNET_TYPE_IPV4;
	case ETHERNET_TYPE_MPLS:
	case ETHERNET_TYPE_PPPOE_SESSION:
		return true;
	default: // an 802.3 length could be anything
		return false;
	}
}
