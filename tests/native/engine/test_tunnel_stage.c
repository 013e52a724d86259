// SPDX-License-Identifier: Apache-2.0

// Tunnels as sessions: the outer conversation of VXLAN frames, as parent of what goes through it.

#include <errno.h>
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
#define DATA STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)
#define CHILD STELLAR_EVENT_BIT(STELLAR_EVENT_CHILD_OPENING)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)
#define TUNNEL_PORT 4789
#define FRAME_SIZE (14 + 20 + 8 + 8 + 14 + 20 + 8 + 4)

static void write_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

// Ethernet, IPv4 and UDP without a checksum around `length` bytes. Returns where they begin.
static uint8_t *write_headers(uint8_t *at, const uint8_t hosts[2][4], const uint16_t ports[2],
			      bool is_answer, size_t length)
{
	memset(at, 0, 14 + 20 + 8);
	at[0] = at[6] = 2;
	at[is_answer ? 11 : 5] = 1;
	at[12] = 8;
	at += 14;
	at[0] = 0x45;
	write_u16(at + 2, (uint16_t)(28 + length));
	at[8] = 64;
	at[9] = 17;
	memcpy(at + 12, hosts[is_answer], 4);
	memcpy(at + 16, hosts[!is_answer], 4);
	write_u16(at + 10, checksum_fold(checksum_partial(at, 20, 0)));
	at += 20;
	write_u16(at, ports[is_answer]);
	write_u16(at + 2, ports[!is_answer]);
	write_u16(at + 4, (uint16_t)(8 + length));
	return at + 8;
}

// A datagram of 4 bytes to an inner port, through the tunnel or beside it.
static struct verdict send_inner(struct harness *harness, uint16_t port, bool is_answer)
{
	static const uint8_t outer_hosts[2][4] = {{203, 0, 113, 1}, {203, 0, 113, 2}};
	static const uint8_t inner_hosts[2][4] = {{192, 0, 2, 1}, {198, 51, 100, 2}};
	static const uint16_t outer_ports[2] = {TUNNEL_PORT, TUNNEL_PORT};
	const uint16_t inner_ports[2] = {5000, port};
	uint8_t frame[FRAME_SIZE] = {0};
	uint8_t *vxlan =
		write_headers(frame, outer_hosts, outer_ports, is_answer, FRAME_SIZE - 14 - 20 - 8);

	vxlan[0] = 8;
	vxlan[6] = 42;
	write_headers(vxlan + 8, inner_hosts, inner_ports, is_answer, 4);
	return harness_send(harness, frame, sizeof(frame), is_answer);
}

static struct session_stats stats_of(const struct harness *harness)
{
	struct session_stats stats;

	engine_get_session_stats(harness->engine, &stats);
	return stats;
}

static uint16_t port_of(const struct session *session)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	return responder.port;
}

static void note_port(struct harness *harness, struct session *session, void *context)
{
	size_t used = strlen(harness->log);

	snprintf(harness->log + used, HARNESS_LOG_SIZE - used, "%u ", port_of(session));
}

static void open_tunnels(struct harness *harness, struct harness_plugin *plugin, uint64_t events,
			 harness_react_fn react, uint64_t capacity)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = true;
	config.tunnel_parents = true;
	config.session_capacity = capacity;
	config.hash_seed[0] = 1;
	harness_open(harness, &config);
	harness_add_plugin(harness, plugin, "a", events, react);
	harness_start(harness);
}

static void test_tunnel_opens_first_and_is_the_parent(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_tunnels(&harness, &plugin, OPENING | PACKET | DATA | CHILD, note_port, 1024);

	send_inner(&harness, 53, false);

	assert_string_equal(harness.log,
			    "a:session_opening 4789 a:session_packet 4789 a:session_opening 53 "
			    "a:child_opening 4789 a:session_packet 53 a:udp_data 53 ");
	assert_int_equal(stats_of(&harness).created, 2);
	assert_int_equal(stats_of(&harness).children, 1);
	harness_close(&harness);
}

static void test_tunnel_is_one_session_and_counts_what_goes_through(void **state)
{
	struct session_record record = {0};
	struct session outer;
	struct harness harness;
	struct harness_plugin plugin;

	open_tunnels(&harness, &plugin, ACTIVE, note_port, 1024);
	send_inner(&harness, 53, false);
	send_inner(&harness, 54, false);
	send_inner(&harness, 53, true);

	session_view(harness.worker, 1, &outer);
	session_record_fill(&outer, &record);
	assert_int_equal(record.packets[STELLAR_FORWARD], 2);
	assert_int_equal(record.packets[STELLAR_REVERSE], 1);
	assert_int_equal(record.bytes[STELLAR_FORWARD], 2 * FRAME_SIZE);
	assert_string_equal(harness.log, "a:session_active 4789 a:session_active 53 ");
	assert_int_equal(stats_of(&harness).created, 3);
	assert_int_equal(stats_of(&harness).children, 2);
	harness_close(&harness);
}

static void test_without_the_option_there_is_no_outer_session(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", OPENING, note_port);
	harness_start(&harness);

	send_inner(&harness, 53, false);

	assert_string_equal(harness.log, "a:session_opening 53 ");
	harness_close(&harness);
}

static void deny_tunnel(struct harness *harness, struct session *session, void *context)
{
	note_port(harness, session, context);
	if (port_of(session) == TUNNEL_PORT)
		assert_int_equal(session_reject(session, STELLAR_REPLY_NONE), 0);
}

static void test_tunnel_that_is_denied_drops_all_that_goes_through(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_tunnels(&harness, &plugin, OPENING, deny_tunnel, 1024);

	struct verdict first = send_inner(&harness, 53, false);
	struct verdict second = send_inner(&harness, 54, false);

	assert_int_equal(first.drop_reason, STELLAR_DROPPED_PLUGIN);
	assert_int_equal(second.drop_reason, STELLAR_DROPPED_BLOCKED_SESSION);
	assert_string_equal(harness.log, "a:session_opening 4789 a:session_opening 53 ");
	assert_int_equal(stats_of(&harness).created, 2);
	// The inner session itself was not denied.
	assert_int_equal(harness.worker->table->hot[2].flags & SESSION_BLOCKED, 0);
	assert_int_equal(harness_balance(&harness).forwarded, 0);
	harness_close(&harness);
}

static void deny_inner(struct harness *harness, struct session *session, void *context)
{
	if (port_of(session) == 53)
		assert_int_equal(session_reject(session, STELLAR_REPLY_NONE), 0);
}

static void test_inner_session_that_is_denied_leaves_the_tunnel_alone(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_tunnels(&harness, &plugin, OPENING, deny_inner, 1024);

	struct verdict denied = send_inner(&harness, 53, false);
	struct verdict other = send_inner(&harness, 54, false);

	assert_int_equal(denied.disposition, STELLAR_DROP);
	assert_int_equal(other.disposition, STELLAR_CONTINUE);
	harness_close(&harness);
}

static void bypass_inner(struct harness *harness, struct session *session, void *context)
{
	note_port(harness, session, context);
	if (port_of(session) != TUNNEL_PORT)
		assert_int_equal(session_bypass(session), 0);
}

static void test_tunnel_is_heard_of_when_the_inner_session_is_bypassed(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_tunnels(&harness, &plugin, PACKET, bypass_inner, 1024);
	send_inner(&harness, 53, false);
	harness.log[0] = '\0';

	struct verdict verdict = send_inner(&harness, 53, false);

	assert_string_equal(harness.log, "a:session_packet 4789 ");
	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	harness_close(&harness);
}

static void test_full_table_goes_on_without_the_tunnel(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_tunnels(&harness, &plugin, CLOSING, note_port, 64);
	for (uint16_t port = 1; port <= 64; port++)
		harness_send_datagram(&harness, 1000, port, "x", false);

	struct verdict verdict = send_inner(&harness, 5353, false);

	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	assert_string_equal(harness.log, "a:session_closing 1 ");
	assert_int_equal(stats_of(&harness).orphaned, 1);
	harness_close(&harness);
}

static void test_tunnel_that_made_room_for_the_inner_session_is_forgotten(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	// All others have been answered, so that the tunnel is the only one in OPENING.
	open_tunnels(&harness, &plugin, OPENING | PACKET | CLOSING, note_port, 64);
	for (uint16_t port = 1; port <= 63; port++) {
		harness_send_datagram(&harness, 1000, port, "x", false);
		harness_send_datagram(&harness, 1000, port, "y", true);
	}
	harness.log[0] = '\0';

	struct verdict verdict = send_inner(&harness, 5353, false);

	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	assert_string_equal(harness.log, "a:session_opening 5353 a:session_packet 5353 ");
	assert_int_equal(stats_of(&harness).children, 0);
	harness_close(&harness);
}

static void test_inner_sessions_close_before_their_tunnel(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_tunnels(&harness, &plugin, CLOSING, note_port, 1024);
	send_inner(&harness, 53, false);
	send_inner(&harness, 54, false);

	worker_finish(harness.worker);

	assert_string_equal(harness.log, "a:session_closing 53 a:session_closing 54 "
					 "a:session_closing 4789 ");
	harness_close(&harness);
}

static void test_tunnel_whose_first_packet_was_refused_is_asked_about(void **state)
{
	struct engine_config config;
	struct harness harness;
	struct harness_plugin plugin;

	engine_config_init(&config);
	config.is_inline = true;
	config.tunnel_parents = true;
	config.limits.source_opening = 1;
	harness_open(&harness, &config);
	harness_add_plugin(&harness, &plugin, "a", OPENING, deny_tunnel);
	harness_start(&harness);

	// The address inside may not begin another one: the packet is refused.
	harness_send_datagram(&harness, 1000, 53, "first", false);
	assert_int_equal(send_inner(&harness, 54, false).drop_reason,
			 STELLAR_DROPPED_SESSION_LIMIT);
	harness_send_datagram(&harness, 1000, 53, "answer", true);
	assert_int_equal(send_inner(&harness, 54, false).disposition, STELLAR_DROP);

	assert_string_equal(harness.log, "a:session_opening 53 a:session_opening 4789 "
					 "a:session_opening 54 ");
	harness_close(&harness);
}

// An ICMP error about an inner session, in a tunnel between hosts of its own.
static struct verdict send_inner_error(struct harness *harness, uint16_t port)
{
	static const uint8_t outer_hosts[2][4] = {{203, 0, 113, 3}, {203, 0, 113, 2}};
	static const uint8_t inner_hosts[2][4] = {{192, 0, 2, 1}, {198, 51, 100, 2}};
	static const uint16_t outer_ports[2] = {TUNNEL_PORT, TUNNEL_PORT};
	const uint16_t inner_ports[2] = {5000, port};
	uint8_t frame[FRAME_SIZE + 28] = {0};
	uint8_t quoted[14 + 28 + 4] = {0};
	uint8_t *vxlan =
		write_headers(frame, outer_hosts, outer_ports, true, sizeof(frame) - 14 - 20 - 8);

	write_headers(quoted, inner_hosts, inner_ports, false, 4);
	vxlan[0] = 8;
	vxlan[6] = 42;
	write_headers(vxlan + 8, inner_hosts, inner_ports, true, 4 + 28);
	uint8_t *ip = frame + 14 + 28 + 8 + 14;
	uint8_t *icmp = ip + 20;

	memset(icmp, 0, 8);
	icmp[0] = 3;
	icmp[1] = 3;
	memcpy(icmp + 8, quoted + 14, 32);
	write_u16(icmp + 2, checksum_fold(checksum_partial(icmp, 40, 0)));
	ip[9] = 1;
	write_u16(ip + 10, 0);
	write_u16(ip + 10, checksum_fold(checksum_partial(ip, 20, 0)));
	return harness_send(harness, frame, sizeof(frame), true);
}

static void test_tunnel_of_an_icmp_error_is_asked_about(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	open_tunnels(&harness, &plugin, OPENING, note_port, 1024);
	send_inner(&harness, 53, false);
	struct verdict verdict = send_inner_error(&harness, 53);

	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	assert_int_equal(stats_of(&harness).created, 3);
	assert_string_equal(harness.log, "a:session_opening 4789 a:session_opening 53 "
					 "a:session_opening 4789 ");
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tunnel_opens_first_and_is_the_parent),
		cmocka_unit_test(test_tunnel_is_one_session_and_counts_what_goes_through),
		cmocka_unit_test(test_without_the_option_there_is_no_outer_session),
		cmocka_unit_test(test_tunnel_that_is_denied_drops_all_that_goes_through),
		cmocka_unit_test(test_inner_session_that_is_denied_leaves_the_tunnel_alone),
		cmocka_unit_test(test_tunnel_is_heard_of_when_the_inner_session_is_bypassed),
		cmocka_unit_test(test_full_table_goes_on_without_the_tunnel),
		cmocka_unit_test(test_tunnel_that_made_room_for_the_inner_session_is_forgotten),
		cmocka_unit_test(test_inner_sessions_close_before_their_tunnel),
		cmocka_unit_test(test_tunnel_whose_first_packet_was_refused_is_asked_about),
		cmocka_unit_test(test_tunnel_of_an_icmp_error_is_asked_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
