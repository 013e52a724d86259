// SPDX-License-Identifier: Apache-2.0

// GRE (RFC 2784, key and sequence number of RFC 2890, routing of RFC 1701), its version 1 with PPP
// (PPTP, RFC 2637), and the mirrored frames of ERSPAN (draft-foschiano-erspan).

#include "packet/checksum.h"
#include "packet/layer.h"

enum {
	GRE_HEADER_SIZE = 4,
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_ACKNOWLEDGMENT = 0x0080, // version 1
	GRE_VERSION = 0x0007,
	GRE_TYPE_WCCP = 0x883e,
	WCCP_REDIRECT_SIZE = 4, // of version 2
	PPTP_HEADER_SIZE = 8,
	ERSPAN_HEADER_SIZE = 8,
	ERSPAN_III_HEADER_SIZE = 12,
	ERSPAN_SUBHEADER_SIZE = 8,
	ERSPAN_TRUNCATED = 0x0400, // of the second half word
	ERSPAN_III_HAS_SUBHEADER = 0x0001, // of the last one
	ERSPAN_III_TYPE = 0x7c00,
	ERSPAN_III_TYPE_IP = 0x0800,
	ERSPAN_LOST_MAX = 65535, // bytes that a mirror may have cut off
};

// What is inside was cut by the mirror, as a capture cuts.
static struct cursor lengthen(struct packet *packet, struct cursor cursor)
{
	packet_set_event(packet, STELLAR_DECODE_CAPTURE_TRUNCATED);
	cursor.missing += ERSPAN_LOST_MAX;
	return cursor;
}

static void decode_erspan(struct packet *packet, struct cursor cursor, uint16_t type, bool verify)
{
	bool is_iii = type == ETHERNET_TYPE_ERSPAN_III;
	uint32_t length = is_iii ? ERSPAN_III_HEADER_SIZE : ERSPAN_HEADER_SIZE;

	if (!cursor_has(cursor, length) || cursor_u8(cursor, 0) >> 4 != (is_iii ? 2 : 1)) {
		packet_set_event(packet, STELLAR_DECODE_ERSPAN_MALFORMED);
		return;
	}
	uint16_t flags = is_iii ? cursor_be16(cursor, 10) : 0;
	if (flags & ERSPAN_III_HAS_SUBHEADER)
		length += ERSPAN_SUBHEADER_SIZE;
	if (!cursor_has(cursor, length)) {
		packet_set_event(packet, STELLAR_DECODE_ERSPAN_MALFORMED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_ERSPAN, cursor, length))
		return;
	bool is_cut = (cursor_be16(cursor, 2) & ERSPAN_TRUNCATED) != 0;
	cursor = cursor_skip(cursor, length);
	if (is_cut)
		cursor = lengthen(packet, cursor);
	if ((flags & ERSPAN_III_TYPE) == ERSPAN_III_TYPE_IP)
		decode_raw_ip(packet, cursor, verify);
	else
		decode_ethernet(packet, cursor, verify);
}

static void decode_gre_payload(struct packet *packet, struct cursor cursor, uint16_t flags,
			       uint16_t type, bool verify)
{
	switch (type) {
	case ETHERNET_TYPE_ERSPAN:
		// Type I has no header of its own, and no sequence number.
		if (flags & GRE_SEQUENCE)
			decode_erspan(packet, cursor, type, verify);
		else
			decode_ethernet(packet, cursor, verify);
		break;
	case ETHERNET_TYPE_ERSPAN_III:
		decode_erspan(packet, cursor, type, verify);
		break;
	case ETHERNET_TYPE_PPP:
		decode_ppp(packet, cursor, verify);
		break;
	case GRE_TYPE_WCCP:
		decode_ipv4(packet, cursor, verify);
		break;
	default:
		if (type < ETHERNET_TYPE_LEAST)
			packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		else
			decode_ethernet_type(packet, cursor, type, verify);
		break;
	}
}

static void decode_gre_v0(struct packet *packet, struct cursor cursor, uint16_t flags, bool verify)
{
	uint16_t type = cursor_be16(cursor, 2);
	uint32_t length = GRE_HEADER_SIZE;

	if (flags & GRE_ROUTING) {
		// The list may have any length, and those who send it want to choose the way.
		packet_set_event(packet, STELLAR_DECODE_GRE_ROUTING);
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		return;
	}
	length += flags & GRE_CHECKSUM ? 4 : 0;
	length += flags & GRE_KEY ? 4 : 0;
	length += flags & GRE_SEQUENCE ? 4 : 0;
	// Version 2 of WCCP has a header between, which cannot begin as IPv4 does.
	if (type == GRE_TYPE_WCCP && cursor_has(cursor, length + 1) &&
	    cursor_u8(cursor, length) >> 4 != 4)
		length += WCCP_REDIRECT_SIZE;
	if (!cursor_has(cursor, length)) {
		packet_set_event(packet, STELLAR_DECODE_GRE_MALFORMED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_GRE, cursor, length))
		return;
	if (verify && (flags & GRE_CHECKSUM) && cursor.missing == 0 &&
	    checksum_fold(checksum_partial(cursor.data, cursor.length, 0)) != 0)
		packet_set_event(packet, STELLAR_DECODE_GRE_CHECKSUM_WRONG);
	decode_gre_payload(packet, cursor_skip(cursor, length), flags, type, verify);
}

// A frame has a sequence number; what has none only acknowledges.
static void decode_pptp(struct packet *packet, struct cursor cursor, uint16_t flags, bool verify)
{
	uint32_t length = PPTP_HEADER_SIZE;

	length += flags & GRE_SEQUENCE ? 4 : 0;
	length += flags & GRE_ACKNOWLEDGMENT ? 4 : 0;
	if (!(flags & GRE_KEY) || cursor_be16(cursor, 2) != ETHERNET_TYPE_PPP ||
	    !cursor_has(cursor, length) ||
	    cursor_be16(cursor, 4) > cursor_wire_length(cursor) - length) {
		packet_set_event(packet, STELLAR_DECODE_GRE_MALFORMED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_GRE, cursor, length))
		return;
	uint16_t payload_length = cursor_be16(cursor, 4);
	cursor = cursor_trim(cursor_skip(cursor, length), payload_length);
	if (flags & GRE_SEQUENCE && payload_length > 0)
		decode_ppp(packet, cursor, verify);
	else
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
}

void decode_gre(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, GRE_HEADER_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_GRE_MALFORMED);
		return;
	}
	uint16_t flags = cursor_be16(cursor, 0);
	switch (flags & GRE_VERSION) {
	case 0:
		decode_gre_v0(packet, cursor, flags, verify);
		break;
	case 1:
		decode_pptp(packet, cursor, flags, verify);
		break;
	default:
		packet_set_event(packet, STELLAR_DECODE_GRE_MALFORMED);
		break;
	}
}
