// SPDX-License-Identifier: Apache-2.0

// Slots between a receiver and its homes: bounds, order, the end, and two threads at once.

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/handoff.h"

#define ROUNDS 200000u

static uint32_t take_all(struct handoff *handoff, uint32_t home_id)
{
	struct handoff_slot *slot;
	uint8_t *room;
	uint32_t count = 0;

	while ((slot = handoff_take(handoff, home_id, &room)) != NULL) {
		handoff_give(handoff, slot);
		count++;
	}
	return count;
}

static void test_sizes_out_of_range_are_refused(void **state)
{
	struct handoff *handoff = NULL;

	assert_int_equal(handoff_create(2, 0, &handoff), -EINVAL);
	assert_int_equal(handoff_create(2, HANDOFF_SLOTS_MAX + 1, &handoff), -EINVAL);
	assert_int_equal(handoff_create(STELLAR_WORKERS_MAX + 1, 1, &handoff), -EINVAL);
	assert_null(handoff);
}

static void test_one_home_may_have_the_whole_pool_and_no_more(void **state)
{
	struct handoff *handoff;

	assert_int_equal(handoff_create(2, 5, &handoff), 0);

	assert_int_equal(take_all(handoff, 1), 5);
	assert_int_equal(handoff->away, 5);
	handoff_destroy(handoff);
}

static void test_one_of_several_homes_has_half_of_the_pool_at_most(void **state)
{
	struct handoff *handoff;

	assert_int_equal(handoff_create(4, 8, &handoff), 0);

	assert_int_equal(take_all(handoff, 1), 4);
	assert_int_equal(take_all(handoff, 3), 4);
	assert_int_equal(take_all(handoff, 2), 0);
	handoff_destroy(handoff);
}

static void test_slots_come_back_in_order_with_their_verdict(void **state)
{
	struct handoff_slot *slots[4];
	struct handoff *handoff;
	uint8_t *room;

	assert_int_equal(handoff_create(2, 4, &handoff), 0);
	for (uint32_t round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < 3; i++) {
			struct handoff_slot *slot = handoff_take(handoff, 1, &room);

			slot->packet.frame.time_ns = i;
			handoff_give(handoff, slot);
		}
		assert_true(handoff_has_waiting(handoff, 1));
		assert_int_equal(handoff_receive(handoff, 1, slots, 4), 3);
		for (uint32_t i = 0; i < 3; i++) {
			assert_int_equal(slots[i]->packet.frame.time_ns, i);
			slots[i]->packet.verdict.rule_id = 100 + i;
			handoff_return(handoff, slots[i]);
		}
		assert_true(handoff_has_returned(handoff, 1));
		assert_int_equal(handoff_collect(handoff, 1, slots, 4), 3);
		for (uint32_t i = 0; i < 3; i++) {
			assert_int_equal(slots[i]->packet.verdict.rule_id, 100 + i);
			handoff_put(handoff, slots[i]);
		}
		assert_int_equal(handoff->away, 0);
	}
	handoff_destroy(handoff);
}

static void test_what_an_ended_home_left_is_taken_back(void **state)
{
	struct handoff_slot *slots[4];
	struct handoff *receiver;
	struct handoff *home;

	assert_int_equal(handoff_create(2, 4, &receiver), 0);
	assert_int_equal(handoff_create(2, 4, &home), 0);
	take_all(receiver, 1);
	assert_int_equal(handoff_receive(receiver, 1, slots, 1), 1);
	handoff_return(receiver, slots[0]);
	assert_false(handoff_has_ended(home));
	handoff_end(home);

	assert_true(handoff_has_ended(home));
	assert_int_equal(handoff_collect(receiver, 1, slots, 4), 1);
	assert_int_equal(handoff_reclaim(receiver, 1, slots, 4), 3);
	assert_int_equal(handoff_reclaim(receiver, 1, slots, 4), 0);
	assert_int_equal(receiver->away, 0);
	handoff_destroy(receiver);
	handoff_destroy(home);
}

static void test_every_slot_has_room_of_its_own(void **state)
{
	struct handoff *handoff;
	struct handoff_slot *slots[3];
	uint8_t *rooms[3];

	assert_int_equal(handoff_create(2, 3, &handoff), 0);
	for (uint8_t i = 0; i < 3; i++) {
		slots[i] = handoff_take(handoff, 1, &rooms[i]);
		assert_non_null(slots[i]);
		memset(rooms[i], i + 1, HANDOFF_FRAME_MAX);
	}
	for (uint8_t i = 0; i < 3; i++) {
		assert_int_equal(rooms[i][0], i + 1);
		assert_int_equal(rooms[i][HANDOFF_FRAME_MAX - 1], i + 1);
		handoff_put(handoff, slots[i]);
	}
	handoff_destroy(handoff);
}

// The home: sees every slot once and in order, with the bytes that were written for it.
static void *run_home(void *argument)
{
	struct handoff *receiver = argument;
	struct handoff_slot *slots[7];
	uint64_t seen = 0;

	while (seen < ROUNDS) {
		size_t count = handoff_receive(receiver, 1, slots, 7);

		for (size_t i = 0; i < count; i++, seen++) {
			uint64_t written;

			memcpy(&written, slots[i]->packet.frame.data, sizeof(written));
			slots[i]->packet.verdict.rule_id =
				written == seen && slots[i]->packet.frame.time_ns == seen;
			handoff_return(receiver, slots[i]);
		}
		if (count == 0)
			sched_yield();
	}
	return NULL;
}

static void test_two_threads_lose_nothing_and_keep_the_order(void **state)
{
	struct handoff_slot *slots[5];
	struct handoff *handoff;
	pthread_t home;
	uint64_t given = 0;
	uint64_t back = 0;

	assert_int_equal(handoff_create(2, 13, &handoff), 0);
	assert_int_equal(pthread_create(&home, NULL, run_home, handoff), 0);
	while (back < ROUNDS) {
		uint8_t *room;
		struct handoff_slot *slot = given < ROUNDS ? handoff_take(handoff, 1, &room) : NULL;

		if (slot != NULL) {
			memcpy(room, &given, sizeof(given));
			slot->packet.frame.data = room;
			slot->packet.frame.time_ns = given++;
			handoff_give(handoff, slot);
		}
		size_t count = handoff_collect(handoff, 1, slots, 5);

		for (size_t i = 0; i < count; i++, back++) {
			assert_int_equal(slots[i]->packet.frame.time_ns, back);
			assert_int_equal(slots[i]->packet.verdict.rule_id, 1);
			handoff_put(handoff, slots[i]);
		}
		if (slot == NULL && count == 0)
			sched_yield();
	}
	pthread_join(home, NULL);
	assert_int_equal(handoff->away, 0);
	handoff_destroy(handoff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_out_of_range_are_refused),
		cmocka_unit_test(test_one_home_may_have_the_whole_pool_and_no_more),
		cmocka_unit_test(test_one_of_several_homes_has_half_of_the_pool_at_most),
		cmocka_unit_test(test_slots_come_back_in_order_with_their_verdict),
		cmocka_unit_test(test_what_an_ended_home_left_is_taken_back),
		cmocka_unit_test(test_every_slot_has_room_of_its_own),
		cmocka_unit_test(test_two_threads_lose_nothing_and_keep_the_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
