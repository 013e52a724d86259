// SPDX-License-Identifier: Apache-2.0

// Example: knows which sessions TFTP transfers are (RFC 1350). The server answers a request from a
// port of its own, so the transfer is another session: the plugin announces it, and it arrives as a
// child of the request's. tftp.lua is the same plugin in Lua; a test holds them to one expected
// output.
//
// Events: udp_data, child_opening, session_closing. Context: none.
// Metadata: tftp.file, the name of the file, on the request's session and on the transfer's.
// Counters: reads, writes, malformed (requests); refused (announcements); transfers, bytes (those
// of transfers that have closed).

#include <string.h>

#include <stellar/expect.h>
#include <stellar/plugin.h>

#define PROTOCOL_UDP 17
#define PORT_TFTP 69
#define OPCODE_READ 1
#define OPCODE_WRITE 2
#define OPCODE_SIZE 2
#define ANSWER_MS 5000

#define FILE_KEY "tftp.file"

// Counter ids: the engine gives them in the order of creation.
enum counter {
	READS,
	WRITES,
	MALFORMED,
	REFUSED,
	TRANSFERS,
	BYTES,
	COUNTER_COUNT,
};

static const char *const counter_names[COUNTER_COUNT] = {
	"reads", "writes", "malformed", "refused", "transfers", "bytes",
};

// Length of the file name of a request, 0 when it is none.
static size_t get_file_length(const uint8_t *data, size_t length)
{
	if (length <= OPCODE_SIZE || data[0] != 0 ||
	    (data[1] != OPCODE_READ && data[1] != OPCODE_WRITE))
		return 0;
	const uint8_t *file = data + OPCODE_SIZE;
	const uint8_t *ending = memchr(file, '\0', length - OPCODE_SIZE);

	return ending != NULL ? (size_t)(ending - file) : 0;
}

static void announce_transfer(struct session *session)
{
	struct packet_endpoint client;
	struct packet_endpoint server;

	session_get_originator(session, &client);
	session_get_responder(session, &server);
	server.port = 0;
	if (expect_session(session, PROTOCOL_UDP, &server, &client, ANSWER_MS) != 0)
		plugin_counter_add(session, REFUSED, 1);
}

static void read_data(struct session *session, const struct event *event)
{
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	if (responder.port != PORT_TFTP || event->direction != STELLAR_FORWARD)
		return;
	size_t file_length = get_file_length(event->data, event->data_length);

	if (file_length == 0) {
		plugin_counter_add(session, MALFORMED, 1);
		return;
	}
	plugin_counter_add(session, event->data[1] == OPCODE_READ ? READS : WRITES, 1);
	session_copy_metadata(session, FILE_KEY, event->data + OPCODE_SIZE, file_length);
	announce_transfer(session);
}

static void name_child(struct session *session, struct session *child)
{
	void *file;
	size_t length;

	if (session_get_metadata(session, FILE_KEY, &file, &length) == 0)
		session_copy_metadata(child, FILE_KEY, file, length);
}

static void count_transfer(struct session *session)
{
	if (session_get_parent(session) == NULL ||
	    session_get_metadata(session, FILE_KEY, NULL, NULL) != 0)
		return;
	plugin_counter_add(session, TRANSFERS, 1);
	plugin_counter_add(session, BYTES,
			   session_get_bytes(session, STELLAR_FORWARD) +
				   session_get_bytes(session, STELLAR_REVERSE));
}

static void follow(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);

	switch (event->type) {
	case STELLAR_EVENT_UDP_DATA:
		read_data(session, event);
		break;
	case STELLAR_EVENT_CHILD_OPENING:
		name_child(session, event->child);
		break;
	case STELLAR_EVENT_SESSION_CLOSING:
		count_transfer(session);
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
	.name = "tftp",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_CHILD_OPENING) |
		  STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING),
	.fail_action = STELLAR_FAIL_OPEN,
	.load = load,
	.entry = follow,
};
