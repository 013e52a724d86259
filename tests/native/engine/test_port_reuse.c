// SPDX-License-Identifier: Apache-2.0

// A SYN on the ports of a finished session begins another: the old one closes first, with its own
// reason, and nothing of it is left in the new one.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"

static void test_syn_after_a_reset_opens_a_new_session(void **state)
{
	const uint64_t events = STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING) |
				STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING);
	const struct harness_segment syn = {1000, 80, 100, 0, STELLAR_TCP_SYN, false};
	const struct harness_segment reset = {1000, 80, 0, 101, STELLAR_TCP_RST | STELLAR_TCP_ACK,
					      true};
	const struct harness_segment other_syn = {1000, 80, 900000, 0, STELLAR_TCP_SYN, false};
	struct session_stats sessions;
	struct harness harness;
	struct harness_plugin plugin;
	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", events, NULL);
	harness_start(&harness);

	harness_send_segment(&harness, &syn);
	harness_send_segment(&harness, &reset);
	struct verdict verdict = harness_send_segment(&harness, &other_syn);

	engine_get_session_stats(harness.engine, &sessions);
	assert_string_equal(harness.log, "a:session_opening a:session_closing a:session_opening ");
	assert_int_equal(verdict.disposition, STELLAR_CONTINUE);
	assert_int_equal(verdict.tcp_state, STELLAR_TCP_SYN_SENT);
	assert_int_equal(sessions.created, 2);
	assert_int_equal(sessions.active, 1);
	assert_int_equal(sessions.closed[STELLAR_CLOSED_RST], 1);
	assert_int_equal(plugin.inits, 2);
	assert_int_equal(plugin.frees, 1);
	harness_close(&harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syn_after_a_reset_opens_a_new_session),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
