// SPDX-License-Identifier: Apache-2.0

// The parsed view of one frame. The engine decodes; plugins read through these accessors, which
// never hand out a pointer past the captured bytes. A packet is lent for the length of one
// callback. Worker thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

struct packet;

// Big-endian fields of wire structures. Converted only in native/packet.
typedef uint16_t be16_t;
typedef uint32_t be32_t;

// An address in network byte order. version 4 uses the first four bytes, the rest are zero.
struct ip_address {
	uint8_t version; // 4, 6, or 0 for none
	uint8_t bytes[16];
};

// Address and port (host order). Without ports 0; ICMP: see session_get_originator.
struct packet_endpoint {
	struct ip_address address;
	uint16_t port;
};

// X(name, NAME): kinds of layers, in the order they were added here. A kind that this version does
// not decode yet ends the walk as `unknown`.
// clang-format off
#define STELLAR_LAYERS(X) \
	X(unknown, UNKNOWN) \
	X(ethernet, ETHERNET) \
	X(vlan, VLAN) \
	X(arp, ARP) \
	X(ipv4, IPV4) \
	X(ipv6, IPV6) \
	X(ipv6_extension, IPV6_EXTENSION) \
	X(fragment, FRAGMENT) \
	X(tcp, TCP) \
	X(udp, UDP) \
	X(icmp, ICMP) \
	X(icmpv6, ICMPV6) \
	X(payload, PAYLOAD) \
	X(mpls, MPLS) \
	X(pppoe, PPPOE) \
	X(ppp, PPP) \
	X(gre, GRE) \
	X(erspan, ERSPAN) \
	X(vxlan, VXLAN) \
	X(geneve, GENEVE) \
	X(gtp_u, GTP_U) \
	X(teredo, TEREDO) \
	X(l2tp, L2TP) \
	X(linux_cooked, LINUX_COOKED) \
	X(null, NULL_LOOPBACK) \
	X(llc, LLC) \
	X(cisco_hdlc, CISCO_HDLC) \
	X(authentication, AUTHENTICATION)
// clang-format on

enum stellar_layer {
#define X(name, NAME) STELLAR_LAYER_##NAME,
	STELLAR_LAYERS(X)
#undef X
		STELLAR_LAYER_COUNT,
};

#define STELLAR_LAYERS_MAX 16 // recorded a packet; deeper sets the event too_many_layers

// X(name, NAME, severity, sentence): what decoding can find wrong. severity: 1 malformed (the
// layers below it are not trusted), 0 notable. Names are those of EVE anomaly events and counters.
// clang-format off
#define STELLAR_DECODE_EVENTS(X) \
	X(link_truncated, LINK_TRUNCATED, 1, "the link header is cut") \
	X(link_type_unsupported, LINK_TYPE_UNSUPPORTED, 0, "no decoder for this link type") \
	X(vlan_truncated, VLAN_TRUNCATED, 1, "a VLAN tag is cut") \
	X(vlan_too_many, VLAN_TOO_MANY, 1, "more than two VLAN tags") \
	X(too_many_layers, TOO_MANY_LAYERS, 1, "more layers than the limit") \
	X(arp_malformed, ARP_MALFORMED, 1, "an ARP message is cut or its sizes are wrong") \
	X(ipv4_truncated, IPV4_TRUNCATED, 1, "shorter than an IPv4 header") \
	X(ipv4_version_wrong, IPV4_VERSION_WRONG, 1, "version is not 4") \
	X(ipv4_header_length_wrong, IPV4_HEADER_LENGTH_WRONG, 1, "IHL below 5 or past the end") \
	X(ipv4_total_length_wrong, IPV4_TOTAL_LENGTH_WRONG, 1, "total length below the header or past the end") \
	X(ipv4_options_malformed, IPV4_OPTIONS_MALFORMED, 0, "an option runs past the header") \
	X(ipv4_checksum_wrong, IPV4_CHECKSUM_WRONG, 0, "header checksum does not match") \
	X(ipv4_fragment, IPV4_FRAGMENT, 0, "a fragment") \
	X(ipv4_fragment_malformed, IPV4_FRAGMENT_MALFORMED, 1, "offset and length exceed 65535, or a middle piece is not a multiple of 8") \
	X(ipv6_truncated, IPV6_TRUNCATED, 1, "shorter than an IPv6 header") \
	X(ipv6_version_wrong, IPV6_VERSION_WRONG, 1, "version is not 6") \
	X(ipv6_payload_length_wrong, IPV6_PAYLOAD_LENGTH_WRONG, 1, "payload length past the end") \
	X(ipv6_jumbogram, IPV6_JUMBOGRAM, 1, "payload length 0 with a jumbo option: not supported") \
	X(ipv6_extension_truncated, IPV6_EXTENSION_TRUNCATED, 1, "an extension header is cut") \
	X(ipv6_extension_too_many, IPV6_EXTENSION_TOO_MANY, 1, "more extension headers than the limit") \
	X(ipv6_extension_order, IPV6_EXTENSION_ORDER, 0, "hop-by-hop options not first (RFC 8200 4.1)") \
	X(ipv6_fragment, IPV6_FRAGMENT, 0, "a fragment") \
	X(ipv6_fragment_malformed, IPV6_FRAGMENT_MALFORMED, 1, "offset and length exceed 65535, or a middle piece is not a multiple of 8") \
	X(tcp_truncated, TCP_TRUNCATED, 1, "shorter than a TCP header") \
	X(tcp_header_length_wrong, TCP_HEADER_LENGTH_WRONG, 1, "data offset below 5 or past the end") \
	X(tcp_options_malformed, TCP_OPTIONS_MALFORMED, 0, "an option runs past the header") \
	X(tcp_flags_invalid, TCP_FLAGS_INVALID, 0, "SYN with FIN or RST, or no flags at all") \
	X(tcp_checksum_wrong, TCP_CHECKSUM_WRONG, 0, "checksum does not match") \
	X(udp_truncated, UDP_TRUNCATED, 1, "shorter than a UDP header") \
	X(udp_length_wrong, UDP_LENGTH_WRONG, 1, "length below 8 or past the end") \
	X(udp_checksum_wrong, UDP_CHECKSUM_WRONG, 0, "checksum does not match") \
	X(icmp_truncated, ICMP_TRUNCATED, 1, "shorter than an ICMP header") \
	X(icmp_checksum_wrong, ICMP_CHECKSUM_WRONG, 0, "checksum does not match") \
	X(icmpv6_truncated, ICMPV6_TRUNCATED, 1, "shorter than an ICMPv6 header") \
	X(icmpv6_checksum_wrong, ICMPV6_CHECKSUM_WRONG, 0, "checksum does not match") \
	X(icmp_quote_invalid, ICMP_QUOTE_INVALID, 0, "an ICMP error quotes what its session did not send") \
	X(capture_truncated, CAPTURE_TRUNCATED, 0, "the capture kept less than was on the wire") \
	X(mpls_malformed, MPLS_MALFORMED, 1, "a label stack is cut, or has no bottom within the limit") \
	X(pppoe_malformed, PPPOE_MALFORMED, 1, "a PPPoE session header is cut, or its version, code or length is wrong") \
	X(ppp_malformed, PPP_MALFORMED, 1, "a PPP protocol field is cut") \
	X(gre_malformed, GRE_MALFORMED, 1, "a GRE header is cut, or its version, flags or length are wrong") \
	X(gre_routing, GRE_ROUTING, 0, "a GRE header with source routes (RFC 1701): not followed") \
	X(gre_checksum_wrong, GRE_CHECKSUM_WRONG, 0, "checksum does not match") \
	X(erspan_malformed, ERSPAN_MALFORMED, 1, "an ERSPAN header is cut, or its version is wrong") \
	X(l2tp_malformed, L2TP_MALFORMED, 1, "an L2TPv3 header over IP is cut") \
	X(authentication_malformed, AUTHENTICATION_MALFORMED, 1, "an authentication header over IPv4 is cut") \
	X(fragment_overlap, FRAGMENT_OVERLAP, 0, "a fragment overlaps others of its datagram") \
	X(fragment_contradiction, FRAGMENT_CONTRADICTION, 0, "a fragment of no bytes, or with an end that others or the longest datagram contradict") \
	X(fragment_tiny, FRAGMENT_TINY, 0, "a first fragment too short for its transport header (RFC 1858)") \
	X(fragment_header_chain, FRAGMENT_HEADER_CHAIN, 1, "an IPv6 first fragment without all headers (RFC 7112)") \
	X(fragment_limit, FRAGMENT_LIMIT, 0, "a fragmented datagram given up for a limit") \
	X(fragment_timeout, FRAGMENT_TIMEOUT, 0, "a fragmented datagram that was not complete in time")
// clang-format on

enum stellar_decode_event {
#define X(name, NAME, severity, sentence) STELLAR_DECODE_##NAME,
	STELLAR_DECODE_EVENTS(X)
#undef X
		STELLAR_DECODE_EVENT_COUNT,
};

#define STELLAR_DECODE_BIT(event) (UINT64_C(1) << (event))

// X(name, NAME, sentence): kinds of tunnels, in the order they were added here.
// clang-format off
#define STELLAR_TUNNELS(X) \
	X(ipip, IPIP, "IP in IP, either version in either") \
	X(gre, GRE, "GRE version 0; identifier: its key") \
	X(nvgre, NVGRE, "GRE with a virtual subnet id (RFC 7637), the identifier") \
	X(pptp, PPTP, "GRE version 1 with PPP; identifier: the call id") \
	X(erspan, ERSPAN, "mirrored frames, types I, II and III; identifier: the session id") \
	X(vxlan, VXLAN, "VXLAN; identifier: the network identifier") \
	X(vxlan_gpe, VXLAN_GPE, "VXLAN-GPE; identifier: the network identifier") \
	X(geneve, GENEVE, "Geneve; identifier: the network identifier") \
	X(gtp_u, GTP_U, "GTP-U; identifier: the tunnel endpoint id, that of the receiver") \
	X(teredo, TEREDO, "IPv6 over UDP (RFC 4380)") \
	X(l2tp, L2TP, "L2TPv2 (identifier: tunnel id << 16 | session id) or L2TPv3 (the session id)")
// clang-format on

enum stellar_tunnel {
#define X(name, NAME, sentence) STELLAR_TUNNEL_##NAME,
	STELLAR_TUNNELS(X)
#undef X
		STELLAR_TUNNEL_COUNT,
};

// One tunnel around a packet: an IP header, and what stands between it and the next IP header.
struct packet_tunnel {
	struct packet_endpoint source; // of the outer IP header; ports when it carries UDP
	struct packet_endpoint destination;
	uint32_t identifier; // host order, see STELLAR_TUNNELS; 0 when the kind has none
	uint32_t tag; // of the outer session, see session_get_tag
	uint8_t kind; // enum stellar_tunnel
	uint8_t protocol; // of the outer session: 17, 47, 4, 41, 115
	uint8_t depth; // 1: the outermost
	uint8_t reserved[5];
};

// TCP header flags.
#define STELLAR_TCP_FIN 0x01u
#define STELLAR_TCP_SYN 0x02u
#define STELLAR_TCP_RST 0x04u
#define STELLAR_TCP_PSH 0x08u
#define STELLAR_TCP_ACK 0x10u
#define STELLAR_TCP_URG 0x20u
#define STELLAR_TCP_ECE 0x40u
#define STELLAR_TCP_CWR 0x80u

// The frame as captured. ret_length is the captured length in bytes and may be NULL.
STELLAR_PUBLIC const uint8_t *packet_get_raw(const struct packet *packet, size_t *ret_length);

// Length on the wire in bytes; at least the captured one, see packet_is_reassembled.
STELLAR_PUBLIC uint32_t packet_get_wire_length(const struct packet *packet);

// Whether it was put together from fragments: its frame is then none of the wire, but the first
// fragment's up to the IP header, that header for the whole, and all of the payload. Its wire
// length is the sum of its fragments' frames, its arrival that of the one that completed it.
STELLAR_PUBLIC bool packet_is_reassembled(const struct packet *packet);

// Arrival, ns since the epoch.
STELLAR_PUBLIC uint64_t packet_get_time_ns(const struct packet *packet);

// Engine ids of the interfaces; UINT16_MAX: none.
STELLAR_PUBLIC uint16_t packet_get_ingress_id(const struct packet *packet);
STELLAR_PUBLIC uint16_t packet_get_egress_id(const struct packet *packet);

// Layers outermost first; a tunnel's inner layers follow its own. Out of range gives
// STELLAR_LAYER_UNKNOWN.
STELLAR_PUBLIC size_t packet_get_layer_count(const struct packet *packet);
STELLAR_PUBLIC enum stellar_layer packet_get_layer(const struct packet *packet, size_t position);

// Header bytes of a layer, or NULL when out of range. ret_length in bytes, may be NULL.
STELLAR_PUBLIC const uint8_t *packet_get_layer_bytes(const struct packet *packet, size_t position,
						     size_t *ret_length);

// Bit set of STELLAR_DECODE_BIT.
STELLAR_PUBLIC uint64_t packet_get_decode_events(const struct packet *packet);

// Innermost IP version (4, 6) or 0, and its protocol number after extension headers.
STELLAR_PUBLIC uint8_t packet_get_ip_version(const struct packet *packet);
STELLAR_PUBLIC uint8_t packet_get_protocol(const struct packet *packet);

// Innermost addresses and ports. Returns 0, or -ENOENT when the packet is not IP.
STELLAR_PUBLIC int packet_get_source(const struct packet *packet,
				     struct packet_endpoint *ret_endpoint);
STELLAR_PUBLIC int packet_get_destination(const struct packet *packet,
					  struct packet_endpoint *ret_endpoint);

// STELLAR_TCP_* flags, or 0 when it is not TCP.
STELLAR_PUBLIC uint8_t packet_get_tcp_flags(const struct packet *packet);

// Window as in the TCP header, not scaled, or 0 when it is not TCP.
STELLAR_PUBLIC uint16_t packet_get_tcp_window(const struct packet *packet);

// What a TCP option of a kind says, the first there is: the bytes behind its kind and length. NULL
// when it is absent, malformed or cut; ret_length in bytes, 0 then, may be NULL. An option that
// says nothing (4: selective acknowledgment permitted) is a pointer and 0. Kinds 0 and 1 are none.
STELLAR_PUBLIC const uint8_t *packet_get_tcp_option(const struct packet *packet, uint8_t kind,
						    size_t *ret_length);

// Of the innermost IP header: time to live or hop limit, and the ECN codepoint (RFC 3168; 0: not
// capable, 1: ECT(1), 2: ECT(0), 3: congestion experienced). 0 when it is not IP.
STELLAR_PUBLIC uint8_t packet_get_ttl(const struct packet *packet);
STELLAR_PUBLIC uint8_t packet_get_ecn(const struct packet *packet);

// Payload of the innermost transport header, trimmed to the IP length; NULL and 0 when empty.
STELLAR_PUBLIC const uint8_t *packet_get_payload(const struct packet *packet, size_t *ret_length);

// Tunnels the packet came in, 0: none. MPLS and PPPoE are none: they have no addresses.
STELLAR_PUBLIC size_t packet_get_tunnel_count(const struct packet *packet);

// A tunnel, outermost first. Returns 0, or -ENOENT when out of range.
STELLAR_PUBLIC int packet_get_tunnel(const struct packet *packet, size_t position,
				     struct packet_tunnel *ret_tunnel);

// Rate-limit group of the packet's verdict; 0: none. Seed: pkt_get_group_id.
STELLAR_PUBLIC uint32_t packet_get_group_id(const struct packet *packet);

// Names, or NULL when out of range. Static strings, any thread.
STELLAR_PUBLIC const char *stellar_layer_name(uint32_t layer);
STELLAR_PUBLIC const char *stellar_tunnel_name(uint32_t tunnel);
STELLAR_PUBLIC const char *stellar_decode_event_name(uint32_t event);
// Whether the event means malformed. Any thread.
STELLAR_PUBLIC bool stellar_decode_event_is_malformed(uint32_t event);
