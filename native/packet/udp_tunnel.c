// SPDX-License-Identifier: Apache-2.0

// Tunnels over UDP: VXLAN (RFC 7348, its group policy and GPE drafts), Geneve (RFC 8926), GTP-U
// (3GPP TS 29.281), Teredo (RFC 4380); L2TP is in l2tp.c. A port number is a hint, no promise: a
// datagram whose header does not hold is payload, and nothing is malformed.

#include "packet/l2tp.h"
#include "packet/layer.h"

enum {
	VXLAN_HEADER_SIZE = 8,
	VXLAN_HAS_VNI = 0x08,
	VXLAN_HAS_GROUP = 0x80,
	VXLAN_GROUP_FLAGS = 0x48, // second byte: don't learn, policy applied
	GPE_FLAGS = 0x0c, // of the first byte: has a VNI, has a next protocol
	GPE_FLAGS_OTHER = 0x03, // broadcast or multicast, OAM
	GPE_IPV4 = 1,
	GPE_IPV6 = 2,
	GPE_ETHERNET = 3,
	GENEVE_HEADER_SIZE = 8,
	GENEVE_OPTION_SIZE = 4,
	GTP_HEADER_SIZE = 8,
	GTP_OPTIONAL_SIZE = 4,
	GTP_VERSION_1 = 0x30, // and protocol type GTP, not GTP'
	GTP_VERSION_MASK = 0xf8, // with the reserved bit
	GTP_HAS_OPTIONAL = 0x07,
	GTP_HAS_EXTENSION = 0x04,
	GTP_G_PDU = 255,
	GTP_EXTENSIONS_MAX = 8,
	TEREDO_AUTHENTICATION = 0x0001,
	TEREDO_AUTHENTICATION_SIZE = 13, // without client id and value
	TEREDO_ORIGIN = 0x0000,
	TEREDO_ORIGIN_SIZE = 8,
};

static bool is_vxlan(struct cursor cursor)
{
	if (!cursor_has(cursor, VXLAN_HEADER_SIZE) ||
	    cursor_wire_length(cursor) < VXLAN_HEADER_SIZE + ETHERNET_HEADER_SIZE)
		return false;
	uint8_t flags = cursor_u8(cursor, 0);
	bool has_group = (flags & VXLAN_HAS_GROUP) != 0;
	return (flags & ~VXLAN_HAS_GROUP) == VXLAN_HAS_VNI &&
	       (cursor_u8(cursor, 1) & ~(has_group ? VXLAN_GROUP_FLAGS : 0)) == 0 &&
	       (has_group || cursor_be16(cursor, 2) == 0) && cursor_u8(cursor, 7) == 0;
}

static bool decode_vxlan(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!is_vxlan(cursor))
		return false;
	if (packet_add_layer(packet, STELLAR_LAYER_VXLAN, cursor, VXLAN_HEADER_SIZE))
		decode_ethernet(packet, cursor_skip(cursor, VXLAN_HEADER_SIZE), verify);
	return true;
}

static bool decode_vxlan_gpe(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, VXLAN_HEADER_SIZE) ||
	    (cursor_u8(cursor, 0) & ~GPE_FLAGS_OTHER) != GPE_FLAGS || cursor_be16(cursor, 1) != 0 ||
	    cursor_u8(cursor, 7) != 0)
		return false;
	uint8_t next = cursor_u8(cursor, 3);
	struct cursor inner = cursor_skip(cursor, VXLAN_HEADER_SIZE);
	bool is_ip = next == GPE_IPV4 || next == GPE_IPV6;
	if (is_ip ? !is_plausible_ip(inner) : next != GPE_ETHERNET)
		return false;
	if (!packet_add_layer(packet, STELLAR_LAYER_VXLAN, cursor, VXLAN_HEADER_SIZE))
		return true;
	if (is_ip)
		decode_raw_ip(packet, inner, verify);
	else
		decode_ethernet(packet, inner, verify);
	return true;
}

// Whether the options fill what the header gives them, exactly.
static bool geneve_options_are_whole(struct cursor options)
{
	while (options.length > 0) {
		if (!cursor_has(options, GENEVE_OPTION_SIZE))
			return false;
		uint32_t length = GENEVE_OPTION_SIZE + (cursor_u8(options, 3) & 0x1fu) * 4;
		if (!cursor_has(options, length))
			return false;
		options = cursor_skip(options, length);
	}
	return true;
}

static bool decode_geneve(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, GENEVE_HEADER_SIZE))
		return false;
	uint32_t length = GENEVE_HEADER_SIZE + (cursor_u8(cursor, 0) & 0x3fu) * 4;
	uint16_t type = cursor_be16(cursor, 2);
	if (cursor_u8(cursor, 0) >> 6 != 0 || (cursor_u8(cursor, 1) & 0x3f) != 0 ||
	    cursor_u8(cursor, 7) != 0 || !cursor_has(cursor, length) ||
	    !geneve_options_are_whole(cursor_skip(cursor_trim(cursor, length), GENEVE_HEADER_SIZE)))
		return false;
	struct cursor inner = cursor_skip(cursor, length);
	if (type != ETHERNET_TYPE_BRIDGED && type != ETHERNET_TYPE_MPLS &&
	    !((type == ETHERNET_TYPE_IPV4 || type == ETHERNET_TYPE_IPV6) && is_plausible_ip(inner)))
		return false;
	if (packet_add_layer(packet, STELLAR_LAYER_GENEVE, cursor, length))
		decode_ethernet_type(packet, inner, type, verify);
	return true;
}

// Bytes of the GTP-U header with its extension headers, 0 when it does not hold. The cursor is
// trimmed to the message.
static uint32_t gtp_header_length(struct cursor cursor)
{
	uint8_t flags = cursor_u8(cursor, 0);
	uint32_t length = GTP_HEADER_SIZE;

	if (!(flags & GTP_HAS_OPTIONAL))
		return length;
	length += GTP_OPTIONAL_SIZE;
	if (!cursor_has(cursor, length))
		return 0;
	uint8_t next = flags & GTP_HAS_EXTENSION ? cursor_u8(cursor, length - 1) : 0;
	for (uint32_t count = 0; next != 0; count++) {
		if (count == GTP_EXTENSIONS_MAX || !cursor_has(cursor, length + 1))
			return 0;
		uint32_t extension_length = cursor_u8(cursor, length) * 4u;
		if (extension_length == 0 || !cursor_has(cursor, length + extension_length))
			return 0;
		length += extension_length;
		next = cursor_u8(cursor, length - 1);
	}
	return length;
}

// Only G-PDUs carry IP; the rest are the tunnel's own messages.
static bool decode_gtp_u(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, GTP_HEADER_SIZE) ||
	    (cursor_u8(cursor, 0) & GTP_VERSION_MASK) != GTP_VERSION_1 ||
	    cursor_u8(cursor, 1) != GTP_G_PDU ||
	    cursor_be16(cursor, 2) > cursor_wire_length(cursor) - GTP_HEADER_SIZE)
		return false;
	cursor = cursor_trim(cursor, GTP_HEADER_SIZE + (uint32_t)cursor_be16(cursor, 2));
	uint32_t length = gtp_header_length(cursor);
	if (length == 0 || !is_plausible_ip(cursor_skip(cursor, length)))
		return false;
	if (packet_add_layer(packet, STELLAR_LAYER_GTP_U, cursor, length))
		decode_raw_ip(packet, cursor_skip(cursor, length), verify);
	return true;
}

// Bytes before the IPv6 header: authentication, then origin, each if it is there.
static uint32_t teredo_header_length(struct cursor cursor)
{
	uint32_t length = 0;

	if (cursor_has(cursor, 4) && cursor_be16(cursor, 0) == TEREDO_AUTHENTICATION)
		length = TEREDO_AUTHENTICATION_SIZE + (uint32_t)cursor_u8(cursor, 2) +
			 cursor_u8(cursor, 3);
	if (cursor_has(cursor, length + 2) && cursor_be16(cursor, length) == TEREDO_ORIGIN)
		length += TEREDO_ORIGIN_SIZE;
	return length;
}

static bool decode_teredo(struct packet *packet, struct cursor cursor, bool verify)
{
	uint32_t length = teredo_header_length(cursor);

	if (!cursor_has(cursor, length + 1))
		return false;
	struct cursor inner = cursor_skip(cursor, length);
	if (cursor_u8(inner, 0) >> 4 != 6 || !is_plausible_ip(inner))
		return false;
	if (packet_add_layer(packet, STELLAR_LAYER_TEREDO, cursor, length))
		decode_ipv6(packet, inner, verify);
	return true;
}

// VXLAN and Geneve choose their source port to spread load; L2TP and Teredo answer from the port
// that they were called at.
bool decode_udp_tunnel(struct packet *packet, struct cursor cursor, bool verify)
{
	switch (packet->destination_port) {
	case UDP_PORT_VXLAN:
	case UDP_PORT_VXLAN_LINUX:
		return decode_vxlan(packet, cursor, verify);
	case UDP_PORT_VXLAN_GPE:
		return decode_vxlan_gpe(packet, cursor, verify);
	case UDP_PORT_GENEVE:
		return decode_geneve(packet, cursor, verify);
	case UDP_PORT_GTP_U:
		return decode_gtp_u(packet, cursor, verify);
	case UDP_PORT_L2TP:
		return decode_l2tp_over_udp(packet, cursor, verify);
	case UDP_PORT_TEREDO:
		return decode_teredo(packet, cursor, verify);
	default:
		break;
	}
	if (packet->source_port == UDP_PORT_L2TP)
		return decode_l2tp_over_udp(packet, cursor, verify);
	return packet->source_port == UDP_PORT_TEREDO && decode_teredo(packet, cursor, verify);
}
