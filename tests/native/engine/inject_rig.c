// SPDX-License-Identifier: Apache-2.0

#include "inject_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

step_fn step;
int result;

static void do_step(struct harness *harness, struct session *session, void *context)
{
	step_fn now = step;

	if (now != NULL)
		now(session);
}

void open_with(struct rig *rig, uint64_t events, const struct engine_config *config)
{
	step = NULL;
	result = 1;
	harness_open(&rig->harness, config);
	harness_add_plugin(&rig->harness, &rig->plugin, "injector", events, do_step);
	harness_start(&rig->harness);
}

void open_rig(struct rig *rig)
{
	open_with(rig, PACKET, NULL);
}

uint16_t read_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)read_u16(at) << 16 | read_u16(at + 2);
}

static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

uint8_t check_frame(struct sent *sent)
{
	size_t at = 12;

	while (read_u16(sent->bytes + at) == 0x8100 || read_u16(sent->bytes + at) == 0x88a8)
		at += 4;
	sent->ip = at + 2;
	const uint8_t *ip = sent->bytes + sent->ip;
	bool is_ipv4 = ip[0] == 0x45;
	size_t header = is_ipv4 ? 20 : 40;
	size_t length = (size_t)sent->length - sent->ip - header;
	uint8_t protocol = ip[is_ipv4 ? 9 : 6];
	uint32_t sum = 0;

	sent->transport = sent->ip + header;
	assert_int_equal(ip[is_ipv4 ? 8 : 7], 64);
	if (is_ipv4) {
		assert_int_equal(read_u16(ip + 2), 20 + length);
		assert_int_equal(fold(add_words(0, ip, 20)), UINT16_MAX);
	} else {
		assert_int_equal(ip[0], 0x60);
		assert_int_equal(read_u16(ip + 4), length);
	}
	if (protocol != 1) {
		sum = add_words(0, ip + (is_ipv4 ? 12 : 8), is_ipv4 ? 8 : 32);
		sum += protocol + (uint32_t)length;
	}
	assert_int_equal(fold(add_words(sum, sent->bytes + sent->transport, length)), UINT16_MAX);
	if (protocol == 17)
		assert_int_equal(read_u16(sent->bytes + sent->transport + 4), length);
	return protocol;
}

bool pop(struct rig *rig, bool outside, struct sent *ret_sent)
{
	ret_sent->length =
		packet_io_memory_pop(outside ? rig->harness.outside : rig->harness.inside,
				     ret_sent->bytes, sizeof(ret_sent->bytes));
	return ret_sent->length > 0;
}

void expect_nothing(struct rig *rig)
{
	assert_int_equal(harness_drain(&rig->harness, false), 0);
	assert_int_equal(harness_drain(&rig->harness, true), 0);
}

struct engine_config careless(bool is_inline)
{
	struct engine_config config;

	engine_config_init(&config);
	config.is_inline = is_inline;
	config.session_capacity = 64;
	config.hash_seed[0] = 1;
	config.verify_checksums = false;
	return config;
}

struct verdict segment(struct rig *rig, bool from_responder, uint8_t flags, uint32_t sequence,
		       uint32_t acknowledgment, const char *payload)
{
	return harness_send_payload(&rig->harness,
				    &(struct harness_segment){
					    .source_port = 1000,
					    .destination_port = 80,
					    .sequence = sequence,
					    .acknowledgment = acknowledgment,
					    .flags = flags,
					    .from_responder = from_responder,
				    },
				    payload);
}

void shake_hands(struct rig *rig)
{
	segment(rig, false, SYN, 100, 0, "");
	segment(rig, true, SYN | ACK, 500, 101, "");
	segment(rig, false, ACK, 101, 501, "");
	assert_int_equal(harness_drain(&rig->harness, false), 1);
	assert_int_equal(harness_drain(&rig->harness, true), 2);
}
