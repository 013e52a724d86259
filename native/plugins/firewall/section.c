// SPDX-License-Identifier: Apache-2.0

// Reads a section of a compiled policy. The bytes may be hostile: section_parse looks at every one
// before any reader is used, and nothing is kept but pointers into them. Control thread.

#include "section.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const uint32_t entry_sizes[] = {
#define X(name, NAME, size) size,
	FIREWALL_TABLES(X)
#undef X
};

static uint16_t load16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t load32(const uint8_t *bytes)
{
	return load16(bytes) | (uint32_t)load16(bytes + 2) << 16;
}

static uint64_t load64(const uint8_t *bytes)
{
	return load32(bytes) | (uint64_t)load32(bytes + 4) << 32;
}

static uint64_t load64_big_endian(const uint8_t *bytes)
{
	uint64_t number = 0;

	for (size_t i = 0; i < 8; i++)
		number = number << 8 | bytes[i];
	return number;
}

static const uint8_t *get_entry(const struct firewall_section *section, enum firewall_table table,
				uint32_t position)
{
	return section->tables[table] + (size_t)position * entry_sizes[table];
}

static const char *get_name(const struct firewall_section *section, const uint8_t *entry)
{
	return (const char *)section->tables[FIREWALL_TABLE_TEXT] + load32(entry);
}

const char *section_get_zone(const struct firewall_section *section, uint32_t position)
{
	return get_name(section, get_entry(section, FIREWALL_TABLE_ZONES, position));
}

const char *section_get_interface(const struct firewall_section *section, uint32_t position,
				  uint32_t *ret_zone_id)
{
	const uint8_t *entry = get_entry(section, FIREWALL_TABLE_INTERFACES, position);

	*ret_zone_id = load32(entry + 4);
	return get_name(section, entry);
}

struct address_range section_get_range(const struct firewall_section *section,
				       enum firewall_table table, uint32_t position)
{
	const uint8_t *entry = get_entry(section, table, position);
	struct address_range range = {0};

	if (table == FIREWALL_TABLE_ZONE_RANGES4 || table == FIREWALL_TABLE_RANGES4) {
		range.first.low = load32(entry);
		range.last.low = load32(entry + 4);
	} else {
		range.first.high = load64_big_endian(entry);
		range.first.low = load64_big_endian(entry + 8);
		range.last.high = load64_big_endian(entry + 16);
		range.last.low = load64_big_endian(entry + 24);
	}
	if (table == FIREWALL_TABLE_ZONE_RANGES4)
		range.zone_id = load32(entry + 8);
	else if (table == FIREWALL_TABLE_ZONE_RANGES6)
		range.zone_id = load32(entry + 32);
	return range;
}

struct address_set section_get_address_set(const struct firewall_section *section,
					   uint32_t position)
{
	const uint8_t *entry = get_entry(section, FIREWALL_TABLE_ADDRESS_SETS, position);

	return (struct address_set){
		.first4 = load32(entry),
		.count4 = load32(entry + 4),
		.first6 = load32(entry + 8),
		.count6 = load32(entry + 12),
	};
}

struct service_range section_get_service(const struct firewall_section *section, uint32_t position)
{
	const uint8_t *entry = get_entry(section, FIREWALL_TABLE_SERVICES, position);

	return (struct service_range){
		.protocol = entry[0],
		.first_port = load16(entry + 4),
		.last_port = load16(entry + 6),
	};
}

struct service_set section_get_service_set(const struct firewall_section *section,
					   uint32_t position)
{
	const uint8_t *entry = get_entry(section, FIREWALL_TABLE_SERVICE_SETS, position);

	return (struct service_set){.first = load32(entry), .count = load32(entry + 4)};
}

struct firewall_rule section_get_rule(const struct firewall_section *section, uint32_t position)
{
	const uint8_t *entry = get_entry(section, FIREWALL_TABLE_RULES, position);

	return (struct firewall_rule){
		.name = get_name(section, entry),
		.action = load32(entry + 4),
		.from_zones = load64(entry + 8),
		.to_zones = load64(entry + 16),
		.source_set = load32(entry + 24),
		.destination_set = load32(entry + 28),
		.service_set = load32(entry + 32),
	};
}

// What a check needs to say what is wrong.
struct complaint {
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct complaint *complaint,
							const char *format, ...)
{
	char line[160];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (complaint->error_size)
		snprintf(complaint->error, complaint->error_size, "firewall section: %s", line);
	return -EINVAL;
}

static bool is_before(const struct address_number *left, const struct address_number *right)
{
	return left->high != right->high ? left->high < right->high : left->low < right->low;
}

// Names are what the compiler lets through, and end inside of the text.
static bool is_name(const struct firewall_section *section, uint32_t offset)
{
	const uint8_t *text = section->tables[FIREWALL_TABLE_TEXT];
	uint32_t size = section->counts[FIREWALL_TABLE_TEXT];
	uint32_t length = 0;

	while (offset < size && length < size - offset && length <= FIREWALL_NAME_MAX &&
	       text[offset + length]) {
		uint8_t byte = text[offset + length];
		bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
		bool is_digit = byte >= '0' && byte <= '9';

		if (!is_letter && !is_digit && byte != '-' && byte != '_' && byte != '.')
			return false;
		length++;
	}
	return offset < size && length < size - offset && length > 0 && length <= FIREWALL_NAME_MAX;
}

static bool is_zone(const struct firewall_section *section, uint32_t zone_id)
{
	return zone_id > 0 && zone_id <= section->counts[FIREWALL_TABLE_ZONES];
}

// count entries from first: ordered, and none touches the next.
static bool are_ranges(const struct firewall_section *section, enum firewall_table table,
		       uint32_t first, uint32_t count)
{
	struct address_range before = {0};

	for (uint32_t i = 0; i < count; i++) {
		struct address_range range = section_get_range(section, table, first + i);

		if (is_before(&range.last, &range.first))
			return false;
		if (i > 0 && !is_before(&before.last, &range.first))
			return false;
		before = range;
	}
	return true;
}

static bool is_slice(const struct firewall_section *section, enum firewall_table table,
		     uint32_t first, uint32_t count)
{
	return (uint64_t)first + count <= section->counts[table];
}

static int check_zones(const struct firewall_section *section, const struct complaint *complaint)
{
	static const enum firewall_table tables[] = {FIREWALL_TABLE_ZONE_RANGES4,
						     FIREWALL_TABLE_ZONE_RANGES6};

	if (section->counts[FIREWALL_TABLE_ZONES] > FIREWALL_ZONES_MAX)
		return refuse(complaint, "more than %u zones", FIREWALL_ZONES_MAX);
	if (section->fallback_zone && !is_zone(section, section->fallback_zone))
		return refuse(complaint, "the fallback zone does not exist");
	for (uint32_t i = 0; i < section->counts[FIREWALL_TABLE_ZONES]; i++) {
		if (!is_name(section, load32(get_entry(section, FIREWALL_TABLE_ZONES, i))))
			return refuse(complaint, "zone %u has no valid name", i + 1);
	}
	for (uint32_t i = 0; i < section->counts[FIREWALL_TABLE_INTERFACES]; i++) {
		const uint8_t *entry = get_entry(section, FIREWALL_TABLE_INTERFACES, i);

		if (!is_name(section, load32(entry)) || !is_zone(section, load32(entry + 4)))
			return refuse(complaint, "interface %u has no valid name or zone", i + 1);
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		uint32_t count = section->counts[tables[i]];

		if (!are_ranges(section, tables[i], 0, count))
			return refuse(complaint, "zone ranges are not in order");
		for (uint32_t j = 0; j < count; j++) {
			if (!is_zone(section, section_get_range(section, tables[i], j).zone_id))
				return refuse(complaint, "zone range %u has no valid zone", j + 1);
		}
	}
	return 0;
}

// Sets may share slices, so the work is bounded here: a slice is looked at once for each set that
// has it, and together they may be no longer than what an honest compiler makes.
static int check_sets(const struct firewall_section *section, const struct complaint *complaint)
{
	uint64_t budget = UINT64_C(4) * FIREWALL_RULES_MAX * 64;

	for (uint32_t i = 0; i < section->counts[FIREWALL_TABLE_ADDRESS_SETS]; i++) {
		struct address_set set = section_get_address_set(section, i);
		uint64_t work = (uint64_t)set.count4 + set.count6;

		if (!is_slice(section, FIREWALL_TABLE_RANGES4, set.first4, set.count4) ||
		    !is_slice(section, FIREWALL_TABLE_RANGES6, set.first6, set.count6))
			return refuse(complaint, "address set %u runs past its table", i);
		if (work > budget)
			return refuse(complaint, "address sets are too large");
		budget -= work;
		if (!are_ranges(section, FIREWALL_TABLE_RANGES4, set.first4, set.count4) ||
		    !are_ranges(section, FIREWALL_TABLE_RANGES6, set.first6, set.count6))
			return refuse(complaint, "address set %u is not in order", i);
	}
	for (uint32_t i = 0; i < section->counts[FIREWALL_TABLE_SERVICES]; i++) {
		struct service_range service = section_get_service(section, i);

		if (service.first_port > service.last_port)
			return refuse(complaint, "service %u ends before it begins", i);
	}
	for (uint32_t i = 0; i < section->counts[FIREWALL_TABLE_SERVICE_SETS]; i++) {
		struct service_set set = section_get_service_set(section, i);

		if (!is_slice(section, FIREWALL_TABLE_SERVICES, set.first, set.count))
			return refuse(complaint, "service set %u runs past its table", i);
	}
	return 0;
}

static int check_rules(const struct firewall_section *section, const struct complaint *complaint)
{
	uint32_t address_set_count = section->counts[FIREWALL_TABLE_ADDRESS_SETS];
	uint32_t service_set_count = section->counts[FIREWALL_TABLE_SERVICE_SETS];

	if (section->counts[FIREWALL_TABLE_RULES] > FIREWALL_RULES_MAX)
		return refuse(complaint, "more than %u rules", FIREWALL_RULES_MAX);
	for (uint32_t i = 0; i < section->counts[FIREWALL_TABLE_RULES]; i++) {
		const uint8_t *entry = get_entry(section, FIREWALL_TABLE_RULES, i);
		struct firewall_rule rule;

		if (!is_name(section, load32(entry)))
			return refuse(complaint, "rule %u has no valid name", i + 1);
		rule = section_get_rule(section, i);
		if (rule.action >= FIREWALL_ACTION_COUNT)
			return refuse(complaint, "rule %u has no valid action", i + 1);
		if ((rule.source_set != FIREWALL_SET_ANY && rule.source_set >= address_set_count) ||
		    (rule.destination_set != FIREWALL_SET_ANY &&
		     rule.destination_set >= address_set_count) ||
		    (rule.service_set != FIREWALL_SET_ANY && rule.service_set >= service_set_count))
			return refuse(complaint, "rule %u names a set that does not exist", i + 1);
	}
	return 0;
}

static int parse_header(const uint8_t *bytes, size_t size, struct firewall_section *section,
			const struct complaint *complaint)
{
	uint64_t offset = FIREWALL_SECTION_HEADER_SIZE;

	if (size < FIREWALL_SECTION_HEADER_SIZE || memcmp(bytes, FIREWALL_SECTION_MAGIC, 8) != 0)
		return refuse(complaint, "not a firewall section");
	if (load32(bytes + 12) != FIREWALL_SECTION_VERSION)
		return refuse(complaint, "expected format version %u, found %u",
			      FIREWALL_SECTION_VERSION, load32(bytes + 12));
	for (size_t i = 0; i < FIREWALL_TABLE_COUNT; i++) {
		section->counts[i] = load32(bytes + 16 + 4 * i);
		section->tables[i] = bytes + (offset < size ? offset : size);
		offset += (uint64_t)section->counts[i] * entry_sizes[i];
	}
	if (load32(bytes + 8) != size)
		return refuse(complaint, "expected %u bytes, found %zu", load32(bytes + 8), size);
	if (offset != size)
		return refuse(complaint, "expected %llu bytes, found %zu",
			      (unsigned long long)offset, size);
	section->default_action = bytes[60];
	section->fallback_zone = bytes[62];
	if (section->default_action >= FIREWALL_ACTION_COUNT)
		return refuse(complaint, "no valid default action");
	if (bytes[61] != 0 || bytes[63] != 0)
		return refuse(complaint, "expected on_reload keep, found %u", bytes[61]);
	return 0;
}

int section_parse(const void *bytes, size_t size, struct firewall_section *ret_section, char *error,
		  size_t error_size)
{
	const struct complaint complaint = {error, error_size};
	struct firewall_section section = {0};
	int rc;

	rc = parse_header(bytes, size, &section, &complaint);
	if (!rc)
		rc = check_zones(&section, &complaint);
	if (!rc)
		rc = check_sets(&section, &complaint);
	if (!rc)
		rc = check_rules(&section, &complaint);
	if (!rc)
		*ret_section = section;
	return rc;
}
