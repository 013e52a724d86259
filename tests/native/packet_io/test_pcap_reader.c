// SPDX-License-Identifier: Apache-2.0

#include "packet_io/pcap_reader.h"

#include "capture_bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define MAGIC_MODIFIED 0xa1b2cd34u

static char error[256];

static void put_header(struct capture_bytes *capture, uint32_t magic, uint16_t minor,
		       uint32_t link_type)
{
	put32(capture, magic);
	put16(capture, 2);
	put16(capture, minor);
	put64(capture, 0);
	put32(capture, 65535);
	put32(capture, link_type);
}

static void put_record(struct capture_bytes *capture, uint32_t sec, uint32_t fraction,
		       uint32_t length, uint32_t wire_length)
{
	put32(capture, sec);
	put32(capture, fraction);
	put32(capture, length);
	put32(capture, wire_length);
}

// Two frames, "abcde" and "xyz".
static void put_two_frames(struct capture_bytes *capture, uint32_t magic, bool big_endian)
{
	*capture = (struct capture_bytes){.big_endian = big_endian};
	put_header(capture, magic, 4, 1);
	put_record(capture, 1700000000, 250000, 5, 1500);
	if (magic == MAGIC_MODIFIED)
		put64(capture, 0);
	put_bytes(capture, "abcde", 5);
	put_record(capture, 1700000001, 999999, 3, 3);
	if (magic == MAGIC_MODIFIED)
		put64(capture, 0);
	put_bytes(capture, "xyz", 3);
}

static int open_capture(struct pcap_reader *reader, const struct guarded *guarded, size_t size)
{
	return pcap_reader_init(reader, guarded->bytes, size, "f.pcap", error, sizeof(error));
}

static void test_each_magic_and_byte_order_reads_alike(void **state)
{
	static const struct {
		uint32_t magic;
		uint64_t first_ns, second_ns;
	} cases[] = {
		{MAGIC_US, 1700000000250000000u, 1700000001999999000u},
		{MAGIC_NS, 1700000000000250000u, 1700000001000999999u},
		{MAGIC_MODIFIED, 1700000000250000000u, 1700000001999999000u},
	};
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct capture_bytes capture;
		struct pcap_reader reader;
		struct frame frames[4];
		put_two_frames(&capture, cases[i / 2].magic, i % 2 == 1);
		struct guarded guarded = guard(capture.bytes, capture.size);

		assert_int_equal(open_capture(&reader, &guarded, capture.size), 0);
		assert_int_equal(pcap_reader_read(&reader, frames, 4), 2);

		assert_memory_equal(frames[0].data, "abcde", 5);
		assert_int_equal(frames[0].length, 5);
		assert_int_equal(frames[0].wire_length, 1500);
		assert_int_equal(frames[0].link_type, 1);
		assert_int_equal(frames[0].time_ns, cases[i / 2].first_ns);
		assert_memory_equal(frames[1].data, "xyz", 3);
		assert_int_equal(frames[1].time_ns, cases[i / 2].second_ns);
		assert_int_equal(pcap_reader_read(&reader, frames, 4), -ENODATA);
		assert_int_equal(pcap_reader_read(&reader, frames, 4), -ENODATA);
		pcap_reader_fini(&reader);
		unguard(&guarded);
	}
}

static void test_frames_come_in_bursts_of_the_size_asked_for(void **state)
{
	struct capture_bytes capture;
	struct pcap_reader reader;
	struct frame frame;
	put_two_frames(&capture, MAGIC_US, false);
	struct guarded guarded = guard(capture.bytes, capture.size);
	assert_int_equal(open_capture(&reader, &guarded, capture.size), 0);

	assert_int_equal(pcap_reader_read(&reader, &frame, 1), 1);
	assert_int_equal(frame.length, 5);
	assert_int_equal(pcap_reader_read(&reader, &frame, 1), 1);
	assert_int_equal(frame.length, 3);
	assert_int_equal(pcap_reader_read(&reader, &frame, 1), -ENODATA);

	pcap_reader_fini(&reader);
	unguard(&guarded);
}

static void test_a_cut_at_every_byte_gives_the_frames_before_it_and_one_line(void **state)
{
	static const uint32_t magics[] = {MAGIC_US, MAGIC_NS, MAGIC_MODIFIED};
	for (size_t m = 0; m < 3; m++) {
		struct capture_bytes capture;
		put_two_frames(&capture, magics[m], false);
		size_t record = magics[m] == MAGIC_MODIFIED ? 24 : 16;
		size_t first_end = 24 + record + 5;
		for (size_t size = 0; size < capture.size; size++) {
			struct pcap_reader reader;
			struct frame frames[4];
			struct guarded guarded = guard(capture.bytes, size);
			error[0] = '\0';

			int rc = open_capture(&reader, &guarded, size);
			int count = rc == 0 ? pcap_reader_read(&reader, frames, 4) : rc;
			int end =
				rc == 0 && count > 0 ? pcap_reader_read(&reader, frames, 4) : count;

			bool whole = size == 24 || size == first_end;
			assert_int_equal(rc, size < 24 ? -EBADMSG : 0);
			assert_int_equal(count, size >= first_end ? 1
						: whole		  ? -ENODATA
								  : -EBADMSG);
			assert_int_equal(end, whole ? -ENODATA : -EBADMSG);
			assert_int_equal(strncmp(error, "f.pcap: byte ", 13) == 0, !whole);
			assert_null(strchr(error, '\n'));
			pcap_reader_fini(&reader);
			unguard(&guarded);
		}
	}
}

static void test_faults_say_where_what_was_expected_and_found(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *message;
	} cases[] = {
		{"", 0, "f.pcap: byte 0: expected a pcap or pcapng header, found an empty file"},
		{"\xd4\xc3", 2, "f.pcap: byte 2: expected a pcap or pcapng header, found the end"},
		{"GIF89a", 6, "f.pcap: byte 0: expected a pcap or pcapng header, found 47494638"},
		{"\x1f\x8b\x08\x00", 4,
		 "f.pcap: byte 0: expected a pcap or pcapng header, found 1f8b0800 (gzip; unpack "
		 "it "
		 "first: gunzip)"},
		{"\xd4\xc3\xb2\xa1\x02\x00", 6,
		 "f.pcap: byte 6: expected a pcap header of 24 bytes, found the end"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pcap_reader reader;
		struct guarded guarded = guard((const uint8_t *)cases[i].bytes, cases[i].size);

		assert_int_equal(open_capture(&reader, &guarded, cases[i].size), -EBADMSG);

		assert_string_equal(error, cases[i].message);
		unguard(&guarded);
	}
}

static void test_frame_longer_than_the_limit_is_corrupt_for_ever(void **state)
{
	struct capture_bytes capture = {0};
	struct pcap_reader reader;
	struct frame frame;
	put_header(&capture, MAGIC_US, 4, 1);
	put_record(&capture, 0, 0, 0, 60);
	put_record(&capture, 0, 0, PCAP_FRAME_MAX + 1, PCAP_FRAME_MAX + 1);
	struct guarded guarded = guard(capture.bytes, capture.size);
	assert_int_equal(open_capture(&reader, &guarded, capture.size), 0);

	assert_int_equal(pcap_reader_read(&reader, &frame, 1), 1);
	assert_int_equal(frame.length, 0);
	assert_int_equal(pcap_reader_read(&reader, &frame, 1), -EBADMSG);
	assert_int_equal(pcap_reader_read(&reader, &frame, 1), -EBADMSG);

	assert_string_equal(
		error, "f.pcap: byte 48: expected a frame of at most 262144 bytes, found 262145");
	unguard(&guarded);
}

static void test_other_major_version_is_refused(void **state)
{
	struct capture_bytes capture = {0};
	struct pcap_reader reader;
	put_header(&capture, MAGIC_US, 4, 1);
	capture.bytes[4] = 3;
	struct guarded guarded = guard(capture.bytes, capture.size);

	assert_int_equal(open_capture(&reader, &guarded, capture.size), -EBADMSG);

	assert_string_equal(error, "f.pcap: byte 4: expected pcap version 2, found 3.4");
	unguard(&guarded);
}

static void test_link_type_drops_the_upper_half_and_maps_old_raw_values(void **state)
{
	static const struct {
		uint32_t stored;
		uint16_t link_type;
	} cases[] = {
		{0, 0},	    {1, 1},	{12, 101},  {14, 101},	      {11, 100},
		{101, 101}, {113, 113}, {276, 276}, {0x50000001u, 1}, {0x0400000cu, 101},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(pcap_link_type(cases[i].stored), cases[i].link_type);
}

static void test_lengths_of_old_versions_stand_the_other_way_round(void **state)
{
	static const struct {
		uint16_t minor;
		uint32_t first, second;
	} cases[] = {{2, 1500, 4}, {3, 1500, 4}, {3, 4, 1500}, {4, 4, 1500}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct capture_bytes capture = {0};
		struct pcap_reader reader;
		struct frame frame;
		put_header(&capture, MAGIC_US, cases[i].minor, 1);
		put_record(&capture, 0, 0, cases[i].first, cases[i].second);
		put_bytes(&capture, "abcd", 4);
		struct guarded guarded = guard(capture.bytes, capture.size);
		assert_int_equal(open_capture(&reader, &guarded, capture.size), 0);

		assert_int_equal(pcap_reader_read(&reader, &frame, 1), 1);

		assert_int_equal(frame.length, 4);
		assert_int_equal(frame.wire_length, 1500);
		unguard(&guarded);
	}
}

static void test_wire_length_is_never_less_than_length(void **state)
{
	struct capture_bytes capture = {0};
	struct pcap_reader reader;
	struct frame frame;
	put_header(&capture, MAGIC_US, 4, 1);
	put_record(&capture, 0, 0, 4, 2);
	put_bytes(&capture, "abcd", 4);
	struct guarded guarded = guard(capture.bytes, capture.size);
	assert_int_equal(open_capture(&reader, &guarded, capture.size), 0);

	assert_int_equal(pcap_reader_read(&reader, &frame, 1), 1);

	assert_int_equal(frame.wire_length, 4);
	unguard(&guarded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_magic_and_byte_order_reads_alike),
		cmocka_unit_test(test_frames_come_in_bursts_of_the_size_asked_for),
		cmocka_unit_test(test_a_cut_at_every_byte_gives_the_frames_before_it_and_one_line),
		cmocka_unit_test(test_faults_say_where_what_was_expected_and_found),
		cmocka_unit_test(test_frame_longer_than_the_limit_is_corrupt_for_ever),
		cmocka_unit_test(test_other_major_version_is_refused),
		cmocka_unit_test(test_link_type_drops_the_upper_half_and_maps_old_raw_values),
		cmocka_unit_test(test_lengths_of_old_versions_stand_the_other_way_round),
		cmocka_unit_test(test_wire_length_is_never_less_than_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
