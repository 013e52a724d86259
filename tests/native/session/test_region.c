// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/region.h"

#define DIRECTORY "/dev/shm/stellar-test-region-XXXXXX"

struct place {
	char path[64];
	int directory;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	memcpy(place->path, DIRECTORY, sizeof(DIRECTORY));
	assert_non_null(mkdtemp(place->path));
	place->directory = region_directory_open(place->path);
	assert_true(place->directory >= 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;
	region_remove(place->directory, "file");
	close(place->directory);
	assert_int_equal(rmdir(place->path), 0);
	free(place);
	return 0;
}

static struct region_shape shape_of(uint64_t capacity)
{
	return (struct region_shape){
		.identity = 7,
		.header_size = 64,
		.array_count = 2,
		.array = {{24, capacity}, {100, 2 * capacity}},
	};
}

static struct region *make(const struct place *place, const struct region_shape *shape)
{
	struct region *region = NULL;
	assert_int_equal(region_create(place->directory, "file", shape, &region), 0);
	assert_int_equal(region_publish(place->directory, "file"), 0);
	return region;
}

static int try_open(const struct place *place, const struct region_shape *shape)
{
	struct region *region = NULL;
	int result = region_open(place->directory, "file", shape, &region);
	region_close(region);
	return result;
}

static void test_bytes_are_there_when_the_file_is_opened_again(void **state)
{
	struct region_shape shape = shape_of(1000);
	struct region *region = make(*state, &shape);
	assert_true(region_array_reach(&region->array[1], 2000));
	memcpy(region->header, "header", 7);
	memcpy(region->array[1].records + 1999 * 100, "last", 5);
	region_close(region);

	assert_int_equal(region_open(((struct place *)*state)->directory, "file", &shape, &region),
			 0);

	assert_string_equal(region->header, "header");
	assert_true(region_array_reach(&region->array[1], 2000));
	assert_string_equal(region->array[1].records + 1999 * 100, "last");
	region_close(region);
}

static void test_records_have_memory_up_to_their_capacity_and_no_further(void **state)
{
	struct region_shape shape = shape_of(5000);
	struct region *region = make(*state, &shape);
	struct region_array *array = &region->array[0];

	assert_int_equal(array->ready, 0);
	assert_true(region_array_reach(array, 1));
	assert_true(array->ready >= 1 && array->ready < 5000);
	assert_true(region_array_reach(array, 5000));
	assert_int_equal(array->ready, 5000);
	assert_false(region_array_reach(array, 5001));
	region_close(region);
}

static void test_file_of_another_shape_is_refused(void **state)
{
	struct region_shape shape = shape_of(1000);
	struct region_shape others[] = {shape, shape, shape, shape};
	others[0].identity++;
	others[1].array[0].record_size++;
	others[2].header_size++;
	others[3].array[1].capacity--;
	region_close(make(*state, &shape));

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(try_open(*state, &others[i]), -ESTALE);
	assert_int_equal(try_open(*state, &shape), 0);
}

static void test_file_that_was_cut_or_grew_is_refused(void **state)
{
	const struct place *place = *state;
	struct region_shape shape = shape_of(1000);
	region_close(make(place, &shape));
	int file = openat(place->directory, "file", O_RDWR);
	struct stat status;
	assert_int_equal(fstat(file, &status), 0);
	const off_t sizes[] = {0, 1, 4096, status.st_size - 1, status.st_size + 4096};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(ftruncate(file, sizes[i]), 0);
		assert_int_equal(try_open(place, &shape), -EBADMSG);
	}
	close(file);
}

static void test_garbage_is_refused(void **state)
{
	const struct place *place = *state;
	struct region_shape shape = shape_of(1000);
	region_close(make(place, &shape));
	int file = openat(place->directory, "file", O_RDWR);
	uint64_t random = 1;

	for (off_t offset = 0; offset < 32; offset += 8) {
		uint64_t word = random_next(&random);
		uint64_t kept;
		assert_int_equal(pread(file, &kept, 8, offset), 8);
		assert_int_equal(pwrite(file, &word, 8, offset), 8);
		assert_true(try_open(place, &shape) < 0);
		assert_int_equal(pwrite(file, &kept, 8, offset), 8);
	}
	close(file);
}

static void test_what_is_no_file_is_refused(void **state)
{
	const struct place *place = *state;
	struct region_shape shape = shape_of(1000);

	assert_int_equal(try_open(place, &shape), -ENOENT);
	assert_int_equal(mkfifoat(place->directory, "file", 0600), 0);
	assert_int_equal(try_open(place, &shape), -EBADMSG);
	assert_int_equal(unlinkat(place->directory, "file", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", place->directory, "file"), 0);
	assert_int_equal(try_open(place, &shape), -EBADMSG);
}

static void test_file_is_ours_alone(void **state)
{
	struct region_shape shape = shape_of(1000);
	struct stat status;
	region_close(make(*state, &shape));

	assert_int_equal(fstatat(((struct place *)*state)->directory, "file", &status, 0), 0);

	assert_int_equal(status.st_mode & 07777, 0600);
}

static void test_new_file_replaces_the_old_only_when_published(void **state)
{
	const struct place *place = *state;
	struct region_shape old = shape_of(1000);
	struct region_shape new = shape_of(2000);
	struct region *region = NULL;
	region_close(make(place, &old));

	assert_int_equal(region_create(place->directory, "file", &new, &region), 0);
	region_close(region);
	assert_int_equal(try_open(place, &old), 0);
	assert_int_equal(region_publish(place->directory, "file"), 0);
	assert_int_equal(try_open(place, &new), 0);
}

static void test_directory_has_one_owner(void **state)
{
	const struct place *place = *state;

	assert_int_equal(region_directory_open(place->path), -EBUSY);
}

static void test_directory_that_others_may_write_is_refused(void **state)
{
	struct place *place = *state;
	close(place->directory);
	assert_int_equal(chmod(place->path, 0777), 0);

	assert_int_equal(region_directory_open(place->path), -EPERM);

	assert_int_equal(chmod(place->path, 0700), 0);
	place->directory = region_directory_open(place->path);
	assert_true(place->directory >= 0);
}

static void test_directory_of_another_filesystem_is_refused(void **state)
{
	(void)state;

	assert_int_equal(region_directory_open("/proc"), -EMEDIUMTYPE);
}

static void test_memory_that_is_short_is_said(void **state)
{
	const struct place *place = *state;
	struct region_shape shape = shape_of(1u << 20);
	struct region *region = make(place, &shape);

	// The page behind is not the file's any more: touching it would kill.
	int file = openat(place->directory, "file", O_RDWR);
	assert_int_equal(ftruncate(file, 2 << 20), 0);
	assert_false(region_array_reach(&region->array[0], 1));
	assert_int_equal(region->array[0].ready, 0);
	close(file);
	region_close(region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_bytes_are_there_when_the_file_is_opened_again),
		TEST(test_records_have_memory_up_to_their_capacity_and_no_further),
		TEST(test_file_of_another_shape_is_refused),
		TEST(test_file_that_was_cut_or_grew_is_refused),
		TEST(test_garbage_is_refused),
		TEST(test_what_is_no_file_is_refused),
		TEST(test_file_is_ours_alone),
		TEST(test_new_file_replaces_the_old_only_when_published),
		TEST(test_directory_has_one_owner),
		TEST(test_directory_that_others_may_write_is_refused),
		TEST(test_directory_of_another_filesystem_is_refused),
		TEST(test_memory_that_is_short_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
