// SPDX-License-Identifier: Apache-2.0

// new_plugin: counts the packets of each session, logs them when it closes, and blocks sessions to
// one port.
// Events: session_opening, session_packet, session_closing. Context: packets.
// Settings: blocked_port. Counters: sessions, blocked.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <stellar/plugin.h>

#define PORT_TELNET 23
#define LOG_SIZE 64

struct new_plugin {
	int sessions; // ids of counters
	int blocked;
	uint16_t blocked_port;
};

struct new_plugin_session {
	uint32_t packets;
};

static uint16_t responder_port(const struct session *session)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	return responder.port;
}

static void handle_opening(struct session *session, const struct new_plugin *plugin)
{
	plugin_counter_add(session, plugin->sessions, 1);
	if (responder_port(session) != plugin->blocked_port)
		return;
	session_reject(session, STELLAR_REPLY_NONE);
	plugin_counter_add(session, plugin->blocked, 1);
}

static void handle_closing(struct session *session, const struct new_plugin_session *seen)
{
	char text[LOG_SIZE];
	int length = snprintf(text, sizeof(text), "port %u, packets: %u", responder_port(session),
			      seen->packets);

	session_log(session, STELLAR_LOG_INFO, text, (size_t)length);
}

static void handle_event(struct session *session, void *context)
{
	struct new_plugin_session *seen = context;

	switch (session_get_event(session)->type) {
	case STELLAR_EVENT_SESSION_OPENING:
		handle_opening(session, pm_session_plugin_state(session));
		break;
	case STELLAR_EVENT_SESSION_PACKET:
		seen->packets++;
		break;
	case STELLAR_EVENT_SESSION_CLOSING:
		handle_closing(session, seen);
		break;
	}
}

static int read_port(struct plugin_host *host, uint16_t *ret_port)
{
	const char *text = plugin_get_setting(host, "blocked_port");
	char *end;

	if (text == NULL)
		return 0;
	unsigned long port = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || port < 1 || port > UINT16_MAX) {
		plugin_log(host, STELLAR_LOG_ERROR, "blocked_port: expected 1 to 65535, found %s",
			   text);
		return -EINVAL;
	}
	*ret_port = (uint16_t)port;
	return 0;
}

static int load(struct plugin_host *host, void **ret_state)
{
	struct new_plugin *plugin = calloc(1, sizeof(*plugin));

	if (plugin == NULL)
		return -ENOMEM;
	plugin->blocked_port = PORT_TELNET;
	plugin->sessions = plugin_counter_create(host, "sessions");
	plugin->blocked = plugin_counter_create(host, "blocked");

	int result = read_port(host, &plugin->blocked_port);

	if (result == 0 && (plugin->sessions < 0 || plugin->blocked < 0))
		result = -ENOMEM;
	if (result != 0) {
		free(plugin);
		return result;
	}
	*ret_state = plugin;
	return 0;
}

static void unload(struct plugin_host *host, void *state)
{
	(void)host;
	free(state);
}

static const char *const settings[] = {"blocked_port", NULL};

STELLAR_PUBLIC extern const struct plugin stellar_plugin;

const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "new_plugin",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING),
	.context_size = sizeof(struct new_plugin_session),
	.fail_action = STELLAR_FAIL_OPEN,
	.settings = settings,
	.load = load,
	.unload = unload,
	.entry = handle_event,
};
