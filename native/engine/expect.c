// SPDX-License-Identifier: Apache-2.0

// Announcements of sessions (<stellar/expect.h>): what the table of native/session/expectation.h is
// told and asked, and the figures. Worker's thread.

#include <errno.h>

#include <stellar/expect.h>

#include "engine/plugin_wave.h"

static uint64_t now_ms(const struct worker *worker)
{
	return worker->now_ns / NS_PER_MS;
}

static void publish_counts(struct worker *worker)
{
	worker->ledger.sessions.expectations = worker->expectations.count;
	worker->ledger.sessions.expectations_expired = worker->expectations.expired;
}

int expect_session(struct session *session, uint8_t protocol,
		   const struct packet_endpoint *originator,
		   const struct packet_endpoint *responder, uint32_t timeout_ms)
{
	struct worker *worker = session->worker;
	static const struct packet_endpoint anyone;
	struct session_stats *figures = &worker->ledger.sessions;

	// What is closing, or denied, will have no children.
	if (session->hot->state == STELLAR_SESSION_CLOSING ||
	    (session->hot->flags & SESSION_BLOCKED) != 0)
		return -EINVAL;
	const struct expectation_claim claim = {
		.originator = originator != NULL ? *originator : anyone,
		.responder = *responder,
		.tag = session->hot->tag,
		.tenant = session->hot->tenant,
		.protocol = protocol,
	};
	worker->expectations.age = plugin_wave_get_age(worker);
	int result = expectations_add(&worker->expectations, session->index, &claim, timeout_ms,
				      now_ms(worker));

	if (result == -ENOSPC || result == -ENOMEM)
		figures->expectations_refused++;
	if (result > 0)
		figures->expectations_announced++;
	publish_counts(worker);
	return result < 0 ? result : 0;
}

void expect_meet(struct worker *worker, uint32_t index)
{
	const struct session_hot *hot = &worker->table->hot[index];
	struct expectation_claim session = {
		.tag = hot->tag,
		.tenant = hot->tenant,
		.protocol = hot->protocol,
	};
	uint32_t id;

	session_table_get_endpoints(worker->table, index, &session.originator, &session.responder);
	while ((id = expectations_find(&worker->expectations, &session)) != 0) {
		uint32_t parent = expectations_get_parent(&worker->expectations, id);

		if ((worker->table->hot[parent].flags & SESSION_BLOCKED) != 0) {
			expectations_expire(&worker->expectations, id);
			continue;
		}
		expectations_remove(&worker->expectations, id);
		worker->ledger.sessions.expectations_met++;
		session_family_adopt(worker, parent, index);
		break;
	}
	publish_counts(worker);
}

void expect_forget(struct worker *worker, uint32_t index)
{
	expectations_forget(&worker->expectations, index);
	publish_counts(worker);
}

void expect_advance(struct worker *worker)
{
	expectations_advance(&worker->expectations, now_ms(worker));
	publish_counts(worker);
}
