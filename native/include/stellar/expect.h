// SPDX-License-Identifier: Apache-2.0

// Announce a session to come (FTP data, SIP media, TFTP): it will arrive as a child of this one,
// with the event child_opening for the parent. Worker thread, inside a
// callback. Declared now; returns -ENOSYS.
#pragma once

#include <stdint.h>

#include <stellar/packet.h>
#include <stellar/version.h>

struct session;

// Expect one session of protocol from originator to responder within timeout_ms (1 to 3600000),
// with tag and tenant of this session. An originator of version 0: any address; port 0: any port,
// of the responder too. The same announcement again renews the time. It ends with the session that
// it waited for, with its time, or with the parent. Returns 0; -EINVAL; -ENOSPC when limit
// expectations or expectations_session is reached; -ENOMEM.
STELLAR_PUBLIC int expect_session(struct session *session, uint8_t protocol,
				  const struct packet_endpoint *originator,
				  const struct packet_endpoint *responder, uint32_t timeout_ms);
