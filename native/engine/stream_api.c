// SPDX-License-Identifier: Apache-2.0

// What a plugin may ask of a session's bytes: <stellar/stream.h>. Worker's thread, inside a
// callback.

#include <errno.h>

#include <stellar/stream.h>

#include "engine/worker.h"
#include "session/stream_reader.h"

// A direction as the plugin being called sees it.
struct stream_view {
	struct stream_memory *memory;
	struct stream_direction *direction;
	struct stream_shelf *shelf;
	const struct stream_chunk *chunk; // of this direction in delivery, or NULL
	uint16_t plugin_id;
};

static int open_view(const struct session *session, enum stellar_direction direction_id,
		     struct stream_view *ret_view)
{
	struct worker *worker = session->worker;
	struct stream *stream = stream_stage_get(session);

	if (worker->plugin == NULL || stream == NULL || direction_id >= STELLAR_DIRECTION_COUNT ||
	    stream->directions[direction_id].is_given_up)
		return -ENOENT;
	struct stream_direction *direction = &stream->directions[direction_id];
	bool is_in_hand = worker->stream.chunk != NULL && worker->stream.direction == direction_id;

	*ret_view = (struct stream_view){
		.memory = &worker->stream.memory,
		.direction = direction,
		.shelf = &direction->shelf,
		.chunk = is_in_hand ? worker->stream.chunk : NULL,
		.plugin_id = worker->plugin->id,
	};
	return 0;
}

static uint64_t get_place(const struct stream_view *view, const struct stream_reader *reader)
{
	if (reader != NULL && reader->is_reading)
		return reader->place;
	return view->chunk != NULL ? view->chunk->offset : view->direction->delivered;
}

// Where what the plugin may see ends.
static uint64_t get_end(const struct stream_view *view, const struct stream_reader *reader)
{
	uint64_t end = view->chunk != NULL ? view->chunk->offset + view->chunk->length
					   : view->direction->delivered;

	return end < reader->limit ? end : reader->limit;
}

// The plugin reads at its own pace from now on. NULL: no memory.
static struct stream_reader *begin_reading(const struct stream_view *view)
{
	uint64_t place =
		get_place(view, stream_reader_get(view->memory, view->shelf, view->plugin_id));
	struct stream_reader *reader =
		stream_reader_need(view->memory, view->shelf, view->plugin_id, place);

	if (reader == NULL)
		return NULL;
	reader->place = place;
	reader->is_reading = true;
	return reader;
}

int stream_peek(struct session *session, enum stellar_direction direction_id,
		const uint8_t **ret_data, size_t *ret_length)
{
	struct stream_view view;
	int result = open_view(session, direction_id, &view);
	uint64_t length;

	if (result != 0)
		return result;
	struct stream_reader *reader = begin_reading(&view);

	if (reader == NULL)
		return -ENOMEM;
	// Bytes that begin before the event's: in one piece with them they must be kept.
	if (view.chunk != NULL && reader->place < view.chunk->offset &&
	    !session->worker->stream.is_kept) {
		session->worker->stream.is_kept = true;
		result = stream_shelf_keep(view.memory, view.shelf, view.chunk);
	}
	if (reader->has_lost) {
		reader->has_lost = false;
		return result == 0 ? -EOVERFLOW : result;
	}
	uint64_t end = get_end(&view, reader);

	*ret_length = end > reader->place ? end - reader->place : 0;
	if (view.chunk != NULL && reader->place >= view.chunk->offset)
		*ret_data = view.chunk->data + (reader->place - view.chunk->offset);
	else
		*ret_data = stream_shelf_find(view.memory, view.shelf, reader->place, &length);
	return 0;
}

int stream_skip(struct session *session, enum stellar_direction direction_id, size_t count)
{
	struct stream_view view;
	int result = open_view(session, direction_id, &view);

	if (result != 0)
		return result;
	struct stream_reader *reader = begin_reading(&view);

	if (reader == NULL)
		return -ENOENT;
	uint64_t end = get_end(&view, reader);

	if (reader->place > end || count > end - reader->place)
		return -ERANGE;
	reader->place += count;
	return 0;
}

int stream_get_offset(const struct session *session, enum stellar_direction direction_id,
		      uint64_t *ret_offset)
{
	struct stream_view view;
	int result = open_view(session, direction_id, &view);

	if (result == 0)
		*ret_offset = get_place(&view,
					stream_reader_get(view.memory, view.shelf, view.plugin_id));
	return result;
}

int stream_set_depth(struct session *session, enum stellar_direction direction_id,
		     uint64_t depth_bytes)
{
	struct stream_view view;
	int result = open_view(session, direction_id, &view);
	uint64_t bit;

	if (result != 0)
		return result;
	bit = UINT64_C(1) << view.plugin_id;
	struct stream_reader *reader = stream_reader_get(view.memory, view.shelf, view.plugin_id);
	uint64_t place = get_place(&view, reader);

	if (depth_bytes == 0) {
		view.shelf->done |= bit;
		if (reader != NULL)
			reader->is_reading = false;
		return 0;
	}
	if (reader == NULL && depth_bytes == STELLAR_STREAM_ALL)
		return 0;
	reader = stream_reader_need(view.memory, view.shelf, view.plugin_id, place);
	if (reader == NULL)
		return -ENOENT;
	reader->limit = depth_bytes < STREAM_NO_END - place ? place + depth_bytes : STREAM_NO_END;
	if (reader->limit == STREAM_NO_END)
		view.shelf->limited &= ~bit;
	else
		view.shelf->limited |= bit;
	return 0;
}
