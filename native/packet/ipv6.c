// SPDX-License-Identifier: Apache-2.0

// The IPv6 header and its chain of extension headers (RFC 8200, RFC 7045).

#include "packet/layer.h"

enum {
	// Twice the chain that RFC 8200 4.1 recommends would be 16; nothing real has above 4.
	IPV6_EXTENSIONS_MAX = 8,
	IPV6_LENGTH_MAX = 65535,
	IPV6_MORE_FRAGMENTS = 0x1,
	IPV6_OFFSET_MASK = 0xfff8,
	IPV6_OPTION_PAD1 = 0,
	IPV6_OPTION_JUMBO = 0xc2,
	IPV6_OPTION_HOME_ADDRESS = 0xc9,
	AUTHENTICATION_HEADER_SIZE = 12,
};

// How the walk goes on after an extension header.
enum step {
	STEP_NEXT,
	STEP_STOP,
};

struct chain {
	struct cursor cursor; // at the next header
	uint8_t next_header;
	bool verify;
};

static bool is_extension(uint8_t next_header)
{
	switch (next_header) {
	case IP_PROTOCOL_HOP_BY_HOP:
	case IP_PROTOCOL_ROUTING:
	case IP_PROTOCOL_FRAGMENT:
	case IP_PROTOCOL_AUTHENTICATION:
	case IP_PROTOCOL_DESTINATION_OPTIONS:
	case IP_PROTOCOL_MOBILITY:
	case IP_PROTOCOL_HIP:
	case IP_PROTOCOL_SHIM6:
		return true;
	default:
		return false;
	}
}

// Whether a header of options (hop-by-hop, destination) has one of this type. The cursor is the
// header. Options that run past it end the search.
static bool has_option(struct cursor header, uint8_t wanted)
{
	struct cursor options = cursor_skip(header, 2);

	while (options.length > 0) {
		uint8_t type = cursor_u8(options, 0);
		if (type == wanted)
			return true;
		uint32_t length = 1;
		if (type != IPV6_OPTION_PAD1) {
			if (!cursor_has(options, 2))
				return false;
			length = 2u + cursor_u8(options, 1);
			if (!cursor_has(options, length))
				return false;
		}
		options = cursor_skip(options, length);
	}
	return false;
}

// RFC 2675: the payload length is in an option of the hop-by-hop header. cursor: past the IPv6
// header, not trimmed, as the length field says nothing.
static bool is_jumbogram(struct cursor cursor)
{
	if (!cursor_has(cursor, 8))
		return false;
	uint32_t length = (cursor_u8(cursor, 1) + 1u) * 8;
	if (length > cursor.length)
		length = cursor.length;
	return has_option(cursor_trim(cursor, length), IPV6_OPTION_JUMBO);
}

// The cursor is at a whole fragment header. One that is the only piece (RFC 6946) is no fragment.
static enum step decode_fragment(struct packet *packet, struct chain *chain)
{
	uint32_t fragment = cursor_be16(chain->cursor, 2);
	uint32_t offset = fragment & IPV6_OFFSET_MASK;
	bool is_middle = (fragment & IPV6_MORE_FRAGMENTS) != 0;
	uint32_t length = cursor_wire_length(chain->cursor) - 8;

	if (!packet_add_layer(packet, STELLAR_LAYER_FRAGMENT, chain->cursor, 8))
		return STEP_STOP;
	chain->next_header = cursor_u8(chain->cursor, 0);
	chain->cursor = cursor_skip(chain->cursor, 8);
	if (offset == 0 && !is_middle)
		return STEP_NEXT;

	packet->is_fragment = true;
	packet->is_first_fragment = offset == 0;
	packet_set_event(packet, STELLAR_DECODE_IPV6_FRAGMENT);
	if (offset + length > IPV6_LENGTH_MAX || (is_middle && length % 8 != 0))
		packet_set_event(packet, STELLAR_DECODE_IPV6_FRAGMENT_MALFORMED);
	if (offset == 0)
		return STEP_NEXT;
	packet->protocol = chain->next_header;
	packet_set_payload(packet, STELLAR_LAYER_PAYLOAD, chain->cursor);
	return STEP_STOP;
}

static uint32_t extension_length(uint8_t type, struct cursor cursor)
{
	if (type == IP_PROTOCOL_AUTHENTICATION) // in words of 4, minus 2 (RFC 4302 2.2)
		return (cursor_u8(cursor, 1) + 2u) * 4;
	return (cursor_u8(cursor, 1) + 1u) * 8;
}

static enum step decode_extension(struct packet *packet, struct chain *chain)
{
	struct cursor cursor = chain->cursor;
	uint8_t type = chain->next_header;
	uint32_t least = type == IP_PROTOCOL_AUTHENTICATION ? AUTHENTICATION_HEADER_SIZE : 8;

	if (!cursor_has(cursor, least)) {
		packet_set_event(packet, STELLAR_DECODE_IPV6_EXTENSION_TRUNCATED);
		return STEP_STOP;
	}
	if (type == IP_PROTOCOL_FRAGMENT)
		return decode_fragment(packet, chain);

	uint32_t length = extension_length(type, cursor);
	if (length < least || !cursor_has(cursor, length)) {
		packet_set_event(packet, STELLAR_DECODE_IPV6_EXTENSION_TRUNCATED);
		return STEP_STOP;
	}
	// The pseudo header has the last address of a route not yet travelled (RFC 8200 8.1), and
	// the home address of a mobile node (RFC 6275 11.3.1): neither is in the IPv6 header.
	if (type == IP_PROTOCOL_ROUTING && cursor_u8(cursor, 3) > 0)
		chain->verify = false;
	if (type == IP_PROTOCOL_DESTINATION_OPTIONS &&
	    has_option(cursor_trim(cursor, length), IPV6_OPTION_HOME_ADDRESS))
		chain->verify = false;

	if (!packet_add_layer(packet, STELLAR_LAYER_IPV6_EXTENSION, cursor, length))
		return STEP_STOP;
	chain->next_header = cursor_u8(cursor, 0);
	chain->cursor = cursor_skip(cursor, length);
	return STEP_NEXT;
}

static void decode_chain(struct packet *packet, struct chain *chain)
{
	for (uint32_t count = 0; is_extension(chain->next_header); count++) {
		packet->protocol = chain->next_header;
		if (count == IPV6_EXTENSIONS_MAX) {
			packet_set_event(packet, STELLAR_DECODE_IPV6_EXTENSION_TOO_MANY);
			return;
		}
		if (chain->next_header == IP_PROTOCOL_HOP_BY_HOP && count > 0)
			packet_set_event(packet, STELLAR_DECODE_IPV6_EXTENSION_ORDER);
		if (decode_extension(packet, chain) == STEP_STOP)
			return;
	}
	packet->protocol = chain->next_header;
	decode_transport(packet, chain->cursor, chain->next_header, chain->verify);
}

void decode_ipv6(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, IPV6_HEADER_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_IPV6_TRUNCATED);
		return;
	}
	if (cursor_u8(cursor, 0) >> 4 != 6) {
		packet_set_event(packet, STELLAR_DECODE_IPV6_VERSION_WRONG);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_IPV6, cursor, IPV6_HEADER_SIZE))
		return;
	if (packet->network_offset != PACKET_NO_OFFSET)
		packet_enter_tunnel(packet);

	uint32_t payload_length = cursor_be16(cursor, 4);
	uint8_t next_header = cursor_u8(cursor, 6);
	packet->ip_version = 6;
	packet->network_offset = packet_offset(packet, cursor);
	packet->ttl = cursor_u8(cursor, 7);
	packet->protocol = next_header;
	packet->source.version = 6;
	packet->destination.version = 6;
	cursor_copy(cursor, 8, packet->source.bytes, 16);
	cursor_copy(cursor, 24, packet->destination.bytes, 16);

	cursor = cursor_skip(cursor, IPV6_HEADER_SIZE);
	if (payload_length == 0 && next_header == IP_PROTOCOL_HOP_BY_HOP && is_jumbogram(cursor)) {
		packet_set_event(packet, STELLAR_DECODE_IPV6_JUMBOGRAM);
		return;
	}
	if (payload_length > cursor_wire_length(cursor)) {
		packet_set_event(packet, STELLAR_DECODE_IPV6_PAYLOAD_LENGTH_WRONG);
		return;
	}
	cursor = cursor_trim(cursor, payload_length);
	if (is_extension(next_header)) {
		struct chain chain = {cursor, next_header, verify};
		decode_chain(packet, &chain);
		return;
	}
	decode_transport(packet, cursor, next_header, verify);
}
