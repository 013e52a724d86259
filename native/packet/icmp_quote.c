// SPDX-License-Identifier: Apache-2.0

#include "packet/icmp_quote.h"

#include "packet/layer.h"

#include <errno.h>

enum {
	QUOTED_TRANSPORT_SIZE = 8, // what RFC 792 promises
	QUOTED_EXTENSIONS_MAX = 8,
	IPV4_OFFSET_MASK = 0x1fff,
	IPV6_OFFSET_MASK = 0xfff8,
	ICMP_UNREACHABLE = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_PARAMETER_PROBLEM = 4,
	ICMPV6_ECHO_REQUEST = 128,
	ICMPV6_ECHO_REPLY = 129,
};

bool icmp_quote_is_error(const struct packet *packet)
{
	if (!packet->has_transport)
		return false;
	if (packet->ip_version == 6)
		return packet->protocol == IP_PROTOCOL_ICMPV6 &&
		       packet->icmp_type >= ICMPV6_UNREACHABLE &&
		       packet->icmp_type <= ICMPV6_PARAMETER_PROBLEM;
	if (packet->ip_version != 4 || packet->protocol != IP_PROTOCOL_ICMP)
		return false;
	switch (packet->icmp_type) {
	case ICMP_UNREACHABLE:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER_PROBLEM:
		return true;
	default:
		return false;
	}
}

// Past the IPv4 header. Returns false when there is no transport header behind it.
static bool read_ipv4(struct cursor *cursor, struct icmp_quote *quote)
{
	if (!cursor_has(*cursor, IPV4_HEADER_SIZE) || cursor_u8(*cursor, 0) >> 4 != 4)
		return false;
	uint32_t header_length = (cursor_u8(*cursor, 0) & 15u) * 4;
	if (header_length < IPV4_HEADER_SIZE || !cursor_has(*cursor, header_length) ||
	    (cursor_be16(*cursor, 6) & IPV4_OFFSET_MASK) != 0)
		return false;
	quote->protocol = cursor_u8(*cursor, 9);
	quote->source.version = 4;
	quote->destination.version = 4;
	cursor_copy(*cursor, 12, quote->source.bytes, 4);
	cursor_copy(*cursor, 16, quote->destination.bytes, 4);
	*cursor = cursor_skip(*cursor, header_length);
	return true;
}

// Bytes of an extension header whose second byte is `units`, or 0 for what is none.
static uint32_t extension_length(uint8_t protocol, uint8_t units)
{
	switch (protocol) {
	case IP_PROTOCOL_HOP_BY_HOP:
	case IP_PROTOCOL_ROUTING:
	case IP_PROTOCOL_DESTINATION_OPTIONS:
	case IP_PROTOCOL_MOBILITY:
	case IP_PROTOCOL_HIP:
	case IP_PROTOCOL_SHIM6:
		return (units + 1u) * 8;
	case IP_PROTOCOL_AUTHENTICATION:
		return (units + 2u) * 4;
	case IP_PROTOCOL_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

// Past the chain of extension headers.
static bool read_extensions(struct cursor *cursor, struct icmp_quote *quote)
{
	for (int count = 0; count <= QUOTED_EXTENSIONS_MAX; count++) {
		if (extension_length(quote->protocol, 0) == 0)
			return true;
		if (!cursor_has(*cursor, 8))
			return false;
		uint32_t length = extension_length(quote->protocol, cursor_u8(*cursor, 1));
		if (!cursor_has(*cursor, length))
			return false;
		if (quote->protocol == IP_PROTOCOL_FRAGMENT &&
		    (cursor_be16(*cursor, 2) & IPV6_OFFSET_MASK) != 0)
			return false;
		quote->protocol = cursor_u8(*cursor, 0);
		*cursor = cursor_skip(*cursor, length);
	}
	return false;
}

static bool read_ipv6(struct cursor *cursor, struct icmp_quote *quote)
{
	if (!cursor_has(*cursor, IPV6_HEADER_SIZE) || cursor_u8(*cursor, 0) >> 4 != 6)
		return false;
	quote->protocol = cursor_u8(*cursor, 6);
	quote->source.version = 6;
	quote->destination.version = 6;
	cursor_copy(*cursor, 8, quote->source.bytes, 16);
	cursor_copy(*cursor, 24, quote->destination.bytes, 16);
	*cursor = cursor_skip(*cursor, IPV6_HEADER_SIZE);
	return read_extensions(cursor, quote);
}

// An error quotes no error (RFC 1122 3.2.2, RFC 4443 2.4(e)): only queries have a session.
static bool read_icmp(struct cursor cursor, bool is_query, struct icmp_quote *quote)
{
	if (!is_query)
		return false;
	quote->icmp_type = cursor_u8(cursor, 0);
	quote->icmp_code = cursor_u8(cursor, 1);
	quote->source_port = cursor_be16(cursor, 4);
	quote->destination_port = quote->source_port;
	return true;
}

static bool read_transport(struct cursor cursor, struct icmp_quote *quote)
{
	bool is_icmp = quote->protocol ==
		       (quote->source.version == 4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6);
	bool has_ports = quote->protocol == IP_PROTOCOL_TCP || quote->protocol == IP_PROTOCOL_UDP;
	if (!is_icmp && !has_ports)
		return true;
	if (!cursor_has(cursor, QUOTED_TRANSPORT_SIZE))
		return false;
	uint8_t type = cursor_u8(cursor, 0);
	if (is_icmp && quote->source.version == 4)
		return read_icmp(cursor, icmp_has_identifier(type), quote);
	if (is_icmp)
		return read_icmp(cursor, type == ICMPV6_ECHO_REQUEST || type == ICMPV6_ECHO_REPLY,
				 quote);
	quote->source_port = cursor_be16(cursor, 0);
	quote->destination_port = cursor_be16(cursor, 2);
	if (quote->protocol == IP_PROTOCOL_TCP)
		quote->sequence = cursor_be32(cursor, 4);
	return true;
}

int icmp_quote_parse(const struct packet *packet, struct icmp_quote *ret_quote)
{
	struct cursor cursor = {packet->frame.data, packet->frame.length, 0};
	struct icmp_quote quote = {0};
	if (!icmp_quote_is_error(packet) || packet->payload_length == 0)
		return -ENOENT;
	cursor = cursor_trim(cursor_skip(cursor, packet->payload_offset), packet->payload_length);
	bool is_whole =
		packet->ip_version == 4 ? read_ipv4(&cursor, &quote) : read_ipv6(&cursor, &quote);
	if (!is_whole || !read_transport(cursor, &quote))
		return -ENOENT;
	*ret_quote = quote;
	return 0;
}
