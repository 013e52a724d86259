// SPDX-License-Identifier: Apache-2.0

// What the files of tcp.h share: arithmetic of sequence numbers, which wrap, so that they are only
// ever compared by their difference, and readings of the hot line.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/decode.h"
#include "session/table.h"
#include "session/tcp.h"

// Options of tcp_track beside those of tcp.h: what tcp_track_endpoints found out.
#define TCP_RST_JUDGED 0x100u // whether a RST is believed is known
#define TCP_RST_BELIEVED 0x200u // it is
#define TCP_ACCEPTABLE 0x400u // the receiver goes on with it, by its own numbers

static inline int32_t tcp_difference(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline bool tcp_has_flag(const struct packet_tcp *tcp, uint8_t flag)
{
	return (tcp->flags & flag) != 0;
}

static inline unsigned tcp_get_scale(const struct session_hot *hot, uint8_t direction)
{
	return hot->window_scale >> (direction * 4) & 15u;
}

// Largest window a direction advertised, bytes. Never 0: a closed window is probed with one byte.
static inline uint32_t tcp_get_window(const struct session_hot *hot, uint8_t direction)
{
	uint32_t window = (uint32_t)hot->max_window[direction] << tcp_get_scale(hot, direction);
	return window > 0 ? window : 1;
}
