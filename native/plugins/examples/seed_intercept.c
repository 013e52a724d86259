// SPDX-License-Identifier: Apache-2.0

// Example: the plugin of the document Stellar starts from, with types and in its own spellings
// (<stellar/seed_names.h>). It intercepts what its security policy names, leaves alone what another
// plugin intercepts already, and puts bulk traffic into a rate-limit group.
//
// Events: session_opening. Metadata: reads and sets fw_action, an enum security_action as
// int64_t, which is what a number of a Lua plugin is.
// Counters: intercepted, intercepted_elsewhere, rate_limited, rate_limit_refused (queues are not in
// this version: amq_group_create says so, and nothing is silently unlimited).

#include <stellar/seed_names.h>

#define FW_ACTION "fw_action"
#define PORT_INTERCEPTED 8080
#define PORT_BULK 5001
#define CIR 8000000 // bits a second
#define CBS 65536 // bytes
#define SECURITY_POLICY_ID 7 // of the rule that limits bulk traffic

enum security_action {
	PERMIT,
	INTERCEPT,
	RATE_LIMIT,
};

enum counter {
	INTERCEPTED,
	INTERCEPTED_ELSEWHERE,
	RATE_LIMITED,
	RATE_LIMIT_REFUSED,
};

static enum security_action check_security_policy(const struct session *session)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	switch (responder.port) {
	case PORT_INTERCEPTED:
		return INTERCEPT;
	case PORT_BULK:
		return RATE_LIMIT;
	default:
		return PERMIT;
	}
}

// What another plugin decided, or PERMIT.
static enum security_action get_fw_action(const struct session *session)
{
	void *value;
	size_t value_size;

	if (session_get_metadata(session, FW_ACTION, &value, &value_size) != 0 ||
	    value_size != sizeof(int64_t))
		return PERMIT;
	return (enum security_action) * (const int64_t *)value;
}

static void plugin_entry(struct session *session, void *ctx)
{
	enum security_action ret;

	if (get_fw_action(session) == INTERCEPT) {
		plugin_counter_add(session, INTERCEPTED_ELSEWHERE, 1);
		pm_session_dettach_me(session);
		return;
	}
	ret = check_security_policy(session);
	if (ret == INTERCEPT) {
		const int64_t fw_action = ret;

		if (pm_session_take_over(session) != 0)
			return; // somebody owns it, holds its lock, or has denied it
		session_copy_metadata(session, FW_ACTION, &fw_action, sizeof(fw_action));
		plugin_counter_add(session, INTERCEPTED, 1);
	} else if (ret == RATE_LIMIT) {
		uint32_t group_id = SECURITY_POLICY_ID;

		if (amq_group_create(group_id, CIR, CBS) == 0 &&
		    session_set_ratelimit_group(session, group_id) == 0)
			plugin_counter_add(session, RATE_LIMITED, 1);
		else
			plugin_counter_add(session, RATE_LIMIT_REFUSED, 1);
	}
}

static int load(struct plugin_host *host, void **ret_state)
{
	if (plugin_counter_create(host, "intercepted") != INTERCEPTED ||
	    plugin_counter_create(host, "intercepted_elsewhere") != INTERCEPTED_ELSEWHERE ||
	    plugin_counter_create(host, "rate_limited") != RATE_LIMITED ||
	    plugin_counter_create(host, "rate_limit_refused") != RATE_LIMIT_REFUSED)
		return -1;
	*ret_state = NULL;
	return 0;
}

STELLAR_PUBLIC extern const struct plugin stellar_plugin;

const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER, .name = "seed_intercept",
	.version = "1",	       .events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING),
	.load = load,	       .entry = plugin_entry,
};
