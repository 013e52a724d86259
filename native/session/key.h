// SPDX-License-Identifier: Apache-2.0

// What identifies a session, and its keyed hash.
//
// The two endpoints are put in a fixed order ("low" before "high"), so that both directions of a
// session give the same key; which of them sent the packet at hand is kept beside the key and is
// not part of it. For TCP and UDP an endpoint is address and port. ICMP has no ports: the low field
// is the identifier of a query (0 for other messages) and the high one is type << 8 | code, where a
// reply counts as the request it answers and a query's code as 0, so that a reply meets its
// request. ICMP errors are sessions of their own here (native/engine/icmp_stage.h looks further).
// Other protocols have ports 0.
//
// The hash is SipHash-1-3 (Aumasson, Bernstein 2012) under a 128-bit secret, so that a sender
// cannot aim collisions. session_key_hash_burst gives exactly what session_key_hash gives.
//
// Pure functions, any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/packet.h>

struct packet;

struct session_key {
	union {
		struct {
			uint16_t port_low; // host order
			uint16_t port_high;
			uint32_t tag; // see session_get_tag
		};
		uint64_t ports_tag;
	};
	// IPv4: [0] holds both addresses, low in its first four bytes, the rest is zero.
	// IPv6: [0..1] low, [2..3] high. Network byte order.
	uint64_t address[4];
	union {
		struct {
			union {
				struct {
					uint16_t tenant;
					uint8_t protocol;
					uint8_t version; // 4 or 6; 0 never matches
				};
				uint32_t realm;
			};
			uint8_t source_is_high; // of the packet behind it; not compared, not hashed
			uint8_t is_reply; // ICMP: the packet is a reply; not compared, not hashed
			uint8_t reserved[2];
		};
		uint64_t realm_side;
	};
};

struct session_secret {
	uint64_t word[2];
};

// Returns 0; -ENOENT when the packet is not IP, or its TCP, UDP or ICMP header was not decoded
// (a later fragment): no session can be told from it.
int session_key_from_packet(const struct packet *packet, struct session_key *ret_key);

// The same for the packets of a burst; ret_has_key[i] tells whether there is one. A key that is not
// there is zeroed: it matches nothing.
void session_key_from_packets(const struct packet *packets, size_t count,
			      struct session_key *ret_keys, bool *ret_has_key);

// Key of a session between two endpoints (host order ports), source first. Both addresses have the
// same version. For ICMP pass the two key fields as ports, they are not ordered.
void session_key_from_endpoints(const struct packet_endpoint *source,
				const struct packet_endpoint *destination, uint8_t protocol,
				uint32_t tag, uint16_t tenant, struct session_key *ret_key);

// Address of the low or the high side.
void session_key_get_address(const struct session_key *key, bool high,
			     struct ip_address *ret_address);

// type << 8 | code of the first packet of an ICMP session, from the key of that packet. The code of
// a query is not kept: a reply's need not be that of its request.
uint16_t session_key_get_icmp_first(const struct session_key *key);

bool session_key_is_equal(const struct session_key *a, const struct session_key *b);

uint64_t session_key_hash(const struct session_secret *secret, const struct session_key *key);

void session_key_hash_burst(const struct session_secret *secret, const struct session_key *keys,
			    size_t count, uint64_t *ret_hashes);
