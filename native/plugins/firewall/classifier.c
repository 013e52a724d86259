// SPDX-License-Identifier: Apache-2.0

// The rule classifier.
//
// Rules are grouped by address family and protocol, so that a lookup sees only rules that could
// match at all. In a group they stand in policy order as flat entries, one for each rule and port
// range: zones as bit sets, ports as a range, and for each address set the hull of its ranges, all
// in the entry. An entry that survives these tests is settled by a binary search in its sets, which
// is needed only when a set has more than one range. The first entry that matches is the answer.
//
// The scan is linear in the rules of a group, a few nanoseconds an entry: right for hundreds of
// rules. For thousands, a group gets a better index behind the same two functions.

#include "classifier.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX (UINT64_C(8) << 20)

enum protocol_class {
	CLASS_TCP,
	CLASS_UDP,
	CLASS_ICMP,
	CLASS_ICMPV6,
	CLASS_OTHER,
	CLASS_COUNT,
};

enum family {
	FAMILY_IPV4,
	FAMILY_IPV6,
	FAMILY_COUNT,
};

// The addresses between which all ranges of a set lie; IPv6 by the upper half alone. Kept as a
// length, so that a test is one subtraction and one comparison that is foreseeable: most fail.
struct hull {
	uint64_t first;
	uint64_t span; // last - first
};

struct entry {
	uint64_t from_zones;
	uint64_t to_zones;
	struct hull source;
	struct hull destination;
	uint32_t rule_id;
	uint32_t source_set; // FIREWALL_SET_ANY: the hull says it all
	uint32_t destination_set;
	uint16_t first_port;
	uint16_t port_span;
	uint16_t first_protocol; // one protocol, or all of the class
	uint16_t protocol_span;
};

struct group {
	struct entry *entries;
	size_t count;
};

struct range_list {
	struct address_range *ranges;
	uint32_t count;
};

struct classifier {
	struct group groups[FAMILY_COUNT][CLASS_COUNT];
	struct range_list ranges[FAMILY_COUNT]; // all sets'
	struct range_list zone_ranges[FAMILY_COUNT];
	struct address_set *sets;
	uint8_t fallback_zone;
};

static const enum firewall_table range_tables[] = {FIREWALL_TABLE_RANGES4, FIREWALL_TABLE_RANGES6};
static const enum firewall_table zone_range_tables[] = {FIREWALL_TABLE_ZONE_RANGES4,
							FIREWALL_TABLE_ZONE_RANGES6};

static enum protocol_class get_class(uint8_t protocol)
{
	switch (protocol) {
	case 6:
		return CLASS_TCP;
	case 17:
		return CLASS_UDP;
	case 1:
		return CLASS_ICMP;
	case 58:
		return CLASS_ICMPV6;
	default:
		return CLASS_OTHER;
	}
}

static struct address_number get_number(const struct ip_address *address)
{
	struct address_number number = {0};
	size_t length = address->version == 6 ? 16 : 4;

	for (size_t i = 0; i < length; i++) {
		number.high = number.high << 8 | number.low >> 56;
		number.low = number.low << 8 | address->bytes[i];
	}
	return number;
}

static bool is_before(const struct address_number *left, const struct address_number *right)
{
	return left->high != right->high ? left->high < right->high : left->low < right->low;
}

// The range that holds number among count ordered ones, or NULL.
static const struct address_range *find_range(const struct address_range *ranges, uint32_t count,
					      const struct address_number *number)
{
	uint32_t low = 0;
	uint32_t high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (is_before(&ranges[middle].last, number))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == count || is_before(number, &ranges[low].first))
		return NULL;
	return &ranges[low];
}

static uint64_t get_hull_key(enum family family, const struct address_number *number)
{
	return family == FAMILY_IPV6 ? number->high : number->low;
}

static bool is_in_set(const struct classifier *classifier, enum family family, uint32_t set_id,
		      const struct address_number *number)
{
	const struct address_set *set;
	uint32_t first, count;

	if (set_id == FIREWALL_SET_ANY)
		return true;
	set = &classifier->sets[set_id];
	first = family == FAMILY_IPV6 ? set->first6 : set->first4;
	count = family == FAMILY_IPV6 ? set->count6 : set->count4;
	return find_range(classifier->ranges[family].ranges + first, count, number) != NULL;
}

uint32_t classifier_lookup(const struct classifier *classifier,
			   const struct classifier_query *query)
{
	enum family family = query->source.version == 6 ? FAMILY_IPV6 : FAMILY_IPV4;
	const struct group *group = &classifier->groups[family][get_class(query->protocol)];
	struct address_number source = get_number(&query->source);
	struct address_number destination = get_number(&query->destination);
	uint64_t source_key = get_hull_key(family, &source);
	uint64_t destination_key = get_hull_key(family, &destination);

	for (size_t i = 0; i < group->count; i++) {
		const struct entry *entry = &group->entries[i];

		if (!(entry->from_zones >> query->from_zone & 1) ||
		    !(entry->to_zones >> query->to_zone & 1))
			continue;
		if ((uint16_t)(query->port - entry->first_port) > entry->port_span ||
		    (uint16_t)(query->protocol - entry->first_protocol) > entry->protocol_span)
			continue;
		if (source_key - entry->source.first > entry->source.span ||
		    destination_key - entry->destination.first > entry->destination.span)
			continue;
		if (is_in_set(classifier, family, entry->source_set, &source) &&
		    is_in_set(classifier, family, entry->destination_set, &destination))
			return entry->rule_id;
	}
	return 0;
}

uint8_t classifier_find_zone(const struct classifier *classifier, const struct ip_address *address)
{
	enum family family = address->version == 6 ? FAMILY_IPV6 : FAMILY_IPV4;
	const struct range_list *list = &classifier->zone_ranges[family];
	struct address_number number = get_number(address);
	const struct address_range *range = find_range(list->ranges, list->count, &number);

	return range ? (uint8_t)range->zone_id : classifier->fallback_zone;
}

// The hull of a set in one family, and what is left to search. False: the set has no address there.
static bool get_hull(const struct classifier *classifier, enum family family, uint32_t set_id,
		     struct hull *ret_hull, uint32_t *ret_set_id)
{
	const struct address_range *ranges;
	uint32_t count;

	*ret_hull = (struct hull){0, UINT64_MAX};
	*ret_set_id = FIREWALL_SET_ANY;
	if (set_id == FIREWALL_SET_ANY)
		return true;
	if (family == FAMILY_IPV6) {
		ranges = classifier->ranges[family].ranges + classifier->sets[set_id].first6;
		count = classifier->sets[set_id].count6;
	} else {
		ranges = classifier->ranges[family].ranges + classifier->sets[set_id].first4;
		count = classifier->sets[set_id].count4;
	}
	if (count == 0)
		return false;
	ret_hull->first = get_hull_key(family, &ranges[0].first);
	ret_hull->span = get_hull_key(family, &ranges[count - 1].last) - ret_hull->first;
	// One range of IPv4 is its hull. So is one of IPv6 with whole lower halves.
	if (count > 1 || (family == FAMILY_IPV6 &&
			  (ranges[0].first.low != 0 || ranges[0].last.low != UINT64_MAX)))
		*ret_set_id = set_id;
	return true;
}

static void add_entry(struct group *group, const struct entry *entry)
{
	if (group->entries)
		group->entries[group->count] = *entry;
	group->count++;
}

// A rule becomes one entry for each of its port ranges. Without memory yet: only counts them.
static void add_rule(struct classifier *classifier, enum family family,
		     const struct firewall_section *section, uint32_t position)
{
	struct firewall_rule rule = section_get_rule(section, position);
	struct group *groups = classifier->groups[family];
	struct entry entry = {
		.from_zones = rule.from_zones,
		.to_zones = rule.to_zones,
		.rule_id = position + 1,
		.port_span = UINT16_MAX,
		.protocol_span = UINT16_MAX,
	};
	struct service_set services;

	if (!get_hull(classifier, family, rule.source_set, &entry.source, &entry.source_set) ||
	    !get_hull(classifier, family, rule.destination_set, &entry.destination,
		      &entry.destination_set))
		return;
	if (rule.service_set == FIREWALL_SET_ANY) {
		for (size_t i = 0; i < CLASS_COUNT; i++)
			add_entry(&groups[i], &entry);
		return;
	}
	services = section_get_service_set(section, rule.service_set);
	for (uint32_t i = 0; i < services.count; i++) {
		struct service_range service = section_get_service(section, services.first + i);

		entry.first_port = service.first_port;
		entry.port_span = (uint16_t)(service.last_port - service.first_port);
		entry.first_protocol = service.protocol;
		entry.protocol_span = 0;
		add_entry(&groups[get_class(service.protocol)], &entry);
	}
}

static int create_ranges(const struct firewall_section *section, enum firewall_table table,
			 struct range_list *list)
{
	uint32_t count = section->counts[table];

	list->ranges = calloc(count ? count : 1, sizeof(*list->ranges));
	if (!list->ranges)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		list->ranges[i] = section_get_range(section, table, i);
	list->count = count;
	return 0;
}

static int create_sets(struct classifier *classifier, const struct firewall_section *section)
{
	uint32_t count = section->counts[FIREWALL_TABLE_ADDRESS_SETS];

	classifier->sets = calloc(count ? count : 1, sizeof(*classifier->sets));
	if (!classifier->sets)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		classifier->sets[i] = section_get_address_set(section, i);
	return 0;
}

// Upper bound of the entries, before the work of counting them: services may be shared by all.
static int check_entry_count(const struct firewall_section *section)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < section->counts[FIREWALL_TABLE_RULES]; i++) {
		struct firewall_rule rule = section_get_rule(section, i);

		if (rule.service_set == FIREWALL_SET_ANY)
			count += CLASS_COUNT;
		else
			count += section_get_service_set(section, rule.service_set).count;
	}
	return count > ENTRIES_MAX ? -E2BIG : 0;
}

static void add_rules(struct classifier *classifier, const struct firewall_section *section)
{
	for (int family = 0; family < FAMILY_COUNT; family++) {
		for (uint32_t i = 0; i < section->counts[FIREWALL_TABLE_RULES]; i++)
			add_rule(classifier, family, section, i);
	}
}

static int create_groups(struct classifier *classifier, const struct firewall_section *section)
{
	int rc = check_entry_count(section);

	if (rc)
		return rc;
	add_rules(classifier, section);
	for (size_t i = 0; i < (size_t)FAMILY_COUNT * CLASS_COUNT; i++) {
		struct group *group = &classifier->groups[i / CLASS_COUNT][i % CLASS_COUNT];

		group->entries = calloc(group->count ? group->count : 1, sizeof(*group->entries));
		if (!group->entries)
			return -ENOMEM;
		group->count = 0;
	}
	add_rules(classifier, section);
	return 0;
}

int classifier_create(const struct firewall_section *section, struct classifier **ret_classifier)
{
	struct classifier *classifier = calloc(1, sizeof(*classifier));
	int rc = classifier ? create_sets(classifier, section) : -ENOMEM;

	for (size_t i = 0; i < FAMILY_COUNT && !rc; i++) {
		rc = create_ranges(section, range_tables[i], &classifier->ranges[i]);
		if (!rc)
			rc = create_ranges(section, zone_range_tables[i],
					   &classifier->zone_ranges[i]);
	}
	if (!rc)
		rc = create_groups(classifier, section);
	if (rc) {
		classifier_destroy(classifier);
		return rc;
	}
	classifier->fallback_zone = section->fallback_zone;
	*ret_classifier = classifier;
	return 0;
}

void classifier_destroy(struct classifier *classifier)
{
	if (!classifier)
		return;
	for (size_t i = 0; i < (size_t)FAMILY_COUNT * CLASS_COUNT; i++)
		free(classifier->groups[i / CLASS_COUNT][i % CLASS_COUNT].entries);
	for (size_t i = 0; i < FAMILY_COUNT; i++) {
		free(classifier->ranges[i].ranges);
		free(classifier->zone_ranges[i].ranges);
	}
	free(classifier->sets);
	free(classifier);
}
