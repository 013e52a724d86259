// SPDX-License-Identifier: Apache-2.0

// Point-to-point links: PPP (RFC 1661, RFC 1662), PPPoE sessions (RFC 2516), and Cisco's HDLC,
// which shares link types with PPP.

#include "packet/ppp.h"

#include "packet/layer.h"

enum {
	PPP_ADDRESS_CONTROL = 0xff03, // left out when compression of it was agreed upon
	PPP_PROTOCOL_IPV4 = 0x0021,
	PPP_PROTOCOL_IPV6 = 0x0057,
	PPP_PROTOCOL_MPLS = 0x0281,
	PPP_PROTOCOL_MPLS_MULTICAST = 0x0283,
	PPPOE_HEADER_SIZE = 6,
	PPPOE_VERSION_TYPE = 0x11,
	CISCO_HDLC_HEADER_SIZE = 4,
	CISCO_HDLC_UNICAST = 0x0f,
	CISCO_HDLC_MULTICAST = 0x8f,
};

bool ppp_parse(struct cursor cursor, uint16_t *ret_protocol, uint32_t *ret_length)
{
	uint32_t at =
		cursor_has(cursor, 2) && cursor_be16(cursor, 0) == PPP_ADDRESS_CONTROL ? 2 : 0;

	if (!cursor_has(cursor, at + 1))
		return false;
	// The last byte of a protocol number is odd, the first one even (RFC 1661 2): one byte
	// alone is a compressed number.
	if (cursor_u8(cursor, at) & 1) {
		*ret_protocol = cursor_u8(cursor, at);
		*ret_length = at + 1;
		return true;
	}
	if (!cursor_has(cursor, at + 2))
		return false;
	*ret_protocol = cursor_be16(cursor, at);
	*ret_length = at + 2;
	return true;
}

bool ppp_is_plausible(struct cursor cursor)
{
	uint16_t protocol;
	uint32_t length;

	if (!ppp_parse(cursor, &protocol, &length))
		return false;
	cursor = cursor_skip(cursor, length);
	switch (protocol) {
	case PPP_PROTOCOL_IPV4:
		return is_plausible_ip(cursor) && cursor_u8(cursor, 0) >> 4 == 4;
	case PPP_PROTOCOL_IPV6:
		return is_plausible_ip(cursor) && cursor_u8(cursor, 0) >> 4 == 6;
	default:
		return true;
	}
}

void decode_ppp(struct packet *packet, struct cursor cursor, bool verify)
{
	uint16_t protocol;
	uint32_t length;

	if (!ppp_parse(cursor, &protocol, &length)) {
		packet_set_event(packet, STELLAR_DECODE_PPP_MALFORMED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_PPP, cursor, length))
		return;
	cursor = cursor_skip(cursor, length);
	switch (protocol) {
	case PPP_PROTOCOL_IPV4:
		decode_ipv4(packet, cursor, verify);
		break;
	case PPP_PROTOCOL_IPV6:
		decode_ipv6(packet, cursor, verify);
		break;
	case PPP_PROTOCOL_MPLS:
	case PPP_PROTOCOL_MPLS_MULTICAST:
		decode_mpls(packet, cursor, verify);
		break;
	default:
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		break;
	}
}

void decode_ppp_hdlc(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, 1)) {
		packet_set_event(packet, STELLAR_DECODE_LINK_TRUNCATED);
		return;
	}
	uint8_t address = cursor_u8(cursor, 0);
	if (address == CISCO_HDLC_UNICAST || address == CISCO_HDLC_MULTICAST)
		decode_cisco_hdlc(packet, cursor, verify);
	else
		decode_ppp(packet, cursor, verify);
}

// Address, control, and an EtherType; what is below one there is no 802.3 length.
void decode_cisco_hdlc(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, CISCO_HDLC_HEADER_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_LINK_TRUNCATED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_CISCO_HDLC, cursor, CISCO_HDLC_HEADER_SIZE))
		return;
	uint16_t type = cursor_be16(cursor, 2);
	cursor = cursor_skip(cursor, CISCO_HDLC_HEADER_SIZE);
	if (type < ETHERNET_TYPE_LEAST)
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
	else
		decode_ethernet_type(packet, cursor, type, verify);
}

void decode_pppoe(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, PPPOE_HEADER_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_PPPOE_MALFORMED);
		return;
	}
	uint32_t length = cursor_be16(cursor, 4);
	if (cursor_u8(cursor, 0) != PPPOE_VERSION_TYPE || cursor_u8(cursor, 1) != 0 ||
	    length > cursor_wire_length(cursor) - PPPOE_HEADER_SIZE) {
		packet_set_event(packet, STELLAR_DECODE_PPPOE_MALFORMED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_PPPOE, cursor, PPPOE_HEADER_SIZE))
		return;
	decode_ppp(packet, cursor_trim(cursor_skip(cursor, PPPOE_HEADER_SIZE), length), verify);
}
