// SPDX-License-Identifier: Apache-2.0

// Plugin timers on engine time: they fire in replay exactly as they did live, and die with their
// session, or when the plugin leaves it. They do not outlive the engine: after session_resumed a
// plugin starts them again. A timer of the plugin itself is `tick` of struct plugin. Worker thread,
// in a callback.
#pragma once

#include <stdint.h>

#include <stellar/version.h>

struct session;

// Raise the event `timer` for this plugin and session after delay_ms of engine time (1 ms grain; at
// least 1, at most STELLAR_TIMER_MAX_MS). One timer a plugin and session: starting again moves it.
// Those of one time fire in the order in which they were started, and before a session that ends at
// that time closes. The event has no packet; a session that is bypassed has its timers all the
// same. While another plugin owns the session a timer waits: it fires when the lease ends by its
// time, or in the millisecond after its owner has let go. When no packet comes for long, the timers
// of all that time fire one after the other, each at its own; of those that are started by the way,
// STELLAR_TIMER_STEP_MAX on a worker, the others when the packet comes. Returns 0; -EINVAL (delay,
// a session that is not this callback's, or one that is closing; a plugin that does not need
// `timer`); -ENOSPC (the limit plugin_timers); -ENOMEM.
#define STELLAR_TIMER_MAX_MS 2147483647u
#define STELLAR_TIMER_STEP_MAX 262144u
STELLAR_PUBLIC int timer_start(struct session *session, uint32_t delay_ms);

// Returns 0, also when none was running.
STELLAR_PUBLIC int timer_stop(struct session *session);
