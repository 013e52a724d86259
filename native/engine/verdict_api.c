// SPDX-License-Identifier: Apache-2.0

// What a plugin may ask for the packet in hand, and for the rest of the session:
// <stellar/verdict.h> and the requests of <stellar/session.h> that are verdicts. Worker's thread,
// inside a callback.

#include <errno.h>

#include "engine/worker.h"

// What is meant for others it does not matter to.
static bool is_hold_valid(const struct verdict_request *request)
{
	return request->disposition != STELLAR_HOLD ||
	       (request->hold_ms <= STELLAR_HOLD_MAX_MS &&
		(request->hold_outcome == 0 || request->hold_outcome == STELLAR_PASS ||
		 request->hold_outcome == STELLAR_DROP));
}

int session_set_verdict(struct session *session, const struct verdict_request *request)
{
	uint16_t plugin_id = pm_session_plugin_id(session);
	bool is_drop = request->disposition == STELLAR_DROP;

	if (request->disposition >= STELLAR_DISPOSITION_COUNT ||
	    request->reply >= STELLAR_REPLY_COUNT ||
	    request->drop_reason >= STELLAR_DROP_REASON_COUNT ||
	    (!is_drop && (request->block || request->reply != STELLAR_REPLY_NONE)))
		return -EINVAL;
	if (session->packet == NULL || !is_hold_valid(request))
		return -EINVAL;
	struct verdict *verdict = &session->packet->verdict;

	if (request->disposition > verdict->disposition) {
		verdict->disposition = request->disposition;
		verdict->disposition_plugin_id = plugin_id;
		verdict->rule_id = request->rule_id;
		if (is_drop)
			verdict->drop_reason = request->drop_reason != 0 ? request->drop_reason
									 : STELLAR_DROPPED_PLUGIN;
	}
	if (request->disposition == STELLAR_HOLD)
		hold_stage_ask(session, request);
	if (request->rule_id != STELLAR_RULE_NONE && verdict->disposition_plugin_id == plugin_id)
		session->cold->rule_id = request->rule_id;
	session->is_block_asked |= request->block;
	if (request->block && !verdict->block) {
		verdict->block = true;
		verdict->block_plugin_id = plugin_id;
	}
	if (request->reply > verdict->reply) {
		verdict->reply = request->reply;
		verdict->reply_plugin_id = plugin_id;
	}
	return 0;
}

const struct verdict *session_get_verdict(const struct session *session)
{
	return session->packet != NULL ? &session->packet->verdict : NULL;
}

int session_drop_current_packet(struct session *session)
{
	const struct verdict_request request = {.disposition = STELLAR_DROP};

	return session_set_verdict(session, &request);
}

int session_reject(struct session *session, enum stellar_reply reply)
{
	const struct verdict_request request = {
		.disposition = STELLAR_DROP,
		.reply = (uint8_t)reply,
		.block = true,
	};

	return session_set_verdict(session, &request);
}

int session_set_ratelimit_group(struct session *session, uint32_t group_id)
{
	return group_id == 0 ? 0 : -ENOSYS;
}

int session_bypass(struct session *session)
{
	if (session->worker->plugin == NULL || session->block == NULL)
		return -EINVAL;
	if ((session->hot->flags & SESSION_LOCKED) != 0)
		return -EBUSY;
	session->block->consented |= UINT64_C(1) << session->worker->plugin->id;
	return 0;
}

int session_release(struct session *session, enum stellar_disposition disposition)
{
	if (session->worker->plugin == NULL || session->block == NULL ||
	    (disposition != STELLAR_PASS && disposition != STELLAR_DROP))
		return -EINVAL;
	return hold_stage_release(session, (uint8_t)disposition);
}
