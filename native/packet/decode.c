// SPDX-License-Identifier: Apache-2.0

// Drives the walk: resets the packet, picks the link layer, sums the events up. The layers are in
// link.c, ppp.c, mpls.c, ipv4.c, ipv6.c, transport.c, gre.c and udp_tunnel.c. No state and no
// allocation; the worker that owns the packet calls it.

#include "packet/layer.h"

// LINKTYPE_* of the captures (tcpdump.org/linktypes.html). 12 and 14 are what DLT_RAW is on some
// systems, and stand in captures that wrote it as it was.
enum link_type {
	LINK_TYPE_NULL = 0,
	LINK_TYPE_ETHERNET = 1,
	LINK_TYPE_PPP = 9,
	LINK_TYPE_RAW_BSD = 12,
	LINK_TYPE_RAW_OPENBSD = 14,
	LINK_TYPE_PPP_HDLC = 50,
	LINK_TYPE_PPP_ETHERNET = 51,
	LINK_TYPE_RAW = 101,
	LINK_TYPE_CISCO_HDLC = 104,
	LINK_TYPE_LOOP = 108,
	LINK_TYPE_LINUX_COOKED = 113,
	LINK_TYPE_IPV4 = 228,
	LINK_TYPE_IPV6 = 229,
	LINK_TYPE_LINUX_COOKED_V2 = 276,
};

// clang-format off
static const uint64_t malformed_events =
#define X(name, NAME, severity, sentence) \
	((severity) == 1 ? STELLAR_DECODE_BIT(STELLAR_DECODE_##NAME) : 0) |
	STELLAR_DECODE_EVENTS(X)
#undef X
	0;
// clang-format on

static const uint64_t checksum_events = STELLAR_DECODE_BIT(STELLAR_DECODE_IPV4_CHECKSUM_WRONG) |
					STELLAR_DECODE_BIT(STELLAR_DECODE_TCP_CHECKSUM_WRONG) |
					STELLAR_DECODE_BIT(STELLAR_DECODE_UDP_CHECKSUM_WRONG) |
					STELLAR_DECODE_BIT(STELLAR_DECODE_ICMP_CHECKSUM_WRONG) |
					STELLAR_DECODE_BIT(STELLAR_DECODE_ICMPV6_CHECKSUM_WRONG) |
					STELLAR_DECODE_BIT(STELLAR_DECODE_GRE_CHECKSUM_WRONG);

static const struct verdict verdict_none = {
	.disposition_plugin_id = STELLAR_PLUGIN_NONE,
	.block_plugin_id = STELLAR_PLUGIN_NONE,
	.reply_plugin_id = STELLAR_PLUGIN_NONE,
	.rate_limit_plugin_id = STELLAR_PLUGIN_NONE,
};

static_assert(STELLAR_DECODE_EVENT_COUNT <= 64, "decode_events is a word of bits");

// In pieces that gcc makes wide stores of: as one it becomes a string instruction, and decoding
// takes a fifth more time. The layers array is left as it was: layer_count says how much of it is
// valid.
static void packet_reset(struct packet *packet)
{
	memset((uint8_t *)packet + offsetof(struct packet, layer_count), 0,
	       offsetof(struct packet, source_port) - offsetof(struct packet, layer_count));
	memset((uint8_t *)packet + offsetof(struct packet, source_port), 0,
	       offsetof(struct packet, tcp) - offsetof(struct packet, source_port));
	packet->tcp = (struct packet_tcp){0};
	packet->decode_events = 0;
	packet->network_offset = PACKET_NO_OFFSET;
	packet->transport_offset = PACKET_NO_OFFSET;
	packet->payload_offset = PACKET_NO_OFFSET;
	packet->verdict = verdict_none;
}

bool packet_refuse_layer(struct packet *packet)
{
	packet_set_event(packet, STELLAR_DECODE_TOO_MANY_LAYERS);
	return false;
}

void packet_set_payload(struct packet *packet, enum stellar_layer type, struct cursor cursor)
{
	// Unknown inside of a UDP tunnel: the datagram's payload stays the packet's.
	if (type != STELLAR_LAYER_UNKNOWN || !packet->has_transport) {
		packet->payload_offset = packet_offset(packet, cursor);
		packet->payload_length = cursor.length;
	}
	if (cursor.length > 0)
		packet_add_layer(packet, type, cursor, 0); // its length is payload_length
}

static void sum_up(struct packet *packet)
{
	packet->malformed = (packet->decode_events & malformed_events) != 0;
	packet->checksum_wrong = (packet->decode_events & checksum_events) != 0;
}

void packet_decode_again(struct packet *packet, bool verify_checksums)
{
	const uint32_t offset = packet->network_offset;
	const uint32_t tag = packet->tag;
	const uint16_t ethernet_type = packet->ethernet_type;
	const uint8_t tunnel_count = packet->tunnel_count;
	const struct cursor frame = {packet->frame.data, packet->frame.length, 0};
	uint8_t layer_count = packet->layer_count;

	// Teredo's own header may be empty: its layer is where the IP header is, and stays.
	while (layer_count > 0 && packet->layers[layer_count - 1].offset >= offset &&
	       packet->layers[layer_count - 1].type != STELLAR_LAYER_TEREDO)
		layer_count--;
	packet_reset(packet);
	packet->layer_count = layer_count;
	packet->tag = tag;
	packet->ethernet_type = ethernet_type;
	packet->tunnel_count = tunnel_count;
	decode_raw_ip(packet, cursor_skip(frame, offset), verify_checksums);
	sum_up(packet);
}

static void decode_link(struct packet *packet, struct cursor cursor, bool verify)
{
	switch (packet->frame.link_type) {
	case LINK_TYPE_RAW:
	case LINK_TYPE_RAW_BSD:
	case LINK_TYPE_RAW_OPENBSD:
		decode_raw_ip(packet, cursor, verify);
		break;
	case LINK_TYPE_IPV4:
		decode_ipv4(packet, cursor, verify);
		break;
	case LINK_TYPE_IPV6:
		decode_ipv6(packet, cursor, verify);
		break;
	case LINK_TYPE_NULL:
	case LINK_TYPE_LOOP:
		decode_null_loopback(packet, cursor, verify);
		break;
	case LINK_TYPE_LINUX_COOKED:
		decode_linux_cooked(packet, cursor, verify);
		break;
	case LINK_TYPE_LINUX_COOKED_V2:
		decode_linux_cooked_v2(packet, cursor, verify);
		break;
	case LINK_TYPE_PPP:
	case LINK_TYPE_PPP_HDLC:
		decode_ppp_hdlc(packet, cursor, verify);
		break;
	case LINK_TYPE_PPP_ETHERNET:
		decode_pppoe(packet, cursor, verify);
		break;
	case LINK_TYPE_CISCO_HDLC:
		decode_cisco_hdlc(packet, cursor, verify);
		break;
	default:
		packet_set_event(packet, STELLAR_DECODE_LINK_TYPE_UNSUPPORTED);
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, cursor);
		break;
	}
}

void packet_decode(struct packet *packet, bool verify_checksums)
{
	struct cursor cursor = {packet->frame.data, packet->frame.length, 0};

	packet_reset(packet);
	if (packet->frame.wire_length > packet->frame.length) {
		cursor.missing = packet->frame.wire_length - packet->frame.length;
		packet_set_event(packet, STELLAR_DECODE_CAPTURE_TRUNCATED);
	}

	// Nearly every frame.
	if (packet->frame.link_type == LINK_TYPE_ETHERNET)
		decode_ethernet(packet, cursor, verify_checksums);
	else
		decode_link(packet, cursor, verify_checksums);
	sum_up(packet);
}
