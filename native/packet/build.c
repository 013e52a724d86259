// SPDX-License-Identifier: Apache-2.0

// Replies to a decoded packet, and packets beside it. What may not be answered is decided first;
// then the link header is taken or turned around, an IP header written, and the message after it.
// The sender sees the packet's destination as the source: a wire has no address of its own.

#include "packet/build.h"

#include "packet/checksum.h"
#include "packet/layer.h"

#include <errno.h>

enum {
	MAC_SIZE = 6,
	TCP_OPTION_NOTHING = 1,
	TCP_OPTION_TIMESTAMPS = 8,
	TCP_TIMESTAMPS_SIZE = 12, // with what aligns it, RFC 7323 appendix A
	MAC_GROUP_BIT = 1,
	REPLY_TTL = 64,
	IPV4_DONT_FRAGMENT = 0x4000, // and so identification may be 0 (RFC 6864 4.1)
	IPV4_TOS_INTERNETWORK_CONTROL = 0xc0, // RFC 1812 4.3.2.5, for ICMP errors
	ICMP_UNREACHABLE = 3,
	ICMP_CODE_PROHIBITED = 13,
	ICMP_REPLY_MAX = 576, // RFC 1812 4.3.2.3, the whole datagram
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_CODE_PROHIBITED = 1,
	ICMPV6_INFORMATIONAL_LEAST = 128,
	ICMPV6_REDIRECT = 137, // informational by number, but RFC 4443 2.4(e.2) forbids an answer
	ICMPV6_REPLY_MAX = 1280, // RFC 4443 2.4(c), the minimum MTU
};

// Swap of the link header is known, and the frame came to one station from one station. The layers
// before IP also say that it came in no tunnel.
static bool link_is_answerable(const struct packet *packet)
{
	for (uint32_t position = 0; position < packet->layer_count; position++) {
		const struct packet_layer *layer = &packet->layers[position];
		switch (layer->type) {
		case STELLAR_LAYER_ETHERNET: {
			const uint8_t *mac = packet->frame.data + layer->offset;
			// A frame in a frame (MPLS does it, EtherType 6558): whose turn is it?
			if (position != 0 || ((mac[0] | mac[MAC_SIZE]) & MAC_GROUP_BIT) != 0)
				return false;
			break;
		}
		case STELLAR_LAYER_VLAN:
		case STELLAR_LAYER_NULL_LOOPBACK:
			break;
		case STELLAR_LAYER_IPV4:
		case STELLAR_LAYER_IPV6:
			return layer->offset == packet->network_offset;
		default:
			return false;
		}
	}
	return false;
}

// One host that can be out there: not unspecified, loopback, multicast, broadcast or class E
// (RFC 1812 4.3.2.7, RFC 4443 2.4(e)).
static bool is_single_host(const struct ip_address *address)
{
	static const uint8_t zero[15];

	if (address->version == 4)
		return address->bytes[0] != 0 && address->bytes[0] != 127 &&
		       address->bytes[0] < 224;
	if (memcmp(address->bytes, zero, sizeof(zero)) == 0 && address->bytes[15] <= 1)
		return false;
	return address->bytes[0] != 0xff;
}

static bool is_answerable(const struct packet *packet)
{
	return packet->ip_version != 0 && !packet->malformed && !packet->checksum_wrong &&
	       (!packet->is_fragment || packet->is_first_fragment) && link_is_answerable(packet) &&
	       is_single_host(&packet->source) && is_single_host(&packet->destination);
}

// An ICMP message that no error may answer is one that is, or may be, an error.
static bool icmp_is_error(const struct packet *packet)
{
	if (packet->ip_version == 4 && packet->protocol == IP_PROTOCOL_ICMP)
		return !packet->has_transport || !icmp_has_identifier(packet->icmp_type);
	if (packet->ip_version == 6 && packet->protocol == IP_PROTOCOL_ICMPV6)
		return !packet->has_transport || packet->icmp_type < ICMPV6_INFORMATIONAL_LEAST ||
		       packet->icmp_type == ICMPV6_REDIRECT;
	return false;
}

// The datagram from its IP header on, with what the capture cut off it.
static struct cursor datagram(const struct packet *packet)
{
	struct cursor cursor = {packet->frame.data, packet->frame.length, 0};
	cursor = cursor_skip(cursor, packet->network_offset);
	uint32_t wire_length = packet->ip_version == 4
				       ? cursor_be16(cursor, 2)
				       : IPV6_HEADER_SIZE + (uint32_t)cursor_be16(cursor, 4);
	if (wire_length > cursor.length)
		cursor.missing = wire_length - cursor.length;
	return cursor_trim(cursor, wire_length);
}

static uint32_t ip_header_size(const struct packet *packet)
{
	return packet->ip_version == 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE;
}

// The link header, VLAN tags kept; back: with its addresses swapped. Returns where IP begins.
static uint8_t *write_link(const struct packet *packet, bool is_back, uint8_t *ret_frame)
{
	memcpy(ret_frame, packet->frame.data, packet->network_offset);
	if (is_back && packet->layers[0].type == STELLAR_LAYER_ETHERNET) {
		memcpy(ret_frame, packet->frame.data + MAC_SIZE, MAC_SIZE);
		memcpy(ret_frame + MAC_SIZE, packet->frame.data, MAC_SIZE);
	}
	return ret_frame + packet->network_offset;
}

// An IP header for length bytes of that protocol. Returns where they begin.
static uint8_t *write_ip(const struct ip_address *source, const struct ip_address *destination,
			 uint8_t *ret_header, uint8_t protocol, uint32_t length)
{
	if (source->version == 6) {
		store_be32(ret_header, 6u << 28);
		store_be16(ret_header + 4, (uint16_t)length);
		ret_header[6] = protocol;
		ret_header[7] = REPLY_TTL;
		memcpy(ret_header + 8, source->bytes, 16);
		memcpy(ret_header + 24, destination->bytes, 16);
		return ret_header + IPV6_HEADER_SIZE;
	}
	ret_header[0] = 0x45;
	ret_header[1] = protocol == IP_PROTOCOL_ICMP ? IPV4_TOS_INTERNETWORK_CONTROL : 0;
	store_be16(ret_header + 2, (uint16_t)(IPV4_HEADER_SIZE + length));
	store_be16(ret_header + 4, 0);
	store_be16(ret_header + 6, IPV4_DONT_FRAGMENT);
	ret_header[8] = REPLY_TTL;
	ret_header[9] = protocol;
	store_be16(ret_header + 10, 0);
	memcpy(ret_header + 12, source->bytes, 4);
	memcpy(ret_header + 16, destination->bytes, 4);
	store_be16(ret_header + 10,
		   checksum_fold(checksum_partial(ret_header, IPV4_HEADER_SIZE, 0)));
	return ret_header + IPV4_HEADER_SIZE;
}

// Link and IP header of an answer. Returns where its message begins.
static uint8_t *write_headers_back(const struct packet *packet, uint8_t *ret_frame,
				   uint8_t protocol, uint32_t length)
{
	return write_ip(&packet->destination, &packet->source, write_link(packet, true, ret_frame),
			protocol, length);
}

// Of a message from the packet's destination to its source; its checksum field is zero.
static uint16_t transport_checksum(const struct packet *packet, const uint8_t *message,
				   uint8_t protocol, uint32_t length)
{
	uint64_t sum = 0;
	if (protocol != IP_PROTOCOL_ICMP)
		sum = checksum_pseudo(packet->destination.bytes, packet->source.bytes,
				      packet->ip_version == 4 ? 4 : 16, protocol, length);
	return checksum_fold(checksum_partial(message, length, sum));
}

// SEG.LEN: the payload on the wire, and one each for SYN and FIN.
static uint32_t segment_length(const struct packet *packet)
{
	uint32_t header_length =
		packet->transport_offset - packet->network_offset + packet->tcp.header_length;
	uint32_t length = cursor_wire_length(datagram(packet)) - header_length;
	return length + ((packet->tcp.flags & STELLAR_TCP_SYN) != 0) +
	       ((packet->tcp.flags & STELLAR_TCP_FIN) != 0);
}

int build_rst(const struct packet *packet, uint8_t *ret_frame, size_t size)
{
	if (packet->protocol != IP_PROTOCOL_TCP || !packet->has_transport ||
	    (packet->tcp.flags & STELLAR_TCP_RST) || !is_answerable(packet))
		return 0;
	bool has_ack = (packet->tcp.flags & STELLAR_TCP_ACK) != 0;
	if (!has_ack && packet->is_fragment)
		return 0; // the length to acknowledge is in the other pieces
	uint32_t length = packet->network_offset + ip_header_size(packet) + TCP_HEADER_SIZE;
	if (length > size)
		return -ENOSPC;

	uint8_t *header = write_headers_back(packet, ret_frame, IP_PROTOCOL_TCP, TCP_HEADER_SIZE);
	store_be16(header, packet->destination_port);
	store_be16(header + 2, packet->source_port);
	store_be32(header + 4, has_ack ? packet->tcp.acknowledgment : 0);
	store_be32(header + 8, has_ack ? 0 : packet->tcp.sequence + segment_length(packet));
	header[12] = (TCP_HEADER_SIZE / 4) << 4;
	header[13] = has_ack ? STELLAR_TCP_RST : STELLAR_TCP_RST | STELLAR_TCP_ACK;
	memset(header + 14, 0, 6); // window, checksum, urgent pointer
	store_be16(header + 16,
		   transport_checksum(packet, header, IP_PROTOCOL_TCP, TCP_HEADER_SIZE));
	return (int)length;
}

int build_icmp_error(const struct packet *packet, uint8_t type, uint8_t code, uint8_t *ret_frame,
		     size_t size)
{
	if (!is_answerable(packet) || icmp_is_error(packet))
		return 0;
	bool is_ipv4 = packet->ip_version == 4;
	uint32_t overhead = ip_header_size(packet) + ICMP_HEADER_SIZE;
	uint32_t quote_max = (is_ipv4 ? ICMP_REPLY_MAX : ICMPV6_REPLY_MAX) - overhead;
	struct cursor quote = datagram(packet);
	if (quote.length > quote_max)
		quote = cursor_trim(quote, quote_max);
	uint32_t length = packet->network_offset + overhead + quote.length;
	if (length > size)
		return -ENOSPC;

	uint8_t protocol = is_ipv4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6;
	uint32_t message_length = ICMP_HEADER_SIZE + quote.length;
	uint8_t *header = write_headers_back(packet, ret_frame, protocol, message_length);
	header[0] = type;
	header[1] = code;
	memset(header + 2, 0, ICMP_HEADER_SIZE - 2); // checksum, unused
	cursor_copy(quote, 0, header + ICMP_HEADER_SIZE, quote.length);
	store_be16(header + 2, transport_checksum(packet, header, protocol, message_length));
	return (int)length;
}

int build_icmp_prohibited(const struct packet *packet, uint8_t *ret_frame, size_t size)
{
	bool is_ipv4 = packet->ip_version == 4;

	return build_icmp_error(packet, is_ipv4 ? ICMP_UNREACHABLE : ICMPV6_UNREACHABLE,
				is_ipv4 ? ICMP_CODE_PROHIBITED : ICMPV6_CODE_PROHIBITED, ret_frame,
				size);
}

bool build_has_link(const struct packet *packet)
{
	return packet->ip_version != 0 && link_is_answerable(packet);
}

bool build_has_way(const struct packet *packet, const struct build_way *way)
{
	return packet->ip_version != 0 && packet->ip_version == way->source.address.version &&
	       link_is_answerable(packet) && is_single_host(&way->source.address) &&
	       is_single_host(&way->destination.address);
}

static uint32_t message_header_size(const struct build_way *way, uint8_t protocol)
{
	if (protocol != IP_PROTOCOL_TCP)
		return UDP_HEADER_SIZE;
	return TCP_HEADER_SIZE + (way->has_timestamps ? TCP_TIMESTAMPS_SIZE : 0);
}

uint32_t build_get_overhead(const struct packet *packet, const struct build_way *way,
			    uint8_t protocol)
{
	return packet->network_offset + ip_header_size(packet) + message_header_size(way, protocol);
}

// Link, IP and ports, and the payload behind the rest of the header, which is zeroed. Returns the
// length of the frame, or -EMSGSIZE.
static int write_message(const struct packet *packet, const struct build_way *way, uint8_t protocol,
			 const uint8_t *payload, size_t length, uint8_t *ret_frame)
{
	uint32_t overhead = build_get_overhead(packet, way, protocol);
	uint32_t header_size = message_header_size(way, protocol);
	uint32_t counted = header_size + (packet->ip_version == 4 ? IPV4_HEADER_SIZE : 0);

	if (length > UINT16_MAX - counted)
		return -EMSGSIZE;
	uint8_t *header = write_ip(&way->source.address, &way->destination.address,
				   write_link(packet, way->is_back, ret_frame), protocol,
				   header_size + (uint32_t)length);

	memset(header, 0, header_size);
	store_be16(header, way->source.port);
	store_be16(header + 2, way->destination.port);
	if (length > 0)
		memcpy(header + header_size, payload, length);
	return (int)(overhead + length);
}

// Of the message behind an IP header written here; its checksum field is zero.
static uint16_t message_checksum(const uint8_t *ip, const uint8_t *message, uint8_t protocol,
				 uint32_t length)
{
	bool is_ipv4 = ip[0] >> 4 == 4;
	size_t address_length = is_ipv4 ? 4 : 16;
	const uint8_t *source = ip + (is_ipv4 ? 12 : 8);

	return checksum_fold(checksum_partial(message, length,
					      checksum_pseudo(source, source + address_length,
							      address_length, protocol, length)));
}

static uint32_t written_header_size(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE;
}

int build_segment(const struct packet *packet, const struct build_way *way, const uint8_t *payload,
		  size_t length, uint8_t *ret_frame)
{
	int total = write_message(packet, way, IP_PROTOCOL_TCP, payload, length, ret_frame);

	if (total < 0)
		return total;
	uint8_t *header = ret_frame + packet->network_offset + ip_header_size(packet);

	header[12] = (uint8_t)(message_header_size(way, IP_PROTOCOL_TCP) / 4 << 4);
	if (way->has_timestamps) {
		header[TCP_HEADER_SIZE] = header[TCP_HEADER_SIZE + 1] = TCP_OPTION_NOTHING;
		header[TCP_HEADER_SIZE + 2] = TCP_OPTION_TIMESTAMPS;
		header[TCP_HEADER_SIZE + 3] = 10;
		store_be32(header + TCP_HEADER_SIZE + 4, way->timestamp_value);
		store_be32(header + TCP_HEADER_SIZE + 8, way->timestamp_echo);
	}
	return total;
}

int build_datagram(const struct packet *packet, const struct build_way *way, const uint8_t *payload,
		   size_t length, uint8_t *ret_frame)
{
	int total = write_message(packet, way, IP_PROTOCOL_UDP, payload, length, ret_frame);

	if (total < 0)
		return total;
	const uint8_t *ip = ret_frame + packet->network_offset;
	uint8_t *header = ret_frame + packet->network_offset + written_header_size(ip);
	uint32_t message_length = UDP_HEADER_SIZE + (uint32_t)length;

	store_be16(header + 4, (uint16_t)message_length);
	uint16_t checksum = message_checksum(ip, header, IP_PROTOCOL_UDP, message_length);

	store_be16(header + 6, checksum != 0 ? checksum : UINT16_MAX); // 0: none, RFC 768
	return total;
}

void build_set_numbers(uint8_t *frame, uint32_t length, uint32_t network_offset,
		       const struct build_numbers *numbers)
{
	const uint8_t *ip = frame + network_offset;
	uint32_t header_offset = network_offset + written_header_size(ip);
	uint8_t *header = frame + header_offset;

	store_be32(header + 4, numbers->sequence);
	store_be32(header + 8, numbers->acknowledgment);
	header[13] = numbers->flags;
	store_be16(header + 14, numbers->window);
	store_be16(header + 16, 0);
	store_be16(header + 16,
		   message_checksum(ip, header, IP_PROTOCOL_TCP, length - header_offset));
}
