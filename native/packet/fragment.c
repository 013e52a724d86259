// SPDX-License-Identifier: Apache-2.0

#include "packet/fragment.h"

#include <errno.h>

#include "packet/checksum.h"
#include "packet/layer.h"

enum {
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV4_OFFSET_MASK = 0x1fff,
	IPV6_MORE_FRAGMENTS = 0x1,
	IPV6_OFFSET_MASK = 0xfff8,
	IP_LENGTH_MAX = 65535,
	FRAGMENT_HEADER_SIZE = 8,
	ECN_MASK = 0x3,
};

// The header that makes the packet a fragment: the first behind its IP header that is not an atomic
// one (RFC 6946). What follows it in a first fragment may hold another.
static const struct packet_layer *find_fragment_header(const struct packet *packet)
{
	for (size_t i = 1; i < packet->layer_count; i++) {
		const struct packet_layer *layer = &packet->layers[i];

		if (layer->type == STELLAR_LAYER_FRAGMENT &&
		    layer->offset > packet->network_offset &&
		    (load_be16(packet->frame.data + layer->offset + 2) &
		     (IPV6_OFFSET_MASK | IPV6_MORE_FRAGMENTS)) != 0)
			return layer;
	}
	return NULL;
}

static void read_v4(const uint8_t *header, struct fragment *fragment)
{
	uint32_t header_length = (header[0] & 0xfu) * 4;
	uint16_t field = load_be16(header + 6);

	fragment->key.id = load_be16(header + 4);
	fragment->key.protocol = header[9];
	fragment->begin = (uint32_t)(field & IPV4_OFFSET_MASK) * 8;
	fragment->length = load_be16(header + 2) - header_length;
	fragment->header_end = fragment->network_offset + header_length;
	fragment->at = fragment->header_end;
	fragment->ecn = header[1] & ECN_MASK;
	fragment->is_last = (field & IPV4_MORE_FRAGMENTS) == 0;
}

static int read_v6(const struct packet *packet, struct fragment *fragment)
{
	const struct packet_layer *layer = find_fragment_header(packet);
	const uint8_t *frame = packet->frame.data;

	if (layer == NULL)
		return -ENODATA;
	const struct packet_layer *before = layer - 1;
	const uint8_t *header = frame + layer->offset;
	uint16_t field = load_be16(header + 2);
	uint32_t end = fragment->network_offset + IPV6_HEADER_SIZE +
		       load_be16(frame + fragment->network_offset + 4);

	fragment->key.id = load_be32(header + 4);
	fragment->begin = field & IPV6_OFFSET_MASK;
	fragment->header_end = layer->offset;
	fragment->at = layer->offset + FRAGMENT_HEADER_SIZE;
	fragment->length = end - fragment->at;
	fragment->next_header = header[0];
	fragment->next_header_at = before->offset + (before->type == STELLAR_LAYER_IPV6 ? 6 : 0);
	fragment->ecn = frame[fragment->network_offset + 1] >> 4 & ECN_MASK;
	fragment->is_last = (field & IPV6_MORE_FRAGMENTS) == 0;
	return 0;
}

int fragment_read(const struct packet *packet, struct fragment *ret_fragment)
{
	int result = 0;

	memset(ret_fragment, 0, sizeof(*ret_fragment));
	ret_fragment->network_offset = packet->network_offset;
	ret_fragment->key.version = packet->ip_version;
	ret_fragment->key.tag = packet->tag;
	ret_fragment->key.ingress_id = UINT16_MAX;
	memcpy(ret_fragment->key.source, packet->source.bytes, sizeof(packet->source.bytes));
	memcpy(ret_fragment->key.destination, packet->destination.bytes,
	       sizeof(packet->destination.bytes));
	if (packet->ip_version == 4)
		read_v4(packet->frame.data + packet->network_offset, ret_fragment);
	else
		result = read_v6(packet, ret_fragment);
	if (result == 0 && (ret_fragment->at > packet->frame.length ||
			    ret_fragment->length > packet->frame.length - ret_fragment->at))
		result = -ENODATA;
	return result;
}

// Least bytes of a transport header that a receiver looks at.
static uint32_t least_transport(uint8_t protocol)
{
	switch (protocol) {
	case IP_PROTOCOL_TCP:
		return TCP_HEADER_SIZE;
	case IP_PROTOCOL_UDP:
		return UDP_HEADER_SIZE;
	case IP_PROTOCOL_ICMP:
	case IP_PROTOCOL_ICMPV6:
		return ICMP_HEADER_SIZE;
	case IP_PROTOCOL_NO_NEXT_HEADER:
		return 0;
	default:
		return 1;
	}
}

bool fragment_is_tiny(const struct packet *packet)
{
	return packet->is_first_fragment && !packet->has_transport &&
	       packet->payload_length < least_transport(packet->protocol);
}

bool fragment_has_header_chain(const struct packet *packet)
{
	return packet->ip_version != 6 || !fragment_is_tiny(packet);
}

bool fragment_patch_header(const struct fragment *first, uint8_t *bytes, uint32_t payload_length)
{
	uint8_t *header = bytes + first->network_offset;
	uint32_t header_length = first->header_end - first->network_offset;

	if (first->key.version == 6) {
		uint32_t length = header_length - IPV6_HEADER_SIZE + payload_length;

		if (length > IP_LENGTH_MAX)
			return false;
		store_be16(header + 4, (uint16_t)length);
		bytes[first->next_header_at] = first->next_header;
		return true;
	}
	if (header_length + payload_length > IP_LENGTH_MAX)
		return false;
	store_be16(header + 2, (uint16_t)(header_length + payload_length));
	store_be16(header + 6, 0);
	store_be16(header + 10, 0);
	store_be16(header + 10, checksum_fold(checksum_partial(header, header_length, 0)));
	return true;
}
