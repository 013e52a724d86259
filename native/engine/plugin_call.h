// SPDX-License-Identifier: Apache-2.0

// Calling one plugin; see plugin_call.c. Who is called is plugin_dispatch.c's matter. Worker's
// thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct plugin_batch;
struct plugin_batch_entry;
struct plugin_block;
struct plugin_host;
struct session;
struct worker;

// Whether a plugin that needs an event is called for it (plugin_dispatch.c).
bool plugin_is_called(const struct worker *worker, const struct plugin_block *block,
		      const struct plugin_host *host, uint8_t event);

// Call a plugin's entry for the session's event, and do what it asked for.
void plugin_call(struct worker *worker, struct session *session, struct plugin_host *host);

// Call a plugin's tick.
void plugin_call_tick(struct worker *worker, struct plugin_host *host);

// Whether a plugin is being called for this session: the handle is none that it was lent.
bool plugin_call_is_for(const struct session *session);

// No further call of the plugin, but for what lets its contexts go: its fail action holds. Workers
// see it at their next boundary. Any thread.
void plugin_disable(struct plugin_host *host);
// The parts of it, for several sessions at once: make the context live (false: the plugin refused,
// or left at once), call the host from batch->position on, do what one entry asked for.
bool plugin_open_context(struct worker *worker, struct session *session, struct plugin_host *host);
void plugin_call_batch(struct worker *worker, struct plugin_host *host, struct plugin_batch *batch);
void plugin_settle_entry(struct worker *worker, struct plugin_host *host,
			 const struct plugin_batch_entry *entry);

// Around a call of one of a plugin's functions: the worker knows on whose behalf.
void plugin_enter(struct worker *worker, struct session *session, struct plugin_host *host);
void plugin_leave(struct worker *worker);

// The session's context of a version ends, and what the plugin held of the session; it stays.
void plugin_forget(struct worker *worker, struct session *session, struct plugin_host *host);

// One more error of a version, which may have been one too many.
void plugin_count_error(struct worker *worker, struct plugin_host *host);
// Whether another plugin owns the session. A lease that is over ends here.
bool plugin_is_muted(struct worker *worker, struct plugin_block *block, uint16_t plugin_id);

// Whether a plugin was disabled for its errors, as of the last boundary or in this worker.
bool plugin_is_disabled(const struct worker *worker, uint16_t plugin_id);
