// SPDX-License-Identifier: Apache-2.0

// The names behind the public enumerations, generated from the same lists.

#include <stellar/engine.h>
#include <stellar/event.h>
#include <stellar/packet.h>
#include <stellar/session.h>
#include <stellar/stats.h>
#include <stellar/version.h>

uint32_t stellar_abi_version(void)
{
	return STELLAR_ABI_VERSION;
}

const char *stellar_version(void)
{
	return STELLAR_VERSION;
}

const char *stellar_drop_reason_name(uint32_t reason)
{
	static const char *const names[] = {
#define X(name, NAME, sentence) #name,
		STELLAR_DROP_REASONS(X)
#undef X
	};
	return reason < STELLAR_DROP_REASON_COUNT ? names[reason] : NULL;
}

const char *stellar_closing_reason_name(uint32_t reason)
{
	static const char *const names[] = {
#define X(name, NAME, sentence) #name,
		STELLAR_CLOSING_REASONS(X)
#undef X
	};
	return reason < STELLAR_CLOSING_REASON_COUNT ? names[reason] : NULL;
}

const char *stellar_event_name(uint32_t event)
{
	static const char *const names[] = {
#define X(name, NAME, raised, sentence) #name,
#include <stellar/events.def>
#undef X
	};
	return event < STELLAR_EVENT_COUNT ? names[event] : NULL;
}

int stellar_event_is_raised(uint32_t event)
{
	static const bool raised_by_event[] = {
#define X(name, NAME, raised, sentence) raised,
#include <stellar/events.def>
#undef X
	};
	return event < STELLAR_EVENT_COUNT && raised_by_event[event];
}

const char *stellar_tcp_state_name(uint32_t state)
{
	static const char *const names[] = {
#define X(name, NAME) #name,
		STELLAR_TCP_STATES(X)
#undef X
	};
	return state < STELLAR_TCP_STATE_COUNT ? names[state] : NULL;
}

const char *stellar_session_state_name(uint32_t state)
{
	static const char *const names[] = {
		[STELLAR_SESSION_OPENING] = "opening",
		[STELLAR_SESSION_ACTIVE] = "active",
		[STELLAR_SESSION_CLOSING] = "closing",
	};
	return state < STELLAR_SESSION_STATE_COUNT ? names[state] : NULL;
}

const char *stellar_target_profile_name(uint32_t profile)
{
	static const char *const names[] = {
#define X(name, NAME, sentence) #name,
		STELLAR_TARGET_PROFILES(X)
#undef X
	};
	return profile < STELLAR_TARGET_PROFILE_COUNT ? names[profile] : NULL;
}
