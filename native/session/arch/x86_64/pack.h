// SPDX-License-Identifier: Apache-2.0

// The two words of a session key made in registers; little-endian machines.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// port_low, port_high and tag, as they lie in struct session_key.
static inline uint64_t session_pack_ports(uint16_t low, uint16_t high, uint32_t tag)
{
	return (uint64_t)tag << 32 | (uint64_t)high << 16 | low;
}

// Two addresses in network order, the first one in the first bytes.
static inline uint64_t session_pack_pair(uint32_t first, uint32_t second)
{
	return (uint64_t)second << 32 | first;
}

// tenant 0, protocol, version, source_is_high, and zeros.
static inline uint64_t session_pack_realm(uint8_t protocol, uint8_t version, bool source_is_high)
{
	return (uint64_t)source_is_high << 32 | (uint64_t)version << 24 | (uint64_t)protocol << 16;
}
