// SPDX-License-Identifier: Apache-2.0

// Announce a session to come (FTP data, SIP media): it will arrive as a child of this one.
// Declared now; returns -ENOSYS. Worker thread, inside a callback.
#pragma once

#include <stdint.h>

#include <stellar/packet.h>
#include <stellar/version.h>

struct session;

// Expect one session from originator (port 0: any) to responder within timeout_ms.
STELLAR_PUBLIC int expect_session(struct session *session, uint8_t protocol,
				  const struct packet_endpoint *originator,
				  const struct packet_endpoint *responder, uint32_t timeout_ms);
