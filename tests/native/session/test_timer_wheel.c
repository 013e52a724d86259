// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include <stdlib.h>

#include "session/timer_wheel.h"

#define ENTRIES 400
#define START UINT64_C(1700000000123)
#define QUEUE_DELAY 30000

// The owner of a wheel, and its log: id and time of each firing.
struct bench {
	struct timer_wheel wheel;
	struct timer_link links[ENTRIES + 1];
	uint64_t deadlines[ENTRIES + 1];
	uint64_t queued[ENTRIES + 1];
	uint32_t fired[20 * ENTRIES];
	uint64_t fired_ms[20 * ENTRIES];
	uint32_t fired_count;
	uint32_t visits; // questions for a deadline
	uint32_t remove_on_fire; // these two act in the callback
	uint32_t insert_on_fire;
	uint32_t far[ENTRIES]; // announced
	uint32_t near[ENTRIES];
	uint32_t far_count;
	uint32_t near_count;
};

static struct timer_link *get_link(void *owner, uint32_t id)
{
	return &((struct bench *)owner)->links[id];
}

static uint64_t get_deadline(void *owner, uint32_t id, uint64_t now_ms)
{
	struct bench *bench = owner;
	(void)now_ms;
	bench->visits++;
	return bench->deadlines[id];
}

static uint64_t get_queued(void *owner, uint32_t id)
{
	return ((struct bench *)owner)->queued[id];
}

static void log_fire(void *owner, uint32_t id, uint64_t due_ms)
{
	struct bench *bench = owner;
	assert_false(timer_wheel_has(&bench->wheel, id));
	bench->fired[bench->fired_count] = id;
	bench->fired_ms[bench->fired_count++] = due_ms;
	if (bench->remove_on_fire != 0)
		timer_wheel_remove(&bench->wheel, bench->remove_on_fire);
	if (bench->insert_on_fire != 0)
		timer_wheel_insert(&bench->wheel, bench->insert_on_fire);
	bench->insert_on_fire = 0;
}

static void log_upcoming(void *owner, uint32_t id, bool near)
{
	struct bench *bench = owner;
	if (near)
		bench->near[bench->near_count++ % ENTRIES] = id;
	else
		bench->far[bench->far_count++ % ENTRIES] = id;
}

static const struct timer_wheel_ops ops = {
	.link = get_link,
	.deadline = get_deadline,
	.queued_ms = get_queued,
	.fire = log_fire,
	.upcoming = log_upcoming,
};

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	timer_wheel_init(&bench->wheel, &ops, bench, START, QUEUE_DELAY);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void insert(struct bench *bench, uint32_t id, uint64_t deadline)
{
	bench->deadlines[id] = deadline;
	timer_wheel_insert(&bench->wheel, id);
}

static void append(struct bench *bench, uint32_t id, uint64_t now_ms, uint64_t deadline)
{
	bench->queued[id] = now_ms;
	bench->deadlines[id] = deadline;
	timer_wheel_append(&bench->wheel, id);
}

static void assert_fired(const struct bench *bench, uint32_t position, uint32_t id, uint64_t due_ms)
{
	assert_true(position < bench->fired_count);
	assert_int_equal(bench->fired[position], id);
	assert_true(bench->fired_ms[position] == due_ms);
}

static void test_entry_fires_at_its_deadline_not_before(void **state)
{
	struct bench *bench = *state;
	const uint64_t delays[] = {1, 255, 256, 257, 65535, 65536, 7440000, UINT64_C(1) << 40};

	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		uint64_t due = bench->wheel.now_ms + delays[i];
		insert(bench, 1, due);
		timer_wheel_advance(&bench->wheel, due - 1);
		assert_int_equal(bench->fired_count, i);
		timer_wheel_advance(&bench->wheel, due);
		assert_fired(bench, (uint32_t)i, 1, due);
	}
}

static void test_entry_that_is_already_due_fires_at_the_next_tick(void **state)
{
	struct bench *bench = *state;
	insert(bench, 1, START - 5);
	insert(bench, 2, START);

	timer_wheel_advance(&bench->wheel, START);
	assert_int_equal(bench->fired_count, 0);
	timer_wheel_advance(&bench->wheel, START + 1);

	assert_fired(bench, 0, 1, START + 1);
	assert_fired(bench, 1, 2, START + 1);
}

static void test_entries_of_one_tick_fire_in_order_of_insertion(void **state)
{
	struct bench *bench = *state;
	uint64_t due = START + 70000;
	insert(bench, 5, due);
	timer_wheel_advance(&bench->wheel, START + 50000);
	insert(bench, 3, due);
	timer_wheel_advance(&bench->wheel, due - 3);
	insert(bench, 9, due);
	insert(bench, 1, due);

	timer_wheel_advance(&bench->wheel, due);

	assert_int_equal(bench->fired_count, 4);
	assert_fired(bench, 0, 5, due);
	assert_fired(bench, 1, 3, due);
	assert_fired(bench, 2, 9, due);
	assert_fired(bench, 3, 1, due);
}

static void test_deadline_that_moved_on_is_found_without_being_told(void **state)
{
	struct bench *bench = *state;
	insert(bench, 1, START + 1000);

	bench->deadlines[1] = START + 90000;
	timer_wheel_advance(&bench->wheel, START + 89999);
	assert_int_equal(bench->fired_count, 0);
	timer_wheel_advance(&bench->wheel, START + 90000);

	assert_fired(bench, 0, 1, START + 90000);
}

static void test_removed_entry_does_not_fire(void **state)
{
	struct bench *bench = *state;
	insert(bench, 1, START + 300);
	insert(bench, 2, START + 300);
	append(bench, 3, START, START + 10);

	timer_wheel_remove(&bench->wheel, 1);
	timer_wheel_remove(&bench->wheel, 1);
	timer_wheel_remove(&bench->wheel, 3);
	timer_wheel_advance(&bench->wheel, START + 100000);

	assert_int_equal(bench->fired_count, 1);
	assert_fired(bench, 0, 2, START + 300);
	assert_true(bench->wheel.next_ms == TIMER_WHEEL_NEVER);
}

static void test_callback_may_remove_one_of_the_same_tick(void **state)
{
	struct bench *bench = *state;
	insert(bench, 1, START + 300);
	insert(bench, 2, START + 300);
	insert(bench, 3, START + 300);
	bench->remove_on_fire = 2;

	timer_wheel_advance(&bench->wheel, START + 400);

	assert_int_equal(bench->fired_count, 2);
	assert_fired(bench, 0, 1, START + 300);
	assert_fired(bench, 1, 3, START + 300);
}

static void test_callback_may_insert_what_is_due_at_once(void **state)
{
	struct bench *bench = *state;
	insert(bench, 1, START + 300);
	bench->deadlines[2] = START;
	bench->insert_on_fire = 2;

	timer_wheel_advance(&bench->wheel, START + 300);
	assert_int_equal(bench->fired_count, 1);
	timer_wheel_advance(&bench->wheel, START + 301);

	assert_fired(bench, 1, 2, START + 301);
}

static void test_queue_head_is_the_oldest_and_waits_for_the_delay(void **state)
{
	struct bench *bench = *state;
	append(bench, 4, START, START + 10);
	timer_wheel_advance(&bench->wheel, START + 100);
	append(bench, 2, START + 100, START + 900000);
	assert_int_equal(timer_wheel_get_queue_head(&bench->wheel), 4);

	timer_wheel_advance(&bench->wheel, START + QUEUE_DELAY - 1);
	assert_int_equal(bench->fired_count, 0);
	timer_wheel_advance(&bench->wheel, START + QUEUE_DELAY);
	assert_fired(bench, 0, 4, START + QUEUE_DELAY);
	assert_int_equal(timer_wheel_get_queue_head(&bench->wheel), 2);
	timer_wheel_advance(&bench->wheel, START + QUEUE_DELAY + 100);
	assert_int_equal(timer_wheel_get_queue_head(&bench->wheel), 0);
	timer_wheel_advance(&bench->wheel, START + 900000);

	assert_fired(bench, 1, 2, START + 900000);
}

static void test_slots_fire_before_the_queue_at_one_tick(void **state)
{
	struct bench *bench = *state;
	uint64_t due = START + QUEUE_DELAY;
	append(bench, 1, START, due);
	insert(bench, 2, due);

	timer_wheel_advance(&bench->wheel, due);

	assert_fired(bench, 0, 2, due);
	assert_fired(bench, 1, 1, due);
}

static void test_entries_are_announced_far_and_near(void **state)
{
	struct bench *bench = *state;
	for (uint32_t id = 1; id <= 10; id++)
		insert(bench, id, START + 5);

	timer_wheel_advance(&bench->wheel, START + 5);

	assert_int_equal(bench->fired_count, 10);
	assert_int_equal(bench->far_count, 10 - TIMER_WHEEL_FAR);
	assert_int_equal(bench->far[0], 1 + TIMER_WHEEL_FAR);
	assert_int_equal(bench->near_count, 10 - TIMER_WHEEL_NEAR);
	assert_int_equal(bench->near[0], 1 + TIMER_WHEEL_NEAR);
}

static void test_jump_over_years_visits_only_what_is_there(void **state)
{
	struct bench *bench = *state;
	const uint64_t year_ms = UINT64_C(365) * 86400 * 1000;
	insert(bench, 1, START + 5);
	insert(bench, 2, START + 40 * year_ms);
	bench->visits = 0;

	timer_wheel_advance(&bench->wheel, START + 100 * year_ms);

	assert_fired(bench, 0, 1, START + 5);
	assert_fired(bench, 1, 2, START + 40 * year_ms);
	assert_true(bench->visits <= 2 * (TIMER_WHEEL_LEVELS + 1));
	assert_true(bench->wheel.now_ms == START + 100 * year_ms);
}

static void test_time_never_goes_back(void **state)
{
	struct bench *bench = *state;
	timer_wheel_advance(&bench->wheel, START + 1000);

	timer_wheel_advance(&bench->wheel, START);

	assert_true(bench->wheel.now_ms == START + 1000);
}

static void test_deadline_that_is_never_reached_stays(void **state)
{
	struct bench *bench = *state;
	insert(bench, 1, TIMER_WHEEL_NEVER);

	timer_wheel_advance(&bench->wheel, UINT64_MAX - 1);

	assert_int_equal(bench->fired_count, 0);
	assert_true(timer_wheel_has(&bench->wheel, 1));
}

// The model: of all entries that wait, the one with the earliest deadline fires next, of several
// with the same one the one that was inserted first.
static void test_random_use_agrees_with_a_sorted_list(void **state)
{
	struct bench *bench = *state;
	static uint64_t order_of[ENTRIES + 1];
	uint64_t seed = 5;
	uint64_t order = 0;
	uint64_t now = START;
	memset(order_of, 0, sizeof(order_of));
	for (unsigned step = 0; step < 4000; step++) {
		uint32_t id = 1 + (uint32_t)(random_next(&seed) % ENTRIES);
		if (timer_wheel_has(&bench->wheel, id)) {
			timer_wheel_remove(&bench->wheel, id);
			order_of[id] = 0;
		} else {
			unsigned bits = (unsigned)(random_next(&seed) % 28);
			insert(bench, id,
			       now + 1 + (random_next(&seed) & ((UINT64_C(1) << bits) - 1)));
			order_of[id] = ++order;
		}
		if (random_next(&seed) % 4 != 0)
			continue;
		unsigned bits = (unsigned)(random_next(&seed) % 22);
		now += random_next(&seed) & ((UINT64_C(1) << bits) - 1);
		bench->fired_count = 0;
		timer_wheel_advance(&bench->wheel, now);
		for (uint32_t i = 0; i < bench->fired_count; i++) {
			uint32_t first = 0;
			for (uint32_t other = 1; other <= ENTRIES; other++) {
				if (order_of[other] != 0 &&
				    (first == 0 ||
				     bench->deadlines[other] < bench->deadlines[first] ||
				     (bench->deadlines[other] == bench->deadlines[first] &&
				      order_of[other] < order_of[first])))
					first = other;
			}
			assert_fired(bench, i, first, bench->deadlines[first]);
			order_of[first] = 0;
		}
		for (uint32_t other = 1; other <= ENTRIES; other++)
			assert_true(order_of[other] == 0 || bench->deadlines[other] > now);
	}
}

// The same life with deadlines that move on and a queue, advanced in steps of step_ms.
static void live(struct bench *bench, uint64_t step_ms)
{
	uint64_t seed = 6;
	for (unsigned round = 0; round < 60; round++) {
		uint64_t now = START + round * UINT64_C(20000);
		for (uint64_t at = bench->wheel.now_ms; at < now; at += step_ms)
			timer_wheel_advance(&bench->wheel, at);
		timer_wheel_advance(&bench->wheel, now);
		for (unsigned i = 0; i < 40; i++) {
			uint32_t id = 1 + (uint32_t)(random_next(&seed) % ENTRIES);
			uint64_t delay = 1 + random_next(&seed) % 150000;
			if (timer_wheel_has(&bench->wheel, id))
				bench->deadlines[id] += delay;
			else if (delay & 1)
				insert(bench, id, now + delay);
			else
				append(bench, id, now, now + delay);
		}
	}
}

static void test_how_advances_are_cut_changes_nothing(void **state)
{
	struct bench *whole = *state;
	void *other = NULL;
	assert_int_equal(setup(&other), 0);
	struct bench *pieces = other;

	live(whole, UINT64_MAX / 2);
	live(pieces, 7);

	assert_true(whole->fired_count > 500);
	assert_int_equal(whole->fired_count, pieces->fired_count);
	assert_memory_equal(whole->fired, pieces->fired, sizeof(whole->fired));
	assert_memory_equal(whole->fired_ms, pieces->fired_ms, sizeof(whole->fired_ms));
	teardown(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_entry_fires_at_its_deadline_not_before),
		TEST(test_entry_that_is_already_due_fires_at_the_next_tick),
		TEST(test_entries_of_one_tick_fire_in_order_of_insertion),
		TEST(test_deadline_that_moved_on_is_found_without_being_told),
		TEST(test_removed_entry_does_not_fire),
		TEST(test_callback_may_remove_one_of_the_same_tick),
		TEST(test_callback_may_insert_what_is_due_at_once),
		TEST(test_queue_head_is_the_oldest_and_waits_for_the_delay),
		TEST(test_slots_fire_before_the_queue_at_one_tick),
		TEST(test_entries_are_announced_far_and_near),
		TEST(test_jump_over_years_visits_only_what_is_there),
		TEST(test_time_never_goes_back),
		TEST(test_deadline_that_is_never_reached_stays),
		TEST(test_random_use_agrees_with_a_sorted_list),
		TEST(test_how_advances_are_cut_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
