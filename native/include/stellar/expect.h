// SPDX-License-Identifier: Apache-2.0

// Announce a session to come (FTP data, SIP media, TFTP): it will arrive as a child of this one,
// with the event child_opening for the parent. Worker thread, inside a callback.
#pragma once

#include <stdint.h>

#include <stellar/packet.h>
#include <stellar/version.h>

struct session;

// Expect one session of protocol (TCP or UDP) from originator to responder within timeout_ms (1 to
// 3600000), with tag and tenant of this session. originator NULL or of version 0: any address; port
// 0: any port, of the responder too. The same announcement again renews the time. It ends with the
// session that it waited for, with its time, or with the parent, also when that is blocked.
//
// A session that several announcements fit is the child of the one that says most: of as many
// things said the responder's port counts before the originator's address, and that before its
// port; of equal ones the oldest. Being announced does not let a session pass: its plugins judge
// it, and may ask session_get_parent.
//
// Returns 0; -EINVAL (a value out of range, or the session is closing or blocked); -ENOSPC when
// limit expectations or expectations_session is reached; -ENOMEM.
STELLAR_PUBLIC int expect_session(struct session *session, uint8_t protocol,
				  const struct packet_endpoint *originator,
				  const struct packet_endpoint *responder, uint32_t timeout_ms);
