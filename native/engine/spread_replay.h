// SPDX-License-Identifier: Apache-2.0

// Replay with several workers: the same result every time for a number of workers, and the same
// events of each session for any number.
//
// The thread of worker 0 reads as well. What reads is a struct worker of its own (engine->reader),
// without sessions: it receives from all interfaces in the order of time, decodes, counts packets
// in and out and sends. It works in rounds: up to REPLAY_ROUND_MAX packets go to their homes
// (spread.h; those without one to worker 0), each worker judges its part in order at the engine
// times that the reader gives, moves its time to that of the round's end, and waits. Then the
// frames leave in the order in which they came, and the device has them back. Nothing is copied,
// nothing is lost, nobody is full.
//
// Records. Each has the number of the packet that made it (timers: 0). They are written in the
// order of engine time, packet number, worker: the order of one worker, but for what ends in one
// and the same millisecond on several. Where rounds end can't be seen in it. A worker whose ring
// is full waits until its records may be written: until each of the others has one to compare or is
// done with its part.
//
// What one worker learns of another between rounds only: plugins that failed too often. That a
// round ends shows there, and nowhere else.
//
// Threads: one a worker. All that is shared is guarded by `lock`; a worker's part is its own while
// it is busy. Waiting is allowed here, nobody waits for these packets.
#pragma once

#include <stdint.h>

struct engine;
struct worker;

#define REPLAY_ROUND_MAX 1024u

// Make engine->replay and engine->reader when the engine is no live one and has several workers;
// after its workers. Returns 0 or -ENOMEM. Control thread.
int spread_replay_create(struct engine *engine);
// Accepts that there is none. Control thread.
void spread_replay_destroy(struct engine *engine);

// Run a worker; see engine_worker_run. Its thread.
int spread_replay_run(struct worker *worker);

// Wait until there is room for a record. The thread of the worker, or of the reader.
void spread_replay_make_room(struct worker *worker);
