// SPDX-License-Identifier: Apache-2.0

// The compiled xdp_redirect.bpf.c, put into the library by the build.
#pragma once

#include <stddef.h>

extern const unsigned char xdp_redirect_object[];
extern const size_t xdp_redirect_object_size; // bytes
