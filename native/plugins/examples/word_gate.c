// SPDX-License-Identifier: Apache-2.0

// Example: holds what a client sends to UDP port 9000 until its session says the word.
// word_gate.lua is the same plugin in Lua; a test holds them to one expected output.
//
// "open": what was held goes its way, and so does the rest. "shut": it is dropped, and the session
// blocked. Neither within HOLD_MS: it is dropped.
//
// Events: session_packet. Context: is_open. Counters: held, released.

#include <string.h>

#include <stellar/packet.h>
#include <stellar/plugin.h>

#define PORT 9000
#define HOLD_MS 200
#define WORD_SIZE 4

struct gate {
	bool is_open;
};

enum { HELD, RELEASED }; // ids of counters, in the order in which load makes them

static int load(struct plugin_host *host, void **ret_state)
{
	int result = plugin_counter_create(host, "held");

	return result == HELD ? plugin_counter_create(host, "released") - RELEASED : result;
}

static bool is_word(const uint8_t *payload, size_t length, const char *word)
{
	return length == WORD_SIZE && memcmp(payload, word, WORD_SIZE) == 0;
}

static void release(struct session *session, enum stellar_disposition disposition)
{
	plugin_counter_add(session, RELEASED, (uint64_t)session_release(session, disposition));
}

static void judge(struct session *session, void *context)
{
	const struct packet *packet = session_get_event(session)->packet;
	struct gate *gate = context;
	struct packet_endpoint destination;
	struct verdict_request request = {.disposition = STELLAR_HOLD, .hold_ms = HOLD_MS};
	size_t length;
	const uint8_t *payload = packet_get_payload(packet, &length);

	if (gate->is_open || packet_get_destination(packet, &destination) != 0 ||
	    destination.port != PORT)
		return;
	if (is_word(payload, length, "open")) {
		gate->is_open = true;
		release(session, STELLAR_PASS);
		return;
	}
	if (is_word(payload, length, "shut")) {
		release(session, STELLAR_DROP);
		request = (struct verdict_request){.disposition = STELLAR_DROP, .block = true};
	} else {
		plugin_counter_add(session, HELD, 1);
	}
	session_set_verdict(session, &request);
}

STELLAR_PUBLIC const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "word_gate",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET),
	.context_size = sizeof(struct gate),
	.fail_action = STELLAR_FAIL_CLOSED,
	.load = load,
	.entry = judge,
};
