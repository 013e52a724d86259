// SPDX-License-Identifier: Apache-2.0

// A table that was left behind, as a killed process leaves it, and its successor's.

#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "session/region.h"
#include "session/resume.h"

#define CAPACITY 600
#define START_NS UINT64_C(1700000000000000000)
#define ALL_FLAGS 0x0fff
#define CORRUPTIONS 3000

struct left {
	char path[64];
	int directory;
	struct region *region;
	struct session_table *table;
	uint32_t index[CAPACITY];
	uint64_t expired[CAPACITY]; // ids, in order
	uint32_t expired_count;
};

static struct session_memory memory_of(struct region *region)
{
	return (struct session_memory){
		.hot = &region->array[0],
		.cold = &region->array[1],
		.extensions = &region->array[2],
		.marks = region->header,
	};
}

static void note_expired(void *owner, uint32_t index, uint64_t due_ms)
{
	struct left *left = owner;
	(void)due_ms;
	left->expired[left->expired_count++] = session_table_get_id(left->table, index);
	session_table_remove(left->table, index);
}

static void make_table(struct left *left)
{
	struct session_table_config config = table_config(CAPACITY);
	config.memory = memory_of(left->region);
	config.expired = note_expired;
	config.owner = left;
	config.now_ms = config.memory.marks->now_ns / 1000000;
	assert_int_equal(session_table_create(&config, &left->table), 0);
}

static struct region_shape make_shape(void)
{
	struct region_shape shape = {
		.identity = REGION_IDENTITY_START,
		.header_size = sizeof(struct session_marks),
	};
	session_resume_add_shape(CAPACITY, &shape);
	return shape;
}

static int set_up(void **state)
{
	struct left *left = calloc(1, sizeof(*left));
	assert_non_null(left);
	strcpy(left->path, "/dev/shm/stellar-test-resume-XXXXXX");
	assert_non_null(mkdtemp(left->path));
	left->directory = region_directory_open(left->path);
	assert_true(left->directory >= 0);
	struct region_shape shape = make_shape();
	assert_int_equal(region_create(left->directory, "file", &shape, &left->region), 0);
	assert_int_equal(region_publish(left->directory, "file"), 0);
	((struct session_marks *)left->region->header)->now_ns = START_NS;
	make_table(left);
	*state = left;
	return 0;
}

static int tear_down(void **state)
{
	struct left *left = *state;
	session_table_destroy(left->table);
	region_close(left->region);
	region_remove(left->directory, "file");
	close(left->directory);
	assert_int_equal(rmdir(left->path), 0);
	free(left);
	return 0;
}

static uint32_t lookup(const struct session_table *table, const struct session_key *key)
{
	return session_table_lookup(table, key, session_table_hash(table, key), SESSION_NONE);
}

static uint32_t insert(struct left *left, uint32_t number)
{
	struct session_key key = key_of(number);
	uint32_t index = SESSION_NONE;
	assert_int_equal(session_table_insert(left->table, &key,
					      session_table_hash(left->table, &key), START_NS,
					      &index),
			 0);
	session_table_count(left->table, index, STELLAR_FORWARD, 100 + number);
	session_table_end_change(left->table);
	left->index[number] = index;
	return index;
}

// As if the process had died now, and another one begun.
static struct session_resume_count resume(struct left *left)
{
	const struct session_resume resume = {.interface_count = 2, .flags = ALL_FLAGS};
	struct session_resume_count count = {0};
	struct region_shape shape = make_shape();
	session_table_destroy(left->table);
	region_close(left->region);
	assert_int_equal(region_open(left->directory, "file", &shape, &left->region), 0);
	make_table(left);
	assert_int_equal(session_table_resume(left->table, &resume, &count), 0);
	return count;
}

static struct session_marks *marks_of(struct left *left)
{
	return left->table->memory.marks;
}

static void test_sessions_are_found_with_what_they_counted(void **state)
{
	struct left *left = *state;
	for (uint32_t number = 0; number < 100; number++)
		insert(left, number);
	uint64_t last_id = session_table_get_id(left->table, left->index[99]);

	struct session_resume_count count = resume(left);

	assert_int_equal(count.resumed, 100);
	assert_int_equal(count.torn, 0);
	assert_int_equal(left->table->count, 100);
	for (uint32_t number = 0; number < 100; number++) {
		struct session_key key = key_of(number);
		uint32_t index = left->index[number];
		assert_int_equal(lookup(left->table, &key), index);
		assert_int_equal(session_table_get_packets(left->table, index, STELLAR_FORWARD), 1);
		assert_int_equal(session_table_get_bytes_of(left->table, index, STELLAR_FORWARD),
				 100 + number);
		assert_int_equal(left->table->cold[index].start_ns, START_NS);
	}
	assert_int_equal(session_table_get_id(left->table, left->index[99]), last_id);
}

static void test_ids_go_on_and_free_lines_are_used_again(void **state)
{
	struct left *left = *state;
	for (uint32_t number = 0; number < 10; number++)
		insert(left, number);
	uint64_t last_id = session_table_get_id(left->table, left->index[9]);
	session_table_remove(left->table, left->index[4]);

	resume(left);

	uint32_t index = insert(left, 20);
	assert_int_equal(index, left->index[4]);
	assert_int_equal(session_table_get_id(left->table, index), last_id + 1);
	assert_int_equal(insert(left, 21), 11);
}

static void test_table_can_be_filled_after_it(void **state)
{
	struct left *left = *state;
	for (uint32_t number = 0; number < 500; number++)
		insert(left, number);
	for (uint32_t number = 0; number < 500; number += 3)
		session_table_remove(left->table, left->index[number]);

	resume(left);

	for (uint32_t number = 0; number < 500; number += 3)
		insert(left, number);
	for (uint32_t number = 500; number < CAPACITY; number++)
		insert(left, number);
	struct session_key key = key_of(CAPACITY);
	uint32_t index;
	assert_int_equal(session_table_insert(left->table, &key,
					      session_table_hash(left->table, &key), START_NS,
					      &index),
			 -ENOSPC);
	assert_int_equal(left->table->extensions.count, CAPACITY / 2);
}

static void test_session_in_change_is_dropped(void **state)
{
	struct left *left = *state;
	for (uint32_t number = 0; number < 10; number++)
		insert(left, number);
	session_table_begin_change(left->table, left->index[3]);
	session_table_begin_outer_change(left->table, left->index[4]);
	marks_of(left)->closing = left->index[5];

	struct session_resume_count count = resume(left);

	struct session_key torn = key_of(3);
	struct session_key outer = key_of(4);
	struct session_key closing = key_of(5);
	assert_int_equal(count.resumed, 7);
	assert_int_equal(count.torn, 3);
	assert_int_equal(lookup(left->table, &outer), SESSION_NONE);
	assert_int_equal(lookup(left->table, &torn), SESSION_NONE);
	assert_int_equal(lookup(left->table, &closing), SESSION_NONE);
	assert_int_equal(marks_of(left)->in_hand, SESSION_NONE);
	assert_int_equal(marks_of(left)->closing, SESSION_NONE);
	assert_int_equal(left->table->extensions.count, 3);
}

static void test_timers_go_on_from_the_last_packet(void **state)
{
	struct left *left = *state;
	for (uint32_t number = 0; number < 10; number++)
		insert(left, number);
	marks_of(left)->now_ns = START_NS + UINT64_C(20000000000);
	session_hot_touch(&left->table->hot[left->index[7]], START_NS / 1000000 + 20000);
	uint64_t last_id = session_table_get_id(left->table, left->index[7]);

	resume(left);
	session_table_advance(left->table, START_NS / 1000000 + 29999);
	assert_int_equal(left->expired_count, 0);
	session_table_advance(left->table, START_NS / 1000000 + 30000);
	assert_int_equal(left->expired_count, 9);
	session_table_advance(left->table, START_NS / 1000000 + 50000);

	assert_int_equal(left->expired_count, 10);
	assert_int_equal(left->expired[9], last_id);
}

static void test_second_keys_are_found(void **state)
{
	struct left *left = *state;
	insert(left, 0);
	insert(left, 1);
	struct session_key alias = key_of(CAPACITY + 1);
	assert_int_equal(session_table_add_alias(left->table, left->index[0], &alias), 0);

	resume(left);

	assert_int_equal(lookup(left->table, &alias), left->index[0]);
	assert_int_equal(left->table->alias_count, 1);
	assert_int_equal(session_table_remove_alias(left->table, left->index[0]), 0);
	assert_int_equal(lookup(left->table, &alias), SESSION_NONE);
}

static void tie(struct left *left, uint32_t child, uint32_t parent)
{
	session_table_need_extension(left->table, left->index[child])->parent = left->index[parent];
	session_table_need_extension(left->table, left->index[parent]);
}

static void test_children_hang_on_their_parent_oldest_first(void **state)
{
	struct left *left = *state;
	for (uint32_t number = 0; number < 6; number++)
		insert(left, number);
	session_table_remove(left->table, left->index[1]);
	insert(left, 7); // in the line of 1, but younger than the others
	tie(left, 7, 0);
	tie(left, 5, 0);
	tie(left, 3, 0);

	resume(left);

	const struct session_extension *parent =
		session_table_get_extension(left->table, left->index[0]);
	const uint32_t order[] = {3, 5, 7};
	uint32_t child = parent->first_child;
	uint32_t previous = left->index[7]; // the oldest knows the youngest
	for (size_t i = 0; i < 3; i++) {
		const struct session_extension *extension =
			session_table_get_extension(left->table, child);
		assert_int_equal(child, left->index[order[i]]);
		assert_int_equal(extension->parent, left->index[0]);
		assert_int_equal(extension->previous_sibling, previous);
		previous = child;
		child = extension->next_sibling;
	}
	assert_int_equal(child, SESSION_NONE);
	assert_int_equal(parent->child_count, 3);
	assert_true((left->table->hot[left->index[0]].flags & SESSION_HAS_CHILDREN) != 0);
}

static void test_child_of_nobody_goes_on_by_itself(void **state)
{
	struct left *left = *state;
	for (uint32_t number = 0; number < 6; number++)
		insert(left, number);
	tie(left, 1, 0);
	tie(left, 2, 3);
	tie(left, 3, 2); // a circle
	tie(left, 4, 4);
	session_table_begin_change(left->table, left->index[0]);

	resume(left);

	const uint32_t orphans[] = {1, 2, 4};
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			session_table_get_extension(left->table, left->index[orphans[i]])->parent,
			SESSION_NONE);
	assert_int_equal(session_table_get_extension(left->table, left->index[3])->parent,
			 left->index[2]);
}

static void test_impossible_session_is_dropped(void **state)
{
	struct left *left = *state;
	for (uint32_t number = 0; number < 16; number++)
		insert(left, number);
	struct session_hot *hot = left->table->hot;
	struct session_cold *cold = left->table->cold;
	hot[left->index[0]].version = 5;
	hot[left->index[2]].state = 0;
	hot[left->index[4]].state = STELLAR_SESSION_CLOSING;
	hot[left->index[6]].tcp_state = STELLAR_TCP_ESTABLISHED; // of a UDP session
	hot[left->index[8]].last_seen_ms++;
	hot[left->index[10]].flags = 0x8000;
	hot[left->index[12]].flags = SESSION_HAS_ALIAS; // without extension
	cold[left->index[14]].start_ns++;
	cold[left->index[1]].extension = 0;
	cold[left->index[3]].extension = 1000;
	cold[left->index[5]].extension = cold[left->index[7]].extension;
	cold[left->index[9]].serial_low = 17;
	cold[left->index[11]].ingress_id = 2;
	hot[left->index[13]].window_scale = 15;

	struct session_resume_count count = resume(left);

	assert_int_equal(count.torn, 14);
	assert_int_equal(count.resumed, 2);
	assert_int_equal(left->table->extensions.count, 2);
}

static void test_second_session_of_a_key_is_dropped(void **state)
{
	struct left *left = *state;
	insert(left, 0);
	insert(left, 2);
	struct session_hot *hot = left->table->hot;
	hot[left->index[2]] = hot[left->index[0]];

	struct session_resume_count count = resume(left);

	assert_int_equal(count.resumed, 1);
	assert_int_equal(count.torn, 1);
}

static void test_marks_beyond_the_memory_are_refused(void **state)
{
	struct left *left = *state;
	const struct session_resume resume = {.interface_count = 2, .flags = ALL_FLAGS};
	struct session_resume_count count;
	insert(left, 0);
	marks_of(left)->used_count = CAPACITY + 1;
	assert_int_equal(session_table_resume(left->table, &resume, &count), -EBADMSG);
	marks_of(left)->used_count = 1;
	marks_of(left)->extension_count = UINT32_MAX;
	assert_int_equal(session_table_resume(left->table, &resume, &count), -EBADMSG);
}

// What must hold whatever the memory held: every session is found by its key, and all can go.
static void check_table(struct left *left)
{
	struct session_table *table = left->table;
	uint32_t count = 0;
	for (uint32_t index = session_table_next(table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(table, index)) {
		struct session_key key;
		struct session_extension *extension = session_table_get_extension(table, index);
		session_table_get_key(table, index, &key);
		assert_int_equal(lookup(table, &key), index);
		if (extension != NULL && extension->parent != SESSION_NONE)
			assert_int_not_equal(table->hot[extension->parent].version, 0);
		count++;
	}
	assert_int_equal(count, table->count);
	session_table_advance(table, table->wheel.now_ms + SESSION_TIMEOUT_MAX_MS);
	assert_int_equal(table->count, 0);
	assert_int_equal(table->extensions.count, 0);
	assert_int_equal(table->alias_count, 0);
	left->expired_count = 0;
}

static void spoil(struct left *left, uint64_t *random)
{
	const struct region_array *array = &left->region->array[random_next(random) % 3];
	uint64_t records = 60;
	uint64_t place = random_next(random) % (records * array->record_size);
	array->records[place] = (uint8_t)random_next(random);
}

static void spoil_marks(struct left *left, uint64_t *random)
{
	uint8_t *marks = left->region->header;
	marks[random_next(random) % sizeof(struct session_marks)] = (uint8_t)random_next(random);
}

static void test_any_memory_gives_a_sound_table(void **state)
{
	struct left *left = *state;
	const struct session_resume resume = {.interface_count = 2, .flags = ALL_FLAGS};
	uint64_t random = 42;
	uint32_t refused = 0;
	for (int round = 0; round < CORRUPTIONS; round++) {
		struct session_resume_count count;
		memset(left->region->header, 0, sizeof(struct session_marks));
		((struct session_marks *)left->region->header)->now_ns = START_NS;
		session_table_destroy(left->table);
		make_table(left);
		for (uint32_t number = 0; number < 60; number++)
			insert(left, number);
		struct session_key alias = key_of(CAPACITY + 1);
		assert_int_equal(session_table_add_alias(left->table, left->index[8], &alias), 0);
		for (uint32_t number = 1; number < 60; number += 4)
			tie(left, number, number / 2);
		uint64_t spoilt = 1 + random_next(&random) % 200;
		session_table_destroy(left->table);
		for (uint64_t i = 0; i < spoilt; i++)
			spoil(left, &random);
		if (round % 3 == 0)
			spoil_marks(left, &random);
		make_table(left);
		if (session_table_resume(left->table, &resume, &count) == 0)
			check_table(left);
		else
			refused++;
	}
	assert_true(refused < CORRUPTIONS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_sessions_are_found_with_what_they_counted),
		TEST(test_ids_go_on_and_free_lines_are_used_again),
		TEST(test_table_can_be_filled_after_it),
		TEST(test_session_in_change_is_dropped),
		TEST(test_timers_go_on_from_the_last_packet),
		TEST(test_second_keys_are_found),
		TEST(test_children_hang_on_their_parent_oldest_first),
		TEST(test_child_of_nobody_goes_on_by_itself),
		TEST(test_impossible_session_is_dropped),
		TEST(test_second_session_of_a_key_is_dropped),
		TEST(test_marks_beyond_the_memory_are_refused),
		TEST(test_any_memory_gives_a_sound_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
