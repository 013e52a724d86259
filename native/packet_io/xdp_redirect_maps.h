// SPDX-License-Identifier: Apache-2.0

// What the XDP program and its loader agree on. The kernel keeps 15 bytes of a name.
#pragma once

#define XDP_REDIRECT_QUEUES_MAX 256

#define XDP_REDIRECT_PROGRAM_NAME "stellar_xdp"
#define XDP_REDIRECT_SOCKETS_NAME "stellar_sockets"
#define XDP_REDIRECT_PEER_NAME "stellar_peer"
