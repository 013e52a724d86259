// SPDX-License-Identifier: Apache-2.0

// Empty on purpose: LuaJIT's FFI knows these types by itself.
#pragma once
