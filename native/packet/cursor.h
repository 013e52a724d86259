// SPDX-License-Identifier: Apache-2.0

// Reading and writing wire bytes. A cursor is what is left of the enclosing layer: it only shrinks,
// so a layer can never see past what the one outside of it declares. It is passed by value (two
// registers); the asserts fold away where cursor_has was asked in the same function.
#pragma once

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *data; // first byte not consumed
	uint32_t length; // captured bytes from there to the end of the enclosing layer
	uint32_t missing; // bytes the enclosing layer has after those, which the capture cut off
};

// Bytes of any alignment from and to host order.
static inline uint16_t load_be16(const uint8_t *bytes)
{
	uint16_t value;
	memcpy(&value, bytes, sizeof(value));
	return be16toh(value);
}

static inline uint32_t load_be32(const uint8_t *bytes)
{
	uint32_t value;
	memcpy(&value, bytes, sizeof(value));
	return be32toh(value);
}

static inline void store_be16(uint8_t *ret_bytes, uint16_t value)
{
	value = htobe16(value);
	memcpy(ret_bytes, &value, sizeof(value));
}

static inline void store_be32(uint8_t *ret_bytes, uint32_t value)
{
	value = htobe32(value);
	memcpy(ret_bytes, &value, sizeof(value));
}

static inline bool cursor_has(struct cursor cursor, uint32_t length)
{
	return cursor.length >= length;
}

// Bytes of the enclosing layer on the wire.
static inline uint32_t cursor_wire_length(struct cursor cursor)
{
	return cursor.length + cursor.missing;
}

static inline uint8_t cursor_u8(struct cursor cursor, uint32_t at)
{
	assert(at < cursor.length);
	return cursor.data[at];
}

static inline uint16_t cursor_be16(struct cursor cursor, uint32_t at)
{
	assert(cursor.length >= 2 && at <= cursor.length - 2);
	return load_be16(cursor.data + at);
}

static inline uint32_t cursor_be32(struct cursor cursor, uint32_t at)
{
	assert(cursor.length >= 4 && at <= cursor.length - 4);
	return load_be32(cursor.data + at);
}

static inline void cursor_copy(struct cursor cursor, uint32_t at, void *ret_bytes, uint32_t length)
{
	assert(length <= cursor.length && at <= cursor.length - length);
	memcpy(ret_bytes, cursor.data + at, length);
}

// Past a header that was consumed.
static inline struct cursor cursor_skip(struct cursor cursor, uint32_t length)
{
	assert(length <= cursor.length);
	return (struct cursor){cursor.data + length, cursor.length - length, cursor.missing};
}

// Cut to the wire length that the layer declares, which cursor_wire_length must reach.
static inline struct cursor cursor_trim(struct cursor cursor, uint32_t wire_length)
{
	assert(wire_length <= cursor_wire_length(cursor));
	uint32_t length = wire_length < cursor.length ? wire_length : cursor.length;
	return (struct cursor){cursor.data, length, wire_length - length};
}
