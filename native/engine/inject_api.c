// SPDX-License-Identifier: Apache-2.0

// <stellar/inject.h>: what a plugin asks for is checked and written; inject_stage.c lets it leave.
// Worker's thread, inside a callback.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/inject.h>

#include "engine/inject_stage.h"
#include "engine/worker.h"

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PAYLOAD_MAX 65535u

// Types and codes of errors that say nothing else, by IP version.
struct error_type {
	uint8_t version;
	uint8_t type;
	uint8_t code_max;
	uint8_t not_code; // says more
};

static const struct error_type error_types[] = {
	{4, 3, 15, 4}, // unreachable; but what needs an MTU
	{4, 11, 1, UINT8_MAX}, // time exceeded
	{6, 1, 8, UINT8_MAX},
	{6, 3, 1, UINT8_MAX},
};

// Whether the handle is of the session that the plugin is called for.
static bool is_called_for(const struct session *session)
{
	const struct session *called = worker_get_called(session->worker);

	return called != NULL && called->index == session->index;
}

static uint16_t get_egress(const struct session *session, uint8_t direction)
{
	const struct packet *packet = session->packet;

	return direction != session->direction ? stage_get_way_back(session->worker, packet)
					       : packet->egress_id;
}

static bool is_too_long(const struct worker *worker, uint16_t egress_id, size_t length)
{
	const struct engine *engine = worker->engine;

	return length > (egress_id != NO_INTERFACE ? engine_get_frame_max(engine, egress_id)
						   : HANDOFF_FRAME_MAX);
}

static struct injection *create(const struct session *session, uint8_t kind, uint8_t direction,
				size_t length)
{
	struct injection *injection = malloc(sizeof(*injection) + length);

	if (injection == NULL)
		return NULL;
	*injection = (struct injection){
		.length = (uint32_t)length,
		.egress_id = get_egress(session, direction),
		.link_type = session->packet->frame.link_type,
		.kind = kind,
		.direction = direction,
		.network_offset = session->packet->network_offset,
	};
	return injection;
}

static void append(struct injection_list *list, struct injection *injection)
{
	injection->next = NULL;
	if (list->last != NULL)
		list->last->next = injection;
	else
		list->first = injection;
	list->last = injection;
	list->count++;
	list->byte_count += injection->length;
}

// What goes with the packet in hand, when there is room for `count` more of `length` bytes each.
static int get_list(const struct session *session, uint32_t count, size_t length,
		    struct injection_list **ret_list)
{
	struct attachment *attachment = attachment_need(session->worker, session->packet);

	if (attachment == NULL)
		return -ENOMEM;
	struct injection_list *list = &attachment->injected;

	if (list->count + count > STELLAR_INJECT_MAX ||
	    list->byte_count + count * length > STELLAR_INJECT_BYTES_MAX)
		return -ENOSPC;
	*ret_list = list;
	return 0;
}

// Between the sides of the session, beside the packet in hand.
static struct build_way get_way(const struct session *session, uint8_t direction)
{
	struct packet_endpoint ends[STELLAR_DIRECTION_COUNT];

	session_table_get_endpoints(session->worker->table, session->index, &ends[STELLAR_FORWARD],
				    &ends[STELLAR_REVERSE]);
	return (struct build_way){
		.source = ends[direction],
		.destination = ends[direction ^ 1],
		.is_back = direction != session->direction,
	};
}

static int create_rst(struct session *session, uint8_t direction, struct injection **ret_injection)
{
	const struct packet *packet = session->packet;
	const struct build_way way = get_way(session, direction);

	if (!build_has_way(packet, &way))
		return -EOPNOTSUPP;
	uint32_t length = build_get_overhead(packet, &way, PROTOCOL_TCP);

	if (is_too_long(session->worker, get_egress(session, direction), length))
		return -EMSGSIZE;
	struct injection *injection = create(session, INJECTION_RST, direction, length);

	if (injection == NULL)
		return -ENOMEM;
	build_segment(packet, &way, NULL, 0, injection->frame);
	injection->has_lacking = inject_stage_find_lacking(session, direction, &injection->lacking);
	*ret_injection = injection;
	return 0;
}

int inject_rst(struct session *session, enum stellar_direction toward)
{
	bool is_both = toward == STELLAR_DIRECTION_COUNT;
	uint8_t first = is_both ? STELLAR_FORWARD : (uint8_t)toward;
	uint8_t last = is_both ? STELLAR_REVERSE : (uint8_t)toward;
	struct injection *injections[STELLAR_DIRECTION_COUNT] = {NULL, NULL};
	struct injection_list *list = NULL;

	if ((unsigned)toward > STELLAR_DIRECTION_COUNT || !is_called_for(session) ||
	    session->packet == NULL || session->hot->protocol != PROTOCOL_TCP)
		return -EINVAL;
	int result = 0;

	for (uint8_t direction = first; direction <= last && result == 0; direction++)
		result = create_rst(session, direction, &injections[direction]);
	if (result == 0)
		result = get_list(session, 1 + is_both, injections[first]->length, &list);
	for (uint8_t direction = first; direction <= last; direction++) {
		if (result == 0)
			append(list, injections[direction]);
		else
			free(injections[direction]);
	}
	return result;
}

static bool is_error(uint8_t version, uint8_t type, uint8_t code)
{
	for (size_t i = 0; i < sizeof(error_types) / sizeof(error_types[0]); i++) {
		const struct error_type *error = &error_types[i];

		if (error->version == version && error->type == type)
			return code <= error->code_max && code != error->not_code;
	}
	return false;
}

int inject_icmp(struct session *session, uint8_t type, uint8_t code)
{
	const struct packet *packet = session->packet;
	uint8_t frame[BUILD_REPLY_MAX];
	struct injection_list *list = NULL;

	if (packet == NULL || !is_called_for(session) || !is_error(packet->ip_version, type, code))
		return -EINVAL;
	uint8_t direction = session->direction ^ 1;
	int length = build_icmp_error(packet, type, code, frame, sizeof(frame));

	if (length <= 0)
		return build_has_link(packet) ? -EPERM : -EOPNOTSUPP;
	if (is_too_long(session->worker, get_egress(session, direction), (size_t)length))
		return -EMSGSIZE;
	int result = get_list(session, 1, (size_t)length, &list);

	if (result != 0)
		return result;
	struct injection *injection = create(session, INJECTION_READY, direction, (size_t)length);

	if (injection == NULL)
		return -ENOMEM;
	memcpy(injection->frame, frame, (size_t)length);
	append(list, injection);
	return 0;
}

// Whether a side may still send data: the handshake is over, and it has not finished.
static bool is_sending(const struct session_hot *hot, uint8_t direction)
{
	if (hot->tcp_state == STELLAR_TCP_FIN_WAIT)
		return direction == STELLAR_REVERSE;
	if (hot->tcp_state == STELLAR_TCP_CLOSE_WAIT)
		return direction == STELLAR_FORWARD;
	return hot->tcp_state == STELLAR_TCP_ESTABLISHED;
}

// The clocks of both sides, as the packet in hand shows them.
static void read_clocks(const struct packet *packet, struct build_way *way)
{
	const struct packet_tcp *tcp = &packet->tcp;

	if (packet->protocol != PROTOCOL_TCP || !packet->has_transport || !tcp->has_timestamp)
		return;
	way->has_timestamps = true;
	way->timestamp_value = way->is_back ? tcp->timestamp_echo : tcp->timestamp_value;
	way->timestamp_echo = way->is_back ? tcp->timestamp_value : tcp->timestamp_echo;
}

int inject_payload(struct session *session, enum stellar_direction toward, const uint8_t *payload,
		   size_t length)
{
	const struct packet *packet = session->packet;
	uint8_t protocol = session->hot->protocol;
	uint8_t direction = (uint8_t)toward;
	struct injection_list *list = NULL;

	if ((unsigned)toward >= STELLAR_DIRECTION_COUNT || !is_called_for(session) ||
	    packet == NULL || payload == NULL || length == 0 || length > PAYLOAD_MAX ||
	    (protocol != PROTOCOL_UDP &&
	     (protocol != PROTOCOL_TCP || !is_sending(session->hot, direction))))
		return -EINVAL;
	struct build_way way = get_way(session, direction);

	if (!build_has_way(packet, &way))
		return -EOPNOTSUPP;
	if (protocol == PROTOCOL_TCP)
		read_clocks(packet, &way);
	size_t total = build_get_overhead(packet, &way, protocol) + length;

	if (is_too_long(session->worker, get_egress(session, direction), total))
		return -EMSGSIZE;
	int result = get_list(session, 1, total, &list);

	if (result != 0)
		return result;
	struct injection *injection =
		create(session, protocol == PROTOCOL_TCP ? INJECTION_PAYLOAD : INJECTION_READY,
		       direction, total);

	if (injection == NULL)
		return -ENOMEM;
	result = protocol == PROTOCOL_TCP
			 ? build_segment(packet, &way, payload, length, injection->frame)
			 : build_datagram(packet, &way, payload, length, injection->frame);
	if (result < 0) {
		free(injection);
		return result;
	}
	if (protocol == PROTOCOL_TCP) {
		injection->payload_length = (uint32_t)length;
		injection->has_lacking =
			inject_stage_find_lacking(session, direction, &injection->lacking);
	}
	append(list, injection);
	return 0;
}

// Without a packet in hand: at once, by the interfaces of the session's first packet.
static int send_alone(struct session *session, uint8_t direction, const uint8_t *frame,
		      size_t length)
{
	struct worker *worker = session->worker;
	const struct engine *engine = worker->engine;
	uint16_t ingress_id = session->cold->ingress_id;

	if (ingress_id >= engine->interface_count)
		return -EINVAL;
	const struct interface *interface = &engine->interfaces[ingress_id];
	uint16_t egress_id = interface->role == INTERFACE_TAP ? interface->peer_id
			     : direction == STELLAR_FORWARD   ? session->cold->egress_id
							      : ingress_id;

	if (is_too_long(worker, egress_id, length))
		return -EMSGSIZE;
	if (engine->replay == NULL && interface->worker_id != worker->id)
		return -EOPNOTSUPP;
	struct injection *injection = malloc(sizeof(*injection) + length);

	if (injection == NULL)
		return -ENOMEM;
	*injection = (struct injection){
		.length = (uint32_t)length,
		.egress_id = egress_id,
		.link_type = worker->packets[0].frame.link_type, // that of a packet it had
		.time_ns = worker->now_ns,
		.order = worker->order,
	};
	memcpy(injection->frame, frame, length);
	if (engine->replay == NULL)
		inject_stage_send(worker, injection);
	else
		append(&worker->hold->departed_injected, injection);
	return 0;
}

int inject_frame(struct session *session, enum stellar_direction toward, const uint8_t *frame,
		 size_t length)
{
	uint8_t direction = (uint8_t)toward;
	struct injection_list *list = NULL;

	if ((unsigned)toward >= STELLAR_DIRECTION_COUNT || !is_called_for(session) ||
	    frame == NULL || length == 0)
		return -EINVAL;
	if (session->packet == NULL)
		return send_alone(session, direction, frame, length);
	if (is_too_long(session->worker, get_egress(session, direction), length))
		return -EMSGSIZE;
	int result = get_list(session, 1, length, &list);

	if (result != 0)
		return result;
	struct injection *injection = create(session, INJECTION_READY, direction, length);

	if (injection == NULL)
		return -ENOMEM;
	memcpy(injection->frame, frame, length);
	append(list, injection);
	return 0;
}
