// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include <errno.h>
#include <stdlib.h>

#include "session/table.h"

#define START_MS UINT64_C(1700000000000)
#define NS_PER_MS UINT64_C(1000000)

// The table's owner: closes what expires, as the engine does, and keeps a log.
struct owner {
	struct session_table *table;
	uint32_t expired[256];
	uint64_t expired_ms[256];
	uint32_t expired_count;
	bool keep; // rearm instead of closing
};

static void close_expired(void *data, uint32_t index, uint64_t due_ms)
{
	struct owner *owner = data;
	owner->expired[owner->expired_count] = index;
	owner->expired_ms[owner->expired_count++] = due_ms;
	if (owner->keep) {
		session_hot_touch(&owner->table->hot[index], due_ms);
		session_table_rearm(owner->table, index, 0);
	} else {
		session_table_remove(owner->table, index);
	}
}

static int setup(void **state)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	struct session_table_config config = table_config(100);
	config.expired = close_expired;
	config.owner = owner;
	assert_int_equal(session_table_create(&config, &owner->table), 0);
	*state = owner;
	return 0;
}

static int teardown(void **state)
{
	struct owner *owner = *state;
	session_table_destroy(owner->table);
	free(owner);
	return 0;
}

static uint32_t insert_at(struct owner *owner, uint32_t number, uint8_t protocol, uint64_t now_ms)
{
	struct session_key key = key_of_protocol(number, protocol);
	uint32_t index = SESSION_NONE;
	session_table_advance(owner->table, now_ms);
	assert_int_equal(session_table_insert(owner->table, &key,
					      session_table_hash(owner->table, &key),
					      now_ms * NS_PER_MS + 7, &index),
			 0);
	return index;
}

static void assert_expires_after(struct owner *owner, uint32_t index, uint64_t idle_ms)
{
	session_table_advance(owner->table, START_MS + idle_ms - 1);
	assert_int_equal(owner->expired_count, 0);
	session_table_advance(owner->table, START_MS + idle_ms);
	assert_int_equal(owner->expired_count, 1);
	assert_int_equal(owner->expired[0], index);
	assert_true(owner->expired_ms[0] == START_MS + idle_ms);
}

static void test_silent_udp_session_expires_by_its_state(void **state)
{
	struct owner *owner = *state;
	assert_expires_after(owner, insert_at(owner, 0, 17, START_MS), 30000);
	assert_int_equal(owner->table->count, 0);
}

static void test_active_udp_session_has_more_time(void **state)
{
	struct owner *owner = *state;
	uint32_t index = insert_at(owner, 0, 17, START_MS);
	owner->table->hot[index].state = STELLAR_SESSION_ACTIVE;
	assert_expires_after(owner, index, 180000);
}

static void test_icmp_and_other_protocols_have_timeouts_of_their_own(void **state)
{
	struct owner *owner = *state;
	insert_at(owner, 0, 1, START_MS);
	insert_at(owner, 1, 58, START_MS);
	insert_at(owner, 2, 47, START_MS);

	session_table_advance(owner->table, START_MS + 100000);

	assert_int_equal(owner->expired_count, 3);
	assert_true(owner->expired_ms[0] == START_MS + 30000);
	assert_true(owner->expired_ms[1] == START_MS + 30000);
	assert_true(owner->expired_ms[2] == START_MS + 60000);
}

static void test_tcp_timeout_is_that_of_its_state(void **state)
{
	struct owner *owner = *state;
	const struct {
		uint8_t tcp_state;
		uint32_t timeout_ms;
	} cases[] = {
		{STELLAR_TCP_NONE, 30000},	    {STELLAR_TCP_SYN_SENT, 30000},
		{STELLAR_TCP_SYN_RECEIVED, 30000},  {STELLAR_TCP_SIMULTANEOUS_OPEN, 30000},
		{STELLAR_TCP_ESTABLISHED, 7440000}, {STELLAR_TCP_FIN_WAIT, 60000},
		{STELLAR_TCP_CLOSE_WAIT, 60000},    {STELLAR_TCP_CLOSING, 60000},
		{STELLAR_TCP_LAST_ACK, 60000},	    {STELLAR_TCP_TIME_WAIT, 2000},
		{STELLAR_TCP_CLOSED, 2000},
	};
	uint32_t index = insert_at(owner, 0, 6, START_MS);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owner->table->hot[index].tcp_state = cases[i].tcp_state & 15u;
		assert_int_equal(session_table_get_timeout_ms(owner->table, index),
				 cases[i].timeout_ms);
	}
}

static void test_packet_puts_the_end_off_without_touching_the_timer(void **state)
{
	struct owner *owner = *state;
	uint32_t index = insert_at(owner, 0, 17, START_MS);

	session_table_advance(owner->table, START_MS + 29000);
	session_hot_touch(&owner->table->hot[index], START_MS + 29000);

	assert_expires_after(owner, index, 29000 + 30000);
}

static void test_shorter_timeout_takes_effect_when_rearmed(void **state)
{
	struct owner *owner = *state;
	uint32_t index = insert_at(owner, 0, 6, START_MS);
	owner->table->hot[index].tcp_state = STELLAR_TCP_ESTABLISHED;
	session_table_advance(owner->table, START_MS + 40000);
	uint32_t before = session_table_get_timeout_ms(owner->table, index);

	session_hot_touch(&owner->table->hot[index], START_MS + 40000);
	owner->table->hot[index].tcp_state = STELLAR_TCP_CLOSED;
	session_table_rearm(owner->table, index, before);

	assert_expires_after(owner, index, 42000);
}

static void test_expired_session_may_be_kept(void **state)
{
	struct owner *owner = *state;
	insert_at(owner, 0, 17, START_MS);
	owner->keep = true;

	session_table_advance(owner->table, START_MS + 90000);

	assert_int_equal(owner->expired_count, 3);
	assert_true(owner->expired_ms[2] == START_MS + 90000);
	assert_int_equal(owner->table->count, 1);
}

// An owner that, with each session that expires, closes another one too and opens a new one in its
// place.
struct busy_owner {
	struct session_table *table;
	uint32_t next_number;
	uint64_t seed;
	uint32_t present[4096]; // index by number of key
};

static void busy_close(struct busy_owner *owner, uint32_t index)
{
	for (uint32_t number = 0; number < owner->next_number; number++) {
		if (owner->present[number] == index)
			owner->present[number] = SESSION_NONE;
	}
	session_table_remove(owner->table, index);
}

static void busy_open(struct busy_owner *owner, uint64_t now_ms)
{
	uint32_t number = owner->next_number++;
	struct session_key key = key_of(number);
	assert_int_equal(session_table_insert(owner->table, &key,
					      session_table_hash(owner->table, &key),
					      now_ms * NS_PER_MS, &owner->present[number]),
			 0);
}

static void busy_expired(void *data, uint32_t index, uint64_t due_ms)
{
	struct busy_owner *owner = data;
	busy_close(owner, index);
	uint32_t other = 1 + (uint32_t)(random_next(&owner->seed) % 100);
	if (owner->table->hot[other].version != 0)
		busy_close(owner, other);
	if (owner->next_number < 4000) {
		busy_open(owner, due_ms);
		if (owner->table->count < 100)
			busy_open(owner, due_ms);
	}
}

static void test_closing_others_while_expiring_leaves_the_index_whole(void **state)
{
	(void)state;
	static struct busy_owner owner;
	struct session_table_config config = table_config(100);
	config.expired = busy_expired;
	config.owner = &owner;
	config.hash_mask = 0xff;
	assert_int_equal(session_table_create(&config, &owner.table), 0);
	for (unsigned i = 0; i < 100; i++)
		busy_open(&owner, START_MS);

	for (uint64_t now_ms = START_MS; owner.table->count > 0; now_ms += 10000) {
		session_table_advance(owner.table, now_ms);
		for (uint32_t number = 0; number < owner.next_number; number++) {
			struct session_key key = key_of(number);
			assert_int_equal(session_table_lookup(owner.table, &key,
							      session_table_hash(owner.table, &key),
							      SESSION_NONE),
					 owner.present[number]);
		}
	}

	assert_true(owner.next_number >= 4000);
	for (uint64_t i = 0; i < owner.table->index.bucket_count; i++) {
		assert_int_equal(owner.table->index.buckets[i].used, 0);
		assert_int_equal(owner.table->index.buckets[i].overflow, 0);
	}
	session_table_destroy(owner.table);
}

static void test_last_time_survives_the_wrap_of_its_32_bits(void **state)
{
	struct owner *owner = *state;
	uint64_t wrap = (START_MS | UINT32_MAX) + 1;
	uint32_t index = insert_at(owner, 0, 6, wrap - 5);
	owner->table->hot[index].tcp_state = STELLAR_TCP_ESTABLISHED;

	session_table_advance(owner->table, wrap + 1000);
	assert_true(session_table_get_last_ns(owner->table, index) == (wrap - 5) * NS_PER_MS + 7);
	session_hot_touch(&owner->table->hot[index], wrap + 1000);
	assert_true(session_table_get_last_ns(owner->table, index) == (wrap + 1000) * NS_PER_MS);
	session_table_advance(owner->table, wrap + 1000 + 7440000 - 1);
	assert_int_equal(owner->expired_count, 0);
	session_table_advance(owner->table, wrap + 1000 + 7440000);

	assert_int_equal(owner->expired_count, 1);
}

static void test_jump_over_years_expires_each_at_its_own_time(void **state)
{
	struct owner *owner = *state;
	insert_at(owner, 0, 17, START_MS);
	uint32_t second = insert_at(owner, 1, 6, START_MS + 1);
	owner->table->hot[second].tcp_state = STELLAR_TCP_ESTABLISHED;

	session_table_advance(owner->table, START_MS + UINT64_C(400000000000));

	assert_int_equal(owner->expired_count, 2);
	assert_true(owner->expired_ms[0] == START_MS + 30000);
	assert_true(owner->expired_ms[1] == START_MS + 1 + 7440000);
}

static void test_absurd_timeouts_are_cut(void **state)
{
	(void)state;
	struct session_table *table = NULL;
	struct session_table_config config = table_config(64);
	config.timeouts.udp_opening_sec = UINT32_MAX;
	config.timeouts.icmp_sec = 0;
	assert_int_equal(session_table_create(&config, &table), 0);

	assert_int_equal(table->udp_timeout_ms[STELLAR_SESSION_OPENING], SESSION_TIMEOUT_MAX_MS);
	assert_int_equal(table->icmp_timeout_ms, 1);

	session_table_destroy(table);
}

static void test_victim_is_the_oldest_that_is_opening(void **state)
{
	struct owner *owner = *state;
	uint32_t established = insert_at(owner, 0, 6, START_MS);
	uint32_t locked = insert_at(owner, 1, 17, START_MS + 1);
	uint32_t oldest = insert_at(owner, 2, 17, START_MS + 2);
	insert_at(owner, 3, 17, START_MS + 3);
	owner->table->hot[established].state = STELLAR_SESSION_ACTIVE;
	owner->table->hot[locked].flags |= SESSION_LOCKED;

	assert_int_equal(session_table_pick_victim(owner->table), oldest);
	assert_int_equal(session_table_pick_victim(owner->table), oldest);
}

static void test_victims_follow_in_order_of_their_age(void **state)
{
	struct owner *owner = *state;
	uint32_t indices[100];
	for (uint32_t i = 0; i < 100; i++)
		indices[i] = insert_at(owner, i, 17, START_MS + i);

	for (uint32_t i = 0; i < 100; i++) {
		uint32_t victim = session_table_pick_victim(owner->table);
		assert_int_equal(victim, indices[i]);
		session_table_remove(owner->table, victim);
	}

	assert_int_equal(session_table_pick_victim(owner->table), SESSION_NONE);
}

static void test_there_is_no_victim_among_active_and_locked(void **state)
{
	struct owner *owner = *state;
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t index = insert_at(owner, i, 17, START_MS);
		if (i & 1)
			owner->table->hot[index].state = STELLAR_SESSION_ACTIVE;
		else
			owner->table->hot[index].flags |= SESSION_LOCKED;
	}

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(session_table_pick_victim(owner->table), SESSION_NONE);
	session_table_advance(owner->table, START_MS + 180000);

	assert_int_equal(owner->expired_count, 100);
}

static void test_victim_is_found_among_those_that_kept_opening_long(void **state)
{
	struct owner *owner = *state;
	for (uint32_t i = 0; i < 20; i++)
		insert_at(owner, i, 17, START_MS);
	session_table_advance(owner->table, START_MS + 20000);
	for (uint32_t index = 1; index <= 20; index++)
		session_hot_touch(&owner->table->hot[index], START_MS + 20000 + (index != 13));
	session_table_advance(owner->table, START_MS + 40000);
	assert_int_equal(owner->table->count, 20);

	assert_int_equal(session_table_pick_victim(owner->table), 13);
}

static void test_work_for_a_victim_is_bounded(void **state)
{
	struct owner *owner = *state;
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t index = insert_at(owner, i, 17, START_MS);
		if (i < 99)
			owner->table->hot[index].state = STELLAR_SESSION_ACTIVE;
	}

	// 64 of the queue and 64 of the lines are looked at: the one at the end is not among them.
	assert_int_equal(session_table_pick_victim(owner->table), SESSION_NONE);
	assert_int_equal(session_table_pick_victim(owner->table), 100);
}

static void test_other_protocols_become_active_with_the_first_answer(void **state)
{
	struct owner *owner = *state;
	struct session_hot *hot = &owner->table->hot[insert_at(owner, 0, 17, START_MS)];

	assert_int_equal(session_hot_next_state(hot, STELLAR_FORWARD), STELLAR_SESSION_OPENING);
	assert_int_equal(session_hot_next_state(hot, STELLAR_REVERSE), STELLAR_SESSION_ACTIVE);
	hot->state = STELLAR_SESSION_ACTIVE;
	assert_int_equal(session_hot_next_state(hot, STELLAR_FORWARD), STELLAR_SESSION_ACTIVE);
}

static void test_state_and_reason_of_tcp_follow_its_table(void **state)
{
	(void)state;
	const struct {
		uint8_t tcp_state;
		uint8_t session_state;
		uint8_t reason;
	} cases[STELLAR_TCP_STATE_COUNT] = {
		{STELLAR_TCP_NONE, STELLAR_SESSION_OPENING, STELLAR_CLOSED_TIMEOUT},
		{STELLAR_TCP_SYN_SENT, STELLAR_SESSION_OPENING, STELLAR_CLOSED_TIMEOUT},
		{STELLAR_TCP_SIMULTANEOUS_OPEN, STELLAR_SESSION_OPENING, STELLAR_CLOSED_TIMEOUT},
		{STELLAR_TCP_SYN_RECEIVED, STELLAR_SESSION_OPENING, STELLAR_CLOSED_TIMEOUT},
		{STELLAR_TCP_ESTABLISHED, STELLAR_SESSION_ACTIVE, STELLAR_CLOSED_TIMEOUT},
		{STELLAR_TCP_FIN_WAIT, STELLAR_SESSION_ACTIVE, STELLAR_CLOSED_TIMEOUT},
		{STELLAR_TCP_CLOSE_WAIT, STELLAR_SESSION_ACTIVE, STELLAR_CLOSED_TIMEOUT},
		{STELLAR_TCP_CLOSING, STELLAR_SESSION_ACTIVE, STELLAR_CLOSED_FIN},
		{STELLAR_TCP_LAST_ACK, STELLAR_SESSION_ACTIVE, STELLAR_CLOSED_FIN},
		{STELLAR_TCP_TIME_WAIT, STELLAR_SESSION_ACTIVE, STELLAR_CLOSED_FIN},
		{STELLAR_TCP_CLOSED, STELLAR_SESSION_OPENING, STELLAR_CLOSED_RST},
	};

	for (size_t i = 0; i < STELLAR_TCP_STATE_COUNT; i++) {
		struct session_hot hot = {.protocol = 6, .state = STELLAR_SESSION_OPENING};
		hot.tcp_state = cases[i].tcp_state & 15u;
		assert_int_equal(session_hot_next_state(&hot, STELLAR_FORWARD),
				 cases[i].session_state);
		assert_int_equal(session_hot_closing_reason(&hot), cases[i].reason);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_silent_udp_session_expires_by_its_state),
		TEST(test_active_udp_session_has_more_time),
		TEST(test_icmp_and_other_protocols_have_timeouts_of_their_own),
		TEST(test_tcp_timeout_is_that_of_its_state),
		TEST(test_packet_puts_the_end_off_without_touching_the_timer),
		TEST(test_shorter_timeout_takes_effect_when_rearmed),
		TEST(test_expired_session_may_be_kept),
		cmocka_unit_test(test_closing_others_while_expiring_leaves_the_index_whole),
		TEST(test_last_time_survives_the_wrap_of_its_32_bits),
		TEST(test_jump_over_years_expires_each_at_its_own_time),
		TEST(test_absurd_timeouts_are_cut),
		TEST(test_victim_is_the_oldest_that_is_opening),
		TEST(test_victims_follow_in_order_of_their_age),
		TEST(test_there_is_no_victim_among_active_and_locked),
		TEST(test_victim_is_found_among_those_that_kept_opening_long),
		TEST(test_work_for_a_victim_is_bounded),
		TEST(test_other_protocols_become_active_with_the_first_answer),
		TEST(test_state_and_reason_of_tcp_follow_its_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
