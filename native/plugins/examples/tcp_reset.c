// SPDX-License-Identifier: Apache-2.0

// Example: resets both sides of unwanted TCP sessions, and blocks them. tcp_reset.lua is the same
// plugin in Lua; a test holds them to one expected output.
//
// Unwanted is a session to the port of the setting `port`, from its first packet on, and one in
// which a segment to the responder begins with the bytes of the setting `word`. A verdict's reply
// (STELLAR_REPLY_RST) answers the sender of the packet in hand alone; here the other side hears of
// it, too.
//
// Events: session_packet. Counters: reset, failed.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/inject.h>
#include <stellar/packet.h>
#include <stellar/plugin.h>

#define PROTOCOL_TCP 6
#define WORD_MAX 64

struct reset_settings {
	uint16_t port; // 0: none
	size_t word_length; // 0: none
	char word[WORD_MAX];
};

enum { RESET, FAILED }; // ids of counters, in the order in which load makes them

static int read_port(const char *text, uint16_t *ret_port)
{
	char *end;
	long port = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || port < 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

static int read_settings(const struct plugin_host *host, struct reset_settings *settings)
{
	const char *port = plugin_get_setting(host, "port");
	const char *word = plugin_get_setting(host, "word");

	if (port != NULL && read_port(port, &settings->port) != 0)
		return -EINVAL;
	if (word == NULL)
		return 0;
	settings->word_length = strlen(word);
	if (settings->word_length > WORD_MAX)
		return -EINVAL;
	memcpy(settings->word, word, settings->word_length);
	return 0;
}

static int load(struct plugin_host *host, void **ret_state)
{
	struct reset_settings *settings = calloc(1, sizeof(*settings));

	if (settings == NULL)
		return -ENOMEM;
	int result = read_settings(host, settings);

	if (result == 0 && (plugin_counter_create(host, "reset") != RESET ||
			    plugin_counter_create(host, "failed") != FAILED))
		result = -ENOSPC;
	if (result != 0) {
		free(settings);
		return result;
	}
	*ret_state = settings;
	return 0;
}

static void unload(struct plugin_host *host, void *state)
{
	free(state);
}

static bool is_unwanted(const struct reset_settings *settings, const struct session *session,
			const struct event *event)
{
	struct packet_endpoint responder;
	size_t length;
	const uint8_t *payload = packet_get_payload(event->packet, &length);

	session_get_responder(session, &responder);
	if (settings->port != 0 && responder.port == settings->port)
		return true;
	return event->direction == STELLAR_FORWARD && settings->word_length > 0 &&
	       length >= settings->word_length &&
	       memcmp(payload, settings->word, settings->word_length) == 0;
}

static void judge(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);

	if (session_get_protocol(session) != PROTOCOL_TCP ||
	    !is_unwanted(pm_session_plugin_state(session), session, event))
		return;
	bool is_done = inject_rst(session, STELLAR_DIRECTION_COUNT) == 0;

	plugin_counter_add(session, is_done ? RESET : FAILED, 1);
	session_reject(session, STELLAR_REPLY_NONE);
}

STELLAR_PUBLIC const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "tcp_reset",
	.version = "1",
	.settings = (const char *const[]){"port", "word", NULL},
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET),
	.fail_action = STELLAR_FAIL_CLOSED,
	.load = load,
	.unload = unload,
	.entry = judge,
};
