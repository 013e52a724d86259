// SPDX-License-Identifier: Apache-2.0

// The public accessors of <stellar/packet.h>, and the names of layers and decode events.

#include "packet/decode.h"

#include <stellar/engine.h>

#include <errno.h>

const uint8_t *packet_get_raw(const struct packet *packet, size_t *ret_length)
{
	if (ret_length)
		*ret_length = packet->frame.length;
	return packet->frame.data;
}

uint32_t packet_get_wire_length(const struct packet *packet)
{
	return packet->frame.wire_length;
}

bool packet_is_reassembled(const struct packet *packet)
{
	return packet->is_reassembled;
}

uint64_t packet_get_time_ns(const struct packet *packet)
{
	return packet->frame.time_ns;
}

uint16_t packet_get_ingress_id(const struct packet *packet)
{
	return packet->ingress_id;
}

uint16_t packet_get_egress_id(const struct packet *packet)
{
	return packet->egress_id;
}

size_t packet_get_layer_count(const struct packet *packet)
{
	return packet->layer_count;
}

enum stellar_layer packet_get_layer(const struct packet *packet, size_t position)
{
	if (position >= packet->layer_count)
		return STELLAR_LAYER_UNKNOWN;
	return (enum stellar_layer)packet->layers[position].type;
}

const uint8_t *packet_get_layer_bytes(const struct packet *packet, size_t position,
				      size_t *ret_length)
{
	if (position >= packet->layer_count)
		return NULL;
	const struct packet_layer *layer = &packet->layers[position];
	bool is_payload =
		layer->type == STELLAR_LAYER_PAYLOAD || layer->type == STELLAR_LAYER_UNKNOWN;
	uint32_t payload_end = packet->payload_offset + packet->payload_length;
	if (ret_length)
		*ret_length = is_payload ? payload_end - layer->offset : layer->header_length;
	return packet->frame.data + layer->offset;
}

uint64_t packet_get_decode_events(const struct packet *packet)
{
	return packet->decode_events;
}

uint8_t packet_get_ip_version(const struct packet *packet)
{
	return packet->ip_version;
}

uint8_t packet_get_protocol(const struct packet *packet)
{
	return packet->protocol;
}

int packet_get_source(const struct packet *packet, struct packet_endpoint *ret_endpoint)
{
	if (packet->ip_version == 0)
		return -ENOENT;
	*ret_endpoint = (struct packet_endpoint){packet->source, packet->source_port};
	return 0;
}

int packet_get_destination(const struct packet *packet, struct packet_endpoint *ret_endpoint)
{
	if (packet->ip_version == 0)
		return -ENOENT;
	*ret_endpoint = (struct packet_endpoint){packet->destination, packet->destination_port};
	return 0;
}

uint8_t packet_get_tcp_flags(const struct packet *packet)
{
	return packet->protocol == 6 && packet->has_transport ? packet->tcp.flags : 0;
}

const uint8_t *packet_get_payload(const struct packet *packet, size_t *ret_length)
{
	if (ret_length)
		*ret_length = packet->payload_length;
	return packet->payload_length > 0 ? packet->frame.data + packet->payload_offset : NULL;
}

uint32_t packet_get_group_id(const struct packet *packet)
{
	return packet->verdict.rate_limit_group;
}

const struct verdict *packet_get_verdict(const struct packet *packet)
{
	return &packet->verdict;
}

const char *stellar_layer_name(uint32_t layer)
{
	static const char *const names[] = {
#define X(name, NAME) #name,
		STELLAR_LAYERS(X)
#undef X
	};
	return layer < STELLAR_LAYER_COUNT ? names[layer] : NULL;
}

const char *stellar_decode_event_name(uint32_t event)
{
	static const char *const names[] = {
#define X(name, NAME, severity, sentence) #name,
		STELLAR_DECODE_EVENTS(X)
#undef X
	};
	return event < STELLAR_DECODE_EVENT_COUNT ? names[event] : NULL;
}

bool stellar_decode_event_is_malformed(uint32_t event)
{
	static const bool is_malformed[] = {
#define X(name, NAME, severity, sentence) (severity) == 1,
		STELLAR_DECODE_EVENTS(X)
#undef X
	};
	return event < STELLAR_DECODE_EVENT_COUNT && is_malformed[event];
}
