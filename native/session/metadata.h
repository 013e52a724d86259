// SPDX-License-Identifier: Apache-2.0

// Session extra data: a short list of keyed values with a free callback each, run exactly once. The
// functions behind session_set_metadata and its kin (<stellar/session.h> has the contract); the
// events are the engine's to raise. The list is a pointer that starts as NULL. Owner: the session's
// worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/session.h>

#define METADATA_KEY_MAX 63 // bytes
#define METADATA_SLOTS_MAX 16 // a session

struct metadata;

// Returns 0, -EINVAL, -ENOSPC or -ENOMEM. On error nothing changes and nothing is freed. A free
// callback that reaches back into the list sees the new value.
int metadata_set(struct metadata **list, const char *key, void *value, size_t value_size,
		 session_metadata_free_fn free_callback);

// The same; *count goes up with the value, and down when it has been freed. NULL: not counted.
int metadata_set_counted(struct metadata **list, const char *key, void *value, size_t value_size,
			 session_metadata_free_fn free_callback, uint64_t *count);

// Returns 0 or -ENOENT. Either out-parameter may be NULL.
int metadata_get(const struct metadata *list, const char *key, void **ret_value,
		 size_t *ret_value_size);

// Returns 0 or -ENOENT.
int metadata_remove(struct metadata **list, const char *key);

// Free every value in the order in which the keys were first set; *list becomes NULL.
void metadata_clear(struct metadata **list);
