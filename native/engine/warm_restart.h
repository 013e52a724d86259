// SPDX-License-Identifier: Apache-2.0

// Warm restart: a killed engine's sessions go on in its successor.
//
// Each worker has two files in a directory that the operator names (engine_add_session_directory,
// <stellar/engine.h>): `sessions-N`, the lines and extensions of its table with what the engine
// must remember beside them, and `contexts-N`, the blocks of its plugins with the list of those
// plugins. They are mapped and changed in place (session/region.h), so nothing is ever saved; what
// remains after kill -9 is what the last instruction left. An engine that stops in order closes its
// sessions and removes its files; one that hands over (engine_hand_over) leaves them.
//
// What survives of a session: its key, identity, start, counters, state, windows, flags (blocked,
// bypassed, ...), generation and rule, second key, parent, and per plugin the persistent part of
// the context, provided that a plugin of the same name, version and persistent size is loaded
// again. What does not: metadata, streams, decoders, locks, leases, expectations, the rest of the
// contexts.
//
// At engine_start the files of all workers are opened or none: a file that is cut, of another
// layout, or that belongs to another run of the engine makes all workers begin empty. The hash
// secret and the live clock's offset of the predecessor are taken over, so that sessions keep their
// home worker and time does not jump. Then each worker's table is made anew from its lines
// (session/resume.h), and each context is checked here.
//
// Torn writes. A worker names the session that it is changing in its file (struct session_marks):
// session_table_begin_change before the first store of a packet to its session,
// session_table_end_change when plugins are done with it, and beside that the one being closed.
// Who dies in between leaves a session that its successor drops and counts (`torn`).
//
// session_resumed is raised when a resumed session is touched first (flag SESSION_RESUMED), before
// any other event of it: calling plugins for millions of sessions at once would hold up traffic.
//
// Control thread at the start and end; session_stage_resume is the worker's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/table.h"

#define SESSION_DIRECTORIES_MAX 4

struct contexts_header;
struct plugin_host;
struct engine;
struct region_array;
struct session;
struct warm_restart;
struct worker;

// Before workers are made: open what the predecessor left, or make new files. Never fails: without
// a directory that can be used sessions lie in private memory, and the resume line says why.
void warm_restart_open(struct engine *engine);

// Where a worker's table is to lie; all NULL: in private memory. Its blocks are given their place.
struct session_memory warm_restart_get_memory(struct worker *worker);

// Whether the worker's memory holds sessions of a predecessor.
bool warm_restart_has_sessions(const struct worker *worker);

// Take them over into the worker's new table. Returns 0, or -errno: the memory is of no use. Then
// destroy the table, get new memory, and make another.
int warm_restart_resume(struct worker *worker);
void warm_restart_renew(struct worker *worker);

// After all workers are made: write the resume line.
void warm_restart_report(struct engine *engine);

// Let go of all memory; remove the files unless sessions were handed over. Tables are destroyed
// before. Accepts an engine without any.
void warm_restart_close(struct engine *engine);

// A session with SESSION_RESUMED is touched first: it gets a block when plugins want one, and
// session_resumed is delivered. Returns 0, or -ENOMEM when there is no room for a block.
int session_stage_resume(struct worker *worker, struct session *session);

// contexts.c: blocks of plugins in a worker's file. The list of plugins that a contexts file is
// for, and what it costs to follow from one list to the next.
size_t contexts_header_size(void);
// Write down the engine's plugins.
void contexts_describe(const struct engine *engine, struct contexts_header *header);
// Another version of a plugin comes into force.
void contexts_name_version(const struct plugin_host *host, struct contexts_header *header);
void warm_restart_name_version(struct engine *engine, const struct plugin_host *host);
// Whether a found header is one that contexts_describe can have written, for blocks of this size.
bool contexts_check(const struct contexts_header *header, size_t block_size);
// Whether it is of just the engine's plugins, in their order.
bool contexts_are_equal(const struct engine *engine, const struct contexts_header *header);
// Take over the blocks of the worker's sessions, from `found` to the worker's slab, whose area may
// be the same. Sessions whose block is impossible are dropped. Returns how many, or -ENOMEM.
int64_t contexts_resume(struct worker *worker, const struct contexts_header *header,
			const struct region_array *found);
