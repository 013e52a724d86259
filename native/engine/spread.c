// SPDX-License-Identifier: Apache-2.0

// Chooses home workers; see spread.h.

#include "engine/spread.h"

#include "packet/decode.h"
#include "packet/icmp_quote.h"

struct session_secret spread_secret(const uint64_t hash_seed[2])
{
	// Any constants will do: they only make it another key.
	return (struct session_secret){
		{hash_seed[0] ^ 0x686f6d652d776f72u, hash_seed[1] ^ 0x6b65722d73656372u},
	};
}

uint32_t spread_pair(const struct session_secret *secret, const struct ip_address *first,
		     const struct ip_address *second, uint32_t worker_count)
{
	const struct packet_endpoint source = {.address = *first};
	const struct packet_endpoint destination = {.address = *second};
	struct session_key key;

	session_key_from_endpoints(&source, &destination, 0, 0, 0, &key);
	uint64_t hash = session_key_hash(secret, &key);

	return (uint32_t)((hash >> 32) * worker_count >> 32);
}

uint32_t spread_packet(const struct session_secret *secret, const struct packet *packet,
		       uint32_t worker_count)
{
	if (packet->ip_version == 0 || packet->malformed || packet->checksum_wrong ||
	    packet->is_fragment)
		return SPREAD_NOWHERE;
	struct icmp_quote quote;

	if (icmp_quote_parse(packet, &quote) == 0)
		return spread_pair(secret, &quote.source, &quote.destination, worker_count);
	return spread_pair(secret, &packet->source, &packet->destination, worker_count);
}
