// SPDX-License-Identifier: Apache-2.0

// The public accessors, as plugins see packets.

#include "samples.h"

#include <stellar/engine.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct guard guard;

static void test_raw_bytes_are_the_frame(void **state)
{
	struct packet packet;
	size_t length = sample_decode(&guard, SAMPLE_TCP4_DATA, &packet);
	size_t raw_length;

	assert_ptr_equal(packet_get_raw(&packet, &raw_length), packet.frame.data);
	assert_int_equal(raw_length, length);
	assert_ptr_equal(packet_get_raw(&packet, NULL), packet.frame.data);
	assert_int_equal(packet_get_wire_length(&packet), length);
	assert_int_equal(packet_get_time_ns(&packet), 1);
	assert_int_equal(packet_get_ingress_id(&packet), 3);
	assert_int_equal(packet_get_egress_id(&packet), 4);
}

static void test_layers_have_kind_and_bytes(void **state)
{
	struct packet packet;
	size_t length;
	sample_decode(&guard, SAMPLE_TCP4_DATA, &packet);

	assert_int_equal(packet_get_layer_count(&packet), 4);
	assert_int_equal(packet_get_layer(&packet, 2), STELLAR_LAYER_TCP);
	assert_ptr_equal(packet_get_layer_bytes(&packet, 2, &length), packet.frame.data + 34);
	assert_int_equal(length, 32);
	assert_ptr_equal(packet_get_layer_bytes(&packet, 3, &length), packet.frame.data + 66);
	assert_int_equal(length, 5);
}

static void test_layer_out_of_range_is_unknown(void **state)
{
	struct packet packet;
	size_t length = 99;
	sample_decode(&guard, SAMPLE_TCP4_DATA, &packet);

	assert_int_equal(packet_get_layer(&packet, 4), STELLAR_LAYER_UNKNOWN);
	assert_null(packet_get_layer_bytes(&packet, 4, &length));
	assert_int_equal(length, 99);
}

static void test_endpoints_are_address_and_port(void **state)
{
	struct packet packet;
	struct packet_endpoint source;
	struct packet_endpoint destination;
	sample_decode(&guard, SAMPLE_TCP4_DATA, &packet);

	assert_int_equal(packet_get_source(&packet, &source), 0);
	assert_int_equal(packet_get_destination(&packet, &destination), 0);

	assert_int_equal(source.port, 40000);
	assert_int_equal(destination.port, 80);
	assert_memory_equal(&source.address, &packet.source, sizeof(source.address));
	assert_memory_equal(&destination.address, &packet.destination, sizeof(source.address));
	assert_int_equal(packet_get_ip_version(&packet), 4);
	assert_int_equal(packet_get_protocol(&packet), 6);
	assert_int_equal(packet_get_tcp_flags(&packet), STELLAR_TCP_PSH | STELLAR_TCP_ACK);
}

static void test_packet_without_ip_has_no_endpoints(void **state)
{
	struct packet packet;
	struct packet_endpoint endpoint = {.port = 7};
	sample_decode(&guard, SAMPLE_ARP, &packet);

	assert_int_equal(packet_get_source(&packet, &endpoint), -ENOENT);
	assert_int_equal(packet_get_destination(&packet, &endpoint), -ENOENT);
	assert_int_equal(endpoint.port, 7);
	assert_int_equal(packet_get_ip_version(&packet), 0);
}

static void test_flags_are_of_tcp_only(void **state)
{
	struct packet packet;
	sample_decode(&guard, SAMPLE_UDP4_ODD, &packet);
	packet.tcp.flags = STELLAR_TCP_SYN;

	assert_int_equal(packet_get_tcp_flags(&packet), 0);
}

static const uint8_t stamped[] = {
	0x45, 0x03, 0x00, 0x38, 0x00, 0x01, 0x40, 0x00, 0x3f, 0x06, 0x00, 0x00, 192, 0, 2,
	1,    198,  51,	  100,	1,    0x9c, 0x40, 0x00, 0x50, 0,    0,	  0,	1,   0, 0,
	0,    2,    0x90, 0x18, 0x12, 0x34, 0,	  0,	0,    0,    1,	  1,	4,   2, 8,
	10,   'v',  'a',  'l',	'u',  'e',  'c',  'h',	'o',  3,    9, // the last says that it goes
								       // on beyond the header
};

static void decode_stamped(struct packet *packet, uint32_t length)
{
	*packet = (struct packet){.frame = {.data = guard_place(&guard, stamped, length),
					    .length = length,
					    .wire_length = sizeof(stamped),
					    .link_type = 101}};
	packet_decode(packet, false);
}

static void test_tcp_options_are_found_by_kind(void **state)
{
	struct packet packet;
	size_t length = 99;
	decode_stamped(&packet, sizeof(stamped));

	assert_memory_equal(packet_get_tcp_option(&packet, 8, &length), "valuecho", 8);
	assert_int_equal(length, 8);
	assert_non_null(packet_get_tcp_option(&packet, 4, &length));
	assert_int_equal(length, 0);
	assert_null(packet_get_tcp_option(&packet, 3, &length));
	assert_null(packet_get_tcp_option(&packet, 1, NULL));
	assert_null(packet_get_tcp_option(&packet, 254, NULL));
	assert_int_equal(packet_get_tcp_window(&packet), 0x1234);
}

static void test_time_to_live_and_congestion_are_of_ip(void **state)
{
	struct packet packet;
	decode_stamped(&packet, sizeof(stamped));
	assert_int_equal(packet_get_ttl(&packet), 0x3f);
	assert_int_equal(packet_get_ecn(&packet), 3);

	sample_decode(&guard, SAMPLE_ARP, &packet);
	assert_int_equal(packet_get_ttl(&packet), 0);
	assert_int_equal(packet_get_ecn(&packet), 0);
	assert_int_equal(packet_get_tcp_window(&packet), 0);
	assert_null(packet_get_tcp_option(&packet, 8, NULL));
}

static void test_payload_is_null_when_empty(void **state)
{
	struct packet packet;
	size_t length = 99;

	sample_decode(&guard, SAMPLE_TCP4_PLAIN, &packet);
	assert_null(packet_get_payload(&packet, &length));
	assert_int_equal(length, 0);
	sample_decode(&guard, SAMPLE_TCP4_DATA, &packet);
	assert_memory_equal(packet_get_payload(&packet, &length), "hello", 5);
	assert_int_equal(length, 5);
	assert_non_null(packet_get_payload(&packet, NULL));
}

static void test_decode_events_are_the_bits(void **state)
{
	struct packet packet;
	sample_decode(&guard, SAMPLE_VLAN_THREE, &packet);

	assert_int_equal(packet_get_decode_events(&packet),
			 STELLAR_DECODE_BIT(STELLAR_DECODE_VLAN_TOO_MANY));
}

static void test_group_and_verdict_are_of_the_record(void **state)
{
	struct packet packet;
	sample_decode(&guard, SAMPLE_TCP4_DATA, &packet);
	packet.verdict.rate_limit_group = 42;

	assert_int_equal(packet_get_group_id(&packet), 42);
	assert_ptr_equal(packet_get_verdict(&packet), &packet.verdict);
}

static void test_names_are_those_of_the_lists(void **state)
{
	assert_string_equal(stellar_layer_name(STELLAR_LAYER_UNKNOWN), "unknown");
	assert_string_equal(stellar_layer_name(STELLAR_LAYER_NULL_LOOPBACK), "null");
	assert_null(stellar_layer_name(STELLAR_LAYER_COUNT));
	assert_string_equal(stellar_decode_event_name(0), "link_truncated");
	assert_string_equal(stellar_decode_event_name(STELLAR_DECODE_CAPTURE_TRUNCATED),
			    "capture_truncated");
	assert_null(stellar_decode_event_name(STELLAR_DECODE_EVENT_COUNT));
	assert_true(stellar_decode_event_is_malformed(STELLAR_DECODE_TCP_TRUNCATED));
	assert_false(stellar_decode_event_is_malformed(STELLAR_DECODE_TCP_CHECKSUM_WRONG));
	assert_false(stellar_decode_event_is_malformed(STELLAR_DECODE_EVENT_COUNT));
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw_bytes_are_the_frame),
		cmocka_unit_test(test_layers_have_kind_and_bytes),
		cmocka_unit_test(test_layer_out_of_range_is_unknown),
		cmocka_unit_test(test_endpoints_are_address_and_port),
		cmocka_unit_test(test_packet_without_ip_has_no_endpoints),
		cmocka_unit_test(test_flags_are_of_tcp_only),
		cmocka_unit_test(test_tcp_options_are_found_by_kind),
		cmocka_unit_test(test_time_to_live_and_congestion_are_of_ip),
		cmocka_unit_test(test_payload_is_null_when_empty),
		cmocka_unit_test(test_decode_events_are_the_bits),
		cmocka_unit_test(test_group_and_verdict_are_of_the_record),
		cmocka_unit_test(test_names_are_those_of_the_lists),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
