// SPDX-License-Identifier: Apache-2.0

// Fragments on a wire: frames are held and counted as held, leave in the order they came, once, and
// what the caller of the single stages leaves undone is counted all the same.

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/packet.h>

#include "harness.h"
#include "packet/checksum.h"
#include "packet/cursor.h"

#define SECOND_NS 1000000000ull
#define FRAME_SIZE (14 + 20 + 16)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)

// Two units of 8 bytes of a datagram of four; UDP without a checksum in the first.
static void build(uint8_t *frame, uint16_t id, bool is_last, bool from_outside)
{
	uint8_t *ip = frame + 14;

	memset(frame, 0, FRAME_SIZE);
	frame[0] = 2;
	frame[6] = 2;
	frame[from_outside ? 5 : 11] = 1;
	store_be16(frame + 12, 0x0800);
	ip[0] = 0x45;
	store_be16(ip + 2, 36);
	store_be16(ip + 4, id);
	store_be16(ip + 6, is_last ? 2 : 0x2000);
	ip[8] = 64;
	ip[9] = 17;
	store_be32(ip + 12, 0xc0000201);
	store_be32(ip + 16, 0xc6336401);
	store_be16(ip + 10, checksum_fold(checksum_partial(ip, 20, 0)));
	if (!is_last) {
		store_be16(ip + 20, 1000 + id);
		store_be16(ip + 22, 53);
		store_be16(ip + 24, 32);
	}
}

static void send_piece(struct harness *harness, uint16_t id, bool is_last, bool from_outside)
{
	uint8_t frame[FRAME_SIZE];

	build(frame, id, is_last, from_outside);
	harness_send(harness, frame, sizeof(frame), from_outside);
}

static void check_reassembled(struct harness *harness, struct session *session, void *context)
{
	const struct packet *packet = session_get_event(session)->packet;
	size_t length;

	assert_true(packet_is_reassembled(packet));
	assert_int_equal(packet_get_wire_length(packet), 2 * FRAME_SIZE);
	packet_get_payload(packet, &length);
	assert_int_equal(length, 24);
}

static void reject(struct harness *harness, struct session *session, void *context)
{
	session_reject(session, STELLAR_REPLY_ICMP);
}

static uint16_t next_id(struct packet_io_device *device)
{
	uint8_t frame[2048];

	assert_true(packet_io_memory_pop(device, frame, sizeof(frame)) > 0);
	return load_be16(frame + 14 + 4);
}

static void test_frames_are_held_and_leave_in_order(void **state)
{
	static struct harness_plugin plugin;
	struct harness harness;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "reader", PACKET, check_reassembled);
	harness_start(&harness);
	send_piece(&harness, 1, false, false);
	send_piece(&harness, 2, true, false);
	assert_int_equal(harness_balance(&harness).held, 2);
	assert_int_equal(harness_drain(&harness, true), 0);
	send_piece(&harness, 2, false, false);
	send_piece(&harness, 1, true, false);

	assert_int_equal(harness_balance(&harness).held, 0);
	assert_int_equal(harness_balance(&harness).forwarded, 4);
	assert_int_equal(next_id(harness.outside), 2);
	assert_int_equal(next_id(harness.outside), 2);
	assert_int_equal(next_id(harness.outside), 1);
	assert_int_equal(next_id(harness.outside), 1);
	assert_string_equal(harness.log, "reader:session_packet reader:session_packet ");
	harness_close(&harness);
}

static void test_rejected_datagram_is_answered_once(void **state)
{
	static struct harness_plugin plugin;
	struct harness harness;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "guard", PACKET, reject);
	harness_start(&harness);
	send_piece(&harness, 1, false, false);
	send_piece(&harness, 1, true, false);

	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_PLUGIN], 2);
	assert_int_equal(harness_drain(&harness, true), 0);
	assert_int_equal(harness_drain(&harness, false), 1);
	harness_close(&harness);
}

static void test_pieces_from_both_sides_are_no_datagram(void **state)
{
	struct harness harness;

	harness_open(&harness, NULL);
	harness_start(&harness);
	send_piece(&harness, 1, false, false);
	send_piece(&harness, 1, true, true);

	assert_int_equal(harness_balance(&harness).held, 2);
	harness_close(&harness);
}

static void test_datagram_ends_at_its_deadline(void **state)
{
	struct harness harness;

	harness_open(&harness, NULL);
	harness_start(&harness);
	send_piece(&harness, 1, false, false);
	harness.time_ns += 29 * SECOND_NS;
	harness_send_datagram(&harness, 1000, 53, "x", false);
	assert_int_equal(harness_balance(&harness).held, 1);
	harness.time_ns += SECOND_NS;
	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_int_equal(harness_balance(&harness).held, 0);
	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_FRAGMENT_TIMEOUT], 1);
	assert_int_equal(
		engine_get_decode_event_count(harness.engine, STELLAR_DECODE_FRAGMENT_TIMEOUT), 1);
	harness_close(&harness);
}

// The ring has 1024 frames: one that was not given back would stop it.
static void test_frames_go_back_whatever_the_caller_leaves_undone(void **state)
{
	struct harness harness;
	struct packet *packet;
	uint8_t frame[FRAME_SIZE];

	harness_open(&harness, NULL);
	harness_start(&harness);
	for (uint32_t i = 0; i < 4000; i++) {
		build(frame, (uint16_t)(i / 2), i % 2 != 0, false);
		packet_io_memory_push(harness.inside, frame, sizeof(frame), harness.time_ns);
		assert_int_equal(worker_rx(harness.worker, 0, &packet), 1);
		session_manager(harness.worker, packet);
	}
	assert_int_equal(worker_rx(harness.worker, 0, &packet), 0);

	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_NO_EGRESS], 4000);
	assert_int_equal(harness_balance(&harness).held, 0);
	harness_close(&harness);
}

static void test_what_is_held_at_the_end_is_dropped(void **state)
{
	struct harness harness;

	harness_open(&harness, NULL);
	harness_start(&harness);
	send_piece(&harness, 1, false, false);
	send_piece(&harness, 2, false, false);
	worker_finish(harness.worker);

	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_SHUTDOWN], 2);
	harness_close(&harness);
}

// A fragment in a tunnel (IPIP) whose own datagram comes in two pieces.
static void send_tunneled_piece(struct harness *harness, uint16_t id, bool is_last)
{
	uint8_t inner[FRAME_SIZE];
	uint8_t frame[14 + 20 + 24];

	build(inner, id, is_last, false);
	for (uint16_t part = 0; part < 2; part++) {
		uint16_t length = part == 0 ? 24 : 12;
		uint8_t *ip = frame + 14;

		memcpy(frame, inner, 14 + 20);
		store_be16(ip + 2, 20 + length);
		store_be16(ip + 4, (uint16_t)(id * 2 + is_last));
		store_be16(ip + 6, part == 0 ? 0x2000 : 3);
		ip[9] = 4;
		store_be16(ip + 10, 0);
		store_be16(ip + 10, checksum_fold(checksum_partial(ip, 20, 0)));
		memcpy(ip + 20, inner + 14 + part * 24, length);
		harness_send(harness, frame, 34u + length, false);
	}
}

static void test_fragments_in_fragments_pass_on_a_tap(void **state)
{
	struct engine_config config;
	struct harness harness;

	engine_config_init(&config);
	config.is_inline = false;
	harness_open(&harness, &config);
	harness_start(&harness);
	send_tunneled_piece(&harness, 1, false);
	send_tunneled_piece(&harness, 1, true);
	send_tunneled_piece(&harness, 2, false);

	assert_int_equal(harness_drain(&harness, true), 6);
	assert_int_equal(harness_balance(&harness).held, 0);
	harness_close(&harness);
}

// From no room at all to room for all: what finds none is refused with all that it came in.
// Returns the frames that left.
static uint64_t send_in_memory(uint64_t memory_bytes, bool is_inline)
{
	struct engine_config config;
	struct harness harness;

	engine_config_init(&config);
	config.is_inline = is_inline;
	config.limits.fragment_memory_bytes = memory_bytes;
	harness_open(&harness, &config);
	harness_start(&harness);
	send_tunneled_piece(&harness, 1, false);
	send_tunneled_piece(&harness, 1, true);
	worker_finish(harness.worker);

	struct packet_stats stats = harness_balance(&harness);

	assert_int_equal(stats.received, 4);
	assert_int_equal(stats.held, 0);
	harness_close(&harness);
	return stats.forwarded;
}

static void test_fragments_in_fragments_find_less_and_less_room(void **state)
{
	for (uint64_t bytes = 1024; bytes < 32768; bytes += 64) {
		send_in_memory(bytes, true);
		assert_int_equal(send_in_memory(bytes, false), 4);
	}
	assert_int_equal(send_in_memory(1024, true), 0);
	assert_int_equal(send_in_memory(65536, true), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_held_and_leave_in_order),
		cmocka_unit_test(test_rejected_datagram_is_answered_once),
		cmocka_unit_test(test_pieces_from_both_sides_are_no_datagram),
		cmocka_unit_test(test_datagram_ends_at_its_deadline),
		cmocka_unit_test(test_frames_go_back_whatever_the_caller_leaves_undone),
		cmocka_unit_test(test_what_is_held_at_the_end_is_dropped),
		cmocka_unit_test(test_fragments_in_fragments_pass_on_a_tap),
		cmocka_unit_test(test_fragments_in_fragments_find_less_and_less_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
