// SPDX-License-Identifier: Apache-2.0

// The firewall: judges each session once, by the first packet, and leaves. What is allowed is
// detached from, what is denied is blocked, so the rest of a session never comes here.
//
// Zones: a session comes from the zone of its ingress interface and goes to the zone of its egress
// interface. An interface in no zone (a tap, a capture) says nothing; then the addresses do: the
// zone whose networks hold them by the longest prefix, else the fallback zone, else none. A session
// of no zone matches only rules that say `any`.
//
// Anti-spoofing: where the interface names the zone, an originator whose address belongs to another
// zone, or to none while this zone declares networks, is dropped. Addresses that mean "this link"
// or "not yet known" are let off and meet the rules: neighbor discovery (fe80::/10, ::), DHCP
// (0.0.0.0), 169.254/16.
//
// Without a policy everything is dropped, but not blocked: such sessions are judged anew with each
// packet until there is one.
//
// The prepared policy is read-only and shared by all workers. Counters of rules are kept by name
// across policies.

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/engine.h>
#include <stellar/packet.h>
#include <stellar/plugin.h>
#include <stellar/policy.h>

#include "classifier.h"
#include "section.h"

#define PROTOCOL_TCP 6

// Counters that are not a rule's.
struct firewall_state {
	int default_counter;
	int spoofed_counter;
	int no_policy_counter;
	int other_rules_counter; // rules beyond the engine's limit of counters
};

struct prepared_rule {
	char name[FIREWALL_NAME_MAX + 1];
	enum firewall_action action;
	int counter;
};

// What policy_prepare makes of a section.
struct firewall_policy {
	struct classifier *classifier;
	struct prepared_rule *rules; // by rule id; 0 is the default
	uint32_t rule_count; // without the default
	uint8_t zone_by_interface[STELLAR_INTERFACES_MAX]; // 0: in no zone
	uint64_t zones_with_networks; // bits by zone id
};

// A zone, and whether an interface said so.
struct zone_finding {
	uint8_t zone_id;
	bool by_interface;
};

static int load(struct plugin_host *host, void **ret_state)
{
	struct firewall_state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->default_counter = plugin_counter_create(host, "rule.default");
	state->spoofed_counter = plugin_counter_create(host, "spoofed");
	state->no_policy_counter = plugin_counter_create(host, "no_policy");
	state->other_rules_counter = plugin_counter_create(host, "rule.other");
	if (state->default_counter < 0 || state->spoofed_counter < 0 ||
	    state->no_policy_counter < 0 || state->other_rules_counter < 0) {
		free(state);
		return -ENOMEM;
	}
	*ret_state = state;
	return 0;
}

static void unload(struct plugin_host *host, void *state)
{
	free(state);
}

static void policy_retire(struct plugin_host *host, void *state, void *prepared)
{
	struct firewall_policy *policy = prepared;

	if (!policy)
		return;
	classifier_destroy(policy->classifier);
	free(policy->rules);
	free(policy);
}

static bool is_found_by_address(const struct firewall_section *section,
				const struct firewall_policy *policy, uint32_t zone_id)
{
	return zone_id == section->fallback_zone || (policy->zones_with_networks >> zone_id & 1);
}

// Interfaces must be there. But a replay has interfaces of other names than the appliance: where
// all are absent, zones that addresses can find are enough. One that is absent among others is a
// mistake, which would silently go without anti-spoofing.
static int bind_interfaces(struct plugin_host *host, const struct firewall_section *section,
			   struct firewall_policy *policy, char *error, size_t error_size)
{
	uint32_t count = section->counts[FIREWALL_TABLE_INTERFACES];
	uint32_t found_count = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t zone_id;
		int id = plugin_interface_id(host, section_get_interface(section, i, &zone_id));

		if (id < 0 || id >= STELLAR_INTERFACES_MAX)
			continue;
		policy->zone_by_interface[id] = (uint8_t)zone_id;
		found_count++;
	}
	for (uint32_t i = 0; i < count && found_count < count; i++) {
		uint32_t zone_id;
		const char *name = section_get_interface(section, i, &zone_id);

		if (found_count == 0 && is_found_by_address(section, policy, zone_id))
			continue;
		if (plugin_interface_id(host, name) >= 0)
			continue;
		snprintf(error, error_size, "zone %s: expected %s, found \"%s\"",
			 section_get_zone(section, zone_id - 1),
			 found_count == 0 ? "an interface of the topology or networks"
					  : "an interface of the topology",
			 name);
		return -ENOENT;
	}
	return 0;
}

static void note_networks(const struct firewall_section *section, struct firewall_policy *policy)
{
	static const enum firewall_table tables[] = {FIREWALL_TABLE_ZONE_RANGES4,
						     FIREWALL_TABLE_ZONE_RANGES6};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (uint32_t j = 0; j < section->counts[tables[i]]; j++) {
			uint32_t zone_id = section_get_range(section, tables[i], j).zone_id;

			policy->zones_with_networks |= UINT64_C(1) << zone_id;
		}
	}
}

static int create_rules(struct plugin_host *host, const struct firewall_state *state,
			const struct firewall_section *section, struct firewall_policy *policy)
{
	uint32_t count = section->counts[FIREWALL_TABLE_RULES];
	uint32_t uncounted = 0;

	policy->rules = calloc((size_t)count + 1, sizeof(*policy->rules));
	if (!policy->rules)
		return -ENOMEM;
	policy->rule_count = count;
	policy->rules[0] = (struct prepared_rule){
		.name = "default",
		.action = section->default_action,
		.counter = state->default_counter,
	};
	for (uint32_t i = 1; i <= count; i++) {
		struct firewall_rule rule = section_get_rule(section, i - 1);
		char counter_name[sizeof("rule.") + FIREWALL_NAME_MAX];

		snprintf(policy->rules[i].name, sizeof(policy->rules[i].name), "%s", rule.name);
		snprintf(counter_name, sizeof(counter_name), "rule.%s", rule.name);
		policy->rules[i].action = rule.action;
		policy->rules[i].counter = plugin_counter_create(host, counter_name);
		if (policy->rules[i].counter < 0) {
			policy->rules[i].counter = state->other_rules_counter;
			uncounted++;
		}
	}
	if (uncounted)
		plugin_log(host, STELLAR_LOG_WARNING,
			   "no counter is left for %u rules: they count together as rule.other",
			   uncounted);
	return 0;
}

static int policy_prepare(struct plugin_host *host, void *state, const void *bytes, size_t size,
			  void **ret_prepared, char *error, size_t error_size)
{
	struct firewall_policy *policy;
	struct firewall_section section;
	int rc = section_parse(bytes, size, &section, error, error_size);

	if (rc)
		return rc;
	policy = calloc(1, sizeof(*policy));
	if (!policy) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	note_networks(&section, policy);
	rc = bind_interfaces(host, &section, policy, error, error_size);
	if (!rc) {
		rc = classifier_create(&section, &policy->classifier);
		if (!rc)
			rc = create_rules(host, state, &section, policy);
		if (rc)
			snprintf(error, error_size, "the policy is too large for memory");
	}
	if (rc) {
		policy_retire(host, state, policy);
		return rc;
	}
	*ret_prepared = policy;
	return 0;
}

static const char *policy_rule_name(const void *prepared, uint32_t rule_id)
{
	const struct firewall_policy *policy = prepared;

	return rule_id <= policy->rule_count ? policy->rules[rule_id].name : NULL;
}

// An address that belongs to no network: of this link only, or not yet known.
static bool is_local_address(const struct ip_address *address)
{
	static const uint8_t unspecified[16];

	if (address->version == 6)
		return memcmp(address->bytes, unspecified, 16) == 0 ||
		       (address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80);
	return memcmp(address->bytes, unspecified, 4) == 0 ||
	       (address->bytes[0] == 169 && address->bytes[1] == 254);
}

static struct zone_finding find_zone(const struct firewall_policy *policy, uint16_t interface_id,
				     const struct ip_address *address)
{
	if (interface_id < STELLAR_INTERFACES_MAX && policy->zone_by_interface[interface_id])
		return (struct zone_finding){policy->zone_by_interface[interface_id], true};
	return (struct zone_finding){classifier_find_zone(policy->classifier, address), false};
}

static bool is_spoofed(const struct firewall_policy *policy, struct zone_finding from,
		       const struct ip_address *source)
{
	uint8_t home;

	if (!from.by_interface || is_local_address(source))
		return false;
	home = classifier_find_zone(policy->classifier, source);
	if (home == from.zone_id)
		return false;
	if (policy->zones_with_networks >> from.zone_id & 1)
		return true;
	// The zone declares nothing: only what another zone declares is foreign to it.
	return home && (policy->zones_with_networks >> home & 1);
}

static enum stellar_reply get_reply(const struct session *session, enum firewall_action action)
{
	if (action != FIREWALL_REJECT)
		return STELLAR_REPLY_NONE;
	return session_get_protocol(session) == PROTOCOL_TCP ? STELLAR_REPLY_RST
							     : STELLAR_REPLY_ICMP;
}

static void allow(struct session *session, uint32_t rule_id)
{
	const struct verdict_request request = {.disposition = STELLAR_PASS, .rule_id = rule_id};

	if (session_set_verdict(session, &request) != 0 || pm_session_detach_me(session) != 0)
		pm_session_fail(session);
}

static void deny(struct session *session, enum stellar_drop_reason reason, uint32_t rule_id,
		 enum stellar_reply reply)
{
	const struct verdict_request request = {
		.disposition = STELLAR_DROP,
		.reply = (uint8_t)reply,
		.block = true,
		.drop_reason = (uint8_t)reason,
		.rule_id = rule_id,
	};

	if (session_set_verdict(session, &request) != 0)
		pm_session_fail(session);
}

static void judge(struct session *session, const struct firewall_policy *policy)
{
	const struct firewall_state *state = pm_session_plugin_state(session);
	struct packet_endpoint originator, responder;
	struct zone_finding from, to;
	struct classifier_query query;
	const struct prepared_rule *rule;
	uint32_t rule_id;

	session_get_originator(session, &originator);
	session_get_responder(session, &responder);
	from = find_zone(policy, session_get_ingress_id(session), &originator.address);
	to = find_zone(policy, session_get_egress_id(session), &responder.address);
	if (is_spoofed(policy, from, &originator.address)) {
		plugin_counter_add(session, state->spoofed_counter, 1);
		deny(session, STELLAR_DROPPED_SPOOFED, STELLAR_RULE_NONE, STELLAR_REPLY_NONE);
		return;
	}
	query = (struct classifier_query){
		.source = originator.address,
		.destination = responder.address,
		.protocol = session_get_protocol(session),
		.from_zone = from.zone_id,
		.to_zone = to.zone_id,
		.port = responder.port,
	};
	rule_id = classifier_lookup(policy->classifier, &query);
	rule = &policy->rules[rule_id];
	plugin_counter_add(session, rule->counter, 1);
	if (rule->action == FIREWALL_ALLOW) {
		allow(session, rule_id);
		return;
	}
	deny(session, rule_id ? STELLAR_DROPPED_POLICY_RULE : STELLAR_DROPPED_POLICY_DEFAULT,
	     rule_id, get_reply(session, rule->action));
}

// Called for the opening, and for packets of sessions that opened before there was a policy.
static void entry(struct session *session, void *context)
{
	const struct firewall_policy *policy = pm_session_policy(session);
	const struct verdict_request request = {.disposition = STELLAR_DROP,
						.drop_reason = STELLAR_DROPPED_POLICY_DEFAULT};

	if (policy) {
		const struct verdict *verdict = session_get_verdict(session);

		// The opening packet's own session_packet: judged already.
		if (!verdict || verdict->disposition != STELLAR_DROP)
			judge(session, policy);
		return;
	}
	if (session_get_event(session)->type == STELLAR_EVENT_SESSION_OPENING) {
		const struct firewall_state *state = pm_session_plugin_state(session);

		plugin_counter_add(session, state->no_policy_counter, 1);
	}
	if (session_set_verdict(session, &request) != 0)
		pm_session_fail(session);
}

static const char *const runs_before[] = {"load_balancer", NULL};

const struct plugin stellar_plugin __attribute__((visibility("default"))) = {
	STELLAR_PLUGIN_HEADER,
	.name = "firewall",
	.version = STELLAR_VERSION,
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET),
	.before = runs_before,
	.fail_action = STELLAR_FAIL_CLOSED,
	.load = load,
	.unload = unload,
	.entry = entry,
	.policy_prepare = policy_prepare,
	.policy_retire = policy_retire,
	.policy_rule_name = policy_rule_name,
};
