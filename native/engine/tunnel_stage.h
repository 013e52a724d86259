// SPDX-License-Identifier: Apache-2.0

// Tunnels as sessions (engine_config.tunnel_parents): the conversation of the innermost tunnel's
// outer IP header (its addresses, its ports when it is UDP) is a session too, found or made for
// each packet that came in it, and the parent of the sessions that open inside.
//
// It is judged as any session: it counts the packet, gets session_opening, session_active and
// session_packet before the inner session gets its events, and a verdict on it is one on the same
// packet: the strictest wins, and what is dropped is dropped once, under one reason. So a policy
// that denies by default must allow the tunnel itself (a rule for UDP 4789, for protocol 47) as
// well as what goes through it. A tunnel that is blocked drops its packets before an inner session
// is looked for. udp_data is not raised for it: its payload is the inner packet.
//
// An inner session keeps the parent it opened in. Where there is no room for the tunnel's session
// (it evicts nobody), or for the tie, the inner session goes on without, counted as orphaned. With
// several workers each has its own session of a tunnel, for what it judges.
//
// Worker's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct packet;
struct worker;

// Find or make the session of the packet's tunnel, worker->outer. Returns false when the packet's
// way ends there: the tunnel is denied, and is the session in hand.
bool tunnel_stage(struct worker *worker, struct packet *packet);

// A new inner session becomes the child of worker->outer, unless it is a child already.
void tunnel_stage_adopt(struct worker *worker, uint32_t index);

// Raise what the packet means to worker->outer, if there is one.
void tunnel_stage_raise(struct worker *worker);

// What was raised is delivered. An opening that was not, because the packet was refused first, is
// raised again by the next packet: no tunnel goes on that nobody was asked about.
void tunnel_stage_heard(struct worker *worker);
