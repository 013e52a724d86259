// SPDX-License-Identifier: Apache-2.0

// MPLS label stacks (RFC 3032). Nothing in them says what they carry: that was agreed upon where
// the label was given. It is guessed as routers do that spread load (RFC 4928 3): by the first four
// bits IP; else Ethernet, with a pseudowire's control word (RFC 4448 4.6) or without.

#include "packet/layer.h"

enum {
	MPLS_LABEL_SIZE = 4,
	MPLS_LABELS_MAX = 16, // entropy labels, tunnels and services together have below ten
	MPLS_BOTTOM = 0x100,
	CONTROL_WORD_SIZE = 4,
};

static bool has_control_word(struct cursor cursor)
{
	return cursor_has(cursor, CONTROL_WORD_SIZE) && cursor_u8(cursor, 0) >> 4 == 0 &&
	       is_plausible_ethernet(cursor_skip(cursor, CONTROL_WORD_SIZE));
}

// Bytes of the stack, 0 when it is cut or too deep.
static uint32_t stack_length(struct cursor cursor)
{
	for (uint32_t at = 0; at < MPLS_LABELS_MAX * MPLS_LABEL_SIZE; at += MPLS_LABEL_SIZE) {
		if (!cursor_has(cursor, at + MPLS_LABEL_SIZE))
			return 0;
		if (cursor_be32(cursor, at) & MPLS_BOTTOM)
			return at + MPLS_LABEL_SIZE;
	}
	return 0;
}

void decode_mpls(struct packet *packet, struct cursor cursor, bool verify)
{
	uint32_t length = stack_length(cursor);

	if (length == 0) {
		packet_set_event(packet, STELLAR_DECODE_MPLS_MALFORMED);
		return;
	}
	struct cursor inner = cursor_skip(cursor, length);
	bool is_ip = is_plausible_ip(inner);
	if (!is_ip && has_control_word(inner)) {
		length += CONTROL_WORD_SIZE;
		inner = cursor_skip(inner, CONTROL_WORD_SIZE);
	}
	if (!packet_add_layer(packet, STELLAR_LAYER_MPLS, cursor, length))
		return;
	if (is_ip)
		decode_raw_ip(packet, inner, verify);
	else if (is_plausible_ethernet(inner))
		decode_ethernet(packet, inner, verify);
	else
		packet_set_payload(packet, STELLAR_LAYER_UNKNOWN, inner);
}
