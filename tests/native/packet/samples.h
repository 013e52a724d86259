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
	SAMPLE_IPIP,
	SAMPLE_IP6_IN_4,
	SAMPLE_IP4_IN_6,
	SAMPLE_IP6_IN_6,
	SAMPLE_AH4_UDP,
	SAMPLE_GRE_PLAIN,
	SAMPLE_GRE_ALL,
	SAMPLE_GRE_ROUTED,
	SAMPLE_GRE_BRIDGED,
	SAMPLE_GRE_WCCP,
	SAMPLE_GRE_PPP,
	SAMPLE_NVGRE,
	SAMPLE_PPTP,
	SAMPLE_PPTP_ACK,
	SAMPLE_ERSPAN_I,
	SAMPLE_ERSPAN_II,
	SAMPLE_ERSPAN_II_CUT,
	SAMPLE_ERSPAN_III,
	SAMPLE_ERSPAN_III_IP,
	SAMPLE_VXLAN,
	SAMPLE_VXLAN_GROUP6,
	SAMPLE_VXLAN_VLANS,
	SAMPLE_VXLAN_ARP,
	SAMPLE_VXLAN_LLDP,
	SAMPLE_VXLAN_GPE,
	SAMPLE_VXLAN_GPE_ETHERNET,
	SAMPLE_GENEVE,
	SAMPLE_GENEVE_OPTIONS,
	SAMPLE_GTP_U,
	SAMPLE_GTP_U_EXTENDED,
	SAMPLE_GTP_U_ECHO,
	SAMPLE_TEREDO,
	SAMPLE_TEREDO_ORIGIN,
	SAMPLE_L2TPV2,
	SAMPLE_L2TPV2_ALL,
	SAMPLE_L2TPV2_CONTROL,
	SAMPLE_L2TPV3_UDP,
	SAMPLE_L2TPV3_IP,
	SAMPLE_L2TPV3_IP_PPP,
	SAMPLE_L2TPV3_CONTROL,
	SAMPLE_MPLS_IP,
	SAMPLE_MPLS_IP6,
	SAMPLE_MPLS_ETHERNET,
	SAMPLE_MPLS_CONTROL_WORD,
	SAMPLE_MPLS_UNKNOWN,
	SAMPLE_PPPOE,
	SAMPLE_PPPOE_VLANS6,
	SAMPLE_PPPOE_LCP,
	SAMPLE_PPPOE_DISCOVERY,
	SAMPLE_LLC_SNAP,
	SAMPLE_LLC_IP,
	SAMPLE_LLC_OTHER_SNAP,
	SAMPLE_COOKED_LLC,
	SAMPLE_PPP_LINK,
	SAMPLE_PPP_HDLC_SHORT6,
	SAMPLE_PPP_MPLS,
	SAMPLE_PPP_CISCO,
	SAMPLE_PPPOE_LINK,
	SAMPLE_CISCO_HDLC6,
	SAMPLE_CISCO_SLARP,
	SAMPLE_NESTED,
	SAMPLE_COUNT,
};

struct sample {
	const char *name;
	uint16_t link_type;
	const char *hex;
};

extern const struct sample samples[SAMPLE_COUNT];

#define SAMPLE_SIZE_MAX 192 // bytes, of any sample

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
