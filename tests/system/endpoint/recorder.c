// SPDX-License-Identifier: Apache-2.0

// A plugin that writes down each call as a line of JSON, bytes in hex, into the file that
// STELLAR_TEST_RECORDS names. EVENTS: what it needs; inspection.py compiles it.

#include <stdio.h>
#include <stdlib.h>

#include <stellar/packet.h>
#include <stellar/plugin.h>

static int load(struct plugin_host *host, void **ret_state)
{
	FILE *records = fopen(getenv("STELLAR_TEST_RECORDS"), "w");

	if (records == NULL)
		return -1;
	*ret_state = records;
	return 0;
}

static void unload(struct plugin_host *host, void *state)
{
	fclose(state);
}

static void fill_ports(const struct session *session, const struct packet *packet,
		       struct packet_endpoint *ret_source, struct packet_endpoint *ret_destination)
{
	if (packet != NULL && packet_get_source(packet, ret_source) == 0 &&
	    packet_get_destination(packet, ret_destination) == 0)
		return;
	session_get_originator(session, ret_source);
	session_get_responder(session, ret_destination);
}

static void record(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);
	struct packet_endpoint source = {0};
	struct packet_endpoint destination = {0};
	const uint8_t *data = event->data;
	size_t length = event->data_length;
	FILE *records = pm_session_plugin_state(session);

	fill_ports(session, event->packet, &source, &destination);
	if (event->type == STELLAR_EVENT_SESSION_PACKET)
		data = packet_get_payload(event->packet, &length);
	fprintf(records,
		"{\"event\":\"%s\",\"session\":%llu,\"direction\":%u,\"protocol\":%u,"
		"\"source_port\":%u,\"destination_port\":%u,\"offset\":%llu,\"length\":%zu,"
		"\"data\":\"",
		stellar_event_name(event->type), (unsigned long long)session_get_id(session),
		event->direction, session_get_protocol(session), source.port, destination.port,
		(unsigned long long)event->stream_offset, length);
	for (size_t i = 0; data != NULL && i < length; i++)
		fprintf(records, "%02x", data[i]);
	fprintf(records, "\"}\n");
}

STELLAR_PUBLIC extern const struct plugin stellar_plugin;

const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER, .name = "recorder", .version = "1",  .events = EVENTS,
	.load = load,	       .unload = unload,   .entry = record,
};
