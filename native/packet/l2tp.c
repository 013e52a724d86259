// SPDX-License-Identifier: Apache-2.0

// L2TPv2 data messages with PPP (RFC 2661), and L2TPv3 over UDP and over IP (RFC 3931). Version 3
// says neither what a session carries nor how long its cookie is; both were agreed upon when it was
// set up, and are guessed here: what is no frame, PPP or IP at any of the possible places is left
// alone.

#include "packet/l2tp.h"

#include "packet/layer.h"
#include "packet/ppp.h"

enum {
	L2TP_CONTROL = 0x8000,
	L2TP_LENGTH = 0x4000,
	L2TP_SEQUENCE = 0x0800,
	L2TP_OFFSET = 0x0200,
	L2TP_RESERVED = 0x34f0,
	L2TP_VERSION = 0x000f,
	L2TPV3_UDP_HEADER_SIZE = 8,
	L2TPV3_SESSION_SIZE = 4,
	// A cookie of 0, 4 or 8 bytes, and 4 of the sublayer or none.
	L2TPV3_PREFIX_MAX = 12,
	L2TPV3_PREFIX_STEP = 4,
};

// Bytes of the version 2 header, and the message trimmed to its length; 0 when it is none.
static uint32_t parse_v2(struct cursor *cursor, uint16_t flags)
{
	uint32_t at = 6; // flags, tunnel, session

	if (flags & L2TP_LENGTH) {
		if (!cursor_has(*cursor, 4) ||
		    cursor_be16(*cursor, 2) > cursor_wire_length(*cursor))
			return 0;
		*cursor = cursor_trim(*cursor, cursor_be16(*cursor, 2));
		at += 2;
	}
	if (flags & L2TP_SEQUENCE)
		at += 4;
	if (flags & L2TP_OFFSET) {
		if (!cursor_has(*cursor, at + 2))
			return 0;
		at += 2u + cursor_be16(*cursor, at);
	}
	return cursor_has(*cursor, at) ? at : 0;
}

static bool decode_v2(struct packet *packet, struct cursor cursor, uint16_t flags, bool verify)
{
	uint32_t length = parse_v2(&cursor, flags);

	if (length == 0 || !ppp_is_plausible(cursor_skip(cursor, length)))
		return false;
	if (packet_add_layer(packet, STELLAR_LAYER_L2TP, cursor, length))
		decode_ppp(packet, cursor_skip(cursor, length), verify);
	return true;
}

// Layers that a version 3 session may carry, the one that is hardest to mistake first.
enum content {
	CONTENT_ETHERNET,
	CONTENT_PPP,
	CONTENT_IP,
	CONTENT_COUNT,
};

static bool is_content(enum content content, struct cursor cursor)
{
	uint16_t protocol;
	uint32_t length;

	switch (content) {
	case CONTENT_ETHERNET:
		return is_plausible_ethernet(cursor);
	case CONTENT_PPP: // with address and control, or it could be anything
		return ppp_parse(cursor, &protocol, &length) && length >= 3 &&
		       ppp_is_plausible(cursor);
	default:
		return is_plausible_ip(cursor);
	}
}

static void decode_content(struct packet *packet, enum content content, struct cursor cursor,
			   bool verify)
{
	switch (content) {
	case CONTENT_ETHERNET:
		decode_ethernet(packet, cursor, verify);
		break;
	case CONTENT_PPP:
		decode_ppp(packet, cursor, verify);
		break;
	default:
		decode_raw_ip(packet, cursor, verify);
		break;
	}
}

// The cursor is at the L2TP header, which is length bytes without the cookie.
static void decode_v3(struct packet *packet, struct cursor cursor, uint32_t length, bool verify)
{
	for (enum content content = 0; content < CONTENT_COUNT; content++) {
		for (uint32_t prefix = 0; prefix <= L2TPV3_PREFIX_MAX;
		     prefix += L2TPV3_PREFIX_STEP) {
			uint32_t skip = length + prefix;
			if (!cursor_has(cursor, skip) ||
			    !is_content(content, cursor_skip(cursor, skip)))
				continue;
			if (packet_add_layer(packet, STELLAR_LAYER_L2TP, cursor, skip))
				decode_content(packet, content, cursor_skip(cursor, skip), verify);
			return;
		}
	}
	if (packet_add_layer(packet, STELLAR_LAYER_L2TP, cursor, length))
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor_skip(cursor, length));
}

bool decode_l2tp_over_udp(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, 6))
		return false;
	uint16_t flags = cursor_be16(cursor, 0);
	if (flags & (L2TP_CONTROL | L2TP_RESERVED))
		return false;
	if ((flags & L2TP_VERSION) == 2)
		return decode_v2(packet, cursor, flags, verify);
	// Version 3 has no other flag, and sixteen reserved bits.
	if (flags != 3 || !cursor_has(cursor, L2TPV3_UDP_HEADER_SIZE) ||
	    cursor_be16(cursor, 2) != 0 || cursor_be32(cursor, 4) == 0)
		return false;
	decode_v3(packet, cursor, L2TPV3_UDP_HEADER_SIZE, verify);
	return true;
}

void decode_l2tp_over_ip(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, L2TPV3_SESSION_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_L2TP_MALFORMED);
		return;
	}
	if (cursor_be32(cursor, 0) == 0) // a control message
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
	else
		decode_v3(packet, cursor, L2TPV3_SESSION_SIZE, verify);
}
