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

uint16_t packet_get_tcp_window(const struct packet *packet)
{
	return packet->protocol == 6 && packet->has_transport ? packet->tcp.window : 0;
}

// RFC 9293 3.1: kind, length of the whole option, content; 0 ends the list, 1 stands alone.
static const uint8_t *find_option(const uint8_t *options, size_t size, uint8_t kind,
				  size_t *ret_length)
{
	size_t at = 0;
	while (at < size && options[at] != 0) {
		if (options[at] == 1) {
			at++;
			continue;
		}
		size_t length = size - at >= 2 ? options[at + 1] : 0;
		if (length < 2 || length > size - at)
			return NULL;
		if (options[at] == kind) {
			*ret_length = length - 2;
			return options + at + 2;
		}
		at += length;
	}
	return NULL;
}

const uint8_t *packet_get_tcp_option(const struct packet *packet, uint8_t kind, size_t *ret_length)
{
	const uint32_t fixed = 20;
	size_t length = 0;
	const uint8_t *content = NULL;
	if (packet->protocol == 6 && packet->has_transport && kind > 1 &&
	    packet->tcp.header_length > fixed &&
	    packet->transport_offset + fixed <= packet->frame.length) {
		size_t size = packet->tcp.header_length - fixed;
		size_t there = packet->frame.length - packet->transport_offset - fixed;
		content = find_option(packet->frame.data + packet->transport_offset + fixed,
				      size < there ? size : there, kind, &length);
	}
	if (ret_length != NULL)
		*ret_length = length;
	return content;
}

uint8_t packet_get_ttl(const struct packet *packet)
{
	return packet->ip_version != 0 ? packet->ttl : 0;
}

uint8_t packet_get_ecn(const struct packet *packet)
{
	if (packet->ip_version == 0 || packet->network_offset == PACKET_NO_OFFSET ||
	    (uint64_t)packet->network_offset + 2 > packet->frame.length)
		return 0;
	uint8_t byte = packet->frame.data[packet->network_offset + 1];
	return packet->ip_version == 4 ? byte & 3u : byte >> 4 & 3u;
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
