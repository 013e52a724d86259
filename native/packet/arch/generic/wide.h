// SPDX-License-Identifier: Apache-2.0

// Registers of 32 bytes: none are known of.
#pragma once

#include <stdbool.h>

// Of a function that only runs when packet_has_wide() is true.
#define PACKET_WIDE

static inline bool packet_has_wide(void)
{
	return false;
}
