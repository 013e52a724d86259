// SPDX-License-Identifier: Apache-2.0

// The firewall's decisions: zones, anti-spoofing, verdicts and counters. The engine's side of the
// plugin API is played by this file, so that each call is seen.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/plugin.h>

#include "section_builder.h"

#define COUNTERS_MAX 16

extern const struct plugin stellar_plugin;

struct plugin_host {
	const char *interfaces[4]; // by id
	char counter_names[COUNTERS_MAX][80];
	uint64_t counters[COUNTERS_MAX];
	int counter_count;
	int counter_limit;
	unsigned warnings;
};

struct session {
	struct plugin_host *host;
	void *state;
	const void *policy;
	struct event event;
	struct packet_endpoint originator;
	struct packet_endpoint responder;
	uint16_t ingress_id;
	uint16_t egress_id;
	uint8_t protocol;
	struct verdict verdict;
	unsigned requests;
	bool detached;
	bool failed;
};

struct fixture {
	struct plugin_host host;
	void *state;
	void *policy;
	struct session session;
};

// What the engine would do.

int plugin_counter_create(struct plugin_host *host, const char *name)
{
	for (int i = 0; i < host->counter_count; i++) {
		if (strcmp(host->counter_names[i], name) == 0)
			return i;
	}
	if (host->counter_count == host->counter_limit)
		return -ENOSPC;
	snprintf(host->counter_names[host->counter_count], 80, "%s", name);
	return host->counter_count++;
}

void plugin_counter_add(const struct session *session, int counter_id, uint64_t amount)
{
	assert_in_range(counter_id, 0, session->host->counter_count - 1);
	session->host->counters[counter_id] += amount;
}

int plugin_interface_id(const struct plugin_host *host, const char *name)
{
	for (int i = 0; i < 4; i++) {
		if (host->interfaces[i] && strcmp(host->interfaces[i], name) == 0)
			return i;
	}
	return -ENOENT;
}

void plugin_log(struct plugin_host *host, enum stellar_log_level level, const char *format, ...)
{
	host->warnings += level == STELLAR_LOG_WARNING;
}

const void *pm_session_policy(const struct session *session)
{
	return session->policy;
}

void *pm_session_plugin_state(const struct session *session)
{
	return session->state;
}

int pm_session_detach_me(struct session *session)
{
	session->detached = true;
	return 0;
}

void pm_session_fail(struct session *session)
{
	session->failed = true;
}

const struct event *session_get_event(const struct session *session)
{
	return &session->event;
}

uint8_t session_get_protocol(const struct session *session)
{
	return session->protocol;
}

void session_get_originator(const struct session *session, struct packet_endpoint *ret_endpoint)
{
	*ret_endpoint = session->originator;
}

void session_get_responder(const struct session *session, struct packet_endpoint *ret_endpoint)
{
	*ret_endpoint = session->responder;
}

uint16_t session_get_ingress_id(const struct session *session)
{
	return session->ingress_id;
}

uint16_t session_get_egress_id(const struct session *session)
{
	return session->egress_id;
}

const struct verdict *session_get_verdict(const struct session *session)
{
	return &session->verdict;
}

int session_set_verdict(struct session *session, const struct verdict_request *request)
{
	assert_true(request->disposition == STELLAR_DROP ||
		    (!request->block && request->reply == STELLAR_REPLY_NONE));
	session->requests++;
	session->verdict.disposition = request->disposition;
	session->verdict.reply = request->reply;
	session->verdict.block = request->block;
	session->verdict.drop_reason = request->drop_reason;
	session->verdict.rule_id = request->rule_id;
	return 0;
}

// Building what the firewall is asked about.

static struct packet_endpoint make_endpoint(uint8_t version, const uint8_t *bytes, uint16_t port)
{
	struct packet_endpoint endpoint = {.address = {.version = version}, .port = port};

	memcpy(endpoint.address.bytes, bytes, version == 6 ? 16 : 4);
	return endpoint;
}

#define IPV4(a, b, c, d, port) make_endpoint(4, (const uint8_t[]){a, b, c, d}, port)
#define IPV6(first, second, last, port) \
	make_endpoint(6, (const uint8_t[16]){first, second, 0x0d, 0xb8, [15] = last}, port)

#define CLIENT IPV4(192, 0, 2, 10, 40000)
#define SERVER(port) IPV4(198, 51, 100, 10, port)

static uint64_t get_counter(const struct plugin_host *host, const char *name)
{
	for (int i = 0; i < host->counter_count; i++) {
		if (strcmp(host->counter_names[i], name) == 0)
			return host->counters[i];
	}
	fail_msg("no counter %s", name);
	return 0;
}

static int prepare(struct fixture *fixture, const struct section_builder *builder, char *error)
{
	error[0] = '\0';
	return stellar_plugin.policy_prepare(&fixture->host, fixture->state, builder->bytes,
					     builder->size, &fixture->policy, error, 160);
}

static int set_up_engine(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->host.interfaces[0] = "inside";
	fixture->host.interfaces[1] = "outside";
	fixture->host.interfaces[2] = "capture";
	fixture->host.counter_limit = COUNTERS_MAX;
	assert_int_equal(stellar_plugin.load(&fixture->host, &fixture->state), 0);
	*state = fixture;
	return 0;
}

static int set_up_policy(void **state)
{
	struct section_builder builder;
	struct fixture *fixture;
	char error[160];

	set_up_engine(state);
	fixture = *state;
	section_build(&builder);
	assert_int_equal(prepare(fixture, &builder, error), 0);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	stellar_plugin.policy_retire(&fixture->host, fixture->state, fixture->policy);
	stellar_plugin.unload(&fixture->host, fixture->state);
	free(fixture);
	return 0;
}

// Open a session and let the firewall judge it.
static struct session *open_session(struct fixture *fixture, uint8_t protocol,
				    struct packet_endpoint originator,
				    struct packet_endpoint responder, uint16_t ingress_id,
				    uint16_t egress_id)
{
	struct session *session = &fixture->session;

	*session = (struct session){
		.host = &fixture->host,
		.state = fixture->state,
		.policy = fixture->policy,
		.event = {.type = STELLAR_EVENT_SESSION_OPENING},
		.originator = originator,
		.responder = responder,
		.protocol = protocol,
		.ingress_id = ingress_id,
		.egress_id = egress_id,
	};
	stellar_plugin.entry(session, NULL);
	assert_false(session->failed);
	return session;
}

static void assert_allowed(const struct session *session, uint32_t rule_id)
{
	assert_int_equal(session->verdict.disposition, STELLAR_PASS);
	assert_int_equal(session->verdict.rule_id, rule_id);
	assert_true(session->detached);
}

static void assert_denied(const struct session *session, enum stellar_drop_reason reason,
			  uint32_t rule_id, enum stellar_reply reply)
{
	assert_int_equal(session->verdict.disposition, STELLAR_DROP);
	assert_int_equal(session->verdict.drop_reason, reason);
	assert_int_equal(session->verdict.rule_id, rule_id);
	assert_int_equal(session->verdict.reply, reply);
	assert_true(session->verdict.block);
	assert_false(session->detached);
}

static void test_an_allowed_session_passes_and_is_left(void **state)
{
	struct fixture *fixture = *state;
	struct session *session = open_session(fixture, 6, CLIENT, SERVER(8080), 0, 1);

	assert_allowed(session, 1);
	assert_int_equal(session->requests, 1);
	assert_int_equal(get_counter(&fixture->host, "rule.web"), 1);
}

static void test_a_session_that_no_rule_matches_meets_the_default(void **state)
{
	struct fixture *fixture = *state;
	struct session *session = open_session(fixture, 6, CLIENT, SERVER(81), 0, 1);

	assert_denied(session, STELLAR_DROPPED_POLICY_DEFAULT, STELLAR_RULE_NONE,
		      STELLAR_REPLY_NONE);
	assert_int_equal(get_counter(&fixture->host, "rule.default"), 1);
	assert_int_equal(get_counter(&fixture->host, "rule.web"), 0);
}

static void test_a_destination_between_two_ranges_is_in_none(void **state)
{
	struct session *session = open_session(*state, 6, CLIENT, IPV4(198, 51, 100, 11, 80), 0, 1);

	assert_denied(session, STELLAR_DROPPED_POLICY_DEFAULT, STELLAR_RULE_NONE,
		      STELLAR_REPLY_NONE);
}

static void test_reject_answers_tcp_with_rst_and_the_rest_with_icmp(void **state)
{
	struct session *session = open_session(*state, 6, CLIENT, SERVER(23), 0, 1);

	assert_denied(session, STELLAR_DROPPED_POLICY_RULE, 3, STELLAR_REPLY_RST);
	session = open_session(*state, 17, CLIENT, SERVER(53), 0, 1);
	assert_denied(session, STELLAR_DROPPED_POLICY_RULE, 4, STELLAR_REPLY_ICMP);
}

static void test_the_direction_of_zones_matters(void **state)
{
	struct session *session =
		open_session(*state, 6, IPV4(203, 0, 113, 5, 40000), SERVER(80), 1, 0);

	assert_denied(session, STELLAR_DROPPED_POLICY_DEFAULT, STELLAR_RULE_NONE,
		      STELLAR_REPLY_NONE);
}

static void test_icmp_is_matched_by_its_type(void **state)
{
	assert_allowed(open_session(*state, 1, CLIENT, SERVER(8 << 8), 0, 1), 2);
	assert_denied(open_session(*state, 1, CLIENT, SERVER(13 << 8), 0, 1),
		      STELLAR_DROPPED_POLICY_DEFAULT, STELLAR_RULE_NONE, STELLAR_REPLY_NONE);
}

static void test_ipv6_is_judged_by_its_own_ranges(void **state)
{
	struct packet_endpoint client = IPV6(0x20, 0x01, 0x10, 40000);
	struct packet_endpoint server = IPV6(0x20, 0x01, 0, 80);

	server.address.bytes[3] = 0xb9;
	assert_allowed(open_session(*state, 6, client, server, 0, 1), 1);
	server.address.bytes[7] = 1;
	assert_denied(open_session(*state, 6, client, server, 0, 1), STELLAR_DROPPED_POLICY_DEFAULT,
		      STELLAR_RULE_NONE, STELLAR_REPLY_NONE);
}

static void test_without_interfaces_addresses_name_the_zones(void **state)
{
	assert_allowed(open_session(*state, 6, CLIENT, SERVER(80), 2, UINT16_MAX), 1);
	assert_denied(open_session(*state, 6, SERVER(40000), SERVER(80), 2, UINT16_MAX),
		      STELLAR_DROPPED_POLICY_DEFAULT, STELLAR_RULE_NONE, STELLAR_REPLY_NONE);
}

static void test_a_foreign_source_is_spoofed(void **state)
{
	struct fixture *fixture = *state;

	assert_denied(open_session(fixture, 1, IPV4(203, 0, 113, 5, 1), SERVER(8 << 8), 0, 1),
		      STELLAR_DROPPED_SPOOFED, STELLAR_RULE_NONE, STELLAR_REPLY_NONE);
	assert_denied(open_session(fixture, 1, CLIENT, SERVER(8 << 8), 1, 0),
		      STELLAR_DROPPED_SPOOFED, STELLAR_RULE_NONE, STELLAR_REPLY_NONE);
	assert_int_equal(get_counter(&fixture->host, "spoofed"), 2);
	assert_int_equal(get_counter(&fixture->host, "rule.ping"), 0);
}

static void test_a_source_is_not_spoofed_where_no_interface_names_the_zone(void **state)
{
	assert_allowed(open_session(*state, 1, IPV4(203, 0, 113, 5, 1), SERVER(8 << 8), 2, 1), 2);
}

static void test_addresses_of_the_link_meet_the_rules(void **state)
{
	struct packet_endpoint sources[] = {
		IPV4(0, 0, 0, 0, 1),
		IPV4(169, 254, 1, 1, 1),
		IPV6(0xfe, 0x80, 1, 1),
		make_endpoint(6, (const uint8_t[16]){0}, 1),
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct packet_endpoint responder = sources[i];

		responder.port = 8 << 8;
		assert_allowed(open_session(*state, 1, sources[i], responder, 0, 1), 2);
	}
}

static void test_without_a_policy_packets_are_dropped_and_judged_again(void **state)
{
	struct fixture *fixture = *state;
	struct session *session;
	struct section_builder builder;
	char error[160];

	session = open_session(fixture, 6, CLIENT, SERVER(80), 0, 1);
	assert_int_equal(session->verdict.disposition, STELLAR_DROP);
	assert_int_equal(session->verdict.drop_reason, STELLAR_DROPPED_POLICY_DEFAULT);
	assert_false(session->verdict.block);
	session->event.type = STELLAR_EVENT_SESSION_PACKET;
	stellar_plugin.entry(session, NULL);
	assert_int_equal(get_counter(&fixture->host, "no_policy"), 1);

	section_build(&builder);
	assert_int_equal(prepare(fixture, &builder, error), 0);
	session->policy = fixture->policy;
	session->verdict = (struct verdict){0};
	stellar_plugin.entry(session, NULL);
	assert_allowed(session, 1);
}

static void test_the_packet_that_opened_a_session_is_judged_once(void **state)
{
	struct fixture *fixture = *state;
	struct session *session = open_session(fixture, 6, CLIENT, SERVER(23), 0, 1);

	session->event.type = STELLAR_EVENT_SESSION_PACKET;
	stellar_plugin.entry(session, NULL);

	assert_int_equal(session->requests, 1);
	assert_int_equal(get_counter(&fixture->host, "rule.telnet"), 1);
}

static void test_counters_of_a_rule_outlive_the_policy(void **state)
{
	struct fixture *fixture = *state;
	struct section_builder builder;
	char error[160];

	open_session(fixture, 6, CLIENT, SERVER(80), 0, 1);
	stellar_plugin.policy_retire(&fixture->host, fixture->state, fixture->policy);
	section_build(&builder);
	assert_int_equal(prepare(fixture, &builder, error), 0);
	open_session(fixture, 6, CLIENT, SERVER(80), 0, 1);

	assert_int_equal(get_counter(&fixture->host, "rule.web"), 2);
}

static void test_rules_without_a_counter_count_together(void **state)
{
	struct fixture *fixture = *state;
	struct section_builder builder;
	char error[160];

	fixture->host.counter_limit = fixture->host.counter_count;
	section_build(&builder);
	assert_int_equal(prepare(fixture, &builder, error), 0);
	open_session(fixture, 6, CLIENT, SERVER(80), 0, 1);

	assert_int_equal(get_counter(&fixture->host, "rule.other"), 1);
	assert_int_equal(fixture->host.warnings, 1);
}

static void test_rules_have_names(void **state)
{
	struct fixture *fixture = *state;

	assert_string_equal(stellar_plugin.policy_rule_name(fixture->policy, 0), "default");
	assert_string_equal(stellar_plugin.policy_rule_name(fixture->policy, 4), "dns");
	assert_null(stellar_plugin.policy_rule_name(fixture->policy, 5));
}

static void test_an_absent_interface_is_refused_beside_a_present_one(void **state)
{
	struct fixture *fixture = *state;
	struct section_builder builder;
	char error[160];

	fixture->host.interfaces[0] = "insde";
	section_build(&builder);

	assert_int_equal(prepare(fixture, &builder, error), -ENOENT);
	assert_string_equal(error,
			    "zone inside: expected an interface of the topology, found \"inside\"");
	assert_null(fixture->policy);
}

static void test_all_interfaces_absent_is_a_replay(void **state)
{
	struct fixture *fixture = *state;
	struct section_builder builder;
	char error[160];

	fixture->host.interfaces[0] = NULL;
	fixture->host.interfaces[1] = NULL;
	section_build(&builder);

	assert_int_equal(prepare(fixture, &builder, error), 0);
	assert_allowed(open_session(fixture, 6, CLIENT, SERVER(80), 2, UINT16_MAX), 1);
}

static void test_a_replay_needs_zones_that_addresses_find(void **state)
{
	struct fixture *fixture = *state;
	struct section_builder builder;
	char error[160];

	fixture->host.interfaces[0] = NULL;
	fixture->host.interfaces[1] = NULL;
	section_build(&builder);
	section_poke(&builder, 62, 0, 1); // no fallback zone

	assert_int_equal(prepare(fixture, &builder, error), -ENOENT);
	assert_string_equal(error, "zone outside: expected an interface of the topology or "
				   "networks, found \"outside\"");
}

static void test_a_damaged_section_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct section_builder builder;
	char error[160];

	section_build(&builder);
	builder.size--;

	assert_int_equal(prepare(fixture, &builder, error), -EINVAL);
	assert_non_null(strstr(error, "firewall section: expected"));
	assert_null(fixture->policy);
}

#define WITH_POLICY(test) cmocka_unit_test_setup_teardown(test, set_up_policy, tear_down)
#define WITHOUT_POLICY(test) cmocka_unit_test_setup_teardown(test, set_up_engine, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_POLICY(test_an_allowed_session_passes_and_is_left),
		WITH_POLICY(test_a_session_that_no_rule_matches_meets_the_default),
		WITH_POLICY(test_a_destination_between_two_ranges_is_in_none),
		WITH_POLICY(test_reject_answers_tcp_with_rst_and_the_rest_with_icmp),
		WITH_POLICY(test_the_direction_of_zones_matters),
		WITH_POLICY(test_icmp_is_matched_by_its_type),
		WITH_POLICY(test_ipv6_is_judged_by_its_own_ranges),
		WITH_POLICY(test_without_interfaces_addresses_name_the_zones),
		WITH_POLICY(test_a_foreign_source_is_spoofed),
		WITH_POLICY(test_a_source_is_not_spoofed_where_no_interface_names_the_zone),
		WITH_POLICY(test_addresses_of_the_link_meet_the_rules),
		WITH_POLICY(test_the_packet_that_opened_a_session_is_judged_once),
		WITH_POLICY(test_counters_of_a_rule_outlive_the_policy),
		WITH_POLICY(test_rules_have_names),
		WITHOUT_POLICY(test_without_a_policy_packets_are_dropped_and_judged_again),
		WITHOUT_POLICY(test_rules_without_a_counter_count_together),
		WITHOUT_POLICY(test_an_absent_interface_is_refused_beside_a_present_one),
		WITHOUT_POLICY(test_all_interfaces_absent_is_a_replay),
		WITHOUT_POLICY(test_a_replay_needs_zones_that_addresses_find),
		WITHOUT_POLICY(test_a_damaged_section_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
