// SPDX-License-Identifier: Apache-2.0

// Patterns of Lua 5.1 with a bound on the work: what string.find of a Lua plugin runs on, and what
// a C plugin may use on bytes from the wire. Steps are counted, not time: the same in each run.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

#define STELLAR_PATTERN_CAPTURES_MAX 32
#define STELLAR_PATTERN_POSITION (-1) // length of a capture that is a place: "()"
#define STELLAR_PATTERN_UNFINISHED (-2) // its ")" is missing

struct pattern_capture {
	uint32_t offset; // in the text
	int32_t length; // or STELLAR_PATTERN_POSITION, STELLAR_PATTERN_UNFINISHED
};

struct pattern_match {
	uint32_t start; // of the match, in the text
	uint32_t end; // behind it
	uint32_t capture_count;
	struct pattern_capture captures[STELLAR_PATTERN_CAPTURES_MAX];
	const char *problem; // with -EINVAL: what is wrong with the pattern, in Lua's words
};

// Finds the first match of `pattern` from `start` on. is_anchored: it must begin there; a "^" is
// not read, that is the caller's. Each character tried takes of *steps. Returns 1 when found; 0;
// -EINVAL with ret_match->problem for a malformed pattern; -EDQUOT when steps are used up; -ERANGE
// for texts of 2 GiB. Any thread.
STELLAR_PUBLIC int pattern_find(const char *text, size_t text_length, const char *pattern,
				size_t pattern_length, size_t start, bool is_anchored,
				uint64_t *steps, struct pattern_match *ret_match);

// The same for bytes that are no pattern.
STELLAR_PUBLIC int pattern_find_plain(const char *text, size_t text_length, const char *bytes,
				      size_t byte_count, size_t start, uint64_t *steps,
				      struct pattern_match *ret_match);
