// SPDX-License-Identifier: Apache-2.0

// The one plugin API, for C shared objects and for Lua alike. A C plugin exports
//
//     const struct plugin stellar_plugin = { STELLAR_PLUGIN_HEADER, .name = "...", ... };
//
// and is loaded with engine_load_plugin(). Callbacks run on worker threads unless said otherwise;
// they must not block, sleep or keep what they were lent.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/log.h>
#include <stellar/session.h>
#include <stellar/verdict.h>
#include <stellar/version.h>

struct plugin_host; // the engine's side of one loaded plugin
struct plugin_worker; // the same on one worker, lent for the length of one callback

#define STELLAR_PLUGIN_NAME_MAX 63 // bytes; [a-z][a-z0-9_]*
#define STELLAR_PLUGIN_SYMBOL "stellar_plugin"
#define STELLAR_PLUGIN_HEADER \
	.abi_version = STELLAR_ABI_VERSION, .struct_size = sizeof(struct plugin)

struct plugin {
	uint32_t abi_version; // STELLAR_ABI_VERSION it was built with
	uint32_t struct_size; // sizeof(struct plugin) it was built with
	const char *name;
	const char *version;

	// Needs. Work that no plugin needs is not done.
	uint64_t events; // STELLAR_EVENT_BIT of each event wanted
	const char *const *protocols; // NULL-terminated decoder names, or NULL

	// Order: names of plugins this one runs before or after, NULL-terminated, or NULL. A name
	// that is not loaded is no error; a cycle is. Ties break by name.
	const char *const *before;
	const char *const *after;

	// Context per session: zeroed, allocated on first need, freed by the engine exactly once.
	// The first context_persistent_size bytes are plain data that survive the engine's death,
	// when a plugin of the same name, version and persistent size is loaded by its successor:
	// there the session's first event is session_resumed (to those that need it; no opening
	// comes again), the persistent bytes are as they were, the others are zero, and
	// context_init is not called again. A context without persistent bytes begins anew, with
	// context_init. Of a session that dies in a callback nothing is resumed.
	uint32_t context_size;
	uint32_t context_persistent_size;

	// enum stellar_fail_action: what happens when it is disabled. Closed: packets of the
	// millisecond in which it was disabled are refused after the other plugins have heard of
	// them, later ones before any has.
	uint8_t fail_action;
	uint8_t reserved[7];

	// Once, before traffic, on the control thread. state is the plugin's own, given back by
	// pm_plugin_state. Return 0, or -errno to refuse; both may be NULL.
	int (*load)(struct plugin_host *host, void **ret_state);
	void (*unload)(struct plugin_host *host, void *state);

	// A context begins and ends. init may refuse (non-zero): the session goes on without this
	// plugin, counted as an error. free releases what the context points to, never the context.
	int (*context_init)(struct session *session, void *context);
	void (*context_free)(struct session *session, void *context);

	// Each event it needs; session_get_event() says which. context is NULL when context_size
	// is 0. session_closing comes to a plugin that needs session_opening only when it was
	// called for the session. The seed's plugin_entry.
	void (*entry)(struct session *session, void *context);

	// Policy, see <stellar/policy.h>. prepare: control thread, may fail with a reason. commit:
	// each worker in turn, at a burst boundary, must not fail. retire: control thread, when no
	// session pins the prepared policy any more and every worker has left it.
	int (*policy_prepare)(struct plugin_host *host, void *state, const void *policy,
			      size_t policy_size, void **ret_prepared, char *error,
			      size_t error_size);
	void (*policy_commit)(struct plugin_host *host, void *state, void *prepared,
			      uint32_t generation);
	void (*policy_retire)(struct plugin_host *host, void *state, void *prepared);

	// Name of a rule of a prepared policy, for verdict records; NULL when it has none. Asked
	// for STELLAR_RULE_NONE with drop reason policy_default: the default's name. Lives as long
	// as the prepared policy. Worker thread.
	const char *(*policy_rule_name)(const void *prepared, uint32_t rule_id);

	// Settings it takes, NULL-terminated names ([a-z][a-z0-9_]*), or NULL. One that the
	// operator gave and that is not here is refused; load reads them with plugin_get_setting.
	const char *const *settings;

	// Derived events, NULL-terminated, or NULL: names of those it raises ("knocked"), and of
	// those it needs of other plugins ("gate.knocked"). Of a plugin that is not loaded none
	// comes, which is no error; one that a loaded plugin does not raise is.
	const char *const *raises;
	const char *const *hears;

	// State of one worker, so that nothing is shared between threads: begins after load, before
	// traffic; ends after the worker's last session. Control thread, while the worker does not
	// run. Return 0, or -errno to refuse; all may be NULL. pm_session_worker_state gives it
	// back.
	int (*worker_init)(struct plugin_host *host, void *state, uint32_t worker_id,
			   void **ret_worker_state);
	void (*worker_fini)(struct plugin_host *host, void *state, void *worker_state);

	// Called on each worker every tick_ms of engine time (0: never), first tick_ms after that
	// began: with the first packet in replay, with the worker when live. Times that pass at
	// once, because no packet came, are one call, at the last of them. A tick comes before
	// timers and sessions that are due in the same millisecond; several in plugin order. There
	// is no session: what takes one is not for it. Worker thread.
	uint32_t tick_ms;
	uint32_t reserved_2;
	void (*tick)(struct plugin_worker *worker, void *worker_state);

	// This version was loaded in the place of old_version while traffic flows (engine.h), and
	// the session has a context that the old one made. Fill `context`, zeroed, from it and
	// return 0: the session is this version's from the event in hand on, and what the old
	// context points to is now the new one's to free (its context_free is not called).
	// Non-zero: the session stays with the old version, and is not asked again for this one.
	// NULL: all stay. The new context is where it will stay; the old one may be a copy: what
	// points into itself does not hold. Worker thread; only read of the session.
	int (*context_migrate)(struct session *session, const char *old_version, void *old_context,
			       uint32_t old_context_size, void *context);
};

// The policy this plugin has in force on this worker (what prepare made), or NULL. Worker thread,
// inside a callback.
STELLAR_PUBLIC const void *pm_session_policy(const struct session *session);

// The state that load returned, for the plugin being called. Worker thread, inside a callback.
STELLAR_PUBLIC void *pm_session_plugin_state(const struct session *session);

// The state that worker_init made on this worker, or NULL. Worker thread, inside a callback.
STELLAR_PUBLIC void *pm_session_worker_state(const struct session *session);

// Id of the plugin being called: its place in the order, stable while it is loaded.
STELLAR_PUBLIC uint16_t pm_session_plugin_id(const struct session *session);

// No further event of this session to this plugin. Takes effect after the callback, which then
// frees the context. Returns 0; -EBUSY for an owner: give the session back first; -EINVAL for a
// session that is not this callback's.
STELLAR_PUBLIC int pm_session_detach_me(struct session *session);

// Own the session: the others are muted for it. Those called before that need session_suspended get
// it right after the callback, if it is owned then, and session_closing at its end; the rest get
// nothing more. The lease ends with the session, with pm_session_give_back, after 300 s of engine
// time, or when the owner fails or is disabled; asked for again, it begins anew. Returns 0; -EBUSY
// when another plugin owns it or holds its lock; -EACCES after a plugin has denied (DROP) the
// current packet or the session, or while another one holds (HOLD) a packet of it; -EINVAL for a
// session that is closing, and for a plugin that is detached from it or disabled.
STELLAR_PUBLIC int pm_session_take_over(struct session *session);

// End an own lease. Those behind the caller in the order hear of the event in hand already, the
// others of the session's next one.
// Returns 0, or -EPERM when the caller is not the owner.
STELLAR_PUBLIC int pm_session_give_back(struct session *session);

// Report that this callback failed: counted, and the session is detached from the plugin, with its
// fail action (closed: it is blocked). After STELLAR_PLUGIN_ERRORS_MAX times the plugin is
// disabled, with its fail action for all sessions.
STELLAR_PUBLIC void pm_session_fail(struct session *session);
#define STELLAR_PLUGIN_ERRORS_MAX 16

// Log from a plugin, control thread callbacks only (load, unload, policy_*): the packet path counts
// instead. One line, printf format.
STELLAR_PUBLIC void plugin_log(struct plugin_host *host, enum stellar_log_level level,
			       const char *format, ...) __attribute__((format(printf, 3, 4)));

// A setting as the operator gave it, text, or NULL: none was given. Lives as long as the plugin.
// Control thread.
STELLAR_PUBLIC const char *plugin_get_setting(const struct plugin_host *host, const char *key);

// Id of a derived event: of one's own by its name, of another plugin's, from `hears`, as
// "plugin.event". Stable while the engine lives. Control thread, from load on. Returns -ENOENT when
// there is none.
STELLAR_PUBLIC int plugin_get_derived_id(const struct plugin_host *host, const char *name);

// A counter of the plugin, made in load or policy_prepare; name as metrics are named. The same name
// gives the same id. Returns an id, or -errno (-ENOSPC: 4096 are there).
STELLAR_PUBLIC int plugin_counter_create(struct plugin_host *host, const char *name);

// Add to a counter of the plugin being called. Worker thread; an unknown id does nothing.
STELLAR_PUBLIC void plugin_counter_add(const struct session *session, int counter_id,
				       uint64_t amount);

// Id of an interface by its name in the topology, or -ENOENT. Control thread.
STELLAR_PUBLIC int plugin_interface_id(const struct plugin_host *host, const char *name);

// In tick: where and when it is called, and what it may do there. Worker thread.
STELLAR_PUBLIC uint32_t plugin_worker_get_id(const struct plugin_worker *worker);
STELLAR_PUBLIC uint64_t plugin_worker_get_time_ns(const struct plugin_worker *worker);
STELLAR_PUBLIC void plugin_worker_counter_add(struct plugin_worker *worker, int counter_id,
					      uint64_t amount);
// Report that this tick failed: counted, and after STELLAR_PLUGIN_ERRORS_MAX errors on one worker
// the plugin is disabled with its fail action.
STELLAR_PUBLIC void plugin_worker_fail(struct plugin_worker *worker);
// As session_log (log.h), of no session.
STELLAR_PUBLIC int plugin_worker_log(struct plugin_worker *worker, enum stellar_log_level level,
				     const char *text, size_t length);
