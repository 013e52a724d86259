// SPDX-License-Identifier: Apache-2.0

// Packets made by plugins, counted as `generated`, then as forwarded or dropped like any other.
// They leave after the packet in hand, in the order they were made, by the interface that leads to
// the side they are for, and pass no plugin; when the packet in hand is dropped or held, they leave
// in its place. At most STELLAR_INJECT_MAX for one packet in hand, of all plugins.
// (RST and ICMP as the answer to a dropped packet are part of its verdict: `reply` in verdict.h.)
//
// toward: the direction the packet goes. STELLAR_FORWARD: to the responder, as if it came from the
// originator.
//
// All but inject_frame take the link layer, with its VLAN tags, from the packet in hand, with IP
// headers of their own: no options, TTL 64.
//
// Worker thread, inside a callback. Each returns 0, or
//   -EINVAL      a value out of range; a session that is not this callback's; no packet in hand
//                (timer, closing), but see inject_frame
//   -EOPNOTSUPP  no link layer to take: the packet came in a tunnel, in MPLS or PPPoE, to or from a
//                group, or was captured without addresses (Linux cooked); or other IP versions
//   -ENOSPC      more packets than the limit, or more than STELLAR_INJECT_BYTES_MAX bytes
//   -EMSGSIZE    longer than the interface can send, or than IP allows
//   -ENOMEM
// On a tap without output the packet is counted as forwarded and goes nowhere.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/event.h>
#include <stellar/version.h>

struct session;

#define STELLAR_INJECT_MAX 16
#define STELLAR_INJECT_BYTES_MAX 131072u // of one packet in hand, frames with their link layers

// A TCP reset toward one side, as if it came from the other, or to both (STELLAR_DIRECTION_COUNT;
// counts as two, the responder's first). Its sequence number is the one that side expects next (RFC
// 9293, section 3.5.3; RFC 5961, 3.2), reckoned when the packet in hand has left: the end of what
// was let through to it. A side that awaits the answer to its SYN gets one that acknowledges it;
// one that never got the other's SYN gets none. It is not remembered in the session: drop what
// still comes (`block`). -EINVAL when the session is not TCP.
STELLAR_PUBLIC int inject_rst(struct session *session, enum stellar_direction toward);

// An ICMP error (IPv4: RFC 792; IPv6: RFC 4443) toward the sender of the packet in hand, quoting
// it, from the address it was for. type and code as on the wire, of those that say nothing else:
// IPv4: 3 (codes 0 to 15 but 4) and 11 (0, 1); IPv6: 1 (0 to 8) and 3 (0, 1). -EPERM for a packet
// that no error may answer (RFC 1122, 3.2.2; RFC 4443, 2.4(e)): an ICMP error, one to or from
// a group, a malformed one. It is not limited in rate: that is for the plugin to do.
STELLAR_PUBLIC int inject_icmp(struct session *session, uint8_t type, uint8_t code);

// Payload toward one side as if it came from the other: a UDP datagram, or a TCP segment (PSH, ACK)
// with the next sequence number of that direction, which acknowledges all that the side has sent.
// 1 to 65535 bytes, which are copied; what does not fit a packet is -EMSGSIZE, not cut. What a
// plugin adds to a TCP stream the real sender does not know of: it has to end the session
// afterwards. -EINVAL when the session is neither, or the TCP handshake is not over.
STELLAR_PUBLIC int inject_payload(struct session *session, enum stellar_direction toward,
				  const uint8_t *payload, size_t length);

// A complete frame, with the link layer of the interface. The bytes are copied. Without a packet in
// hand it leaves at once by the interfaces of the session's first packet; -EOPNOTSUPP then
// when another worker receives from them.
STELLAR_PUBLIC int inject_frame(struct session *session, enum stellar_direction toward,
				const uint8_t *frame, size_t length);
