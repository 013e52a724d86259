// SPDX-License-Identifier: Apache-2.0

// The parsed view of a frame, as the engine's stages see it (plugins see <stellar/packet.h>).
// packet_decode fills everything up to `verdict`; it trusts nothing in the frame: every length is
// checked against the captured bytes and each layer is trimmed to what the layer above declares.
// Owner: the worker that received the frame. No allocation, no state between calls.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/packet.h>
#include <stellar/packet_io.h>
#include <stellar/verdict.h>

#define PACKET_NO_OFFSET UINT32_MAX

struct packet_layer {
	uint8_t type; // enum stellar_layer
	uint8_t reserved;
	uint16_t header_length; // bytes; 0 for PAYLOAD and UNKNOWN: payload_length is theirs
	uint32_t offset; // from the first byte of the frame
};

// TCP header fields and the options that sessions need, host order.
struct packet_tcp {
	uint32_t sequence;
	uint32_t acknowledgment;
	uint32_t timestamp_value; // option 8, valid when has_timestamp
	uint32_t timestamp_echo;
	uint16_t window; // not scaled
	uint16_t mss; // option 2, 0: absent
	uint16_t urgent;
	uint8_t flags; // STELLAR_TCP_*
	uint8_t window_scale; // option 3, valid when has_window_scale
	bool has_window_scale;
	bool has_timestamp;
	bool sack_permitted;
	uint8_t header_length;
};

struct datagram;

struct packet {
	struct frame frame; // as received; the bytes are lent by the device
	uint16_t ingress_id; // engine interface ids, UINT16_MAX: none
	uint16_t egress_id;
	uint8_t layer_count;
	uint8_t ip_version; // innermost: 4, 6, 0
	uint8_t protocol; // innermost transport protocol, after extension headers
	bool malformed; // some decode event of severity 1
	bool checksum_wrong; // a verified checksum does not match
	bool is_fragment; // an IP fragment (not an atomic one, RFC 6946)
	bool is_first_fragment; // its offset is 0
	bool has_transport; // a whole transport header was decoded: ports or ICMP id are valid
	uint32_t network_offset; // innermost IP header, PACKET_NO_OFFSET: none
	uint32_t transport_offset;
	uint32_t payload_offset;
	uint32_t payload_length; // trimmed to what IP declares
	uint16_t source_port; // host order; ICMP echo: the identifier in both
	uint16_t destination_port;
	uint8_t icmp_type; // ICMP and ICMPv6
	uint8_t icmp_code;
	uint8_t ttl;
	uint8_t tunnel_count; // around the innermost IP header
	uint32_t tag; // see session_get_tag
	uint16_t ethernet_type; // of the outermost frame, after its VLAN tags; 0: none
	bool is_reassembled; // put together from fragments: the frame is none of the wire
	bool is_held; // a fragment whose frame waits in the defragmenter
	uint32_t attached; // what plugins asked to go with it, 0: nothing; the engine's to read
	uint32_t frame_count; // is_reassembled: frames of the wire that it came in
	struct datagram *datagram; // and they, at its receiver
	struct ip_address source; // innermost
	struct ip_address destination;
	struct packet_tcp tcp; // valid when protocol is 6 and has_transport
	uint64_t decode_events; // STELLAR_DECODE_BIT set
	struct packet_layer layers[STELLAR_LAYERS_MAX];
	struct verdict verdict;
};

// Decode packet->frame by its link type. Resets everything but frame, ingress_id and egress_id.
// verify_checksums: check IPv4, TCP, UDP, ICMP, ICMPv6 where all bytes are there. A UDP checksum of
// 0 over IPv4 is none.
void packet_decode(struct packet *packet, bool verify_checksums);

// Decode again from the innermost IP header on, after its datagram was put together: packet->frame
// has other bytes from there. The layers outside of it and the tag stay, decode events are new.
void packet_decode_again(struct packet *packet, bool verify_checksums);
