// SPDX-License-Identifier: Apache-2.0

// Loaded plugins, their order, and what each session remembers of them.
//
// Lifecycle: plugin_host_create (load or add) while the engine is being set up; plugin_order fixes
// ids once, at engine_start: from then on a plugin's id is its place in the order, and a set of
// plugins is a 64-bit mask whose lowest bit runs first. Nothing here changes while workers run but
// the counters of each worker's own row and `disabled`, which only grows.
//
// A session that any plugin wants has one block from the worker's block slab: four masks and the
// contexts of all plugins, at offsets fixed at start. It is found by session_cold.context_ref.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/engine.h>
#include <stellar/plugin.h>

#define PLUGIN_COUNTERS_MAX 4096
#define PLUGIN_LEASE_MS 300000u

struct engine;
struct worker;

typedef void (*plugin_entry_fn)(struct session *session, void *context);
typedef void (*plugin_deliver_fn)(void);
typedef void (*plugin_tick_fn)(struct plugin_worker *worker, void *worker_state);
typedef int (*plugin_migrate_fn)(struct session *session, const char *old_version,
				 void *old_context, uint32_t old_context_size, void *context);

// One worker's view of one plugin; written by that worker only.
struct plugin_row {
	plugin_entry_fn entry;
	plugin_deliver_fn deliver; // NULL: entry is called, once an event
	struct plugin_batch *batch;
	plugin_tick_fn tick;
	plugin_migrate_fn context_migrate;
	void *host_data;
	void *worker_state; // from worker_init
	void *prepared; // policy in force on this worker
	uint64_t calls;
	uint64_t errors;
	uint64_t contexts;
	uint64_t detached;
	uint64_t takeovers;
	uint64_t *counters; // PLUGIN_COUNTERS_MAX, or NULL before the first is made
} __attribute__((aligned(64)));

struct plugin_host {
	struct engine *engine;
	const struct plugin *plugin; // as registered; never copied
	void *library; // dlopen handle, NULL when registered by the caller
	void *state; // from load
	uint16_t id; // place in the order after plugin_order
	bool loaded; // load was called and agreed
	_Atomic bool disabled; // too many errors
	uint32_t context_offset; // in the session's block
	char **counter_names;
	int counter_count;
	struct plugin_row *rows; // one a worker
	struct plugin_setting *settings; // plugin_settings.c
};

// A session's plugin state. Masks by plugin id.
struct plugin_block {
	uint64_t detached;
	uint64_t called; // has had an event of this session
	uint64_t initialised; // its context is live
	uint64_t consented; // to bypass
	uint64_t lease_ends_ms; // engine time, valid while owned
	uint64_t lock_ends_ms; // engine time; this and what follows, while locked
	uint32_t lock_previous; // blocks locked before and after this one, 0: none
	uint32_t lock_next;
	uint32_t session_index;
	uint32_t stream; // id of the session's stream record, 0: none
	uint32_t hold; // id of its struct hold_session, 0: none
	uint16_t lock_plugin_id;
	uint16_t owner_id; // STELLAR_PLUGIN_NONE: nobody
	_Alignas(8) uint8_t contexts[];
};

// Check a plugin structure. Returns 0 or -EINVAL, -ENOEXEC (version or size), -ENOSYS (needs an
// event or protocol that is not raised) with one line in error.
int plugin_check(const struct plugin *plugin, char *error, size_t error_size);

bool plugin_name_is_valid(const char *name);

// Sort hosts by before/after, ties by name. Returns 0, or -ELOOP with the cycle in error.
int plugin_order(struct plugin_host **hosts, size_t count, char *error, size_t error_size);

// session_lock.c. Whether a plugin other than this one holds the lock.
bool session_is_locked_by_other(const struct session *session, uint16_t plugin_id);
// Let go of a lock, if there is one. Idempotent.
void session_lock_release(struct session *session);
// Let go of the locks whose time is over.
void session_locks_expire(struct worker *worker);

// Order the hosts, lay out blocks, call each load. Returns 0 or -errno with one line in error.
int plugin_hosts_start(struct engine *engine, char *error, size_t error_size);
// plugin_settings.c. Forget what the operator gave.
void plugin_settings_free(struct plugin_host *host);

// Unload and free; accepts NULL.
void plugin_host_destroy(struct plugin_host *host);
