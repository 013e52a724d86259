// SPDX-License-Identifier: Apache-2.0

// Ties of parents and children: links in the extensions of their sessions, in the order in which
// the children came. Adding and removing take constant time: the oldest child's `previous_sibling`
// is the youngest. A parent's hot line says SESSION_HAS_CHILDREN. Worker's thread.
#pragma once

#include <stdint.h>

struct session_table;

// Make child, which has no parent, the youngest child of parent. Both have extensions.
void session_tie_add(struct session_table *table, uint32_t parent, uint32_t child);

// Take child away from its parent.
void session_tie_remove(struct session_table *table, uint32_t child);
