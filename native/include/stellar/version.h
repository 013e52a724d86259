// SPDX-License-Identifier: Apache-2.0

// Version of the plugin ABI. The major part changes when a structure or the meaning of a call
// changes incompatibly; a plugin built for another major part is refused at load. Structures grow
// only at their end, and every structure that crosses the border opens with its size.
#pragma once

#include <stdint.h>

#define STELLAR_ABI_VERSION 2u
#define STELLAR_VERSION "0.1.0"

#define STELLAR_PUBLIC __attribute__((visibility("default")))

// Returns STELLAR_ABI_VERSION of the running library. Any thread.
STELLAR_PUBLIC uint32_t stellar_abi_version(void);

// Returns STELLAR_VERSION of the running library, a static string. Any thread.
STELLAR_PUBLIC const char *stellar_version(void);
