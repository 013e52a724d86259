// SPDX-License-Identifier: Apache-2.0

// Registers of 32 bytes: x86-64 has them when it has AVX2, which is asked for once a sum.
#pragma once

#include <stdbool.h>

// Of a function that only runs when packet_has_wide() is true.
#define PACKET_WIDE __attribute__((target("avx2")))

static inline bool packet_has_wide(void)
{
	return __builtin_cpu_supports("avx2");
}
