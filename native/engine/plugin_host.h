// SPDX-License-Identifier: Apache-2.0

// Loaded plugins, their order, and what each session remembers of them.
//
// Lifecycle: plugin_host_create (load or add) while the engine is being set up; plugin_order fixes
// ids once, at engine_start: from then on a plugin's id is its place in the order, and a set of
// plugins is a 64-bit mask whose lowest bit runs first. Nothing here changes while workers run but
// the counters of each worker's own row and `disabled`, which only grows. A reload
// (plugin_reload.c) adds a host of the same id: another version of the plugin.
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

#include "engine/plugin_table.h"
#include "session/slab.h"

#define PLUGIN_COUNTERS_MAX 4096
#define PLUGIN_LEASE_MS 300000u

struct engine;
struct worker;

// Contexts lie in the session's block where the first version's had room; those of a later version
// that needs more lie apart, in a slab of that version, and the block has the id.
#define PLUGIN_CONTEXT_ROOM_MIN 8u // bytes: room for the id

typedef void (*plugin_entry_fn)(struct session *session, void *context);
typedef void (*plugin_deliver_fn)(void);
typedef void (*plugin_tick_fn)(struct plugin_worker *worker, void *worker_state);
typedef int (*plugin_migrate_fn)(struct session *session, const char *old_version,
				 void *old_context, uint32_t old_context_size, void *context);

// One worker's view of one version of a plugin; written by that worker only.
struct plugin_row {
	plugin_entry_fn entry;
	plugin_deliver_fn deliver; // NULL: entry is called, once an event
	plugin_deliver_fn deliver_one;
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
	uint64_t timed_at; // plugin_timing.h: `calls` at the last measured one
	uint64_t timed_calls;
	uint64_t timed_ns;
	uint64_t migrated; // contexts of older versions, to this one
	uint64_t stayed; // contexts that it did not take
	uint64_t no_memory; // contexts that there was none for
	uint64_t values; // metadata that a function of this version frees
	uint64_t next_tick_ms; // 0: engine time has not begun here
	bool has_begun; // worker_init has agreed
	uint64_t *counters; // of the account, PLUGIN_COUNTERS_MAX; NULL before the first is made
	struct slab apart; // contexts, when host->is_apart
} __attribute__((aligned(64)));

// Of an old version.
enum plugin_leaving {
	PLUGIN_STAYS,
	PLUGIN_MAY_LEAVE, // nothing pins it: the next table is without it
	PLUGIN_LEAVES, // and is published
};

// What a plugin is whatever its version, as long as the engine lives.
struct plugin_account {
	char name[STELLAR_PLUGIN_NAME_MAX + 1];
	uint32_t context_offset; // in the session's block
	uint32_t context_room; // bytes there
	struct plugin_host *versions[PLUGIN_VERSIONS_MAX]; // those that live, by number
	char **counter_names;
	int counter_count;
	uint64_t *counters[STELLAR_WORKERS_MAX]; // by worker
	struct plugin_setting *settings; // plugin_settings.c
	struct plugin_stats past; // sums of the versions that are gone
	uint64_t reloads;
};

struct plugin_library {
	void *handle; // of the linker
	int fd; // the copy of the file, -1: none
	const struct plugin *plugin;
};

// One version of a plugin.
struct plugin_host {
	struct engine *engine;
	struct plugin_account *account;
	const struct plugin *plugin; // as registered; never copied
	struct plugin_library library; // none when registered by the caller
	void *state; // from load
	uint16_t id; // place in the order after plugin_order
	bool loaded; // load was called and agreed
	uint8_t number; // below PLUGIN_VERSIONS_MAX; free again when the version is gone
	bool is_apart; // its contexts are
	uint8_t leaving; // enum plugin_leaving
	_Atomic bool disabled; // too many errors
	uint16_t *counter_ids; // its counters in the account's; NULL: the first version's, the same
	int counter_count; // its own, ids from 0
	struct plugin_row *rows; // one a worker
};

// A session's plugin state. Masks by plugin id.
struct plugin_block {
	uint64_t detached;
	uint64_t called; // has had an event of this session
	uint64_t initialised; // its context is live
	uint64_t consented; // to bypass
	uint64_t versions[2]; // number of the version that made the context: low bits, high bits
	uint64_t stays; // version in force did not take the context; as of stays_serial
	uint64_t lease_ends_ms; // engine time, valid while owned
	uint64_t lock_ends_ms; // engine time; this and what follows, while locked
	uint32_t lock_previous; // blocks locked before and after this one, 0: none
	uint32_t lock_next;
	uint32_t session_index;
	uint32_t wave; // worker->wave_number of the last one it was in
	uint32_t stream; // id of the session's stream record, 0: none
	uint32_t hold; // id of its struct hold_session, 0: none
	uint32_t first_timer; // of its plugins, see plugin_timers.h; 0: none runs
	uint32_t taken_next; // see plugin_suspend.c
	uint16_t lock_plugin_id;
	uint16_t owner_id; // STELLAR_PLUGIN_NONE: nobody
	uint32_t stays_serial; // of the plugin table
	_Alignas(8) uint8_t contexts[];
};

// Check a plugin structure. Returns 0 or -EINVAL, -ENOEXEC (version or size), -ENOSYS (needs an
// event or protocol that is not raised) with one line in error.
int plugin_check(const struct plugin *plugin, char *error, size_t error_size);

bool plugin_name_is_valid(const char *name);

// Sort hosts by before/after, ties by name. Returns 0, or -ELOOP with the cycle in error.
int plugin_sort(struct plugin_host **hosts, size_t count, char *error, size_t error_size);
// And give them their ids.
int plugin_order(struct plugin_host **hosts, size_t count, char *error, size_t error_size);

// session_lock.c. Whether a plugin other than this one holds the lock.
bool session_is_locked_by_other(const struct session *session, uint16_t plugin_id);
// Let go of a lock, if there is one. Idempotent.
void session_lock_release(struct session *session);
// Let go of the locks whose time is over.
void session_locks_expire(struct worker *worker);

// Order the hosts, lay out blocks, call each load. Returns 0 or -errno with one line in error.
int plugin_hosts_start(struct engine *engine, char *error, size_t error_size);
// plugin_settings.c. Whether a new version takes the settings that the operator gave. Returns 0 or
// -EINVAL with one line in error.
int plugin_settings_check(const struct plugin_host *host, char *error, size_t error_size);
// Forget what the operator gave.
void plugin_settings_free(struct plugin_account *account);

// A version, not yet in the engine. Takes the library (NULL: none) over, also on failure. Returns 0
// or -errno with one line in error.
int plugin_host_create(struct engine *engine, const struct plugin *plugin,
		       struct plugin_library *library, void *host_data,
		       struct plugin_host **ret_host, char *error, size_t error_size);
// Call load and, for each worker, worker_init. Returns 0 or -errno with one line in error.
int plugin_host_load(struct plugin_host *host, char *error, size_t error_size);
// plugin_library.c. Load a copy of a shared object. Returns 0 or -errno with one line in error.
int plugin_library_open(const char *path, struct plugin_library *ret_library, char *error,
			size_t error_size);
// Accepts one that is closed.
void plugin_library_close(struct plugin_library *library);
// A version that is to be destroyed: what it counted stays. Under versions_lock.
void plugin_account_close_version(struct plugin_account *account, struct plugin_host *host);
// With all its versions; accepts NULL.
void plugin_account_destroy(struct plugin_account *account);
void plugin_row_set_entries(struct plugin_row *row, const struct plugin *plugin,
			    const struct plugin_entries *entries);
// Id in the account of a counter of this version, or -1. Any thread.
int plugin_counter_find(const struct plugin_host *host, int counter_id);
// Unload and free; accepts NULL.
void plugin_host_destroy(struct plugin_host *host);
