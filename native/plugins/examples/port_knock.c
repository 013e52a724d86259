// SPDX-License-Identifier: Apache-2.0

// Example: a port that is shut until its client has knocked on three others, in order.
// port_knock.lua is the same plugin in Lua; a test holds them to one expected output.
//
// Events: session_opening of TCP and UDP. Raises: opened, with the port that was opened as text.
// Settings: first, second, third (ports, 7000, 8000, 9000), guarded (22), timeout_ms (10000: from
// the first knock to the third, and from there to sessions that are let in).
// Who knocks on which server is state beside sessions: it is each worker's own, the oldest of
// SOURCES_MAX is forgotten. A client's sessions with one server have one worker.
// Counters: knocks, opened, let_in, refused.

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/packet.h>
#include <stellar/plugin.h>

#define KNOCKS 3
#define SOURCES_MAX 256
#define PORT_MAX 65535
#define TIMEOUT_MAX_MS 3600000
#define TCP 6
#define UDP 17

enum counter {
	KNOCKED,
	OPENED,
	LET_IN,
	REFUSED,
	COUNTER_COUNT,
};

static const char *const counter_names[COUNTER_COUNT] = {"knocks", "opened", "let_in", "refused"};

struct settings {
	uint16_t knocks[KNOCKS];
	uint16_t guarded;
	uint32_t timeout_ms;
	int opened_id;
};

struct source {
	struct ip_address client;
	struct ip_address server;
	uint64_t since_ms; // first knock, or the last when it is open
	uint8_t stage; // knocks that were right; KNOCKS: open
};

struct sources {
	uint32_t next; // slot to use
	struct source slots[SOURCES_MAX];
};

static bool are_equal(const struct ip_address *left, const struct ip_address *right)
{
	size_t length = left->version == 4 ? 4 : sizeof(left->bytes);

	return left->version == right->version && memcmp(left->bytes, right->bytes, length) == 0;
}

static struct source *find(struct sources *sources, const struct ip_address *client,
			   const struct ip_address *server)
{
	for (uint32_t i = 0; i < SOURCES_MAX; i++) {
		struct source *source = &sources->slots[i];

		if (are_equal(&source->client, client) && are_equal(&source->server, server))
			return source;
	}
	return NULL;
}

static struct source *need(struct sources *sources, const struct ip_address *client,
			   const struct ip_address *server)
{
	struct source *source = find(sources, client, server);

	if (source != NULL)
		return source;
	source = &sources->slots[sources->next];
	sources->next = (sources->next + 1) % SOURCES_MAX;
	*source = (struct source){.client = *client, .server = *server};
	return source;
}

static bool is_knock(const struct settings *settings, uint16_t port)
{
	return port == settings->knocks[0] || port == settings->knocks[1] ||
	       port == settings->knocks[2];
}

// Returns whether this knock opened the port.
static bool knock(const struct settings *settings, struct source *source, uint16_t port,
		  uint64_t now_ms)
{
	if (source->stage > 0 && now_ms - source->since_ms > settings->timeout_ms)
		source->stage = 0;
	if (source->stage == KNOCKS)
		return false;
	if (port == settings->knocks[source->stage])
		source->stage++;
	else
		source->stage = port == settings->knocks[0];
	if (source->stage == 1 || source->stage == KNOCKS)
		source->since_ms = now_ms;
	return source->stage == KNOCKS;
}

static void judge(struct session *session, const struct settings *settings,
		  const struct source *source, uint64_t now_ms)
{
	if (source != NULL && source->stage == KNOCKS &&
	    now_ms - source->since_ms <= settings->timeout_ms) {
		plugin_counter_add(session, LET_IN, 1);
		return;
	}
	plugin_counter_add(session, REFUSED, 1);
	session_reject(session, STELLAR_REPLY_NONE);
}

static void tell(struct session *session, const struct settings *settings)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "opened %u", settings->guarded);

	plugin_counter_add(session, OPENED, 1);
	session_log(session, STELLAR_LOG_INFO, text, (size_t)length);
	length = snprintf(text, sizeof(text), "%u", settings->guarded);
	session_raise_event(session, settings->opened_id, text, (size_t)length);
}

static void knock_event(struct session *session, void *context)
{
	const struct settings *settings = pm_session_plugin_state(session);
	struct sources *sources = pm_session_worker_state(session);
	uint64_t now_ms = session_get_event(session)->time_ns / 1000000;
	struct packet_endpoint client;
	struct packet_endpoint server;

	if (session_get_protocol(session) != TCP && session_get_protocol(session) != UDP)
		return;
	session_get_originator(session, &client);
	session_get_responder(session, &server);
	if (server.port == settings->guarded) {
		judge(session, settings, find(sources, &client.address, &server.address), now_ms);
		return;
	}
	if (!is_knock(settings, server.port))
		return;
	plugin_counter_add(session, KNOCKED, 1);
	if (knock(settings, need(sources, &client.address, &server.address), server.port, now_ms))
		tell(session, settings);
}

// Returns a setting from 1 to maximum, or 0: it was something else.
static uint32_t read_setting(struct plugin_host *host, const char *key, uint32_t initial,
			     uint32_t maximum)
{
	const char *text = plugin_get_setting(host, key);
	char *end;

	if (text == NULL)
		return initial;
	unsigned long value = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && *end == '\0' && value >= 1 && value <= maximum)
		return (uint32_t)value;
	plugin_log(host, STELLAR_LOG_ERROR, "%s: expected 1 to %u, found %s", key, maximum, text);
	return 0;
}

static int load(struct plugin_host *host, void **ret_state)
{
	const struct settings settings = {
		.knocks =
			{
				(uint16_t)read_setting(host, "first", 7000, PORT_MAX),
				(uint16_t)read_setting(host, "second", 8000, PORT_MAX),
				(uint16_t)read_setting(host, "third", 9000, PORT_MAX),
			},
		.guarded = (uint16_t)read_setting(host, "guarded", 22, PORT_MAX),
		.timeout_ms = read_setting(host, "timeout_ms", 10000, TIMEOUT_MAX_MS),
		.opened_id = plugin_get_derived_id(host, "opened"),
	};

	if (settings.knocks[0] == 0 || settings.knocks[1] == 0 || settings.knocks[2] == 0 ||
	    settings.guarded == 0 || settings.timeout_ms == 0)
		return -EINVAL;
	for (int i = 0; i < COUNTER_COUNT; i++) {
		int id = plugin_counter_create(host, counter_names[i]);

		if (id < 0)
			return id;
	}
	struct settings *kept = malloc(sizeof(*kept));

	if (kept == NULL)
		return -ENOMEM;
	*kept = settings;
	*ret_state = kept;
	return 0;
}

static void unload(struct plugin_host *host, void *state)
{
	free(state);
}

static int worker_init(struct plugin_host *host, void *state, uint32_t worker_id,
		       void **ret_worker_state)
{
	*ret_worker_state = calloc(1, sizeof(struct sources));
	return *ret_worker_state != NULL ? 0 : -ENOMEM;
}

static void worker_fini(struct plugin_host *host, void *state, void *worker_state)
{
	free(worker_state);
}

STELLAR_PUBLIC extern const struct plugin stellar_plugin;

const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "port_knock",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING),
	.fail_action = STELLAR_FAIL_CLOSED,
	.load = load,
	.unload = unload,
	.entry = knock_event,
	.settings =
		(const char *const[]){"first", "second", "third", "guarded", "timeout_ms", NULL},
	.raises = (const char *const[]){"opened", NULL},
	.worker_init = worker_init,
	.worker_fini = worker_fini,
};
