// SPDX-License-Identifier: Apache-2.0

// Sample frames, one of each kind of packet, and the memory in which tests decode them: the byte
// after the last one cannot be read.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "packet/decode.h"

enum sample_id {
	SAMPLE_TCP4_SYN,
	SAMPLE_TCP4_DATA,
	SAMPLE_TCP4_PLAIN,
	SAMPLE_TCP4_IP_OPTIONS,
	SAMPLE_UDP4_PADDED,
	SAMPLE_UDP4_NO_CHECKSUM,
	SAMPLE_UDP4_ODD,
	SAMPLE_ICMP4_ECHO,
	SAMPLE_ICMP4_ERROR,
	SAMPLE_GRE4,
	SAMPLE_QINQ_UDP4,
	SAMPLE_VLAN_TCP6,
	SAMPLE_VLAN_THREE,
	SAMPLE_ARP,
	SAMPLE_LLC,
	SAMPLE_UNKNOWN_TYPE,
	SAMPLE_FRAGMENT4_FIRST,
	SAMPLE_FRAGMENT4_LAST,
	SAMPLE_UDP6_CHAIN,
	SAMPLE_FRAGMENT6_FIRST,
	SAMPLE_FRAGMENT6_LAST,
	SAMPLE_AH6_TCP,
	SAMPLE_ESP6,
	SAMPLE_ICMP6_ECHO,
	SAMPLE_ICMP6_SOLICIT,
	SAMPLE_ICMP6_ERROR,
	SAMPLE_NO_NEXT6,
	SAMPLE_JUMBO6,
	SAMPLE_HOME_ADDRESS6,
	SAMPLE_ROUTED6,
	SAMPLE_RAW_UDP4,
	SAMPLE_RAW_UDP6,
	SAMPLE_NULL_UDP4,
	SAMPLE_LOOP_UDP6,
	SAMPLE_COOKED_UDP4,
	SAMPLE_COOKED2_UDP6,
	SAMPLE_COOKED_NETLINK,
	SAMPLE_COUNT,
};

struct sample {
	const char *name;
	uint16_t link_type;
	const char *hex;
};

extern const struct sample samples[SAMPLE_COUNT];

#define SAMPLE_SIZE_MAX 128 // bytes, of any sample

// Bytes of hex digits. Returns how many.
size_t hex_read(const char *hex, uint8_t *ret_bytes, size_t size);

// A frame whose last byte is the last before a page that cannot be touched.
struct guard {
	uint8_t *pages;
	uint8_t *end;
};

int guard_init(struct guard *ret_guard);
void guard_fini(struct guard *guard);

// Copy length bytes to the end of the guarded memory. Valid until the next call.
uint8_t *guard_place(struct guard *guard, const uint8_t *bytes, size_t length);

// Decode a frame of that link type, placed in the guard, of which the wire had wire_length bytes.
// The packet is filled with rubbish first, so that what decoding forgets to reset shows.
void guard_decode(struct guard *guard, const uint8_t *bytes, size_t length, size_t wire_length,
		  uint16_t link_type, bool verify_checksums, struct packet *ret_packet);

// Decode a whole sample with checksums verified. Returns its length.
size_t sample_decode(struct guard *guard, enum sample_id id, struct packet *ret_packet);
