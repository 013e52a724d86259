// SPDX-License-Identifier: Apache-2.0

// Any bytes as a frame of any link type: decoding stays within them, the record of tunnels is that
// of the layers, and what is built in answer is a frame without faults that is never answered
// itself; into a tunnel nothing is built.
//
// Input: a byte that picks the link type, a byte of switches, the frame.

#include "packet/build.h"
#include "packet/decode.h"
#include "packet/icmp_quote.h"
#include "packet/tunnel.h"

#include <stdlib.h>
#include <string.h>

enum {
	PREFIX_SIZE = 2,
	SWITCH_VERIFY = 0x80, // the other bits: bytes that the capture cut off
};

// make_seeds.py reads this list.
static const uint16_t link_types[] = {1,  101, 228, 229, 0,  108, 113, 276,
				      12, 14,  105, 9,	 50, 51,  104};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_is_within(const struct packet *packet, const uint8_t *bytes, size_t length)
{
	size_t offset = (size_t)(bytes - packet->frame.data);
	require(offset <= packet->frame.length && length <= packet->frame.length - offset);
}

static void check_is_sound(const struct packet *packet)
{
	size_t length;

	require(packet->layer_count <= STELLAR_LAYERS_MAX);
	for (size_t position = 0; position < packet->layer_count; position++) {
		const uint8_t *bytes = packet_get_layer_bytes(packet, position, &length);
		check_is_within(packet, bytes, length);
	}
	const uint8_t *payload = packet_get_payload(packet, &length);
	if (payload)
		check_is_within(packet, payload, length);
	require(!packet->has_transport || packet->ip_version != 0);
	require(!packet->is_first_fragment || packet->is_fragment);
}

static void check_tunnels(const struct packet *packet)
{
	struct packet_tunnel tunnel;
	uint16_t vlans[STELLAR_LAYERS_MAX];
	size_t count = packet_get_tunnel_count(packet);

	for (size_t position = 0; position < count; position++) {
		require(packet_get_tunnel(packet, position, &tunnel) == 0);
		require(tunnel.kind < STELLAR_TUNNEL_COUNT && tunnel.depth == position + 1);
		require(tunnel.source.address.version == tunnel.destination.address.version);
		require(tunnel.protocol == 17 ||
			(tunnel.source.port == 0 && tunnel.destination.port == 0));
	}
	require(packet_get_tunnel(packet, count, &tunnel) != 0);
	require(count == 0 || packet->ip_version != 0);
	require(packet_get_vlans(packet, vlans, STELLAR_LAYERS_MAX) <= packet->layer_count);
}

static void check_quote(const struct packet *packet)
{
	struct icmp_quote quote;

	if (icmp_quote_parse(packet, &quote) != 0)
		return;
	require(icmp_quote_is_error(packet));
	require(quote.source.version == packet->ip_version);
	require(quote.destination.version == packet->ip_version);
}

static void check_reply(const struct packet *packet, uint8_t *bytes, int length)
{
	struct packet reply = {.frame = packet->frame};
	uint8_t answer[BUILD_REPLY_MAX];

	require(length >= 0);
	if (length == 0)
		return;
	require(packet_get_tunnel_count(packet) == 0);
	reply.frame.data = bytes;
	reply.frame.length = (uint32_t)length;
	reply.frame.wire_length = (uint32_t)length;
	packet_decode(&reply, true);
	check_is_sound(&reply);
	require(reply.decode_events == 0);
	require(memcmp(&reply.source, &packet->destination, sizeof(reply.source)) == 0);
	require(memcmp(&reply.destination, &packet->source, sizeof(reply.source)) == 0);
	require(build_rst(&reply, answer, sizeof(answer)) == 0);
	// An ICMP error begets none; a RST may, when its receiver's policy says so.
	if (reply.protocol != 6)
		require(build_icmp_prohibited(&reply, answer, sizeof(answer)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t reply[BUILD_REPLY_MAX];
	struct packet packet;

	if (size < PREFIX_SIZE)
		return -1;
	uint32_t length = (uint32_t)(size - PREFIX_SIZE);
	uint8_t *frame = malloc(length > 0 ? length : 1); // of its exact size, for ASan
	require(frame != NULL);
	memcpy(frame, data + PREFIX_SIZE, length);
	memset(&packet, 0xa5, sizeof(packet));
	packet.frame = (struct frame){
		.data = frame,
		.length = length,
		.wire_length = length + (data[1] & (SWITCH_VERIFY - 1)),
		.link_type = link_types[data[0] % (sizeof(link_types) / sizeof(link_types[0]))],
	};

	packet_decode(&packet, (data[1] & SWITCH_VERIFY) != 0);
	check_is_sound(&packet);
	check_tunnels(&packet);
	check_quote(&packet);
	check_reply(&packet, reply, build_rst(&packet, reply, sizeof(reply)));
	check_reply(&packet, reply, build_icmp_prohibited(&packet, reply, sizeof(reply)));
	free(frame);
	return 0;
}
