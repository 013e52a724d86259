// SPDX-License-Identifier: Apache-2.0

// Calling one plugin; see plugin_call.c. Who is called is plugin_dispatch.c's matter. Worker's
// thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct plugin_host;
struct session;
struct worker;

// Call a plugin's entry for the session's event, and do what it asked for.
void plugin_call(struct worker *worker, struct session *session, struct plugin_host *host);

// No further call of the plugin, but for what lets its contexts go: its fail action holds. Workers
// see it at their next boundary. Any thread.
void plugin_disable(struct plugin_host *host);

// Whether a plugin was disabled for its errors, as of the last boundary or in this worker.
bool plugin_is_disabled(const struct worker *worker, uint16_t plugin_id);
