// SPDX-License-Identifier: Apache-2.0

// Replies are decoded back, with their checksums verified, by the decoder itself.

#include "samples.h"

#include "packet/build.h"
#include "packet/cursor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef int (*build_fn)(const struct packet *packet, uint8_t *ret_frame, size_t size);

// A sample with some bytes changed, and what was built to answer it.
struct exchange {
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length;
	struct packet packet;
	uint8_t reply_bytes[BUILD_REPLY_MAX];
	int reply_length;
	struct packet reply;
};

static struct guard guard;
static struct guard reply_guard;

static void exchange_load(struct exchange *ret_exchange, enum sample_id id)
{
	ret_exchange->length = hex_read(samples[id].hex, ret_exchange->bytes, SAMPLE_SIZE_MAX);
}

static void exchange_decode(struct exchange *exchange, enum sample_id id)
{
	guard_decode(&guard, exchange->bytes, exchange->length, exchange->length,
		     samples[id].link_type, false, &exchange->packet);
}

// Build into memory of zeros and of ones: where they differ, a byte was not written.
static void exchange_build(struct exchange *exchange, build_fn build)
{
	uint8_t ones[BUILD_REPLY_MAX];
	memset(ones, 0xff, sizeof(ones));
	memset(exchange->reply_bytes, 0, sizeof(exchange->reply_bytes));

	int length = build(&exchange->packet, exchange->reply_bytes, BUILD_REPLY_MAX);

	assert_int_equal(build(&exchange->packet, ones, sizeof(ones)), length);
	assert_true(length >= 0);
	assert_memory_equal(ones, exchange->reply_bytes, (size_t)length);
	for (size_t at = (size_t)length; at < BUILD_REPLY_MAX; at++)
		assert_int_equal(ones[at], 0xff);
	exchange->reply_length = length;
}

static void assert_goes_back(const struct exchange *exchange)
{
	const struct packet *packet = &exchange->packet;
	const struct packet *reply = &exchange->reply;

	assert_int_equal(reply->decode_events, 0);
	assert_int_equal(reply->ip_version, packet->ip_version);
	assert_memory_equal(&reply->source, &packet->destination, sizeof(reply->source));
	assert_memory_equal(&reply->destination, &packet->source, sizeof(reply->destination));
	assert_int_equal(reply->network_offset, packet->network_offset);
	assert_int_equal(reply->tag, packet->tag);
	assert_int_equal(reply->ethernet_type, packet->ethernet_type);
	assert_int_equal(reply->ttl, 64);
	if (packet->layers[0].type == STELLAR_LAYER_ETHERNET) {
		assert_memory_equal(exchange->reply_bytes, exchange->bytes + 6, 6);
		assert_memory_equal(exchange->reply_bytes + 6, exchange->bytes, 6);
	}
}

// Answer a sample and decode the answer.
static void answer(struct exchange *ret_exchange, enum sample_id id, build_fn build)
{
	exchange_load(ret_exchange, id);
	exchange_decode(ret_exchange, id);
	exchange_build(ret_exchange, build);
	assert_true(ret_exchange->reply_length > 0);
	guard_decode(&reply_guard, ret_exchange->reply_bytes, (size_t)ret_exchange->reply_length,
		     (size_t)ret_exchange->reply_length, samples[id].link_type, true,
		     &ret_exchange->reply);
	assert_goes_back(ret_exchange);
}

static void assert_rst(const struct exchange *exchange, uint32_t sequence, uint32_t acknowledgment,
		       uint8_t flags)
{
	const struct packet *reply = &exchange->reply;

	assert_int_equal(reply->protocol, 6);
	assert_int_equal(reply->source_port, exchange->packet.destination_port);
	assert_int_equal(reply->destination_port, exchange->packet.source_port);
	assert_int_equal(reply->tcp.sequence, sequence);
	assert_int_equal(reply->tcp.acknowledgment, acknowledgment);
	assert_int_equal(reply->tcp.flags, flags);
	assert_int_equal(reply->tcp.window, 0);
	assert_int_equal(reply->payload_length, 0);
}

static void test_rst_for_a_syn_acknowledges_it(void **state)
{
	struct exchange exchange;

	answer(&exchange, SAMPLE_TCP4_SYN, build_rst);

	assert_rst(&exchange, 0, 0x01020305, STELLAR_TCP_RST | STELLAR_TCP_ACK);
	assert_int_equal(exchange.reply_length, 54);
}

static void test_rst_for_an_ack_takes_its_number(void **state)
{
	struct exchange exchange;

	answer(&exchange, SAMPLE_TCP4_DATA, build_rst);

	assert_rst(&exchange, 0x0a0b0c0d, 0, STELLAR_TCP_RST);
}

static void test_rst_over_vlan_and_ipv6(void **state)
{
	struct exchange exchange;

	answer(&exchange, SAMPLE_VLAN_TCP6, build_rst);

	assert_rst(&exchange, 0, 2, STELLAR_TCP_RST | STELLAR_TCP_ACK);
	assert_int_equal(exchange.reply_length, 14 + 4 + 40 + 20);
}

static void test_rst_past_options_and_extension_headers(void **state)
{
	struct exchange exchange;

	answer(&exchange, SAMPLE_TCP4_IP_OPTIONS, build_rst);
	assert_rst(&exchange, 9, 0, STELLAR_TCP_RST);
	answer(&exchange, SAMPLE_AH6_TCP, build_rst);
	assert_rst(&exchange, 2, 0, STELLAR_TCP_RST);
}

// SEG.LEN counts payload, SYN and FIN, and what the capture cut off too.
static void test_rst_acknowledges_payload_and_fin(void **state)
{
	struct exchange exchange;
	exchange_load(&exchange, SAMPLE_TCP4_DATA);
	exchange.bytes[47] = STELLAR_TCP_FIN | STELLAR_TCP_PSH;

	guard_decode(&guard, exchange.bytes, 67, 71, 1, true, &exchange.packet);
	exchange_build(&exchange, build_rst);

	const uint8_t *tcp = exchange.reply_bytes + 34;
	assert_int_equal(exchange.packet.payload_length, 1);
	assert_int_equal(load_be32(tcp + 8), 0x01020305 + 5 + 1);
}

static void test_rst_without_the_whole_segment_is_not_numbered(void **state)
{
	struct exchange exchange;
	exchange_load(&exchange, SAMPLE_TCP4_PLAIN);
	exchange.bytes[20] = 0x20; // more fragments
	exchange.bytes[47] = STELLAR_TCP_SYN;
	exchange.bytes[17] = 20 + 24;
	memset(exchange.bytes + 54, 0, 4);
	exchange.length = 58;
	exchange_decode(&exchange, SAMPLE_TCP4_PLAIN);
	assert_true(exchange.packet.has_transport);
	assert_false(exchange.packet.malformed);

	exchange_build(&exchange, build_rst);

	assert_int_equal(exchange.reply_length, 0);
}

static void assert_quotes(const struct exchange *exchange, uint32_t quote_length)
{
	const struct packet *reply = &exchange->reply;

	assert_int_equal(reply->payload_length, quote_length);
	assert_memory_equal(exchange->reply_bytes + reply->payload_offset,
			    exchange->bytes + exchange->packet.network_offset, quote_length);
}

static void test_icmp_quotes_the_datagram_without_padding(void **state)
{
	struct exchange exchange;

	answer(&exchange, SAMPLE_UDP4_PADDED, build_icmp_prohibited);

	assert_int_equal(exchange.reply.protocol, 1);
	assert_int_equal(exchange.reply.icmp_type, 3);
	assert_int_equal(exchange.reply.icmp_code, 13);
	assert_quotes(&exchange, 32);
}

static void test_icmpv6_quotes_the_datagram(void **state)
{
	struct exchange exchange;

	answer(&exchange, SAMPLE_UDP6_CHAIN, build_icmp_prohibited);

	assert_int_equal(exchange.reply.protocol, 58);
	assert_int_equal(exchange.reply.icmp_type, 1);
	assert_int_equal(exchange.reply.icmp_code, 1);
	assert_quotes(&exchange, 84);
}

static void test_icmp_answers_any_protocol_and_link(void **state)
{
	const enum sample_id answered[] = {
		SAMPLE_TCP4_SYN,
		SAMPLE_TCP4_IP_OPTIONS,
		SAMPLE_ICMP4_ECHO,
		SAMPLE_ICMP6_ECHO,
		SAMPLE_GRE4,
		SAMPLE_ESP6,
		SAMPLE_QINQ_UDP4,
		SAMPLE_VLAN_TCP6,
		SAMPLE_NO_NEXT6,
		SAMPLE_RAW_UDP4,
		SAMPLE_RAW_UDP6,
		SAMPLE_NULL_UDP4,
		SAMPLE_LOOP_UDP6,
		SAMPLE_FRAGMENT4_FIRST,
		SAMPLE_FRAGMENT6_FIRST,
	};
	struct exchange exchange;

	for (size_t at = 0; at < sizeof(answered) / sizeof(answered[0]); at++)
		answer(&exchange, answered[at], build_icmp_prohibited);
}

// A long UDP datagram of raw IP; its length fields say it all.
static void build_for_long(enum sample_id id, uint32_t header_length, uint32_t length,
			   struct packet *ret_packet, uint8_t *ret_reply, int *ret_length)
{
	static uint8_t bytes[9000];
	hex_read(samples[id].hex, bytes, sizeof(bytes));
	store_be16(bytes + (header_length == 20 ? 2 : 4),
		   (uint16_t)(header_length == 20 ? length : length - 40));
	store_be16(bytes + header_length + 4, (uint16_t)(length - header_length));

	guard_decode(&guard, bytes, length, length, 101, false, ret_packet);
	assert_int_equal(ret_packet->decode_events, 0);
	*ret_length = build_icmp_prohibited(ret_packet, ret_reply, BUILD_REPLY_MAX);
}

static void test_icmp_reply_is_at_most_576_and_1280_bytes(void **state)
{
	struct packet packet;
	uint8_t reply[BUILD_REPLY_MAX];
	int length;

	build_for_long(SAMPLE_RAW_UDP4, 20, 9000, &packet, reply, &length);
	assert_int_equal(length, 576);
	build_for_long(SAMPLE_RAW_UDP4, 20, 549, &packet, reply, &length);
	assert_int_equal(length, 576);
	build_for_long(SAMPLE_RAW_UDP4, 20, 547, &packet, reply, &length);
	assert_int_equal(length, 575);
	build_for_long(SAMPLE_RAW_UDP6, 40, 9000, &packet, reply, &length);
	assert_int_equal(length, 1280);
	build_for_long(SAMPLE_RAW_UDP6, 40, 1231, &packet, reply, &length);
	assert_int_equal(length, 1279);
	guard_decode(&reply_guard, reply, (size_t)length, (size_t)length, 101, true, &packet);
	assert_int_equal(packet.decode_events, 0);
}

static void test_reply_that_does_not_fit_is_refused(void **state)
{
	struct exchange exchange;
	uint8_t frame[BUILD_REPLY_MAX];
	memset(frame, 0x77, sizeof(frame));

	answer(&exchange, SAMPLE_TCP4_SYN, build_rst);
	assert_int_equal(build_rst(&exchange.packet, frame, 53), -ENOSPC);
	assert_int_equal(build_rst(&exchange.packet, frame, 54), 54);
	answer(&exchange, SAMPLE_TCP4_SYN, build_icmp_prohibited);
	size_t length = (size_t)exchange.reply_length;
	memset(frame, 0x77, sizeof(frame));
	assert_int_equal(build_icmp_prohibited(&exchange.packet, frame, length - 1), -ENOSPC);
	assert_int_equal(frame[0], 0x77);
}

static void test_rst_answers_only_tcp_that_is_no_rst(void **state)
{
	struct exchange exchange;

	exchange_load(&exchange, SAMPLE_TCP4_DATA);
	exchange.bytes[47] = STELLAR_TCP_RST | STELLAR_TCP_ACK;
	exchange_decode(&exchange, SAMPLE_TCP4_DATA);
	exchange_build(&exchange, build_rst);
	assert_int_equal(exchange.reply_length, 0);
	exchange_load(&exchange, SAMPLE_UDP4_ODD);
	exchange_decode(&exchange, SAMPLE_UDP4_ODD);
	exchange_build(&exchange, build_rst);
	assert_int_equal(exchange.reply_length, 0);
}

static void assert_icmp_is_silent(struct exchange *exchange, enum sample_id id)
{
	exchange_decode(exchange, id);
	exchange_build(exchange, build_icmp_prohibited);
	assert_int_equal(exchange->reply_length, 0);
}

static void test_some_samples_are_never_answered(void **state)
{
	const enum sample_id silent[] = {
		SAMPLE_ICMP4_ERROR,    SAMPLE_ICMP6_ERROR,   SAMPLE_FRAGMENT4_LAST,
		SAMPLE_FRAGMENT6_LAST, SAMPLE_ARP,	     SAMPLE_LLC,
		SAMPLE_UNKNOWN_TYPE,   SAMPLE_VLAN_THREE,    SAMPLE_JUMBO6,
		SAMPLE_COOKED_UDP4,    SAMPLE_COOKED2_UDP6,  SAMPLE_COOKED_NETLINK,
		SAMPLE_IPIP,	       SAMPLE_IP4_IN_6,	     SAMPLE_GRE_PLAIN,
		SAMPLE_NVGRE,	       SAMPLE_PPTP,	     SAMPLE_ERSPAN_II,
		SAMPLE_VXLAN,	       SAMPLE_GENEVE,	     SAMPLE_GTP_U,
		SAMPLE_TEREDO,	       SAMPLE_L2TPV2,	     SAMPLE_L2TPV3_IP,
		SAMPLE_MPLS_IP,	       SAMPLE_MPLS_ETHERNET, SAMPLE_PPPOE,
		SAMPLE_LLC_SNAP,       SAMPLE_PPP_LINK,	     SAMPLE_CISCO_HDLC6,
	};
	struct exchange exchange;

	for (size_t at = 0; at < sizeof(silent) / sizeof(silent[0]); at++) {
		exchange_load(&exchange, silent[at]);
		assert_icmp_is_silent(&exchange, silent[at]);
	}
}

// One station's frame in another's: nobody can say which of them asks.
static void test_frame_in_a_frame_is_not_answered(void **state)
{
	struct exchange exchange;
	exchange_load(&exchange, SAMPLE_TCP4_SYN);
	memmove(exchange.bytes + 14, exchange.bytes, exchange.length);
	exchange.length += 14;
	store_be16(exchange.bytes + 12, 0x6558); // transparent Ethernet bridging

	assert_icmp_is_silent(&exchange, SAMPLE_TCP4_SYN);
	assert_int_equal(exchange.packet.ip_version, 4);
	exchange_build(&exchange, build_rst);
	assert_int_equal(exchange.reply_length, 0);
}

struct patched {
	const char *name;
	enum sample_id sample;
	uint32_t at;
	const char *hex;
};

// clang-format off
static const struct patched never_answered[] = {
	{"to a broadcast frame", SAMPLE_TCP4_SYN, 0, "ffffffffffff"},
	{"to a multicast frame", SAMPLE_TCP4_SYN, 0, "01005e000001"},
	{"from a group frame", SAMPLE_TCP4_SYN, 6, "030000000001"},
	{"from 0.0.0.0", SAMPLE_TCP4_SYN, 26, "00000000"},
	{"from 127.0.0.1", SAMPLE_TCP4_SYN, 26, "7f000001"},
	{"from 224.0.0.1", SAMPLE_TCP4_SYN, 26, "e0000001"},
	{"from 255.255.255.255", SAMPLE_TCP4_SYN, 26, "ffffffff"},
	{"to 0.0.0.0", SAMPLE_TCP4_SYN, 30, "00000000"},
	{"to 239.1.1.1", SAMPLE_TCP4_SYN, 30, "ef010101"},
	{"to 255.255.255.255", SAMPLE_TCP4_SYN, 30, "ffffffff"},
	{"from ::", SAMPLE_VLAN_TCP6, 26, "00000000000000000000000000000000"},
	{"from ::1", SAMPLE_VLAN_TCP6, 26, "00000000000000000000000000000001"},
	{"from ff02::1", SAMPLE_VLAN_TCP6, 26, "ff020000000000000000000000000001"},
	{"to ff02::1", SAMPLE_VLAN_TCP6, 42, "ff020000000000000000000000000001"},
	{"a malformed one", SAMPLE_TCP4_SYN, 46, "40"},
};
static const struct patched icmp_never_answered[] = {
	{"time exceeded", SAMPLE_ICMP4_ECHO, 34, "0b"},
	{"redirect", SAMPLE_ICMP4_ECHO, 34, "05"},
	{"unassigned type", SAMPLE_ICMP4_ECHO, 34, "ff"},
	{"icmpv6 redirect", SAMPLE_ICMP6_ECHO, 54, "89"},
	{"icmpv6 packet too big", SAMPLE_ICMP6_ECHO, 54, "02"},
	{"icmpv6 unassigned error", SAMPLE_ICMP6_ECHO, 54, "7f"},
};
// clang-format on

enum {
	NEVER_COUNT = sizeof(never_answered) / sizeof(never_answered[0]),
	ICMP_NEVER_COUNT = sizeof(icmp_never_answered) / sizeof(icmp_never_answered[0]),
};

static void test_icmp_is_never_sent(void **state)
{
	const struct patched *patched = *state;
	struct exchange exchange;
	exchange_load(&exchange, patched->sample);
	hex_read(patched->hex, exchange.bytes + patched->at, 16);

	assert_icmp_is_silent(&exchange, patched->sample);
}

static void test_rst_is_never_sent(void **state)
{
	const struct patched *patched = *state;
	struct exchange exchange;
	exchange_load(&exchange, patched->sample);
	hex_read(patched->hex, exchange.bytes + patched->at, 16);

	exchange_decode(&exchange, patched->sample);
	exchange_build(&exchange, build_rst);

	assert_int_equal(exchange.reply_length, 0);
}

static void test_wrong_checksum_is_not_answered(void **state)
{
	struct exchange exchange;
	exchange_load(&exchange, SAMPLE_TCP4_DATA);
	exchange.bytes[70] ^= 1;

	guard_decode(&guard, exchange.bytes, exchange.length, exchange.length, 1, true,
		     &exchange.packet);
	exchange_build(&exchange, build_rst);
	assert_int_equal(exchange.reply_length, 0);
	exchange_build(&exchange, build_icmp_prohibited);
	assert_int_equal(exchange.reply_length, 0);
}

static int set_up(void **state)
{
	return guard_init(&guard) || guard_init(&reply_guard);
}

static int tear_down(void **state)
{
	guard_fini(&guard);
	guard_fini(&reply_guard);
	return 0;
}

int main(void)
{
	const struct CMUnitTest fixed[] = {
		cmocka_unit_test(test_rst_for_a_syn_acknowledges_it),
		cmocka_unit_test(test_rst_for_an_ack_takes_its_number),
		cmocka_unit_test(test_rst_over_vlan_and_ipv6),
		cmocka_unit_test(test_rst_past_options_and_extension_headers),
		cmocka_unit_test(test_rst_acknowledges_payload_and_fin),
		cmocka_unit_test(test_rst_without_the_whole_segment_is_not_numbered),
		cmocka_unit_test(test_icmp_quotes_the_datagram_without_padding),
		cmocka_unit_test(test_icmpv6_quotes_the_datagram),
		cmocka_unit_test(test_icmp_answers_any_protocol_and_link),
		cmocka_unit_test(test_icmp_reply_is_at_most_576_and_1280_bytes),
		cmocka_unit_test(test_reply_that_does_not_fit_is_refused),
		cmocka_unit_test(test_rst_answers_only_tcp_that_is_no_rst),
		cmocka_unit_test(test_some_samples_are_never_answered),
		cmocka_unit_test(test_frame_in_a_frame_is_not_answered),
		cmocka_unit_test(test_wrong_checksum_is_not_answered),
	};
	struct CMUnitTest rows[2 * NEVER_COUNT + ICMP_NEVER_COUNT];

	for (size_t at = 0; at < NEVER_COUNT; at++) {
		rows[2 * at] = (struct CMUnitTest){
			.name = never_answered[at].name,
			.test_func = test_icmp_is_never_sent,
			.initial_state = (void *)&never_answered[at],
		};
		rows[2 * at + 1] = rows[2 * at];
		rows[2 * at + 1].test_func = test_rst_is_never_sent;
	}
	for (size_t at = 0; at < ICMP_NEVER_COUNT; at++)
		rows[2 * NEVER_COUNT + at] = (struct CMUnitTest){
			.name = icmp_never_answered[at].name,
			.test_func = test_icmp_is_never_sent,
			.initial_state = (void *)&icmp_never_answered[at],
		};
	return cmocka_run_group_tests_name("never answered", rows, set_up, tear_down) +
	       cmocka_run_group_tests(fixed, set_up, tear_down);
}
