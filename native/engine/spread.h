// SPDX-License-Identifier: Apache-2.0

// Which worker judges a packet: its home. Chosen by a keyed hash of the unordered pair of innermost
// addresses, so that both directions of a session, all sessions between two hosts and what they
// expect (FTP data) meet on one worker, however they are wrapped and whoever received them. An ICMP
// error goes where the packet went that it quotes. The
// secret comes from the engine's seed: nobody who does not know it can aim at one worker. The same
// seed and number of workers give the same homes after a restart.
//
// What belongs to no session (not IP, malformed, a wrong checksum, a lone fragment) has no home:
// who received it judges it. Pure functions, any thread.
#pragma once

#include <stdint.h>

#include <stellar/packet.h>

#include "session/key.h"

struct packet;

#define SPREAD_NOWHERE UINT32_MAX

// The secret for homes, from the seed of the engine. It is another one than the session table's:
// sessions of one home must not share bits of their hash.
struct session_secret spread_secret(const uint64_t hash_seed[2]);

// The home of a pair of addresses of one version, in either order: 0 to worker_count - 1.
uint32_t spread_pair(const struct session_secret *secret, const struct ip_address *first,
		     const struct ip_address *second, uint32_t worker_count);

// The home of a decoded packet, or SPREAD_NOWHERE.
uint32_t spread_packet(const struct session_secret *secret, const struct packet *packet,
		       uint32_t worker_count);
