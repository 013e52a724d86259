// SPDX-License-Identifier: Apache-2.0

// The field registry: names, types, and how each field is read from the current packet.
// <stellar/field.h>. Worker's thread for values, any thread for names.

#include <errno.h>
#include <string.h>

#include <stellar/field.h>

#include "engine/worker.h"
#include "packet/tunnel.h"

int field_lookup(const char *name)
{
	for (int id = 0; id < STELLAR_FIELD_COUNT; id++) {
		if (strcmp(field_get_name(id), name) == 0)
			return id;
	}
	return -ENOENT;
}

const char *field_get_name(int field_id)
{
	static const char *const names[] = {
#define X(name, NAME, type, sentence) name,
		STELLAR_FIELDS(X)
#undef X
	};
	return field_id >= 0 && field_id < STELLAR_FIELD_COUNT ? names[field_id] : NULL;
}

enum stellar_field_type field_get_type(int field_id)
{
	static const uint8_t types[] = {
#define X(name, NAME, type, sentence) STELLAR_FIELD_##type,
		STELLAR_FIELDS(X)
#undef X
	};
	return field_id >= 0 && field_id < STELLAR_FIELD_COUNT ? types[field_id]
							       : STELLAR_FIELD_TYPE_COUNT;
}

static int get_uint(uint64_t u, struct field_value *ret_value)
{
	ret_value->type = STELLAR_FIELD_UINT;
	ret_value->u = u;
	return 0;
}

static int get_address(const struct ip_address *address, struct field_value *ret_value)
{
	ret_value->type = STELLAR_FIELD_ADDRESS;
	ret_value->address = *address;
	return 0;
}

static int get_vlan_id(const struct packet *packet, struct field_value *ret_value)
{
	uint16_t vlan_id = 0;

	packet_get_vlans(packet, &vlan_id, 1);
	return get_uint(vlan_id, ret_value);
}

static bool is_tcp(const struct packet *packet)
{
	return packet->protocol == 6 && packet->has_transport;
}

// Whether the packet has what the field is read from.
static bool packet_has(const struct packet *packet, enum stellar_field field)
{
	switch (field) {
	case STELLAR_FIELD_PACKET_LENGTH:
	case STELLAR_FIELD_PACKET_LAYERS:
		return true;
	case STELLAR_FIELD_ETH_TYPE:
		return packet->ethernet_type != 0;
	case STELLAR_FIELD_VLAN_ID:
		return packet_get_vlans(packet, &(uint16_t){0}, 1) > 0;
	case STELLAR_FIELD_IP_VERSION:
	case STELLAR_FIELD_IP_TTL:
	case STELLAR_FIELD_IP_PROTOCOL:
	case STELLAR_FIELD_IP_SOURCE:
	case STELLAR_FIELD_IP_DESTINATION:
		return packet->ip_version != 0;
	case STELLAR_FIELD_TCP_FLAGS:
	case STELLAR_FIELD_TCP_SEQUENCE:
	case STELLAR_FIELD_TCP_ACKNOWLEDGMENT:
	case STELLAR_FIELD_TCP_WINDOW:
		return is_tcp(packet);
	case STELLAR_FIELD_SOURCE_PORT:
	case STELLAR_FIELD_DESTINATION_PORT:
		return packet->has_transport && (packet->protocol == 6 || packet->protocol == 17);
	case STELLAR_FIELD_ICMP_TYPE:
	case STELLAR_FIELD_ICMP_CODE:
		return packet->has_transport && (packet->protocol == 1 || packet->protocol == 58);
	case STELLAR_FIELD_PAYLOAD:
		return packet->payload_length > 0;
	case STELLAR_FIELD_COUNT:
		break;
	}
	return false;
}

static int get_payload(const struct packet *packet, struct field_value *ret_value)
{
	ret_value->type = STELLAR_FIELD_BYTES;
	ret_value->bytes.data = packet_get_payload(packet, &ret_value->bytes.length);
	return 0;
}

int field_get(const struct session *session, int field_id, struct field_value *ret_value)
{
	const struct packet *packet = session->packet;

	if (field_id < 0 || field_id >= STELLAR_FIELD_COUNT)
		return -EINVAL;
	if (packet == NULL || !packet_has(packet, (enum stellar_field)field_id))
		return -ENOENT;
	switch ((enum stellar_field)field_id) {
	case STELLAR_FIELD_PACKET_LENGTH:
		return get_uint(packet->frame.wire_length, ret_value);
	case STELLAR_FIELD_PACKET_LAYERS:
		return get_uint(packet->layer_count, ret_value);
	case STELLAR_FIELD_ETH_TYPE:
		return get_uint(packet->ethernet_type, ret_value);
	case STELLAR_FIELD_VLAN_ID:
		return get_vlan_id(packet, ret_value);
	case STELLAR_FIELD_IP_VERSION:
		return get_uint(packet->ip_version, ret_value);
	case STELLAR_FIELD_IP_TTL:
		return get_uint(packet->ttl, ret_value);
	case STELLAR_FIELD_IP_PROTOCOL:
		return get_uint(packet->protocol, ret_value);
	case STELLAR_FIELD_IP_SOURCE:
		return get_address(&packet->source, ret_value);
	case STELLAR_FIELD_IP_DESTINATION:
		return get_address(&packet->destination, ret_value);
	case STELLAR_FIELD_TCP_FLAGS:
		return get_uint(packet->tcp.flags, ret_value);
	case STELLAR_FIELD_TCP_SEQUENCE:
		return get_uint(packet->tcp.sequence, ret_value);
	case STELLAR_FIELD_TCP_ACKNOWLEDGMENT:
		return get_uint(packet->tcp.acknowledgment, ret_value);
	case STELLAR_FIELD_TCP_WINDOW:
		return get_uint(packet->tcp.window, ret_value);
	case STELLAR_FIELD_SOURCE_PORT:
		return get_uint(packet->source_port, ret_value);
	case STELLAR_FIELD_DESTINATION_PORT:
		return get_uint(packet->destination_port, ret_value);
	case STELLAR_FIELD_ICMP_TYPE:
		return get_uint(packet->icmp_type, ret_value);
	case STELLAR_FIELD_ICMP_CODE:
		return get_uint(packet->icmp_code, ret_value);
	case STELLAR_FIELD_PAYLOAD:
		return get_payload(packet, ret_value);
	case STELLAR_FIELD_COUNT:
		break;
	}
	return -EINVAL;
}
