// SPDX-License-Identifier: Apache-2.0

// What bench_lua.py's handlers do, in C: nothing, or count packets in the session's context.

#include <stddef.h>
#include <stdint.h>

#include <stellar/plugin.h>

static void entry(struct session *session, void *context)
{
#if PEER_COUNTS
	uint32_t *packets = context;

	(*packets)++;
#endif
}

extern const struct plugin stellar_plugin;
STELLAR_PUBLIC const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "peer",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET),
	.context_size = PEER_COUNTS ? sizeof(uint32_t) : 0,
	.entry = entry,
};
