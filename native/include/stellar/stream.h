// SPDX-License-Identifier: Apache-2.0

// Access to the reassembled bytes of a TCP session. Declared now; reassembly comes later, until
// then every call returns -ENOSYS. Worker thread, inside a callback.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/version.h>

struct session;

// The in-order bytes not yet skipped. Valid during the call. Returns 0 or -errno.
STELLAR_PUBLIC int stream_peek(const struct session *session, enum stellar_direction direction,
			       const uint8_t **ret_data, size_t *ret_length);

// Drop count bytes from the front. Returns 0, or -ERANGE when fewer are there.
STELLAR_PUBLIC int stream_skip(struct session *session, enum stellar_direction direction,
			       size_t count);

// Reassemble at most depth_bytes of a direction from now on; 0 stops it.
STELLAR_PUBLIC int stream_set_depth(struct session *session, enum stellar_direction direction,
				    uint64_t depth_bytes);
