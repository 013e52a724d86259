// SPDX-License-Identifier: Apache-2.0

// What the Lua host binds. The build runs this through the C preprocessor and installs the result
// as declarations.h, which LuaJIT's FFI parses: the public headers are the one source.
#include <stellar/batch.h>
#include <stellar/expect.h>
#include <stellar/field.h>
#include <stellar/inject.h>
#include <stellar/pattern.h>
#include <stellar/plugin.h>
#include <stellar/stream.h>
#include <stellar/timer.h>

// Of engine.h, for context_migrate.
void *pm_session_old_host_data(const struct session *session);

// Macros end in the preprocessor; these carry their values over.
enum stellar_lua_constant {
	STELLAR_LUA_TCP_FIN = STELLAR_TCP_FIN,
	STELLAR_LUA_TCP_SYN = STELLAR_TCP_SYN,
	STELLAR_LUA_TCP_RST = STELLAR_TCP_RST,
	STELLAR_LUA_TCP_PSH = STELLAR_TCP_PSH,
	STELLAR_LUA_TCP_ACK = STELLAR_TCP_ACK,
	STELLAR_LUA_TCP_URG = STELLAR_TCP_URG,
	STELLAR_LUA_TCP_ECE = STELLAR_TCP_ECE,
	STELLAR_LUA_TCP_CWR = STELLAR_TCP_CWR,
	STELLAR_LUA_BATCH_FAILED = STELLAR_BATCH_FAILED,
	STELLAR_LUA_DERIVED_DATA_MAX = STELLAR_DERIVED_DATA_MAX,
	STELLAR_LUA_HOLD_MAX_MS = STELLAR_HOLD_MAX_MS,
	STELLAR_LUA_PATTERN_POSITION = STELLAR_PATTERN_POSITION,
	STELLAR_LUA_PLUGIN_NAME_MAX = STELLAR_PLUGIN_NAME_MAX,
	STELLAR_LUA_TIMER_MAX_MS = STELLAR_TIMER_MAX_MS,
};
