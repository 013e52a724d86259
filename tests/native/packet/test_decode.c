// SPDX-License-Identifier: Apache-2.0

// What decoding finds in each sample frame, whole and with checksums verified.

#include "samples.h"

#include "packet/cursor.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define NONE PACKET_NO_OFFSET

struct expectation {
	enum sample_id sample;
	const char *layers;
	uint8_t ip_version;
	uint8_t protocol;
	uint16_t source_port;
	uint16_t destination_port;
	uint32_t network_offset;
	uint32_t transport_offset;
	uint32_t payload_offset;
	uint32_t payload_length;
	uint16_t ethernet_type;
	uint32_t tag;
};

// clang-format off
static const struct expectation expectations[] = {
	{SAMPLE_TCP4_SYN, "ethernet ipv4 tcp", 4, 6, 40000, 80, 14, 34, 74, 0, 0x0800, 0},
	{SAMPLE_TCP4_DATA, "ethernet ipv4 tcp payload", 4, 6, 40000, 80, 14, 34, 66, 5, 0x0800, 0},
	{SAMPLE_TCP4_PLAIN, "ethernet ipv4 tcp", 4, 6, 40000, 80, 14, 34, 54, 0, 0x0800, 0},
	{SAMPLE_TCP4_IP_OPTIONS, "ethernet ipv4 tcp payload", 4, 6, 40000, 80, 14, 42, 62, 8, 0x0800, 0},
	{SAMPLE_UDP4_PADDED, "ethernet ipv4 udp payload", 4, 17, 5353, 53, 14, 34, 42, 4, 0x0800, 0},
	{SAMPLE_UDP4_NO_CHECKSUM, "ethernet ipv4 udp payload", 4, 17, 5353, 53, 14, 34, 42, 4, 0x0800, 0},
	{SAMPLE_UDP4_ODD, "ethernet ipv4 udp payload", 4, 17, 5353, 53, 14, 34, 42, 3, 0x0800, 0},
	{SAMPLE_ICMP4_ECHO, "ethernet ipv4 icmp payload", 4, 1, 0x1234, 0x1234, 14, 34, 42, 4, 0x0800, 0},
	{SAMPLE_ICMP4_ERROR, "ethernet ipv4 icmp payload", 4, 1, 0, 0, 14, 34, 42, 28, 0x0800, 0},
	{SAMPLE_GRE4, "ethernet ipv4 gre unknown", 4, 47, 0, 0, 14, NONE, 38, 5, 0x0800, 0},
	{SAMPLE_QINQ_UDP4, "ethernet vlan vlan ipv4 udp payload", 4, 17, 5353, 53, 22, 42, 50, 4, 0x0800, 100 << 12 | 200},
	{SAMPLE_VLAN_TCP6, "ethernet vlan ipv6 tcp", 6, 6, 40000, 443, 18, 58, 82, 0, 0x86dd, 100 << 12},
	{SAMPLE_ARP, "ethernet arp", 0, 0, 0, 0, NONE, NONE, NONE, 0, 0x0806, 0},
	{SAMPLE_LLC, "ethernet unknown", 0, 0, 0, 0, NONE, NONE, 14, 7, 0, 0},
	{SAMPLE_UNKNOWN_TYPE, "ethernet unknown", 0, 0, 0, 0, NONE, NONE, 14, 4, 0x88cc, 0},
	{SAMPLE_FRAGMENT4_FIRST, "ethernet ipv4 udp payload", 4, 17, 5353, 53, 14, 34, 42, 16, 0x0800, 0},
	{SAMPLE_FRAGMENT4_LAST, "ethernet ipv4 payload", 4, 17, 0, 0, 14, NONE, 34, 24, 0x0800, 0},
	{SAMPLE_UDP6_CHAIN, "ethernet ipv6 ipv6_extension ipv6_extension ipv6_extension fragment udp payload",
		6, 17, 5353, 53, 14, 86, 94, 4, 0x86dd, 0},
	{SAMPLE_FRAGMENT6_FIRST, "ethernet ipv6 fragment udp payload", 6, 17, 5353, 53, 14, 62, 70, 16, 0x86dd, 0},
	{SAMPLE_FRAGMENT6_LAST, "ethernet ipv6 fragment payload", 6, 17, 0, 0, 14, NONE, 62, 13, 0x86dd, 0},
	{SAMPLE_AH6_TCP, "ethernet ipv6 ipv6_extension tcp", 6, 6, 40000, 443, 14, 78, 98, 0, 0x86dd, 0},
	{SAMPLE_ESP6, "ethernet ipv6 unknown", 6, 50, 0, 0, 14, NONE, 54, 12, 0x86dd, 0},
	{SAMPLE_ICMP6_ECHO, "ethernet ipv6 icmpv6 payload", 6, 58, 0x4321, 0x4321, 14, 54, 62, 5, 0x86dd, 0},
	{SAMPLE_ICMP6_SOLICIT, "ethernet ipv6 icmpv6 payload", 6, 58, 0, 0, 14, 54, 62, 24, 0x86dd, 0},
	{SAMPLE_ICMP6_ERROR, "ethernet ipv6 icmpv6 payload", 6, 58, 0, 0, 14, 54, 62, 48, 0x86dd, 0},
	{SAMPLE_NO_NEXT6, "ethernet ipv6", 6, 59, 0, 0, 14, NONE, 54, 0, 0x86dd, 0},
	{SAMPLE_HOME_ADDRESS6, "ethernet ipv6 ipv6_extension udp payload", 6, 17, 5353, 53, 14, 78, 86, 4, 0x86dd, 0},
	{SAMPLE_ROUTED6, "ethernet ipv6 ipv6_extension udp payload", 6, 17, 5353, 53, 14, 78, 86, 4, 0x86dd, 0},
	{SAMPLE_RAW_UDP4, "ipv4 udp payload", 4, 17, 5353, 53, 0, 20, 28, 4, 0, 0},
	{SAMPLE_RAW_UDP6, "ipv6 udp payload", 6, 17, 5353, 53, 0, 40, 48, 4, 0, 0},
	{SAMPLE_NULL_UDP4, "null ipv4 udp payload", 4, 17, 5353, 53, 4, 24, 32, 4, 0, 0},
	{SAMPLE_LOOP_UDP6, "null ipv6 udp payload", 6, 17, 5353, 53, 4, 44, 52, 4, 0, 0},
	{SAMPLE_COOKED_UDP4, "linux_cooked ipv4 udp payload", 4, 17, 5353, 53, 16, 36, 44, 4, 0x0800, 0},
	{SAMPLE_COOKED2_UDP6, "linux_cooked ipv6 udp payload", 6, 17, 5353, 53, 20, 60, 68, 4, 0x86dd, 0},
	{SAMPLE_COOKED_NETLINK, "linux_cooked unknown", 0, 0, 0, 0, NONE, NONE, 16, 15, 0, 0},
};
// clang-format on

enum {
	EXPECTATION_COUNT = sizeof(expectations) / sizeof(expectations[0]),
};

static struct guard guard;

static void join_layers(const struct packet *packet, char *ret_text, size_t size)
{
	size_t length = 0;

	ret_text[0] = 0;
	for (size_t position = 0; position < packet->layer_count; position++)
		length += (size_t)snprintf(ret_text + length, size - length, "%s%s",
					   position == 0 ? "" : " ",
					   stellar_layer_name(packet->layers[position].type));
}

static void assert_address(const struct ip_address *address, uint8_t version, const char *ipv4,
			   const char *ipv6)
{
	struct ip_address expected = {.version = version};

	if (version != 0)
		assert_int_equal(inet_pton(version == 4 ? AF_INET : AF_INET6,
					   version == 4 ? ipv4 : ipv6, expected.bytes),
				 1);
	assert_memory_equal(address, &expected, sizeof(expected));
}

static void test_sample_is_decoded_as_expected(void **state)
{
	const struct expectation *expected = *state;
	struct packet packet;
	char layers[256];

	sample_decode(&guard, expected->sample, &packet);

	join_layers(&packet, layers, sizeof(layers));
	assert_string_equal(layers, expected->layers);
	assert_int_equal(packet.ip_version, expected->ip_version);
	assert_int_equal(packet.protocol, expected->protocol);
	assert_int_equal(packet.source_port, expected->source_port);
	assert_int_equal(packet.destination_port, expected->destination_port);
	assert_int_equal(packet.network_offset, expected->network_offset);
	assert_int_equal(packet.transport_offset, expected->transport_offset);
	assert_int_equal(packet.has_transport, expected->transport_offset != NONE);
	assert_int_equal(packet.payload_offset, expected->payload_offset);
	assert_int_equal(packet.payload_length, expected->payload_length);
	assert_int_equal(packet.ethernet_type, expected->ethernet_type);
	assert_int_equal(packet.tag, expected->tag);
	assert_address(&packet.source, expected->ip_version, "192.0.2.1", "2001:db8::1");
	assert_address(&packet.destination, expected->ip_version, "198.51.100.2", "2001:db8::2");
	assert_false(packet.malformed);
	assert_false(packet.checksum_wrong);
}

static void test_decode_keeps_what_is_not_its_own(void **state)
{
	struct packet packet;

	sample_decode(&guard, SAMPLE_TCP4_SYN, &packet);

	assert_int_equal(packet.ingress_id, 3);
	assert_int_equal(packet.egress_id, 4);
	assert_int_equal(packet.frame.time_ns, 1);
}

static void test_decode_leaves_no_verdict(void **state)
{
	struct packet packet;

	sample_decode(&guard, SAMPLE_TCP4_SYN, &packet);

	assert_int_equal(packet.verdict.disposition, STELLAR_CONTINUE);
	assert_int_equal(packet.verdict.drop_reason, 0);
	assert_int_equal(packet.verdict.rate_limit_group, 0);
	assert_int_equal(packet.verdict.disposition_plugin_id, STELLAR_PLUGIN_NONE);
	assert_int_equal(packet.verdict.reply_plugin_id, STELLAR_PLUGIN_NONE);
}

static void test_tcp_syn_has_its_fields_and_options(void **state)
{
	struct packet packet;

	sample_decode(&guard, SAMPLE_TCP4_SYN, &packet);

	assert_int_equal(packet.tcp.sequence, 0x01020304);
	assert_int_equal(packet.tcp.acknowledgment, 0);
	assert_int_equal(packet.tcp.flags, STELLAR_TCP_SYN);
	assert_int_equal(packet.tcp.window, 64240);
	assert_int_equal(packet.tcp.header_length, 40);
	assert_int_equal(packet.tcp.mss, 1460);
	assert_true(packet.tcp.has_window_scale);
	assert_int_equal(packet.tcp.window_scale, 7);
	assert_true(packet.tcp.sack_permitted);
	assert_true(packet.tcp.has_timestamp);
	assert_int_equal(packet.tcp.timestamp_value, 0x11223344);
	assert_int_equal(packet.tcp.timestamp_echo, 0);
	assert_int_equal(packet.ttl, 64);
}

static void test_tcp_data_has_aligned_timestamps(void **state)
{
	struct packet packet;

	sample_decode(&guard, SAMPLE_TCP4_DATA, &packet);

	assert_int_equal(packet.tcp.acknowledgment, 0x0a0b0c0d);
	assert_int_equal(packet.tcp.flags, STELLAR_TCP_PSH | STELLAR_TCP_ACK);
	assert_true(packet.tcp.has_timestamp);
	assert_int_equal(packet.tcp.timestamp_value, 0x11223345);
	assert_int_equal(packet.tcp.timestamp_echo, 0x55667788);
	assert_false(packet.tcp.has_window_scale);
	assert_false(packet.tcp.sack_permitted);
	assert_int_equal(packet.tcp.mss, 0);
}

static void test_tcp_window_scale_is_at_most_14(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_TCP4_SYN].hex, bytes, sizeof(bytes));
	bytes[73] = 15;

	guard_decode(&guard, bytes, length, length, 1, false, &packet);

	assert_int_equal(packet.tcp.window_scale, 14);
}

static void test_icmp_type_and_code_are_read(void **state)
{
	struct packet packet;

	sample_decode(&guard, SAMPLE_ICMP4_ERROR, &packet);
	assert_int_equal(packet.icmp_type, 3);
	assert_int_equal(packet.icmp_code, 3);
	sample_decode(&guard, SAMPLE_ICMP6_ERROR, &packet);
	assert_int_equal(packet.icmp_type, 1);
	assert_int_equal(packet.icmp_code, 4);
}

static void check_identifier(enum sample_id id, uint32_t type_at, uint8_t type, bool has_identifier)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[id].hex, bytes, sizeof(bytes));
	bytes[type_at] = type;

	guard_decode(&guard, bytes, length, length, 1, false, &packet);

	uint16_t identifier = load_be16(bytes + type_at + 4);
	assert_int_equal(packet.icmp_type, type);
	assert_int_equal(packet.source_port, has_identifier ? identifier : 0);
	assert_int_equal(packet.destination_port, has_identifier ? identifier : 0);
}

static void test_icmp_identifier_is_that_of_queries_and_their_replies(void **state)
{
	const uint8_t queries[] = {0, 8, 13, 14, 15, 16, 17, 18, 42, 43};
	const uint8_t others[] = {3, 4, 5, 9, 10, 11, 12, 19, 41, 44};
	const uint8_t queries_v6[] = {128, 129, 160, 161};
	const uint8_t others_v6[] = {1, 2, 3, 127, 130, 135, 159, 162};

	for (size_t at = 0; at < sizeof(queries); at++)
		check_identifier(SAMPLE_ICMP4_ECHO, 34, queries[at], true);
	for (size_t at = 0; at < sizeof(others); at++)
		check_identifier(SAMPLE_ICMP4_ECHO, 34, others[at], false);
	for (size_t at = 0; at < sizeof(queries_v6); at++)
		check_identifier(SAMPLE_ICMP6_ECHO, 54, queries_v6[at], true);
	for (size_t at = 0; at < sizeof(others_v6); at++)
		check_identifier(SAMPLE_ICMP6_ECHO, 54, others_v6[at], false);
}

// Each ICMP belongs to one version of IP; over the other it is just a protocol.
static void check_protocol_is_unknown(enum sample_id id, uint32_t protocol_at, uint8_t protocol)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[id].hex, bytes, sizeof(bytes));
	bytes[protocol_at] = protocol;

	guard_decode(&guard, bytes, length, length, 1, false, &packet);

	assert_false(packet.has_transport);
	assert_int_equal(packet.protocol, protocol);
	assert_int_equal(packet.layers[packet.layer_count - 1].type, STELLAR_LAYER_UNKNOWN);
}

static void test_icmp_over_the_other_ip_is_unknown(void **state)
{
	check_protocol_is_unknown(SAMPLE_ICMP4_ECHO, 23, 58);
	check_protocol_is_unknown(SAMPLE_ICMP6_ECHO, 20, 1);
}

static void test_vlan_tags_of_all_types_are_known(void **state)
{
	const uint16_t types[] = {0x8100, 0x88a8, 0x9100};
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_QINQ_UDP4].hex, bytes, sizeof(bytes));

	for (size_t at = 0; at < 3; at++) {
		store_be16(bytes + 12, types[at]);
		guard_decode(&guard, bytes, length, length, 1, true, &packet);
		assert_int_equal(packet.decode_events, 0);
		assert_int_equal(packet.tag, 100 << 12 | 200);
	}
}

static void test_tcp_urgent_pointer_is_read(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_TCP4_DATA].hex, bytes, sizeof(bytes));
	store_be16(bytes + 52, 0x0102);

	guard_decode(&guard, bytes, length, length, 1, false, &packet);

	assert_int_equal(packet.tcp.urgent, 0x0102);
}

static void check_fragment(enum sample_id id, bool is_fragment, bool is_first)
{
	struct packet packet;

	sample_decode(&guard, id, &packet);

	assert_int_equal(packet.is_fragment, is_fragment);
	assert_int_equal(packet.is_first_fragment, is_first);
}

static void test_fragments_are_marked_but_atomic_ones(void **state)
{
	check_fragment(SAMPLE_FRAGMENT4_FIRST, true, true);
	check_fragment(SAMPLE_FRAGMENT4_LAST, true, false);
	check_fragment(SAMPLE_FRAGMENT6_FIRST, true, true);
	check_fragment(SAMPLE_FRAGMENT6_LAST, true, false);
	check_fragment(SAMPLE_UDP6_CHAIN, false, false);
	check_fragment(SAMPLE_TCP4_PLAIN, false, false);
}

// Fragments that end inside of the transport header: nothing is wrong, only no ports.
static void test_first_fragment_may_end_in_the_header(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	hex_read(samples[SAMPLE_TCP4_PLAIN].hex, bytes, sizeof(bytes));
	bytes[17] = 28; // total length
	bytes[20] = 0x20; // more fragments

	guard_decode(&guard, bytes, 42, 42, 1, false, &packet);

	assert_int_equal(packet.decode_events, STELLAR_DECODE_BIT(STELLAR_DECODE_IPV4_FRAGMENT));
	assert_false(packet.has_transport);
	assert_int_equal(packet.source_port, 0);
	assert_int_equal(packet.payload_length, 8);
}

// An 802.3 length above what is there leaves the frame as it is.
static void test_llc_length_past_the_end_does_not_trim(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_LLC].hex, bytes, sizeof(bytes));
	bytes[13] = 200;

	guard_decode(&guard, bytes, length, length, 1, false, &packet);

	assert_int_equal(packet.payload_length, length - 14);
}

// A UDP datagram shorter than IP says: the rest is no payload.
static void test_udp_length_trims_the_payload(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_RAW_UDP4].hex, bytes, sizeof(bytes));
	bytes[25] = 10;

	guard_decode(&guard, bytes, length, length, 228, false, &packet);

	assert_int_equal(packet.payload_length, 2);
	assert_false(packet.malformed);
}

static void check_link_types(enum sample_id id, const uint16_t *link_types, size_t count)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[id].hex, bytes, sizeof(bytes));

	for (size_t at = 0; at < count; at++) {
		guard_decode(&guard, bytes, length, length, link_types[at], true, &packet);
		assert_int_equal(packet.decode_events, 0);
		assert_int_equal(packet.destination_port, 53);
	}
}

static void test_raw_ip_has_many_link_types(void **state)
{
	const uint16_t ipv4[] = {12, 14, 101, 228};
	const uint16_t ipv6[] = {12, 14, 101, 229};

	check_link_types(SAMPLE_RAW_UDP4, ipv4, 4);
	check_link_types(SAMPLE_RAW_UDP6, ipv6, 4);
}

static void test_loopback_families_of_all_systems_in_both_orders(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_LOOP_UDP6].hex, bytes, sizeof(bytes));
	const uint8_t families[] = {10, 24, 28, 30};

	for (size_t at = 0; at < sizeof(families); at++) {
		memcpy(bytes, (uint8_t[4]){0, 0, 0, families[at]}, 4);
		guard_decode(&guard, bytes, length, length, 108, true, &packet);
		assert_int_equal(packet.ip_version, 6);
		memcpy(bytes, (uint8_t[4]){families[at], 0, 0, 0}, 4);
		guard_decode(&guard, bytes, length, length, 0, true, &packet);
		assert_int_equal(packet.ip_version, 6);
	}
	bytes[0] = 7;
	guard_decode(&guard, bytes, length, length, 0, true, &packet);
	assert_int_equal(packet.ip_version, 0);
	assert_int_equal(packet.payload_length, length - 4);
}

// Zero is no checksum over IPv4; over IPv6 it is a wrong one (RFC 8200 8.1).
static void test_udp_checksum_zero_over_ipv6_is_wrong(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_RAW_UDP6].hex, bytes, sizeof(bytes));
	bytes[46] = bytes[47] = 0;

	guard_decode(&guard, bytes, length, length, 101, true, &packet);

	assert_true(packet.checksum_wrong);
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
	const struct CMUnitTest fixed[] = {
		cmocka_unit_test(test_decode_keeps_what_is_not_its_own),
		cmocka_unit_test(test_decode_leaves_no_verdict),
		cmocka_unit_test(test_tcp_syn_has_its_fields_and_options),
		cmocka_unit_test(test_tcp_data_has_aligned_timestamps),
		cmocka_unit_test(test_tcp_window_scale_is_at_most_14),
		cmocka_unit_test(test_icmp_type_and_code_are_read),
		cmocka_unit_test(test_icmp_identifier_is_that_of_queries_and_their_replies),
		cmocka_unit_test(test_icmp_over_the_other_ip_is_unknown),
		cmocka_unit_test(test_vlan_tags_of_all_types_are_known),
		cmocka_unit_test(test_tcp_urgent_pointer_is_read),
		cmocka_unit_test(test_fragments_are_marked_but_atomic_ones),
		cmocka_unit_test(test_first_fragment_may_end_in_the_header),
		cmocka_unit_test(test_llc_length_past_the_end_does_not_trim),
		cmocka_unit_test(test_udp_length_trims_the_payload),
		cmocka_unit_test(test_raw_ip_has_many_link_types),
		cmocka_unit_test(test_loopback_families_of_all_systems_in_both_orders),
		cmocka_unit_test(test_udp_checksum_zero_over_ipv6_is_wrong),
	};
	struct CMUnitTest rows[EXPECTATION_COUNT];

	for (size_t at = 0; at < EXPECTATION_COUNT; at++)
		rows[at] = (struct CMUnitTest){
			.name = samples[expectations[at].sample].name,
			.test_func = test_sample_is_decoded_as_expected,
			.initial_state = (void *)&expectations[at],
		};
	return cmocka_run_group_tests_name("samples", rows, set_up, tear_down) +
	       cmocka_run_group_tests(fixed, set_up, tear_down);
}
