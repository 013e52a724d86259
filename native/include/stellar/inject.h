// SPDX-License-Identifier: Apache-2.0

// Packets made by plugins, counted as `generated`. Declared now; returns -ENOSYS. (The replies of a
// verdict, RST and ICMP, are made by the engine and work.) Worker thread, inside a callback.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/version.h>

struct session;

// Send a reset to one side or both (STELLAR_DIRECTION_COUNT).
STELLAR_PUBLIC int inject_rst(struct session *session, enum stellar_direction toward);

// Send a complete frame of length bytes in a direction of the session. The bytes are copied.
STELLAR_PUBLIC int inject_frame(struct session *session, enum stellar_direction toward,
				const uint8_t *frame, size_t length);
