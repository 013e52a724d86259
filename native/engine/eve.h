// SPDX-License-Identifier: Apache-2.0

// EVE JSON, field for field as Suricata documents it where it has the field; ours go under
// "stellar". Strings that came from outside are escaped; nothing is allocated.
#pragma once

#include <stddef.h>

#include "engine/output.h"

#define EVE_LINE_MAX 32768 // bytes, longest that eve_format writes for one record

// Write the lines of a record (an anomaly record has one a decode event) at text, each with its
// newline. Returns the bytes written and adds to *lines. size >= EVE_LINE_MAX.
size_t eve_format(const struct engine *engine, const struct output_record *record, char *text,
		  size_t size, uint64_t *lines);
