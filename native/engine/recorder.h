// SPDX-License-Identifier: Apache-2.0

// Writes recordings (recording.h). A worker writes blocks into a segment that is mapped, backed and
// touched before the worker gets it: it never waits and never faults on a full disk. A thread of
// the recorder makes segments ahead, and drops the oldest. When none is ahead, because the disk is
// full or slow, the recording ends there, counted and with a reason; traffic does not notice.
//
// A disk could make a store into a mapped page wait while the page is on its way out. So segments
// of a directory that is no tmpfs are written in /dev/shm, with a link in the directory; a full
// one is copied to where its link was. What a killed engine leaves is found by the links.
//
// Lifecycle: recorder_open (control thread, engine_start) -> recorder_* hooks (each worker its own
// writer) -> recorder_close (control thread, no worker runs).
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/recording.h"

#define RECORDER_AHEAD 2u // segments ready for a worker
#define RECORDER_PATH_MAX 512u

struct recorder_segment {
	uint8_t *bytes;
	uint64_t sequence;
	uint64_t used; // set when the worker has left it
	uint64_t end_ns; // engine time then
};

// Segments from one thread to another. Each end has one thread.
struct recorder_queue {
	_Atomic uint64_t head;
	_Atomic uint64_t tail;
	struct recorder_segment segments[2 * RECORDER_AHEAD];
};

// A worker's side.
struct recording_writer {
	struct recorder *recorder;
	struct recorder_segment segment; // bytes NULL: it writes nothing (any more)
	uint32_t block_number;
	uint32_t tx_calls; // since the last burst or clock
	uint64_t packets_before; // received, at the last burst: for witnesses
	_Atomic uint64_t bursts;
	_Atomic uint64_t packets;
	_Atomic uint64_t bytes;
	_Atomic uint64_t lost; // bursts that came after the recording had ended
	_Atomic uint64_t time_ns; // of the last block
	uint16_t plugin_versions[STELLAR_PLUGINS_MAX];
	struct recorder_queue ready; // thread -> worker
	struct recorder_queue full; // worker -> thread
};

struct recorder;

// What engine_set_recording was told.
struct recording_request {
	char *path; // NULL: do not record
	uint64_t size;
	uint32_t seconds;
};

// Make the recorder of an engine that was asked to record; else nothing. Returns 0 or -errno.
int recorder_open(struct engine *engine, char *error, size_t error_size);
// End it; what was recorded stays. Accepts an engine without. Frees what engine_set_recording kept.
void recorder_close(struct engine *engine);
// Keep a policy image, before it comes into force. Control thread.
void recorder_keep_policy(struct engine *engine, uint32_t generation, const void *image,
			  size_t size);

// The hooks. Worker's thread; each returns at once when the engine does not record.
void recorder_burst(struct worker *worker, uint16_t ingress_id, size_t count, uint64_t clock_ns);
void recorder_clock(struct worker *worker, uint64_t clock_ns, bool is_idle);
void recorder_policy(struct worker *worker, uint32_t generation);
void recorder_plugin(struct worker *worker, uint16_t plugin_id);
void recorder_disabled(struct worker *worker);
void recorder_finish(struct worker *worker);

// Send, and record what a device did not take; in a replay, say what it did then.
int recorder_tx(struct worker *worker, uint16_t interface_id, const struct frame *frames,
		uint32_t count);

// recording_segments.c, for the writer: the next segment, made ahead. Returns whether there was
// one. Worker's thread.
bool recorder_next_segment(struct recording_writer *writer);
// No more is recorded: the first reason stays. Any thread.
void recorder_give_up(struct recorder *recorder, const char *reason);
uint64_t recorder_segment_size(const struct recorder *recorder);
void recorder_wake(struct recorder *recorder);
// Fill a segment's header from the worker as it is now.
void recorder_fill_header(struct worker *worker, struct recording_segment_header *header);
struct recording_writer *recorder_get_writer(struct recorder *recorder, uint32_t worker_id);
