// SPDX-License-Identifier: Apache-2.0

// The firewall's classifier as a filter, for tests/unit/personality/test_classifier.py: reads a
// section from the file named, then one query a line,
//
//     SOURCE DESTINATION PROTOCOL PORT FROM_ZONE TO_ZONE
//
// and prints the rule's number, the zone of SOURCE and the zone of DESTINATION.

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classifier.h"

static bool parse_address(const char *text, struct ip_address *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->version = strchr(text, ':') ? 6 : 4;
	return inet_pton(ret_address->version == 6 ? AF_INET6 : AF_INET, text,
			 ret_address->bytes) == 1;
}

static uint8_t *read_file(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = NULL;
	long size;

	if (!file)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
		rewind(file);
		bytes = malloc((size_t)size + 1);
		*ret_size = bytes ? fread(bytes, 1, (size_t)size, file) : 0;
	}
	fclose(file);
	return bytes;
}

static int answer_queries(const struct classifier *classifier)
{
	char source[64], destination[64];
	unsigned protocol, port, from_zone, to_zone;

	while (scanf("%63s %63s %u %u %u %u", source, destination, &protocol, &port, &from_zone,
		     &to_zone) == 6) {
		struct classifier_query query = {
			.protocol = (uint8_t)protocol,
			.port = (uint16_t)port,
			.from_zone = (uint8_t)from_zone,
			.to_zone = (uint8_t)to_zone,
		};

		if (!parse_address(source, &query.source) ||
		    !parse_address(destination, &query.destination)) {
			fprintf(stderr, "not an address: %s or %s\n", source, destination);
			return 1;
		}
		printf("%u %u %u\n", classifier_lookup(classifier, &query),
		       classifier_find_zone(classifier, &query.source),
		       classifier_find_zone(classifier, &query.destination));
	}
	return feof(stdin) ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct classifier *classifier = NULL;
	struct firewall_section section;
	char error[256] = "";
	size_t size = 0;
	uint8_t *bytes = argc == 2 ? read_file(argv[1], &size) : NULL;
	int rc = 2;

	if (!bytes)
		fprintf(stderr, "usage: classify SECTION < QUERIES\n");
	else if (section_parse(bytes, size, &section, error, sizeof(error)) != 0)
		fprintf(stderr, "%s\n", error);
	else if (classifier_create(&section, &classifier) != 0)
		fprintf(stderr, "no memory\n");
	else
		rc = answer_queries(classifier);
	classifier_destroy(classifier);
	free(bytes);
	return rc;
}
