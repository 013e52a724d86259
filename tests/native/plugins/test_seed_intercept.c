// SPDX-License-Identifier: Apache-2.0

// The seed's example plugin, loaded from its shared object beside a plugin that marks sessions
// before it ("a_marker") and one that listens after it ("z_listener").

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../engine/harness.h"

#define OPENING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_OPENING)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define CLOSING STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_CLOSING)

#define PORT_INTERCEPTED 8080
#define PORT_BULK 5001
#define PORT_MARKED 9999
#define ACTION_INTERCEPT 1 // enum security_action of the plugin

struct scene {
	struct harness harness;
	struct harness_plugin marker;
	struct harness_plugin listener;
};

static void mark(struct harness *harness, struct session *session, void *context)
{
	const int64_t action = ACTION_INTERCEPT;
	struct packet_endpoint responder;

	session_get_responder(session, &responder);
	if (responder.port == PORT_MARKED)
		assert_int_equal(
			session_copy_metadata(session, "fw_action", &action, sizeof(action)), 0);
}

static void scene_open(struct scene *scene)
{
	char error[256] = "";

	harness_open(&scene->harness, NULL);
	harness_add_plugin(&scene->harness, &scene->marker, "a_marker", OPENING, mark);
	harness_add_plugin(&scene->harness, &scene->listener, "z_listener",
			   OPENING | PACKET | CLOSING, NULL);
	assert_int_equal(
		engine_load_plugin(scene->harness.engine, SEED_INTERCEPT, error, sizeof(error)), 2);
	assert_string_equal(error, "");
	harness_start(&scene->harness);
}

static void scene_close(struct scene *scene)
{
	harness_balance(&scene->harness);
	harness_close(&scene->harness);
}

static uint64_t counter(const struct scene *scene, const char *wanted)
{
	const char *plugin;
	const char *name;
	uint64_t value;

	for (size_t i = 0;
	     engine_get_plugin_counter(scene->harness.engine, i, &plugin, &name, &value) == 0;
	     i++) {
		if (strcmp(name, wanted) == 0)
			return value;
	}
	fail_msg("no counter %s", wanted);
	return 0;
}

static void test_intercepted_session_is_taken_over(void **state)
{
	struct scene scene;

	scene_open(&scene);

	harness_send_datagram(&scene.harness, 1000, PORT_INTERCEPTED, "x", false);
	harness_send_datagram(&scene.harness, 1000, PORT_INTERCEPTED, "y", false);
	worker_finish(scene.harness.worker);

	// The marker comes first and is called before the takeover; the listener never is.
	assert_string_equal(scene.harness.log, "a_marker:session_opening ");
	assert_int_equal(counter(&scene, "intercepted"), 1);
	assert_int_equal(counter(&scene, "intercepted_elsewhere"), 0);
	scene_close(&scene);
}

static void test_session_intercepted_elsewhere_is_left_alone(void **state)
{
	struct plugin_stats stats[3];
	struct scene scene;

	scene_open(&scene);

	harness_send_datagram(&scene.harness, 1000, PORT_MARKED, "x", false);

	assert_string_equal(scene.harness.log,
			    "a_marker:session_opening z_listener:session_opening "
			    "z_listener:session_packet ");
	assert_int_equal(counter(&scene, "intercepted"), 0);
	assert_int_equal(counter(&scene, "intercepted_elsewhere"), 1);
	assert_int_equal(engine_get_plugin_stats(scene.harness.engine, stats, 3), 3);
	assert_string_equal(stats[1].name, "seed_intercept");
	assert_int_equal(stats[1].detached, 1);
	scene_close(&scene);
}

static void test_permitted_session_goes_to_all(void **state)
{
	struct scene scene;

	scene_open(&scene);

	harness_send_datagram(&scene.harness, 1000, 53, "x", false);

	assert_string_equal(scene.harness.log,
			    "a_marker:session_opening z_listener:session_opening "
			    "z_listener:session_packet ");
	assert_int_equal(harness_drain(&scene.harness, true), 1);
	scene_close(&scene);
}

// Queues are not in this version: the refusal is seen, not swallowed.
static void test_rate_limit_is_refused_while_there_are_no_queues(void **state)
{
	struct scene scene;

	scene_open(&scene);

	harness_send_datagram(&scene.harness, 1000, PORT_BULK, "x", false);

	assert_int_equal(counter(&scene, "rate_limited"), 0);
	assert_int_equal(counter(&scene, "rate_limit_refused"), 1);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intercepted_session_is_taken_over),
		cmocka_unit_test(test_session_intercepted_elsewhere_is_left_alone),
		cmocka_unit_test(test_permitted_session_goes_to_all),
		cmocka_unit_test(test_rate_limit_is_refused_while_there_are_no_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
