// SPDX-License-Identifier: Apache-2.0

// What the engine asks about the segment of a packet beyond <stellar/packet.h>. Worker's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/decode.h"

// VLAN ids of the packet, outermost first, around and inside its tunnels. Returns how many, at most
// count.
uint32_t packet_get_vlans(const struct packet *packet, uint16_t *ret_vlans, uint32_t count);

#define TAG_VLANS_MAX 2u // that a tag holds as they are

// VLAN ids that a tag holds as they are, 0 for none. Returns how many: TAG_VLANS_MAX, or 0 when it
// folds them.
uint32_t tag_get_vlans(uint32_t tag, uint16_t ret_vlans[TAG_VLANS_MAX]);

// The virtual network of a tag (see session_get_tag). False when it has none.
bool tag_get_network_id(uint32_t tag, uint32_t *ret_network_id);
