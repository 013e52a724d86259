// SPDX-License-Identifier: Apache-2.0

#include <stellar/packet_io.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

#include <cmocka.h>

static char error[256];

static struct packet_io_device *open_device(const char *uri)
{
	struct packet_io_device *device = NULL;
	if (packet_io_device_open(uri, &device, error, sizeof(error)) < 0)
		fail_msg("%s: %s", uri, error);
	return device;
}

static int push_number(struct packet_io_device *device, uint32_t number)
{
	return packet_io_memory_push(device, (const uint8_t *)&number, sizeof(number), number + 1);
}

static uint32_t number_of(const struct frame *frame)
{
	uint32_t number;
	memcpy(&number, frame->data, sizeof(number));
	return number;
}

static void test_pushed_frames_are_received_in_order_with_their_time(void **state)
{
	struct packet_io_device *device = open_device("memory:a");
	struct frame frames[4];
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(push_number(device, i), 0);

	assert_int_equal(packet_io_device_rx(device, frames, 4), 3);

	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(number_of(&frames[i]), i);
		assert_int_equal(frames[i].length, 4);
		assert_int_equal(frames[i].wire_length, 4);
		assert_int_equal(frames[i].time_ns, i + 1);
		assert_int_equal(frames[i].link_type, 1);
	}
	assert_int_equal(packet_io_device_rx(device, frames, 4), 0);
	packet_io_device_close(device);
}

static void test_ring_is_full_until_lent_frames_come_back(void **state)
{
	struct packet_io_device *device = open_device("memory:a?frames=3");
	struct frame frames[3];
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(push_number(device, i), 0);
	assert_int_equal(push_number(device, 3), -ENOBUFS);
	assert_int_equal(packet_io_device_rx(device, frames, 3), 3);
	assert_int_equal(push_number(device, 3), -ENOBUFS);

	// Out of order: the first slot is still out, then all are free.
	packet_io_device_release(device, &frames[1], 2);
	assert_int_equal(push_number(device, 3), -ENOBUFS);
	packet_io_device_release(device, &frames[0], 1);

	for (uint32_t i = 3; i < 6; i++)
		assert_int_equal(push_number(device, i), 0);
	assert_int_equal(push_number(device, 6), -ENOBUFS);
	packet_io_device_close(device);
}

static void test_rings_wrap_many_times_and_lose_nothing(void **state)
{
	struct packet_io_device *device = open_device("memory:a?frames=5");
	struct frame frame;
	uint32_t number;
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(push_number(device, i), 0);
		assert_int_equal(packet_io_device_rx(device, &frame, 1), 1);
		assert_int_equal(packet_io_device_tx(device, &frame, 1), 1);
		packet_io_device_release(device, &frame, 1);
		assert_int_equal(packet_io_memory_pop(device, (uint8_t *)&number, 4), 4);
		assert_int_equal(number, i);
	}
	struct packet_io_stats stats;
	packet_io_device_get_stats(device, &stats);
	assert_int_equal(stats.rx_frames, 1000);
	assert_int_equal(stats.tx_frames, 1000);
	assert_int_equal(stats.rx_bytes, 4000);
	assert_int_equal(stats.tx_bytes, 4000);
	packet_io_device_close(device);
}

static void test_tx_takes_only_what_there_is_room_for(void **state)
{
	struct packet_io_device *device = open_device("memory:a?frames=2");
	uint8_t bytes[8] = "abcdefg";
	struct frame frames[3] = {{.data = bytes, .length = 1},
				  {.data = bytes, .length = 2},
				  {.data = bytes, .length = 8}};

	assert_int_equal(packet_io_device_tx(device, frames, 3), 2);
	assert_int_equal(packet_io_device_tx(device, frames, 3), 0);

	uint8_t popped[4] = "....";
	assert_int_equal(packet_io_memory_pop(device, popped, 4), 1);
	assert_memory_equal(popped, "a...", 4);
	assert_int_equal(packet_io_memory_pop(device, popped, 4), 2);
	assert_int_equal(packet_io_memory_pop(device, popped, 4), 0);
	assert_int_equal(packet_io_device_tx(device, frames + 2, 1), 1);
	assert_int_equal(packet_io_memory_pop(device, popped, 4), 8);
	assert_memory_equal(popped, "abcd", 4);
	packet_io_device_close(device);
}

static void test_longest_frame_fits_and_one_byte_more_is_refused(void **state)
{
	static uint8_t bytes[70000];
	struct packet_io_device *device = open_device("memory:a?frames=2");
	uint32_t frame_max = packet_io_device_frame_max(device);
	struct frame frame = {.data = bytes, .length = frame_max};
	bytes[frame_max - 1] = 0x5a;

	assert_int_equal(packet_io_memory_push(device, bytes, frame_max, 0), 0);
	assert_int_equal(packet_io_memory_push(device, bytes, frame_max + 1, 0), -EMSGSIZE);
	assert_int_equal(packet_io_device_tx(device, &frame, 1), 1);
	frame.length++;
	assert_int_equal(packet_io_device_tx(device, &frame, 1), -EMSGSIZE);

	assert_int_equal(packet_io_device_rx(device, &frame, 1), 1);
	assert_int_equal(frame.data[frame_max - 1], 0x5a);
	packet_io_device_close(device);
}

#define THREAD_FRAMES 20000u
#define TRIES_MAX 5000000u // an end for a ring that loses a frame

static int push_all(void *device)
{
	uint32_t pushed = 0;
	for (uint32_t tries = 0; tries < TRIES_MAX && pushed < THREAD_FRAMES; tries++) {
		if (push_number(device, pushed) == 0)
			pushed++;
		else
			thrd_yield();
	}
	return 0;
}

static void test_pushing_thread_and_receiving_thread_see_one_order(void **state)
{
	struct packet_io_device *device = open_device("memory:a?frames=64");
	thrd_t thread;
	uint32_t next = 0;
	bool in_order = true;
	assert_int_equal(thrd_create(&thread, push_all, device), thrd_success);

	for (uint32_t tries = 0; tries < TRIES_MAX && next < THREAD_FRAMES; tries++) {
		struct frame frames[16];
		int count = packet_io_device_rx(device, frames, 16);
		if (count == 0)
			thrd_yield();
		for (int i = 0; i < count; i++)
			in_order = in_order && number_of(&frames[i]) == next++;
		packet_io_device_release(device, frames, (size_t)count);
	}

	thrd_join(thread, NULL);
	assert_int_equal(next, THREAD_FRAMES);
	assert_true(in_order);
	packet_io_device_close(device);
}

static void test_clock_is_the_frames_unless_live_is_asked_for(void **state)
{
	struct packet_io_device *device = open_device("memory:a");
	assert_false(packet_io_device_is_live(device));
	packet_io_device_close(device);
	device = open_device("memory:a?live=1");
	assert_true(packet_io_device_is_live(device));
	packet_io_device_close(device);
}

static void test_other_devices_have_no_far_side(void **state)
{
	struct packet_io_device *device = open_device("pcap:/dev/null?write=1");
	uint8_t byte = 0;

	assert_int_equal(packet_io_memory_push(device, &byte, 1, 0), -EINVAL);
	assert_int_equal(packet_io_memory_pop(device, &byte, 1), -EINVAL);

	packet_io_device_close(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pushed_frames_are_received_in_order_with_their_time),
		cmocka_unit_test(test_ring_is_full_until_lent_frames_come_back),
		cmocka_unit_test(test_rings_wrap_many_times_and_lose_nothing),
		cmocka_unit_test(test_tx_takes_only_what_there_is_room_for),
		cmocka_unit_test(test_longest_frame_fits_and_one_byte_more_is_refused),
		cmocka_unit_test(test_pushing_thread_and_receiving_thread_see_one_order),
		cmocka_unit_test(test_clock_is_the_frames_unless_live_is_asked_for),
		cmocka_unit_test(test_other_devices_have_no_far_side),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
