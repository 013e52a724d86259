// SPDX-License-Identifier: Apache-2.0

// Waves: packets that follow one another go through the session stage first, all of them, then
// through the plugins one plugin at a time, then out, in their order. A plugin that a host of
// another language runs gets its events of the wave in one call (<stellar/batch.h>).
//
// Neither verdicts, events, frames nor figures tell, but for what the wall clock says and for
// memory that runs out. What a callback sees and changes is its session, so a packet joins only
// when
//
//   - it is the only one of its session in the wave, and the session has no parent, no children,
//     no owner, and no stream that a plugin wants; new sessions, closing ones and those that
//     ICMP errors quote wait until the wave is over;
//   - it raises one event that is delivered, and nobody needs the events that callbacks cause
//     (metadata_changed, derived, session_suspended): these are only counted;
//   - the engine's millisecond is that of the others: nothing expires in between.
//
// What goes out in the order of packets is put in that order: records of callbacks wait in the wave
// until their packet leaves. What plugins have in common beside a session (limits of locks and
// expectations, timers of the same millisecond) keeps its order because a wave is not begun when
// they could meet there; equal expectations are as old as their packets. A plugin disabled within a
// wave counts as disabled from its packet on, see plugin_stage.c.
//
// Owner: one worker. wave_count in struct worker says whether there is anything in it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/worker.h"

// Returns 0 or -ENOMEM.
int plugin_wave_init(struct worker *worker);
void plugin_wave_fini(struct worker *worker);

// Before a burst: whether there may be waves in it, with the plugins and policies in force.
void plugin_wave_prepare(struct worker *worker);

// What the session stage made of worker->current's packet: let it join, or end the wave before it.
// Returns whether it joined; it leaves with the wave then.
bool plugin_wave_join(struct worker *worker, struct packet *packet);

// Call the plugins for what has joined, and let it leave.
void plugin_wave_end(struct worker *worker);

// Whether a callback of a wave is in progress.
bool plugin_wave_is_calling(const struct worker *worker);

// In a callback of a wave: count an event that it causes, which nobody needs. Returns as
// plugin_queue_for.
int plugin_wave_count(struct worker *worker, const struct event *event);

// When what a callback does is done: never less than before but within a wave, where it is as of
// the packet. Outside of a callback of a wave, too.
uint64_t plugin_wave_get_age(const struct worker *worker);

// In a callback of a wave: room for a record, kept until its packet leaves, or NULL: lost.
struct output_record *plugin_wave_reserve(struct worker *worker);
// Room for the text of the record that was reserved last.
char *plugin_wave_get_text(struct worker *worker);

// Before engine time moves to time_ns: end the wave that may not wait any longer.
static inline void plugin_wave_advance(struct worker *worker, uint64_t time_ns)
{
	if (worker->wave_count != 0 && time_ns >= worker->wave_end_ns)
		plugin_wave_end(worker);
}

// Something comes that the wave must not wait for. Keeps worker->current and the queue.
static inline void plugin_wave_end_before(struct worker *worker)
{
	if (worker->wave_count != 0)
		plugin_wave_end(worker);
}

// The same for a packet of a session: when it has one in the wave already.
static inline void plugin_wave_end_before_session(struct worker *worker,
						  const struct session *session)
{
	if (worker->wave_count != 0 && session->block != NULL &&
	    session->block->wave == worker->wave_number)
		plugin_wave_end(worker);
}
