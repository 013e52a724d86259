// SPDX-License-Identifier: Apache-2.0

// What plugins read of a session: the getters of <stellar/session.h>, and the copy for listings.
// Worker's thread.

#include <errno.h>
#include <string.h>

#include "engine/worker.h"

const struct event *session_get_event(const struct session *session)
{
	return session->event;
}

uint64_t session_get_id(const struct session *session)
{
	return session_table_get_id(session->worker->table, session->index);
}

enum stellar_session_state session_get_state(const struct session *session)
{
	return (enum stellar_session_state)session->hot->state;
}

enum stellar_tcp_state session_get_tcp_state(const struct session *session)
{
	return (enum stellar_tcp_state)session->hot->tcp_state;
}

uint8_t session_get_protocol(const struct session *session)
{
	return session->hot->protocol;
}

void session_get_originator(const struct session *session, struct packet_endpoint *ret_endpoint)
{
	struct packet_endpoint responder;

	session_table_get_endpoints(session->worker->table, session->index, ret_endpoint,
				    &responder);
}

void session_get_responder(const struct session *session, struct packet_endpoint *ret_endpoint)
{
	struct packet_endpoint originator;

	session_table_get_endpoints(session->worker->table, session->index, &originator,
				    ret_endpoint);
}

uint32_t session_get_tag(const struct session *session)
{
	return session->hot->tag;
}

enum stellar_direction session_get_direction(const struct session *session)
{
	return (enum stellar_direction)session->direction;
}

uint16_t session_get_ingress_id(const struct session *session)
{
	return session->cold->ingress_id;
}

uint16_t session_get_egress_id(const struct session *session)
{
	return session->cold->egress_id;
}

uint64_t session_get_start_ns(const struct session *session)
{
	return session->cold->start_ns;
}

uint64_t session_get_last_ns(const struct session *session)
{
	return session_table_get_last_ns(session->worker->table, session->index);
}

uint64_t session_get_packets(const struct session *session, enum stellar_direction direction)
{
	return session_table_get_packets(session->worker->table, session->index, direction);
}

uint64_t session_get_bytes(const struct session *session, enum stellar_direction direction)
{
	return session_table_get_bytes_of(session->worker->table, session->index, direction);
}

uint32_t session_get_generation(const struct session *session)
{
	return session->cold->generation;
}

enum stellar_closing_reason session_get_closing_reason(const struct session *session)
{
	if (session->hot->state != STELLAR_SESSION_CLOSING)
		return STELLAR_CLOSED_NONE;
	return (enum stellar_closing_reason)(session->hot->flags >> SESSION_CLOSING_REASON_SHIFT);
}

struct session *session_in_hand(struct worker *worker, uint32_t index)
{
	if (worker->drained == NULL)
		return NULL;
	if (worker->drained->index == index)
		return worker->drained;
	return worker->outer.index == index ? &worker->outer : NULL;
}

// The handle of the callback in progress, of the session whose packet is in hand, or one lent
// before; NULL when it is none of them.
static struct session *find_handle(struct worker *worker, uint32_t index)
{
	struct session *called = worker_get_called(worker);

	if (called != NULL && called->index == index)
		return called;
	struct session *in_hand = session_in_hand(worker, index);

	if (in_hand != NULL)
		return in_hand;
	for (uint32_t i = 0; i < worker->view_count; i++) {
		if (worker->views[i].index == index && !worker->views[i].is_cursor)
			return &worker->views[i];
	}
	return NULL;
}

// A place for a handle, or NULL. Those of walks that came to their end are free again.
static struct session *take_view(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->view_count; i++) {
		if (worker->views[i].index == SESSION_NONE)
			return &worker->views[i];
	}
	return worker->view_count < SESSION_VIEWS_MAX ? &worker->views[worker->view_count++] : NULL;
}

static struct session *lend(struct worker *worker, uint32_t index)
{
	struct session *view = find_handle(worker, index);

	if (view != NULL)
		return view;
	view = take_view(worker);
	if (view != NULL)
		session_view(worker, index, view);
	return view;
}

struct session *session_get_parent(const struct session *session)
{
	uint32_t parent = session_family_get_parent(session->worker, session->index);

	return parent != SESSION_NONE ? lend(session->worker, parent) : NULL;
}

struct session *session_get_next_child(const struct session *session, const struct session *child)
{
	struct worker *worker = session->worker;
	const struct session_extension *extension =
		session_table_get_extension(worker->table, (child ? child : session)->index);
	struct session *view = NULL;

	// A walk moves one handle on, so that it can be of any length.
	if (child != NULL && child->is_cursor) {
		view = &worker->views[child - worker->views];
		view->index = SESSION_NONE;
	}
	if (extension == NULL)
		return NULL;
	uint32_t index = child == NULL ? extension->first_child : extension->next_sibling;

	if (index == SESSION_NONE)
		return NULL;
	struct session *known = find_handle(worker, index);

	if (known != NULL)
		return known;
	if (view == NULL)
		view = take_view(worker);
	if (view == NULL)
		return NULL;
	session_view(worker, index, view);
	view->is_cursor = true;
	return view;
}

void session_record_fill(const struct session *session, struct session_record *ret_record)
{
	const struct session_table *table = session->worker->table;

	*ret_record = (struct session_record){
		.id = session_get_id(session),
		.start_ns = session->cold->start_ns,
		.last_ns = session_get_last_ns(session),
		.tag = session->hot->tag,
		.generation = session->cold->generation,
		.rule_id = session->cold->rule_id,
		.ingress_id = session->cold->ingress_id,
		.egress_id = session->cold->egress_id,
		.protocol = session->hot->protocol,
		.state = session->hot->state,
		.tcp_state = session->hot->tcp_state,
		.blocked = (session->hot->flags & SESSION_BLOCKED) != 0,
	};
	uint32_t parent = session_family_get_parent(session->worker, session->index);

	if (parent != SESSION_NONE)
		ret_record->parent_id = session_table_get_id(table, parent);
	session_table_get_endpoints(table, session->index, &ret_record->originator,
				    &ret_record->responder);
	for (int direction = 0; direction < STELLAR_DIRECTION_COUNT; direction++) {
		ret_record->packets[direction] = session_table_get_packets(
			table, session->index, (enum stellar_direction)direction);
		ret_record->bytes[direction] = session_table_get_bytes_of(
			table, session->index, (enum stellar_direction)direction);
	}
}

struct listing {
	uint32_t from;
	size_t count;
	size_t filled;
	struct session_record *records;
	uint32_t next;
};

static void list_sessions(struct worker *worker, void *argument)
{
	struct listing *listing = argument;
	uint32_t index = session_table_next(worker->table, listing->from);

	for (; index != SESSION_NONE; index = session_table_next(worker->table, index)) {
		struct session session;

		if (listing->filled == listing->count)
			break;
		session_view(worker, index, &session);
		session_record_fill(&session, &listing->records[listing->filled++]);
		listing->from = index;
	}
	listing->next = index == SESSION_NONE ? SESSION_NONE : listing->from;
}

int engine_list_sessions(struct engine *engine, uint32_t worker_id, uint64_t *cursor,
			 struct session_record *ret_records, size_t count)
{
	if (engine->workers == NULL || worker_id >= engine->config.worker_count || count == 0)
		return -EINVAL;
	struct listing listing = {
		.from = (uint32_t)*cursor,
		.count = count,
		.records = ret_records,
	};
	struct worker_command command = {.run = list_sessions, .argument = &listing};
	int result = worker_call(engine->workers[worker_id], &command);

	if (result != 0)
		return result;
	*cursor = listing.next;
	return (int)listing.filled;
}
