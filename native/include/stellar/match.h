// SPDX-License-Identifier: Apache-2.0

// Matching that several network functions share: prefix sets, domain sets, multi-pattern scans.
// Built off the data path, read-only afterwards, shared by all workers. Declared now; creation
// returns -ENOSYS until the first user lands.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/packet.h>
#include <stellar/version.h>

struct match_prefix_set;

// Build a longest-prefix-match set. Control thread. Returns -ENOSYS; *ret_set stays untouched.
STELLAR_PUBLIC int match_prefix_set_create(const struct ip_address *prefixes,
					   const uint8_t *prefix_lengths, const uint32_t *values,
					   size_t count, struct match_prefix_set **ret_set);
STELLAR_PUBLIC void match_prefix_set_destroy(struct match_prefix_set *set);

// Value of the longest prefix that holds address. Returns 0 or -ENOENT. Any thread.
STELLAR_PUBLIC int match_prefix_set_lookup(const struct match_prefix_set *set,
					   const struct ip_address *address, uint32_t *ret_value);
