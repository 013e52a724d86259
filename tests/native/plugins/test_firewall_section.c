// SPDX-License-Identifier: Apache-2.0

// The firewall's section: what is read from a good one, and that a damaged one is refused.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "classifier.h"
#include "section_builder.h"

static int parse(const uint8_t *bytes, size_t size, struct firewall_section *section, char *error)
{
	// A copy of exact size, so that ASan sees a read past its end.
	uint8_t *copy = malloc(size ? size : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	rc = section_parse(copy, size, section, error, 160);
	free(copy);
	return rc;
}

static void test_a_good_section_is_read(void **state)
{
	struct section_builder builder;
	struct firewall_section section;
	struct firewall_rule rule;
	struct address_range range;
	uint32_t zone_id;
	char error[160] = "";

	section_build(&builder);
	assert_int_equal(section_parse(builder.bytes, builder.size, &section, error, 160), 0);

	assert_string_equal(section_get_zone(&section, 1), "outside");
	assert_string_equal(section_get_interface(&section, 0, &zone_id), "inside");
	assert_int_equal(zone_id, 1);
	assert_int_equal(section.fallback_zone, 2);
	assert_int_equal(section.default_action, FIREWALL_DROP);
	rule = section_get_rule(&section, 2);
	assert_string_equal(rule.name, "telnet");
	assert_int_equal(rule.action, FIREWALL_REJECT);
	assert_int_equal(rule.from_zones, 2);
	assert_int_equal(rule.to_zones, UINT64_MAX);
	range = section_get_range(&section, FIREWALL_TABLE_ZONE_RANGES6, 0);
	assert_int_equal(range.first.high, UINT64_C(0x20010db800000000));
	assert_int_equal(range.last.low, UINT64_MAX);
	assert_int_equal(range.zone_id, 1);
}

static void test_every_cut_is_refused(void **state)
{
	struct section_builder builder;
	struct firewall_section section;
	char error[160];

	section_build(&builder);
	for (size_t size = 0; size < builder.size; size++)
		assert_int_equal(parse(builder.bytes, size, &section, error), -EINVAL);
}

// What no compiler writes, by place in the good section: refused, and the line says why.
static void test_damage_is_refused_with_a_reason(void **state)
{
	static const struct {
		enum firewall_table table; // FIREWALL_TABLE_COUNT: offset in the header
		size_t offset;
		uint64_t number;
		size_t width;
		const char *reason;
	} cases[] = {
		{FIREWALL_TABLE_COUNT, 0, 'X', 1, "not a firewall section"},
		{FIREWALL_TABLE_COUNT, 8, 1, 4, "expected 1 bytes, found"},
		{FIREWALL_TABLE_COUNT, 12, 2, 4, "expected format version 1, found 2"},
		{FIREWALL_TABLE_COUNT, 16, UINT32_MAX, 4, "bytes, found"},
		{FIREWALL_TABLE_COUNT, 52, 3, 4, "bytes, found"},
		{FIREWALL_TABLE_COUNT, 60, FIREWALL_ACTION_COUNT, 1, "no valid default action"},
		{FIREWALL_TABLE_COUNT, 61, 1, 1, "expected on_reload keep"},
		{FIREWALL_TABLE_COUNT, 62, 3, 1, "the fallback zone does not exist"},
		{FIREWALL_TABLE_COUNT, 63, 1, 1, "expected on_reload keep"},
		{FIREWALL_TABLE_ZONES, 0, 5000, 4, "zone 1 has no valid name"},
		{FIREWALL_TABLE_INTERFACES, 4, 0, 4, "interface 1 has no valid name or zone"},
		{FIREWALL_TABLE_INTERFACES, 12, 3, 4, "interface 2 has no valid name or zone"},
		{FIREWALL_TABLE_ZONE_RANGES4, 4, 0, 4, "zone ranges are not in order"},
		{FIREWALL_TABLE_ZONE_RANGES4, 8, 0, 4, "zone range 1 has no valid zone"},
		{FIREWALL_TABLE_ZONE_RANGES6, 32, 9, 4, "zone range 1 has no valid zone"},
		{FIREWALL_TABLE_RANGES4, 8, 0xc633640a, 4, "address set 0 is not in order"},
		{FIREWALL_TABLE_RANGES4, 4, 0, 4, "address set 0 is not in order"},
		{FIREWALL_TABLE_ADDRESS_SETS, 4, 3, 4, "address set 0 runs past its table"},
		{FIREWALL_TABLE_ADDRESS_SETS, 0, UINT32_MAX, 4, "address set 0 runs past"},
		{FIREWALL_TABLE_ADDRESS_SETS, 8, 1, 4, "address set 0 runs past its table"},
		{FIREWALL_TABLE_SERVICES, 4, 81, 2, "service 0 ends before it begins"},
		{FIREWALL_TABLE_SERVICE_SETS, 4, 6, 4, "service set 0 runs past its table"},
		{FIREWALL_TABLE_RULES, 0, UINT32_MAX, 4, "rule 1 has no valid name"},
		{FIREWALL_TABLE_RULES, 4, 3, 4, "rule 1 has no valid action"},
		{FIREWALL_TABLE_RULES, 24, 1, 4, "rule 1 names a set that does not exist"},
		{FIREWALL_TABLE_RULES, 28, 1, 4, "rule 1 names a set that does not exist"},
		{FIREWALL_TABLE_RULES, 32, 4, 4, "rule 1 names a set that does not exist"},
		{FIREWALL_TABLE_TEXT, 0, '"', 1, "zone 1 has no valid name"},
		{FIREWALL_TABLE_TEXT, 34, 'x', 1, "rule 4 has no valid name"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct section_builder builder;
		struct firewall_section section;
		char error[160] = "";
		size_t base;

		section_build(&builder);
		base = cases[i].table == FIREWALL_TABLE_COUNT ? 0 : builder.tables[cases[i].table];
		section_poke(&builder, base + cases[i].offset, cases[i].number, cases[i].width);

		assert_int_equal(parse(builder.bytes, builder.size, &section, error), -EINVAL);
		if (!strstr(error, cases[i].reason))
			fail_msg("case %zu: expected \"%s\", found \"%s\"", i, cases[i].reason,
				 error);
	}
}

static void test_a_name_is_limited(void **state)
{
	struct section_builder builder;
	struct firewall_section section;
	char error[160];

	section_build(&builder);
	memset(builder.bytes + builder.size - 1, 'x', FIREWALL_NAME_MAX - 3);
	builder.size += FIREWALL_NAME_MAX - 3;
	builder.bytes[builder.size - 1] = '\0';
	section_poke(&builder, 8, builder.size, 4);
	section_poke(&builder, 16 + 4 * FIREWALL_TABLE_TEXT,
		     builder.size - builder.tables[FIREWALL_TABLE_TEXT], 4);
	assert_int_equal(strlen((char *)builder.bytes + builder.size - FIREWALL_NAME_MAX - 1),
			 FIREWALL_NAME_MAX);
	assert_int_equal(parse(builder.bytes, builder.size, &section, error), 0);

	builder.bytes[builder.size - 1] = 'x';
	builder.bytes[builder.size++] = '\0';
	section_poke(&builder, 8, builder.size, 4);
	section_poke(&builder, 16 + 4 * FIREWALL_TABLE_TEXT,
		     builder.size - builder.tables[FIREWALL_TABLE_TEXT], 4);
	assert_int_equal(parse(builder.bytes, builder.size, &section, error), -EINVAL);
	assert_string_equal(error, "firewall section: rule 4 has no valid name");
}

// Whatever one changed byte does: refused, or a section that can be searched.
static void test_every_changed_byte_is_survived(void **state)
{
	struct section_builder builder;

	section_build(&builder);
	for (size_t i = 0; i < builder.size; i++) {
		uint8_t original = builder.bytes[i];

		for (unsigned bit = 0; bit < 8; bit++) {
			struct classifier *classifier = NULL;
			struct firewall_section section;
			char error[160];

			builder.bytes[i] = (uint8_t)(original ^ 1u << bit);
			if (section_parse(builder.bytes, builder.size, &section, error, 160))
				continue;
			assert_int_equal(classifier_create(&section, &classifier), 0);
			classifier_lookup(classifier,
					  &(struct classifier_query){.source = {.version = 4},
								     .destination = {.version = 4},
								     .protocol = 6});
			classifier_destroy(classifier);
		}
		builder.bytes[i] = original;
	}
}

static void test_services_times_rules_are_limited(void **state)
{
	enum { RULES = 3000, SERVICES = 3000 };
	static uint8_t bytes[64 + 4 + SERVICES * 8 + 8 + RULES * 40 + 4];
	struct section_builder header = {0};
	struct classifier *classifier = NULL;
	struct firewall_section section;
	char error[160];
	size_t offset = 64;

	memcpy(header.bytes, FIREWALL_SECTION_MAGIC, 8);
	section_poke(&header, 8, sizeof(bytes), 4);
	section_poke(&header, 12, 1, 4);
	section_poke(&header, 16, 1, 4);
	section_poke(&header, 16 + 4 * FIREWALL_TABLE_SERVICES, SERVICES, 4);
	section_poke(&header, 16 + 4 * FIREWALL_TABLE_SERVICE_SETS, 1, 4);
	section_poke(&header, 16 + 4 * FIREWALL_TABLE_RULES, RULES, 4);
	section_poke(&header, 16 + 4 * FIREWALL_TABLE_TEXT, 4, 4);
	memcpy(bytes, header.bytes, 64);
	offset += 4 + SERVICES * 8;
	bytes[offset + 4] = SERVICES & 0xff;
	bytes[offset + 5] = SERVICES >> 8;
	offset += 8;
	for (size_t i = 0; i < RULES; i++) {
		memset(bytes + offset + i * 40 + 24, 0xff, 8); // any addresses
	}
	memcpy(bytes + sizeof(bytes) - 4, "abc", 4);

	assert_int_equal(section_parse(bytes, sizeof(bytes), &section, error, 160), 0);
	assert_int_equal(classifier_create(&section, &classifier), -E2BIG);
	assert_null(classifier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_section_is_read),
		cmocka_unit_test(test_every_cut_is_refused),
		cmocka_unit_test(test_damage_is_refused_with_a_reason),
		cmocka_unit_test(test_a_name_is_limited),
		cmocka_unit_test(test_every_changed_byte_is_survived),
		cmocka_unit_test(test_services_times_rules_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
