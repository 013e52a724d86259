// SPDX-License-Identifier: Apache-2.0

#include "engine/tunnel_stage.h"

#include <errno.h>

#include "engine/worker.h"

// Make the session. Returns 0 or -errno.
static int open_outer(struct worker *worker, struct packet *packet, const struct session_key *key,
		      uint64_t hash, uint32_t *ret_index)
{
	int result = session_table_insert(worker->table, key, hash, worker->now_ns, ret_index);

	if (result == 0)
		session_stage_begin(worker, packet, *ret_index);
	return result;
}

static void look_at(struct worker *worker, struct packet *packet, uint32_t index,
		    const struct session_key *key)
{
	struct session *outer = &worker->outer;

	session_table_begin_outer_change(worker->table, index);
	session_view(worker, index, outer);
	outer->packet = packet;
	outer->direction = (uint8_t)session_table_get_direction(worker->table, index, key);
	defragment_stage_count(worker, outer, packet);
	session_hot_touch(outer->hot, worker->now_ns / NS_PER_MS);
}

bool tunnel_stage(struct worker *worker, struct packet *packet)
{
	struct session *outer = &worker->outer;
	struct packet_tunnel tunnel;
	struct session_key key;

	if (packet->tunnel_count == 0 ||
	    packet_get_tunnel(packet, packet->tunnel_count - 1u, &tunnel) != 0)
		return true;
	session_key_from_endpoints(&tunnel.source, &tunnel.destination, tunnel.protocol, tunnel.tag,
				   0, &key);
	uint64_t hash = session_table_hash(worker->table, &key);
	uint32_t index = session_table_lookup(worker->table, &key, hash, SESSION_NONE);

	if (index != SESSION_NONE)
		index = session_stage_lapse_block(worker, index);
	bool is_made = index == SESSION_NONE;

	if (is_made && open_outer(worker, packet, &key, hash, &index) != 0) {
		worker->outer_is_missing = true;
		return true;
	}
	look_at(worker, packet, index, &key);
	if (is_made)
		outer->hot->flags |= SESSION_UNHEARD;
	worker->outer_is_new = (outer->hot->flags & SESSION_UNHEARD) != 0;
	if (is_made && worker->plugins->interested != 0 && plugin_block_open(worker, outer) != 0)
		outer->hot->flags |= SESSION_BLOCKED; // as any session that nobody can judge
	if ((outer->hot->flags & SESSION_BLOCKED) == 0)
		return true;
	packet->verdict.session_state = outer->hot->state;
	worker->current = *outer;
	outer->index = SESSION_NONE;
	return false;
}

void tunnel_stage_adopt(struct worker *worker, uint32_t index)
{
	if (worker->outer_is_missing)
		worker->ledger.sessions.orphaned++;
	if (worker->outer.index != SESSION_NONE &&
	    session_family_get_parent(worker, index) == SESSION_NONE)
		session_family_adopt(worker, worker->outer.index, index);
}

static void raise(struct worker *worker, uint8_t type)
{
	const struct session *outer = &worker->outer;
	const struct event event = {
		.type = type,
		.direction = outer->direction,
		.time_ns = worker->now_ns,
		.packet = outer->packet,
	};

	if (plugin_wants(worker, type))
		plugin_queue_for(worker, outer->index, &event, NULL);
	else
		worker->ledger.events[type]++;
}

void tunnel_stage_heard(struct worker *worker)
{
	if (worker->outer.index != SESSION_NONE)
		worker->outer.hot->flags &= (uint16_t)~SESSION_UNHEARD;
}

void tunnel_stage_raise(struct worker *worker)
{
	struct session *outer = &worker->outer;

	if (outer->index == SESSION_NONE)
		return;
	enum stellar_session_state next =
		session_hot_next_state(outer->hot, (enum stellar_direction)outer->direction);
	uint32_t previous_timeout_ms = session_table_get_timeout_ms(worker->table, outer->index);

	if (worker->outer_is_new)
		raise(worker, STELLAR_EVENT_SESSION_OPENING);
	if (!plugin_wants(worker, STELLAR_EVENT_SESSION_OPENING))
		tunnel_stage_heard(worker);
	if (next != outer->hot->state) {
		if (outer->hot->state == STELLAR_SESSION_OPENING)
			opening_guard_leave(worker, outer->index);
		outer->hot->state = (uint8_t)next & 3u;
		session_table_rearm(worker->table, outer->index, previous_timeout_ms);
		raise(worker, STELLAR_EVENT_SESSION_ACTIVE);
	}
	raise(worker, STELLAR_EVENT_SESSION_PACKET);
}
