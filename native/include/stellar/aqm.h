// SPDX-License-Identifier: Apache-2.0

// Active queue management. The egress scheduler of the worker alone dequeues and sends; plugins
// make groups and put sessions into them. Queues come later: until then group 0 (no group: sent
// directly) works and everything else returns -ENOSYS, so that nothing is silently unlimited.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

struct packet;
struct worker;

// Make a rate-limit group, or change it when it is there. rate in bits a second (CIR), burst in
// bytes (CBS). Control or worker thread. Returns 0 or -ENOSYS.
STELLAR_PUBLIC int aqm_group_create(uint32_t group_id, uint64_t rate_bps, uint64_t burst_bytes);
STELLAR_PUBLIC int aqm_group_destroy(uint32_t group_id);

// Hand a judged packet to the egress scheduler, for a caller that runs the stages by itself
// (<stellar/engine.h>). group_ids lists count groups that all apply; none, or only zeroes: sent
// directly. The packet belongs to the scheduler afterwards, also on error. Returns 0; -ENOSYS for
// a group other than 0, the packet then counts as dropped (aqm); -EINVAL for one that is not in
// hand: not received, or enqueued already.
STELLAR_PUBLIC int aqm_enqueue(struct worker *worker, const uint32_t *group_ids, size_t count,
			       struct packet *packet);
