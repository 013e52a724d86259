// SPDX-License-Identifier: Apache-2.0

// Example: counts sessions, packets and bytes by protocol, and blocks telnet. session_logger.lua is
// the same plugin in Lua; a test holds them to one expected output.
//
// Events: session_opening, session_packet, session_closing. Context: packets seen of the session.
// Metadata: session_logger.service, the text "telnet", on the sessions it blocks.
// Counters: sessions_P, packets_P, bytes_P for P of tcp, udp, icmp, other; blocked; replied
// (sessions in which both sides spoke); packets_long (packets of sessions that have 10 or more).

#include <string.h>

#include <stellar/plugin.h>

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMPV6 58
#define PORT_TELNET 23
#define LONG_SESSION_PACKETS 10

#define SERVICE_KEY "session_logger.service"
#define SERVICE_TELNET "telnet"

enum protocol_class {
	CLASS_TCP,
	CLASS_UDP,
	CLASS_ICMP,
	CLASS_OTHER,
	CLASS_COUNT,
};

// Counter ids: the engine gives them in the order of creation.
enum counter {
	SESSIONS = 0,
	PACKETS = SESSIONS + CLASS_COUNT,
	BYTES = PACKETS + CLASS_COUNT,
	BLOCKED = BYTES + CLASS_COUNT,
	REPLIED,
	PACKETS_LONG,
	COUNTER_COUNT,
};

static const char *const counter_names[COUNTER_COUNT] = {
	"sessions_tcp", "sessions_udp", "sessions_icmp", "sessions_other", "packets_tcp",
	"packets_udp",	"packets_icmp", "packets_other", "bytes_tcp",	   "bytes_udp",
	"bytes_icmp",	"bytes_other",	"blocked",	 "replied",	   "packets_long",
};

struct logger_session {
	uint32_t packets;
};

static enum protocol_class classify(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_TCP:
		return CLASS_TCP;
	case PROTOCOL_UDP:
		return CLASS_UDP;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		return CLASS_ICMP;
	default:
		return CLASS_OTHER;
	}
}

static void log_opening(struct session *session)
{
	struct packet_endpoint responder;

	plugin_counter_add(session, SESSIONS + classify(session_get_protocol(session)), 1);
	session_get_responder(session, &responder);
	if (session_get_protocol(session) != PROTOCOL_TCP || responder.port != PORT_TELNET)
		return;
	session_copy_metadata(session, SERVICE_KEY, SERVICE_TELNET, strlen(SERVICE_TELNET));
	session_reject(session, STELLAR_REPLY_NONE);
	plugin_counter_add(session, BLOCKED, 1);
}

static void log_closing(struct session *session, const struct logger_session *seen)
{
	enum protocol_class class = classify(session_get_protocol(session));
	uint64_t reverse = session_get_packets(session, STELLAR_REVERSE);

	plugin_counter_add(session, PACKETS + class,
			   session_get_packets(session, STELLAR_FORWARD) + reverse);
	plugin_counter_add(session, BYTES + class,
			   session_get_bytes(session, STELLAR_FORWARD) +
				   session_get_bytes(session, STELLAR_REVERSE));
	if (reverse > 0)
		plugin_counter_add(session, REPLIED, 1);
	if (seen->packets >= LONG_SESSION_PACKETS)
		plugin_counter_add(session, PACKETS_LONG, seen->packets);
}

static void log_event(struct session *session, void *context)
{
	struct logger_session *seen = context;

	switch (session_get_event(session)->type) {
	case STELLAR_EVENT_SESSION_OPENING:
		log_opening(session);
		break;
	case STELLAR_EVENT_SESSION_PACKET:
		seen->packets++;
		break;
	case STELLAR_EVENT_SESSION_CLOSING:
		log_closing(session, seen);
		break;
	}
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
	.name = "session_logger",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING),
	.context_size = sizeof(struct logger_session),
	.fail_action = STELLAR_FAIL_OPEN,
	.load = load,
	.entry = log_event,
};
