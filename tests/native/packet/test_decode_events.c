// SPDX-License-Identifier: Apache-2.0

// Every decode event: a sample frame, bent a little, raises it and no other. The last tests see to
// it that no event of the list is without such a row.

#include "samples.h"

#include "packet/layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct patch {
	uint32_t at;
	const char *hex; // NULL: none
};

struct row {
	enum stellar_decode_event event;
	enum sample_id sample;
	struct patch patches[3];
	uint32_t length; // captured, 0: the whole
	uint32_t wire_length; // 0: as captured
	uint64_t others; // events that must come with it
	bool verify;
	uint16_t link_type; // 0: the sample's
};

#define ROW(name, sample_name, ...) \
	{.event = STELLAR_DECODE_##name, .sample = SAMPLE_##sample_name, __VA_ARGS__}
#define BIT(name) STELLAR_DECODE_BIT(STELLAR_DECODE_##name)

// Byte 14 of an Ethernet sample is the first of IP, 34 of TCP, UDP or ICMP over IPv4, 54 of what
// IPv6 carries.
// clang-format off
static const struct row rows[] = {
	ROW(LINK_TRUNCATED, TCP4_PLAIN, .length = 13),
	ROW(LINK_TRUNCATED, RAW_UDP4, .length = 0, .wire_length = 1, .others = BIT(CAPTURE_TRUNCATED)),
	ROW(LINK_TRUNCATED, NULL_UDP4, .length = 3),
	ROW(LINK_TRUNCATED, COOKED_UDP4, .length = 15),
	ROW(LINK_TRUNCATED, COOKED2_UDP6, .length = 19),
	ROW(LINK_TYPE_UNSUPPORTED, TCP4_PLAIN, .link_type = 105),
	ROW(VLAN_TRUNCATED, QINQ_UDP4, .length = 17),
	ROW(VLAN_TRUNCATED, QINQ_UDP4, .length = 21),
	ROW(VLAN_TOO_MANY, VLAN_THREE),
	ROW(ARP_MALFORMED, ARP, .length = 21),
	ROW(ARP_MALFORMED, ARP, .length = 41),
	ROW(ARP_MALFORMED, ARP, .patches = {{18, "05"}}),
	ROW(ARP_MALFORMED, ARP, .patches = {{19, "06"}}),
	ROW(IPV4_TRUNCATED, TCP4_PLAIN, .length = 33),
	ROW(IPV4_TRUNCATED, TCP4_IP_OPTIONS, .length = 41, .wire_length = 70, .others = BIT(CAPTURE_TRUNCATED)),
	ROW(IPV4_VERSION_WRONG, TCP4_PLAIN, .patches = {{14, "65"}}),
	ROW(IPV4_VERSION_WRONG, RAW_UDP4, .patches = {{0, "55"}}),
	ROW(IPV4_HEADER_LENGTH_WRONG, TCP4_PLAIN, .patches = {{14, "44"}}),
	ROW(IPV4_HEADER_LENGTH_WRONG, TCP4_PLAIN, .patches = {{14, "4b"}}),
	ROW(IPV4_TOTAL_LENGTH_WRONG, TCP4_PLAIN, .patches = {{16, "0013"}}),
	ROW(IPV4_TOTAL_LENGTH_WRONG, TCP4_PLAIN, .patches = {{16, "0029"}}),
	ROW(IPV4_TOTAL_LENGTH_WRONG, TCP4_PLAIN, .length = 50, .wire_length = 53, .others = BIT(CAPTURE_TRUNCATED)),
	ROW(IPV4_OPTIONS_MALFORMED, TCP4_IP_OPTIONS, .patches = {{35, "09"}}),
	ROW(IPV4_OPTIONS_MALFORMED, TCP4_IP_OPTIONS, .patches = {{35, "01"}}),
	ROW(IPV4_OPTIONS_MALFORMED, TCP4_IP_OPTIONS, .patches = {{41, "07"}}),
	ROW(IPV4_CHECKSUM_WRONG, TCP4_PLAIN, .patches = {{24, "0000"}}, .verify = true),
	ROW(IPV4_FRAGMENT, FRAGMENT4_FIRST, .verify = true),
	ROW(IPV4_FRAGMENT, FRAGMENT4_LAST, .verify = true),
	ROW(IPV4_FRAGMENT_MALFORMED, FRAGMENT4_FIRST, .patches = {{16, "002b"}}, .others = BIT(IPV4_FRAGMENT)),
	ROW(IPV4_FRAGMENT_MALFORMED, FRAGMENT4_FIRST, .patches = {{16, "0028"}}, .others = BIT(IPV4_FRAGMENT)),
	ROW(IPV4_FRAGMENT_MALFORMED, FRAGMENT4_LAST, .patches = {{20, "1ffb"}}, .others = BIT(IPV4_FRAGMENT)),
	ROW(IPV6_TRUNCATED, ICMP6_ECHO, .length = 53),
	ROW(IPV6_VERSION_WRONG, ICMP6_ECHO, .patches = {{14, "40"}}),
	ROW(IPV6_PAYLOAD_LENGTH_WRONG, ICMP6_ECHO, .patches = {{18, "000e"}}),
	ROW(IPV6_JUMBOGRAM, JUMBO6),
	ROW(IPV6_EXTENSION_TRUNCATED, UDP6_CHAIN, .patches = {{18, "0007"}}),
	ROW(IPV6_EXTENSION_TRUNCATED, UDP6_CHAIN, .patches = {{63, "ff"}}),
	ROW(IPV6_EXTENSION_TRUNCATED, AH6_TCP, .patches = {{55, "00"}}),
	ROW(IPV6_EXTENSION_TRUNCATED, FRAGMENT6_LAST, .patches = {{18, "0007"}}),
	ROW(IPV6_EXTENSION_ORDER, UDP6_CHAIN, .patches = {{54, "00"}}),
	ROW(IPV6_FRAGMENT, FRAGMENT6_FIRST, .verify = true),
	ROW(IPV6_FRAGMENT, FRAGMENT6_LAST, .verify = true),
	ROW(IPV6_FRAGMENT_MALFORMED, FRAGMENT6_LAST, .patches = {{57, "19"}}, .others = BIT(IPV6_FRAGMENT)),
	ROW(IPV6_FRAGMENT_MALFORMED, FRAGMENT6_LAST, .patches = {{56, "fff8"}}, .others = BIT(IPV6_FRAGMENT)),
	ROW(TCP_TRUNCATED, TCP4_PLAIN, .patches = {{16, "0027"}}),
	ROW(TCP_HEADER_LENGTH_WRONG, TCP4_PLAIN, .patches = {{46, "40"}}),
	ROW(TCP_HEADER_LENGTH_WRONG, TCP4_PLAIN, .patches = {{46, "60"}}),
	ROW(TCP_OPTIONS_MALFORMED, TCP4_SYN, .patches = {{72, "04"}}),
	ROW(TCP_OPTIONS_MALFORMED, TCP4_SYN, .patches = {{55, "01"}}),
	ROW(TCP_OPTIONS_MALFORMED, TCP4_SYN, .patches = {{73, "08"}, {71, "0101"}}),
	ROW(TCP_FLAGS_INVALID, TCP4_PLAIN, .patches = {{47, "03"}}),
	ROW(TCP_FLAGS_INVALID, TCP4_PLAIN, .patches = {{47, "06"}}),
	ROW(TCP_FLAGS_INVALID, TCP4_PLAIN, .patches = {{47, "00"}}),
	ROW(TCP_CHECKSUM_WRONG, TCP4_PLAIN, .patches = {{50, "0000"}}, .verify = true),
	ROW(TCP_CHECKSUM_WRONG, AH6_TCP, .patches = {{94, "0000"}}, .verify = true),
	ROW(UDP_TRUNCATED, UDP4_ODD, .patches = {{16, "001b"}}),
	ROW(UDP_LENGTH_WRONG, UDP4_ODD, .patches = {{38, "0007"}}),
	ROW(UDP_LENGTH_WRONG, UDP4_ODD, .patches = {{38, "000c"}}),
	ROW(UDP_CHECKSUM_WRONG, UDP4_ODD, .patches = {{44, "00"}}, .verify = true),
	ROW(UDP_CHECKSUM_WRONG, RAW_UDP6, .patches = {{46, "0000"}}, .verify = true),
	ROW(ICMP_TRUNCATED, ICMP4_ECHO, .patches = {{16, "001b"}}),
	ROW(ICMP_CHECKSUM_WRONG, ICMP4_ECHO, .patches = {{36, "0000"}}, .verify = true),
	ROW(ICMPV6_TRUNCATED, ICMP6_ECHO, .patches = {{18, "0007"}}),
	ROW(ICMPV6_CHECKSUM_WRONG, ICMP6_ECHO, .patches = {{56, "0000"}}, .verify = true),
	ROW(MPLS_MALFORMED, MPLS_IP, .length = 21),
	ROW(MPLS_MALFORMED, MPLS_IP, .length = 17),
	ROW(PPPOE_MALFORMED, PPPOE, .length = 19),
	ROW(PPPOE_MALFORMED, PPPOE, .patches = {{14, "21"}}),
	ROW(PPPOE_MALFORMED, PPPOE, .patches = {{15, "a7"}}),
	ROW(PPPOE_MALFORMED, PPPOE, .patches = {{18, "0029"}}),
	ROW(PPP_MALFORMED, PPPOE, .patches = {{18, "0001"}}),
	ROW(PPP_MALFORMED, PPPOE, .patches = {{18, "0000"}}),
	ROW(PPP_MALFORMED, PPP_LINK, .length = 2),
	ROW(LINK_TRUNCATED, PPP_LINK, .length = 0, .wire_length = 1, .others = BIT(CAPTURE_TRUNCATED)),
	ROW(LINK_TRUNCATED, CISCO_HDLC6, .length = 3),
	ROW(GRE_MALFORMED, GRE_PLAIN, .patches = {{16, "0017"}}),
	ROW(GRE_MALFORMED, GRE_ALL, .patches = {{16, "0023"}}),
	ROW(GRE_MALFORMED, GRE_PLAIN, .patches = {{35, "02"}}),
	ROW(GRE_MALFORMED, PPTP, .patches = {{34, "10"}}),
	ROW(GRE_MALFORMED, PPTP, .patches = {{36, "0800"}}),
	ROW(GRE_MALFORMED, PPTP, .patches = {{38, "0025"}}),
	ROW(GRE_MALFORMED, PPTP_ACK, .patches = {{16, "001f"}}),
	ROW(PPP_MALFORMED, PPTP, .patches = {{38, "0003"}}),
	ROW(GRE_ROUTING, GRE_ROUTED),
	ROW(GRE_CHECKSUM_WRONG, GRE_ALL, .patches = {{38, "0000"}}, .verify = true),
	ROW(ERSPAN_MALFORMED, ERSPAN_II, .patches = {{42, "20"}}),
	ROW(ERSPAN_MALFORMED, ERSPAN_III, .patches = {{42, "10"}}),
	ROW(ERSPAN_MALFORMED, ERSPAN_II, .patches = {{16, "0023"}}),
	ROW(ERSPAN_MALFORMED, ERSPAN_III_IP, .patches = {{16, "002f"}}),
	ROW(L2TP_MALFORMED, L2TPV3_IP, .patches = {{16, "0017"}}),
	ROW(AUTHENTICATION_MALFORMED, AH4_UDP, .patches = {{16, "001f"}}),
	ROW(AUTHENTICATION_MALFORMED, AH4_UDP, .patches = {{35, "00"}}),
	ROW(AUTHENTICATION_MALFORMED, AH4_UDP, .patches = {{35, "ff"}}),
	// What the capture cut is not wrong, and no checksum is verified over what is not there.
	ROW(CAPTURE_TRUNCATED, TCP4_DATA, .length = 68, .wire_length = 71, .verify = true),
	ROW(CAPTURE_TRUNCATED, TCP4_SYN, .length = 72, .wire_length = 74, .verify = true),
	ROW(CAPTURE_TRUNCATED, TCP4_SYN, .length = 55, .wire_length = 74, .verify = true),
	ROW(CAPTURE_TRUNCATED, RAW_UDP6, .length = 48, .wire_length = 52, .verify = true),
	ROW(CAPTURE_TRUNCATED, ICMP6_ECHO, .length = 64, .wire_length = 67, .verify = true),
	ROW(CAPTURE_TRUNCATED, ICMP4_ECHO, .length = 42, .wire_length = 46, .verify = true),
};
// clang-format on

enum {
	ROW_COUNT = sizeof(rows) / sizeof(rows[0]),
	// Raised by tests of their own: frames too long for the table (this one in test_tunnel.c).
	EVENT_WITHOUT_ROW = STELLAR_DECODE_TOO_MANY_LAYERS,
	EVENT_WITH_LONG_FRAME = STELLAR_DECODE_IPV6_EXTENSION_TOO_MANY,
	// A frame alone does not show it: test_icmp_stage.c.
	EVENT_OF_A_SESSION = STELLAR_DECODE_ICMP_QUOTE_INVALID,
};

static struct guard guard;

static bool has_severity_1(uint64_t events)
{
	for (uint32_t event = 0; event < STELLAR_DECODE_EVENT_COUNT; event++)
		if ((events & STELLAR_DECODE_BIT(event)) &&
		    stellar_decode_event_is_malformed(event))
			return true;
	return false;
}

static bool has_checksum_event(uint64_t events)
{
	return (events & (BIT(IPV4_CHECKSUM_WRONG) | BIT(TCP_CHECKSUM_WRONG) |
			  BIT(UDP_CHECKSUM_WRONG) | BIT(ICMP_CHECKSUM_WRONG) |
			  BIT(ICMPV6_CHECKSUM_WRONG) | BIT(GRE_CHECKSUM_WRONG))) != 0;
}

static void test_row_raises_its_event(void **state)
{
	const struct row *row = *state;
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[row->sample].hex, bytes, sizeof(bytes));
	for (size_t at = 0; at < 3 && row->patches[at].hex; at++)
		hex_read(row->patches[at].hex, bytes + row->patches[at].at, 4);
	if (row->length > 0 || row->wire_length > 0)
		length = row->length;
	size_t wire_length = row->wire_length > 0 ? row->wire_length : length;
	uint16_t link_type = row->link_type > 0 ? row->link_type : samples[row->sample].link_type;
	uint64_t expected = STELLAR_DECODE_BIT(row->event) | row->others;

	guard_decode(&guard, bytes, length, wire_length, link_type, row->verify, &packet);

	assert_int_equal(packet.decode_events, expected);
	assert_int_equal(packet.malformed, has_severity_1(expected));
	assert_int_equal(packet.checksum_wrong, has_checksum_event(expected));
}

static void test_unbent_samples_raise_nothing(void **state)
{
	struct packet packet;
	const uint64_t notable = BIT(IPV4_FRAGMENT) | BIT(IPV6_FRAGMENT) | BIT(GRE_ROUTING);

	for (enum sample_id id = 0; id < SAMPLE_COUNT; id++) {
		if (id == SAMPLE_VLAN_THREE || id == SAMPLE_JUMBO6 || id == SAMPLE_ERSPAN_II_CUT)
			continue;
		sample_decode(&guard, id, &packet);
		assert_int_equal(packet.decode_events & ~notable, 0);
	}
}

// A chain of destination options, then nothing.
static void decode_chain_of(uint32_t count, struct packet *ret_packet)
{
	uint8_t bytes[40 + 9 * 8];
	hex_read(samples[SAMPLE_RAW_UDP6].hex, bytes, sizeof(bytes));
	bytes[5] = (uint8_t)(count * 8);
	bytes[6] = 60;
	for (uint32_t at = 0; at < count; at++)
		hex_read(at + 1 == count ? "3b00010400000000" : "3c00010400000000",
			 bytes + 40 + at * 8, 8);

	guard_decode(&guard, bytes, 40 + count * 8, 40 + count * 8, 101, true, ret_packet);
}

static void test_ipv6_extension_too_many_above_8(void **state)
{
	struct packet packet;

	decode_chain_of(8, &packet);
	assert_int_equal(packet.decode_events, 0);
	assert_int_equal(packet.protocol, 59);
	decode_chain_of(9, &packet);
	assert_int_equal(packet.decode_events, BIT(IPV6_EXTENSION_TOO_MANY));
	assert_true(packet.malformed);
}

static void test_too_many_layers_are_not_recorded(void **state)
{
	uint8_t byte = 0;
	struct packet packet = {.frame = {.data = &byte, .length = 1}};
	struct cursor cursor = {&byte, 1, 0};

	for (uint32_t count = 0; count < STELLAR_LAYERS_MAX; count++)
		assert_true(packet_add_layer(&packet, STELLAR_LAYER_IPV4, cursor, 1));
	assert_int_equal(packet.decode_events, 0);
	assert_false(packet_add_layer(&packet, STELLAR_LAYER_IPV4, cursor, 1));

	assert_int_equal(packet.decode_events, BIT(TOO_MANY_LAYERS));
	assert_int_equal(packet.layer_count, STELLAR_LAYERS_MAX);
}

// What one packet alone can't tell: tests of the defragmenter have these.
static const uint64_t defragment_events = BIT(FRAGMENT_OVERLAP) | BIT(FRAGMENT_CONTRADICTION) |
					  BIT(FRAGMENT_TINY) | BIT(FRAGMENT_HEADER_CHAIN) |
					  BIT(FRAGMENT_LIMIT) | BIT(FRAGMENT_TIMEOUT);

static void test_every_event_has_a_row(void **state)
{
	uint64_t covered = STELLAR_DECODE_BIT(EVENT_WITHOUT_ROW) |
			   STELLAR_DECODE_BIT(EVENT_WITH_LONG_FRAME) |
			   STELLAR_DECODE_BIT(EVENT_OF_A_SESSION) | defragment_events;

	for (size_t at = 0; at < ROW_COUNT; at++)
		covered |= STELLAR_DECODE_BIT(rows[at].event);

	assert_int_equal(covered, (UINT64_C(1) << STELLAR_DECODE_EVENT_COUNT) - 1);
}

// A frame that stops being trusted shows no transport and no payload.
static void test_malformed_packet_has_no_transport(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_TCP4_DATA].hex, bytes, sizeof(bytes));
	bytes[16] = 0xff;

	guard_decode(&guard, bytes, length, length, 1, true, &packet);

	assert_true(packet.malformed);
	assert_int_equal(packet.ip_version, 4);
	assert_false(packet.has_transport);
	assert_int_equal(packet.payload_length, 0);
	assert_int_equal(packet.payload_offset, PACKET_NO_OFFSET);
	assert_int_equal(packet.destination_port, 0);
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
		cmocka_unit_test(test_unbent_samples_raise_nothing),
		cmocka_unit_test(test_ipv6_extension_too_many_above_8),
		cmocka_unit_test(test_too_many_layers_are_not_recorded),
		cmocka_unit_test(test_every_event_has_a_row),
		cmocka_unit_test(test_malformed_packet_has_no_transport),
	};
	struct CMUnitTest cases[ROW_COUNT];

	for (size_t at = 0; at < ROW_COUNT; at++)
		cases[at] = (struct CMUnitTest){
			.name = stellar_decode_event_name(rows[at].event),
			.test_func = test_row_raises_its_event,
			.initial_state = (void *)&rows[at],
		};
	return cmocka_run_group_tests_name("events", cases, set_up, tear_down) +
	       cmocka_run_group_tests(fixed, set_up, tear_down);
}
