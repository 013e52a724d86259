// SPDX-License-Identifier: Apache-2.0

// A plugin that does what a line of a TCP session tells it to: "fault segv", "fault hang", "fault
// free", "fault leak" (64 MiB each time), "fault stack". Fails open.

#include <stdlib.h>
#include <string.h>

#include <stellar/plugin.h>
#include <stellar/stream.h>

#define LEAK_BYTES (64u << 20)

struct fault_context {
	void *once;
};

static volatile int never;

static int overflow(volatile char *above)
{
	volatile char below[4096];

	below[0] = above[0];
	return overflow(below) + below[0];
}

static void leak(void)
{
	volatile char *memory = malloc(LEAK_BYTES);

	for (size_t i = 0; memory != NULL && i < LEAK_BYTES; i += 4096)
		memory[i] = 1;
}

static void obey(const struct event *event)
{
	const char *line = (const char *)event->data;
	char start[1] = {0};

	if (event->data_length < 7 || memcmp(line, "fault ", 6) != 0)
		return;
	switch (line[6]) {
	case 's':
		if (event->data_length > 7 && line[7] == 't')
			never = overflow(start);
		*(volatile int *)(uintptr_t)8 = 1;
		break;
	case 'h':
		while (!never)
			;
		break;
	case 'f': {
		void *volatile memory = malloc(64);

		free(memory);
		free(memory);
		break;
	}
	case 'l':
		leak();
		break;
	default:
		break;
	}
}

static void entry(struct session *session, void *context)
{
	const struct event *event = session_get_event(session);

	if (event->direction == STELLAR_FORWARD)
		obey(event);
}

STELLAR_PUBLIC const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = "fault",
	.version = "1",
	.events = STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA),
	.context_size = sizeof(struct fault_context),
	.fail_action = STELLAR_FAIL_OPEN,
	.entry = entry,
};
