// SPDX-License-Identifier: Apache-2.0

// Example: hears what another plugin found out. It writes down which ports port_knock has opened;
// without that plugin nothing comes. knock_log.lua is the same plugin in Lua; a test holds them to
// one expected output.
//
// Hears: port_knock.opened. Counters: heard.

#include <stdio.h>

#include <stellar/plugin.h>

static void hear(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);
	char text[16 + STELLAR_DERIVED_DATA_MAX];
	int length = snprintf(text, sizeof(text), "heard of %.*s", (int)event->data_length,
			      (const char *)event->data);

	plugin_counter_add(session, 0, 1);
	session_log(session, STELLAR_LOG_INFO, text, (size_t)length);
}

static int load(struct plugin_host *host, void **ret_state)
{
	int id = plugin_counter_create(host, "heard");

	*ret_state = NULL;
	return id < 0 ? id : 0;
}

STELLAR_PUBLIC extern const struct plugin stellar_plugin;

const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "knock_log",
	.version = "1",
	.fail_action = STELLAR_FAIL_OPEN,
	.load = load,
	.entry = hear,
	.hears = (const char *const[]){"port_knock.opened", NULL},
};
