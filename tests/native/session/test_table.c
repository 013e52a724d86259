// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include <errno.h>
#include <sys/mman.h>

#include "packet/decode.h"
#include "session/metadata.h"
#include "session/table.h"

#define START_NS UINT64_C(1700000000000000000)

static struct session_table *make_table(struct session_table_config config)
{
	struct session_table *table = NULL;
	assert_int_equal(session_table_create(&config, &table), 0);
	return table;
}

static uint32_t lookup(const struct session_table *table, const struct session_key *key)
{
	return session_table_lookup(table, key, session_table_hash(table, key), SESSION_NONE);
}

static int try_insert(struct session_table *table, const struct session_key *key,
		      uint32_t *ret_index)
{
	return session_table_insert(table, key, session_table_hash(table, key), START_NS,
				    ret_index);
}

static uint32_t insert(struct session_table *table, uint32_t number)
{
	struct session_key key = key_of(number);
	uint32_t index = SESSION_NONE;
	assert_int_equal(try_insert(table, &key, &index), 0);
	return index;
}

static void test_session_is_found_from_both_sides(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	for (uint32_t number = 0; number < 2; number++) {
		uint32_t index = insert(table, number);
		struct session_key key = key_of(number);
		struct session_key back = key;
		back.source_is_high ^= 1;

		assert_int_equal(lookup(table, &key), index);
		assert_int_equal(lookup(table, &back), index);
		assert_int_equal(session_table_get_direction(table, index, &key), STELLAR_FORWARD);
		assert_int_equal(session_table_get_direction(table, index, &back), STELLAR_REVERSE);
	}
	session_table_destroy(table);
}

static void test_new_session_is_opening_and_counts_nothing(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));

	uint32_t index = insert(table, 1);

	assert_int_equal(table->hot[index].state, STELLAR_SESSION_OPENING);
	assert_int_equal(table->hot[index].tcp_state, STELLAR_TCP_NONE);
	assert_true(table->cold[index].start_ns == START_NS);
	assert_true(session_table_get_last_ns(table, index) == START_NS);
	assert_int_equal(session_table_get_packets(table, index, STELLAR_FORWARD), 0);
	assert_int_equal(table->cold[index].ingress_id, UINT16_MAX);
	assert_int_equal(table->count, 1);
	session_table_destroy(table);
}

static void test_endpoints_are_those_of_the_first_packet(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	struct packet_endpoint high = endpoint_v6(9, 50000);
	struct packet_endpoint low = endpoint_v6(1, 443);
	struct packet_endpoint originator;
	struct packet_endpoint responder;
	struct session_key key;
	uint32_t index;
	session_key_from_endpoints(&high, &low, 6, 0, 0, &key);
	assert_int_equal(try_insert(table, &key, &index), 0);

	session_table_get_endpoints(table, index, &originator, &responder);

	assert_memory_equal(&originator.address, &high.address, sizeof(high.address));
	assert_memory_equal(&responder.address, &low.address, sizeof(low.address));
	assert_int_equal(originator.port, 50000);
	assert_int_equal(responder.port, 443);
	session_table_destroy(table);
}

static void test_icmp_endpoints_are_identifier_and_type_of_the_first_packet(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	struct packet_endpoint a = endpoint_v4(1, 77);
	struct packet_endpoint b = endpoint_v4(2, 8 << 8);
	struct packet_endpoint originator;
	struct packet_endpoint responder;
	struct session_key key;
	uint32_t index;
	session_key_from_endpoints(&b, &a, 1, 0, 0, &key);
	key.port_low = 77;
	key.port_high = 8 << 8;
	key.is_reply = 1;
	assert_int_equal(try_insert(table, &key, &index), 0);

	session_table_get_endpoints(table, index, &originator, &responder);

	assert_memory_equal(&originator.address, &b.address, sizeof(b.address));
	assert_int_equal(originator.port, 77);
	assert_int_equal(responder.port, 0);
	session_table_destroy(table);
}

static void test_ids_are_never_reused_and_carry_the_worker(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	uint32_t first = insert(table, 1);
	uint64_t first_id = session_table_get_id(table, first);

	session_table_remove(table, first);
	uint32_t second = insert(table, 1);

	assert_int_equal(second, first);
	assert_true(first_id == (UINT64_C(3) << 48 | 1));
	assert_true(session_table_get_id(table, second) == (UINT64_C(3) << 48 | 2));
	session_table_destroy(table);
}

static void test_removed_session_is_not_found_even_with_a_hint(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	for (uint32_t number = 0; number < 2; number++) {
		struct session_key key = key_of(number);
		uint64_t hash = session_table_hash(table, &key);
		uint32_t index = insert(table, number);
		uint32_t hint = SESSION_NONE;
		session_table_find_burst(table, &key, 1, &hash, &hint);
		assert_int_equal(hint, index);

		session_table_remove(table, index);

		assert_int_equal(session_table_lookup(table, &key, hash, hint), SESSION_NONE);
	}
	assert_int_equal(table->count, 0);
	session_table_destroy(table);
}

static void test_hint_that_became_another_session_does_not_decide(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	struct session_key key = key_of(4);
	uint64_t hash = session_table_hash(table, &key);
	uint32_t hint = insert(table, 4);

	session_table_remove(table, hint);
	uint32_t other = insert(table, 6);
	uint32_t again = insert(table, 4);

	assert_int_equal(other, hint);
	assert_int_equal(session_table_lookup(table, &key, hash, hint), again);
	session_table_destroy(table);
}

static void test_full_table_refuses_and_takes_again_when_one_left(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(100));
	struct session_key key = key_of(1000);
	uint32_t index = 77;
	for (uint32_t number = 0; number < 100; number++)
		insert(table, number);

	assert_int_equal(try_insert(table, &key, &index), -ENOSPC);
	assert_int_equal(index, 77);
	assert_int_equal(table->count, 100);
	session_table_remove(table, 50);
	assert_int_equal(try_insert(table, &key, &index), 0);

	assert_int_equal(index, 50);
	session_table_destroy(table);
}

static void test_bad_configurations_are_refused(void **state)
{
	(void)state;
	struct session_table *table = NULL;
	struct session_table_config none = table_config(0);
	struct session_table_config many = table_config((uint64_t)SESSION_CAPACITY_MAX + 1);
	struct session_table_config deaf = table_config(64);
	deaf.expired = NULL;

	assert_int_equal(session_table_create(&none, &table), -EINVAL);
	assert_int_equal(session_table_create(&many, &table), -EINVAL);
	assert_int_equal(session_table_create(&deaf, &table), -EINVAL);
	assert_null(table);
	session_table_destroy(NULL);
}

static void test_counters_carry_past_32_bits(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	uint32_t index = insert(table, 0);
	table->hot[index].packets[STELLAR_REVERSE] = UINT32_MAX;
	table->hot[index].bytes[STELLAR_FORWARD] = UINT32_MAX - 10;

	session_table_count(table, index, STELLAR_REVERSE, 1500);
	session_table_count(table, index, STELLAR_FORWARD, 1500);
	session_table_count(table, index, STELLAR_FORWARD, 40);

	assert_true(session_table_get_packets(table, index, STELLAR_REVERSE) ==
		    UINT64_C(0x100000000));
	assert_true(session_table_get_bytes_of(table, index, STELLAR_REVERSE) == 1500);
	assert_true(session_table_get_packets(table, index, STELLAR_FORWARD) == 2);
	assert_true(session_table_get_bytes_of(table, index, STELLAR_FORWARD) ==
		    UINT64_C(0xffffffff) - 10 + 1540);
	session_table_destroy(table);
}

static void count_free(void *value, size_t value_size)
{
	(void)value_size;
	++*(int *)value;
}

static void test_metadata_is_freed_once_with_its_session(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	int removed = 0;
	int destroyed = 0;
	uint32_t first = insert(table, 0);
	uint32_t second = insert(table, 1);
	struct session_extension *extension = session_table_need_extension(table, first);
	assert_int_equal(metadata_set(&extension->metadata, "k", &removed, 4, count_free), 0);
	extension = session_table_need_extension(table, second);
	assert_int_equal(metadata_set(&extension->metadata, "k", &destroyed, 4, count_free), 0);

	session_table_remove(table, first);
	assert_int_equal(removed, 1);
	session_table_destroy(table);

	assert_int_equal(removed, 1);
	assert_int_equal(destroyed, 1);
}

static void test_extension_of_ipv4_comes_only_when_needed(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	uint32_t index = insert(table, 0);

	assert_null(session_table_get_extension(table, index));
	struct session_extension *extension = session_table_need_extension(table, index);
	assert_non_null(extension);
	assert_ptr_equal(session_table_need_extension(table, index), extension);
	session_table_remove(table, index);

	assert_int_equal(table->extensions.count, 0);
	session_table_destroy(table);
}

static void test_alias_leads_to_the_session_until_it_is_removed(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	for (uint32_t number = 0; number < 2; number++) {
		uint32_t index = insert(table, number);
		struct session_key key = key_of(number);
		struct session_key alias = key_of(number + 500);
		struct session_key back = alias;
		back.source_is_high ^= 1;

		assert_int_equal(session_table_add_alias(table, index, &alias), 0);
		assert_int_equal(lookup(table, &alias), index);
		assert_int_equal(lookup(table, &key), index);
		assert_int_equal(session_table_get_direction(table, index, &alias),
				 STELLAR_FORWARD);
		assert_int_equal(session_table_get_direction(table, index, &back), STELLAR_REVERSE);
		assert_int_equal(session_table_get_direction(table, index, &key), STELLAR_FORWARD);
		assert_int_equal(session_table_remove_alias(table, index), 0);
		assert_int_equal(session_table_remove_alias(table, index), -ENOENT);
		assert_int_equal(lookup(table, &alias), SESSION_NONE);
		assert_int_equal(lookup(table, &key), index);
	}
	session_table_destroy(table);
}

static void test_alias_is_refused_when_its_key_is_taken(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	uint32_t index = insert(table, 0);
	struct session_key taken = key_of(1);
	struct session_key alias = key_of(2);
	struct session_key second = key_of(3);
	insert(table, 1);

	assert_int_equal(session_table_add_alias(table, index, &taken), -EEXIST);
	assert_int_equal(session_table_add_alias(table, index, &alias), 0);
	assert_int_equal(session_table_add_alias(table, index, &second), -EEXIST);

	session_table_destroy(table);
}

static void test_aliases_take_no_room_from_sessions(void **state)
{
	(void)state;
	struct session_table_config config = table_config(64);
	struct session_key alias = key_of(900);
	config.alias_capacity = 1;
	struct session_table *table = make_table(config);
	uint32_t first = insert(table, 0);
	uint32_t second = insert(table, 1);
	struct session_key other = key_of(901);

	assert_int_equal(session_table_add_alias(table, first, &alias), 0);
	assert_int_equal(session_table_add_alias(table, second, &other), -ENOSPC);
	session_table_remove(table, first);
	assert_int_equal(session_table_add_alias(table, second, &other), 0);

	session_table_destroy(table);
}

static void test_walk_visits_every_session_once(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(64));
	bool seen[65] = {false};
	for (uint32_t number = 0; number < 40; number++)
		insert(table, number);
	for (uint32_t index = 1; index <= 40; index += 3)
		session_table_remove(table, index);

	uint32_t count = 0;
	for (uint32_t index = session_table_next(table, SESSION_NONE); index != SESSION_NONE;
	     index = session_table_next(table, index)) {
		assert_false(seen[index]);
		assert_int_not_equal(index % 3, 1);
		seen[index] = true;
		count++;
	}

	assert_int_equal(count, table->count);
	session_table_destroy(table);
}

static void test_a_session_costs_122_bytes_at_capacity(void **state)
{
	(void)state;
	struct session_table_config config = table_config(1 << 20);
	config.alias_capacity = 0;
	struct session_table *table = make_table(config);

	// Huge pages round each of the three arrays up.
	assert_true(session_table_get_bytes(table) <= (UINT64_C(122) << 20) + 3 * (2 << 20));

	session_table_destroy(table);
}

#define MODEL_KEYS 700
#define MODEL_CAPACITY 256

// What the table should hold: sessions and aliases by number of their key.
struct model {
	struct session_table *table;
	uint32_t index_of[MODEL_KEYS]; // session that owns the key, by either
	uint32_t alias_of[MODEL_KEYS]; // number of the session's second key, 0: none
	uint64_t id_of[MODEL_KEYS];
	bool is_alias[MODEL_KEYS];
	uint32_t count;
};

static void model_toggle_session(struct model *model, uint32_t number)
{
	struct session_key key = key_of(number);
	uint32_t index = model->index_of[number];
	if (model->is_alias[number])
		return;
	if (index == SESSION_NONE) {
		int rc = try_insert(model->table, &key, &index);
		assert_int_equal(rc, model->count == MODEL_CAPACITY ? -ENOSPC : 0);
		if (rc != 0)
			return;
		model->count++;
		model->index_of[number] = index;
		model->id_of[number] = session_table_get_id(model->table, index);
		return;
	}
	uint32_t alias = model->alias_of[number];
	session_table_remove(model->table, index);
	model->count--;
	model->index_of[number] = SESSION_NONE;
	model->alias_of[number] = 0;
	if (alias != 0) {
		model->index_of[alias] = SESSION_NONE;
		model->is_alias[alias] = false;
	}
}

static void model_toggle_alias(struct model *model, uint32_t number, uint32_t second)
{
	struct session_key alias = key_of(second);
	uint32_t index = model->index_of[number];
	if (index == SESSION_NONE || model->is_alias[number])
		return;
	if (model->alias_of[number] != 0) {
		uint32_t old = model->alias_of[number];
		assert_int_equal(session_table_remove_alias(model->table, index), 0);
		model->index_of[old] = SESSION_NONE;
		model->is_alias[old] = false;
		model->alias_of[number] = 0;
		return;
	}
	bool free = model->index_of[second] == SESSION_NONE;
	assert_int_equal(session_table_add_alias(model->table, index, &alias), free ? 0 : -EEXIST);
	if (free) {
		model->index_of[second] = index;
		model->is_alias[second] = true;
		model->alias_of[number] = second;
	}
}

static void run_model(uint64_t hash_mask)
{
	struct session_table_config config = table_config(MODEL_CAPACITY);
	struct model model = {0};
	uint64_t seed = 21;
	config.hash_mask = hash_mask;
	model.table = make_table(config);
	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t number = (uint32_t)(random_next(&seed) % MODEL_KEYS);
		uint32_t second = 1 + (uint32_t)(random_next(&seed) % (MODEL_KEYS - 1));
		if (random_next(&seed) % 4 == 0)
			model_toggle_alias(&model, number, second);
		else
			model_toggle_session(&model, number);
		uint32_t wanted = (uint32_t)(random_next(&seed) % MODEL_KEYS);
		struct session_key key = key_of(wanted);
		// A hint may be anything that once was true.
		uint32_t hint = (uint32_t)(random_next(&seed) % (MODEL_CAPACITY + 1));
		uint64_t hash = session_table_hash(model.table, &key);
		assert_int_equal(session_table_lookup(model.table, &key, hash, hint),
				 model.index_of[wanted]);
		assert_int_equal(model.table->count, model.count);
	}
	for (uint32_t number = 0; number < MODEL_KEYS; number++) {
		if (model.index_of[number] == SESSION_NONE || model.is_alias[number])
			continue;
		struct session_key key = key_of(number);
		struct session_key stored;
		session_table_get_key(model.table, model.index_of[number], &stored);
		assert_true(session_key_is_equal(&stored, &key));
		assert_true(session_table_get_id(model.table, model.index_of[number]) ==
			    model.id_of[number]);
	}
	session_table_destroy(model.table);
}

static void test_table_agrees_with_a_plain_array(void **state)
{
	(void)state;
	run_model(0);
}

static void test_table_agrees_with_a_plain_array_when_hashes_collide(void **state)
{
	(void)state;
	run_model(1);
	run_model(UINT64_C(0x8000000000030003));
}

// Packets of COUNT keys: unknown ones make a session, every fifth closes what it meets. Returns how
// they were answered, in order.
static void run_bursts(struct session_table *table, size_t burst, uint32_t *ret_answers,
		       size_t count)
{
	struct session_key keys[64];
	uint64_t hashes[64];
	uint32_t hints[64];
	uint64_t seed = 31;
	for (size_t done = 0; done < count; done += burst) {
		size_t size = count - done < burst ? count - done : burst;
		for (size_t i = 0; i < size; i++)
			keys[i] = key_of((uint32_t)(random_next(&seed) % 150));
		session_table_find_burst(table, keys, size, hashes, hints);
		for (size_t i = 0; i < size; i++) {
			uint32_t index = session_table_lookup(table, &keys[i], hashes[i], hints[i]);
			ret_answers[done + i] = index;
			if (index == SESSION_NONE)
				session_table_insert(table, &keys[i], hashes[i], START_NS,
						     &ret_answers[done + i]);
			else if ((done + i) % 5 == 0)
				session_table_remove(table, index);
		}
	}
}

static void test_burst_size_changes_no_answer(void **state)
{
	(void)state;
	enum { COUNT = 20000 };
	static uint32_t one_by_one[COUNT];
	static uint32_t in_bursts[COUNT];
	const size_t bursts[] = {2, 7, 32, 64};
	struct session_table *table = make_table(table_config(100));
	run_bursts(table, 1, one_by_one, COUNT);
	session_table_destroy(table);

	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		table = make_table(table_config(100));
		run_bursts(table, bursts[i], in_bursts, COUNT);
		assert_memory_equal(one_by_one, in_bursts, sizeof(one_by_one));
		session_table_destroy(table);
	}
}

static struct packet packet_of(uint32_t number)
{
	struct packet packet = {
		.ip_version = 4,
		.protocol = number % 3 == 0 ? 6 : 17,
		.has_transport = number % 5 != 0,
		.source_port = (uint16_t)number,
		.destination_port = 443,
		.source = {.version = 4, .bytes = {10, 0, 0, (uint8_t)number}},
		.destination = {.version = 4, .bytes = {10, 0, 0, 50}},
	};
	return packet;
}

static void test_packets_of_a_burst_are_found_as_alone(void **state)
{
	(void)state;
	struct session_table *table = make_table(table_config(100));
	struct packet packets[64];
	struct session_key keys[64];
	struct session_key key;
	bool has_key[64];
	uint64_t hashes[64];
	uint32_t hints[64];
	uint32_t index;
	for (uint32_t i = 0; i < 64; i++) {
		packets[i] = packet_of(i);
		if (i % 2 == 0 && session_key_from_packet(&packets[i], &key) == 0)
			assert_int_equal(try_insert(table, &key, &index), 0);
	}

	for (size_t count = 0; count <= 64; count++) {
		memset(hints, 0xff, sizeof(hints));
		session_table_find_packets(table, packets, count, keys, has_key, hashes, hints);
		for (size_t i = 0; i < count; i++) {
			bool expected = session_key_from_packet(&packets[i], &key) == 0;
			session_table_look_ahead(table, hashes, count, i, hints);
			assert_int_equal(has_key[i], expected);
			if (!expected)
				continue;
			assert_true(session_key_is_equal(&keys[i], &key));
			assert_true(hashes[i] == session_table_hash(table, &key));
			assert_int_equal(hints[i], lookup(table, &key));
		}
	}
	session_table_destroy(table);
}

static bool is_resident(const void *address)
{
	unsigned char resident;
	assert_int_equal(mincore((void *)(uintptr_t)address, 1, &resident), 0);
	return (resident & 1) != 0;
}

static void test_memory_of_coming_sessions_can_be_prepared(void **state)
{
	(void)state;
	const size_t page = 2 << 20;
	struct session_table *table = make_table(table_config(1 << 20));
	const uint8_t *hot = (const uint8_t *)table->hot;
	const uint8_t *cold = (const uint8_t *)table->cold;
	bool before = is_resident(hot + page) || is_resident(cold + page);

	unsigned steps = 0;
	while (session_table_prepare(table))
		steps++;

	assert_false(before);
	assert_true(is_resident(hot + page) && is_resident(hot + 2 * page));
	assert_true(is_resident(cold + page) && is_resident(cold + 2 * page));
	assert_false(is_resident(hot + 4 * page));
	assert_int_equal(steps, 4);
	session_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_is_found_from_both_sides),
		cmocka_unit_test(test_new_session_is_opening_and_counts_nothing),
		cmocka_unit_test(test_endpoints_are_those_of_the_first_packet),
		cmocka_unit_test(test_icmp_endpoints_are_identifier_and_type_of_the_first_packet),
		cmocka_unit_test(test_ids_are_never_reused_and_carry_the_worker),
		cmocka_unit_test(test_removed_session_is_not_found_even_with_a_hint),
		cmocka_unit_test(test_hint_that_became_another_session_does_not_decide),
		cmocka_unit_test(test_full_table_refuses_and_takes_again_when_one_left),
		cmocka_unit_test(test_bad_configurations_are_refused),
		cmocka_unit_test(test_counters_carry_past_32_bits),
		cmocka_unit_test(test_metadata_is_freed_once_with_its_session),
		cmocka_unit_test(test_extension_of_ipv4_comes_only_when_needed),
		cmocka_unit_test(test_alias_leads_to_the_session_until_it_is_removed),
		cmocka_unit_test(test_alias_is_refused_when_its_key_is_taken),
		cmocka_unit_test(test_aliases_take_no_room_from_sessions),
		cmocka_unit_test(test_walk_visits_every_session_once),
		cmocka_unit_test(test_a_session_costs_122_bytes_at_capacity),
		cmocka_unit_test(test_table_agrees_with_a_plain_array),
		cmocka_unit_test(test_table_agrees_with_a_plain_array_when_hashes_collide),
		cmocka_unit_test(test_burst_size_changes_no_answer),
		cmocka_unit_test(test_packets_of_a_burst_are_found_as_alone),
		cmocka_unit_test(test_memory_of_coming_sessions_can_be_prepared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
