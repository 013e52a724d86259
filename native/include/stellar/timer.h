// SPDX-License-Identifier: Apache-2.0

// Plugin timers on engine time: they fire in replay exactly as they did live, and die with their
// session. Declared now; returns -ENOSYS until plugins have timers. Worker thread, in a callback.
#pragma once

#include <stdint.h>

#include <stellar/version.h>

struct session;

// Raise the event `timer` for this plugin and session after delay_ms of engine time (1 ms grain).
// One timer a plugin and session: starting again moves it. Returns 0 or -errno.
STELLAR_PUBLIC int timer_start(struct session *session, uint32_t delay_ms);

// Returns 0, also when none was running.
STELLAR_PUBLIC int timer_stop(struct session *session);
