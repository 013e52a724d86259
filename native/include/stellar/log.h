// SPDX-License-Identifier: Apache-2.0

// Log levels and the sink an embedding program gives the engine. The packet path never logs there:
// it counts. Lines reach the sink from control-thread calls only. What a plugin has to say of a
// session goes where the other events go: session_log.
#pragma once

#include <stddef.h>

#include <stellar/version.h>

struct session;

enum stellar_log_level {
	STELLAR_LOG_ERROR,
	STELLAR_LOG_WARNING,
	STELLAR_LOG_INFO,
	STELLAR_LOG_DEBUG,
	STELLAR_LOG_LEVEL_COUNT,
};

// One line without newline. source names the plugin or part. Must be callable from any control
// thread.
typedef void (*stellar_log_fn)(void *sink, enum stellar_log_level level, const char *source,
			       const char *line);

#define STELLAR_LOG_TEXT_MAX 1024 // bytes

// Write an event of type `plugin` to the event output: time, the session's ids and endpoints, the
// name of the plugin being called, level and text (UTF-8; other bytes are escaped). What finds no
// room is counted as lost, as any event. Worker thread, inside a callback. Returns 0; -EINVAL for a
// level out of range; -EMSGSIZE above STELLAR_LOG_TEXT_MAX.
STELLAR_PUBLIC int session_log(struct session *session, enum stellar_log_level level,
			       const char *text, size_t length);
