// SPDX-License-Identifier: Apache-2.0

// Which profile an address has.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/target.h"

static struct ip_address ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct ip_address){.version = 4, .bytes = {a, b, c, d}};
}

static void add(struct target_list *list, struct ip_address prefix, uint8_t length, uint8_t profile)
{
	assert_int_equal(target_list_add(list, &prefix, length, profile), 0);
}

static uint8_t lookup(const struct target_list *list, struct ip_address address)
{
	return target_list_lookup(list, &address, STELLAR_TARGET_LAST);
}

static void test_longest_prefix_wins_in_any_order(void **state)
{
	static struct target_list list;

	add(&list, ipv4(10, 1, 2, 3), 8, STELLAR_TARGET_BSD);
	add(&list, ipv4(10, 1, 2, 3), 32, STELLAR_TARGET_WINDOWS);
	add(&list, ipv4(10, 1, 0, 0), 15, STELLAR_TARGET_SOLARIS);

	assert_int_equal(lookup(&list, ipv4(10, 1, 2, 3)), STELLAR_TARGET_WINDOWS);
	assert_int_equal(lookup(&list, ipv4(10, 0, 2, 3)), STELLAR_TARGET_SOLARIS);
	assert_int_equal(lookup(&list, ipv4(10, 2, 2, 3)), STELLAR_TARGET_BSD);
	assert_int_equal(lookup(&list, ipv4(11, 1, 2, 3)), STELLAR_TARGET_LAST);
}

static void test_versions_do_not_mix(void **state)
{
	static struct target_list list;
	struct ip_address six = {.version = 6, .bytes = {10, 1, 2, 3}};

	add(&list, ipv4(0, 0, 0, 0), 0, STELLAR_TARGET_BSD);

	assert_int_equal(lookup(&list, six), STELLAR_TARGET_LAST);
	assert_int_equal(lookup(&list, ipv4(255, 0, 0, 1)), STELLAR_TARGET_BSD);
	add(&list, six, 128, STELLAR_TARGET_FIRST);
	assert_int_equal(lookup(&list, six), STELLAR_TARGET_FIRST);
}

static void test_full_list_refuses(void **state)
{
	static struct target_list list;
	struct ip_address prefix;

	for (int i = 0; i < STELLAR_TARGETS_MAX; i++)
		add(&list, ipv4(10, 0, 0, (uint8_t)i), 32, STELLAR_TARGET_BSD);

	prefix = ipv4(11, 0, 0, 0);
	assert_int_equal(target_list_add(&list, &prefix, 8, STELLAR_TARGET_BSD), -ENOSPC);
	assert_int_equal(lookup(&list, ipv4(10, 0, 0, 255)), STELLAR_TARGET_BSD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longest_prefix_wins_in_any_order),
		cmocka_unit_test(test_versions_do_not_mix),
		cmocka_unit_test(test_full_list_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
