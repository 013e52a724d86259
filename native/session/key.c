// SPDX-License-Identifier: Apache-2.0

// Making keys; key_hash.c hashes them.

#include "session/key.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "packet/decode.h"

// The request an ICMP query message belongs to, or -1 for what is no query.
static int request_type_v4(uint8_t type, bool *ret_is_reply)
{
	switch (type) {
	case ICMP_ECHO:
	case ICMP_TIMESTAMP:
	case ICMP_INFO_REQUEST:
	case ICMP_ADDRESS:
		return type;
	case ICMP_ECHOREPLY:
		*ret_is_reply = true;
		return ICMP_ECHO;
	case ICMP_TIMESTAMPREPLY:
	case ICMP_INFO_REPLY:
	case ICMP_ADDRESSREPLY:
		*ret_is_reply = true;
		return type - 1;
	default:
		return -1;
	}
}

static int request_type_v6(uint8_t type, bool *ret_is_reply)
{
	if (type == ICMP6_ECHO_REPLY)
		*ret_is_reply = true;
	return type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY ? ICMP6_ECHO_REQUEST : -1;
}

static bool is_icmp(uint8_t version, uint8_t protocol)
{
	return protocol == (version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

// Put both addresses into the key in order. Returns whether the source is the high one; ties are
// settled by `tie`.
static bool order_addresses(const struct ip_address *source, const struct ip_address *destination,
			    int tie, struct session_key *key)
{
	size_t size = source->version == 4 ? 4 : 16;
	int order = memcmp(source->bytes, destination->bytes, size);
	if (order == 0)
		order = tie;
	uint8_t *bytes = (uint8_t *)key->address;
	memset(key->address, 0, sizeof(key->address));
	memcpy(bytes, order > 0 ? destination->bytes : source->bytes, size);
	memcpy(bytes + size, order > 0 ? source->bytes : destination->bytes, size);
	return order > 0;
}

static void set_realm(struct session_key *key, uint8_t version, uint8_t protocol, uint32_t tag,
		      uint16_t tenant)
{
	key->tag = tag;
	key->tenant = tenant;
	key->protocol = protocol;
	key->version = version;
	key->is_reply = 0;
	memset(key->reserved, 0, sizeof(key->reserved));
}

static void order_endpoints(const struct ip_address *source, uint16_t source_port,
			    const struct ip_address *destination, uint16_t destination_port,
			    struct session_key *key)
{
	bool high =
		order_addresses(source, destination, (int)source_port - (int)destination_port, key);
	key->source_is_high = high;
	key->port_low = high ? destination_port : source_port;
	key->port_high = high ? source_port : destination_port;
}

static void set_icmp(const struct packet *packet, struct session_key *key)
{
	bool is_reply = false;
	int request = packet->ip_version == 4 ? request_type_v4(packet->icmp_type, &is_reply)
					      : request_type_v6(packet->icmp_type, &is_reply);
	// The address orders the sides; a host that pings itself has one address, so there it is
	// the kind of message that does.
	key->source_is_high =
		order_addresses(&packet->source, &packet->destination, is_reply ? 1 : 0, key);
	key->is_reply = is_reply;
	if (request >= 0) {
		key->port_low = packet->source_port;
		key->port_high = (uint16_t)(request << 8);
	} else {
		key->port_low = 0;
		key->port_high = (uint16_t)(packet->icmp_type << 8 | packet->icmp_code);
	}
}

int session_key_from_packet(const struct packet *packet, struct session_key *ret_key)
{
	uint8_t version = packet->ip_version;
	uint8_t protocol = packet->protocol;
	bool has_ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
	bool icmp = is_icmp(version, protocol);
	if ((version != 4 && version != 6) || ((has_ports || icmp) && !packet->has_transport))
		return -ENOENT;
	set_realm(ret_key, version, protocol, packet->tag, 0);
	if (icmp)
		set_icmp(packet, ret_key);
	else
		order_endpoints(&packet->source, has_ports ? packet->source_port : 0,
				&packet->destination, has_ports ? packet->destination_port : 0,
				ret_key);
	return 0;
}

void session_key_from_endpoints(const struct packet_endpoint *source,
				const struct packet_endpoint *destination, uint8_t protocol,
				uint32_t tag, uint16_t tenant, struct session_key *ret_key)
{
	uint8_t version = source->address.version;
	set_realm(ret_key, version, protocol, tag, tenant);
	if (is_icmp(version, protocol)) {
		ret_key->source_is_high =
			order_addresses(&source->address, &destination->address, 0, ret_key);
		ret_key->port_low = source->port;
		ret_key->port_high = destination->port;
	} else {
		order_endpoints(&source->address, source->port, &destination->address,
				destination->port, ret_key);
	}
}

void session_key_get_address(const struct session_key *key, bool high,
			     struct ip_address *ret_address)
{
	size_t size = key->version == 4 ? 4 : 16;
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->version = key->version;
	memcpy(ret_address->bytes, (const uint8_t *)key->address + (high ? size : 0), size);
}

uint16_t session_key_get_icmp_first(const struct session_key *key)
{
	if (!key->is_reply)
		return key->port_high;
	if (key->version == 6)
		return ICMP6_ECHO_REPLY << 8;
	uint8_t request = (uint8_t)(key->port_high >> 8);
	return (uint16_t)((request == ICMP_ECHO ? ICMP_ECHOREPLY : request + 1) << 8);
}

bool session_key_is_equal(const struct session_key *a, const struct session_key *b)
{
	return a->ports_tag == b->ports_tag && a->realm == b->realm &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}
