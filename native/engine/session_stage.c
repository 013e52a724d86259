// SPDX-License-Identifier: Apache-2.0

// Sessions begin, live and end here: what lies between the session table, which knows no plugin,
// and the plugins, which know no table.
//
// Closing is always the same path (session_stage_close in session_family.c, which knows the order):
// state CLOSING, the closing event to those who may hear it, its record written, contexts freed,
// the session forgotten. It runs between packets (timers) or before the packet that causes it
// (eviction, port reuse), never during a callback. Worker's thread.

#include <errno.h>
#include <string.h>

#include "engine/icmp_stage.h"
#include "engine/plugin_timers.h"
#include "engine/plugin_wave.h"
#include "engine/tunnel_stage.h"
#include "engine/worker.h"
#include "session/tcp.h"

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

void session_view(struct worker *worker, uint32_t index, struct session *ret_session)
{
	struct session_cold *cold = &worker->table->cold[index];

	*ret_session = (struct session){
		.worker = worker,
		.hot = &worker->table->hot[index],
		.cold = cold,
		.block = cold->context != 0 ? slab_record(&worker->blocks, cold->context) : NULL,
		.index = index,
	};
}

static void session_set_closing_reason(struct session *session, uint8_t reason)
{
	const uint16_t mask = (1u << SESSION_CLOSING_REASON_SHIFT) - 1;

	session->hot->flags = (uint16_t)((session->hot->flags & mask) |
					 (unsigned)reason << SESSION_CLOSING_REASON_SHIFT);
}

void session_stage_close_alone(struct worker *worker, uint32_t index, uint8_t reason)
{
	uint32_t queued = worker->queue.count;
	struct session session;
	struct event event = {
		.type = STELLAR_EVENT_SESSION_CLOSING,
		.reason = reason,
		.time_ns = worker->now_ns,
	};

	// It makes room for what goes through it.
	if (worker->outer.index == index)
		worker->outer.index = SESSION_NONE;
	session_table_begin_closing(worker->table, index);
	session_view(worker, index, &session);
	if ((session.hot->flags & SESSION_RESUMED) != 0)
		session_stage_resume(worker, &session);
	session_set_closing_reason(&session, reason);
	if (session.hot->state == STELLAR_SESSION_OPENING)
		opening_guard_leave(worker, index);
	stream_stage_end(worker, &session);
	record_session(worker, &session, reason);
	session.hot->state = STELLAR_SESSION_CLOSING;
	plugin_deliver(worker, &session, &event);
	hold_stage_end(worker, &session);
	plugin_block_close(worker, &session);
	// What these calls raised for others of the family.
	plugin_drain(worker, NULL, queued);
	if (session.cold->generation != 0)
		atomic_fetch_sub_explicit(
			&worker->generation_sessions[session.cold->generation % POLICY_SETS_MAX], 1,
			memory_order_relaxed);
	worker->ledger.sessions.closed[reason]++;
	if (reason == STELLAR_CLOSED_EVICTED)
		worker->ledger.sessions.evicted++;
	worker->ledger.sessions.active--;
}

void session_stage_expired(void *owner, uint32_t index, uint64_t due_ms)
{
	struct worker *worker = owner;
	const struct session_hot *hot = &worker->table->hot[index];
	uint8_t reason = (uint8_t)session_hot_closing_reason(hot);

	// It closes when its time is over, not when a packet comes that shows it: otherwise its end
	// would depend on what else the worker sees.
	if (due_ms * NS_PER_MS > worker->now_ns)
		worker->now_ns = due_ms * NS_PER_MS;
	session_locks_expire(worker);
	if (session_family_waits(worker, index))
		return;
	if ((hot->flags & SESSION_BLOCKED) != 0)
		reason = STELLAR_CLOSED_POLICY;
	session_stage_close(worker, index, reason);
}

// Before the sessions that end in the same millisecond, after those that ended earlier.
static void expire_holds(struct worker *worker, uint64_t time_ms)
{
	uint64_t due_ms;

	while ((due_ms = hold_stage_next_ms(worker)) <= time_ms) {
		session_table_advance(worker->table, due_ms - 1);
		if (due_ms * NS_PER_MS > worker->now_ns)
			worker->now_ns = due_ms * NS_PER_MS;
		hold_stage_expire(worker, due_ms);
	}
}

void session_stage_advance(struct worker *worker, uint64_t time_ns)
{
	if (time_ns < worker->now_ns)
		time_ns = worker->now_ns;
	if (worker->timers != NULL)
		plugin_timers_advance(worker, time_ns / NS_PER_MS);
	else
		expire_holds(worker, time_ns / NS_PER_MS);
	session_table_advance(worker->table, time_ns / NS_PER_MS);
	worker->now_ns = time_ns;
	worker->table->memory.marks->now_ns = time_ns;
	session_locks_expire(worker);
	opening_guard_sweep(worker);
	if (worker->expectations.count != 0)
		expect_advance(worker);
}

static bool is_malformed(const struct worker *worker, const struct packet *packet)
{
	return packet->malformed && !worker->engine->config.pass_malformed;
}

// Verdict of the engine itself, before any plugin.
static void refuse(struct packet *packet, uint8_t reason)
{
	packet->verdict.disposition = STELLAR_DROP;
	packet->verdict.drop_reason = reason;
}

// What can't be judged as part of a session is judged here. Returns true when that is so.
static bool refuse_unfit(struct worker *worker, struct packet *packet)
{
	const struct interface *interface = &worker->engine->interfaces[packet->ingress_id];
	uint64_t ttl_min = worker->engine->config.limits.ttl_min;

	if (is_malformed(worker, packet)) {
		refuse(packet, STELLAR_DROPPED_MALFORMED);
		return true;
	}
	if (packet->ip_version == 0) {
		if (interface->role == INTERFACE_WIRE && !interface->pass_non_ip)
			refuse(packet, STELLAR_DROPPED_NON_IP);
		return true;
	}
	if (packet->checksum_wrong) {
		refuse(packet, STELLAR_DROPPED_CHECKSUM);
		return true;
	}
	if (packet->ttl < ttl_min && ttl_min > 1) {
		refuse(packet, STELLAR_DROPPED_TTL);
		return true;
	}
	// One that can't be put together (see defragment_stage.h): a tap lets it be, a wire can't.
	if (packet->is_fragment) {
		refuse(packet, STELLAR_DROPPED_FRAGMENT);
		return true;
	}
	return packet->malformed;
}

void session_stage_prepare(struct worker *worker, size_t count)
{
	session_table_find_packets(worker->table, worker->packets, count, worker->keys,
				   worker->has_key, worker->hashes, worker->hints);
}

static void raise_event(struct worker *worker, uint8_t type)
{
	const struct session *session = &worker->current;

	if (!plugin_wants(worker, type)) {
		worker->ledger.events[type]++;
		return;
	}
	struct event *event = plugin_queue_own(worker);

	if (event == NULL)
		return;
	event->type = type;
	event->direction = session->direction;
	event->time_ns = worker->now_ns;
	event->packet = session->packet;
	if (type == STELLAR_EVENT_UDP_DATA) {
		size_t length;

		event->data = packet_get_payload(session->packet, &length);
		event->data_length = (uint32_t)length;
	}
}

void session_stage_evict(struct worker *worker, uint32_t index)
{
	uint8_t reason = (uint8_t)session_hot_closing_reason(&worker->table->hot[index]);

	remembered_syns_keep(worker, index);
	// One that was over only waited for stray segments.
	session_stage_close(worker, index,
			    reason == STELLAR_CLOSED_TIMEOUT ? STELLAR_CLOSED_EVICTED : reason);
}

// No room: the declared action. Returns 0 when a victim made room.
static int make_room(struct worker *worker, struct packet *packet)
{
	uint8_t action = worker->engine->config.full_action;

	if (action == STELLAR_FULL_PASS_UNTRACKED) {
		worker->ledger.sessions.untracked++;
		return -ENOENT;
	}
	if (action == STELLAR_FULL_EVICT_EMBRYONIC) {
		uint32_t victim = session_table_pick_victim(worker->table);

		if (victim != SESSION_NONE) {
			session_stage_evict(worker, victim);
			return 0;
		}
	}
	refuse(packet, STELLAR_DROPPED_SESSION_TABLE_FULL);
	return -ENOENT;
}

static unsigned tcp_options(const struct worker *worker)
{
	const struct engine_config *config = &worker->engine->config;

	return (config->is_inline ? TCP_STRICT : 0) | (config->midstream ? TCP_MIDSTREAM : 0) |
	       (!config->is_inline || config->asymmetric ? TCP_ASYMMETRIC : 0) |
	       (config->urgent_inline ? TCP_URGENT_INLINE : 0);
}

void session_stage_begin(struct worker *worker, const struct packet *packet, uint32_t index)
{
	struct session_cold *cold = &worker->table->cold[index];

	cold->ingress_id = packet->ingress_id;
	cold->egress_id = packet->egress_id;
	cold->generation = packet->verdict.generation;
	if (cold->generation != 0)
		atomic_fetch_add_explicit(
			&worker->generation_sessions[cold->generation % POLICY_SETS_MAX], 1,
			memory_order_relaxed);
	worker->ledger.sessions.created++;
	worker->ledger.sessions.active++;
	opening_guard_enter(worker, index);
	if (worker->expectations.count != 0)
		expect_meet(worker, index);
}

// What was let through before the session was evicted, told again.
static void resume_handshake(struct worker *worker, uint32_t index,
			     const struct remembered_syn *remembered)
{
	struct session_hot *hot = &worker->table->hot[index];
	struct session_cold *cold = &worker->table->cold[index];
	uint16_t ingress_id = cold->ingress_id;

	tcp_track(hot, &remembered->syn, 0, STELLAR_FORWARD, tcp_options(worker));
	if (remembered->is_answered) {
		tcp_track(hot, &remembered->answer, 0, STELLAR_REVERSE, tcp_options(worker));
		return;
	}
	// It comes from the responder.
	cold->ingress_id = cold->egress_id;
	cold->egress_id = ingress_id;
}

static int open_session(struct worker *worker, struct packet *packet, size_t position,
			uint32_t *ret_index)
{
	struct session_key key = worker->keys[position];
	uint64_t hash = worker->hashes[position];
	struct remembered_syn remembered;
	bool is_tcp = packet->protocol == PROTOCOL_TCP;
	bool is_remembered = is_tcp && remembered_syns_recall(&worker->opening.syns, packet, &key,
							      hash, &remembered);
	bool is_answer = is_remembered && !remembered.is_answered;

	if (is_tcp && !is_remembered && !tcp_can_open(&packet->tcp, tcp_options(worker))) {
		// A tap sees strays that belong to nobody; a wire has no use for them.
		refuse(packet, STELLAR_DROPPED_TCP_INVALID);
		return -ENOENT;
	}
	if (!opening_guard_admits(&worker->opening,
				  is_answer ? &packet->destination : &packet->source)) {
		worker->ledger.sessions.source_limited++;
		refuse(packet, STELLAR_DROPPED_SESSION_LIMIT);
		return -ENOENT;
	}
	key.source_is_high ^= is_answer;
	int result = session_table_insert(worker->table, &key, hash, worker->now_ns, ret_index);

	if (result == -ENOSPC) {
		if (make_room(worker, packet) != 0)
			return -ENOENT;
		result = session_table_insert(worker->table, &key, hash, worker->now_ns, ret_index);
	}
	if (result != 0) {
		refuse(packet, STELLAR_DROPPED_NO_MEMORY);
		return -ENOENT;
	}
	session_stage_begin(worker, packet, *ret_index);
	if (is_remembered)
		resume_handshake(worker, *ret_index, &remembered);
	if (worker->engine->config.tunnel_parents)
		tunnel_stage_adopt(worker, *ret_index);
	return 0;
}

// Follow TCP. Returns 0, -EAGAIN (the ports are reused: begin again), or -EINVAL (drop).
static int track_tcp(struct worker *worker, struct session *session)
{
	struct tcp_outcome outcome = stream_stage_track(worker, session, tcp_options(worker));

	if (outcome.code == TCP_REOPEN)
		return -EAGAIN;
	if (outcome.code == TCP_INVALID)
		return -EINVAL;
	if (outcome.state_changed)
		session_table_rearm(worker->table, session->index,
				    worker->table->timeout_ms[outcome.previous_state]);
	return 0;
}

static void change_state(struct worker *worker, struct session *session)
{
	enum stellar_session_state next =
		session_hot_next_state(session->hot, (enum stellar_direction)session->direction);
	uint32_t previous_timeout_ms;

	if (next == session->hot->state)
		return;
	previous_timeout_ms = session_table_get_timeout_ms(worker->table, session->index);
	if (session->hot->state == STELLAR_SESSION_OPENING)
		opening_guard_leave(worker, session->index);
	session->hot->state = (uint8_t)next & 3u;
	session_table_rearm(worker->table, session->index, previous_timeout_ms);
	if (next == STELLAR_SESSION_ACTIVE)
		raise_event(worker, STELLAR_EVENT_SESSION_ACTIVE);
}

// A block that a policy asked for lapses with that policy: the next packet of the session is judged
// anew, as one of a new session. What a policy allowed it keeps (on_reload).
uint32_t session_stage_lapse_block(struct worker *worker, uint32_t index)
{
	const struct session_hot *hot = &worker->table->hot[index];

	if ((hot->flags & SESSION_BLOCKED_BY_POLICY) == 0 || worker->policy == NULL ||
	    worker->table->cold[index].generation == worker->policy->generation)
		return index;
	plugin_wave_end_before(worker);
	session_stage_close(worker, index, STELLAR_CLOSED_POLICY);
	return SESSION_NONE;
}

// The session of a packet, made when there is none. Returns 0 or -ENOENT (the verdict says).
static int find_session(struct worker *worker, struct packet *packet, size_t position,
			bool *ret_is_new)
{
	struct session *session = &worker->current;
	uint32_t index = session_table_lookup(worker->table, &worker->keys[position],
					      worker->hashes[position], worker->hints[position]);

	if (index != SESSION_NONE)
		index = session_stage_lapse_block(worker, index);
	// Twice at most: a port reuse closes the old session, and the new one can't be a reuse.
	for (int attempt = 0; attempt < 2; attempt++) {
		*ret_is_new = index == SESSION_NONE;
		if (*ret_is_new)
			plugin_wave_end_before(worker);
		if (*ret_is_new && open_session(worker, packet, position, &index) != 0)
			return -ENOENT;
		session_table_begin_change(worker->table, index);
		session_view(worker, index, session);
		plugin_wave_end_before_session(worker, session);
		session->packet = packet;
		session->direction = (uint8_t)session_table_get_direction(worker->table, index,
									  &worker->keys[position]);
		if (packet->protocol != PROTOCOL_TCP)
			return 0;
		int result = track_tcp(worker, session);

		if (result == 0)
			return 0;
		if (result == -EINVAL) {
			refuse(packet, STELLAR_DROPPED_TCP_INVALID);
			return 0;
		}
		plugin_wave_end_before(worker);
		session_stage_close(worker, index,
				    (uint8_t)session_hot_closing_reason(session->hot));
		memset(session, 0, sizeof(*session));
		index = SESSION_NONE;
	}
	refuse(packet, STELLAR_DROPPED_TCP_INVALID);
	return -ENOENT;
}

int session_stage(struct worker *worker, size_t position)
{
	struct packet *packet = &worker->packets[position];
	struct session *session = &worker->current;
	bool is_new;

	memset(session, 0, sizeof(*session));
	session->worker = worker;
	worker->outer.index = SESSION_NONE;
	worker->outer_is_missing = false;
	if (refuse_unfit(worker, packet) || !worker->has_key[position])
		return -ENOENT;
	if (worker->engine->config.tunnel_parents && !tunnel_stage(worker, packet))
		return 0;
	if (icmp_stage(worker, packet))
		return 0;
	if (find_session(worker, packet, position, &is_new) != 0)
		return -ENOENT;
	tunnel_stage_raise(worker);
	defragment_stage_count(worker, session, packet);
	// An impossible segment may be anyone's: it keeps no session alive.
	if (packet->verdict.disposition != STELLAR_DROP)
		session_hot_touch(session->hot, worker->now_ns / NS_PER_MS);
	if (is_new) {
		if (worker->plugins->interested != 0 && plugin_block_open(worker, session) != 0) {
			// Without a block no plugin can judge it: closed is the safe side.
			refuse(packet, STELLAR_DROPPED_NO_MEMORY);
			session->hot->flags |= SESSION_BLOCKED;
			return 0;
		}
		if (session->block != NULL)
			stream_stage_open(worker, session);
		raise_event(worker, STELLAR_EVENT_SESSION_OPENING);
		session_family_raise(worker);
	}
	packet->verdict.session_state = session->hot->state;
	packet->verdict.tcp_state = session->hot->tcp_state;
	if (packet->verdict.disposition == STELLAR_DROP)
		return 0;
	change_state(worker, session);
	packet->verdict.session_state = session->hot->state;
	raise_event(worker, STELLAR_EVENT_SESSION_PACKET);
	if (packet->protocol == PROTOCOL_UDP && packet->payload_length > 0)
		raise_event(worker, STELLAR_EVENT_UDP_DATA);
	return 0;
}
