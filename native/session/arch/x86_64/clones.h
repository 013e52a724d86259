// SPDX-License-Identifier: Apache-2.0

// Compile a function once per vector width; the loader picks what the processor has.
#pragma once

#define SESSION_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
