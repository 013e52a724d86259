// SPDX-License-Identifier: Apache-2.0

// pcap: through the public calls, with files in a directory of the test's own.

#include <stellar/packet_io.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/stellar-test-pcap-XXXXXX";
static char path[64];
static char read_uri[80];
static char write_uri[80];
static char error[512];

static int make_directory(void **state)
{
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/a.pcap", directory);
	snprintf(read_uri, sizeof(read_uri), "pcap:%s", path);
	snprintf(write_uri, sizeof(write_uri), "pcap:%s?write=1", path);
	return 0;
}

static int remove_directory(void **state)
{
	unlink(path);
	return rmdir(directory);
}

static struct packet_io_device *open_device(const char *uri)
{
	struct packet_io_device *device = NULL;
	int rc = packet_io_device_open(uri, &device, error, sizeof(error));
	if (rc < 0)
		fail_msg("%s: %s", uri, error);
	return device;
}

static void write_file(const void *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void test_what_is_written_is_read_again(void **state)
{
	enum { COUNT = 700, SIZE = 9000 };
	static uint8_t bytes[SIZE];
	struct packet_io_stats stats;
	struct packet_io_device *device = open_device(write_uri);
	for (uint32_t i = 0; i < COUNT; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		struct frame frame = {
			.data = bytes,
			.length = i * 13 % SIZE,
			.wire_length = i * 13 % SIZE + i % 2,
			.time_ns = 1700000000123456789u + i,
			.link_type = 101,
		};
		assert_int_equal(packet_io_device_tx(device, &frame, 1), 1);
	}
	packet_io_device_get_stats(device, &stats);
	assert_int_equal(stats.tx_frames, COUNT);
	uint64_t written_bytes = stats.tx_bytes;
	packet_io_device_close(device);

	device = open_device(read_uri);
	struct frame frames[STELLAR_BURST_MAX];
	uint32_t seen = 0;
	int count;
	while ((count = packet_io_device_rx(device, frames, STELLAR_BURST_MAX)) > 0) {
		for (int i = 0; i < count; i++, seen++) {
			assert_int_equal(frames[i].length, seen * 13 % SIZE);
			assert_int_equal(frames[i].wire_length, seen * 13 % SIZE + seen % 2);
			assert_int_equal(frames[i].time_ns, 1700000000123456789u + seen);
			assert_int_equal(frames[i].link_type, 101);
			memset(bytes, (int)seen, sizeof(bytes));
			assert_memory_equal(frames[i].data, bytes, frames[i].length);
		}
		packet_io_device_release(device, frames, (size_t)count);
	}
	assert_int_equal(count, -ENODATA);
	assert_int_equal(seen, COUNT);
	packet_io_device_get_stats(device, &stats);
	assert_int_equal(stats.rx_frames, COUNT);
	assert_int_equal(stats.rx_bytes, written_bytes);
	assert_false(packet_io_device_is_live(device));
	assert_int_equal(packet_io_device_fd(device), -1);
	packet_io_device_close(device);
}

static void test_small_frames_fill_the_writers_buffer_to_its_end(void **state)
{
	enum { COUNT = 100000 };
	struct packet_io_device *device = open_device(write_uri);
	uint8_t byte = 1;
	struct frame frame = {.data = &byte, .length = 1, .wire_length = 1, .link_type = 1};
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(packet_io_device_tx(device, &frame, 1), 1);
	packet_io_device_close(device);

	device = open_device(read_uri);
	struct frame frames[STELLAR_BURST_MAX];
	struct packet_io_stats stats;
	int count;
	while ((count = packet_io_device_rx(device, frames, STELLAR_BURST_MAX)) > 0)
		packet_io_device_release(device, frames, (size_t)count);

	packet_io_device_get_stats(device, &stats);
	assert_int_equal(count, -ENODATA);
	assert_int_equal(stats.rx_frames, COUNT);
	assert_int_equal(stats.rx_bytes, COUNT);
	packet_io_device_close(device);
}

static void test_changing_a_lent_frame_leaves_the_file_as_it_is(void **state)
{
	struct packet_io_device *device = open_device(write_uri);
	uint8_t bytes[] = "abcd";
	struct frame frame = {.data = bytes, .length = 4, .wire_length = 4, .link_type = 1};
	assert_int_equal(packet_io_device_tx(device, &frame, 1), 1);
	packet_io_device_close(device);

	device = open_device(read_uri);
	assert_int_equal(packet_io_device_rx(device, &frame, 1), 1);
	memset(frame.data, 'X', frame.length);
	packet_io_device_close(device);

	device = open_device(read_uri);
	assert_int_equal(packet_io_device_rx(device, &frame, 1), 1);
	assert_memory_equal(frame.data, "abcd", 4);
	packet_io_device_close(device);
}

static void test_flush_makes_frames_readable_while_the_writer_is_open(void **state)
{
	struct packet_io_device *writer = open_device(write_uri);
	uint8_t bytes[] = "abcd";
	struct frame frame = {.data = bytes, .length = 4, .link_type = 1};
	assert_int_equal(packet_io_device_tx(writer, &frame, 1), 1);

	assert_int_equal(packet_io_device_flush(writer), 0);

	struct packet_io_device *reader = open_device(read_uri);
	assert_int_equal(packet_io_device_rx(reader, &frame, 1), 1);
	assert_int_equal(packet_io_device_rx(reader, &frame, 1), -ENODATA);
	packet_io_device_close(reader);
	packet_io_device_close(writer);
}

static void test_writer_without_frames_leaves_an_empty_capture(void **state)
{
	struct frame frame;
	struct packet_io_device *device = open_device(write_uri);
	assert_int_equal(packet_io_device_rx(device, &frame, 1), -ENODATA);
	packet_io_device_close(device);

	device = open_device(read_uri);

	assert_int_equal(packet_io_device_rx(device, &frame, 1), -ENODATA);
	packet_io_device_close(device);
}

static void test_second_link_type_and_giant_frame_are_refused(void **state)
{
	static uint8_t bytes[262145];
	struct packet_io_stats stats;
	struct packet_io_device *device = open_device(write_uri);
	struct frame frames[3] = {
		{.data = bytes, .length = 60, .link_type = 1},
		{.data = bytes, .length = 60, .link_type = 101},
		{.data = bytes, .length = sizeof(bytes), .link_type = 1},
	};

	assert_int_equal(packet_io_device_tx(device, frames, 3), 1);
	assert_int_equal(packet_io_device_tx(device, frames + 1, 2), -EPROTO);
	assert_non_null(strstr(packet_io_device_error(device),
			       "expected a frame of link type 1 as the first, found 101"));
	assert_int_equal(packet_io_device_tx(device, frames + 2, 1), -EMSGSIZE);
	frames[2].length = packet_io_device_frame_max(device);
	assert_int_equal(packet_io_device_tx(device, frames + 2, 1), 1);

	packet_io_device_get_stats(device, &stats);
	assert_int_equal(stats.tx_frames, 2);
	assert_int_equal(stats.tx_errors, 2);
	packet_io_device_close(device);
}

static void test_full_disk_is_an_error_with_the_file_name(void **state)
{
	static uint8_t bytes[100000];
	struct packet_io_device *device = open_device("pcap:/dev/full?write=1");
	struct frame frame = {.data = bytes, .length = sizeof(bytes), .link_type = 1};

	assert_int_equal(packet_io_device_tx(device, &frame, 1), 1);

	assert_int_equal(packet_io_device_flush(device), -ENOSPC);
	assert_string_equal(packet_io_device_error(device), "/dev/full: No space left on device");
	assert_int_equal(packet_io_device_tx(device, &frame, 1), -ENOSPC);
	packet_io_device_close(device);
}

static void test_reader_refuses_to_send(void **state)
{
	struct packet_io_device *device = open_device(write_uri);
	packet_io_device_close(device);
	device = open_device(read_uri);
	struct frame frame = {0};

	assert_int_equal(packet_io_device_tx(device, &frame, 1), -EBADF);
	assert_int_equal(packet_io_device_flush(device), 0);

	assert_non_null(strstr(packet_io_device_error(device), "use ?write=1"));
	packet_io_device_close(device);
}

static void test_what_cannot_be_opened_says_why(void **state)
{
	struct packet_io_device *device = NULL;

	assert_int_equal(
		packet_io_device_open("pcap:/nonexistent.pcap", &device, error, sizeof(error)),
		-ENOENT);
	assert_string_equal(error, "/nonexistent.pcap: No such file or directory");
	assert_int_equal(packet_io_device_open("pcap:/tmp", &device, error, sizeof(error)),
			 -EINVAL);
	assert_string_equal(error, "/tmp: expected a regular file, found a directory");
	assert_int_equal(
		packet_io_device_open("pcap:/nonexistent/a?write=1", &device, error, sizeof(error)),
		-ENOENT);
	write_file("", 0);
	assert_int_equal(packet_io_device_open(read_uri, &device, error, sizeof(error)), -EBADMSG);
	assert_non_null(strstr(error, "a.pcap: byte 0: expected a pcap or pcapng header, found an "
				      "empty file"));
	write_file("not a capture", 13);
	assert_int_equal(packet_io_device_open(read_uri, &device, error, sizeof(error)), -EBADMSG);
	assert_null(device);
}

static void test_cut_capture_gives_its_frames_then_the_error(void **state)
{
	struct packet_io_device *device = open_device(write_uri);
	uint8_t bytes[] = "abcd";
	struct frame frames[2] = {{.data = bytes, .length = 4, .link_type = 1},
				  {.data = bytes, .length = 4, .link_type = 1}};
	assert_int_equal(packet_io_device_tx(device, frames, 2), 2);
	packet_io_device_close(device);
	assert_int_equal(truncate(path, 24 + 20 + 18), 0);
	device = open_device(read_uri);

	assert_int_equal(packet_io_device_rx(device, frames, 2), 1);
	assert_int_equal(packet_io_device_rx(device, frames, 2), -EBADMSG);

	assert_non_null(strstr(packet_io_device_error(device),
			       "a.pcap: byte 60: expected a frame of 4 bytes, found 2 bytes"));
	packet_io_device_close(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_again),
		cmocka_unit_test(test_small_frames_fill_the_writers_buffer_to_its_end),
		cmocka_unit_test(test_changing_a_lent_frame_leaves_the_file_as_it_is),
		cmocka_unit_test(test_flush_makes_frames_readable_while_the_writer_is_open),
		cmocka_unit_test(test_writer_without_frames_leaves_an_empty_capture),
		cmocka_unit_test(test_second_link_type_and_giant_frame_are_refused),
		cmocka_unit_test(test_full_disk_is_an_error_with_the_file_name),
		cmocka_unit_test(test_reader_refuses_to_send),
		cmocka_unit_test(test_what_cannot_be_opened_says_why),
		cmocka_unit_test(test_cut_capture_gives_its_frames_then_the_error),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
