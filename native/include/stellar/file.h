// SPDX-License-Identifier: Apache-2.0

// Files that protocol decoders find in sessions. Declared now; no decoder gives files yet, every
// call returns -ENOSYS. Worker thread, inside a callback for the event `file`.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

struct session;

enum stellar_file_hash {
	STELLAR_FILE_MD5,
	STELLAR_FILE_SHA1,
	STELLAR_FILE_SHA256,
	STELLAR_FILE_HASH_COUNT,
};

// Name as the sender gave it (bytes, not sanitised) and bytes seen so far.
STELLAR_PUBLIC int file_get_name(const struct session *session, const uint8_t **ret_name,
				 size_t *ret_length);
STELLAR_PUBLIC int file_get_size(const struct session *session, uint64_t *ret_size_bytes);

// Ask for a hash of the file; the digest is there when it closes.
STELLAR_PUBLIC int file_request_hash(struct session *session, enum stellar_file_hash hash);
STELLAR_PUBLIC int file_get_hash(const struct session *session, enum stellar_file_hash hash,
				 const uint8_t **ret_digest, size_t *ret_length);
