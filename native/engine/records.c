// SPDX-License-Identifier: Apache-2.0

// Fills event records from what the worker has in hand. Copies: the writer runs later, when the
// packet and the session may be gone. In replay the ring is drained here as soon as it is full, so
// that nothing is ever lost. Worker's thread.

#include <errno.h>
#include <string.h>

#include "engine/plugin_wave.h"
#include "engine/spread_replay.h"
#include "engine/worker.h"
#include "packet/tunnel.h"

static struct output_record *reserve_in_ring(struct worker *worker)
{
	struct output *output = &worker->engine->output;
	struct output_ring *ring = &worker->output_ring;

	if (output->is_synchronous && output_ring_is_full(ring)) {
		if (worker->engine->replay != NULL)
			spread_replay_make_room(worker);
		else
			output_drain(output, ring);
	}
	return output_ring_reserve(ring);
}

// What a plugin caused in a wave stays there until its packet leaves.
static void push(struct worker *worker)
{
	if (!plugin_wave_is_calling(worker))
		output_ring_push(&worker->output_ring);
}

void record_copy(struct worker *worker, const struct output_record *record)
{
	struct output_record *copy = reserve_in_ring(worker);

	if (copy == NULL)
		return;
	*copy = *record;
	if (record->type == OUTPUT_LOG) {
		char *text = output_ring_text(&worker->output_ring);

		memcpy(text, record->log.text, record->log.length);
		copy->log.text = text;
	}
	output_ring_push(&worker->output_ring);
}

static struct output_record *reserve(struct worker *worker, uint32_t eve_type,
				     enum output_type type)
{
	const struct output *output = &worker->engine->output;

	if ((output->types & eve_type) == 0)
		return NULL;
	struct output_record *record = plugin_wave_is_calling(worker) ? plugin_wave_reserve(worker)
								      : reserve_in_ring(worker);

	if (record == NULL)
		return NULL;
	memset(record, 0, sizeof(*record));
	record->time_ns = worker_get_time_ns(worker);
	record->order = worker->order;
	record->type = (uint8_t)type;
	return record;
}

// Ask the plugin whose rule it is. A rule's name is looked up in the policy in force: sessions that
// an older generation judged keep their rule number, and lose the name with the generation.
static void copy_rule_name(struct worker *worker, uint16_t plugin_id, uint32_t generation,
			   uint32_t rule_id, char *ret_name)
{
	const struct plugin_table *table = worker->plugins;

	if (worker->policy == NULL || worker->policy->generation != generation)
		return;
	for (uint16_t id = 0; id < table->plugin_count; id++) {
		const struct plugin_host *host = table->plugins[id];
		const void *prepared = host->rows[worker->id].prepared;

		if ((plugin_id != STELLAR_PLUGIN_NONE && plugin_id != id) || prepared == NULL ||
		    host->plugin->policy_rule_name == NULL)
			continue;
		const char *name = host->plugin->policy_rule_name(prepared, rule_id);

		if (name == NULL)
			continue;
		memcpy(ret_name, name, strnlen(name, OUTPUT_NAME_SIZE - 1));
		return;
	}
}

void record_session(struct worker *worker, const struct session *session, uint8_t closing_reason)
{
	struct output_record *record = reserve(worker, STELLAR_EVE_FLOW, OUTPUT_SESSION);

	if (record == NULL)
		return;
	session_record_fill(session, &record->session);
	record->closing_reason = closing_reason;
	if (record->session.rule_id != STELLAR_RULE_NONE)
		copy_rule_name(worker, STELLAR_PLUGIN_NONE, record->session.generation,
			       record->session.rule_id, record->rule_name);
	push(worker);
}

static void fill_packet(struct worker *worker, const struct packet *packet,
			struct output_packet *ret_packet)
{
	ret_packet->source.address = packet->source;
	ret_packet->destination.address = packet->destination;
	ret_packet->ip_version = packet->ip_version;
	ret_packet->protocol = packet->protocol;
	ret_packet->length = packet->frame.wire_length;
	ret_packet->vlan_count =
		(uint8_t)packet_get_vlans(packet, ret_packet->vlans, OUTPUT_VLANS_MAX);
	ret_packet->tunnel_count = packet->tunnel_count;
	packet_get_tunnel(packet, 0, &ret_packet->tunnel);
	ret_packet->ttl = packet->ttl;
	ret_packet->ingress_id = packet->ingress_id;
	ret_packet->has_transport = packet->has_transport;
	if (worker->current.packet == packet && worker->current.index != SESSION_NONE)
		ret_packet->session_id = session_table_get_id(worker->table, worker->current.index);
	if (!packet->has_transport)
		return;
	ret_packet->source.port = packet->source_port;
	ret_packet->destination.port = packet->destination_port;
	ret_packet->icmp_type = packet->icmp_type;
	ret_packet->icmp_code = packet->icmp_code;
	if (packet->protocol == 6) {
		ret_packet->tcp_flags = packet->tcp.flags;
		ret_packet->tcp_sequence = packet->tcp.sequence;
		ret_packet->tcp_acknowledgment = packet->tcp.acknowledgment;
		ret_packet->tcp_window = packet->tcp.window;
	}
}

void record_drop(struct worker *worker, const struct packet *packet)
{
	struct output_record *record = reserve(worker, STELLAR_EVE_DROP, OUTPUT_DROP);

	if (record == NULL)
		return;
	fill_packet(worker, packet, &record->drop.packet);
	record->drop.verdict = packet->verdict;
	// A plugin may name its default too; an engine's own reason has no rule to name.
	if (packet->verdict.rule_id != STELLAR_RULE_NONE ||
	    packet->verdict.drop_reason == STELLAR_DROPPED_POLICY_DEFAULT)
		copy_rule_name(worker, packet->verdict.disposition_plugin_id,
			       packet->verdict.generation, packet->verdict.rule_id,
			       record->rule_name);
	push(worker);
}

void record_anomaly(struct worker *worker, const struct packet *packet)
{
	struct output_record *record = reserve(worker, STELLAR_EVE_ANOMALY, OUTPUT_ANOMALY);

	if (record == NULL)
		return;
	fill_packet(worker, packet, &record->anomaly.packet);
	record->anomaly.decode_events = packet->decode_events;
	push(worker);
}

void record_stream_anomaly(struct worker *worker, const struct packet *packet, const char *event)
{
	struct output_record *record =
		packet != NULL ? reserve(worker, STELLAR_EVE_ANOMALY, OUTPUT_ANOMALY) : NULL;

	if (record == NULL)
		return;
	fill_packet(worker, packet, &record->anomaly.packet);
	record->anomaly.stream_event = event;
	push(worker);
}

int record_log(struct worker *worker, const struct session *session, uint16_t plugin_id,
	       uint8_t level, const char *text, size_t length)
{
	if (length > STELLAR_LOG_TEXT_MAX)
		return -EMSGSIZE;
	struct output_record *record = reserve(worker, STELLAR_EVE_PLUGIN, OUTPUT_LOG);

	if (record == NULL)
		return 0;
	if (session != NULL)
		session_record_fill(session, &record->log.session);
	record->log.plugin_id = plugin_id;
	record->log.level = level;
	record->log.length = (uint16_t)length;
	char *copy = plugin_wave_is_calling(worker) ? plugin_wave_get_text(worker)
						    : output_ring_text(&worker->output_ring);

	record->log.text = copy;
	if (length > 0)
		memcpy(copy, text, length);
	push(worker);
	return 0;
}

int session_log(struct session *session, enum stellar_log_level level, const char *text,
		size_t length)
{
	const struct plugin_host *host = session->worker->plugin;

	if (host == NULL || (uint32_t)level >= STELLAR_LOG_LEVEL_COUNT)
		return -EINVAL;
	return record_log(session->worker, session, host->id, (uint8_t)level, text, length);
}

void record_stats(struct worker *worker)
{
	struct output_record *record = reserve(worker, STELLAR_EVE_STATS, OUTPUT_STATS);

	if (record == NULL)
		return;
	struct ledger sum = worker->ledger;

	if (worker->engine->config.worker_count > 1) {
		worker_publish(worker);
		engine_sum_ledgers(worker->engine, &sum);
	}
	record->stats.packets = sum.packets;
	record->stats.sessions = sum.sessions;
	record->stats.uptime_sec = (worker->now_ns - worker->start_ns) / 1000000000u;
	push(worker);
}
