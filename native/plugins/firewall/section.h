// SPDX-License-Identifier: Apache-2.0

// The firewall's section of a compiled policy: what stellar/personality/firewall.py writes and
// this plugin reads. This comment is the format's one description; a test compares the constants
// below with those in Python. Integers are little endian, tables follow the header without gaps in
// the order of its counts. A section that differs in anything is refused.
//
//   0  8  magic "STLRFWL1"
//   8  4  size of the section in bytes
//  12  4  version of this format, FIREWALL_SECTION_VERSION
//  16  4  zones               4 each: name
//  20  4  interfaces          8 each: name, zone id
//  24  4  zone ranges IPv4   12 each: first, last, zone id
//  28  4  zone ranges IPv6   36 each: first[16], last[16], zone id
//  32  4  ranges IPv4         8 each: first, last
//  36  4  ranges IPv6        32 each: first[16], last[16]
//  40  4  address sets       16 each: first range and count of IPv4, then of IPv6
//  44  4  services            8 each: u8 protocol, u8[3] zero, u16 first port, u16 last port
//  48  4  service sets        8 each: first service, count
//  52  4  rules              40 each: name, action, u64 from zones, u64 to zones, source set,
//                                     destination set, service set, u32 zero
//  56  4  text: bytes of NUL-terminated names, the last table; a name is an offset into it
//  60  1  default action
//  61  1  on_reload: 0, keep
//  62  1  fallback zone: of addresses in no zone range; 0: none
//  63  1  zero
//
// Zone ids count from 1; 0 is no zone. Zones of a rule are a set of bits, bit i for zone i, all
// ones for any (no zone included). An address as one number: IPv4 as u32, IPv6 as 16 bytes, most
// significant first. Ranges of one set, and zone ranges, are in ascending order and do not touch
// each other: the compiler has merged them, and settled the longest prefix. Services of one set are
// ordered by protocol and port. Ports are the responder's; with ICMP type << 8 | code; protocols
// without ports have 0. Set FIREWALL_SET_ANY matches everything. Rules are ordered, the first is
// rule 1.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FIREWALL_SECTION_MAGIC "STLRFWL1"
#define FIREWALL_SECTION_VERSION 1u
#define FIREWALL_SECTION_HEADER_SIZE 64u
#define FIREWALL_SET_ANY UINT32_MAX
#define FIREWALL_ZONES_MAX 63u
#define FIREWALL_RULES_MAX 100000u
#define FIREWALL_NAME_MAX 63u

// X(name, NAME): what a rule asks for.
// clang-format off
#define FIREWALL_ACTIONS(X) \
	X(allow, ALLOW) \
	X(drop, DROP) \
	X(reject, REJECT)

// X(name, NAME, size of one entry): the tables, in their order.
#define FIREWALL_TABLES(X) \
	X(zones, ZONES, 4) \
	X(interfaces, INTERFACES, 8) \
	X(zone_ranges4, ZONE_RANGES4, 12) \
	X(zone_ranges6, ZONE_RANGES6, 36) \
	X(ranges4, RANGES4, 8) \
	X(ranges6, RANGES6, 32) \
	X(address_sets, ADDRESS_SETS, 16) \
	X(services, SERVICES, 8) \
	X(service_sets, SERVICE_SETS, 8) \
	X(rules, RULES, 40) \
	X(text, TEXT, 1)
// clang-format on

enum firewall_action {
#define X(name, NAME) FIREWALL_##NAME,
	FIREWALL_ACTIONS(X)
#undef X
		FIREWALL_ACTION_COUNT,
};

enum firewall_table {
#define X(name, NAME, size) FIREWALL_TABLE_##NAME,
	FIREWALL_TABLES(X)
#undef X
		FIREWALL_TABLE_COUNT,
};

// A checked section; borrows the bytes it was parsed from.
struct firewall_section {
	const uint8_t *tables[FIREWALL_TABLE_COUNT];
	uint32_t counts[FIREWALL_TABLE_COUNT];
	uint8_t default_action; // enum firewall_action
	uint8_t fallback_zone;
};

// Addresses as numbers; IPv4 has high 0.
struct address_number {
	uint64_t high;
	uint64_t low;
};

struct address_range {
	struct address_number first;
	struct address_number last;
	uint32_t zone_id; // of zone ranges, else 0
};

struct address_set {
	uint32_t first4;
	uint32_t count4;
	uint32_t first6;
	uint32_t count6;
};

struct service_range {
	uint8_t protocol;
	uint16_t first_port;
	uint16_t last_port;
};

struct service_set {
	uint32_t first;
	uint32_t count;
};

struct firewall_rule {
	const char *name;
	uint32_t action; // enum firewall_action
	uint64_t from_zones;
	uint64_t to_zones;
	uint32_t source_set;
	uint32_t destination_set;
	uint32_t service_set;
};

// Check every byte of a section that may be hostile. Returns 0 and the view, or -EINVAL with one
// line in error. The readers below need no checks afterwards; positions are below the counts.
int section_parse(const void *bytes, size_t size, struct firewall_section *ret_section, char *error,
		  size_t error_size);

const char *section_get_zone(const struct firewall_section *section, uint32_t position);
const char *section_get_interface(const struct firewall_section *section, uint32_t position,
				  uint32_t *ret_zone_id);
// table: ZONE_RANGES4, ZONE_RANGES6, RANGES4 or RANGES6.
struct address_range section_get_range(const struct firewall_section *section,
				       enum firewall_table table, uint32_t position);
struct address_set section_get_address_set(const struct firewall_section *section,
					   uint32_t position);
struct service_range section_get_service(const struct firewall_section *section, uint32_t position);
struct service_set section_get_service_set(const struct firewall_section *section,
					   uint32_t position);
struct firewall_rule section_get_rule(const struct firewall_section *section, uint32_t position);
