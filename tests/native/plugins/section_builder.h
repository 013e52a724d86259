// SPDX-License-Identifier: Apache-2.0

// Writes firewall sections for tests, good ones and broken ones.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "section.h"

// The policy of the tests:
//
//   zone 1 inside   interface "inside", 192.0.2.0/24 and 2001:db8::/64
//   zone 2 outside  interface "outside"; the fallback zone
//   rule 1 web      inside -> outside, to 198.51.100.10 or .12, tcp 80 or 8000-8080: allow
//   rule 2 ping     any -> any, icmp type 8: allow
//   rule 3 telnet   inside -> any, tcp 23: reject
//   rule 4 dns      inside -> any, udp 53: reject
//   default         drop
struct section_builder {
	uint8_t bytes[4096];
	size_t size;
	size_t tables[FIREWALL_TABLE_COUNT]; // offset of each table
};

void section_build(struct section_builder *builder);

// Overwrite a little-endian number of 1, 2, 4 or 8 bytes.
void section_poke(struct section_builder *builder, size_t offset, uint64_t number, size_t width);
