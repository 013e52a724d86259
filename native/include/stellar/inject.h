// SPDX-License-Identifier: Apache-2.0

// Packets made by plugins, counted as `generated`, then as forwarded or dropped like any other.
// They leave after the packet in hand, in the order they were made, by the interface that leads to
// the side they are for, and pass no plugin. At most STELLAR_INJECT_MAX for one packet in hand.
// (RST and ICMP as the answer to a dropped packet are part of its verdict: `reply` in verdict.h.)
//
// Worker thread, inside a callback. Each returns 0; -EINVAL for a value out of range or, but for
// inject_frame, when no packet is in hand whose link layer could be taken (timeouts), or the
// session is another's; -ENOSPC beyond the limit; -EMSGSIZE when it is longer than the interface
// can send. On a tap without output the packet is counted as forwarded and goes nowhere.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/version.h>

struct session;

#define STELLAR_INJECT_MAX 16

// A TCP reset toward one side, as if it came from the other, or to both (STELLAR_DIRECTION_COUNT;
// counts as two). Its sequence number is the one that side expects next (RFC 9293, section 3.5.3).
// -EINVAL when the session is not TCP.
STELLAR_PUBLIC int inject_rst(struct session *session, enum stellar_direction toward);

// An ICMP error (IPv4: RFC 792; IPv6: RFC 4443) toward the sender of the packet in hand, quoting
// it, from the address it was for. type and code as on the wire; only errors.
STELLAR_PUBLIC int inject_icmp(struct session *session, uint8_t type, uint8_t code);

// Payload toward one side as if it came from the other: a UDP datagram, or a TCP segment (PSH, ACK)
// with the next sequence number of that direction. The bytes are copied. What a plugin adds to a
// TCP stream the real sender does not know of: it has to end the session afterwards.
STELLAR_PUBLIC int inject_payload(struct session *session, enum stellar_direction toward,
				  const uint8_t *payload, size_t length);

// A complete frame, with the link layer of the interface. The bytes are copied.
STELLAR_PUBLIC int inject_frame(struct session *session, enum stellar_direction toward,
				const uint8_t *frame, size_t length);
