// SPDX-License-Identifier: Apache-2.0

// Which rule judges a session: the first that matches. Built once from a checked section, read-only
// afterwards, shared by all workers without locks. Knows no packets and no verdicts.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stellar/packet.h>

#include "section.h"

struct classifier;

// The first packet of a session, as rules see it.
struct classifier_query {
	struct ip_address source; // of the originator
	struct ip_address destination; // of the responder
	uint8_t protocol;
	uint8_t from_zone; // zone id, 0: none
	uint8_t to_zone;
	uint16_t port; // of the responder, as section.h says
};

// Copies what it needs: the section's bytes may go afterwards. Control thread. Returns 0, -ENOMEM,
// or -E2BIG when rules times services are too many.
int classifier_create(const struct firewall_section *section, struct classifier **ret_classifier);

// Accepts NULL.
void classifier_destroy(struct classifier *classifier);

// Number of the first rule that matches, from 1; 0 when none does. Any thread.
uint32_t classifier_lookup(const struct classifier *classifier,
			   const struct classifier_query *query);

// Zone whose networks hold an address, by its longest prefix; else the fallback zone, or 0.
// Any thread.
uint8_t classifier_find_zone(const struct classifier *classifier, const struct ip_address *address);
