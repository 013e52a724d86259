// SPDX-License-Identifier: Apache-2.0

// Example: ends TCP sessions of clients that connect and then say nothing. idle_guard.lua is the
// same plugin in Lua; a test holds them to one expected output.
//
// Setting: idle_ms, how long after the handshake the client may be silent (5000). Then a line tells
// of it, and the session is reset with its next packet.
//
// Events: session_active, session_packet, timer. Context: is_idle. Counters: watched, idle.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <stellar/plugin.h>
#include <stellar/timer.h>

#define PROTOCOL_TCP 6
#define IDLE_MS 5000
#define IDLE_MS_MAX 86400000ul

struct idle_session {
	bool is_idle;
};

enum { WATCHED, IDLE }; // ids of counters, in the order in which load makes them

static uint32_t idle_ms;

static int load(struct plugin_host *host, void **ret_state)
{
	const char *text = plugin_get_setting(host, "idle_ms");
	char *end = NULL;
	unsigned long value = text != NULL ? strtoul(text, &end, 10) : IDLE_MS;

	if (value < 1 || value > IDLE_MS_MAX || (end != NULL && *end != '\0')) {
		plugin_log(host, STELLAR_LOG_ERROR, "idle_ms: expected 1 to %lu", IDLE_MS_MAX);
		return -EINVAL;
	}
	idle_ms = (uint32_t)value;
	int result = plugin_counter_create(host, "watched");

	return result == WATCHED ? plugin_counter_create(host, "idle") - IDLE : result;
}

static void watch(struct session *session)
{
	if (session_get_protocol(session) == PROTOCOL_TCP && timer_start(session, idle_ms) == 0)
		plugin_counter_add(session, WATCHED, 1);
}

static void judge(struct session *session, const struct idle_session *context,
		  const struct event *event)
{
	size_t length;

	packet_get_payload(event->packet, &length);
	if (context->is_idle)
		session_reject(session, STELLAR_REPLY_RST);
	else if (event->direction == STELLAR_FORWARD && length > 0)
		pm_session_detach_me(session); // which stops the timer
}

static void tell(struct session *session, struct idle_session *context)
{
	char text[STELLAR_LOG_TEXT_MAX];
	int length = snprintf(text, sizeof(text), "silent for %u ms after its handshake", idle_ms);

	context->is_idle = true;
	plugin_counter_add(session, IDLE, 1);
	session_log(session, STELLAR_LOG_WARNING, text, (size_t)length);
}

static void hear(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);

	if (event->type == STELLAR_EVENT_SESSION_ACTIVE)
		watch(session);
	else if (event->type == STELLAR_EVENT_SESSION_PACKET)
		judge(session, context, event);
	else
		tell(session, context);
}

static const char *const settings[] = {"idle_ms", NULL};

STELLAR_PUBLIC const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "idle_guard",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_ACTIVE) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_TIMER),
	.context_size = sizeof(struct idle_session),
	.fail_action = STELLAR_FAIL_OPEN,
	.settings = settings,
	.load = load,
	.entry = hear,
};
