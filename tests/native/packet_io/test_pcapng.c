// SPDX-License-Identifier: Apache-2.0

#include "packet_io/pcap_reader.h"

#include "capture_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECTION 0x0a0d0d0au
#define TIME_RESOLUTION 9
#define TIME_OFFSET 14

static char error[256];

static size_t open_block(struct capture_bytes *capture, uint32_t type)
{
	size_t at = capture->size;
	put32(capture, type);
	put32(capture, 0);
	return at;
}

// Pad, and write both lengths.
static void close_block(struct capture_bytes *capture, size_t at)
{
	while (capture->size % 4 != 0)
		put_bytes(capture, "", 1);
	uint32_t size = (uint32_t)(capture->size - at + 4);
	size_t end = capture->size;
	capture->size = at + 4;
	put32(capture, size);
	capture->size = end;
	put32(capture, size);
}

static void put_section(struct capture_bytes *capture)
{
	size_t at = open_block(capture, SECTION);
	put32(capture, 0x1a2b3c4du);
	put16(capture, 1);
	put16(capture, 0);
	put64(capture, UINT64_MAX);
	close_block(capture, at);
}

static void put_interface(struct capture_bytes *capture, uint16_t link_type, uint32_t snap_length,
			  uint8_t resolution, uint64_t offset_sec)
{
	size_t at = open_block(capture, 1);
	put16(capture, link_type);
	put16(capture, 0);
	put32(capture, snap_length);
	put16(capture, TIME_RESOLUTION);
	put16(capture, 1);
	put_bytes(capture, (uint8_t[]){resolution, 0, 0, 0}, 4);
	put16(capture, TIME_OFFSET);
	put16(capture, 8);
	put64(capture, offset_sec);
	put32(capture, 0);
	close_block(capture, at);
}

static void put_enhanced(struct capture_bytes *capture, uint32_t interface, uint64_t ticks,
			 const char *bytes, uint32_t wire_length)
{
	size_t at = open_block(capture, 6);
	put32(capture, interface);
	put32(capture, (uint32_t)(ticks >> 32));
	put32(capture, (uint32_t)ticks);
	put32(capture, (uint32_t)strlen(bytes));
	put32(capture, wire_length);
	put_bytes(capture, bytes, strlen(bytes));
	close_block(capture, at);
}

static void put_simple(struct capture_bytes *capture, const char *bytes, uint32_t wire_length)
{
	size_t at = open_block(capture, 3);
	put32(capture, wire_length);
	put_bytes(capture, bytes, strlen(bytes));
	close_block(capture, at);
}

static void put_unknown(struct capture_bytes *capture)
{
	size_t at = open_block(capture, 0x0bad);
	put_bytes(capture, "anything", 8);
	close_block(capture, at);
}

// Read all; the result is the number of frames, and what ended the file in ret_end.
static int read_all(const struct capture_bytes *capture, size_t size, struct frame *frames,
		    int *ret_end)
{
	struct pcap_reader reader;
	struct guarded guarded = guard(capture->bytes, size);
	error[0] = '\0';
	int count = 0;
	int rc = pcap_reader_init(&reader, guarded.bytes, size, "f.pcapng", error, sizeof(error));
	while (rc == 0) {
		rc = pcap_reader_read(&reader, &frames[count], 1);
		if (rc < 0)
			break;
		// The bytes are compared here: they end with the mapping.
		memcpy(&frames[count].cookie, frames[count].data,
		       frames[count].length < 8 ? frames[count].length : 8);
		count++;
		rc = 0;
	}
	*ret_end = rc;
	pcap_reader_fini(&reader);
	unguard(&guarded);
	return count;
}

static void test_sections_of_both_byte_orders_and_several_interfaces_in_one_file(void **state)
{
	for (int big_first = 0; big_first < 2; big_first++) {
		struct capture_bytes capture = {.big_endian = big_first == 1};
		struct frame frames[8];
		int end;
		put_section(&capture);
		put_interface(&capture, 1, 0, 6, 0);
		put_unknown(&capture);
		put_interface(&capture, 101, 0, 9, 0);
		put_enhanced(&capture, 1, 1700000000123456789u, "abc", 100);
		put_enhanced(&capture, 0, 1700000000000007u, "defg", 4);
		capture.big_endian = !capture.big_endian;
		put_section(&capture);
		put_interface(&capture, 276, 0, 6, 0);
		put_enhanced(&capture, 0, 5, "h", 1);

		assert_int_equal(read_all(&capture, capture.size, frames, &end), 3);

		assert_int_equal(end, -ENODATA);
		assert_int_equal(frames[0].link_type, 101);
		assert_int_equal(frames[0].time_ns, 1700000000123456789u);
		assert_int_equal(frames[0].length, 3);
		assert_int_equal(frames[0].wire_length, 100);
		assert_memory_equal(&frames[0].cookie, "abc", 3);
		assert_int_equal(frames[1].link_type, 1);
		assert_int_equal(frames[1].time_ns, 1700000000000007000u);
		assert_int_equal(frames[2].link_type, 276);
		assert_int_equal(frames[2].time_ns, 5000);
	}
}

static void test_each_time_resolution_gives_nanoseconds(void **state)
{
	static const struct {
		uint8_t resolution;
		uint64_t ticks;
		uint64_t offset_sec;
		uint64_t time_ns;
	} cases[] = {
		{0, 7, 0, 7000000000u},
		{3, 7, 0, 7000000u},
		{6, 7, 0, 7000u},
		{9, 7, 0, 7u},
		{12, 7999, 0, 7u},
		{19, 70000000000u, 0, 7u},
		{0x80, 7, 0, 7000000000u},
		{0x81, 7, 0, 3500000000u},
		{0x80 | 32, 0x180000000u, 0, 1500000000u},
		{6, 7, 1700000000u, 1700000000000007000u},
		{0, 7, (uint64_t)-2, 5000000000u},
		{0, 7, (uint64_t)-8, 0},
		{0, UINT64_MAX, 0, UINT64_MAX},
		{9, UINT64_MAX, INT64_MAX, UINT64_MAX},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct capture_bytes capture = {.big_endian = i % 2 == 1};
		struct frame frame[2];
		int end;
		put_section(&capture);
		put_interface(&capture, 1, 0, cases[i].resolution, cases[i].offset_sec);
		put_enhanced(&capture, 0, cases[i].ticks, "a", 1);

		assert_int_equal(read_all(&capture, capture.size, frame, &end), 1);

		assert_int_equal(frame[0].time_ns, cases[i].time_ns);
	}
}

static void test_simple_packet_is_cut_to_the_snapshot_length(void **state)
{
	struct capture_bytes capture = {0};
	struct frame frames[4];
	int end;
	put_section(&capture);
	put_interface(&capture, 1, 5, 6, 0);
	put_simple(&capture, "abcdefgh", 1500);
	put_simple(&capture, "xyz", 3);

	assert_int_equal(read_all(&capture, capture.size, frames, &end), 2);

	assert_int_equal(frames[0].length, 5);
	assert_int_equal(frames[0].wire_length, 1500);
	assert_int_equal(frames[0].time_ns, 0);
	assert_int_equal(frames[1].length, 3);
}

static void test_obsolete_packet_block_is_read(void **state)
{
	struct capture_bytes capture = {.big_endian = true};
	struct frame frames[2];
	int end;
	put_section(&capture);
	put_interface(&capture, 113, 0, 6, 0);
	size_t at = open_block(&capture, 2);
	put16(&capture, 0);
	put16(&capture, 9);
	put64(&capture, 3);
	put32(&capture, 2);
	put32(&capture, 60);
	put_bytes(&capture, "ab", 2);
	close_block(&capture, at);

	assert_int_equal(read_all(&capture, capture.size, frames, &end), 1);

	assert_int_equal(frames[0].link_type, 113);
	assert_int_equal(frames[0].length, 2);
	assert_int_equal(frames[0].time_ns, 3000);
}

static void test_a_cut_at_every_byte_gives_the_frames_before_it_and_one_line(void **state)
{
	for (int big_endian = 0; big_endian < 2; big_endian++) {
		struct capture_bytes capture = {.big_endian = big_endian == 1};
		struct frame frames[8];
		size_t ends[4];
		int end;
		put_section(&capture);
		ends[0] = capture.size;
		put_interface(&capture, 1, 0, 6, 0);
		ends[1] = capture.size;
		put_enhanced(&capture, 0, 1, "abc", 3);
		ends[2] = capture.size;
		put_simple(&capture, "defgh", 5);
		ends[3] = capture.size;
		for (size_t size = 0; size <= capture.size; size++) {
			int count = read_all(&capture, size, frames, &end);

			bool whole = size == ends[0] || size == ends[1] || size == ends[2] ||
				     size == ends[3];
			assert_int_equal(count, (size >= ends[2]) + (size >= ends[3]));
			assert_int_equal(end, whole ? -ENODATA : -EBADMSG);
			assert_int_equal(strncmp(error, "f.pcapng: byte ", 15) == 0, !whole);
		}
	}
}

static void test_a_changed_byte_anywhere_never_reads_past_the_end(void **state)
{
	struct capture_bytes capture = {0};
	struct frame frames[64];
	int end;
	put_section(&capture);
	put_interface(&capture, 1, 0, 6, 0);
	put_enhanced(&capture, 0, 1, "abc", 3);
	put_simple(&capture, "defgh", 5);
	for (size_t at = 0; at < capture.size; at++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			capture.bytes[at] ^= (uint8_t)(1u << bit);
			int count = read_all(&capture, capture.size, frames, &end);
			assert_in_range(count, 0, 2);
			assert_true(end == -ENODATA || end == -EBADMSG);
			capture.bytes[at] ^= (uint8_t)(1u << bit);
		}
	}
}

static void put_broken(struct capture_bytes *capture, int kind)
{
	size_t at;
	put_section(capture);
	put_interface(capture, 1, 0, kind == 0 ? 20 : 6, 0);
	switch (kind) {
	case 1:
		put_enhanced(capture, 1, 0, "abc", 3);
		break;
	case 2:
		at = open_block(capture, 6);
		put_bytes(capture, "short", 5);
		close_block(capture, at);
		break;
	case 3:
		put_enhanced(capture, 0, 0, "abc", 3);
		capture->bytes[capture->size - 4]++;
		break;
	case 4:
		put_enhanced(capture, 0, 0, "abc", 3);
		capture->bytes[capture->size - 36 + 20] = 5;
		break;
	case 5:
		put_section(capture);
		capture->bytes[capture->size - 28 + 8] = 0;
		break;
	case 6:
		put_section(capture);
		capture->bytes[capture->size - 28 + 12] = 2;
		break;
	case 7:
		put_section(capture);
		put_simple(capture, "abc", 3);
		break;
	case 8:
		put_unknown(capture);
		capture->bytes[capture->size - 20 + 4] = 8;
		break;
	default:
		break;
	}
}

static void test_faults_say_what_was_expected_and_found(void **state)
{
	static const char *const messages[] = {
		"expected an if_tsresol of at most 10^-19 or 2^-63, found 10^-20",
		"expected one of the 1 interfaces of the section, found 1",
		"expected at least 20 bytes in a block of type 6, found 8",
		"expected the block length 36 again, found 37",
		"expected a frame within the 4 bytes of its block, found 5",
		"expected the byte-order magic of a section, found 1a2b3c00",
		"expected pcapng version 1, found 2.0",
		"expected one of the 0 interfaces of the section, found 0",
		"expected a block length of at least 12 that is a multiple of 4, found 8",
	};
	for (int kind = 0; kind < (int)(sizeof(messages) / sizeof(messages[0])); kind++) {
		struct capture_bytes capture = {0};
		struct frame frames[4];
		int end;
		put_broken(&capture, kind);

		assert_int_equal(read_all(&capture, capture.size, frames, &end), 0);

		assert_int_equal(end, -EBADMSG);
		assert_non_null(strstr(error, messages[kind]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_sections_of_both_byte_orders_and_several_interfaces_in_one_file),
		cmocka_unit_test(test_each_time_resolution_gives_nanoseconds),
		cmocka_unit_test(test_simple_packet_is_cut_to_the_snapshot_length),
		cmocka_unit_test(test_obsolete_packet_block_is_read),
		cmocka_unit_test(test_a_cut_at_every_byte_gives_the_frames_before_it_and_one_line),
		cmocka_unit_test(test_a_changed_byte_anywhere_never_reads_past_the_end),
		cmocka_unit_test(test_faults_say_what_was_expected_and_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
