// SPDX-License-Identifier: Apache-2.0

// ICMP errors belong to the session they quote.
//
// The quoted packet is looked up as a packet of its own would be, tag and second keys included. The
// error is then one more packet of that session, in the direction opposite to the quoted one: it is
// counted there and its plugins get session_packet; a session that is blocked drops it, one that is
// allowed lets it pass, whatever the policy says of ICMP. But anyone can send an error, so it
// changes nothing: no state, no timer (it keeps no session alive), no new session.
//
// What an endpoint would not believe is refused, reason icmp_invalid, with decode event
// icmp_quote_invalid: it goes to another host than the one that sent the quoted packet, or it
// quotes a TCP segment outside of what was sent and not yet acknowledged. (RFC 5927 4.1; both ends
// of that range belong to it, as with Linux: a bare acknowledgment has the number of the next
// byte.)
//
// An error that quotes no known session is a session of its own, by type and code: policy decides.
//
// Worker's thread.
#pragma once

#include <stdbool.h>

struct packet;
struct worker;

// Whether the packet, which is in hand, is an error of a known session: then it has that session,
// or its verdict.
bool icmp_stage(struct worker *worker, struct packet *packet);
