// SPDX-License-Identifier: Apache-2.0

// Sums are kept in the machine's byte order (RFC 1071 section 2 (B): the order does not matter
// until the end) and swapped once, in checksum_fold.

#include "packet/checksum.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "wide.h"

static uint64_t load_word16(const uint8_t *data)
{
	uint16_t word;
	memcpy(&word, data, sizeof(word));
	return word;
}

static uint64_t load_word32(const uint8_t *data)
{
	uint32_t word;
	memcpy(&word, data, sizeof(word));
	return word;
}

static uint64_t fold32(uint64_t sum)
{
	return (sum & UINT32_MAX) + (sum >> 32);
}

// Four 64-bit sums side by side.
typedef uint64_t sums __attribute__((vector_size(32)));

enum {
	SUMS_SIZE = sizeof(sums),
	SUMS_WORTH = 128, // bytes; below, adding the four up costs what they save
};

// Whole blocks of SUMS_SIZE: the 32-bit words at even and at odd places in sums of their own.
static PACKET_WIDE uint64_t add_blocks(const uint8_t *data, size_t length)
{
	const sums low_half = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
	sums even = {0};
	sums odd = {0};

	for (const uint8_t *end = data + length; data != end; data += SUMS_SIZE) {
		sums words;
		memcpy(&words, data, sizeof(words));
		even += words & low_half;
		odd += words >> 32;
	}
	even += odd;
	return even[0] + even[1] + even[2] + even[3];
}

// Words of 32 bits in 64-bit sums: 16 GiB before one could overflow. Two of them, so that an
// addition need not wait for the one before.
uint64_t checksum_partial(const uint8_t *data, size_t length, uint64_t initial)
{
	uint64_t even = fold32(initial);
	uint64_t odd = 0;

	if (length >= SUMS_WORTH && packet_has_wide()) {
		size_t blocks = length - length % SUMS_SIZE;
		odd = add_blocks(data, blocks);
		data += blocks;
		length -= blocks;
	}
	for (; length >= 16; data += 16, length -= 16) {
		even += load_word32(data) + load_word32(data + 4);
		odd += load_word32(data + 8) + load_word32(data + 12);
	}
	if (length & 8) {
		even += load_word32(data) + load_word32(data + 4);
		data += 8;
	}
	if (length & 4) {
		odd += load_word32(data);
		data += 4;
	}
	if (length & 2) {
		odd += load_word16(data);
		data += 2;
	}
	if (length & 1) {
		uint8_t padded[2] = {data[0], 0};
		even += load_word16(padded);
	}
	return fold32(even + odd);
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = fold32(fold32(sum));
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~be16toh((uint16_t)sum);
}

uint64_t checksum_pseudo(const uint8_t *source, const uint8_t *destination, size_t address_length,
			 uint8_t protocol, uint32_t length)
{
	assert(address_length == 4 || address_length == 16);
	uint64_t sum = (uint64_t)htobe32(length) + htobe32(protocol);

	for (size_t at = 0; at < address_length; at += 4)
		sum += load_word32(source + at) + load_word32(destination + at);
	return sum;
}

uint16_t checksum_update(uint16_t checksum, uint16_t old_word, uint16_t new_word)
{
	// HC' = ~(~HC + ~m + m'); RFC 1624 says why eqn. 2 of RFC 1141 is wrong at zero.
	uint32_t sum = (uint32_t)(uint16_t)~checksum + (uint16_t)~old_word + new_word;
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}
