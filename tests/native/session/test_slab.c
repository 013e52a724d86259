// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include "session/slab.h"

static void test_records_keep_place_and_content_when_the_slab_grows(void **state)
{
	(void)state;
	struct slab slab;
	slab_init(&slab, 24);
	uint32_t first = slab_get(&slab);
	void *place = slab_record(&slab, first);
	memset(place, 0x5a, 24);

	for (unsigned i = 0; i < 20 * SLAB_CHUNK; i++)
		assert_int_equal(slab_get(&slab), i + 2);

	assert_ptr_equal(slab_record(&slab, first), place);
	assert_int_equal(*(uint8_t *)place, 0x5a);
	assert_int_equal(slab.count, 20 * SLAB_CHUNK + 1);
	slab_fini(&slab);
}

static void test_freed_ids_come_back_last_in_first_out_and_zeroed(void **state)
{
	(void)state;
	static const uint8_t zero[24];
	struct slab slab;
	slab_init(&slab, sizeof(zero));
	for (unsigned i = 0; i < 5; i++)
		memset(slab_record(&slab, slab_get(&slab)), 0xff, sizeof(zero));

	slab_put(&slab, 2);
	slab_put(&slab, 4);

	assert_int_equal(slab_get(&slab), 4);
	assert_int_equal(slab_get(&slab), 2);
	assert_int_equal(slab_get(&slab), 6);
	assert_memory_equal(slab_record(&slab, 4), zero, sizeof(zero));
	assert_memory_equal(slab_record(&slab, 2), zero, sizeof(zero));
	slab_fini(&slab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_keep_place_and_content_when_the_slab_grows),
		cmocka_unit_test(test_freed_ids_come_back_last_in_first_out_and_zeroed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
