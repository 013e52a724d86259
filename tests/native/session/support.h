// SPDX-License-Identifier: Apache-2.0

// What the tests of this folder share: a random sequence with a fixed seed, and keys by number.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session/key.h"
#include "session/table.h"

// SplitMix64 (Steele, Lea, Flood 2014).
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static inline struct packet_endpoint endpoint_v4(uint32_t number, uint16_t port)
{
	struct packet_endpoint endpoint = {.address = {.version = 4}, .port = port};
	const uint8_t bytes[4] = {198, 18, (uint8_t)(number >> 8), (uint8_t)number};
	memcpy(endpoint.address.bytes, bytes, sizeof(bytes));
	return endpoint;
}

static inline struct packet_endpoint endpoint_v6(uint32_t number, uint16_t port)
{
	struct packet_endpoint endpoint = {.address = {.version = 6}, .port = port};
	const uint8_t bytes[16] = {0x20,
				   0x01,
				   0x0d,
				   0xb8,
				   [13] = (uint8_t)(number >> 16),
				   (uint8_t)(number >> 8),
				   (uint8_t)number};
	memcpy(endpoint.address.bytes, bytes, sizeof(bytes));
	return endpoint;
}

// A different key for each number, as its originator sends it; odd numbers are IPv6.
static inline struct session_key key_of_protocol(uint32_t number, uint8_t protocol)
{
	struct session_key key;
	uint16_t port = (uint16_t)(1024 + number % 1000);
	struct packet_endpoint source =
		number & 1 ? endpoint_v6(number, port) : endpoint_v4(number, port);
	struct packet_endpoint target = number & 1 ? endpoint_v6(7, 443) : endpoint_v4(7, 443);
	session_key_from_endpoints(&source, &target, protocol, number % 3, 0, &key);
	return key;
}

static inline struct session_key key_of(uint32_t number)
{
	return key_of_protocol(number, 17);
}

static inline void ignore_expired(void *owner, uint32_t index, uint64_t due_ms)
{
	(void)owner;
	(void)index;
	(void)due_ms;
}

// Defaults of <stellar/engine.h>, in a table that never expires anything by itself.
static inline struct session_table_config table_config(uint64_t capacity)
{
	struct session_table_config config = {
		.capacity = capacity,
		.alias_capacity = capacity,
		.secret = {{1, 2}},
		.expired = ignore_expired,
		.worker_id = 3,
		.now_ms = UINT64_C(1700000000000),
		.timeouts =
			{
#define X(name, seconds, sentence) .name = seconds,
				STELLAR_TIMEOUTS(X)
#undef X
			},
	};
	return config;
}
