// SPDX-License-Identifier: Apache-2.0

#include "engine/icmp_stage.h"

#include <string.h>

#include "engine/plugin_wave.h"
#include "engine/tunnel_stage.h"
#include "engine/worker.h"
#include "packet/icmp_quote.h"

#define PROTOCOL_TCP 6

// Key of the packet that was quoted, as when it came by.
static bool make_key(const struct packet *packet, const struct icmp_quote *quote,
		     struct session_key *ret_key)
{
	const struct packet quoted = {
		.ip_version = quote->source.version,
		.protocol = quote->protocol,
		.has_transport = true,
		.source_port = quote->source_port,
		.destination_port = quote->destination_port,
		.icmp_type = quote->icmp_type,
		.icmp_code = quote->icmp_code,
		.tag = packet->tag,
		.source = quote->source,
		.destination = quote->destination,
	};

	return session_key_from_packet(&quoted, ret_key) == 0;
}

static bool is_between(uint32_t first, uint32_t value, uint32_t last)
{
	return value - first <= last - first;
}

static bool is_believable(const struct session_hot *hot, const struct packet *packet,
			  const struct icmp_quote *quote, uint8_t quoted_direction)
{
	uint8_t answering = quoted_direction ^ 1;

	if (memcmp(&packet->destination, &quote->source, sizeof(quote->source)) != 0)
		return false;
	return quote->protocol != PROTOCOL_TCP ||
	       is_between(hot->acked[answering], quote->sequence, hot->seq_end[quoted_direction]);
}

static void refuse(struct worker *worker, struct packet *packet)
{
	packet->decode_events |= STELLAR_DECODE_BIT(STELLAR_DECODE_ICMP_QUOTE_INVALID);
	worker->ledger.decode_events[STELLAR_DECODE_ICMP_QUOTE_INVALID]++;
	packet->verdict.disposition = STELLAR_DROP;
	packet->verdict.drop_reason = STELLAR_DROPPED_ICMP_INVALID;
}

static void raise_packet(struct worker *worker)
{
	const struct event event = {
		.type = STELLAR_EVENT_SESSION_PACKET,
		.direction = worker->current.direction,
		.time_ns = worker->now_ns,
		.packet = worker->current.packet,
	};

	if (plugin_wants(worker, STELLAR_EVENT_SESSION_PACKET))
		plugin_queue(worker, &event, NULL);
	else
		worker->ledger.events[STELLAR_EVENT_SESSION_PACKET]++;
}

bool icmp_stage(struct worker *worker, struct packet *packet)
{
	struct session_table *table = worker->table;
	struct session *session = &worker->current;
	struct icmp_quote quote;
	struct session_key key;

	if (icmp_quote_parse(packet, &quote) != 0 || !make_key(packet, &quote, &key))
		return false;
	uint32_t index =
		session_table_lookup(table, &key, session_table_hash(table, &key), SESSION_NONE);

	if (index == SESSION_NONE)
		return false;
	plugin_wave_end_before(worker);
	uint8_t quoted_direction = (uint8_t)session_table_get_direction(table, index, &key);

	session_table_begin_change(table, index);
	session_view(worker, index, session);
	session->packet = packet;
	session->direction = quoted_direction ^ 1;
	defragment_stage_count(worker, session, packet);
	packet->verdict.session_state = session->hot->state;
	packet->verdict.tcp_state = session->hot->tcp_state;
	tunnel_stage_raise(worker);
	if (is_believable(session->hot, packet, &quote, quoted_direction))
		raise_packet(worker);
	else
		refuse(worker, packet);
	return true;
}
