// SPDX-License-Identifier: Apache-2.0

// Header rewriting with incremental checksums, and the second (alias) key of a translated session.
// The session table has room for alias keys from the first day; the calls here return -ENOSYS
// until NAT and load balancing use them. Worker thread, inside a callback.
#pragma once

#include <stdint.h>

#include <stellar/packet.h>
#include <stellar/version.h>

struct session;

// From the next packet on the session is also found under these endpoints, and its packets are
// translated both ways between the two keys. Returns 0; -EEXIST when the key is taken.
STELLAR_PUBLIC int rewrite_set_alias(struct session *session,
				     const struct packet_endpoint *originator,
				     const struct packet_endpoint *responder);
STELLAR_PUBLIC int rewrite_del_alias(struct session *session);
