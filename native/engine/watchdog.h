// SPDX-License-Identifier: Apache-2.0

// A worker that never comes back from a plugin, and a process that dies in one: who was it?
//
// Each worker has a mark that says which plugin it is in. The marks lie in a file (fatal_marks)
// that outlives the process: a fatal signal notes there in which thread it came, the watchdog which
// worker is stuck, and the next engine reads which plugins are to blame. Without a file
// (engine_set_mark_file was not called: replay) a worker's mark is its own and nobody reads it.
//
// The watchdog is a thread that looks at each running worker. One that passes no border between two
// bursts for the time given can't be brought back: what it holds is half changed. So the process
// ends, at once and with an exit code of its own; whoever supervises it starts the next one, which
// goes on with the sessions (warm_restart.h).
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <stellar/engine.h>

#define WATCHDOG_NOBODY UINT32_MAX
#define WATCHDOG_STACK_SIZE 16384u // bytes

struct engine;
struct worker;

// Of one worker. Written by its thread only.
struct plugin_mark {
	_Atomic uint32_t plugin_number; // id + 1 of the plugin that it is in, 0: none
	_Atomic int32_t thread; // that runs the worker, 0: none
} __attribute__((aligned(64)));

// Content of the file.
struct fatal_marks {
	char magic[8];
	uint32_t size; // sizeof(struct fatal_marks)
	_Atomic uint32_t cause; // signal, FATAL_STUCK, or 0: still running, or ended in order
	_Atomic uint32_t worker_id; // to blame, or WATCHDOG_NOBODY
	uint32_t reserved;
	char plugin_names[STELLAR_PLUGINS_MAX][STELLAR_PLUGIN_NAME_MAX + 1]; // by id
	struct plugin_mark workers[STELLAR_WORKERS_MAX];
};

#define FATAL_STUCK 0x10000u

struct watchdog {
	struct fatal_marks *marks; // mapped, or NULL
	char blamed[STELLAR_PLUGIN_NAME_MAX + 1]; // by what the predecessor left; "": nobody
	uint32_t cause;
	uint32_t stuck_ms;
	bool is_running;
	_Atomic bool stop;
	pthread_t thread;
};

// The mark of a worker; its own memory when there is no file. Control thread.
struct plugin_mark *watchdog_get_mark(struct engine *engine, uint32_t worker_id,
				      struct plugin_mark *own);
// The calling thread runs the worker from now on, or no more. A signal that says that its stack is
// used up is handled on a stack of its own. Worker's thread.
void watchdog_take_thread(struct worker *worker);
void watchdog_leave_thread(struct worker *worker);
// Write down the names of the plugins, now that their ids stand. Control thread.
void watchdog_name_plugins(struct engine *engine);
// Stop watching and let go of the file, which says that all went well. Control thread.
void watchdog_close(struct engine *engine);

static inline void watchdog_enter(struct plugin_mark *mark, uint16_t plugin_id)
{
	atomic_store_explicit(&mark->plugin_number, plugin_id + 1u, memory_order_relaxed);
}

static inline void watchdog_leave(struct plugin_mark *mark)
{
	atomic_store_explicit(&mark->plugin_number, 0, memory_order_relaxed);
}
