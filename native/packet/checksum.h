// SPDX-License-Identifier: Apache-2.0

// Internet checksum (RFC 1071) and its incremental update (RFC 1624, eqn. 3).
#pragma once

#include <stddef.h>
#include <stdint.h>

// One's complement sum of data, not inverted, to be folded with checksum_fold. An odd last byte is
// padded with zero. initial lets sums be chained; all but the last piece have even length.
uint64_t checksum_partial(const uint8_t *data, size_t length, uint64_t initial);

// Fold to 16 bits and invert: the value for the wire, as a host integer of the big-endian field.
uint16_t checksum_fold(uint64_t sum);

// Sum of the pseudo header of TCP, UDP (RFC 793, 768) or ICMPv6 (RFC 8200 8.1). Addresses are 4 or
// 16 bytes in network order.
uint64_t checksum_pseudo(const uint8_t *source, const uint8_t *destination, size_t address_length,
			 uint8_t protocol, uint32_t length);

// New checksum field after a 16-bit big-endian word of what it covers changed.
uint16_t checksum_update(uint16_t checksum, uint16_t old_word, uint16_t new_word);
