// SPDX-License-Identifier: Apache-2.0

// Every sample, cut at every length and with bytes overwritten, ending at a guard page. What
// decoding says must lie within the captured bytes; what it reads beyond them ends the test.

#include "samples.h"

#include "packet/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	CORRUPTIONS = 3000, // of each sample
	CORRUPTED_BYTES_MAX = 3,
};

static struct guard guard;

static void assert_within(const struct packet *packet, const uint8_t *bytes, size_t length)
{
	assert_true(bytes >= packet->frame.data);
	assert_true(length <= packet->frame.length);
	assert_true(bytes + length <= packet->frame.data + packet->frame.length);
}

static void assert_is_sound(const struct packet *packet)
{
	size_t length;
	const uint8_t *end = packet->frame.data;

	for (size_t position = 0; position < packet_get_layer_count(packet); position++) {
		const uint8_t *bytes = packet_get_layer_bytes(packet, position, &length);
		assert_within(packet, bytes, length);
		assert_true(bytes == end); // layers follow one another
		end = bytes + length;
	}
	const uint8_t *payload = packet_get_payload(packet, &length);
	if (payload)
		assert_within(packet, payload, length);
	if (packet->has_transport)
		assert_true(packet->transport_offset < packet->frame.length);
	if (packet->ip_version != 0)
		assert_true(packet->network_offset < packet->frame.length);
}

static bool packet_has_event(const struct packet *packet, enum stellar_decode_event event)
{
	return (packet->decode_events & STELLAR_DECODE_BIT(event)) != 0;
}

static void decode_and_build(const uint8_t *bytes, size_t length, size_t wire_length,
			     uint16_t link_type, struct packet *ret_packet)
{
	uint8_t reply[BUILD_REPLY_MAX];

	guard_decode(&guard, bytes, length, wire_length, link_type, true, ret_packet);
	assert_is_sound(ret_packet);
	guard_decode(&guard, bytes, length, wire_length, link_type, false, ret_packet);
	assert_is_sound(ret_packet);
	assert_true(build_rst(ret_packet, reply, sizeof(reply)) >= 0);
	assert_true(build_icmp_prohibited(ret_packet, reply, sizeof(reply)) >= 0);
}

static void test_frame_cut_on_the_wire_stays_within_bounds(void **state)
{
	const struct sample *sample = *state;
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t whole = hex_read(sample->hex, bytes, sizeof(bytes));

	for (size_t length = 0; length <= whole; length++) {
		decode_and_build(bytes, length, length, sample->link_type, &packet);
		// A mirrored frame tells itself that it was cut.
		assert_int_equal(packet_has_event(&packet, STELLAR_DECODE_CAPTURE_TRUNCATED),
				 sample == &samples[SAMPLE_ERSPAN_II_CUT] && length == whole);
	}
}

static void test_frame_cut_by_the_capture_stays_within_bounds(void **state)
{
	const struct sample *sample = *state;
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t whole = hex_read(sample->hex, bytes, sizeof(bytes));

	for (size_t length = 0; length < whole; length++) {
		decode_and_build(bytes, length, whole, sample->link_type, &packet);
		assert_true(packet.decode_events &
			    STELLAR_DECODE_BIT(STELLAR_DECODE_CAPTURE_TRUNCATED));
		assert_false(packet.decode_events &
			     STELLAR_DECODE_BIT(STELLAR_DECODE_IPV4_TOTAL_LENGTH_WRONG));
		assert_false(packet.decode_events &
			     STELLAR_DECODE_BIT(STELLAR_DECODE_IPV6_PAYLOAD_LENGTH_WRONG));
		assert_false(packet.decode_events &
			     STELLAR_DECODE_BIT(STELLAR_DECODE_UDP_LENGTH_WRONG));
	}
}

static uint32_t random_next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void test_corrupted_frame_stays_within_bounds(void **state)
{
	const struct sample *sample = *state;
	struct packet packet;
	uint32_t seed = 1;

	for (uint32_t trial = 0; trial < CORRUPTIONS; trial++) {
		uint8_t bytes[SAMPLE_SIZE_MAX];
		size_t whole = hex_read(sample->hex, bytes, sizeof(bytes));
		for (uint32_t count = 0; count <= random_next(&seed) % CORRUPTED_BYTES_MAX; count++)
			bytes[random_next(&seed) % whole] = (uint8_t)random_next(&seed);
		size_t length = whole - random_next(&seed) % 8;
		size_t wire_length = length + random_next(&seed) % 8;
		decode_and_build(bytes, length, wire_length, sample->link_type, &packet);
	}
}

static int set_up(void **state)
{
	return guard_init(&guard);
}

static int tear_down(void **state)
{
	guard_fini(&guard);
	return 0;
}

int main(void)
{
	const CMUnitTestFunction functions[] = {
		test_frame_cut_on_the_wire_stays_within_bounds,
		test_frame_cut_by_the_capture_stays_within_bounds,
		test_corrupted_frame_stays_within_bounds,
	};
	struct CMUnitTest tests[3 * SAMPLE_COUNT];

	for (size_t at = 0; at < 3 * SAMPLE_COUNT; at++)
		tests[at] = (struct CMUnitTest){
			.name = samples[at / 3].name,
			.test_func = functions[at % 3],
			.initial_state = (void *)&samples[at / 3],
		};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
