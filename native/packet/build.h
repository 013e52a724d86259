// SPDX-License-Identifier: Apache-2.0

// Frames the engine makes itself: the replies of a verdict. They answer a decoded packet toward its
// sender, with the same link layer (addresses swapped, VLAN tags kept). Never answers a packet that
// RFC 1122 3.2.2 and RFC 4443 2.4(e) forbid answering: an ICMP error, a broadcast or multicast, a
// fragment that is not the first; nor one whose link layer has no way back (Linux cooked captures
// lack the receiver's address). Leaves no byte of the frame unwritten.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "packet/decode.h"

#define BUILD_REPLY_MAX 1400 // bytes, longest frame built here

// TCP RST for a TCP packet (RFC 9293 3.10.7.1: sequence and ACK so that the sender accepts it).
// Returns the length written to ret_frame, 0 when the packet must not be answered (a RST itself),
// or -ENOSPC.
int build_rst(const struct packet *packet, uint8_t *ret_frame, size_t size);

// ICMP destination unreachable, administratively prohibited (RFC 1812 5.2.7.1 code 13; RFC 4443 3.1
// code 1), quoting as much as the RFCs allow. Same return values.
int build_icmp_prohibited(const struct packet *packet, uint8_t *ret_frame, size_t size);
