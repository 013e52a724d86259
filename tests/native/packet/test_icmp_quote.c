// SPDX-License-Identifier: Apache-2.0

// What ICMP errors quote: each kind that tells a session, each that does not, and every cut.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "packet/icmp_quote.h"
#include "samples.h"

#define LINK_TYPE_RAW 101
#define QUOTE_MAX 128

// Quoted IPv4 headers, 192.0.2.1 to 198.51.100.2: total length 40, no fragment but where said.
#define IP4(fragment, protocol) "45000028abcd" fragment "40" protocol "0000c0000201c6336402"
#define IP4_OPTIONS(protocol) "4600002cabcd000040" protocol "0000c0000201c633640201010100"
// Quoted IPv6 header, 2001:db8::1 to 2001:db8::2.
#define IP6(next) \
	"600000000028" next "40" \
	"20010db8000000000000000000000001" \
	"20010db8000000000000000000000002"
#define TCP_START "13880050fedcba98" // 5000 to 80, sequence 0xfedcba98
#define UDP_HEADER "138800350010abcd" // 5000 to 53
#define ECHO_REQUEST "0800aaaa12340001"
#define ECHO_REQUEST6 "8000aaaa12340001"

struct row {
	const char *name;
	uint8_t version; // of the error
	uint8_t type;
	const char *quote;
	int result;
	struct {
		uint8_t protocol;
		uint16_t source_port;
		uint16_t destination_port;
		uint32_t sequence;
		uint8_t icmp_type;
	} expected;
};

// clang-format off
static const struct row rows[] = {
	{"tcp", 4, 3, IP4("0000", "06") TCP_START, 0, {6, 5000, 80, 0xfedcba98, 0}},
	{"udp", 4, 11, IP4("4000", "11") UDP_HEADER, 0, {17, 5000, 53, 0, 0}},
	{"quench", 4, 4, IP4("0000", "11") UDP_HEADER, 0, {17, 5000, 53, 0, 0}},
	{"redirect", 4, 5, IP4("0000", "11") UDP_HEADER, 0, {17, 5000, 53, 0, 0}},
	{"parameter", 4, 12, IP4_OPTIONS("06") TCP_START, 0, {6, 5000, 80, 0xfedcba98, 0}},
	{"first_fragment", 4, 3, IP4("2000", "11") UDP_HEADER, 0, {17, 5000, 53, 0, 0}},
	{"echo", 4, 3, IP4("0000", "01") ECHO_REQUEST, 0, {1, 0x1234, 0x1234, 0, 8}},
	{"protocol_without_ports", 4, 3, IP4("0000", "2f"), 0, {47, 0, 0, 0, 0}},
	{"tcp6", 6, 1, IP6("06") TCP_START, 0, {6, 5000, 80, 0xfedcba98, 0}},
	{"too_big6", 6, 2, IP6("11") UDP_HEADER, 0, {17, 5000, 53, 0, 0}},
	{"extensions6", 6, 4, IP6("00") "3c00010400000000" "3300000000000000" "0600000000000000" TCP_START, 0, {6, 5000, 80, 0xfedcba98, 0}},
	{"options6", 6, 3, IP6("00") "3c00010400000000" "0600010400000000" TCP_START, 0, {6, 5000, 80, 0xfedcba98, 0}},
	{"authentication6", 6, 3, IP6("33") "0601000000000000" "00000000" TCP_START, 0, {6, 5000, 80, 0xfedcba98, 0}},
	{"first_fragment6", 6, 1, IP6("2c") "1100000112345678" UDP_HEADER, 0, {17, 5000, 53, 0, 0}},
	{"echo6", 6, 1, IP6("3a") ECHO_REQUEST6, 0, {58, 0x1234, 0x1234, 0, 128}},

	{"later_fragment", 4, 3, IP4("0001", "11") UDP_HEADER, -ENOENT, {0}},
	{"later_fragment6", 6, 1, IP6("2c") "1100000812345678" UDP_HEADER, -ENOENT, {0}},
	{"error_of_an_error", 4, 3, IP4("0000", "01") "0301aaaa00000000", -ENOENT, {0}},
	{"error_of_an_error6", 6, 1, IP6("3a") "0101aaaa00000000", -ENOENT, {0}},
	{"version_of_the_other", 4, 3, IP6("06") TCP_START, -ENOENT, {0}},
	{"version_of_the_other6", 6, 1, IP4("0000", "06") TCP_START IP4("0000", "06"), -ENOENT, {0}},
	{"header_length_wrong", 4, 3, "44000028abcd000040060000c0000201c6336402" TCP_START, -ENOENT, {0}},
	{"options_cut", 4, 3, "4f000028abcd000040060000c0000201c6336402" TCP_START, -ENOENT, {0}},
	{"extension_past_the_end6", 6, 1, IP6("00") "06ff010400000000" TCP_START, -ENOENT, {0}},
	{"too_many_extensions6", 6, 1, IP6("3c") "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "0600010400000000" TCP_START, -ENOENT, {0}},
	{"no_error", 4, 8, IP4("0000", "06") TCP_START, -ENOENT, {0}},
	{"no_error6", 6, 128, IP6("06") TCP_START, -ENOENT, {0}},
	{"redirect6", 6, 137, IP6("06") TCP_START, -ENOENT, {0}},
	{"nothing", 4, 3, "", -ENOENT, {0}},
};
// clang-format on

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static struct guard guard;

// A raw IP datagram with an ICMP error that quotes `length` bytes.
static size_t decode_error(const struct row *row, const uint8_t *quote, size_t length,
			   struct packet *ret_packet)
{
	uint8_t bytes[40 + 8 + QUOTE_MAX] = {0};
	size_t header_length = row->version == 4 ? 20 : 40;
	size_t total = header_length + 8 + length;

	bytes[0] = row->version == 4 ? 0x45 : 0x60;
	if (row->version == 4) {
		bytes[3] = (uint8_t)total;
		bytes[8] = 64;
		bytes[9] = 1;
	} else {
		bytes[5] = (uint8_t)(8 + length);
		bytes[6] = 58;
		bytes[7] = 64;
	}
	bytes[header_length] = row->type;
	memcpy(bytes + header_length + 8, quote, length);
	guard_decode(&guard, bytes, total, total, LINK_TYPE_RAW, false, ret_packet);
	assert_true(ret_packet->has_transport);
	return total;
}

static void check_addresses(const struct icmp_quote *quote, uint8_t version)
{
	static const struct ip_address v4[2] = {{4, {192, 0, 2, 1}}, {4, {198, 51, 100, 2}}};
	static const struct ip_address v6[2] = {
		{6, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
		{6, {0x20, 0x01, 0x0d, 0xb8, [15] = 2}},
	};
	const struct ip_address *expected = version == 4 ? v4 : v6;

	assert_memory_equal(&quote->source, &expected[0], sizeof(quote->source));
	assert_memory_equal(&quote->destination, &expected[1], sizeof(quote->destination));
}

static void test_row(void **state)
{
	const struct row *row = *state;
	uint8_t bytes[QUOTE_MAX];
	size_t length = hex_read(row->quote, bytes, sizeof(bytes));
	struct packet packet;
	struct icmp_quote quote;

	decode_error(row, bytes, length, &packet);

	assert_int_equal(icmp_quote_parse(&packet, &quote), row->result);
	if (row->result != 0)
		return;
	check_addresses(&quote, row->version);
	assert_int_equal(quote.protocol, row->expected.protocol);
	assert_int_equal(quote.source_port, row->expected.source_port);
	assert_int_equal(quote.destination_port, row->expected.destination_port);
	assert_int_equal(quote.sequence, row->expected.sequence);
	assert_int_equal(quote.icmp_type, row->expected.icmp_type);
}

static void test_quote_cut_anywhere_is_none(void **state)
{
	uint8_t bytes[QUOTE_MAX];
	struct packet packet;
	struct icmp_quote quote;

	for (size_t i = 0; i < ROW_COUNT; i++) {
		size_t length = hex_read(rows[i].quote, bytes, sizeof(bytes));

		if (rows[i].expected.source_port == 0)
			continue;
		for (size_t cut = 0; cut < length; cut++) {
			decode_error(&rows[i], bytes, cut, &packet);
			assert_int_equal(icmp_quote_parse(&packet, &quote), -ENOENT);
		}
	}
}

static void test_errors_are_told_from_other_messages(void **state)
{
	static const uint8_t errors4[] = {3, 4, 5, 11, 12};
	static const uint8_t errors6[] = {1, 2, 3, 4};
	struct packet packet = {.has_transport = true};
	unsigned count4 = 0;
	unsigned count6 = 0;

	for (unsigned type = 0; type < 256; type++) {
		packet.icmp_type = (uint8_t)type;
		packet.ip_version = 4;
		packet.protocol = 1;
		count4 += icmp_quote_is_error(&packet);
		assert_int_equal(icmp_quote_is_error(&packet),
				 memchr(errors4, (int)type, sizeof(errors4)) != NULL);
		packet.ip_version = 6;
		packet.protocol = 58;
		count6 += icmp_quote_is_error(&packet);
		assert_int_equal(icmp_quote_is_error(&packet),
				 memchr(errors6, (int)type, sizeof(errors6)) != NULL);
		packet.protocol = 17;
		assert_false(icmp_quote_is_error(&packet));
	}
	assert_int_equal(count4, sizeof(errors4));
	assert_int_equal(count6, sizeof(errors6));
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
		cmocka_unit_test(test_quote_cut_anywhere_is_none),
		cmocka_unit_test(test_errors_are_told_from_other_messages),
	};
	struct CMUnitTest cases[ROW_COUNT];

	for (size_t at = 0; at < ROW_COUNT; at++)
		cases[at] = (struct CMUnitTest){
			.name = rows[at].name,
			.test_func = test_row,
			.initial_state = (void *)&rows[at],
		};
	return cmocka_run_group_tests_name("quotes", cases, set_up, tear_down) +
	       cmocka_run_group_tests(fixed, set_up, tear_down);
}
