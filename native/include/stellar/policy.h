// SPDX-License-Identifier: Apache-2.0

// How a compiled policy reaches plugins. The control plane compiles one YAML document into one
// image: a header and a section for each plugin that has a say. The engine checks the image, asks
// each plugin to prepare its section (off the data path), and when all have agreed, each worker
// commits at its next burst boundary. A packet is judged by exactly one generation. The old
// generation is retired when every worker has left it and no session pins it.
//
// Image, little endian, all offsets from its first byte:
//   0  8  magic "STLRPOL1"
//   8  4  total size in bytes
//  12  4  generation, above 0
//  16  4  section count, at most 16
//  20  4  CRC-32 (IEEE 802.3) of everything from byte 24 on
//  24  72 x count: name[64] NUL-padded plugin name, u32 offset, u32 size
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/version.h>

struct engine;

#define STELLAR_POLICY_MAGIC "STLRPOL1"
#define STELLAR_POLICY_HEADER_SIZE 24
#define STELLAR_POLICY_SECTION_SIZE 72
#define STELLAR_POLICY_SECTIONS_MAX 16
#define STELLAR_POLICY_SIZE_MAX (64u << 20)

// What becomes of sessions that an older generation judged.
enum stellar_on_reload {
	STELLAR_RELOAD_KEEP,
	STELLAR_RELOAD_REJUDGE,
	STELLAR_RELOAD_CLOSE,
	STELLAR_ON_RELOAD_COUNT,
};

// Check, prepare and schedule a policy image; blocks until every running worker has committed.
// Nothing changes when it fails: the policy in force stays. Control thread; not two at once.
// A worker that comes to no burst boundary in 5 s is -ETIMEDOUT: the policy in force stays; but if
// it got stuck just then, the new one is in force (error says so) and it follows when it can.
// Returns 0; -EINVAL (image damaged, or a section for a plugin that is not loaded or takes no
// policy; error says which), -EEXIST (generation not above the one in force), or what prepare
// returned. error gets one line.
STELLAR_PUBLIC int engine_policy_apply(struct engine *engine, const void *image, size_t image_size,
				       char *error, size_t error_size);

// Generation in force, 0 when none. Any thread.
STELLAR_PUBLIC uint32_t engine_policy_generation(const struct engine *engine);
