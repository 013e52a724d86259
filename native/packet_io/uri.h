// SPDX-License-Identifier: Apache-2.0

// The name of a device, KIND:TARGET?KEY=VALUE&KEY=VALUE, taken apart. The options begin at the last
// '?', so a target that has one itself ends in '?' ("pcap:a?b.pcap?"). Any thread; no locking.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_IO_URI_OPTIONS_MAX 8
#define PACKET_IO_URI_SIZE 4352

struct packet_io_uri_option {
	const char *key;
	const char *value;
};

// The pointers point into text.
struct packet_io_uri {
	const char *kind;
	const char *target;
	struct packet_io_uri_option options[PACKET_IO_URI_OPTIONS_MAX];
	size_t option_count;
	char text[PACKET_IO_URI_SIZE];
};

// Take text apart. Returns 0, or -EINVAL with one line in error.
int packet_io_uri_parse(struct packet_io_uri *ret_uri, const char *text, char *error,
			size_t error_size);

// Refuse options that are not in known, a list that ends with NULL (or is NULL: none is known).
int packet_io_uri_check_options(const struct packet_io_uri *uri, const char *const *known,
				char *error, size_t error_size);

// Value of an option, or fallback when it isn't given.
const char *packet_io_uri_get_text(const struct packet_io_uri *uri, const char *key,
				   const char *fallback);

// A whole decimal number between min and max. Returns 0, or -EINVAL with one line in error.
int packet_io_uri_get_number(const struct packet_io_uri *uri, const char *key, uint32_t fallback,
			     uint32_t min, uint32_t max, uint32_t *ret_value, char *error,
			     size_t error_size);

// "0" or "1".
int packet_io_uri_get_flag(const struct packet_io_uri *uri, const char *key, bool fallback,
			   bool *ret_value, char *error, size_t error_size);
