// SPDX-License-Identifier: Apache-2.0

// What one IP fragment says of itself: the datagram it belongs to, its place there, and where the
// header that the datagram will have begins and ends. Pure functions, any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "packet/decode.h"

// Fragments with equal keys are pieces of one datagram (RFC 791 3.2, RFC 8200 4.5; the protocol is
// part of it in IPv4 only). All bytes count: make it zeroed.
struct fragment_key {
	uint8_t source[16]; // IPv4 in the first four
	uint8_t destination[16];
	uint32_t id;
	uint32_t tag; // of the packet, see session_get_tag
	uint16_t tenant;
	uint16_t ingress_id; // UINT16_MAX: whichever
	uint8_t version; // 4 or 6
	uint8_t protocol; // IPv4
	uint8_t reserved[2];
};

struct fragment {
	struct fragment_key key;
	uint32_t begin; // place in the datagram
	uint32_t length;
	uint32_t at; // of the bytes in the frame
	uint32_t network_offset; // of the IP header in the frame
	uint32_t header_end; // of the IP header, and of the extension headers that are not
			     // fragmented
	uint32_t next_header_at; // IPv6: in the frame, what named the fragment header
	uint8_t next_header; // IPv6: what the fragment header names
	uint8_t ecn; // the two bits of RFC 3168
	bool is_last;
};

// Read a packet whose is_fragment is set. Returns 0, or -ENODATA: the capture did not keep all of
// its bytes.
int fragment_read(const struct packet *packet, struct fragment *ret_fragment);

// Whether a first fragment of IPv6 has the whole chain of headers, the transport header included,
// without which it is to be discarded (RFC 7112); true for all others.
bool fragment_has_header_chain(const struct packet *packet);

// Whether a first fragment is too short for its transport header: nobody fragments so by need, and
// filters that look at first fragments only are led around (RFC 1858, RFC 3128).
bool fragment_is_tiny(const struct packet *packet);

// Write the header of the whole datagram into bytes: the first fragment's frame up to header_end,
// followed by payload_length bytes of payload. Lengths, the fragment field, the header's checksum
// and the next header are patched. Returns false when the datagram would be longer than 65535.
bool fragment_patch_header(const struct fragment *first, uint8_t *bytes, uint32_t payload_length);
