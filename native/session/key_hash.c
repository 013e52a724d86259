// SPDX-License-Identifier: Apache-2.0

// SipHash-1-3 of a session key. The message is ports and tag (8 bytes), the addresses (8 or 32),
// and tenant, protocol and version (4), so 20 or 44 bytes: with the length byte that SipHash adds
// it fills 3 or 6 words. The burst version runs eight of them in the lanes of vectors; the compiler
// makes AVX-512, AVX2 or SSE2 of it. All words of a burst are laid out before any are hashed: a
// vector read at once from what narrow stores have just written would have to wait for them.

#include <string.h>

#include "clones.h"
#include "session/key.h"

#define WORDS_V4 3
#define WORDS_V6 6
#define LANES 8
#define CHUNK 64 // keys laid out at once

typedef uint64_t lanes_t __attribute__((vector_size(8 * LANES)));

struct sip_state {
	uint64_t v[4];
};

struct sip_lanes {
	lanes_t v[4];
};

static const uint64_t sip_constants[4] = {
	UINT64_C(0x736f6d6570736575),
	UINT64_C(0x646f72616e646f6d),
	UINT64_C(0x6c7967656e657261),
	UINT64_C(0x7465646279746573),
};

// One text for both widths: SipRound, the compression of one word, and the last three rounds.
// clang-format off
#define ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))
#define SIP_ROUND(v) \
	do { \
		(v)[0] += (v)[1]; (v)[1] = ROTATE((v)[1], 13); (v)[1] ^= (v)[0]; (v)[0] = ROTATE((v)[0], 32); \
		(v)[2] += (v)[3]; (v)[3] = ROTATE((v)[3], 16); (v)[3] ^= (v)[2]; \
		(v)[0] += (v)[3]; (v)[3] = ROTATE((v)[3], 21); (v)[3] ^= (v)[0]; \
		(v)[2] += (v)[1]; (v)[1] = ROTATE((v)[1], 17); (v)[1] ^= (v)[2]; (v)[2] = ROTATE((v)[2], 32); \
	} while (0)
#define SIP_COMPRESS(v, word) \
	do { \
		(v)[3] ^= (word); \
		SIP_ROUND(v); \
		(v)[0] ^= (word); \
	} while (0)
#define SIP_FINISH(v) \
	do { \
		(v)[2] ^= 0xff; \
		SIP_ROUND(v); \
		SIP_ROUND(v); \
		SIP_ROUND(v); \
	} while (0)
// clang-format on

static size_t word_count(const struct session_key *key)
{
	return key->version == 6 ? WORDS_V6 : WORDS_V4;
}

// Word i of the message of a key.
static inline uint64_t message_word(const struct session_key *key, size_t i, size_t count)
{
	if (i == 0)
		return key->ports_tag;
	if (i == count - 1)
		return (uint64_t)(count * 8 - 4) << 56 | key->realm;
	return key->address[i - 1];
}

uint64_t session_key_hash(const struct session_secret *secret, const struct session_key *key)
{
	struct sip_state sip;
	size_t count = word_count(key);
	for (size_t i = 0; i < 4; i++)
		sip.v[i] = sip_constants[i] ^ secret->word[i & 1];
	for (size_t i = 0; i < count; i++)
		SIP_COMPRESS(sip.v, message_word(key, i, count));
	SIP_FINISH(sip.v);
	return sip.v[0] ^ sip.v[1] ^ sip.v[2] ^ sip.v[3];
}

// The state that all messages begin with. GCC would rather put the words together in memory and
// read them back as a vector, which waits for the stores; so each goes through a register.
static inline __attribute__((always_inline)) void begin_lanes(const struct session_secret *secret,
							      struct sip_lanes *ret_sip)
{
	lanes_t zero = {0};
	for (size_t i = 0; i < 4; i++) {
		uint64_t word = sip_constants[i] ^ secret->word[i & 1];
		__asm__("" : "+r"(word));
		ret_sip->v[i] = zero + word;
	}
}

// Eight messages of `count` words; word i of the first one is words[i][0].
static inline __attribute__((always_inline)) void
hash_lanes(struct sip_lanes sip, const uint64_t (*words)[CHUNK], size_t count, uint64_t *ret_hashes)
{
#pragma GCC unroll 3
	for (size_t i = 0; i < count; i++) {
		lanes_t word;
		memcpy(&word, words[i], sizeof(word));
		SIP_COMPRESS(sip.v, word);
	}
	SIP_FINISH(sip.v);
	lanes_t hash = sip.v[0] ^ sip.v[1] ^ sip.v[2] ^ sip.v[3];
	memcpy(ret_hashes, &hash, sizeof(hash));
}

// A multiple of LANES keys of one version, at most CHUNK.
static inline __attribute__((always_inline)) void hash_chunk(const struct session_secret *secret,
							     const struct session_key *keys,
							     size_t count, size_t word_count,
							     uint64_t *ret_hashes)
{
	_Alignas(lanes_t) uint64_t words[WORDS_V6][CHUNK];
	struct sip_lanes sip;
	begin_lanes(secret, &sip);
	for (size_t lane = 0; lane < count; lane++) {
		for (size_t i = 0; i < word_count; i++)
			words[i][lane] = message_word(&keys[lane], i, word_count);
	}
	for (size_t lane = 0; lane < count; lane += LANES)
		hash_lanes(sip, (const uint64_t (*)[CHUNK])(void *)&words[0][lane], word_count,
			   ret_hashes + lane);
}

SESSION_VECTOR_CLONES static void hash_chunk_v4(const struct session_secret *secret,
						const struct session_key *keys, size_t count,
						uint64_t *ret_hashes)
{
	hash_chunk(secret, keys, count, WORDS_V4, ret_hashes);
}

SESSION_VECTOR_CLONES static void hash_chunk_v6(const struct session_secret *secret,
						const struct session_key *keys, size_t count,
						uint64_t *ret_hashes)
{
	hash_chunk(secret, keys, count, WORDS_V6, ret_hashes);
}

// How many keys from the first on have its version.
static size_t run_length(const struct session_key *keys, size_t count)
{
	size_t length = 1;
	while (length < count && keys[length].version == keys[0].version)
		length++;
	return length;
}

void session_key_hash_burst(const struct session_secret *secret, const struct session_key *keys,
			    size_t count, uint64_t *ret_hashes)
{
	while (count > 0) {
		size_t run = run_length(keys, count < CHUNK ? count : CHUNK);
		size_t wide = run / LANES * LANES;
		if (wide > 0 && word_count(keys) == WORDS_V4)
			hash_chunk_v4(secret, keys, wide, ret_hashes);
		else if (wide > 0)
			hash_chunk_v6(secret, keys, wide, ret_hashes);
		for (size_t i = wide; i < run; i++)
			ret_hashes[i] = session_key_hash(secret, &keys[i]);
		keys += run;
		ret_hashes += run;
		count -= run;
	}
}
