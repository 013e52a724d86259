// SPDX-License-Identifier: Apache-2.0

// The record of the tunnels around a packet, and the tag of the segment it is in. Both are worked
// out of the recorded layers when they are asked for, so that a packet in no tunnel pays nothing.
// Pure functions of a decoded packet; the worker that owns it calls them.

#include "packet/tunnel.h"

#include <errno.h>

#include "packet/layer.h"

enum {
	TAG_FOLD_SHIFT = 24,
	TAG_SEGMENT_MASK = 0xffffff,
	TAG_FOLDS = 254, // of virtual networks: 1 to 254
	TAG_FOLD_VLANS = 255,
	GRE_FLAG_CHECKSUM = 0x80, // of the first byte
	GRE_FLAG_KEY = 0x20,
	GRE_VERSION_MASK = 0x7, // of the second byte
	GRE_VERSION_PPTP = 1,
	VSID_LEAST = 0x1000, // below is reserved (RFC 7637 3.2), and what small GRE keys look like
	L2TP_VERSION_MASK = 0xf,
	L2TP_FLAG_LENGTH = 0x40,
};

static const uint8_t *layer_bytes(const struct packet *packet, uint32_t position)
{
	return packet->frame.data + packet->layers[position].offset;
}

static bool layer_is_ip(const struct packet_layer *layer)
{
	return layer->type == STELLAR_LAYER_IPV4 || layer->type == STELLAR_LAYER_IPV6;
}

static uint32_t load_be24(const uint8_t *bytes)
{
	return load_be32(bytes) >> 8;
}

// What lies after the IP header at `position`, for the tunnel that begins there.
struct span {
	uint32_t carrier; // the first layer after it that is neither an IP header nor UDP
	bool has_udp;
	uint32_t udp;
};

static struct span span_after(const struct packet *packet, uint32_t position)
{
	struct span span = {0};

	for (uint32_t at = position + 1; at < packet->layer_count; at++) {
		switch (packet->layers[at].type) {
		case STELLAR_LAYER_IPV6_EXTENSION:
		case STELLAR_LAYER_FRAGMENT:
		case STELLAR_LAYER_AUTHENTICATION:
			continue;
		case STELLAR_LAYER_UDP:
			span.has_udp = true;
			span.udp = at;
			continue;
		default:
			span.carrier = at;
			return span;
		}
	}
	return span;
}

static uint32_t gre_key(const uint8_t *gre)
{
	if ((gre[0] & GRE_FLAG_KEY) == 0)
		return 0;
	return load_be32(gre + (gre[0] & GRE_FLAG_CHECKSUM ? 8 : 4));
}

// RFC 7637 3.2: a key and nothing else, Ethernet inside.
static bool gre_is_nvgre(const uint8_t *gre)
{
	return gre[0] == GRE_FLAG_KEY && gre[1] == 0 &&
	       load_be16(gre + 2) == ETHERNET_TYPE_BRIDGED && load_be24(gre + 4) >= VSID_LEAST;
}

static void describe_gre(const struct packet *packet, uint32_t at, struct packet_tunnel *tunnel)
{
	const uint8_t *gre = layer_bytes(packet, at);
	uint16_t type = load_be16(gre + 2);

	tunnel->protocol = IP_PROTOCOL_GRE;
	if ((gre[1] & GRE_VERSION_MASK) == GRE_VERSION_PPTP) {
		tunnel->kind = STELLAR_TUNNEL_PPTP;
		tunnel->identifier = load_be16(gre + 6);
	} else if (type == ETHERNET_TYPE_ERSPAN || type == ETHERNET_TYPE_ERSPAN_III) {
		tunnel->kind = STELLAR_TUNNEL_ERSPAN;
		if (at + 1 < packet->layer_count &&
		    packet->layers[at + 1].type == STELLAR_LAYER_ERSPAN)
			tunnel->identifier = load_be16(layer_bytes(packet, at + 1) + 2) & 0x3ff;
	} else if (gre_is_nvgre(gre)) {
		tunnel->kind = STELLAR_TUNNEL_NVGRE;
		tunnel->identifier = load_be24(gre + 4);
	} else {
		tunnel->kind = STELLAR_TUNNEL_GRE;
		tunnel->identifier = gre_key(gre);
	}
}

static uint32_t l2tp_identifier(const uint8_t *l2tp, bool has_udp)
{
	if (!has_udp)
		return load_be32(l2tp);
	if ((l2tp[1] & L2TP_VERSION_MASK) == 3)
		return load_be32(l2tp + 4);
	return load_be32(l2tp + (l2tp[0] & L2TP_FLAG_LENGTH ? 4 : 2));
}

static void describe_carrier(const struct packet *packet, const struct span *span,
			     struct packet_tunnel *tunnel)
{
	const uint8_t *bytes = layer_bytes(packet, span->carrier);

	switch (packet->layers[span->carrier].type) {
	case STELLAR_LAYER_GRE:
		describe_gre(packet, span->carrier, tunnel);
		break;
	case STELLAR_LAYER_VXLAN:
		tunnel->kind = tunnel->destination.port == UDP_PORT_VXLAN_GPE
				       ? STELLAR_TUNNEL_VXLAN_GPE
				       : STELLAR_TUNNEL_VXLAN;
		tunnel->identifier = load_be24(bytes + 4);
		break;
	case STELLAR_LAYER_GENEVE:
		tunnel->kind = STELLAR_TUNNEL_GENEVE;
		tunnel->identifier = load_be24(bytes + 4);
		break;
	case STELLAR_LAYER_GTP_U:
		tunnel->kind = STELLAR_TUNNEL_GTP_U;
		tunnel->identifier = load_be32(bytes + 4);
		break;
	case STELLAR_LAYER_TEREDO:
		tunnel->kind = STELLAR_TUNNEL_TEREDO;
		break;
	case STELLAR_LAYER_L2TP:
		tunnel->kind = STELLAR_TUNNEL_L2TP;
		tunnel->protocol = span->has_udp ? IP_PROTOCOL_UDP : IP_PROTOCOL_L2TP;
		tunnel->identifier = l2tp_identifier(bytes, span->has_udp);
		break;
	default: // the next IP header itself
		tunnel->kind = STELLAR_TUNNEL_IPIP;
		tunnel->protocol = packet->layers[span->carrier].type == STELLAR_LAYER_IPV4
					   ? IP_PROTOCOL_IPV4
					   : IP_PROTOCOL_IPV6;
		break;
	}
}

static void read_addresses(const struct packet *packet, uint32_t position,
			   struct packet_tunnel *tunnel)
{
	const uint8_t *ip = layer_bytes(packet, position);
	bool is_ipv4 = packet->layers[position].type == STELLAR_LAYER_IPV4;
	uint32_t size = is_ipv4 ? 4 : 16;
	uint32_t at = is_ipv4 ? 12 : 8;

	tunnel->source.address.version = is_ipv4 ? 4 : 6;
	tunnel->destination.address.version = is_ipv4 ? 4 : 6;
	memcpy(tunnel->source.address.bytes, ip + at, size);
	memcpy(tunnel->destination.address.bytes, ip + at + size, size);
}

// Everything that makes the segment, gathered from the outermost layer inwards.
struct segment {
	uint32_t vlan_count;
	uint32_t vlans; // the first two, as in the tag
	uint32_t network_id;
	bool has_network;
	uint32_t fold; // FNV-1a over kinds and values
};

static void segment_fold(struct segment *segment, uint32_t type, uint32_t value)
{
	segment->fold = (segment->fold ^ type) * 16777619u;
	for (uint32_t shift = 0; shift < 24; shift += 8)
		segment->fold = (segment->fold ^ (value >> shift & 0xff)) * 16777619u;
}

// The first identifier stands in the tag itself; only its kind is folded.
static void segment_add_network(struct segment *segment, uint32_t type, uint32_t network_id)
{
	segment_fold(segment, type, segment->has_network ? network_id : 0);
	if (!segment->has_network)
		segment->network_id = network_id;
	segment->has_network = true;
}

static void segment_add_layer(struct segment *segment, const struct packet *packet, uint32_t at)
{
	const uint8_t *bytes = layer_bytes(packet, at);
	uint32_t type = packet->layers[at].type;

	switch (type) {
	case STELLAR_LAYER_VLAN: {
		uint32_t vlan_id = load_be16(bytes) & VLAN_ID_MASK;
		if (segment->vlan_count < TAG_VLANS_MAX)
			segment->vlans |= vlan_id << (segment->vlan_count == 0 ? VLAN_ID_BITS : 0);
		segment->vlan_count++;
		segment_fold(segment, type, vlan_id);
		break;
	}
	case STELLAR_LAYER_VXLAN:
	case STELLAR_LAYER_GENEVE:
		segment_add_network(segment, type, load_be24(bytes + 4));
		break;
	case STELLAR_LAYER_GRE:
		if (gre_is_nvgre(bytes))
			segment_add_network(segment, type, load_be24(bytes + 4));
		break;
	default:
		break;
	}
}

// The tag of what begins at the layer `end`.
static uint32_t tag_before(const struct packet *packet, uint32_t end)
{
	struct segment segment = {.fold = 2166136261u};

	for (uint32_t at = 0; at < end; at++)
		segment_add_layer(&segment, packet, at);
	uint32_t fold = segment.fold ^ segment.fold >> 16; // FNV's low bits are its best
	if (segment.has_network)
		return (1 + fold % TAG_FOLDS) << TAG_FOLD_SHIFT | segment.network_id;
	if (segment.vlan_count > TAG_VLANS_MAX)
		return (uint32_t)TAG_FOLD_VLANS << TAG_FOLD_SHIFT | (fold & TAG_SEGMENT_MASK);
	return segment.vlans;
}

uint32_t tag_get_vlans(uint32_t tag, uint16_t ret_vlans[TAG_VLANS_MAX])
{
	if (tag >> TAG_FOLD_SHIFT != 0)
		return 0;
	ret_vlans[0] = (uint16_t)(tag >> VLAN_ID_BITS);
	ret_vlans[1] = (uint16_t)(tag & VLAN_ID_MASK);
	return TAG_VLANS_MAX;
}

bool tag_get_network_id(uint32_t tag, uint32_t *ret_network_id)
{
	uint32_t fold = tag >> TAG_FOLD_SHIFT;

	if (fold == 0 || fold == TAG_FOLD_VLANS)
		return false;
	*ret_network_id = tag & TAG_SEGMENT_MASK;
	return true;
}

uint32_t packet_get_vlans(const struct packet *packet, uint16_t *ret_vlans, uint32_t count)
{
	uint32_t found = 0;

	for (uint32_t at = 0; at < packet->layer_count && found < count; at++)
		if (packet->layers[at].type == STELLAR_LAYER_VLAN)
			ret_vlans[found++] = load_be16(layer_bytes(packet, at)) & VLAN_ID_MASK;
	return found;
}

void packet_enter_tunnel(struct packet *packet)
{
	uint32_t ip_count = 0;

	for (uint32_t at = 0; at < packet->layer_count; at++)
		ip_count += layer_is_ip(&packet->layers[at]);
	packet->tunnel_count = (uint8_t)(ip_count - 1);
	packet->tag = tag_before(packet, packet->layer_count);
	packet->has_transport = false;
	packet->transport_offset = PACKET_NO_OFFSET;
	packet->payload_offset = PACKET_NO_OFFSET;
	packet->payload_length = 0;
	packet->source_port = 0;
	packet->destination_port = 0;
	packet->source = (struct ip_address){0};
	packet->destination = (struct ip_address){0};
}

size_t packet_get_tunnel_count(const struct packet *packet)
{
	return packet->tunnel_count;
}

int packet_get_tunnel(const struct packet *packet, size_t position,
		      struct packet_tunnel *ret_tunnel)
{
	struct packet_tunnel tunnel = {.protocol = IP_PROTOCOL_UDP};
	uint32_t at = 0;

	if (position >= packet->tunnel_count)
		return -ENOENT;
	for (size_t skipped = 0; !layer_is_ip(&packet->layers[at]) || skipped++ < position;)
		at++;
	struct span span = span_after(packet, at);
	tunnel.depth = (uint8_t)(position + 1);
	tunnel.tag = tag_before(packet, at);
	read_addresses(packet, at, &tunnel);
	if (span.has_udp) {
		tunnel.source.port = load_be16(layer_bytes(packet, span.udp));
		tunnel.destination.port = load_be16(layer_bytes(packet, span.udp) + 2);
	}
	describe_carrier(packet, &span, &tunnel);
	*ret_tunnel = tunnel;
	return 0;
}

const char *stellar_tunnel_name(uint32_t tunnel)
{
	static const char *const names[] = {
#define X(name, NAME, sentence) #name,
		STELLAR_TUNNELS(X)
#undef X
	};
	return tunnel < STELLAR_TUNNEL_COUNT ? names[tunnel] : NULL;
}
