// SPDX-License-Identifier: Apache-2.0

// Parents and children.
//
// Ties (native/session/tie.h) are made and ended in constant time. A family is FAMILY_DEPTH_MAX
// ties deep at most and a session has at most limit `children_session` children; one more is a
// session without a parent, counted as orphaned, and so is one for whose tie there is no memory.
//
// The order: a parent opens before and closes after its children.
//   - Its time is over (idle, FIN, RST) while a child lives: it stays in the table, outside of the
//     timers, until the last child has closed; then it is armed again and closes at the next tick,
//     unless it has become alive. Children have timeouts of their own, so that ends.
//   - It must go (policy, port reuse, shutdown): its children close before it for parent_closed,
//     the deepest first, the oldest of each parent first. n descendants cost O(n).
//   - The table is full: a session with children is no victim, its children are.
//
// Worker's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FAMILY_DEPTH_MAX 4u // ties between a session and its oldest ancestor

struct worker;

// Make child, a new session, the child of parent. Returns 0; -ENOSPC (too deep, or too many
// children); -ENOMEM. Both ways are counted.
int session_family_adopt(struct worker *worker, uint32_t parent, uint32_t child);

// Parent of a session, or SESSION_NONE.
uint32_t session_family_get_parent(const struct worker *worker, uint32_t index);

// Raise child_opening for the parent of the session in hand, which is new, if it has one.
void session_family_raise(struct worker *worker);

// Close a session, its descendants first.
void session_stage_close(struct worker *worker, uint32_t index, uint8_t reason);
// Close one that makes room: reason evicted, or its own when it was over.
void session_stage_evict(struct worker *worker, uint32_t index);
// Close all, families by their oldest.
void session_stage_close_all(struct worker *worker, uint8_t reason);

// Whether a session whose time is over has children to wait for.
bool session_family_waits(const struct worker *worker, uint32_t index);

// expect.c. Whether a new session was announced: then it becomes a child. Ask when there are any.
void expect_meet(struct worker *worker, uint32_t index);
// A session closes: what it announced will be nobody's child.
void expect_forget(struct worker *worker, uint32_t index);
// End the announcements whose time is over. Ask when there are any.
void expect_advance(struct worker *worker);
