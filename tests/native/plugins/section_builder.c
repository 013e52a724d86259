// SPDX-License-Identifier: Apache-2.0

#include "section_builder.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define ZONES_ANY UINT64_MAX
#define INSIDE (UINT64_C(1) << 1)
#define OUTSIDE (UINT64_C(1) << 2)

static const char names[] = "inside\0outside\0web\0ping\0telnet\0dns";

void section_poke(struct section_builder *builder, size_t offset, uint64_t number, size_t width)
{
	assert(offset + width <= sizeof(builder->bytes));
	for (size_t i = 0; i < width; i++)
		builder->bytes[offset + i] = (uint8_t)(number >> 8 * i);
}

static void put(struct section_builder *builder, uint64_t number, size_t width)
{
	section_poke(builder, builder->size, number, width);
	builder->size += width;
}

static void put_ipv6(struct section_builder *builder, uint32_t high, uint32_t low_byte)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		put(builder, high >> shift & 0xff, 1);
	for (int i = 0; i < 4; i++)
		put(builder, 0, 1);
	for (int i = 0; i < 8; i++)
		put(builder, low_byte, 1);
}

static uint64_t find_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names); i += strlen(names + i) + 1) {
		if (strcmp(names + i, name) == 0)
			return i;
	}
	assert(false);
	return 0;
}

static void begin(struct section_builder *builder, enum firewall_table table, uint32_t count)
{
	builder->tables[table] = builder->size;
	section_poke(builder, 16 + 4 * (size_t)table, count, 4);
}

static void put_rule(struct section_builder *builder, const char *name, uint32_t action,
		     uint64_t from_zones, uint64_t to_zones, uint32_t destination_set,
		     uint32_t service_set)
{
	put(builder, find_name(name), 4);
	put(builder, action, 4);
	put(builder, from_zones, 8);
	put(builder, to_zones, 8);
	put(builder, FIREWALL_SET_ANY, 4);
	put(builder, destination_set, 4);
	put(builder, service_set, 4);
	put(builder, 0, 4);
}

static void put_service(struct section_builder *builder, uint32_t protocol, uint32_t first,
			uint32_t last)
{
	put(builder, protocol, 4);
	put(builder, first, 2);
	put(builder, last, 2);
}

static void put_zones(struct section_builder *builder)
{
	begin(builder, FIREWALL_TABLE_ZONES, 2);
	put(builder, find_name("inside"), 4);
	put(builder, find_name("outside"), 4);
	begin(builder, FIREWALL_TABLE_INTERFACES, 2);
	put(builder, find_name("inside"), 4);
	put(builder, 1, 4);
	put(builder, find_name("outside"), 4);
	put(builder, 2, 4);
	begin(builder, FIREWALL_TABLE_ZONE_RANGES4, 1);
	put(builder, 0xc0000200, 4);
	put(builder, 0xc00002ff, 4);
	put(builder, 1, 4);
	begin(builder, FIREWALL_TABLE_ZONE_RANGES6, 1);
	put_ipv6(builder, 0x20010db8, 0);
	put_ipv6(builder, 0x20010db8, 0xff);
	put(builder, 1, 4);
}

static void put_sets(struct section_builder *builder)
{
	begin(builder, FIREWALL_TABLE_RANGES4, 2);
	put(builder, 0xc633640a, 4);
	put(builder, 0xc633640a, 4);
	put(builder, 0xc633640c, 4);
	put(builder, 0xc633640c, 4);
	begin(builder, FIREWALL_TABLE_RANGES6, 1);
	put_ipv6(builder, 0x20010db9, 0);
	put_ipv6(builder, 0x20010db9, 0x0f);
	begin(builder, FIREWALL_TABLE_ADDRESS_SETS, 1);
	put(builder, 0, 4);
	put(builder, 2, 4);
	put(builder, 0, 4);
	put(builder, 1, 4);
	begin(builder, FIREWALL_TABLE_SERVICES, 5);
	put_service(builder, 6, 80, 80);
	put_service(builder, 6, 8000, 8080);
	put_service(builder, 1, 8 << 8, 8 << 8 | 255);
	put_service(builder, 6, 23, 23);
	put_service(builder, 17, 53, 53);
	begin(builder, FIREWALL_TABLE_SERVICE_SETS, 4);
	put(builder, 0, 4);
	put(builder, 2, 4);
	for (uint32_t i = 2; i < 5; i++) {
		put(builder, i, 4);
		put(builder, 1, 4);
	}
}

void section_build(struct section_builder *builder)
{
	memset(builder, 0, sizeof(*builder));
	memcpy(builder->bytes, FIREWALL_SECTION_MAGIC, 8);
	section_poke(builder, 12, FIREWALL_SECTION_VERSION, 4);
	section_poke(builder, 60, FIREWALL_DROP, 1);
	section_poke(builder, 62, 2, 1);
	builder->size = FIREWALL_SECTION_HEADER_SIZE;
	put_zones(builder);
	put_sets(builder);
	begin(builder, FIREWALL_TABLE_RULES, 4);
	put_rule(builder, "web", FIREWALL_ALLOW, INSIDE, OUTSIDE, 0, 0);
	put_rule(builder, "ping", FIREWALL_ALLOW, ZONES_ANY, ZONES_ANY, FIREWALL_SET_ANY, 1);
	put_rule(builder, "telnet", FIREWALL_REJECT, INSIDE, ZONES_ANY, FIREWALL_SET_ANY, 2);
	put_rule(builder, "dns", FIREWALL_REJECT, INSIDE, ZONES_ANY, FIREWALL_SET_ANY, 3);
	begin(builder, FIREWALL_TABLE_TEXT, sizeof(names));
	memcpy(builder->bytes + builder->size, names, sizeof(names));
	builder->size += sizeof(names);
	section_poke(builder, 8, builder->size, 4);
}
