// SPDX-License-Identifier: Apache-2.0

// Making keys; key_hash.c hashes them.

#include "session/key.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "pack.h"
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

// Put both endpoints into the key in order. Which order it is means nothing, as long as it is the
// same for both directions. `tie` settles the order of two sides with one address. Sets all of the
// key but the tenant.
static inline void set_v4(const struct ip_address *source, uint16_t source_tie,
			  const struct ip_address *destination, uint16_t destination_tie,
			  uint8_t protocol, uint32_t tag, struct session_key *key)
{
	uint32_t from;
	uint32_t to;
	memcpy(&from, source->bytes, sizeof(from));
	memcpy(&to, destination->bytes, sizeof(to));
	uint64_t a = (uint64_t)from << 16 | source_tie;
	uint64_t b = (uint64_t)to << 16 | destination_tie;
	bool high = a > b;
	uint64_t low_side = high ? b : a;
	uint64_t high_side = high ? a : b;
	key->ports_tag = session_pack_ports((uint16_t)low_side, (uint16_t)high_side, tag);
	key->address[0] =
		session_pack_pair((uint32_t)(low_side >> 16), (uint32_t)(high_side >> 16));
	memset(&key->address[1], 0, 3 * sizeof(key->address[1]));
	key->realm_side = session_pack_realm(protocol, 4, high);
}

static void order_v6(const struct ip_address *source, uint16_t source_tie,
		     const struct ip_address *destination, uint16_t destination_tie,
		     struct session_key *key)
{
	const size_t size = sizeof(source->bytes);
	int order = memcmp(source->bytes, destination->bytes, size);
	bool high = order != 0 ? order > 0 : source_tie > destination_tie;
	memcpy(&key->address[0], high ? destination->bytes : source->bytes, size);
	memcpy(&key->address[2], high ? source->bytes : destination->bytes, size);
	key->port_low = high ? destination_tie : source_tie;
	key->port_high = high ? source_tie : destination_tie;
	key->source_is_high = high;
}

static void set_key(const struct ip_address *source, uint16_t source_tie,
		    const struct ip_address *destination, uint16_t destination_tie, uint8_t version,
		    uint8_t protocol, uint32_t tag, struct session_key *key)
{
	if (version == 4) {
		set_v4(source, source_tie, destination, destination_tie, protocol, tag, key);
	} else {
		memset(key, 0, sizeof(*key));
		key->tag = tag;
		key->protocol = protocol;
		key->version = version;
		order_v6(source, source_tie, destination, destination_tie, key);
	}
}

static inline bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static void set_icmp(const struct packet *packet, struct session_key *key)
{
	bool is_reply = false;
	int request = packet->ip_version == 4 ? request_type_v4(packet->icmp_type, &is_reply)
					      : request_type_v6(packet->icmp_type, &is_reply);
	// The address orders the sides; a host that pings itself has one address, so there it is
	// the kind of message that does.
	set_key(&packet->source, is_reply, &packet->destination, 0, packet->ip_version,
		packet->protocol, packet->tag, key);
	key->is_reply = is_reply;
	if (request >= 0) {
		key->port_low = packet->source_port;
		key->port_high = (uint16_t)(request << 8);
	} else {
		key->port_low = 0;
		key->port_high = (uint16_t)(packet->icmp_type << 8 | packet->icmp_code);
	}
}

static __attribute__((noinline)) int make_any(const struct packet *packet,
					      struct session_key *ret_key)
{
	uint8_t version = packet->ip_version;
	uint8_t protocol = packet->protocol;
	bool ports = has_ports(protocol);
	bool icmp = is_icmp(version, protocol);
	if ((version != 4 && version != 6) || ((ports || icmp) && !packet->has_transport))
		return -ENOENT;
	if (icmp)
		set_icmp(packet, ret_key);
	else
		set_key(&packet->source, ports ? packet->source_port : 0, &packet->destination,
			ports ? packet->destination_port : 0, version, protocol, packet->tag,
			ret_key);
	return 0;
}

// The most common kind by far, without the questions.
static inline __attribute__((always_inline)) int make(const struct packet *packet,
						      struct session_key *ret_key)
{
	if (__builtin_expect(packet->ip_version != 4 || !packet->has_transport ||
				     !has_ports(packet->protocol),
			     false))
		return make_any(packet, ret_key);
	set_v4(&packet->source, packet->source_port, &packet->destination, packet->destination_port,
	       packet->protocol, packet->tag, ret_key);
	return 0;
}

int session_key_from_packet(const struct packet *packet, struct session_key *ret_key)
{
	return make(packet, ret_key);
}

void session_key_from_packets(const struct packet *packets, size_t count,
			      struct session_key *ret_keys, bool *ret_has_key)
{
	for (size_t i = 0; i < count; i++) {
		ret_has_key[i] = make(&packets[i], &ret_keys[i]) == 0;
		if (__builtin_expect(!ret_has_key[i], false))
			memset(&ret_keys[i], 0, sizeof(ret_keys[i]));
	}
}

void session_key_from_endpoints(const struct packet_endpoint *source,
				const struct packet_endpoint *destination, uint8_t protocol,
				uint32_t tag, uint16_t tenant, struct session_key *ret_key)
{
	uint8_t version = source->address.version;
	bool icmp = is_icmp(version, protocol);
	set_key(&source->address, icmp ? 0 : source->port, &destination->address,
		icmp ? 0 : destination->port, version, protocol, tag, ret_key);
	ret_key->tenant = tenant;
	if (icmp) {
		ret_key->port_low = source->port;
		ret_key->port_high = destination->port;
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
