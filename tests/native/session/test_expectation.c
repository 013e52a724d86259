// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include <errno.h>

#include "session/expectation.h"

#define TCP 6
#define UDP 17
#define START_MS 1000

static const struct packet_endpoint anyone;

static struct expectations open_table(uint64_t limit, uint64_t parent_limit)
{
	const struct expectations_config config = {
		.limit = limit,
		.parent_limit = parent_limit,
		.secret = {{1, 2}},
		.now_ms = START_MS,
	};
	struct expectations expectations;
	assert_int_equal(expectations_init(&expectations, &config), 0);
	return expectations;
}

static struct expectation_claim claim_of(struct packet_endpoint originator,
					 struct packet_endpoint responder)
{
	return (struct expectation_claim){
		.originator = originator,
		.responder = responder,
		.tag = 5,
		.protocol = UDP,
	};
}

// The wheel points to its owner, so that a table must stay where it was made.
#define OPEN(limit, parent_limit) \
	struct expectations table = open_table(limit, parent_limit); \
	table.wheel.owner = &table

static uint32_t parent_of(const struct expectations *table, const struct expectation_claim *session)
{
	uint32_t id = expectations_find(table, session);
	return id == 0 ? 0 : expectations_get_parent(table, id);
}

static void test_session_is_found_only_under_all_that_was_claimed(void **state)
{
	(void)state;
	OPEN(16, 16);
	const struct expectation_claim claim = claim_of(endpoint_v4(1, 4000), endpoint_v4(2, 69));
	assert_int_equal(expectations_add(&table, 7, &claim, 100, START_MS), 1);

	struct expectation_claim others[6];
	for (size_t i = 0; i < 6; i++)
		others[i] = claim;
	others[0].originator = endpoint_v4(3, 4000);
	others[1].originator = endpoint_v4(1, 4001);
	others[2].responder = endpoint_v4(2, 70);
	others[3].protocol = TCP;
	others[4].tag = 6;
	others[5].tenant = 1;

	assert_int_equal(parent_of(&table, &claim), 7);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(parent_of(&table, &others[i]), 0);
	expectations_fini(&table);
}

static void test_what_is_left_open_may_be_anything(void **state)
{
	(void)state;
	OPEN(16, 16);
	struct packet_endpoint any_port = endpoint_v6(2, 0);
	const struct expectation_claim claim = claim_of(anyone, any_port);
	assert_int_equal(expectations_add(&table, 7, &claim, 100, START_MS), 1);

	const struct expectation_claim one = claim_of(endpoint_v6(1, 4000), endpoint_v6(2, 69));
	const struct expectation_claim other = claim_of(endpoint_v6(3, 0), endpoint_v6(2, 65535));
	const struct expectation_claim wrong = claim_of(endpoint_v6(1, 4000), endpoint_v6(4, 69));

	assert_int_equal(parent_of(&table, &one), 7);
	assert_int_equal(parent_of(&table, &other), 7);
	assert_int_equal(parent_of(&table, &wrong), 0);
	expectations_fini(&table);
}

static void test_claim_that_knows_more_wins_in_a_fixed_order(void **state)
{
	(void)state;
	OPEN(16, 16);
	const struct packet_endpoint source = endpoint_v4(1, 4000);
	const struct packet_endpoint target = endpoint_v4(2, 69);
	const struct packet_endpoint source_address = endpoint_v4(1, 0);
	const struct packet_endpoint source_port = {.port = 4000};
	const struct packet_endpoint target_address = endpoint_v4(2, 0);
	const struct expectation_claim session = claim_of(source, target);
	// From the weakest; each is its own parent.
	const struct expectation_claim claims[] = {
		claim_of(anyone, target_address),	  claim_of(source_port, target_address),
		claim_of(source_address, target_address), claim_of(anyone, target),
		claim_of(source, target_address),	  claim_of(source_port, target),
		claim_of(source_address, target),	  claim_of(source, target),
	};

	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(expectations_add(&table, i + 1, &claims[i], 100, START_MS), 1);
		assert_int_equal(parent_of(&table, &session), i + 1);
	}
	for (uint32_t i = 8; i > 0; i--) {
		assert_int_equal(parent_of(&table, &session), i);
		expectations_remove(&table, expectations_find(&table, &session));
	}
	assert_int_equal(table.count, 0);
	expectations_fini(&table);
}

static void test_oldest_of_equal_claims_wins_also_when_it_was_renewed(void **state)
{
	(void)state;
	OPEN(16, 16);
	const struct expectation_claim claim = claim_of(anyone, endpoint_v4(2, 69));
	assert_int_equal(expectations_add(&table, 7, &claim, 100, START_MS), 1);
	assert_int_equal(expectations_add(&table, 8, &claim, 100, START_MS), 1);
	assert_int_equal(expectations_add(&table, 9, &claim, 100, START_MS), 1);

	assert_int_equal(expectations_add(&table, 7, &claim, 100, START_MS + 50), 0);

	assert_int_equal(table.count, 3);
	assert_int_equal(parent_of(&table, &claim), 7);
	expectations_advance(&table, START_MS + 149);
	assert_int_equal(parent_of(&table, &claim), 7);
	assert_int_equal(table.count, 1);
	expectations_advance(&table, START_MS + 150);
	assert_int_equal(table.count, 0);
	assert_int_equal(table.expired, 3);
	expectations_fini(&table);
}

static void test_parent_that_closes_ends_its_claims_only(void **state)
{
	(void)state;
	OPEN(1024, 512);
	for (uint32_t i = 0; i < 600; i++) {
		const struct expectation_claim claim = claim_of(anyone, endpoint_v4(i, 69));
		assert_int_equal(expectations_add(&table, 1 + i % 3, &claim, 100, START_MS), 1);
	}

	expectations_forget(&table, 2);
	expectations_forget(&table, 2);

	assert_int_equal(table.count, 400);
	assert_int_equal(table.expired, 200);
	for (uint32_t i = 0; i < 600; i++) {
		const struct expectation_claim session =
			claim_of(endpoint_v4(9, 9), endpoint_v4(i, 69));
		assert_int_equal(parent_of(&table, &session), i % 3 == 1 ? 0 : 1 + i % 3);
	}
	expectations_fini(&table);
}

static void test_limits_refuse_and_room_comes_back(void **state)
{
	(void)state;
	OPEN(3, 2);
	const struct expectation_claim claims[] = {
		claim_of(anyone, endpoint_v4(1, 69)),
		claim_of(anyone, endpoint_v4(2, 69)),
		claim_of(anyone, endpoint_v4(3, 69)),
	};
	assert_int_equal(expectations_add(&table, 1, &claims[0], 100, START_MS), 1);
	assert_int_equal(expectations_add(&table, 1, &claims[1], 100, START_MS), 1);
	assert_int_equal(expectations_add(&table, 1, &claims[2], 100, START_MS), -ENOSPC);
	assert_int_equal(expectations_add(&table, 2, &claims[0], 100, START_MS), 1);
	assert_int_equal(expectations_add(&table, 3, &claims[0], 100, START_MS), -ENOSPC);

	// An announcement that stands is renewed at the limit too.
	assert_int_equal(expectations_add(&table, 1, &claims[1], 100, START_MS), 0);
	expectations_remove(&table, expectations_find(&table, &claims[0]));

	assert_int_equal(expectations_add(&table, 3, &claims[2], 100, START_MS), 1);
	expectations_fini(&table);
}

static void test_claims_that_can_not_be_met_are_refused(void **state)
{
	(void)state;
	OPEN(16, 16);
	const struct expectation_claim good = claim_of(anyone, endpoint_v4(1, 69));
	struct expectation_claim nobody = claim_of(endpoint_v4(1, 69), anyone);
	struct expectation_claim mixed = claim_of(endpoint_v6(1, 0), endpoint_v4(1, 69));
	struct expectation_claim icmp = good;
	icmp.protocol = 1;

	assert_int_equal(expectations_add(&table, 1, &nobody, 100, START_MS), -EINVAL);
	assert_int_equal(expectations_add(&table, 1, &mixed, 100, START_MS), -EINVAL);
	assert_int_equal(expectations_add(&table, 1, &icmp, 100, START_MS), -EINVAL);
	assert_int_equal(expectations_add(&table, 1, &good, 0, START_MS), -EINVAL);
	assert_int_equal(
		expectations_add(&table, 1, &good, EXPECTATION_TIMEOUT_MAX_MS + 1, START_MS),
		-EINVAL);
	assert_int_equal(table.count, 0);
	expectations_fini(&table);
}

// Against a plain array: add, find, forget and time in random order.
#define MODEL_SIZE 64

struct model_entry {
	uint32_t parent; // 0: free
	uint32_t target;
	uint64_t deadline_ms;
	uint64_t age;
};

static struct model_entry *model_find(struct model_entry *model, uint32_t parent, uint32_t target)
{
	struct model_entry *oldest = NULL;
	for (size_t i = 0; i < MODEL_SIZE; i++) {
		struct model_entry *entry = &model[i];
		if (entry->parent != 0 && entry->target == target &&
		    (parent == 0 || entry->parent == parent) &&
		    (oldest == NULL || entry->age < oldest->age))
			oldest = entry;
	}
	return oldest;
}

static struct model_entry *model_free_place(struct model_entry *model)
{
	for (size_t i = 0; i < MODEL_SIZE; i++) {
		if (model[i].parent == 0)
			return &model[i];
	}
	return NULL;
}

static void test_random_steps_end_as_in_a_plain_array(void **state)
{
	(void)state;
	OPEN(MODEL_SIZE, MODEL_SIZE);
	struct model_entry model[MODEL_SIZE] = {{0}};
	uint64_t seed = 3;
	uint64_t now_ms = START_MS;

	for (uint64_t step = 1; step < 20000; step++) {
		uint32_t parent = 1 + (uint32_t)(random_next(&seed) % 8);
		uint32_t target = (uint32_t)(random_next(&seed) % 12);
		uint32_t timeout_ms = 1 + (uint32_t)(random_next(&seed) % 500);
		const struct expectation_claim claim = claim_of(anyone, endpoint_v4(target, 69));
		struct model_entry *own = model_find(model, parent, target);
		struct model_entry *place = own != NULL ? own : model_free_place(model);
		int result = expectations_add(&table, parent, &claim, timeout_ms, now_ms);
		assert_int_equal(result, own != NULL ? 0 : place != NULL ? 1 : -ENOSPC);
		if (place != NULL)
			*place = (struct model_entry){parent, target, now_ms + timeout_ms,
						      own != NULL ? own->age : step};

		now_ms += random_next(&seed) % 20;
		expectations_advance(&table, now_ms);
		if (step % 97 == 0)
			expectations_forget(&table, parent);
		for (size_t i = 0; i < MODEL_SIZE; i++) {
			if (model[i].deadline_ms <= now_ms ||
			    (step % 97 == 0 && model[i].parent == parent))
				model[i].parent = 0;
		}
		uint32_t wanted = (uint32_t)(random_next(&seed) % 12);
		const struct expectation_claim session =
			claim_of(endpoint_v4(1, 1), endpoint_v4(wanted, 69));
		struct model_entry *oldest = model_find(model, 0, wanted);
		assert_int_equal(parent_of(&table, &session), oldest == NULL ? 0 : oldest->parent);
	}
	expectations_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_is_found_only_under_all_that_was_claimed),
		cmocka_unit_test(test_what_is_left_open_may_be_anything),
		cmocka_unit_test(test_claim_that_knows_more_wins_in_a_fixed_order),
		cmocka_unit_test(test_oldest_of_equal_claims_wins_also_when_it_was_renewed),
		cmocka_unit_test(test_parent_that_closes_ends_its_claims_only),
		cmocka_unit_test(test_limits_refuse_and_room_comes_back),
		cmocka_unit_test(test_claims_that_can_not_be_met_are_refused),
		cmocka_unit_test(test_random_steps_end_as_in_a_plain_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
