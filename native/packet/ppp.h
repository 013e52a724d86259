// SPDX-License-Identifier: Apache-2.0

// The PPP header, for the decoders of what carries it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/cursor.h"

// Protocol number and length of a PPP header, with or without address and control, its protocol
// number compressed or not. False when it is cut.
bool ppp_parse(struct cursor cursor, uint16_t *ret_protocol, uint32_t *ret_length);

// Whether a PPP frame may begin at the cursor: one that says it carries IP does.
bool ppp_is_plausible(struct cursor cursor);
