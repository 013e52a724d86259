// SPDX-License-Identifier: Apache-2.0

// The program on an interface that xdp: serves. A frame goes to the socket of its queue. When there
// is none, because the engine isn't there, the wire's declared fail action holds: stellar_peer
// names the other interface of a wire that fails open, and is empty when it fails closed. Both maps
// live as long as the program is attached, whatever becomes of the engine.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "xdp_redirect_maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_REDIRECT_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} stellar_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} stellar_peer SEC(".maps");

SEC("xdp")
int stellar_xdp(struct xdp_md *frame)
{
	if (bpf_redirect_map(&stellar_sockets, frame->rx_queue_index, XDP_DROP) == XDP_REDIRECT)
		return XDP_REDIRECT;
	return (int)bpf_redirect_map(&stellar_peer, 0, XDP_DROP);
}

char program_license[] SEC("license") = "Apache-2.0";
