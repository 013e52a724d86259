// SPDX-License-Identifier: Apache-2.0

// The IPv4 header (RFC 791), its options, and the marks of a fragment.

#include "packet/checksum.h"
#include "packet/layer.h"

enum {
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV4_OFFSET_MASK = 0x1fff,
	IPV4_LENGTH_MAX = 65535,
	IPV4_OPTION_END = 0,
	IPV4_OPTION_NO_OPERATION = 1,
};

// Options are not read, only walked: a router on the way would stumble over what runs past.
static bool options_are_whole(struct cursor options)
{
	while (options.length > 0) {
		uint8_t type = cursor_u8(options, 0);
		if (type == IPV4_OPTION_END)
			return true;
		uint32_t length = 1;
		if (type != IPV4_OPTION_NO_OPERATION) {
			if (!cursor_has(options, 2))
				return false;
			length = cursor_u8(options, 1);
			if (length < 2 || !cursor_has(options, length))
				return false;
		}
		options = cursor_skip(options, length);
	}
	return true;
}

// body: what the header carries. The datagram put together may not be longer than an IPv4 one, or
// reassembly would overflow (the ping of death); all pieces but the last are multiples of 8 bytes.
static void mark_fragment(struct packet *packet, struct cursor body, uint16_t fragment,
			  uint32_t header_length)
{
	uint32_t offset = (uint32_t)(fragment & IPV4_OFFSET_MASK) * 8;
	uint32_t length = cursor_wire_length(body);

	packet->is_fragment = true;
	packet->is_first_fragment = offset == 0;
	packet_set_event(packet, STELLAR_DECODE_IPV4_FRAGMENT);
	if (header_length + offset + length > IPV4_LENGTH_MAX ||
	    ((fragment & IPV4_MORE_FRAGMENTS) && length % 8 != 0))
		packet_set_event(packet, STELLAR_DECODE_IPV4_FRAGMENT_MALFORMED);
}

void decode_ipv4(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, IPV4_HEADER_SIZE)) {
		packet_set_event(packet, STELLAR_DECODE_IPV4_TRUNCATED);
		return;
	}
	uint8_t version = cursor_u8(cursor, 0) >> 4;
	uint32_t header_length = (cursor_u8(cursor, 0) & 0xfu) * 4;
	uint32_t total_length = cursor_be16(cursor, 2);
	if (version != 4) {
		packet_set_event(packet, STELLAR_DECODE_IPV4_VERSION_WRONG);
		return;
	}
	if (header_length < IPV4_HEADER_SIZE || header_length > cursor_wire_length(cursor)) {
		packet_set_event(packet, STELLAR_DECODE_IPV4_HEADER_LENGTH_WRONG);
		return;
	}
	if (!cursor_has(cursor, header_length)) {
		packet_set_event(packet, STELLAR_DECODE_IPV4_TRUNCATED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_IPV4, cursor, header_length))
		return;
	if (packet->network_offset != PACKET_NO_OFFSET)
		packet_enter_tunnel(packet);

	packet->ip_version = 4;
	packet->network_offset = packet_offset(packet, cursor);
	packet->ttl = cursor_u8(cursor, 8);
	packet->protocol = cursor_u8(cursor, 9);
	packet->source.version = 4;
	packet->destination.version = 4;
	cursor_copy(cursor, 12, packet->source.bytes, 4);
	cursor_copy(cursor, 16, packet->destination.bytes, 4);

	if (verify && checksum_fold(checksum_partial(cursor.data, header_length, 0)) != 0)
		packet_set_event(packet, STELLAR_DECODE_IPV4_CHECKSUM_WRONG);
	if (total_length < header_length || total_length > cursor_wire_length(cursor)) {
		packet_set_event(packet, STELLAR_DECODE_IPV4_TOTAL_LENGTH_WRONG);
		return;
	}
	cursor = cursor_trim(cursor, total_length);
	if (header_length > IPV4_HEADER_SIZE &&
	    !options_are_whole(cursor_skip(cursor_trim(cursor, header_length), IPV4_HEADER_SIZE)))
		packet_set_event(packet, STELLAR_DECODE_IPV4_OPTIONS_MALFORMED);

	uint16_t fragment = load_be16(cursor.data + 6);
	cursor = cursor_skip(cursor, header_length);
	if (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) {
		mark_fragment(packet, cursor, fragment, header_length);
		if (!packet->is_first_fragment) {
			packet_set_payload(packet, STELLAR_LAYER_PAYLOAD, cursor);
			return;
		}
	}
	decode_transport(packet, cursor, packet->protocol, verify);
}
