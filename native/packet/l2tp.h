// SPDX-License-Identifier: Apache-2.0

// L2TP over UDP, for the decoder of UDP tunnels; over IP it is in layer.h.
#pragma once

#include <stdbool.h>

#include "packet/cursor.h"
#include "packet/decode.h"

// As decode_udp_tunnel: false when the datagram is no L2TP data message.
bool decode_l2tp_over_udp(struct packet *packet, struct cursor cursor, bool verify);
