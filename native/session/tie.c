// SPDX-License-Identifier: Apache-2.0

#include "session/tie.h"

#include "session/table.h"

void session_tie_add(struct session_table *table, uint32_t parent, uint32_t child)
{
	struct session_extension *elder = session_table_get_extension(table, parent);
	struct session_extension *younger = session_table_get_extension(table, child);
	younger->parent = parent;
	younger->next_sibling = SESSION_NONE;
	younger->previous_sibling = child;
	if (elder->first_child == SESSION_NONE) {
		elder->first_child = child;
		table->hot[parent].flags |= SESSION_HAS_CHILDREN;
	} else {
		struct session_extension *oldest =
			session_table_get_extension(table, elder->first_child);
		younger->previous_sibling = oldest->previous_sibling;
		session_table_get_extension(table, oldest->previous_sibling)->next_sibling = child;
		oldest->previous_sibling = child;
	}
	elder->child_count++;
}

void session_tie_remove(struct session_table *table, uint32_t child)
{
	struct session_extension *gone = session_table_get_extension(table, child);
	struct session_extension *parent = session_table_get_extension(table, gone->parent);
	uint32_t next = gone->next_sibling;
	if (parent->first_child == child)
		parent->first_child = next;
	else
		session_table_get_extension(table, gone->previous_sibling)->next_sibling = next;
	if (next != SESSION_NONE)
		session_table_get_extension(table, next)->previous_sibling = gone->previous_sibling;
	else if (parent->first_child != SESSION_NONE)
		session_table_get_extension(table, parent->first_child)->previous_sibling =
			gone->previous_sibling;
	if (--parent->child_count == 0)
		table->hot[gone->parent].flags &= (uint16_t)~SESSION_HAS_CHILDREN;
	gone->parent = SESSION_NONE;
}
