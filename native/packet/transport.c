// SPDX-License-Identifier: Apache-2.0

// What IP carries: TCP (RFC 9293) with its options, UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC
// 4443). The first piece of a fragmented datagram may end anywhere, also inside of the header, and
// its lengths and checksums speak of the whole: there nothing is found wrong, only not found.

#include "packet/checksum.h"
#include "packet/layer.h"

enum {
	AUTHENTICATION_HEADER_SIZE = 12,
	TCP_OPTION_END = 0,
	TCP_OPTION_NO_OPERATION = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTION_WINDOW_SCALE = 3,
	TCP_OPTION_SACK_PERMITTED = 4,
	TCP_OPTION_TIMESTAMPS = 8,
	TCP_WINDOW_SCALE_MAX = 14, // RFC 7323 2.3: take more as this
	// Two no-operations and the timestamps: how nearly every segment after the SYN begins.
	TCP_OPTIONS_ALIGNED_TIMESTAMPS = 0x0101080a,
};

static void transport_truncated(struct packet *packet, struct cursor cursor,
				enum stellar_decode_event event)
{
	if (packet->is_fragment)
		packet_set_payload(packet, STELLAR_LAYER_PAYLOAD, cursor);
	else
		packet_set_event(packet, event);
}

static bool checksum_is_verifiable(const struct packet *packet, struct cursor cursor)
{
	return cursor.missing == 0 && !packet->is_fragment;
}

static bool checksum_matches(const struct packet *packet, struct cursor cursor, uint8_t protocol)
{
	size_t address_length = packet->ip_version == 4 ? 4 : 16;
	uint64_t sum = checksum_pseudo(packet->source.bytes, packet->destination.bytes,
				       address_length, protocol, cursor.length);
	return checksum_fold(checksum_partial(cursor.data, cursor.length, sum)) == 0;
}

static void read_tcp_option(struct packet_tcp *tcp, uint8_t kind, struct cursor option)
{
	switch (kind) {
	case TCP_OPTION_MSS:
		if (option.length == 4)
			tcp->mss = cursor_be16(option, 2);
		break;
	case TCP_OPTION_WINDOW_SCALE:
		if (option.length == 3) {
			uint8_t scale = cursor_u8(option, 2);
			tcp->window_scale =
				scale < TCP_WINDOW_SCALE_MAX ? scale : TCP_WINDOW_SCALE_MAX;
			tcp->has_window_scale = true;
		}
		break;
	case TCP_OPTION_SACK_PERMITTED:
		if (option.length == 2)
			tcp->sack_permitted = true;
		break;
	case TCP_OPTION_TIMESTAMPS:
		if (option.length == 10) {
			tcp->timestamp_value = cursor_be32(option, 2);
			tcp->timestamp_echo = cursor_be32(option, 6);
			tcp->has_timestamp = true;
		}
		break;
	default:
		break;
	}
}

// Returns false when an option runs past the header; not when the capture cut it.
static bool read_tcp_options(struct packet_tcp *tcp, struct cursor options)
{
	if (options.length == 12 && cursor_be32(options, 0) == TCP_OPTIONS_ALIGNED_TIMESTAMPS) {
		read_tcp_option(tcp, TCP_OPTION_TIMESTAMPS, cursor_skip(options, 2));
		return true;
	}
	while (options.length > 0) {
		uint8_t kind = cursor_u8(options, 0);
		if (kind == TCP_OPTION_END)
			return true;
		if (kind == TCP_OPTION_NO_OPERATION) {
			options = cursor_skip(options, 1);
			continue;
		}
		if (!cursor_has(options, 2))
			return options.missing > 0;
		uint32_t length = cursor_u8(options, 1);
		if (length < 2 || length > cursor_wire_length(options))
			return false;
		if (!cursor_has(options, length))
			return true;
		read_tcp_option(tcp, kind, (struct cursor){options.data, length, 0});
		options = cursor_skip(options, length);
	}
	return true;
}

static bool tcp_flags_are_valid(uint8_t flags)
{
	if ((flags & STELLAR_TCP_SYN) && (flags & (STELLAR_TCP_FIN | STELLAR_TCP_RST)))
		return false;
	return flags != 0;
}

static void decode_tcp(struct packet *packet, struct cursor cursor, bool verify)
{
	struct packet_tcp *tcp = &packet->tcp;

	if (!cursor_has(cursor, TCP_HEADER_SIZE)) {
		transport_truncated(packet, cursor, STELLAR_DECODE_TCP_TRUNCATED);
		return;
	}
	uint32_t header_length = (cursor_u8(cursor, 12) >> 4) * 4u;
	if (header_length < TCP_HEADER_SIZE) {
		packet_set_event(packet, STELLAR_DECODE_TCP_HEADER_LENGTH_WRONG);
		return;
	}
	if (header_length > cursor_wire_length(cursor)) {
		transport_truncated(packet, cursor, STELLAR_DECODE_TCP_HEADER_LENGTH_WRONG);
		return;
	}
	uint32_t captured = header_length < cursor.length ? header_length : cursor.length;
	if (!packet_add_layer(packet, STELLAR_LAYER_TCP, cursor, captured))
		return;

	packet->has_transport = true;
	packet->transport_offset = packet_offset(packet, cursor);
	packet->source_port = cursor_be16(cursor, 0);
	packet->destination_port = cursor_be16(cursor, 2);
	tcp->sequence = cursor_be32(cursor, 4);
	tcp->acknowledgment = cursor_be32(cursor, 8);
	tcp->header_length = (uint8_t)header_length;
	tcp->flags = cursor_u8(cursor, 13);
	tcp->window = cursor_be16(cursor, 14);
	tcp->urgent = cursor_be16(cursor, 18);

	if (!tcp_flags_are_valid(tcp->flags))
		packet_set_event(packet, STELLAR_DECODE_TCP_FLAGS_INVALID);
	if (header_length > TCP_HEADER_SIZE) {
		struct cursor options =
			cursor_skip(cursor_trim(cursor, header_length), TCP_HEADER_SIZE);
		if (!read_tcp_options(tcp, options))
			packet_set_event(packet, STELLAR_DECODE_TCP_OPTIONS_MALFORMED);
	}
	if (verify && checksum_is_verifiable(packet, cursor) &&
	    !checksum_matches(packet, cursor, IP_PROTOCOL_TCP))
		packet_set_event(packet, STELLAR_DECODE_TCP_CHECKSUM_WRONG);
	packet_set_payload(packet, STELLAR_LAYER_PAYLOAD, cursor_skip(cursor, captured));
}

static bool port_hints_at_tunnel(const struct packet *packet)
{
	switch (packet->destination_port) {
	case UDP_PORT_L2TP:
	case UDP_PORT_GTP_U:
	case UDP_PORT_TEREDO:
	case UDP_PORT_VXLAN:
	case UDP_PORT_VXLAN_GPE:
	case UDP_PORT_GENEVE:
	case UDP_PORT_VXLAN_LINUX:
		return true;
	default:
		return packet->source_port == UDP_PORT_L2TP ||
		       packet->source_port == UDP_PORT_TEREDO;
	}
}

// The tunnel of a fragmented datagram is entered when the datagram is whole. What is inside may
// turn out to be no IP: then the datagram is the packet, and its payload all that it carries.
static bool enter_udp_tunnel(struct packet *packet, struct cursor cursor, bool verify)
{
	packet->payload_offset = packet_offset(packet, cursor);
	packet->payload_length = cursor.length;
	return !packet->is_fragment && decode_udp_tunnel(packet, cursor, verify);
}

static void decode_udp(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, UDP_HEADER_SIZE)) {
		transport_truncated(packet, cursor, STELLAR_DECODE_UDP_TRUNCATED);
		return;
	}
	uint32_t length = cursor_be16(cursor, 4);
	if (length < UDP_HEADER_SIZE ||
	    (length > cursor_wire_length(cursor) && !packet->is_fragment)) {
		packet_set_event(packet, STELLAR_DECODE_UDP_LENGTH_WRONG);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_UDP, cursor, UDP_HEADER_SIZE))
		return;
	if (!packet->is_fragment)
		cursor = cursor_trim(cursor, length);

	packet->has_transport = true;
	packet->transport_offset = packet_offset(packet, cursor);
	packet->source_port = cursor_be16(cursor, 0);
	packet->destination_port = cursor_be16(cursor, 2);
	bool has_checksum = cursor_be16(cursor, 6) != 0;
	bool is_verifiable = verify && checksum_is_verifiable(packet, cursor);
	bool is_ipv6 = packet->ip_version == 6;
	if (is_verifiable && has_checksum && !checksum_matches(packet, cursor, IP_PROTOCOL_UDP))
		packet_set_event(packet, STELLAR_DECODE_UDP_CHECKSUM_WRONG);
	cursor = cursor_skip(cursor, UDP_HEADER_SIZE);
	if (port_hints_at_tunnel(packet) && enter_udp_tunnel(packet, cursor, verify))
		return;
	// None at all is allowed over IPv4 (RFC 8200 8.1), and over IPv6 in tunnels (RFC 6935).
	if (is_verifiable && !has_checksum && is_ipv6)
		packet_set_event(packet, STELLAR_DECODE_UDP_CHECKSUM_WRONG);
	packet_set_payload(packet, STELLAR_LAYER_PAYLOAD, cursor);
}

// Echo (RFC 792), timestamp, information, address mask (RFC 950), extended echo (RFC 8335).
bool icmp_has_identifier(uint8_t type)
{
	return type == 0 || type == 8 || (type >= 13 && type <= 18) || type == 42 || type == 43;
}

// Echo (RFC 4443 4), extended echo (RFC 8335).
static bool icmpv6_has_identifier(uint8_t type)
{
	return type == 128 || type == 129 || type == 160 || type == 161;
}

// Both ICMPs: the cursor is at a whole header.
static void read_icmp(struct packet *packet, struct cursor cursor, bool has_identifier)
{
	packet->has_transport = true;
	packet->transport_offset = packet_offset(packet, cursor);
	packet->icmp_type = cursor_u8(cursor, 0);
	packet->icmp_code = cursor_u8(cursor, 1);
	if (has_identifier) {
		packet->source_port = cursor_be16(cursor, 4);
		packet->destination_port = packet->source_port;
	}
	packet_set_payload(packet, STELLAR_LAYER_PAYLOAD, cursor_skip(cursor, ICMP_HEADER_SIZE));
}

static void decode_icmp(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, ICMP_HEADER_SIZE)) {
		transport_truncated(packet, cursor, STELLAR_DECODE_ICMP_TRUNCATED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_ICMP, cursor, ICMP_HEADER_SIZE))
		return;
	if (verify && checksum_is_verifiable(packet, cursor) &&
	    checksum_fold(checksum_partial(cursor.data, cursor.length, 0)) != 0)
		packet_set_event(packet, STELLAR_DECODE_ICMP_CHECKSUM_WRONG);
	read_icmp(packet, cursor, icmp_has_identifier(cursor_u8(cursor, 0)));
}

static void decode_icmpv6(struct packet *packet, struct cursor cursor, bool verify)
{
	if (!cursor_has(cursor, ICMP_HEADER_SIZE)) {
		transport_truncated(packet, cursor, STELLAR_DECODE_ICMPV6_TRUNCATED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_ICMPV6, cursor, ICMP_HEADER_SIZE))
		return;
	if (verify && checksum_is_verifiable(packet, cursor) &&
	    !checksum_matches(packet, cursor, IP_PROTOCOL_ICMPV6))
		packet_set_event(packet, STELLAR_DECODE_ICMPV6_CHECKSUM_WRONG);
	read_icmp(packet, cursor, icmpv6_has_identifier(cursor_u8(cursor, 0)));
}

// RFC 4302, over IPv4: over IPv6 it is one of the extension headers.
static void decode_authentication(struct packet *packet, struct cursor cursor, bool verify)
{
	uint32_t length = cursor_has(cursor, AUTHENTICATION_HEADER_SIZE)
				  ? (cursor_u8(cursor, 1) + 2u) * 4
				  : 0;
	if (length < AUTHENTICATION_HEADER_SIZE || !cursor_has(cursor, length)) {
		transport_truncated(packet, cursor, STELLAR_DECODE_AUTHENTICATION_MALFORMED);
		return;
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_AUTHENTICATION, cursor, length))
		return;
	packet->protocol = cursor_u8(cursor, 0);
	decode_transport(packet, cursor_skip(cursor, length), packet->protocol, verify);
}

// What is neither TCP, UDP nor ICMP. The tunnel of a fragmented datagram is entered when the
// datagram is whole.
static void decode_other(struct packet *packet, struct cursor cursor, uint8_t protocol, bool verify)
{
	if (protocol == IP_PROTOCOL_AUTHENTICATION && packet->ip_version == 4) {
		decode_authentication(packet, cursor, verify);
		return;
	}
	if (packet->is_fragment) {
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		return;
	}
	switch (protocol) {
	case IP_PROTOCOL_IPV4:
		decode_ipv4(packet, cursor, verify);
		break;
	case IP_PROTOCOL_IPV6:
		decode_ipv6(packet, cursor, verify);
		break;
	case IP_PROTOCOL_GRE:
		decode_gre(packet, cursor, verify);
		break;
	case IP_PROTOCOL_L2TP:
		decode_l2tp_over_ip(packet, cursor, verify);
		break;
	default:
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		break;
	}
}

void decode_transport(struct packet *packet, struct cursor cursor, uint8_t protocol, bool verify)
{
	if (protocol == IP_PROTOCOL_TCP)
		decode_tcp(packet, cursor, verify);
	else if (protocol == IP_PROTOCOL_UDP)
		decode_udp(packet, cursor, verify);
	else if (protocol == IP_PROTOCOL_ICMP && packet->ip_version == 4)
		decode_icmp(packet, cursor, verify);
	else if (protocol == IP_PROTOCOL_ICMPV6 && packet->ip_version == 6)
		decode_icmpv6(packet, cursor, verify);
	else
		decode_other(packet, cursor, protocol, verify);
}
