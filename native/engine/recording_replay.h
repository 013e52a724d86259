// SPDX-License-Identifier: Apache-2.0

// A worker driven by a recording (recording.h) instead of by its devices: the same calls in the
// same order with the same clocks. Control thread; no worker runs, so that policies and plugins are
// swapped in place.
#pragma once

#include <stdint.h>

struct engine;
struct worker;

// What the device answered then. Worker's thread (the replay's).
int recording_replay_tx(struct worker *worker, uint16_t interface_id, uint32_t count);
// Accepts an engine that replays nothing.
void recording_replay_close(struct engine *engine);
