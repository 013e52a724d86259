// SPDX-License-Identifier: Apache-2.0

// Every relation of two, three and four segments, in every order, against naive models: what a
// receiver of each profile hands to its application. The models keep whole lists or byte maps and
// share nothing with the code they check.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/engine.h>

#include "session/stream.h"

#define BYTES 7 // offsets of the model; the first is a hole until the last segment
#define MODEL_MAX 8
#define NOTHING 0

struct model_segment {
	int start;
	int end;
	uint8_t value;
};

// 4.4BSD, Solaris: a list of segments as they are cut. Linux: whole segments, joined or not.
// The others: bytes, with the list unused.
struct model {
	struct model_segment list[MODEL_MAX];
	int count;
	uint8_t bytes[BYTES]; // NOTHING: not there
};

static void list_insert(struct model *model, int place, struct model_segment segment)
{
	memmove(&model->list[place + 1], &model->list[place],
		sizeof(segment) * (size_t)(model->count - place));
	model->list[place] = segment;
	model->count++;
}

static void list_remove(struct model *model, int place)
{
	model->count--;
	memmove(&model->list[place], &model->list[place + 1],
		sizeof(model->list[0]) * (size_t)(model->count - place));
}

static void model_first(struct model *model, struct model_segment segment)
{
	for (int i = segment.start; i < segment.end; i++) {
		if (model->bytes[i] == NOTHING)
			model->bytes[i] = segment.value;
	}
}

static void model_last(struct model *model, struct model_segment segment)
{
	memset(model->bytes + segment.start, segment.value, (size_t)(segment.end - segment.start));
}

// tcp_reass(): cut at the one before, then cut or throw away those after.
static void model_bsd(struct model *model, struct model_segment segment)
{
	int place = 0;
	while (place < model->count && model->list[place].start <= segment.start)
		place++;
	if (place > 0 && model->list[place - 1].end > segment.start)
		segment.start = model->list[place - 1].end;
	if (segment.start >= segment.end)
		return;
	while (place < model->count && model->list[place].start < segment.end) {
		if (model->list[place].end > segment.end) {
			model->list[place].start = segment.end;
			break;
		}
		list_remove(model, place);
	}
	list_insert(model, place, segment);
}

// Fragments of BSD-right: cut those that start further left or equally, give way to the others.
static void model_bsd_right(struct model *model, struct model_segment segment)
{
	struct model before = *model;
	for (int i = segment.start; i < segment.end; i++) {
		int start = i;
		while (start > 0 && before.bytes[i] != NOTHING &&
		       before.bytes[start - 1] == before.bytes[i])
			start--;
		if (before.bytes[i] == NOTHING || segment.start >= start)
			model->bytes[i] = segment.value;
	}
}

// tcp_reass_elim_overlap(): one segment against those behind it.
static void solaris_eliminate(struct model *model, int place)
{
	struct model_segment *segment = &model->list[place];
	while (place + 1 < model->count && segment->end > model->list[place + 1].start) {
		if (segment->end < model->list[place + 1].end) {
			segment->end = model->list[place + 1].start;
			break;
		}
		list_remove(model, place + 1);
	}
}

static void model_solaris(struct model *model, struct model_segment segment)
{
	int place = 1;
	if (model->count == 0 || segment.start < model->list[0].start) {
		list_insert(model, 0, segment);
		solaris_eliminate(model, 0);
		return;
	}
	while (place < model->count && model->list[place].start < segment.start)
		place++;
	list_insert(model, place, segment);
	solaris_eliminate(model, place);
	solaris_eliminate(model, place - 1);
	for (int i = 0; i < model->count;) {
		if (model->list[i].start >= model->list[i].end)
			list_remove(model, i);
		else
			i++;
	}
}

// tcp_data_queue_ofo(): whole segments, those inside another are gone.
static void model_linux(struct model *model, struct model_segment segment)
{
	for (int i = 0; i < model->count; i++) {
		if (model->list[i].start <= segment.start && model->list[i].end >= segment.end)
			return;
	}
	int place = 0;
	while (place < model->count && model->list[place].start < segment.start)
		place++;
	for (int i = place; i < model->count;) {
		if (model->list[i].end <= segment.end)
			list_remove(model, i);
		else
			i++;
	}
	list_insert(model, place, segment);
}

static void read_list(struct model *model)
{
	int read = 0;
	for (int i = 0; i < model->count; i++) {
		for (int j = model->list[i].start; j < model->list[i].end; j++) {
			if (j >= read)
				model->bytes[j] = model->list[i].value;
		}
		read = model->list[i].end > read ? model->list[i].end : read;
	}
}

struct profile_case {
	uint8_t profile;
	void (*insert)(struct model *model, struct model_segment segment);
};

static const struct profile_case cases[] = {
	{STELLAR_TARGET_FIRST, model_first},	 {STELLAR_TARGET_LAST, model_last},
	{STELLAR_TARGET_BSD, model_bsd},	 {STELLAR_TARGET_BSD_RIGHT, model_bsd_right},
	{STELLAR_TARGET_LINUX, model_linux},	 {STELLAR_TARGET_WINDOWS, model_bsd},
	{STELLAR_TARGET_SOLARIS, model_solaris},
};

// Linux joins a segment to the one it continues; the model of whole segments does not, so such
// orders are tested by themselves below.
static bool is_continued(const struct model_segment *segments, int count)
{
	for (int i = 0; i < count; i++) {
		for (int j = 0; j < i; j++) {
			if (segments[j].end == segments[i].start)
				return true;
		}
	}
	return false;
}

static void read_chunk(const struct stream_chunk *chunk, uint8_t *ret_bytes)
{
	assert_true(chunk->offset + chunk->length <= BYTES);
	if (chunk->length > 0)
		memcpy(ret_bytes + chunk->offset, chunk->data, chunk->length);
}

static void read_held(struct stream_memory *memory, struct stream_direction *direction,
		      uint8_t *ret_bytes)
{
	struct stream_chunk chunk;
	while (stream_next(memory, direction, &chunk)) {
		read_chunk(&chunk, ret_bytes);
		stream_put_piece(memory, chunk.piece);
	}
}

static void reassemble(struct stream_memory *memory, uint8_t profile,
		       const struct model_segment *segments, int count, uint8_t *ret_bytes)
{
	struct stream_direction direction = {.profile = profile};
	stream_direction_open(&direction, UINT32_MAX - 2); // numbers wrap on the way
	memset(ret_bytes, NOTHING, BYTES);
	for (int i = 0; i < count; i++) {
		uint8_t bytes[BYTES];
		struct stream_segment segment = {
			.sequence = UINT32_MAX - 2 + (uint32_t)segments[i].start,
			.length = (uint32_t)(segments[i].end - segments[i].start),
			.data = bytes,
		};
		struct stream_chunk chunk;
		memset(bytes, segments[i].value, sizeof(bytes));
		assert_int_equal(stream_insert(memory, &direction, &segment, &chunk), 0);
		read_chunk(&chunk, ret_bytes);
		memset(bytes, 0xff, sizeof(bytes)); // nothing held may point into the packet
		read_held(memory, &direction, ret_bytes);
	}
	while (direction.held != 0) {
		stream_skip_to(memory, &direction, STREAM_NO_END);
		read_held(memory, &direction, ret_bytes);
	}
	assert_int_equal(direction.held_bytes, 0);
	assert_int_equal(memory->pool.used_bytes, 0);
}

static void check(struct stream_memory *memory, const struct profile_case *profile,
		  const struct model_segment *segments, int count)
{
	struct model model = {.count = 0};
	uint8_t bytes[BYTES];
	if (profile->profile == STELLAR_TARGET_LINUX && is_continued(segments, count))
		return;
	for (int i = 0; i < count; i++)
		profile->insert(&model, segments[i]);
	read_list(&model);
	reassemble(memory, profile->profile, segments, count, bytes);
	if (memcmp(bytes, model.bytes, BYTES) == 0)
		return;
	print_message("%s:", stellar_target_profile_name(profile->profile));
	for (int i = 0; i < count; i++)
		print_message(" [%d,%d)", segments[i].start, segments[i].end);
	print_message("\n");
	assert_memory_equal(bytes, model.bytes, BYTES);
}

// All sequences of `left` more segments in [1, BYTES), then one that fills the hole.
static void check_all(struct stream_memory *memory, const struct profile_case *profile,
		      struct model_segment *segments, int count, int left)
{
	if (left == 0) {
		check(memory, profile, segments, count);
		for (int end = 1; end <= BYTES; end++) {
			segments[count] = (struct model_segment){0, end, (uint8_t)(count + 1)};
			check(memory, profile, segments, count + 1);
		}
		return;
	}
	for (int start = 1; start < BYTES; start++) {
		for (int end = start + 1; end <= BYTES; end++) {
			segments[count] = (struct model_segment){start, end, (uint8_t)(count + 1)};
			check_all(memory, profile, segments, count + 1, left - 1);
		}
	}
}

static void check_profile(uint8_t profile, int most)
{
	struct stream_memory memory;
	struct model_segment segments[MODEL_MAX];
	assert_int_equal(stream_memory_init(&memory, 1 << 20, 1 << 20, 0, 1), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int count = 1; cases[i].profile == profile && count <= most; count++)
			check_all(&memory, &cases[i], segments, 0, count);
	}
	stream_memory_fini(&memory);
}

#define TEST_PROFILE(name, NAME) \
	static void test_##name##_agrees_with_its_model(void **state) \
	{ \
		check_profile(STELLAR_TARGET_##NAME, 3); \
	}
TEST_PROFILE(first, FIRST)
TEST_PROFILE(last, LAST)
TEST_PROFILE(bsd, BSD)
TEST_PROFILE(bsd_right, BSD_RIGHT)
TEST_PROFILE(linux, LINUX)
TEST_PROFILE(windows, WINDOWS)
TEST_PROFILE(solaris, SOLARIS)

// [2,4), [4,6) joined count as one that starts at 2: [3,7) does not replace the second.
static void test_linux_joins_what_continues(void **state)
{
	const struct model_segment segments[] = {
		{2, 4, 1},
		{4, 6, 2},
		{3, 7, 3},
		{0, 2, 4},
	};
	const uint8_t expected[BYTES] = {4, 4, 1, 1, 2, 2, 3};
	uint8_t bytes[BYTES];
	struct stream_memory memory;

	assert_int_equal(stream_memory_init(&memory, 1 << 20, 1 << 20, 0, 1), 0);
	reassemble(&memory, STELLAR_TARGET_LINUX, segments, 4, bytes);

	assert_memory_equal(bytes, expected, BYTES);
	stream_memory_fini(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_agrees_with_its_model),
		cmocka_unit_test(test_last_agrees_with_its_model),
		cmocka_unit_test(test_bsd_agrees_with_its_model),
		cmocka_unit_test(test_bsd_right_agrees_with_its_model),
		cmocka_unit_test(test_linux_agrees_with_its_model),
		cmocka_unit_test(test_windows_agrees_with_its_model),
		cmocka_unit_test(test_solaris_agrees_with_its_model),
		cmocka_unit_test(test_linux_joins_what_continues),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
