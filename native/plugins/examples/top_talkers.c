// SPDX-License-Identifier: Apache-2.0

// Example: tells each second who sent the most bytes. top_talkers.lua is the same plugin in Lua; a
// test holds them to one expected output.
//
// Each worker has a table of its own, and a tick that tells of the largest and empties it. When it
// is full a new source takes the place of the smallest, and its bytes with it (Metwally et al.,
// Space-Saving): who sent more than 1 / sources of all bytes is in it; what is told of a source is
// never too low, and too high by the bytes of the smallest at most.
//
// Settings: sources, how many a table has room for (256); top, how many are told of (5).
// Events: session_packet. Counters: bytes, evicted.

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/packet.h>
#include <stellar/plugin.h>

#define SOURCES 256
#define SOURCES_MAX 4096ul
#define TOP 5
#define TOP_MAX 10ul
#define TICK_MS 1000
#define CHAINS 1024
#define HASH_PRIME 16777619u // FNV-1

struct source {
	struct ip_address address;
	uint64_t bytes;
	uint32_t next; // in its chain: place + 1; 0: the last
};

// Of one worker.
struct talkers {
	uint32_t chains[CHAINS]; // by address: place + 1; 0: none
	uint32_t count;
	struct source sources[]; // in the order in which they got their places
};

enum { BYTES, EVICTED }; // ids of counters, in the order in which load makes them

static uint32_t room, top;

static bool read_setting(struct plugin_host *host, const char *key, unsigned long otherwise,
			 unsigned long maximum, uint32_t *ret_value)
{
	const char *text = plugin_get_setting(host, key);
	char *end = NULL;
	unsigned long value = text != NULL ? strtoul(text, &end, 10) : otherwise;

	*ret_value = (uint32_t)value;
	if (value >= 1 && value <= maximum && (end == NULL || *end == '\0'))
		return true;
	plugin_log(host, STELLAR_LOG_ERROR, "%s: expected 1 to %lu", key, maximum);
	return false;
}

static int load(struct plugin_host *host, void **ret_state)
{
	if (!read_setting(host, "sources", SOURCES, SOURCES_MAX, &room) ||
	    !read_setting(host, "top", TOP, TOP_MAX, &top))
		return -EINVAL;
	int result = plugin_counter_create(host, "bytes");

	return result == BYTES ? plugin_counter_create(host, "evicted") - EVICTED : result;
}

static int begin(struct plugin_host *host, void *state, uint32_t worker_id, void **ret_worker_state)
{
	*ret_worker_state = calloc(1, sizeof(struct talkers) + room * sizeof(struct source));
	return *ret_worker_state != NULL ? 0 : -ENOMEM;
}

static void end(struct plugin_host *host, void *state, void *worker_state)
{
	free(worker_state);
}

static uint32_t *chain_of(struct talkers *talkers, const struct ip_address *address)
{
	uint32_t hash = address->version;

	for (size_t i = 0; i < sizeof(address->bytes); i++)
		hash = (hash ^ address->bytes[i]) * HASH_PRIME;
	return &talkers->chains[hash % CHAINS];
}

static bool is_equal(const struct ip_address *one, const struct ip_address *other)
{
	return memcmp(one, other, sizeof(*one)) == 0; // bytes alone, no padding
}

static struct source *find_smallest(struct talkers *talkers)
{
	struct source *smallest = talkers->sources;

	for (uint32_t i = 1; i < talkers->count; i++) {
		if (talkers->sources[i].bytes < smallest->bytes)
			smallest = &talkers->sources[i];
	}
	return smallest;
}

static void leave_chain(struct talkers *talkers, const struct source *source)
{
	uint32_t *place = chain_of(talkers, &source->address);

	while (&talkers->sources[*place - 1] != source)
		place = &talkers->sources[*place - 1].next;
	*place = source->next;
}

static struct source *make_place(struct talkers *talkers, struct session *session,
				 const struct ip_address *address)
{
	struct source *source = &talkers->sources[talkers->count];
	uint32_t *chain = chain_of(talkers, address);

	if (talkers->count < room) {
		talkers->count++;
		source->bytes = 0;
	} else {
		source = find_smallest(talkers);
		leave_chain(talkers, source);
		plugin_counter_add(session, EVICTED, 1);
	}
	source->address = *address;
	source->next = *chain;
	*chain = (uint32_t)(source - talkers->sources) + 1;
	return source;
}

static void count(struct session *session, void *context)
{
	struct talkers *talkers = pm_session_worker_state(session);
	const struct packet *packet = session_get_event(session)->packet;
	struct packet_endpoint from;

	if (packet_get_source(packet, &from) != 0)
		return;
	uint32_t place = *chain_of(talkers, &from.address);

	while (place != 0 && !is_equal(&talkers->sources[place - 1].address, &from.address))
		place = talkers->sources[place - 1].next;
	struct source *source = place != 0 ? &talkers->sources[place - 1]
					   : make_place(talkers, session, &from.address);

	source->bytes += packet_get_wire_length(packet);
	plugin_counter_add(session, BYTES, packet_get_wire_length(packet));
}

static struct source *find_largest(struct talkers *talkers)
{
	struct source *largest = talkers->sources;

	for (uint32_t i = 1; i < talkers->count; i++) {
		if (talkers->sources[i].bytes > largest->bytes)
			largest = &talkers->sources[i];
	}
	return largest;
}

static void tell(struct plugin_worker *worker, void *worker_state)
{
	struct talkers *talkers = worker_state;
	char text[STELLAR_LOG_TEXT_MAX]; // room for TOP_MAX sources
	char address[INET6_ADDRSTRLEN];
	int length;

	if (talkers->count == 0)
		return;
	length = snprintf(text, sizeof(text), "%u sources", talkers->count);
	for (uint32_t i = 0; i < top && i < talkers->count; i++) {
		struct source *source = find_largest(talkers);

		inet_ntop(source->address.version == 4 ? AF_INET : AF_INET6, source->address.bytes,
			  address, sizeof(address));
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%s %s %" PRIu64,
				   i == 0 ? ":" : ",", address, source->bytes);
		source->bytes = 0; // it was told of
	}
	plugin_worker_log(worker, STELLAR_LOG_INFO, text, (size_t)length);
	memset(talkers->chains, 0, sizeof(talkers->chains));
	talkers->count = 0;
}

static const char *const settings[] = {"sources", "top", NULL};

STELLAR_PUBLIC const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "top_talkers",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET),
	.fail_action = STELLAR_FAIL_OPEN,
	.settings = settings,
	.load = load,
	.entry = count,
	.worker_init = begin,
	.worker_fini = end,
	.tick_ms = TICK_MS,
	.tick = tell,
};
