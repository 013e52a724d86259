// SPDX-License-Identifier: Apache-2.0

// Hostile firewall sections: what section_parse lets through can be built and searched.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "classifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void search(const struct classifier *classifier, const uint8_t *bytes, size_t size)
{
	struct classifier_query query = {0};

	// The last bytes choose what is looked up, so that the fuzzer can aim at ranges it made.
	if (size < 40)
		return;
	bytes += size - 40;
	query.source.version = bytes[0] & 1 ? 6 : 4;
	query.destination.version = query.source.version;
	memcpy(query.source.bytes, bytes + 1, query.source.version == 6 ? 16 : 4);
	memcpy(query.destination.bytes, bytes + 17, query.source.version == 6 ? 16 : 4);
	query.protocol = bytes[33];
	query.port = (uint16_t)(bytes[34] << 8 | bytes[35]);
	query.from_zone = bytes[36] & FIREWALL_ZONES_MAX;
	query.to_zone = bytes[37] & FIREWALL_ZONES_MAX;
	classifier_lookup(classifier, &query);
	classifier_find_zone(classifier, &query.source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct classifier *classifier = NULL;
	struct firewall_section section;
	char error[160];

	if (section_parse(bytes, size, &section, error, sizeof(error)) != 0)
		return 0;
	for (uint32_t i = 0; i < section.counts[FIREWALL_TABLE_RULES]; i++) {
		struct firewall_rule rule = section_get_rule(&section, i);

		if (strlen(rule.name) > FIREWALL_NAME_MAX)
			__builtin_trap();
	}
	if (classifier_create(&section, &classifier) == 0)
		search(classifier, bytes, size);
	classifier_destroy(classifier);
	return 0;
}
