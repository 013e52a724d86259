// SPDX-License-Identifier: Apache-2.0

// The matcher of Lua 5.1: it goes back over what it took, so its work may grow beyond any bound
// with the text, and each character tried is a step. Depth is bounded as in LuaJIT, with its error.
// No state but the caller's; any thread.
#include <stellar/pattern.h>

#include <errno.h>
#include <string.h>

#define DEPTH_MAX 200 // of LuaJIT
#define ESCAPE '%'
#define COMPARED_PER_STEP 16 // bytes compared at once are cheaper

struct search {
	const uint8_t *text, *text_end;
	const uint8_t *pattern_end;
	uint64_t steps;
	uint32_t depth;
	int result; // -errno: the search is over
	struct pattern_match *match;
};

// Which bytes a class has: the C locale, whatever the process has.
static bool is_lower(int c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(int c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(int c)
{
	return is_lower(c) || is_upper(c);
}

static bool is_graph(int c)
{
	return c > ' ' && c < 127;
}

static bool is_hexadecimal(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_in_class(int c, int class)
{
	bool is_in;
	switch (class | 0x20) {
	case 'a':
		is_in = is_alpha(c);
		break;
	case 'c':
		is_in = c < ' ' || c == 127;
		break;
	case 'd':
		is_in = is_digit(c);
		break;
	case 'g':
		is_in = is_graph(c);
		break;
	case 'l':
		is_in = is_lower(c);
		break;
	case 'p':
		is_in = is_graph(c) && !is_alpha(c) && !is_digit(c);
		break;
	case 's':
		is_in = c == ' ' || (c >= '\t' && c <= '\r');
		break;
	case 'u':
		is_in = is_upper(c);
		break;
	case 'w':
		is_in = is_alpha(c) || is_digit(c);
		break;
	case 'x':
		is_in = is_hexadecimal(c);
		break;
	case 'z':
		is_in = c == 0;
		break;
	default:
		return class == c;
	}
	return is_lower(class) ? is_in : !is_in;
}

// A byte of the pattern; 0 behind it.
static int pattern_at(const struct search *search, const uint8_t *place)
{
	return place < search->pattern_end ? *place : 0;
}

static const uint8_t *refuse(struct search *search, int result, const char *problem)
{
	if (search->result == 0) {
		search->result = result;
		search->match->problem = problem;
	}
	return NULL;
}

static bool take_steps(struct search *search, uint64_t steps)
{
	if (search->result != 0)
		return false;
	if (search->steps < steps) {
		search->steps = 0;
		refuse(search, -EDQUOT, NULL);
		return false;
	}
	search->steps -= steps;
	return true;
}

// Behind the single class that begins here, or NULL.
static const uint8_t *find_class_end(struct search *search, const uint8_t *pattern)
{
	int first = pattern_at(search, pattern++);
	if (first == ESCAPE) {
		if (pattern_at(search, pattern) == 0)
			return refuse(search, -EINVAL, "malformed pattern (ends with '%')");
		return pattern + 1;
	}
	if (first != '[')
		return pattern;
	if (pattern_at(search, pattern) == '^')
		pattern++;
	do {
		int c = pattern_at(search, pattern);
		if (c == 0)
			return refuse(search, -EINVAL, "malformed pattern (missing ']')");
		pattern++;
		if (c == ESCAPE && pattern_at(search, pattern) != 0)
			pattern++;
	} while (pattern_at(search, pattern) != ']');
	return pattern + 1;
}

// Whether a set, which ends with the ']' at last, has c.
static bool is_in_set(struct search *search, int c, const uint8_t *set, const uint8_t *last)
{
	bool is_in = true;
	if (set[1] == '^') {
		is_in = false;
		set++;
	}
	take_steps(search, (uint64_t)(last - set) / COMPARED_PER_STEP);
	while (++set < last) {
		if (*set == ESCAPE) {
			set++;
			if (is_in_class(c, *set))
				return is_in;
		} else if (set[1] == '-' && set + 2 < last) {
			set += 2;
			if (set[-2] <= c && c <= *set)
				return is_in;
		} else if (*set == c) {
			return is_in;
		}
	}
	return !is_in;
}

static bool is_single(struct search *search, const uint8_t *text, const uint8_t *pattern,
		      const uint8_t *class_end)
{
	if (text >= search->text_end || !take_steps(search, 1))
		return false;
	switch (*pattern) {
	case '.':
		return true;
	case ESCAPE:
		return is_in_class(*text, pattern[1]);
	case '[':
		return is_in_set(search, *text, pattern, class_end - 1);
	default:
		return *pattern == *text;
	}
}

static const uint8_t *match_from(struct search *search, const uint8_t *text,
				 const uint8_t *pattern);

static const uint8_t *match_balance(struct search *search, const uint8_t *text,
				    const uint8_t *pattern)
{
	int open = pattern_at(search, pattern);
	int close = open == 0 ? 0 : pattern_at(search, pattern + 1);
	if (open == 0 || close == 0)
		return refuse(search, -EINVAL, "unbalanced pattern");
	if (text >= search->text_end || *text != open)
		return NULL;
	for (size_t level = 1; ++text < search->text_end && take_steps(search, 1);) {
		if (*text == close) {
			if (--level == 0)
				return text + 1;
		} else if (*text == open) {
			level++;
		}
	}
	return NULL;
}

// As many as there are, then fewer.
static const uint8_t *match_most(struct search *search, const uint8_t *text, const uint8_t *pattern,
				 const uint8_t *class_end)
{
	size_t count = 0;
	while (is_single(search, text + count, pattern, class_end))
		count++;
	for (; search->result == 0; count--) {
		const uint8_t *end = match_from(search, text + count, class_end + 1);
		if (end != NULL || count == 0)
			return end;
	}
	return NULL;
}

// As few as will do.
static const uint8_t *match_least(struct search *search, const uint8_t *text,
				  const uint8_t *pattern, const uint8_t *class_end)
{
	while (search->result == 0) {
		const uint8_t *end = match_from(search, text, class_end + 1);
		if (end != NULL)
			return end;
		if (!is_single(search, text, pattern, class_end))
			return NULL;
		text++;
	}
	return NULL;
}

static const uint8_t *open_capture(struct search *search, const uint8_t *text,
				   const uint8_t *pattern, int32_t length)
{
	struct pattern_match *match = search->match;
	if (match->capture_count >= STELLAR_PATTERN_CAPTURES_MAX)
		return refuse(search, -EINVAL, "too many captures");
	match->captures[match->capture_count++] = (struct pattern_capture){
		.offset = (uint32_t)(text - search->text),
		.length = length,
	};
	const uint8_t *end = match_from(search, text, pattern);
	if (end == NULL)
		match->capture_count--;
	return end;
}

static const uint8_t *close_capture(struct search *search, const uint8_t *text,
				    const uint8_t *pattern)
{
	struct pattern_match *match = search->match;
	uint32_t place = match->capture_count;
	while (place > 0 && match->captures[place - 1].length != STELLAR_PATTERN_UNFINISHED)
		place--;
	if (place == 0)
		return refuse(search, -EINVAL, "invalid pattern capture");
	struct pattern_capture *capture = &match->captures[place - 1];
	capture->length = (int32_t)(text - search->text - (ptrdiff_t)capture->offset);
	const uint8_t *end = match_from(search, text, pattern);
	if (end == NULL)
		capture->length = STELLAR_PATTERN_UNFINISHED;
	return end;
}

// The bytes of an earlier capture once more.
static const uint8_t *match_capture(struct search *search, const uint8_t *text, int digit)
{
	struct pattern_match *match = search->match;
	int place = digit - '1';
	if (place < 0 || (uint32_t)place >= match->capture_count ||
	    match->captures[place].length == STELLAR_PATTERN_UNFINISHED)
		return refuse(search, -EINVAL, "invalid capture index");
	// A place has no bytes that could come again: its length is beyond any text's, in Lua too.
	if (match->captures[place].length < 0)
		return NULL;
	size_t length = (size_t)match->captures[place].length;
	if (!take_steps(search, length / COMPARED_PER_STEP) ||
	    (size_t)(search->text_end - text) < length ||
	    memcmp(search->text + match->captures[place].offset, text, length) != 0)
		return NULL;
	return text + length;
}

static const uint8_t *skip_frontier(struct search *search, const uint8_t *text,
				    const uint8_t *pattern)
{
	if (pattern_at(search, pattern) != '[')
		return refuse(search, -EINVAL, "missing '[' after '%f' in pattern");
	const uint8_t *end = find_class_end(search, pattern);
	if (end == NULL)
		return NULL;
	int before = text == search->text ? 0 : text[-1];
	int here = text < search->text_end ? *text : 0;
	if (is_in_set(search, before, pattern, end - 1) ||
	    !is_in_set(search, here, pattern, end - 1))
		return NULL;
	return end;
}

// One single class and what follows it. Sets *text and *pattern to go on, or *ret_end.
static bool match_class(struct search *search, const uint8_t **text, const uint8_t **pattern,
			const uint8_t **ret_end)
{
	const uint8_t *class_end = find_class_end(search, *pattern);
	*ret_end = NULL;
	if (class_end == NULL)
		return false;
	switch (pattern_at(search, class_end)) {
	case '*':
		*ret_end = match_most(search, *text, *pattern, class_end);
		return false;
	case '-':
		*ret_end = match_least(search, *text, *pattern, class_end);
		return false;
	case '+':
		if (is_single(search, *text, *pattern, class_end))
			*ret_end = match_most(search, *text + 1, *pattern, class_end);
		return false;
	case '?':
		if (is_single(search, *text, *pattern, class_end)) {
			*ret_end = match_from(search, *text + 1, class_end + 1);
			if (*ret_end != NULL)
				return false;
		}
		*pattern = class_end + 1;
		return search->result == 0;
	default:
		if (!is_single(search, *text, *pattern, class_end))
			return false;
		*text += 1;
		*pattern = class_end;
		return true;
	}
}

// An escape that is no class: %b, %f, %1. False when it is one; *pattern NULL: no match.
static bool match_escape(struct search *search, const uint8_t **text, const uint8_t **pattern)
{
	int kind = pattern_at(search, *pattern + 1);
	if (kind == 'b') {
		*text = match_balance(search, *text, *pattern + 2);
		*pattern = *text == NULL ? NULL : *pattern + 4;
	} else if (kind == 'f') {
		*pattern = skip_frontier(search, *text, *pattern + 2);
	} else if (is_digit(kind)) {
		*text = match_capture(search, *text, kind);
		*pattern = *text == NULL ? NULL : *pattern + 2;
	} else {
		return false;
	}
	return true;
}

static const uint8_t *match_here(struct search *search, const uint8_t *text, const uint8_t *pattern)
{
	const uint8_t *end;
	while (take_steps(search, 1)) {
		switch (pattern_at(search, pattern)) {
		case 0:
			return text;
		case '(':
			if (pattern_at(search, pattern + 1) == ')')
				return open_capture(search, text, pattern + 2,
						    STELLAR_PATTERN_POSITION);
			return open_capture(search, text, pattern + 1, STELLAR_PATTERN_UNFINISHED);
		case ')':
			return close_capture(search, text, pattern + 1);
		case '$':
			if (pattern_at(search, pattern + 1) == 0)
				return text == search->text_end ? text : NULL;
			break;
		case ESCAPE:
			if (match_escape(search, &text, &pattern)) {
				if (pattern == NULL)
					return NULL;
				continue;
			}
			break;
		default:
			break;
		}
		if (!match_class(search, &text, &pattern, &end))
			return end;
	}
	return NULL;
}

// Where the match of pattern ends that begins at text, or NULL.
static const uint8_t *match_from(struct search *search, const uint8_t *text, const uint8_t *pattern)
{
	if (++search->depth > DEPTH_MAX)
		return refuse(search, -EINVAL, "pattern too complex");
	const uint8_t *end = match_here(search, text, pattern);
	search->depth--;
	return end;
}

static void found(struct pattern_match *match, size_t start, size_t end)
{
	match->start = (uint32_t)start;
	match->end = (uint32_t)end;
}

int pattern_find(const char *text, size_t text_length, const char *pattern, size_t pattern_length,
		 size_t start, bool is_anchored, uint64_t *steps, struct pattern_match *ret_match)
{
	if (text_length > INT32_MAX || start > text_length)
		return -ERANGE;
	struct search search = {
		.text = (const uint8_t *)text,
		.text_end = (const uint8_t *)text + text_length,
		.pattern_end = (const uint8_t *)pattern + pattern_length,
		.steps = *steps,
		.match = ret_match,
	};
	const uint8_t *place = search.text + start;
	const uint8_t *end;
	do {
		search.depth = 0;
		ret_match->capture_count = 0;
		end = match_from(&search, place, (const uint8_t *)pattern);
	} while (end == NULL && search.result == 0 && !is_anchored && place++ < search.text_end);
	*steps = search.steps;
	if (end == NULL)
		return search.result;
	found(ret_match, (size_t)(place - search.text), (size_t)(end - search.text));
	return 1;
}

int pattern_find_plain(const char *text, size_t text_length, const char *bytes, size_t byte_count,
		       size_t start, uint64_t *steps, struct pattern_match *ret_match)
{
	if (text_length > INT32_MAX || start > text_length)
		return -ERANGE;
	ret_match->capture_count = 0;
	const char *place = text + start;
	size_t left = text_length - start;
	while (byte_count > 0 && left >= byte_count) {
		const char *next = memchr(place, bytes[0], left - byte_count + 1);
		size_t skipped = next == NULL ? left : (size_t)(next - place);
		uint64_t cost = 1 + (skipped + byte_count) / COMPARED_PER_STEP;
		if (*steps < cost) {
			*steps = 0;
			return -EDQUOT;
		}
		*steps -= cost;
		if (next == NULL)
			return 0;
		if (memcmp(next, bytes, byte_count) == 0) {
			found(ret_match, (size_t)(next - text), (size_t)(next - text) + byte_count);
			return 1;
		}
		left -= skipped + 1;
		place = next + 1;
	}
	if (byte_count > 0)
		return 0;
	found(ret_match, start, start);
	return 1;
}
