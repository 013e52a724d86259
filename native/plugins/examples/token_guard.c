// SPDX-License-Identifier: Apache-2.0

// Example: looks for a word in the bytes of TCP sessions, wherever segments cut it, and blocks the
// sessions that carry it. token_guard.lua is the same plugin in Lua; a test holds them to one
// expected output.
//
// Events: tcp_data, tcp_gap. It reads with stream_peek: whatever could still become the word stays
// in the stream until more bytes come, the rest is skipped. A direction is read up to DEPTH_BYTES.
// Counters: bytes (searched), found, gaps.

#include <errno.h>
#include <string.h>

#include <stellar/plugin.h>
#include <stellar/stream.h>

#define TOKEN "stellar-forbidden"
#define TOKEN_LENGTH (sizeof(TOKEN) - 1)
#define DEPTH_BYTES 65536

enum counter {
	BYTES,
	FOUND,
	GAPS,
	COUNTER_COUNT,
};

static const char *const counter_names[COUNTER_COUNT] = {"bytes", "found", "gaps"};

static bool has_token(const uint8_t *data, size_t length)
{
	for (; length >= TOKEN_LENGTH; data++, length--) {
		if (memcmp(data, TOKEN, TOKEN_LENGTH) == 0)
			return true;
	}
	return false;
}

static void search(struct session *session, const struct event *event)
{
	enum stellar_direction direction = (enum stellar_direction)event->direction;
	const uint8_t *data;
	size_t length;
	int result = stream_peek(session, direction, &data, &length);

	if (result == -EOVERFLOW) // told of the gap; go on behind it
		result = stream_peek(session, direction, &data, &length);
	if (result != 0)
		return;
	if (event->stream_offset == 0)
		stream_set_depth(session, direction, DEPTH_BYTES);
	if (has_token(data, length)) {
		plugin_counter_add(session, FOUND, 1);
		session_reject(session, STELLAR_REPLY_NONE);
	}
	if (length < TOKEN_LENGTH)
		return;
	plugin_counter_add(session, BYTES, length - (TOKEN_LENGTH - 1));
	stream_skip(session, direction, length - (TOKEN_LENGTH - 1));
}

static void guard_event(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);

	if (event->type == STELLAR_EVENT_TCP_DATA)
		search(session, event);
	else
		plugin_counter_add(session, GAPS, 1);
}

static int load(struct plugin_host *host, void **ret_state)
{
	for (int i = 0; i < COUNTER_COUNT; i++) {
		int id = plugin_counter_create(host, counter_names[i]);

		if (id < 0)
			return id;
	}
	*ret_state = NULL;
	return 0;
}

STELLAR_PUBLIC extern const struct plugin stellar_plugin;

const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "token_guard",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_GAP),
	.fail_action = STELLAR_FAIL_CLOSED,
	.load = load,
	.entry = guard_event,
};
