// SPDX-License-Identifier: Apache-2.0

#include "support.h"

#include <errno.h>
#include <netinet/in.h>

#include "packet/decode.h"

// SipHash-c-d as its paper writes it, byte by byte: the reference.
static uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static uint64_t reference_siphash(const uint64_t secret[2], const uint8_t *message, size_t length,
				  unsigned compression_rounds, unsigned last_rounds)
{
	uint64_t v[4] = {
		UINT64_C(0x736f6d6570736575) ^ secret[0], UINT64_C(0x646f72616e646f6d) ^ secret[1],
		UINT64_C(0x6c7967656e657261) ^ secret[0], UINT64_C(0x7465646279746573) ^ secret[1]};
	for (size_t block = 0; block <= length / 8; block++) {
		uint64_t word = block == length / 8 ? (uint64_t)length << 56 : 0;
		for (size_t i = 0; i < 8 && block * 8 + i < length; i++)
			word |= (uint64_t)message[block * 8 + i] << (8 * i);
		v[3] ^= word;
		sip_rounds(v, compression_rounds);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	sip_rounds(v, last_rounds);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t reference_hash(const struct session_secret *secret, const struct session_key *key)
{
	uint8_t message[44];
	size_t address_length = key->version == 4 ? 8 : 32;
	memcpy(message, &key->ports_tag, 8);
	memcpy(message + 8, key->address, address_length);
	memcpy(message + 8 + address_length, &key->realm, 4);
	return reference_siphash(secret->word, message, 12 + address_length, 1, 3);
}

static const struct session_secret reference_secret = {
	{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};

static void test_reference_agrees_with_published_vectors(void **state)
{
	(void)state;
	uint8_t message[16];
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	const uint64_t *secret = reference_secret.word;

	// SipHash-2-4: vectors_sip64 of the authors' repository, and appendix A of the paper.
	assert_true(reference_siphash(secret, message, 0, 2, 4) == UINT64_C(0x726fdb47dd0e0e31));
	assert_true(reference_siphash(secret, message, 1, 2, 4) == UINT64_C(0x74f839c593dc67fd));
	assert_true(reference_siphash(secret, message, 15, 2, 4) == UINT64_C(0xa129ca6149be45e5));
	// SipHash-1-3: the first vector of Rust's SipHasher13 tests.
	assert_true(reference_siphash(secret, message, 0, 1, 3) == UINT64_C(0xabac0158050fc4dc));
}

static void test_hash_is_siphash_1_3(void **state)
{
	(void)state;
	for (uint32_t number = 0; number < 1000; number++) {
		struct session_key key = key_of(number);
		assert_true(session_key_hash(&reference_secret, &key) ==
			    reference_hash(&reference_secret, &key));
	}
}

static void test_burst_hashes_what_single_hashes(void **state)
{
	(void)state;
	struct session_key keys[65];
	uint64_t hashes[66];
	uint64_t seed = 11;
	for (unsigned round = 0; round < 300; round++) {
		size_t count = random_next(&seed) % 66;
		bool mixed = round % 3 == 0;
		for (size_t i = 0; i < count; i++) {
			uint32_t number = (uint32_t)random_next(&seed);
			keys[i] = key_of(mixed ? number : (number & ~1u) | (round & 1));
		}
		hashes[count] = UINT64_C(0x5a5a);
		session_key_hash_burst(&reference_secret, keys, count, hashes);
		for (size_t i = 0; i < count; i++)
			assert_true(hashes[i] == session_key_hash(&reference_secret, &keys[i]));
		assert_true(hashes[count] == UINT64_C(0x5a5a));
	}
}

static void test_every_field_of_the_key_changes_its_hash(void **state)
{
	(void)state;
	const struct session_key key = key_of(1);
	const uint64_t hash = session_key_hash(&reference_secret, &key);
	struct session_key changed[] = {key, key, key, key, key, key, key};
	changed[0].port_low ^= 1;
	changed[1].port_high ^= 1;
	changed[2].tag ^= 1;
	changed[3].tenant ^= 1;
	changed[4].protocol ^= 1;
	changed[5].address[0] ^= 1;
	changed[6].address[3] ^= UINT64_C(1) << 63;

	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		assert_true(session_key_hash(&reference_secret, &changed[i]) != hash);
		assert_false(session_key_is_equal(&changed[i], &key));
	}
}

static void test_secret_changes_the_hash(void **state)
{
	(void)state;
	struct session_key key = key_of(2);
	struct session_secret other = reference_secret;
	other.word[1] ^= UINT64_C(1) << 63;

	assert_true(session_key_hash(&other, &key) != session_key_hash(&reference_secret, &key));
}

static struct packet packet_between(struct packet_endpoint source,
				    struct packet_endpoint destination, uint8_t protocol)
{
	struct packet packet = {
		.ip_version = source.address.version,
		.protocol = protocol,
		.has_transport = true,
		.source_port = source.port,
		.destination_port = destination.port,
		.tag = 100,
		.source = source.address,
		.destination = destination.address,
	};
	return packet;
}

static void assert_both_directions_meet(struct packet_endpoint a, struct packet_endpoint b,
					uint8_t protocol)
{
	struct packet there = packet_between(a, b, protocol);
	struct packet back = packet_between(b, a, protocol);
	struct session_key key;
	struct session_key key_back;
	assert_int_equal(session_key_from_packet(&there, &key), 0);
	assert_int_equal(session_key_from_packet(&back, &key_back), 0);
	assert_true(session_key_is_equal(&key, &key_back));
	assert_int_not_equal(key.source_is_high, key_back.source_is_high);
	assert_int_equal(key.tag, 100);
	assert_int_equal(key.protocol, protocol);
}

static void test_both_directions_of_a_session_have_one_key(void **state)
{
	(void)state;
	assert_both_directions_meet(endpoint_v4(1, 40000), endpoint_v4(2, 80), IPPROTO_TCP);
	assert_both_directions_meet(endpoint_v4(2, 40000), endpoint_v4(1, 80), IPPROTO_TCP);
	assert_both_directions_meet(endpoint_v4(1, 40000), endpoint_v4(1, 80), IPPROTO_UDP);
	assert_both_directions_meet(endpoint_v6(1, 53), endpoint_v6(2, 53), IPPROTO_UDP);
	assert_both_directions_meet(endpoint_v6(1, 1), endpoint_v6(1, 2), IPPROTO_TCP);
	assert_both_directions_meet(endpoint_v4(1, 0), endpoint_v4(2, 0), IPPROTO_GRE);
}

static void test_swapped_ports_are_another_session(void **state)
{
	(void)state;
	struct packet a = packet_between(endpoint_v4(1, 10), endpoint_v4(2, 20), IPPROTO_UDP);
	struct packet b = packet_between(endpoint_v4(1, 20), endpoint_v4(2, 10), IPPROTO_UDP);
	struct session_key key_a;
	struct session_key key_b;

	assert_int_equal(session_key_from_packet(&a, &key_a), 0);
	assert_int_equal(session_key_from_packet(&b, &key_b), 0);

	assert_false(session_key_is_equal(&key_a, &key_b));
}

static void test_key_gives_back_the_addresses(void **state)
{
	(void)state;
	struct packet_endpoint low = endpoint_v6(1, 1);
	struct packet_endpoint high = endpoint_v6(2, 2);
	struct packet packet = packet_between(high, low, IPPROTO_UDP);
	struct session_key key;
	struct ip_address address;

	assert_int_equal(session_key_from_packet(&packet, &key), 0);

	session_key_get_address(&key, true, &address);
	assert_memory_equal(&address, &high.address, sizeof(address));
	session_key_get_address(&key, false, &address);
	assert_memory_equal(&address, &low.address, sizeof(address));
	assert_int_equal(key.source_is_high, 1);
	assert_int_equal(key.port_high, 2);
}

static void test_ports_of_other_protocols_do_not_count(void **state)
{
	(void)state;
	struct packet packet = packet_between(endpoint_v4(1, 5), endpoint_v4(2, 6), IPPROTO_ESP);
	struct session_key key;
	packet.has_transport = false;

	assert_int_equal(session_key_from_packet(&packet, &key), 0);

	assert_int_equal(key.port_low, 0);
	assert_int_equal(key.port_high, 0);
}

static struct session_key icmp_key(uint32_t from, uint32_t to, uint8_t version, uint8_t type,
				   uint16_t identifier)
{
	struct session_key key;
	struct packet packet =
		version == 4 ? packet_between(endpoint_v4(from, identifier),
					      endpoint_v4(to, identifier), IPPROTO_ICMP)
			     : packet_between(endpoint_v6(from, identifier),
					      endpoint_v6(to, identifier), IPPROTO_ICMPV6);
	packet.icmp_type = type;
	assert_int_equal(session_key_from_packet(&packet, &key), 0);
	return key;
}

static void test_icmp_replies_meet_their_requests(void **state)
{
	(void)state;
	const struct {
		uint8_t version;
		uint8_t request;
		uint8_t reply;
	} pairs[] = {{4, 8, 0}, {4, 13, 14}, {4, 15, 16}, {4, 17, 18}, {6, 128, 129}};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct session_key request = icmp_key(1, 2, pairs[i].version, pairs[i].request, 77);
		struct session_key reply = icmp_key(2, 1, pairs[i].version, pairs[i].reply, 77);
		assert_true(session_key_is_equal(&request, &reply));
		assert_int_not_equal(request.source_is_high, reply.source_is_high);
		assert_int_equal(session_key_get_icmp_first(&request), pairs[i].request << 8);
		assert_int_equal(session_key_get_icmp_first(&reply), pairs[i].reply << 8);
	}
}

static void test_icmp_queries_of_other_kind_or_identifier_are_apart(void **state)
{
	(void)state;
	struct session_key echo = icmp_key(1, 2, 4, 8, 77);
	struct session_key timestamp = icmp_key(1, 2, 4, 13, 77);
	struct session_key other = icmp_key(1, 2, 4, 8, 78);

	assert_false(session_key_is_equal(&echo, &timestamp));
	assert_false(session_key_is_equal(&echo, &other));
}

static void test_host_that_pings_itself_has_two_directions(void **state)
{
	(void)state;
	struct session_key request = icmp_key(1, 1, 4, 8, 77);
	struct session_key reply = icmp_key(1, 1, 4, 0, 77);

	assert_true(session_key_is_equal(&request, &reply));
	assert_int_not_equal(request.source_is_high, reply.source_is_high);
}

static void test_icmp_errors_are_sessions_by_type_and_code(void **state)
{
	(void)state;
	struct packet packet = packet_between(endpoint_v4(1, 9), endpoint_v4(2, 9), IPPROTO_ICMP);
	struct session_key key;
	packet.icmp_type = 3;
	packet.icmp_code = 13;

	assert_int_equal(session_key_from_packet(&packet, &key), 0);

	assert_int_equal(key.port_low, 0);
	assert_int_equal(key.port_high, 3 << 8 | 13);
	assert_int_equal(session_key_get_icmp_first(&key), 3 << 8 | 13);
}

static void test_packet_without_ip_or_transport_has_no_key(void **state)
{
	(void)state;
	struct packet packet = packet_between(endpoint_v4(1, 5), endpoint_v4(2, 6), IPPROTO_TCP);
	struct session_key key;

	packet.has_transport = false;
	assert_int_equal(session_key_from_packet(&packet, &key), -ENOENT);
	packet.has_transport = true;
	packet.ip_version = 0;
	assert_int_equal(session_key_from_packet(&packet, &key), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_agrees_with_published_vectors),
		cmocka_unit_test(test_hash_is_siphash_1_3),
		cmocka_unit_test(test_burst_hashes_what_single_hashes),
		cmocka_unit_test(test_every_field_of_the_key_changes_its_hash),
		cmocka_unit_test(test_secret_changes_the_hash),
		cmocka_unit_test(test_both_directions_of_a_session_have_one_key),
		cmocka_unit_test(test_swapped_ports_are_another_session),
		cmocka_unit_test(test_key_gives_back_the_addresses),
		cmocka_unit_test(test_ports_of_other_protocols_do_not_count),
		cmocka_unit_test(test_icmp_replies_meet_their_requests),
		cmocka_unit_test(test_icmp_queries_of_other_kind_or_identifier_are_apart),
		cmocka_unit_test(test_host_that_pings_itself_has_two_directions),
		cmocka_unit_test(test_icmp_errors_are_sessions_by_type_and_code),
		cmocka_unit_test(test_packet_without_ip_or_transport_has_no_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
