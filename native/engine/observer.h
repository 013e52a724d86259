// SPDX-License-Identifier: Apache-2.0

// The engine's side of observers; see <stellar/observer.h>. A worker has a place for each
// observer's ring; control fills and clears it between two bursts of the worker.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include <stellar/observer.h>

struct event;
struct session;
struct worker;

// The worker's end of a ring.
struct observer_output {
	struct observer_ring *ring; // mapped, NULL: no observer
	struct observer_record *records;
	uint64_t events;
	uint64_t head;
	uint32_t capacity;
};

struct observers {
	struct observer_output outputs[STELLAR_OBSERVERS_MAX];
	uint64_t events; // that any of them wants
	_Atomic uint64_t lost;
};

// Tell those that want it. Worker's thread.
void observer_write(struct worker *worker, const struct session *session,
		    const struct event *event);

// The worker is destroyed: all rings end. Control thread.
void observers_end(struct observers *observers);
