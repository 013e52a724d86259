// SPDX-License-Identifier: Apache-2.0

// The field registry: typed values that the packet layers and protocol decoders publish under a
// dotted name ("ip.ttl", "tls.sni") and plugins read by id. Ids are looked up once, in load.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/packet.h>
#include <stellar/version.h>

struct session;

enum stellar_field_type {
	STELLAR_FIELD_UINT, // u
	STELLAR_FIELD_BYTES, // bytes, no terminator; text fields are UTF-8 only where they say so
	STELLAR_FIELD_ADDRESS, // address
	STELLAR_FIELD_TYPE_COUNT,
};

struct field_value {
	uint8_t type; // enum stellar_field_type
	union {
		uint64_t u;
		struct {
			const uint8_t *data;
			size_t length;
		} bytes;
		struct ip_address address;
	};
};

// X(name, NAME, type, sentence): fields of every packet. Decoders add theirs here as they land.
// clang-format off
#define STELLAR_FIELDS(X) \
	X("packet.length", PACKET_LENGTH, UINT, "bytes on the wire") \
	X("packet.layers", PACKET_LAYERS, UINT, "number of layers") \
	X("eth.type", ETH_TYPE, UINT, "EtherType after VLAN tags") \
	X("vlan.id", VLAN_ID, UINT, "outermost VLAN id") \
	X("ip.version", IP_VERSION, UINT, "4 or 6") \
	X("ip.ttl", IP_TTL, UINT, "TTL or hop limit") \
	X("ip.protocol", IP_PROTOCOL, UINT, "protocol after extension headers") \
	X("ip.source", IP_SOURCE, ADDRESS, "innermost source address") \
	X("ip.destination", IP_DESTINATION, ADDRESS, "innermost destination address") \
	X("tcp.flags", TCP_FLAGS, UINT, "STELLAR_TCP_* flags") \
	X("tcp.sequence", TCP_SEQUENCE, UINT, "sequence number") \
	X("tcp.acknowledgment", TCP_ACKNOWLEDGMENT, UINT, "acknowledgment number") \
	X("tcp.window", TCP_WINDOW, UINT, "window, not scaled") \
	X("transport.source_port", SOURCE_PORT, UINT, "TCP or UDP source port") \
	X("transport.destination_port", DESTINATION_PORT, UINT, "TCP or UDP destination port") \
	X("icmp.type", ICMP_TYPE, UINT, "ICMP or ICMPv6 type") \
	X("icmp.code", ICMP_CODE, UINT, "ICMP or ICMPv6 code") \
	X("payload", PAYLOAD, BYTES, "transport payload of this packet")
// clang-format on

enum stellar_field {
#define X(name, NAME, type, sentence) STELLAR_FIELD_##NAME,
	STELLAR_FIELDS(X)
#undef X
		STELLAR_FIELD_COUNT,
};

// Id of a field by name, or -ENOENT. Any thread.
STELLAR_PUBLIC int field_lookup(const char *name);

// Name and type of a field id; NULL and STELLAR_FIELD_TYPE_COUNT when out of range. Any thread.
STELLAR_PUBLIC const char *field_get_name(int field_id);
STELLAR_PUBLIC enum stellar_field_type field_get_type(int field_id);

// Value of a field for the current event. Bytes are valid during the call. Returns 0; -ENOENT when
// the current packet has no such field or there is no packet; -EINVAL for an unknown id.
// Worker thread, inside a callback.
STELLAR_PUBLIC int field_get(const struct session *session, int field_id,
			     struct field_value *ret_value);
