// SPDX-License-Identifier: Apache-2.0

// A plugin of which there are several versions, made by -DVERSION="1": each packet of a session is
// an event that says which version has it, and how many it has seen. -DTAKES=1: takes the contexts
// of other versions over.

#include <stdio.h>
#include <string.h>

#include <stellar/log.h>
#include <stellar/plugin.h>

struct counted {
	uint32_t packets;
};

static void enter(struct session *session, void *context)
{
	struct counted *counted = context;
	char text[64];
	int length = snprintf(text, sizeof(text), "counted %s: %u", VERSION, ++counted->packets);

	session_log(session, STELLAR_LOG_INFO, text, (size_t)length);
}

#if TAKES
static int migrate(struct session *session, const char *old_version, void *old_context,
		   uint32_t old_context_size, void *context)
{
	if (old_context_size != sizeof(struct counted))
		return -1;
	memcpy(context, old_context, sizeof(struct counted));
	return 0;
}
#endif

STELLAR_PUBLIC const struct plugin stellar_plugin = {
	.abi_version = STELLAR_ABI_VERSION,
	.struct_size = sizeof(struct plugin),
	.name = "counted",
	.version = VERSION,
	.fail_action = STELLAR_FAIL_OPEN,
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET),
	.context_size = sizeof(struct counted),
	.entry = enter,
#if TAKES
	.context_migrate = migrate,
#endif
};
