// SPDX-License-Identifier: Apache-2.0

#include "samples.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Made with scapy, by the expression above each; checksums are scapy's. In them
//     eth = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02"), E its addresses,
//     I = addresses 192.0.2.1 to 198.51.100.2, S = addresses 2001:db8::1 to 2001:db8::2.
// Padding of Ethernet frames was added by hand. tests/fuzz/packet/make_seeds.py reads this table.
// clang-format off
const struct sample samples[SAMPLE_COUNT] = {
	// eth/IP(I, id=1, flags="DF")/TCP(sport=40000, dport=80, seq=0x01020304, flags="S",
	// window=64240, options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (0x11223344, 0)),
	// ("NOP", None), ("WScale", 7)])
	[SAMPLE_TCP4_SYN] = {"tcp4_syn", 1,
		"02000000000202000000000108004500003c0001400040064e84c0000201c63364029c4000500102"
		"030400000000a002faf07bdb0000020405b40402080a112233440000000001030307"},
	// eth/IP(I, id=2, flags="DF")/TCP(sport=40000, dport=80, seq=0x01020305, ack=0x0a0b0c0d,
	// flags="PA", window=502, options=[("NOP", None), ("NOP", None), ("Timestamp",
	// (0x11223345, 0x55667788))])/b"hello"
	[SAMPLE_TCP4_DATA] = {"tcp4_data", 1,
		"0200000000020200000000010800450000390002400040064e86c0000201c63364029c4000500102"
		"03050a0b0c0d801801f67cab00000101080a112233455566778868656c6c6f"},
	// eth/IP(I, id=2)/TCP(sport=40000, dport=80, seq=7, ack=9, flags="FA", window=502)
	[SAMPLE_TCP4_PLAIN] = {"tcp4_plain", 1,
		"0200000000020200000000010800450000280002000040068e97c0000201c63364029c4000500000"
		"000700000009501101f625060000"},
	// eth/IP(I, id=3, options=[IPOption_RR(length=7, pointer=4, routers=["0.0.0.0"]),
	// IPOption_NOP()])/TCP(sport=40000, dport=80, seq=7, ack=9, flags="A",
	// window=502)/b"options!"
	[SAMPLE_TCP4_IP_OPTIONS] = {"tcp4_ip_options", 1,
		"020000000002020000000001080047000038000300004006817ec0000201c6336402070704000000"
		"00019c4000500000000700000009501001f65e9500006f7074696f6e7321"},
	// eth/IP(I, id=4)/UDP(sport=5353, dport=53)/b"data"
	[SAMPLE_UDP4_PADDED] = {"udp4_padded", 1,
		"0200000000020200000000010800450000200004000040118e92c0000201c633640214e90035000c"
		"25be64617461aaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
	// eth/IP(I, id=4)/UDP(sport=5353, dport=53, chksum=0)/b"data"
	[SAMPLE_UDP4_NO_CHECKSUM] = {"udp4_no_checksum", 1,
		"0200000000020200000000010800450000200004000040118e92c0000201c633640214e90035000c"
		"000064617461"},
	// eth/IP(I, id=4)/UDP(sport=5353, dport=53)/b"odd"
	[SAMPLE_UDP4_ODD] = {"udp4_odd", 1,
		"02000000000202000000000108004500001f0004000040118e93c0000201c633640214e90035000b"
		"2b1e6f6464"},
	// eth/IP(I, id=5)/ICMP(id=0x1234, seq=1)/b"echo"
	[SAMPLE_ICMP4_ECHO] = {"icmp4_echo", 1,
		"0200000000020200000000010800450000200005000040018ea1c0000201c6336402080017f81234"
		"00016563686f"},
	// eth/IP(I, id=6)/ICMP(type=3, code=3)/IP(src="198.51.100.2",
	// dst="192.0.2.1")/UDP(sport=1, dport=2)
	[SAMPLE_ICMP4_ERROR] = {"icmp4_error", 1,
		"0200000000020200000000010800450000380006000040018e88c0000201c63364020303e94d0000"
		"00004500001c0001000040118e99c6336402c000020100010002000813a4"},
	// eth/IP(I, id=7)/GRE(proto=0x0800)/b"inner"
	[SAMPLE_GRE4] = {"gre4", 1,
		"02000000000202000000000108004500001d00070000402f8e74c0000201c633640200000800696e"
		"6e6572"},
	// Ether(E, type=0x88a8)/Dot1AD(vlan=100, prio=5)/Dot1Q(vlan=200)/IP(I)/UDP(sport=5353,
	// dport=53)/b"data"
	[SAMPLE_QINQ_UDP4] = {"qinq_udp4", 1,
		"02000000000202000000000188a8a064810000c80800450000200001000040118e95c0000201c633"
		"640214e90035000c25be64617461"},
	// eth/Dot1Q(vlan=100)/IPv6(S)/TCP(sport=40000, dport=443, seq=1, flags="S",
	// window=64800, options=[("MSS", 1440)])
	[SAMPLE_VLAN_TCP6] = {"vlan_tcp6", 1,
		"0200000000020200000000018100006486dd600000000018064020010db800000000000000000000"
		"000120010db80000000000000000000000029c4001bb00000001000000006002fd20a1a800000204"
		"05a0"},
	// Ether(E, type=0x88a8)/Dot1AD(vlan=1)/Dot1Q(vlan=2)/Dot1Q(vlan=3)/IP(I)/UDP()
	[SAMPLE_VLAN_THREE] = {"vlan_three", 1,
		"02000000000202000000000188a80001810000028100000308004500001c0001000040118e99c000"
		"0201c6336402003500350008133d"},
	// Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff")/ARP(hwsrc="02:00:00:00:00:01",
	// psrc="192.0.2.1", pdst="192.0.2.2")
	[SAMPLE_ARP] = {"arp", 1,
		"ffffffffffff02000000000108060001080006040001020000000001c0000201000000000000c000"
		"0202000000000000000000000000000000000000"},
	// Dot3(E)/LLC(dsap=0x42, ssap=0x42, ctrl=3)/b"bpdu"
	[SAMPLE_LLC] = {"llc", 1,
		"02000000000202000000000100074242036270647500000000000000000000000000000000000000"
		"0000000000000000000000000000000000000000"},
	// Ether(E, type=0x88cc)/b"lldp"
	[SAMPLE_UNKNOWN_TYPE] = {"unknown_type", 1,
		"02000000000202000000000188cc6c6c6470"},
	// first of fragment(IP(I, id=8)/UDP(sport=5353, dport=53)/(b"x"*40), fragsize=24)
	[SAMPLE_FRAGMENT4_FIRST] = {"fragment4_first", 1,
		"02000000000202000000000108004500002c0008200040116e82c0000201c633640214e900350030"
		"94cf78787878787878787878787878787878"},
	// last of the same
	[SAMPLE_FRAGMENT4_LAST] = {"fragment4_last", 1,
		"02000000000202000000000108004500002c0008000340118e7fc0000201c6336402787878787878"
		"787878787878787878787878787878787878"},
	// eth/IPv6(S)/IPv6ExtHdrHopByHop(options=[RouterAlert()])/IPv6ExtHdrDestOpt()/IPv6ExtHdr
	// Routing(addresses=[], segleft=0)/IPv6ExtHdrFragment(id=1)/UDP(sport=5353,
	// dport=53)/b"data"
	[SAMPLE_UDP6_CHAIN] = {"udp6_chain", 1,
		"02000000000202000000000186dd60000000002c004020010db80000000000000000000000012001"
		"0db80000000000000000000000023c000502000001002b000104000000002c000000000000001100"
		"00000000000114e90035000cb68064617461"},
	// eth/IPv6(S)/IPv6ExtHdrFragment(id=9, m=1, nh=17)/UDP(sport=5353, dport=53, len=1000,
	// chksum=0x1234)/(b"y"*16)
	[SAMPLE_FRAGMENT6_FIRST] = {"fragment6_first", 1,
		"02000000000202000000000186dd6000000000202c4020010db80000000000000000000000012001"
		"0db8000000000000000000000002110000010000000914e9003503e8123479797979797979797979"
		"797979797979"},
	// eth/IPv6(S)/IPv6ExtHdrFragment(id=9, offset=3, nh=17)/(b"y"*13)
	[SAMPLE_FRAGMENT6_LAST] = {"fragment6_last", 1,
		"02000000000202000000000186dd6000000000152c4020010db80000000000000000000000012001"
		"0db8000000000000000000000002110000180000000979797979797979797979797979"},
	// eth/IPv6(S, nh=51)/AH(nh=6, payloadlen=4, spi=1, seq=1, icv=b"0"*12)/TCP(sport=40000,
	// dport=443, seq=1, ack=2, flags="A", window=5) with the TCP checksum set
	[SAMPLE_AH6_TCP] = {"ah6_tcp", 1,
		"02000000000202000000000186dd60000000002c334020010db80000000000000000000000012001"
		"0db80000000000000000000000020604000000000001000000013030303030303030303030309c40"
		"01bb000000010000000250100005b65c0000"},
	// eth/IPv6(S, nh=50)/b"espespespesp"
	[SAMPLE_ESP6] = {"esp6", 1,
		"02000000000202000000000186dd60000000000c324020010db80000000000000000000000012001"
		"0db8000000000000000000000002657370657370657370657370"},
	// eth/IPv6(S)/ICMPv6EchoRequest(id=0x4321, seq=1, data=b"echo!")
	[SAMPLE_ICMP6_ECHO] = {"icmp6_echo", 1,
		"02000000000202000000000186dd60000000000d3a4020010db80000000000000000000000012001"
		"0db80000000000000000000000028000f24d432100016563686f21"},
	// eth/IPv6(S, hlim=255)/ICMPv6ND_NS(tgt="2001:db8::2")/ICMPv6NDOptSrcLLAddr(lladdr="02:0
	// 0:00:00:00:01")
	[SAMPLE_ICMP6_SOLICIT] = {"icmp6_solicit", 1,
		"02000000000202000000000186dd6000000000203aff20010db80000000000000000000000012001"
		"0db80000000000000000000000028700ec720000000020010db80000000000000000000000020101"
		"020000000001"},
	// eth/IPv6(S)/ICMPv6DestUnreach(code=4)/IPv6(src="2001:db8::2",
	// dst="2001:db8::1")/UDP(sport=1, dport=2)
	[SAMPLE_ICMP6_ERROR] = {"icmp6_error", 1,
		"02000000000202000000000186dd6000000000383a4020010db80000000000000000000000012001"
		"0db8000000000000000000000002010431e500000000600000000008114020010db8000000000000"
		"00000000000220010db8000000000000000000000001000100020008a466"},
	// eth/IPv6(S, nh=59)
	[SAMPLE_NO_NEXT6] = {"no_next6", 1,
		"02000000000202000000000186dd6000000000003b4020010db80000000000000000000000012001"
		"0db8000000000000000000000002"},
	// eth/IPv6(S, plen=0)/IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=65536)])/UDP(sport=1,
	// dport=2)
	[SAMPLE_JUMBO6] = {"jumbo6", 1,
		"02000000000202000000000186dd600000000000004020010db80000000000000000000000012001"
		"0db80000000000000000000000021100c20400010000000100020008a466"},
	// eth/IPv6(S)/IPv6ExtHdrDestOpt(options=[HAO(hoa="2001:db8::99")])/UDP(sport=5353,
	// dport=53, chksum=0x1234)/b"home"
	[SAMPLE_HOME_ADDRESS6] = {"home_address6", 1,
		"02000000000202000000000186dd6000000000243c4020010db80000000000000000000000012001"
		"0db8000000000000000000000002110201020000c91020010db800000000000000000000009914e9"
		"0035000c1234686f6d65"},
	// eth/IPv6(S)/IPv6ExtHdrRouting(addresses=["2001:db8::77"], segleft=1)/UDP(sport=5353,
	// dport=53, chksum=0x1234)/b"away"
	[SAMPLE_ROUTED6] = {"routed6", 1,
		"02000000000202000000000186dd6000000000242b4020010db80000000000000000000000012001"
		"0db8000000000000000000000002110200010000000020010db800000000000000000000007714e9"
		"0035000c123461776179"},
	// IP(I, id=4)/UDP(sport=5353, dport=53)/b"data"
	[SAMPLE_RAW_UDP4] = {"raw_udp4", 101,
		"450000200004000040118e92c0000201c633640214e90035000c25be64617461"},
	// IPv6(S)/UDP(sport=5353, dport=53)/b"data"
	[SAMPLE_RAW_UDP6] = {"raw_udp6", 101,
		"60000000000c114020010db800000000000000000000000120010db8000000000000000000000002"
		"14e90035000cb68064617461"},
	// Raw(b"\2\0\0\0")/IP(I, id=4)/UDP(sport=5353, dport=53)/b"data"
	[SAMPLE_NULL_UDP4] = {"null_udp4", 0,
		"02000000450000200004000040118e92c0000201c633640214e90035000c25be64617461"},
	// Raw(b"\0\0\0\x1c")/IPv6(S)/UDP(sport=5353, dport=53)/b"data"
	[SAMPLE_LOOP_UDP6] = {"loop_udp6", 108,
		"0000001c60000000000c114020010db800000000000000000000000120010db80000000000000000"
		"0000000214e90035000cb68064617461"},
	// CookedLinux(pkttype=0, lladdrtype=1, lladdrlen=6, src=b"\2\0\0\0\0\1\0\0",
	// proto=0x800)/IP(I, id=4)/UDP(sport=5353, dport=53)/b"data"
	[SAMPLE_COOKED_UDP4] = {"cooked_udp4", 113,
		"00000001000602000000000100000800450000200004000040118e92c0000201c633640214e90035"
		"000c25be64617461"},
	// CookedLinuxV2(proto=0x86dd, ifindex=2, lladdrtype=1, pkttype=0, lladdrlen=6,
	// src=b"\2\0\0\0\0\1\0\0")/IPv6(S)/UDP(sport=5353, dport=53)/b"data"
	[SAMPLE_COOKED2_UDP6] = {"cooked2_udp6", 276,
		"86dd00000000000200010006020000000001000060000000000c114020010db80000000000000000"
		"0000000120010db800000000000000000000000214e90035000cb68064617461"},
	// CookedLinux(pkttype=0, lladdrtype=824, lladdrlen=0, src=b"\0"*8,
	// proto=0x800)/b"netlink message"
	[SAMPLE_COOKED_NETLINK] = {"cooked_netlink", 113,
		"000003380000000000000000000008006e65746c696e6b206d657373616765"},
};
// clang-format on

static uint8_t digit_value(char digit)
{
	const char *digits = "0123456789abcdef";
	const char *found = strchr(digits, digit);

	assert(found);
	return (uint8_t)(found - digits);
}

size_t hex_read(const char *hex, uint8_t *ret_bytes, size_t size)
{
	size_t length = strlen(hex) / 2;

	assert(length <= size);
	for (size_t at = 0; at < length; at++)
		ret_bytes[at] =
			(uint8_t)(digit_value(hex[2 * at]) << 4 | digit_value(hex[2 * at + 1]));
	return length;
}

#define GUARD_SIZE 65536 // bytes that can be used, a multiple of any page size

int guard_init(struct guard *ret_guard)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *pages = mmap(NULL, GUARD_SIZE + page, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return -errno;
	if (mprotect(pages + GUARD_SIZE, page, PROT_NONE) != 0)
		return -errno;
	*ret_guard = (struct guard){pages, pages + GUARD_SIZE};
	return 0;
}

void guard_fini(struct guard *guard)
{
	munmap(guard->pages, GUARD_SIZE + (size_t)sysconf(_SC_PAGESIZE));
}

uint8_t *guard_place(struct guard *guard, const uint8_t *bytes, size_t length)
{
	assert(length <= GUARD_SIZE);
	memcpy(guard->end - length, bytes, length);
	return guard->end - length;
}

void guard_decode(struct guard *guard, const uint8_t *bytes, size_t length, size_t wire_length,
		  uint16_t link_type, bool verify_checksums, struct packet *ret_packet)
{
	memset(ret_packet, 0xa5, sizeof(*ret_packet));
	ret_packet->frame = (struct frame){
		.data = guard_place(guard, bytes, length),
		.length = (uint32_t)length,
		.wire_length = (uint32_t)wire_length,
		.time_ns = 1,
		.link_type = link_type,
	};
	ret_packet->ingress_id = 3;
	ret_packet->egress_id = 4;
	packet_decode(ret_packet, verify_checksums);
}

size_t sample_decode(struct guard *guard, enum sample_id id, struct packet *ret_packet)
{
	uint8_t bytes[SAMPLE_SIZE_MAX];
	size_t length = hex_read(samples[id].hex, bytes, sizeof(bytes));

	guard_decode(guard, bytes, length, length, samples[id].link_type, true, ret_packet);
	return length;
}
