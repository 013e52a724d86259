// SPDX-License-Identifier: Apache-2.0

// One version for all: the compiler splits vectors to what the machine has.
#pragma once

#define SESSION_VECTOR_CLONES
