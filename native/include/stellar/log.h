// SPDX-License-Identifier: Apache-2.0

// Log levels and the sink an embedding program gives the engine. The packet path never logs: it
// counts. Lines reach the sink from control-thread calls only.
#pragma once

#include <stellar/version.h>

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
