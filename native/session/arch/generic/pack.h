// SPDX-License-Identifier: Apache-2.0

// The two words of a session key, any machine.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// port_low, port_high and tag, as they lie in struct session_key.
static inline uint64_t session_pack_ports(uint16_t low, uint16_t high, uint32_t tag)
{
	uint64_t word;
	const uint16_t ports[2] = {low, high};
	memcpy(&word, ports, sizeof(ports));
	memcpy((uint8_t *)&word + sizeof(ports), &tag, sizeof(tag));
	return word;
}

// Two addresses in network order, the first one in the first bytes.
static inline uint64_t session_pack_pair(uint32_t first, uint32_t second)
{
	uint64_t word;
	const uint32_t pair[2] = {first, second};
	memcpy(&word, pair, sizeof(word));
	return word;
}

// tenant 0, protocol, version, source_is_high, and zeros.
static inline uint64_t session_pack_realm(uint8_t protocol, uint8_t version, bool source_is_high)
{
	uint64_t word;
	const uint8_t bytes[8] = {0, 0, protocol, version, source_is_high};
	memcpy(&word, bytes, sizeof(word));
	return word;
}
