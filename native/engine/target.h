// SPDX-License-Identifier: Apache-2.0

// Which hosts put overlapping pieces together how: prefixes with a target profile, longest first.
// Filled by the control thread before the workers start, only read afterwards. A search is linear:
// it is made once a session or datagram, and there are STELLAR_TARGETS_MAX prefixes at most.
#pragma once

#include <stdint.h>

#include <stellar/engine.h>

struct target {
	struct ip_address prefix; // host bits zero
	uint8_t prefix_length;
	uint8_t profile; // enum stellar_target_profile
};

struct target_list {
	uint16_t count;
	struct target targets[STELLAR_TARGETS_MAX];
};

// Returns 0; -EINVAL (version, length or profile); -EEXIST; -ENOSPC.
int target_list_add(struct target_list *list, const struct ip_address *prefix,
		    uint8_t prefix_length, uint8_t profile);

// The profile of an address, or otherwise when no prefix holds it.
uint8_t target_list_lookup(const struct target_list *list, const struct ip_address *address,
			   uint8_t otherwise);
