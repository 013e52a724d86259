// SPDX-License-Identifier: Apache-2.0

#include "packet_io/uri.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Cut "key=value&..." in place.
static int cut_options(struct packet_io_uri *uri, char *cursor, char *error, size_t error_size)
{
	while (*cursor != '\0') {
		char *next = cursor + strcspn(cursor, "&");
		if (*next == '&')
			*next++ = '\0';
		char *equals = strchr(cursor, '=');
		if (equals == NULL || equals == cursor) {
			snprintf(error, error_size, "%s:%s: expected KEY=VALUE, found \"%s\"",
				 uri->kind, uri->target, cursor);
			return -EINVAL;
		}
		*equals = '\0';
		if (packet_io_uri_get_text(uri, cursor, NULL) != NULL) {
			snprintf(error, error_size, "%s:%s: option \"%s\" is given twice",
				 uri->kind, uri->target, cursor);
			return -EINVAL;
		}
		if (uri->option_count == PACKET_IO_URI_OPTIONS_MAX) {
			snprintf(error, error_size,
				 "%s:%s: expected at most %d options, found more", uri->kind,
				 uri->target, PACKET_IO_URI_OPTIONS_MAX);
			return -EINVAL;
		}
		uri->options[uri->option_count++] =
			(struct packet_io_uri_option){.key = cursor, .value = equals + 1};
		cursor = next;
	}
	return 0;
}

int packet_io_uri_parse(struct packet_io_uri *ret_uri, const char *text, char *error,
			size_t error_size)
{
	size_t length = strlen(text);
	if (length >= sizeof(ret_uri->text)) {
		snprintf(error, error_size,
			 "device: expected a URI of at most %zu bytes, found %zu",
			 sizeof(ret_uri->text) - 1, length);
		return -EINVAL;
	}
	memcpy(ret_uri->text, text, length + 1);
	ret_uri->option_count = 0;

	char *colon = strchr(ret_uri->text, ':');
	if (colon == NULL || colon == ret_uri->text || colon[1] == '\0' || colon[1] == '?') {
		snprintf(error, error_size, "%s: expected KIND:NAME (\"pcap:FILE\", \"xdp:IF\")",
			 text);
		return -EINVAL;
	}
	*colon = '\0';
	ret_uri->kind = ret_uri->text;
	ret_uri->target = colon + 1;

	char *question = strrchr(colon + 1, '?');
	if (question == NULL)
		return 0;
	*question = '\0';
	return cut_options(ret_uri, question + 1, error, error_size);
}

int packet_io_uri_check_options(const struct packet_io_uri *uri, const char *const *known,
				char *error, size_t error_size)
{
	for (size_t i = 0; i < uri->option_count; i++) {
		const char *const *name = known;
		while (name != NULL && *name != NULL && strcmp(*name, uri->options[i].key) != 0)
			name++;
		if (name != NULL && *name != NULL)
			continue;

		size_t used = (size_t)snprintf(error, error_size,
					       "%s:%s: unknown option \"%s\"; known:", uri->kind,
					       uri->target, uri->options[i].key);
		for (name = known; name != NULL && *name != NULL && used < error_size; name++)
			used += (size_t)snprintf(error + used, error_size - used, " %s", *name);
		if ((known == NULL || *known == NULL) && used < error_size)
			snprintf(error + used, error_size - used, " none");
		return -EINVAL;
	}
	return 0;
}

const char *packet_io_uri_get_text(const struct packet_io_uri *uri, const char *key,
				   const char *fallback)
{
	for (size_t i = 0; i < uri->option_count; i++) {
		if (strcmp(uri->options[i].key, key) == 0)
			return uri->options[i].value;
	}
	return fallback;
}

int packet_io_uri_get_number(const struct packet_io_uri *uri, const char *key, uint32_t fallback,
			     uint32_t min, uint32_t max, uint32_t *ret_value, char *error,
			     size_t error_size)
{
	const char *text = packet_io_uri_get_text(uri, key, NULL);
	if (text == NULL) {
		*ret_value = fallback;
		return 0;
	}
	char *end = NULL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min ||
	    value > max) {
		snprintf(error, error_size,
			 "%s:%s: %s: expected a number from %u to %u, found \"%s\"", uri->kind,
			 uri->target, key, min, max, text);
		return -EINVAL;
	}
	*ret_value = (uint32_t)value;
	return 0;
}

int packet_io_uri_get_flag(const struct packet_io_uri *uri, const char *key, bool fallback,
			   bool *ret_value, char *error, size_t error_size)
{
	const char *text = packet_io_uri_get_text(uri, key, fallback ? "1" : "0");
	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0) {
		snprintf(error, error_size, "%s:%s: %s: expected 0 or 1, found \"%s\"", uri->kind,
			 uri->target, key, text);
		return -EINVAL;
	}
	*ret_value = text[0] == '1';
	return 0;
}
