// SPDX-License-Identifier: Apache-2.0

// Bytes of TCP sessions as plugins hear of them, and what they may ask for (<stellar/stream.h>).

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <stellar/stream.h>

#include "harness.h"

#define DATA STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_DATA)
#define GAP STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_GAP)
#define OVERLAP STELLAR_EVENT_BIT(STELLAR_EVENT_TCP_OVERLAP)
#define PACKET STELLAR_EVENT_BIT(STELLAR_EVENT_SESSION_PACKET)
#define UDP STELLAR_EVENT_BIT(STELLAR_EVENT_UDP_DATA)

#define FORWARD_START (UINT32_MAX - 5) // of the SYN: numbers wrap within the first bytes
#define REVERSE_START 5000u
#define ACK STELLAR_TCP_ACK
#define TEXT_SIZE 1024

// A session between fixed ports, and what a plugin heard of it, in words.
struct dialogue {
	struct harness harness;
	struct harness_plugin plugin;
	char text[TEXT_SIZE];
};

static void write_down(struct dialogue *dialogue, const char *what, uint64_t offset,
		       const uint8_t *data, size_t length)
{
	size_t used = strlen(dialogue->text);

	snprintf(dialogue->text + used, TEXT_SIZE - used, "%s%llu:%.*s ", what,
		 (unsigned long long)offset, (int)length, data != NULL ? (const char *)data : "");
}

static void hear(struct harness *harness, struct session *session, void *context)
{
	static const char *const words[] = {"", "<"};
	static const uint8_t missing[] = "????????????????";
	struct dialogue *dialogue = (struct dialogue *)harness;
	const struct event *event = session_get_event(session);

	if (event->type == STELLAR_EVENT_TCP_DATA)
		write_down(dialogue, words[event->direction], event->stream_offset, event->data,
			   event->data_length);
	else if (event->type == STELLAR_EVENT_TCP_GAP)
		write_down(dialogue, words[event->direction], event->stream_offset, missing,
			   event->data_length);
	else if (event->type == STELLAR_EVENT_TCP_OVERLAP)
		write_down(dialogue, "!", event->stream_offset, event->data, event->data_length);
}

static struct verdict say(struct dialogue *dialogue, uint32_t place, const char *payload,
			  uint8_t flags)
{
	const struct harness_segment segment = {
		.source_port = 1000,
		.destination_port = 80,
		.sequence = FORWARD_START + 1 + place,
		.acknowledgment = REVERSE_START + 1,
		.flags = flags,
	};

	return harness_send_payload(&dialogue->harness, &segment, payload);
}

static struct verdict answer(struct dialogue *dialogue, uint32_t place, const char *payload,
			     uint32_t acknowledged, uint8_t flags)
{
	const struct harness_segment segment = {
		.source_port = 1000,
		.destination_port = 80,
		.sequence = REVERSE_START + 1 + place,
		.acknowledgment = FORWARD_START + 1 + acknowledged,
		.flags = flags,
		.from_responder = true,
	};

	return harness_send_payload(&dialogue->harness, &segment, payload);
}

static void greet(struct dialogue *dialogue)
{
	say(dialogue, UINT32_MAX, "", STELLAR_TCP_SYN);
	answer(dialogue, UINT32_MAX, "", 0, STELLAR_TCP_SYN | ACK);
	say(dialogue, 0, "", ACK);
}

static struct engine_config default_config(bool is_inline)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = is_inline;
	return config;
}

static void open_dialogue(struct dialogue *dialogue, const struct engine_config *config,
			  harness_react_fn react)
{
	memset(dialogue, 0, sizeof(*dialogue));
	harness_open(&dialogue->harness, config);
	harness_add_plugin(&dialogue->harness, &dialogue->plugin, "a", DATA | GAP | OVERLAP, react);
	harness_start(&dialogue->harness);
	greet(dialogue);
}

static struct stream_stats stats_of(struct dialogue *dialogue)
{
	struct stream_stats stats;

	worker_finish(dialogue->harness.worker);
	engine_get_stream_stats(dialogue->harness.engine, &stats);
	return stats;
}

static void check_pointer(struct harness *harness, struct session *session, void *context)
{
	const struct event *event = session_get_event(session);
	size_t length;

	hear(harness, session, context);
	assert_ptr_equal(event->data, packet_get_payload(event->packet, &length));
	assert_int_equal(event->data_length, length);
}

static void test_bytes_in_order_are_those_of_the_packet(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, check_pointer);

	say(&dialogue, 0, "GET ", ACK);
	answer(&dialogue, 0, "200", 4, ACK);
	say(&dialogue, 4, "/index", ACK);

	assert_string_equal(dialogue.text, "0:GET  <0:200 4:/index ");
	harness_close(&dialogue.harness);
}

static void test_bytes_that_came_early_follow_those_before_them(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, hear);

	say(&dialogue, 6, "gh", ACK);
	say(&dialogue, 2, "cd", ACK);
	say(&dialogue, 4, "ef", ACK);
	assert_string_equal(dialogue.text, "");
	say(&dialogue, 0, "ab", ACK);

	assert_string_equal(dialogue.text, "0:ab 2:cdef 6:gh ");
	assert_int_equal(stats_of(&dialogue).delivered_bytes, 8);
	harness_close(&dialogue.harness);
}

static void test_bytes_sent_again_are_heard_once(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, hear);

	say(&dialogue, 0, "abcd", ACK);
	say(&dialogue, 0, "abcd", ACK);
	say(&dialogue, 2, "cdef", ACK);

	assert_string_equal(dialogue.text, "0:abcd 4:ef ");
	harness_close(&dialogue.harness);
}

static void test_acknowledged_bytes_that_were_not_seen_are_a_gap(void **state)
{
	const struct engine_config config = default_config(false);
	struct dialogue dialogue;

	open_dialogue(&dialogue, &config, hear);

	say(&dialogue, 0, "ab", ACK);
	say(&dialogue, 5, "fg", ACK);
	answer(&dialogue, 0, "", 2, ACK);
	assert_string_equal(dialogue.text, "0:ab ");
	answer(&dialogue, 0, "", 7, ACK);

	assert_string_equal(dialogue.text, "0:ab 2:??? 5:fg ");
	struct stream_stats stats = stats_of(&dialogue);

	assert_int_equal(stats.gaps, 1);
	assert_int_equal(stats.gap_bytes, 3);
	harness_close(&dialogue.harness);
}

static void test_segment_that_contradicts_goes_no_further_inline(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, hear);

	say(&dialogue, 2, "cdef", ACK);
	struct verdict verdict = say(&dialogue, 3, "dXYg", ACK);

	assert_int_equal(verdict.disposition, STELLAR_DROP);
	assert_int_equal(verdict.drop_reason, STELLAR_DROPPED_STREAM_OVERLAP);
	say(&dialogue, 0, "ab", ACK);
	assert_string_equal(dialogue.text, "!4:XY 0:ab 2:cdef ");
	assert_int_equal(harness_balance(&dialogue.harness).dropped[STELLAR_DROPPED_STREAM_OVERLAP],
			 1);
	harness_close(&dialogue.harness);
}

static void test_delivered_bytes_are_not_sent_again_with_others(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, hear);

	say(&dialogue, 0, "abcd", ACK);
	say(&dialogue, 4, "efgh", ACK);
	assert_int_equal(say(&dialogue, 0, "abcdefgh", ACK).disposition, STELLAR_CONTINUE);
	assert_int_equal(say(&dialogue, 0, "abcdeXgh", ACK).drop_reason,
			 STELLAR_DROPPED_STREAM_OVERLAP);
	answer(&dialogue, 0, "", 8, ACK);
	assert_int_equal(say(&dialogue, 7, "?", ACK).disposition, STELLAR_CONTINUE);

	assert_string_equal(dialogue.text, "0:abcd 4:efgh !4:eXgh ");
	harness_close(&dialogue.harness);
}

static void test_contradiction_on_a_tap_is_settled_as_the_receiver_does(void **state)
{
	struct engine_config config = default_config(false);
	struct dialogue dialogue;

	config.target_profile = STELLAR_TARGET_LAST;
	open_dialogue(&dialogue, &config, hear);

	say(&dialogue, 2, "cdef", ACK);
	say(&dialogue, 3, "XY", ACK);
	say(&dialogue, 0, "ab", ACK);

	assert_string_equal(dialogue.text, "!3:XY 0:ab 2:cXY 5:f ");
	assert_int_equal(stats_of(&dialogue).overlaps, 1);
	harness_close(&dialogue.harness);
}

static void test_limit_of_held_bytes_leaves_a_gap_and_goes_on(void **state)
{
	struct engine_config config = default_config(true);
	struct dialogue dialogue;

	config.limits.stream_held_bytes = 256; // two blocks
	config.target_profile = STELLAR_TARGET_BSD; // pieces are not joined
	open_dialogue(&dialogue, &config, hear);

	say(&dialogue, 4, "ef", ACK);
	say(&dialogue, 8, "ij", ACK);
	say(&dialogue, 12, "mn", ACK);

	assert_string_equal(dialogue.text, "0:???? 4:ef ");
	say(&dialogue, 6, "gh", ACK);
	say(&dialogue, 10, "kl", ACK);
	assert_string_equal(dialogue.text, "0:???? 4:ef 6:gh 8:ij 10:kl 12:mn ");
	struct stream_stats stats = stats_of(&dialogue);

	assert_int_equal(stats.limited, 1);
	assert_int_equal(stats.held_bytes, 0);
	harness_close(&dialogue.harness);
}

static void test_without_memory_what_comes_early_is_heard_after_a_gap(void **state)
{
	struct engine_config config = default_config(true);
	struct dialogue dialogue;

	config.limits.stream_memory_bytes = 1;
	open_dialogue(&dialogue, &config, hear);

	say(&dialogue, 4, "ef", ACK);
	say(&dialogue, 0, "abcd", ACK);
	say(&dialogue, 6, "gh", ACK);

	assert_string_equal(dialogue.text, "0:???? 4:ef 6:gh ");
	harness_close(&dialogue.harness);
}

static void drop_x(struct harness *harness, struct session *session, void *context)
{
	size_t length;
	const uint8_t *payload = packet_get_payload(session_get_event(session)->packet, &length);

	if (length > 0 && payload[0] == 'x')
		session_drop_current_packet(session);
}

static void test_packet_that_was_dropped_is_not_heard(void **state)
{
	struct dialogue dialogue = {0};
	struct harness_plugin guard;

	harness_open(&dialogue.harness, NULL);
	harness_add_plugin(&dialogue.harness, &dialogue.plugin, "a", DATA | GAP, hear);
	harness_add_plugin(&dialogue.harness, &guard, "b", PACKET, drop_x);
	harness_start(&dialogue.harness);
	greet(&dialogue);

	say(&dialogue, 0, "xx", ACK);
	say(&dialogue, 0, "ab", ACK);

	assert_string_equal(dialogue.text, "0:ab ");
	harness_close(&dialogue.harness);
}

static void hear_and_drop_x(struct harness *harness, struct session *session, void *context)
{
	const struct event *event = session_get_event(session);

	hear(harness, session, context);
	if (event->type == STELLAR_EVENT_TCP_DATA &&
	    memchr(event->data, 'x', event->data_length) != NULL)
		session_drop_current_packet(session);
}

static void test_bytes_that_were_dropped_do_not_pass_when_sent_again(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, hear_and_drop_x);

	assert_int_equal(say(&dialogue, 0, "ab", ACK).disposition, STELLAR_CONTINUE);
	assert_int_equal(say(&dialogue, 2, "cx", ACK).disposition, STELLAR_DROP);
	assert_int_equal(say(&dialogue, 2, "cx", ACK).disposition, STELLAR_DROP);
	assert_int_equal(say(&dialogue, 3, "x", ACK).disposition, STELLAR_DROP);
	assert_int_equal(say(&dialogue, 0, "abc", ACK).disposition, STELLAR_DROP);
	assert_int_equal(say(&dialogue, 4, "ef", ACK).disposition, STELLAR_DROP);
	assert_int_equal(say(&dialogue, 0, "ab", ACK).disposition, STELLAR_CONTINUE);
	assert_int_equal(say(&dialogue, 2, "", ACK).disposition, STELLAR_CONTINUE);
	assert_int_equal(answer(&dialogue, 0, "yes", 2, ACK).disposition, STELLAR_CONTINUE);

	assert_string_equal(dialogue.text, "0:ab 2:cx <0:yes ");
	assert_int_equal(harness_balance(&dialogue.harness).dropped[STELLAR_DROPPED_PLUGIN], 5);
	harness_close(&dialogue.harness);
}

// What was held is heard with the packet that makes it come in order: that one is dropped.
static void test_bytes_that_made_held_ones_heard_do_not_pass_either(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, hear_and_drop_x);

	assert_int_equal(say(&dialogue, 2, "x", ACK).disposition, STELLAR_CONTINUE);
	assert_int_equal(say(&dialogue, 0, "ab", ACK).disposition, STELLAR_DROP);
	assert_int_equal(say(&dialogue, 0, "ab", ACK).disposition, STELLAR_DROP);

	assert_string_equal(dialogue.text, "0:ab 2:x ");
	harness_close(&dialogue.harness);
}

static void drop_and_leave(struct harness *harness, struct session *session, void *context)
{
	hear(harness, session, context);
	session_drop_current_packet(session);
	assert_int_equal(pm_session_detach_me(session), 0);
}

static void test_dropped_bytes_do_not_pass_when_nobody_listens_any_more(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, drop_and_leave);

	assert_int_equal(say(&dialogue, 0, "ab", ACK).disposition, STELLAR_DROP);
	assert_int_equal(say(&dialogue, 0, "ab", ACK).disposition, STELLAR_DROP);

	assert_string_equal(dialogue.text, "0:ab ");
	harness_close(&dialogue.harness);
}

static void test_verdict_on_a_tap_stops_no_bytes(void **state)
{
	struct engine_config config = default_config(false);
	struct dialogue dialogue;

	open_dialogue(&dialogue, &config, hear_and_drop_x);

	say(&dialogue, 0, "abx", ACK);
	say(&dialogue, 3, "cd", ACK);

	assert_string_equal(dialogue.text, "0:abx 3:cd ");
	harness_close(&dialogue.harness);
}

static void detach(struct harness *harness, struct session *session, void *context)
{
	hear(harness, session, context);
	assert_int_equal(pm_session_detach_me(session), 0);
}

static void take_over(struct harness *harness, struct session *session, void *context)
{
	assert_int_equal(pm_session_take_over(session), 0);
}

static void want_nothing_more(struct harness *harness, struct session *session, void *context)
{
	hear(harness, session, context);
	assert_int_equal(stream_set_depth(session, STELLAR_FORWARD, 0), 0);
	assert_int_equal(stream_set_depth(session, STELLAR_REVERSE, 0), 0);
}

static void bypass(struct harness *harness, struct session *session, void *context)
{
	hear(harness, session, context);
	assert_int_equal(session_bypass(session), 0);
}

static void block(struct harness *harness, struct session *session, void *context)
{
	hear(harness, session, context);
	assert_int_equal(session_reject(session, STELLAR_REPLY_NONE), 0);
}

static void check_release(harness_react_fn react)
{
	struct dialogue dialogue;
	struct stream_stats stats;

	open_dialogue(&dialogue, NULL, react);
	say(&dialogue, 4, "ef", ACK);
	say(&dialogue, 0, "ab", ACK);

	worker_rx(dialogue.harness.worker, 0, &(struct packet *){NULL}); // publishes
	engine_get_stream_stats(dialogue.harness.engine, &stats);
	assert_int_equal(stats.opened, 1);
	assert_int_equal(stats.active, 0);
	assert_int_equal(stats.held_bytes, 0);
	say(&dialogue, 2, "cd", ACK);
	assert_string_equal(dialogue.text, "0:ab ");
	harness_close(&dialogue.harness);
}

static void test_what_nobody_wants_any_more_is_freed(void **state)
{
	check_release(detach);
	check_release(want_nothing_more);
	check_release(bypass);
	check_release(block);
}

static void test_owner_that_wants_no_bytes_ends_them(void **state)
{
	struct dialogue dialogue = {0};
	struct harness_plugin owner;
	struct stream_stats stats;

	harness_open(&dialogue.harness, NULL);
	harness_add_plugin(&dialogue.harness, &dialogue.plugin, "a", DATA, hear);
	harness_add_plugin(&dialogue.harness, &owner, "b", PACKET, take_over);
	harness_start(&dialogue.harness);

	greet(&dialogue);
	say(&dialogue, 0, "ab", ACK);

	engine_get_stream_stats(dialogue.harness.engine, &stats);
	assert_int_equal(stats.active, 0);
	assert_string_equal(dialogue.text, "");
	harness_close(&dialogue.harness);
}

static void want_five(struct harness *harness, struct session *session, void *context)
{
	hear(harness, session, context);
	if (session_get_event(session)->stream_offset == 0)
		assert_int_equal(stream_set_depth(session, STELLAR_FORWARD, 5), 0);
}

static void test_depth_ends_within_a_segment(void **state)
{
	struct dialogue dialogue = {0};
	struct harness_plugin other;

	harness_open(&dialogue.harness, NULL);
	harness_add_plugin(&dialogue.harness, &dialogue.plugin, "a", DATA, want_five);
	harness_add_plugin(&dialogue.harness, &other, "b", DATA, NULL);
	harness_start(&dialogue.harness);
	greet(&dialogue);

	say(&dialogue, 0, "abc", ACK);
	say(&dialogue, 3, "def", ACK);
	say(&dialogue, 6, "ghi", ACK);

	assert_string_equal(dialogue.text, "0:abc 3:de ");
	assert_string_equal(dialogue.harness.log, "a:tcp_data b:tcp_data a:tcp_data b:tcp_data "
						  "b:tcp_data ");
	harness_close(&dialogue.harness);
}

// Reads lines: skips each as soon as it is whole.
static void read_lines(struct harness *harness, struct session *session, void *context)
{
	uint8_t direction = session_get_event(session)->direction;
	const uint8_t *data;
	uint64_t offset;
	size_t length;

	if (session_get_event(session)->type != STELLAR_EVENT_TCP_DATA)
		return;
	int result = stream_peek(session, direction, &data, &length);

	if (result == -EOVERFLOW) {
		assert_int_equal(stream_get_offset(session, direction, &offset), 0);
		write_down((struct dialogue *)harness, "lost", offset, NULL, 0);
		result = stream_peek(session, direction, &data, &length);
	}
	assert_int_equal(result, 0);
	const uint8_t *end = length > 0 ? memchr(data, '\n', length) : NULL;

	while (end != NULL) {
		size_t line = (size_t)(end - data);

		assert_int_equal(stream_get_offset(session, direction, &offset), 0);
		write_down((struct dialogue *)harness, "", offset, data, line);
		assert_int_equal(stream_skip(session, direction, line + 1), 0);
		assert_int_equal(stream_peek(session, direction, &data, &length), 0);
		end = length > 0 ? memchr(data, '\n', length) : NULL;
	}
	assert_int_equal(stream_skip(session, direction, length + 1), -ERANGE);
}

static void test_lines_are_read_whole_whatever_the_segments(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, read_lines);

	say(&dialogue, 0, "GET /\nHo", ACK);
	say(&dialogue, 12, ": b\nC: d\n\nre", ACK);
	say(&dialogue, 8, "st: ", ACK);
	say(&dialogue, 24, "st\n", ACK);

	assert_string_equal(dialogue.text, "0:GET / 6:Host: : b 16:C: d 21: 22:rest ");
	harness_close(&dialogue.harness);
}

static void test_bytes_that_find_no_room_are_lost_to_their_reader_once(void **state)
{
	struct engine_config config = default_config(true);
	struct dialogue dialogue;

	config.limits.stream_kept_bytes = 8;
	open_dialogue(&dialogue, &config, read_lines);

	say(&dialogue, 0, "abcdef", ACK);
	say(&dialogue, 6, "ghijkl", ACK);
	say(&dialogue, 12, "m\nop", ACK);

	assert_string_equal(dialogue.text, "lost6: lost12: 12:m ");
	assert_int_equal(stats_of(&dialogue).kept_lost, 2);
	harness_close(&dialogue.harness);
}

static void test_gap_is_told_to_who_reads(void **state)
{
	const struct engine_config config = default_config(false);
	struct dialogue dialogue;

	open_dialogue(&dialogue, &config, read_lines);

	say(&dialogue, 0, "ab", ACK);
	say(&dialogue, 4, "x\n", ACK);
	answer(&dialogue, 0, "", 6, ACK);

	assert_string_equal(dialogue.text, "lost4: 4:x ");
	harness_close(&dialogue.harness);
}

static void peek_anyway(struct harness *harness, struct session *session, void *context)
{
	const uint8_t *data;
	uint64_t offset;
	size_t length;

	assert_int_equal(stream_peek(session, STELLAR_FORWARD, &data, &length), -ENOENT);
	assert_int_equal(stream_skip(session, STELLAR_FORWARD, 0), -ENOENT);
	assert_int_equal(stream_get_offset(session, STELLAR_FORWARD, &offset), -ENOENT);
	assert_int_equal(stream_set_depth(session, STELLAR_FORWARD, 1), -ENOENT);
}

static void test_session_without_bytes_in_order_has_no_places(void **state)
{
	struct harness harness;
	struct harness_plugin plugin;

	harness_open(&harness, NULL);
	harness_add_plugin(&harness, &plugin, "a", UDP | DATA, peek_anyway);
	harness_start(&harness);

	harness_send_datagram(&harness, 1000, 53, "x", false);

	assert_string_equal(harness.log, "a:udp_data ");
	harness_close(&harness);
}

static void test_nothing_comes_after_a_fin(void **state)
{
	const struct engine_config config = default_config(false);
	struct dialogue dialogue;

	open_dialogue(&dialogue, &config, hear);

	say(&dialogue, 2, "cd", ACK | STELLAR_TCP_FIN);
	say(&dialogue, 0, "abXX", ACK);
	say(&dialogue, 4, "ef", ACK);
	answer(&dialogue, 0, "", 5, ACK);

	assert_string_equal(dialogue.text, "!2:XX 0:abXX ");
	harness_close(&dialogue.harness);
}

static void test_data_of_a_syn_counts_when_it_is_acknowledged(void **state)
{
	struct dialogue dialogue = {0};

	harness_open(&dialogue.harness, NULL);
	harness_add_plugin(&dialogue.harness, &dialogue.plugin, "a", DATA, hear);
	harness_start(&dialogue.harness);

	say(&dialogue, UINT32_MAX, "hello", STELLAR_TCP_SYN);
	assert_string_equal(dialogue.text, "");
	answer(&dialogue, UINT32_MAX, "", 3, STELLAR_TCP_SYN | ACK);
	say(&dialogue, 3, "p!", ACK);

	assert_string_equal(dialogue.text, "0:hel 3:p! ");
	harness_close(&dialogue.harness);
}

static void test_data_of_a_syn_is_nothing_when_only_the_syn_is_acknowledged(void **state)
{
	struct dialogue dialogue = {0};

	harness_open(&dialogue.harness, NULL);
	harness_add_plugin(&dialogue.harness, &dialogue.plugin, "a", DATA, hear);
	harness_start(&dialogue.harness);

	say(&dialogue, UINT32_MAX, "hello", STELLAR_TCP_SYN);
	answer(&dialogue, UINT32_MAX, "", 0, STELLAR_TCP_SYN | ACK);
	say(&dialogue, 0, "HELLO", ACK);

	assert_string_equal(dialogue.text, "0:HELLO ");
	harness_close(&dialogue.harness);
}

static void test_held_bytes_end_with_the_session(void **state)
{
	struct dialogue dialogue;

	open_dialogue(&dialogue, NULL, hear);

	say(&dialogue, 2, "cd", ACK);

	assert_int_equal(stats_of(&dialogue).held_bytes, 0);
	assert_string_equal(dialogue.text, "");
	harness_close(&dialogue.harness);
}

static void test_held_bytes_of_a_one_sided_session_are_heard_at_its_end(void **state)
{
	struct dialogue dialogue = {0};
	const struct engine_config config = default_config(false);

	harness_open(&dialogue.harness, &config);
	harness_add_plugin(&dialogue.harness, &dialogue.plugin, "a", DATA | GAP, hear);
	harness_start(&dialogue.harness);

	say(&dialogue, 0, "ab", ACK);
	say(&dialogue, 4, "ef", ACK);
	worker_finish(dialogue.harness.worker);

	assert_string_equal(dialogue.text, "0:ab 2:?? 4:ef ");
	harness_close(&dialogue.harness);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_in_order_are_those_of_the_packet),
		cmocka_unit_test(test_bytes_that_came_early_follow_those_before_them),
		cmocka_unit_test(test_bytes_sent_again_are_heard_once),
		cmocka_unit_test(test_acknowledged_bytes_that_were_not_seen_are_a_gap),
		cmocka_unit_test(test_segment_that_contradicts_goes_no_further_inline),
		cmocka_unit_test(test_delivered_bytes_are_not_sent_again_with_others),
		cmocka_unit_test(test_contradiction_on_a_tap_is_settled_as_the_receiver_does),
		cmocka_unit_test(test_limit_of_held_bytes_leaves_a_gap_and_goes_on),
		cmocka_unit_test(test_without_memory_what_comes_early_is_heard_after_a_gap),
		cmocka_unit_test(test_packet_that_was_dropped_is_not_heard),
		cmocka_unit_test(test_bytes_that_were_dropped_do_not_pass_when_sent_again),
		cmocka_unit_test(test_bytes_that_made_held_ones_heard_do_not_pass_either),
		cmocka_unit_test(test_dropped_bytes_do_not_pass_when_nobody_listens_any_more),
		cmocka_unit_test(test_verdict_on_a_tap_stops_no_bytes),
		cmocka_unit_test(test_what_nobody_wants_any_more_is_freed),
		cmocka_unit_test(test_owner_that_wants_no_bytes_ends_them),
		cmocka_unit_test(test_depth_ends_within_a_segment),
		cmocka_unit_test(test_lines_are_read_whole_whatever_the_segments),
		cmocka_unit_test(test_bytes_that_find_no_room_are_lost_to_their_reader_once),
		cmocka_unit_test(test_gap_is_told_to_who_reads),
		cmocka_unit_test(test_session_without_bytes_in_order_has_no_places),
		cmocka_unit_test(test_nothing_comes_after_a_fin),
		cmocka_unit_test(test_data_of_a_syn_counts_when_it_is_acknowledged),
		cmocka_unit_test(test_data_of_a_syn_is_nothing_when_only_the_syn_is_acknowledged),
		cmocka_unit_test(test_held_bytes_end_with_the_session),
		cmocka_unit_test(test_held_bytes_of_a_one_sided_session_are_heard_at_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
