// SPDX-License-Identifier: Apache-2.0

// A packet and the plugins: what stands against calling them, what was raised for it, and what is
// left for the session once all have been heard. Worker's thread.

#include "engine/plugin_call.h"
#include "engine/plugin_version.h"
#include "engine/tunnel_stage.h"
#include "engine/worker.h"

static void refuse(struct packet *packet, uint8_t reason, uint16_t plugin_id)
{
	packet->verdict.disposition = STELLAR_DROP;
	packet->verdict.drop_reason = reason;
	packet->verdict.disposition_plugin_id = plugin_id;
}

// An earlier verdict holds for the rest of the session, and so does its answer.
static void refuse_blocked(struct session *session, struct packet *packet)
{
	refuse(packet, STELLAR_DROPPED_BLOCKED_SESSION, STELLAR_PLUGIN_NONE);
	packet->verdict.rule_id = session->cold->rule_id;
	packet->verdict.generation = session->cold->generation;
	if ((session->hot->flags & SESSION_REPLY_RST) != 0)
		packet->verdict.reply = STELLAR_REPLY_RST;
	else if ((session->hot->flags & SESSION_REPLY_ICMP) != 0)
		packet->verdict.reply = STELLAR_REPLY_ICMP;
}

// Plugins that were disabled in this millisecond, with fail action closed. What comes until it is
// over is refused after the others have heard of it, what comes later before: packets of one
// millisecond may go through the plugins together (plugin_wave.h).
static uint64_t get_just_failed(const struct worker *worker)
{
	return worker->just_failed_ms == worker->now_ns / NS_PER_MS
		       ? worker->just_failed & worker->disabled
		       : 0;
}

static void refuse_failed(struct packet *packet, uint64_t plugins)
{
	if (plugins != 0)
		refuse(packet, STELLAR_DROPPED_PLUGIN_FAILED, (uint16_t)__builtin_ctzll(plugins));
}

static void settle(struct session *session, const struct verdict *verdict)
{
	if (verdict->disposition != STELLAR_DROP || !session->is_block_asked)
		return;
	session->hot->flags |= SESSION_BLOCKED;
	if (verdict->drop_reason == STELLAR_DROPPED_POLICY_RULE ||
	    verdict->drop_reason == STELLAR_DROPPED_POLICY_DEFAULT)
		session->hot->flags |= SESSION_BLOCKED_BY_POLICY;
	if (verdict->reply == STELLAR_REPLY_RST)
		session->hot->flags |= SESSION_REPLY_RST;
	else if (verdict->reply == STELLAR_REPLY_ICMP)
		session->hot->flags |= SESSION_REPLY_ICMP;
}

// Bypass takes effect when all who would hear of the next packets have consented. Asked for after
// every packet: the last one to withhold may have detached, or let go of its lock.
static void settle_bypass(struct worker *worker, struct session *session, struct packet *packet)
{
	const struct plugin_block *block = session->block;

	if (block == NULL || block->consented == 0 || (session->hot->flags & SESSION_LOCKED) != 0)
		return;
	uint64_t left = worker->plugins->watching & ~block->detached & ~block->consented;

	for (; left != 0; left &= left - 1) {
		const struct plugin_host *host =
			plugin_version_of(worker, block, (unsigned)__builtin_ctzll(left));

		if (plugin_is_watching(plugin_get_needs(host->plugin)) &&
		    !plugin_version_is_disabled(worker, host))
			return;
	}
	session->hot->flags |= SESSION_BYPASSED;
	packet->verdict.bypass |= session == &worker->current;
}

// Tell of a predecessor's session with its first packet. Returns false when there is no memory.
static bool resume(struct worker *worker, struct session *session)
{
	return session->index == SESSION_NONE || (session->hot->flags & SESSION_RESUMED) == 0 ||
	       session_stage_resume(worker, session) == 0;
}

// Nobody is asked any more.
static void finish(struct worker *worker, struct packet *packet)
{
	if (packet->verdict.disposition != STELLAR_DROP)
		refuse_failed(packet, get_just_failed(worker));
	if (worker->hold->count > 0 || packet->verdict.disposition == STELLAR_HOLD)
		hold_stage_settle(worker, packet);
	worker->stream.has_told = false;
	stream_stage_settle(worker, &worker->current);
}

void plugin_stage(struct worker *worker, struct packet *packet)
{
	struct session *session = &worker->current;

	if (session->index == SESSION_NONE)
		return;
	if (packet->verdict.disposition != STELLAR_DROP &&
	    (session->hot->flags & SESSION_BLOCKED) != 0)
		refuse_blocked(session, packet);
	else if (packet->verdict.disposition != STELLAR_DROP)
		refuse_failed(packet, worker->failed_closed & ~get_just_failed(worker));
	if (packet->verdict.disposition == STELLAR_DROP ||
	    ((session->hot->flags & SESSION_BYPASSED) != 0 &&
	     worker->outer.index == SESSION_NONE)) {
		worker->queue.count = 0;
		finish(worker, packet);
		return;
	}
	if (!resume(worker, &worker->outer) || !resume(worker, session)) {
		refuse(packet, STELLAR_DROPPED_NO_MEMORY, STELLAR_PLUGIN_NONE);
		worker->queue.count = 0;
		finish(worker, packet);
		return;
	}
	plugin_drain(worker, session, 0);
	tunnel_stage_heard(worker);
	stream_stage(worker, packet);
	plugin_stage_settle(worker, packet);
}

void plugin_stage_settle(struct worker *worker, struct packet *packet)
{
	struct session *session = &worker->current;

	settle(session, &packet->verdict);
	settle_bypass(worker, session, packet);
	if (worker->outer.index != SESSION_NONE) {
		settle(&worker->outer, &packet->verdict);
		settle_bypass(worker, &worker->outer, packet);
	}
	finish(worker, packet);
}
