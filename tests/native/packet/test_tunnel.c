// SPDX-License-Identifier: Apache-2.0

// Tunnels and link layers: what is found inside, the record of what is around it, and the tag of
// the segment. Most samples carry the same datagram, data4 or data6 of samples.c.

#include "samples.h"

#include "packet/cursor.h"
#include "packet/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

struct expectation {
	enum sample_id sample;
	uint8_t ip_version;
	const char *layers;
	uint32_t tag;
	const char *tunnels; // kind identifier protocol tag source-port destination-port, ...
};

// clang-format off
static const struct expectation expectations[] = {
	{SAMPLE_IPIP, 4, "ethernet ipv4 ipv4 udp payload", 0x0,
		"ipip 0x0 4 0x0 0 0"},
	{SAMPLE_IP6_IN_4, 6, "ethernet ipv4 ipv6 udp payload", 0x0,
		"ipip 0x0 41 0x0 0 0"},
	{SAMPLE_IP4_IN_6, 4, "ethernet ipv6 ipv4 udp payload", 0x0,
		"ipip 0x0 4 0x0 0 0"},
	{SAMPLE_IP6_IN_6, 6, "ethernet ipv6 ipv6 udp payload", 0x0,
		"ipip 0x0 41 0x0 0 0"},
	{SAMPLE_AH4_UDP, 4, "ethernet ipv4 authentication udp payload", 0x0,
		""},
	{SAMPLE_GRE_PLAIN, 4, "ethernet ipv4 gre ipv4 udp payload", 0x0,
		"gre 0x0 47 0x0 0 0"},
	{SAMPLE_GRE_ALL, 6, "ethernet ipv4 gre ipv6 udp payload", 0x0,
		"gre 0x1020304 47 0x0 0 0"},
	{SAMPLE_GRE_BRIDGED, 4, "ethernet ipv6 gre ethernet ipv4 udp payload", 0x0,
		"gre 0x4d 47 0x0 0 0"},
	{SAMPLE_GRE_WCCP, 4, "ethernet ipv4 gre ipv4 udp payload", 0x0,
		"gre 0x0 47 0x0 0 0"},
	{SAMPLE_GRE_PPP, 4, "ethernet ipv4 gre ppp ipv4 udp payload", 0x0,
		"gre 0x0 47 0x0 0 0"},
	{SAMPLE_NVGRE, 4, "ethernet vlan ipv4 gre ethernet ipv4 udp payload", 0xad123456,
		"nvgre 0x123456 47 0x7000 0 0"},
	{SAMPLE_PPTP, 4, "ethernet ipv4 gre ppp ipv4 udp payload", 0x0,
		"pptp 0x1234 47 0x0 0 0"},
	{SAMPLE_ERSPAN_I, 4, "ethernet ipv4 gre ethernet ipv4 udp payload", 0x0,
		"erspan 0x0 47 0x0 0 0"},
	{SAMPLE_ERSPAN_II, 4, "ethernet ipv4 gre erspan ethernet ipv4 udp payload", 0x0,
		"erspan 0x155 47 0x0 0 0"},
	{SAMPLE_ERSPAN_III, 6, "ethernet ipv4 gre erspan ethernet ipv6 udp payload", 0x0,
		"erspan 0x2aa 47 0x0 0 0"},
	{SAMPLE_ERSPAN_III_IP, 4, "ethernet ipv4 gre erspan ipv4 udp payload", 0x0,
		"erspan 0x0 47 0x0 0 0"},
	{SAMPLE_VXLAN, 4, "ethernet ipv4 udp vxlan ethernet ipv4 udp payload", 0x5a001389,
		"vxlan 0x1389 17 0x0 49152 4789"},
	{SAMPLE_VXLAN_GROUP6, 6, "ethernet ipv6 udp vxlan ethernet ipv6 udp payload", 0x5a001389,
		"vxlan 0x1389 17 0x0 49152 8472"},
	{SAMPLE_VXLAN_VLANS, 4, "ethernet vlan ipv4 udp vxlan ethernet vlan ipv4 udp payload", 0x1e001389,
		"vxlan 0x1389 17 0x64000 49152 4789"},
	{SAMPLE_VXLAN_GPE, 4, "ethernet ipv4 udp vxlan ipv4 udp payload", 0x5a001389,
		"vxlan_gpe 0x1389 17 0x0 49152 4790"},
	{SAMPLE_VXLAN_GPE_ETHERNET, 4, "ethernet ipv4 udp vxlan ethernet ipv4 udp payload", 0x5a001389,
		"vxlan_gpe 0x1389 17 0x0 49152 4790"},
	{SAMPLE_GENEVE, 4, "ethernet ipv4 udp geneve ethernet ipv4 udp payload", 0x4100138a,
		"geneve 0x138a 17 0x0 49152 6081"},
	{SAMPLE_GENEVE_OPTIONS, 6, "ethernet ipv4 udp geneve ipv6 udp payload", 0x4100138a,
		"geneve 0x138a 17 0x0 49152 6081"},
	{SAMPLE_GTP_U, 4, "ethernet ipv4 udp gtp_u ipv4 udp payload", 0x0,
		"gtp_u 0xabcdef01 17 0x0 2152 2152"},
	{SAMPLE_GTP_U_EXTENDED, 6, "ethernet ipv4 udp gtp_u ipv6 udp payload", 0x0,
		"gtp_u 0x5 17 0x0 2152 2152"},
	{SAMPLE_TEREDO, 6, "ethernet ipv4 udp teredo ipv6 udp payload", 0x0,
		"teredo 0x0 17 0x0 3544 49152"},
	{SAMPLE_TEREDO_ORIGIN, 6, "ethernet ipv4 udp teredo ipv6 udp payload", 0x0,
		"teredo 0x0 17 0x0 49152 3544"},
	{SAMPLE_L2TPV2, 4, "ethernet ipv4 udp l2tp ppp ipv4 udp payload", 0x0,
		"l2tp 0x110022 17 0x0 1701 1701"},
	{SAMPLE_L2TPV2_ALL, 6, "ethernet ipv4 udp l2tp ppp ipv6 udp payload", 0x0,
		"l2tp 0x110022 17 0x0 1701 40001"},
	{SAMPLE_L2TPV3_UDP, 4, "ethernet ipv4 udp l2tp ethernet ipv4 udp payload", 0x0,
		"l2tp 0x33 17 0x0 1701 1701"},
	{SAMPLE_L2TPV3_IP, 6, "ethernet ipv4 l2tp ethernet ipv6 udp payload", 0x0,
		"l2tp 0x33 115 0x0 0 0"},
	{SAMPLE_L2TPV3_IP_PPP, 4, "ethernet ipv6 l2tp ppp ipv4 udp payload", 0x0,
		"l2tp 0x33 115 0x0 0 0"},
	{SAMPLE_MPLS_IP, 4, "ethernet mpls ipv4 udp payload", 0x0,
		""},
	{SAMPLE_MPLS_IP6, 6, "ethernet mpls ipv6 udp payload", 0x0,
		""},
	{SAMPLE_MPLS_ETHERNET, 4, "ethernet mpls ethernet ipv4 udp payload", 0x0,
		""},
	{SAMPLE_MPLS_CONTROL_WORD, 6, "ethernet mpls ethernet vlan ipv6 udp payload", 0x1e000,
		""},
	{SAMPLE_PPPOE, 4, "ethernet pppoe ppp ipv4 udp payload", 0x0,
		""},
	{SAMPLE_PPPOE_VLANS6, 6, "ethernet vlan vlan pppoe ppp ipv6 udp payload", 0xa014,
		""},
	{SAMPLE_LLC_SNAP, 4, "ethernet llc ipv4 udp payload", 0x0,
		""},
	{SAMPLE_LLC_IP, 4, "ethernet llc ipv4 udp payload", 0x0,
		""},
	{SAMPLE_COOKED_LLC, 6, "linux_cooked llc ipv6 udp payload", 0x0,
		""},
	{SAMPLE_PPP_LINK, 4, "ppp ipv4 udp payload", 0x0,
		""},
	{SAMPLE_PPP_HDLC_SHORT6, 6, "ppp ipv6 udp payload", 0x0,
		""},
	{SAMPLE_PPP_MPLS, 4, "ppp mpls ipv4 udp payload", 0x0,
		""},
	{SAMPLE_PPP_CISCO, 4, "cisco_hdlc ipv4 udp payload", 0x0,
		""},
	{SAMPLE_PPPOE_LINK, 4, "pppoe ppp ipv4 udp payload", 0x0,
		""},
	{SAMPLE_CISCO_HDLC6, 6, "cisco_hdlc ipv6 udp payload", 0x0,
		""},
	{SAMPLE_NESTED, 6, "ethernet vlan ipv4 udp vxlan ethernet ipv6 gre ipv4 ipv6 udp payload", 0x56001389,
		"vxlan 0x1389 17 0x7000 49152 4789, gre 0x0 47 0x56001389 0 0, ipip 0x0 41 0x56001389 0 0"},
};

// Nothing to enter: what the walk ends with.
struct ending {
	enum sample_id sample;
	uint8_t protocol;
	const char *layers;
	uint32_t payload_offset;
	uint32_t payload_length;
};

static const struct ending endings[] = {
	{SAMPLE_GRE_ROUTED, 47, "ethernet ipv4 unknown", 34, 40},
	{SAMPLE_PPTP_ACK, 47, "ethernet ipv4 gre", 46, 0},
	{SAMPLE_ERSPAN_II_CUT, 17, "ethernet ipv4 gre erspan ethernet ipv4 udp payload", 92, 2},
	{SAMPLE_VXLAN_ARP, 17, "ethernet ipv4 udp vxlan ethernet arp", 42, 50},
	{SAMPLE_VXLAN_LLDP, 17, "ethernet ipv4 udp vxlan ethernet unknown", 42, 26},
	{SAMPLE_GTP_U_ECHO, 17, "ethernet ipv4 udp payload", 42, 12},
	{SAMPLE_L2TPV2_CONTROL, 17, "ethernet ipv4 udp payload", 42, 12},
	{SAMPLE_L2TPV3_CONTROL, 115, "ethernet ipv4 unknown", 34, 8},
	{SAMPLE_MPLS_UNKNOWN, 0, "ethernet mpls unknown", 18, 8},
	{SAMPLE_PPPOE_LCP, 0, "ethernet pppoe ppp unknown", 22, 8},
	{SAMPLE_PPPOE_DISCOVERY, 0, "ethernet unknown", 14, 6},
	{SAMPLE_LLC_OTHER_SNAP, 0, "ethernet unknown", 14, 11},
	{SAMPLE_CISCO_SLARP, 0, "cisco_hdlc unknown", 4, 5},
};
// clang-format on

enum {
	EXPECTATION_COUNT = sizeof(expectations) / sizeof(expectations[0]),
	ENDING_COUNT = sizeof(endings) / sizeof(endings[0]),
	TEXT_SIZE = 512,
};

static struct guard guard;

static void join_layers(const struct packet *packet, char *ret_text)
{
	size_t length = 0;

	ret_text[0] = 0;
	for (size_t position = 0; position < packet->layer_count; position++)
		length += (size_t)snprintf(ret_text + length, TEXT_SIZE - length, "%s%s",
					   position == 0 ? "" : " ",
					   stellar_layer_name(packet->layers[position].type));
}

static void join_tunnels(const struct packet *packet, char *ret_text)
{
	struct packet_tunnel tunnel;
	size_t length = 0;

	ret_text[0] = 0;
	for (size_t position = 0; packet_get_tunnel(packet, position, &tunnel) == 0; position++) {
		assert_int_equal(tunnel.depth, position + 1);
		length += (size_t)snprintf(ret_text + length, TEXT_SIZE - length,
					   "%s%s 0x%x %u 0x%x %u %u", position == 0 ? "" : ", ",
					   stellar_tunnel_name(tunnel.kind), tunnel.identifier,
					   tunnel.protocol, tunnel.tag, tunnel.source.port,
					   tunnel.destination.port);
	}
}

static void assert_address(const struct ip_address *address, uint8_t version, const char *ipv4,
			   const char *ipv6)
{
	struct ip_address expected = {.version = version};

	assert_int_equal(inet_pton(version == 4 ? AF_INET : AF_INET6, version == 4 ? ipv4 : ipv6,
				   expected.bytes),
			 1);
	assert_memory_equal(address, &expected, sizeof(expected));
}

static void test_inner_datagram_is_found(void **state)
{
	const struct expectation *expected = *state;
	struct packet packet;
	char text[TEXT_SIZE];

	sample_decode(&guard, expected->sample, &packet);

	join_layers(&packet, text);
	assert_string_equal(text, expected->layers);
	assert_int_equal(packet.ip_version, expected->ip_version);
	assert_int_equal(packet.protocol, 17);
	assert_int_equal(packet.source_port, 5353);
	assert_int_equal(packet.destination_port, 53);
	assert_int_equal(packet.payload_length, 4);
	assert_memory_equal(packet.frame.data + packet.payload_offset, "data", 4);
	assert_address(&packet.source, expected->ip_version, "192.0.2.1", "2001:db8::1");
	assert_address(&packet.destination, expected->ip_version, "198.51.100.2", "2001:db8::2");
	assert_int_equal(packet.tag, expected->tag);
	assert_int_equal(packet.decode_events, 0);
}

static void test_tunnels_are_recorded(void **state)
{
	const struct expectation *expected = *state;
	struct packet packet;
	struct packet_tunnel tunnel;
	char text[TEXT_SIZE];

	sample_decode(&guard, expected->sample, &packet);

	join_tunnels(&packet, text);
	assert_string_equal(text, expected->tunnels);
	if (packet_get_tunnel_count(&packet) == 0)
		return;
	assert_int_equal(packet_get_tunnel(&packet, 0, &tunnel), 0);
	uint8_t version = tunnel.source.address.version;
	assert_address(&tunnel.source.address, version, "203.0.113.1", "2001:db8:f::1");
	assert_address(&tunnel.destination.address, version, "203.0.113.2", "2001:db8:f::2");
}

static void test_walk_ends_where_nothing_is_inside(void **state)
{
	const struct ending *ending = *state;
	struct packet packet;
	char text[TEXT_SIZE];

	sample_decode(&guard, ending->sample, &packet);

	join_layers(&packet, text);
	assert_string_equal(text, ending->layers);
	assert_int_equal(packet.protocol, ending->protocol);
	assert_int_equal(packet.payload_offset, ending->payload_offset);
	assert_int_equal(packet.payload_length, ending->payload_length);
	assert_false(packet.malformed);
}

static void test_tunnel_out_of_range_is_not_found(void **state)
{
	struct packet packet;
	struct packet_tunnel tunnel = {.depth = 77};

	sample_decode(&guard, SAMPLE_VXLAN, &packet);
	assert_int_equal(packet_get_tunnel_count(&packet), 1);
	assert_int_equal(packet_get_tunnel(&packet, 1, &tunnel), -ENOENT);
	sample_decode(&guard, SAMPLE_TCP4_SYN, &packet);
	assert_int_equal(packet_get_tunnel_count(&packet), 0);
	assert_int_equal(packet_get_tunnel(&packet, 0, &tunnel), -ENOENT);
	assert_int_equal(tunnel.depth, 77);
}

static void test_tunnel_names_are_those_of_the_list(void **state)
{
	assert_string_equal(stellar_tunnel_name(STELLAR_TUNNEL_IPIP), "ipip");
	assert_string_equal(stellar_tunnel_name(STELLAR_TUNNEL_L2TP), "l2tp");
	assert_null(stellar_tunnel_name(STELLAR_TUNNEL_COUNT));
}

// A sample with some bytes overwritten.
static void decode_patched(enum sample_id id, uint32_t at, const char *hex,
			   struct packet *ret_packet)
{
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[id].hex, bytes, sizeof(bytes));

	hex_read(hex, bytes + at, 8);
	guard_decode(&guard, bytes, length, length, samples[id].link_type, false, ret_packet);
}

struct guess {
	const char *name;
	enum sample_id sample;
	uint32_t at;
	const char *hex;
};

// A header that does not hold, at a port that hints at a tunnel. Byte 42 is the first of UDP's
// payload over IPv4.
// clang-format off
static const struct guess guesses[] = {
	{"vxlan without its flag", SAMPLE_VXLAN, 42, "00"},
	{"vxlan with a flag that is none", SAMPLE_VXLAN, 42, "09"},
	{"vxlan with policy flags and no group", SAMPLE_VXLAN, 43, "40"},
	{"vxlan with a group and no flag", SAMPLE_VXLAN, 44, "0001"},
	{"vxlan with a reserved byte", SAMPLE_VXLAN, 49, "01"},
	{"gpe without a protocol", SAMPLE_VXLAN_GPE, 42, "08"},
	{"gpe of another version", SAMPLE_VXLAN_GPE, 42, "1c"},
	{"gpe with a protocol not known", SAMPLE_VXLAN_GPE, 45, "04"},
	{"gpe with something else than ip", SAMPLE_VXLAN_GPE, 50, "75"},
	{"geneve of another version", SAMPLE_GENEVE, 42, "40"},
	{"geneve with a reserved flag", SAMPLE_GENEVE, 43, "01"},
	{"geneve with a reserved byte", SAMPLE_GENEVE, 49, "01"},
	{"geneve with options past the end", SAMPLE_GENEVE, 42, "3f"},
	{"geneve with an option past the others", SAMPLE_GENEVE_OPTIONS, 53, "05"},
	{"geneve with a protocol not known", SAMPLE_GENEVE, 44, "88cc"},
	{"geneve with something else than ip", SAMPLE_GENEVE_OPTIONS, 66, "70"},
	{"gtp of version 2", SAMPLE_GTP_U, 42, "50"},
	{"gtp prime", SAMPLE_GTP_U, 42, "20"},
	{"gtp with a length past the end", SAMPLE_GTP_U, 44, "0021"},
	{"gtp with something else than ip", SAMPLE_GTP_U, 50, "01"},
	{"gtp with an extension header of no length", SAMPLE_GTP_U_EXTENDED, 54, "00"},
	{"gtp with an extension header past the end", SAMPLE_GTP_U_EXTENDED, 54, "ff"},
	{"teredo with ipv4", SAMPLE_TEREDO, 42, "45"},
	{"teredo with a length past the end", SAMPLE_TEREDO, 46, "000d"},
	{"teredo with an authentication past the end", SAMPLE_TEREDO_ORIGIN, 44, "ff"},
	{"l2tp of version 1", SAMPLE_L2TPV2, 43, "01"},
	{"l2tp with a reserved bit", SAMPLE_L2TPV2, 42, "60"},
	{"l2tp with a length past the end", SAMPLE_L2TPV2, 44, "002d"},
	{"l2tp with an offset past the end", SAMPLE_L2TPV2_ALL, 54, "00ff"},
	{"l2tp with something else than ip", SAMPLE_L2TPV2, 54, "75"},
	{"l2tpv3 with a reserved byte", SAMPLE_L2TPV3_UDP, 45, "01"},
	{"l2tpv3 control", SAMPLE_L2TPV3_UDP, 42, "80"},
	{"l2tpv3 of session 0", SAMPLE_L2TPV3_UDP, 46, "00000000"},
};
// clang-format on

enum {
	GUESS_COUNT = sizeof(guesses) / sizeof(guesses[0]),
};

static void test_wrong_guess_is_payload(void **state)
{
	const struct guess *guess = *state;
	struct packet packet;
	char text[TEXT_SIZE];

	decode_patched(guess->sample, guess->at, guess->hex, &packet);

	join_layers(&packet, text);
	assert_string_equal(text, "ethernet ipv4 udp payload");
	assert_int_equal(packet.payload_offset, 42);
	assert_int_equal(packet.decode_events, 0);
	assert_int_equal(packet_get_tunnel_count(&packet), 0);
	assert_true(packet.has_transport);
}

// RFC 6935: none is needed around a tunnel; where there is no tunnel it is wrong.
static void test_udp_checksum_zero_over_ipv6_is_right_in_a_tunnel_only(void **state)
{
	struct packet packet;
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_VXLAN_GROUP6].hex, bytes, sizeof(bytes));

	guard_decode(&guard, bytes, length, length, 1, true, &packet);
	assert_false(packet.checksum_wrong);
	bytes[62] = 0; // no VXLAN any more
	guard_decode(&guard, bytes, length, length, 1, true, &packet);
	assert_true(packet.checksum_wrong);
}

// What the mirror cut is no fault of the packet.
static void test_erspan_tells_of_a_cut_frame(void **state)
{
	struct packet packet;

	sample_decode(&guard, SAMPLE_ERSPAN_II_CUT, &packet);

	assert_int_equal(packet.decode_events,
			 STELLAR_DECODE_BIT(STELLAR_DECODE_CAPTURE_TRUNCATED));
	assert_int_equal(packet.destination_port, 53);
	assert_int_equal(packet.payload_length, 2);
}

// Inside of a tunnel without IP the datagram around it is the packet, with all of its payload.
static void test_frame_without_ip_leaves_the_outer_datagram(void **state)
{
	struct packet packet;
	size_t length;

	sample_decode(&guard, SAMPLE_VXLAN_LLDP, &packet);

	assert_int_equal(packet.source_port, 49152);
	assert_int_equal(packet.destination_port, 4789);
	assert_address(&packet.source, 4, "203.0.113.1", NULL);
	assert_int_equal(packet.tag, 0);
	assert_int_equal(packet_get_tunnel_count(&packet), 0);
	const uint8_t *bytes = packet_get_layer_bytes(&packet, packet.layer_count - 1u, &length);
	assert_memory_equal(bytes, "lldp", 4);
	assert_int_equal(length, 4);
}

// A fragment's tunnel is entered when the datagram is whole.
static void test_tunnel_in_a_fragment_is_not_entered(void **state)
{
	const enum sample_id ids[] = {SAMPLE_IPIP, SAMPLE_GRE_PLAIN, SAMPLE_VXLAN,
				      SAMPLE_L2TPV3_IP};
	struct packet packet;

	for (size_t at = 0; at < sizeof(ids) / sizeof(ids[0]); at++) {
		decode_patched(ids[at], 20, "2000", &packet);
		assert_true(packet.is_first_fragment);
		assert_address(&packet.source, 4, "203.0.113.1", NULL);
		assert_int_equal(packet_get_tunnel_count(&packet), 0);
	}
}

static void test_fragment_inside_a_tunnel_is_marked(void **state)
{
	struct packet packet;

	decode_patched(SAMPLE_IPIP, 40, "2000", &packet);

	assert_true(packet.is_first_fragment);
	assert_int_equal(packet_get_tunnel_count(&packet), 1);
	assert_address(&packet.source, 4, "192.0.2.1", NULL);
}

// Nothing of the outer headers may shine through a broken inner one.
static void test_broken_inner_header_has_nothing_of_the_outer(void **state)
{
	struct packet packet;

	decode_patched(SAMPLE_VXLAN, 66, "ffff", &packet); // inner total length

	assert_int_equal(packet.decode_events,
			 STELLAR_DECODE_BIT(STELLAR_DECODE_IPV4_TOTAL_LENGTH_WRONG));
	assert_false(packet.has_transport);
	assert_int_equal(packet.source_port, 0);
	assert_int_equal(packet.destination_port, 0);
	assert_int_equal(packet.transport_offset, PACKET_NO_OFFSET);
	assert_int_equal(packet.payload_length, 0);
	assert_address(&packet.source, 4, "192.0.2.1", NULL);
}

static uint32_t tag_of(enum sample_id id, uint32_t at, const char *hex)
{
	struct packet packet;

	decode_patched(id, at, hex, &packet);
	assert_false(packet.malformed);
	return packet.tag;
}

static void test_network_id_stands_in_the_tag_exactly(void **state)
{
	uint32_t network_id = 0;

	assert_true(tag_get_network_id(tag_of(SAMPLE_VXLAN, 46, "abcdef"), &network_id));
	assert_int_equal(network_id, 0xabcdef);
	assert_true(tag_get_network_id(tag_of(SAMPLE_GENEVE, 46, "fffffe"), &network_id));
	assert_int_equal(network_id, 0xfffffe);
	assert_true(tag_get_network_id(tag_of(SAMPLE_NVGRE, 42, "00ffff"), &network_id));
	assert_int_equal(network_id, 0x00ffff);
	assert_false(tag_get_network_id(tag_of(SAMPLE_QINQ_UDP4, 0, ""), &network_id));
	assert_false(tag_get_network_id(0, &network_id));
}

// The same network number, something else different: other sessions.
static void test_segments_of_one_number_differ(void **state)
{
	const uint32_t tags[] = {
		tag_of(SAMPLE_VXLAN, 0, ""),
		tag_of(SAMPLE_GENEVE, 46, "001389"),
		tag_of(SAMPLE_VXLAN_VLANS, 0, ""),
		tag_of(SAMPLE_VXLAN_VLANS, 14, "0065"), // VLAN around it
		tag_of(SAMPLE_VXLAN_VLANS, 68, "012d"), // VLAN inside
	};

	for (size_t a = 0; a < sizeof(tags) / sizeof(tags[0]); a++)
		for (size_t b = 0; b < a; b++)
			assert_int_not_equal(tags[a], tags[b]);
}

// A small GRE key is no subnet id, and none of the other identifiers is a segment.
static void test_identifiers_of_a_direction_are_not_in_the_tag(void **state)
{
	assert_int_equal(tag_of(SAMPLE_GRE_BRIDGED, 58, "000fffff"), 0);
	assert_int_equal(tag_of(SAMPLE_GTP_U, 46, "01020304"), 0);
	assert_int_equal(tag_of(SAMPLE_L2TPV2, 46, "01020304"), 0);
	assert_int_equal(tag_of(SAMPLE_ERSPAN_II, 44, "0156"), 0);
	assert_int_equal(tag_of(SAMPLE_MPLS_IP, 18, "fffff100"), 0);
}

// Ethernet, VLANs and a bridge in GRE with VLANs of its own.
static size_t write_vlans(uint8_t *ret_bytes, size_t outer, const uint16_t *vlans, size_t count)
{
	uint8_t bridged[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[SAMPLE_GRE_BRIDGED].hex, bridged, sizeof(bridged));
	size_t ip_length = 40 + 8 + 14; // up to the inner EtherType
	size_t at = 12;

	memcpy(ret_bytes, bridged, at);
	for (size_t vlan = 0; vlan < outer; vlan++, at += 4) {
		store_be16(ret_bytes + at, 0x8100);
		store_be16(ret_bytes + at + 2, vlans[vlan]);
	}
	memcpy(ret_bytes + at, bridged + 12, 2 + ip_length - 2);
	size_t ip = at + 2;
	at += ip_length;
	for (size_t vlan = outer; vlan < count; vlan++, at += 4) {
		store_be16(ret_bytes + at, 0x8100);
		store_be16(ret_bytes + at + 2, vlans[vlan]);
	}
	memcpy(ret_bytes + at, bridged + 12 + ip_length, length - 12 - ip_length);
	at += length - 12 - ip_length;
	store_be16(ret_bytes + ip + 4, (uint16_t)(at - ip - 40));
	return at;
}

static void test_vlans_around_and_inside_make_one_list(void **state)
{
	const uint16_t vlans[] = {10, 20, 30, 40};
	struct packet packet;
	uint8_t bytes[256];
	uint16_t found[4];

	size_t length = write_vlans(bytes, 1, vlans, 2);
	guard_decode(&guard, bytes, length, length, 1, true, &packet);
	assert_int_equal(packet.decode_events, 0);
	assert_int_equal(packet.tag, 10 << 12 | 20);

	length = write_vlans(bytes, 2, vlans, 4);
	guard_decode(&guard, bytes, length, length, 1, true, &packet);
	assert_int_equal(packet.decode_events, 0);
	assert_int_equal(packet.tag >> 24, 255);
	assert_int_equal(packet_get_vlans(&packet, found, 4), 4);
	assert_memory_equal(found, vlans, sizeof(vlans));
	assert_int_equal(packet_get_vlans(&packet, found, 3), 3);
}

// 64 nested IPv4 headers: the walk stops at the limit, says so, and no reply goes to anyone.
static void test_nested_tunnels_stop_at_the_limit(void **state)
{
	static uint8_t bytes[65 * 20];
	struct packet packet;

	for (uint32_t at = 0; at < 64; at++) {
		uint8_t *ip = bytes + at * 20;
		hex_read("4500000000000000400400000a0000010a000002", ip, 20);
		store_be16(ip + 2, (uint16_t)(sizeof(bytes) - at * 20));
	}

	guard_decode(&guard, bytes, sizeof(bytes), sizeof(bytes), 101, false, &packet);

	assert_int_equal(packet.decode_events, STELLAR_DECODE_BIT(STELLAR_DECODE_TOO_MANY_LAYERS));
	assert_true(packet.malformed);
	assert_int_equal(packet.layer_count, STELLAR_LAYERS_MAX);
	assert_int_equal(packet_get_tunnel_count(&packet), STELLAR_LAYERS_MAX - 1);
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
		cmocka_unit_test(test_tunnel_out_of_range_is_not_found),
		cmocka_unit_test(test_tunnel_names_are_those_of_the_list),
		cmocka_unit_test(test_udp_checksum_zero_over_ipv6_is_right_in_a_tunnel_only),
		cmocka_unit_test(test_erspan_tells_of_a_cut_frame),
		cmocka_unit_test(test_frame_without_ip_leaves_the_outer_datagram),
		cmocka_unit_test(test_tunnel_in_a_fragment_is_not_entered),
		cmocka_unit_test(test_fragment_inside_a_tunnel_is_marked),
		cmocka_unit_test(test_broken_inner_header_has_nothing_of_the_outer),
		cmocka_unit_test(test_network_id_stands_in_the_tag_exactly),
		cmocka_unit_test(test_segments_of_one_number_differ),
		cmocka_unit_test(test_identifiers_of_a_direction_are_not_in_the_tag),
		cmocka_unit_test(test_vlans_around_and_inside_make_one_list),
		cmocka_unit_test(test_nested_tunnels_stop_at_the_limit),
	};
	struct CMUnitTest rows[2 * EXPECTATION_COUNT + ENDING_COUNT + GUESS_COUNT];
	size_t count = 0;

	for (size_t at = 0; at < EXPECTATION_COUNT; at++) {
		rows[count] = (struct CMUnitTest){
			.name = samples[expectations[at].sample].name,
			.test_func = test_inner_datagram_is_found,
			.initial_state = (void *)&expectations[at],
		};
		rows[count + 1] = rows[count];
		rows[count + 1].test_func = test_tunnels_are_recorded;
		count += 2;
	}
	for (size_t at = 0; at < ENDING_COUNT; at++)
		rows[count++] = (struct CMUnitTest){
			.name = samples[endings[at].sample].name,
			.test_func = test_walk_ends_where_nothing_is_inside,
			.initial_state = (void *)&endings[at],
		};
	for (size_t at = 0; at < GUESS_COUNT; at++)
		rows[count++] = (struct CMUnitTest){
			.name = guesses[at].name,
			.test_func = test_wrong_guess_is_payload,
			.initial_state = (void *)&guesses[at],
		};
	return cmocka_run_group_tests_name("tunnels", rows, set_up, tear_down) +
	       cmocka_run_group_tests(fixed, set_up, tear_down);
}
