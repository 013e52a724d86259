// SPDX-License-Identifier: Apache-2.0

// Keys that hash alike are still different sessions: a hash says where to look, never who it is.

#include "support.h"

#define START_NS UINT64_C(1700000000000000000)
#define ORIGINATORS 256u

// Two originators of one responder and port whose hashes, of one bit, are the same.
static void find_colliding_keys(const struct session_table *table, uint8_t version,
				struct session_key *ret_first, struct session_key *ret_second)
{
	struct packet_endpoint responder = version == 6 ? endpoint_v6(7, 443) : endpoint_v4(7, 443);
	struct packet_endpoint originator =
		version == 6 ? endpoint_v6(100, 5000) : endpoint_v4(100, 5000);

	session_key_from_endpoints(&originator, &responder, 17, 0, 0, ret_first);
	for (uint32_t number = 101; number < 100 + ORIGINATORS; number++) {
		originator = version == 6 ? endpoint_v6(number, 5000) : endpoint_v4(number, 5000);
		session_key_from_endpoints(&originator, &responder, 17, 0, 0, ret_second);
		if (session_table_hash(table, ret_first) == session_table_hash(table, ret_second))
			return;
	}
	fail_msg("no two of %u keys collide in one bit", ORIGINATORS);
}

static void check_colliding_keys_are_two_sessions(uint8_t version)
{
	struct session_table_config config = table_config(64);
	struct session_table *table = NULL;
	struct session_key first, second;
	uint32_t first_index, second_index;

	config.hash_mask = 1;
	assert_int_equal(session_table_create(&config, &table), 0);
	find_colliding_keys(table, version, &first, &second);
	uint64_t hash = session_table_hash(table, &first);

	assert_int_equal(session_table_insert(table, &first, hash, START_NS, &first_index), 0);
	assert_int_equal(session_table_lookup(table, &second, hash, SESSION_NONE), SESSION_NONE);
	assert_int_equal(session_table_lookup(table, &second, hash, first_index), SESSION_NONE);
	assert_int_equal(session_table_insert(table, &second, hash, START_NS, &second_index), 0);

	assert_int_equal(session_table_lookup(table, &first, hash, second_index), first_index);
	assert_int_equal(session_table_lookup(table, &second, hash, first_index), second_index);
	session_table_destroy(table);
}

static void test_ipv4_keys_of_one_hash_are_told_apart(void **state)
{
	check_colliding_keys_are_two_sessions(4);
}

static void test_ipv6_keys_of_one_hash_are_told_apart(void **state)
{
	check_colliding_keys_are_two_sessions(6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_keys_of_one_hash_are_told_apart),
		cmocka_unit_test(test_ipv6_keys_of_one_hash_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
