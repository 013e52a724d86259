// SPDX-License-Identifier: Apache-2.0

// The spellings of the document Stellar starts from, for plugins written against it. One macro for
// each name that differs; everything else has the seed's name already.
#pragma once

#include <stellar/aqm.h>
#include <stellar/engine.h>
#include <stellar/packet.h>
#include <stellar/packet_io.h>
#include <stellar/plugin.h>
#include <stellar/session.h>

#define stellar_packet packet
#define pm_session_dettach_me pm_session_detach_me
#define pkt_get_group_id packet_get_group_id
#define pkt_get_raw(packet) packet_get_raw((packet), NULL)
#define amq_group_create aqm_group_create
#define AMQ_enqueue aqm_enqueue
