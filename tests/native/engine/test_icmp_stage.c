// SPDX-License-Identifier: Apache-2.0

// ICMP errors and the sessions they quote: counted there, heard there, believed only when an
// endpoint would, and without any effect on the session.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "harness.h"
#include "packet/checksum.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define ACTIVE STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_ACTIVE)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define SECOND_NS 1000000000ull
#define TCP 6
#define UDP 17

static const uint8_t inside_host[4] = {192, 0, 2, 1};
static const uint8_t outside_host[4] = {198, 51, 100, 2};
static const uint8_t router[4] = {203, 0, 113, 9};

// An error by the router. The quoted packet is of the harness's hosts.
struct error {
	uint8_t protocol; // quoted
	bool from_responder; // quoted
	uint16_t source_port; // quoted
	uint16_t destination_port;
	uint32_t sequence;
	bool misdirected; // to the other host
};

static void write_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void write_ip(uint8_t *at, uint8_t protocol, const uint8_t *source,
		     const uint8_t *destination, size_t length)
{
	memset(at, 0, 20);
	at[0] = 0x45;
	write_u16(at + 2, (uint16_t)(20 + length));
	at[8] = 64;
	at[9] = protocol;
	memcpy(at + 12, source, 4);
	memcpy(at + 16, destination, 4);
	write_u16(at + 10, checksum_fold(checksum_partial(at, 20, 0)));
}

static struct verdict send_error(struct harness *harness, const struct error *error)
{
	const uint8_t *source = error->from_responder ? outside_host : inside_host;
	const uint8_t *destination = error->from_responder ? inside_host : outside_host;
	uint8_t frame[14 + 20 + 8 + 20 + 8] = {2, 0, 0, 0, 0, 1, 2, [12] = 8};
	uint8_t *icmp = frame + 14 + 20;
	uint8_t *quoted = icmp + 8;

	write_ip(frame + 14, 1, router, error->misdirected ? destination : source, 36);
	icmp[0] = 3;
	icmp[1] = 1;
	write_ip(quoted, error->protocol, source, destination, 20);
	write_u16(quoted + 20, error->source_port);
	write_u16(quoted + 22, error->destination_port);
	write_u16(quoted + 24, (uint16_t)(error->sequence >> 16));
	write_u16(quoted + 26, (uint16_t)error->sequence);
	write_u16(icmp + 2, checksum_fold(checksum_partial(icmp, 36, 0)));
	// Toward the host that sent the quoted packet.
	return harness_send(harness, frame, sizeof(frame), !error->from_responder);
}

static struct session_stats stats_of(const struct harness *harness)
{
	struct session_stats stats;

	engine_get_session_stats(harness->engine, &stats);
	return stats;
}

static void note_direction(struct harness *harness, struct session *session, void *context)
{
	struct packet_endpoint responder;
	size_t used = strlen(harness->log);

	session_get_responder(session, &responder);
	snprintf(harness->log + used, HARNESS_LOG_SIZE - used, "%u/%u/%llu/%llu ", responder.port,
		 session_get_direction(session),
		 (unsigned long long)session_get_packets(session, STELLAR_FORWARD),
		 (unsigned long long)session_get_packets(session, STELLAR_REVERSE));
}

static void open_noting(struct harness *harness, struct harness_plugin *plugin, uint64_t events)
{
	harness_open(harness, NULL);
	harness_add_plugin(harness, plugin, "a", events, note_direction);
	harness_start(harness);
}

static void test_error_is_a_packet_of_the_session_it_quotes(void **state)
{
	const struct error error = {UDP, false, 1000, 53, 0, false};
	struct harness harness;
	struct harness_plugin plugin;

	open_noting(&harness, &plugin, PACKET | ACTIVE);
	harness_send_datagram(&harness, 1000, 53, "x", false);

	struct verdict verdict = send_error(&harness, &error);

	// It is the router that speaks: nobody has been seen on the other side.
	assert_string_equal(harness.log, "a:session_packet 53/0/1/0 a:session_packet 53/1/1/1 ");
	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	assert_int_equal(verdict.session_state, STELLAR_SESSION_OPENING);
	assert_int_equal(stats_of(&harness).created, 1);
	harness_close(&harness);
}

static void test_error_about_an_answer_goes_forward(void **state)
{
	const struct error error = {UDP, true, 53, 1000, 0, false};
	struct harness harness;
	struct harness_plugin plugin;

	open_noting(&harness, &plugin, PACKET);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness_send_datagram(&harness, 1000, 53, "y", true);
	harness.log[0] = '\0';

	send_error(&harness, &error);

	assert_string_equal(harness.log, "a:session_packet 53/0/2/1 ");
	harness_close(&harness);
}

static void test_error_that_quotes_nobody_is_a_session_of_its_own(void **state)
{
	const struct error error = {UDP, false, 1001, 53, 0, false};
	struct harness harness;
	struct harness_plugin plugin;

	open_noting(&harness, &plugin, OPENING);
	harness_send_datagram(&harness, 1000, 53, "x", false);

	send_error(&harness, &error);

	assert_string_equal(harness.log, "a:session_opening 53/0/1/0 a:session_opening 769/0/1/0 ");
	harness_close(&harness);
}

static void test_error_keeps_no_session_alive(void **state)
{
	const struct error error = {UDP, false, 1000, 53, 0, false};
	struct harness harness;
	struct harness_plugin plugin;

	open_noting(&harness, &plugin, CLOSING);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness.time_ns += 25 * SECOND_NS;
	send_error(&harness, &error);
	harness.time_ns += 10 * SECOND_NS;

	send_error(&harness, &error);

	assert_string_equal(harness.log, "a:session_closing 53/0/1/1 ");
	harness_close(&harness);
}

// The handshake of 1000 -> 80, and a FIN that nobody has acknowledged.
static void open_tcp(struct harness *harness)
{
	const struct harness_segment segments[] = {
		{1000, 80, 5000, 0, STELLAR_TCP_SYN, false},
		{1000, 80, 9000, 5001, STELLAR_TCP_SYN | STELLAR_TCP_ACK, true},
		{1000, 80, 5001, 9001, STELLAR_TCP_ACK, false},
		{1000, 80, 5001, 9001, STELLAR_TCP_FIN | STELLAR_TCP_ACK, false},
	};

	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
		harness_send_segment(harness, &segments[i]);
}

static void test_tcp_error_is_believed_inside_of_what_was_sent(void **state)
{
	// Acknowledged up to 5001, sent up to 5002.
	static const struct {
		uint32_t sequence;
		bool believed;
	} cases[] = {
		{5000, false}, {5001, true},	    {5002, true},
		{5003, false}, {0x80000000, false}, {0, false},
	};
	struct harness harness;
	struct harness_plugin plugin;
	uint64_t refused = 0;

	open_noting(&harness, &plugin, PACKET);
	open_tcp(&harness);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct error error = {TCP, false, 1000, 80, cases[i].sequence, false};

		harness.log[0] = '\0';
		struct verdict verdict = send_error(&harness, &error);

		refused += !cases[i].believed;
		assert_int_equal(verdict.disposition,
				 cases[i].believed ? STELLAR_CONTINUE : STELLAR_DROP);
		assert_int_equal(verdict.drop_reason,
				 cases[i].believed ? 0 : STELLAR_DROPPED_ICMP_INVALID);
		assert_int_equal(harness.log[0] != '\0', cases[i].believed);
		assert_int_equal(verdict.tcp_state, STELLAR_TCP_FIN_WAIT);
	}

	assert_int_equal(harness_balance(&harness).dropped[STELLAR_DROPPED_ICMP_INVALID], refused);
	assert_int_equal(
		engine_get_decode_event_count(harness.engine, STELLAR_DECODE_ICMP_QUOTE_INVALID),
		refused);
	harness_close(&harness);
}

static void test_error_is_no_segment_of_a_stream(void **state)
{
	const uint64_t data = STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA) |
			      STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_GAP) |
			      STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_OVERLAP);
	const struct error error = {TCP, false, 1000, 80, 5001, false};
	struct harness harness;
	struct harness_plugin plugin;

	open_noting(&harness, &plugin, PACKET | data);
	open_tcp(&harness);
	harness.log[0] = '\0';

	send_error(&harness, &error);

	assert_string_equal(harness.log, "a:session_packet 80/1/3/2 ");
	harness_close(&harness);
}

static void test_error_to_another_host_than_the_quoted_sender_is_refused(void **state)
{
	const struct error error = {UDP, false, 1000, 53, 0, true};
	struct harness harness;
	struct harness_plugin plugin;

	open_noting(&harness, &plugin, PACKET);
	harness_send_datagram(&harness, 1000, 53, "x", false);

	struct verdict verdict = send_error(&harness, &error);

	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_ICMP_INVALID);
	harness_close(&harness);
}

static void test_error_of_a_blocked_session_is_dropped_without_an_answer(void **state)
{
	const struct error error = {UDP, false, 1000, 53, 0, false};
	struct harness harness;
	struct harness_plugin plugin;

	open_noting(&harness, &plugin, PACKET);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	struct session_hot *hot = &harness.worker->table->hot[1];
	hot->flags |= SESSION_BLOCKED | SESSION_REPLY_ICMP;

	struct verdict verdict = send_error(&harness, &error);

	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_BLOCKED_SESSION);
	assert_int_equal(harness_balance(&harness).generated, 0);
	harness_close(&harness);
}

static void test_session_is_found_by_its_second_key(void **state)
{
	// Outside of a translation the originator is known under another address and port.
	const struct error error = {UDP, false, 6000, 53, 0, false};
	struct packet_endpoint source = {{4, {192, 0, 2, 1}}, 6000};
	struct packet_endpoint destination = {{4, {198, 51, 100, 2}}, 53};
	struct harness harness;
	struct harness_plugin plugin;
	struct session_key alias;

	open_noting(&harness, &plugin, PACKET);
	harness_send_datagram(&harness, 1000, 53, "x", false);
	harness.worker->table->alias_capacity = 1;
	session_key_from_endpoints(&source, &destination, UDP, 0, 0, &alias);
	assert_int_equal(session_table_add_alias(harness.worker->table, 1, &alias), 0);
	harness.log[0] = '\0';

	send_error(&harness, &error);

	assert_string_equal(harness.log, "a:session_packet 53/1/1/1 ");
	harness_close(&harness);
}

static void test_tap_lets_an_error_pass_and_flags_it(void **state)
{
	const struct error error = {UDP, false, 1000, 53, 0, true};
	struct engine_config config;
	struct harness harness;
	struct harness_plugin plugin;

	engine_config_init(&config);
	config.hash_seed[0] = 1;
	harness_open(&harness, &config);
	harness_add_plugin(&harness, &plugin, "a", PACKET, note_direction);
	harness_start(&harness);
	harness_send_datagram(&harness, 1000, 53, "x", false);

	send_error(&harness, &error);

	assert_int_equal(harness_balance(&harness).forwarded, 2);
	assert_int_equal(
		engine_get_decode_event_count(harness.engine, STELLAR_DECODE_ICMP_QUOTE_INVALID),
		1);
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_is_a_packet_of_the_session_it_quotes),
		cmocka_unit_test(test_error_about_an_answer_goes_forward),
		cmocka_unit_test(test_error_that_quotes_nobody_is_a_session_of_its_own),
		cmocka_unit_test(test_error_keeps_no_session_alive),
		cmocka_unit_test(test_tcp_error_is_believed_inside_of_what_was_sent),
		cmocka_unit_test(test_error_is_no_segment_of_a_stream),
		cmocka_unit_test(test_error_to_another_host_than_the_quoted_sender_is_refused),
		cmocka_unit_test(test_error_of_a_blocked_session_is_dropped_without_an_answer),
		cmocka_unit_test(test_session_is_found_by_its_second_key),
		cmocka_unit_test(test_tap_lets_an_error_pass_and_flags_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
