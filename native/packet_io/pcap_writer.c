// SPDX-License-Identifier: Apache-2.0

// pcap:FILE?write=1. A pcap file with nanoseconds in this machine's byte order. Its one link type
// is that of the first frame; a frame of another is refused with -EPROTO, because the format has no
// room for it and a wrong link type would be a wrong file. Without a frame: an Ethernet file of
// none. Frames gather in a buffer that flush, a full buffer and close write out.

#include "packet_io/pcap.h"
#include "packet_io/pcap_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINKTYPE_ETHERNET 1
#define BUFFER_SIZE (1024u * 1024u) // bytes; more than one frame of PCAP_FRAME_MAX

struct file_header {
	uint32_t magic;
	uint16_t version_major;
	uint16_t version_minor;
	uint32_t reserved[2];
	uint32_t snap_length;
	uint32_t link_type;
};

struct record_header {
	uint32_t time_sec;
	uint32_t time_ns;
	uint32_t length;
	uint32_t wire_length;
};

_Static_assert(BUFFER_SIZE >= PCAP_FRAME_MAX + sizeof(struct record_header), "one frame must fit");

struct pcap_writer {
	struct packet_io_device base;
	char *path;
	uint8_t *buffer;
	size_t used; // bytes of buffer
	int fd;
	uint16_t link_type;
	bool started; // the file header is in the buffer or written
	int fault; // first -errno of write, kept
};

static int write_out(struct pcap_writer *writer)
{
	size_t done = 0;
	while (writer->fault == 0 && done < writer->used) {
		ssize_t written = write(writer->fd, writer->buffer + done, writer->used - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			writer->fault = -errno;
			snprintf(writer->base.error, sizeof(writer->base.error), "%s: %s",
				 writer->path, strerror(errno));
			break;
		}
		done += (size_t)written;
	}
	writer->used = 0;
	return writer->fault;
}

static void start_file(struct pcap_writer *writer, uint16_t link_type)
{
	const struct file_header header = {
		.magic = 0xa1b23c4du, // nanoseconds
		.version_major = 2,
		.version_minor = 4,
		.snap_length = PCAP_FRAME_MAX,
		.link_type = link_type,
	};
	memcpy(writer->buffer, &header, sizeof(header));
	writer->used = sizeof(header);
	writer->link_type = link_type;
	writer->started = true;
}

static void writer_close(struct packet_io_device *base)
{
	struct pcap_writer *writer = (struct pcap_writer *)base;
	if (writer->fd >= 0) {
		if (!writer->started)
			start_file(writer, LINKTYPE_ETHERNET);
		(void)write_out(writer); // nobody is left to tell: who cares calls flush before
		close(writer->fd);
	}
	free(writer->buffer);
	free(writer->path);
	free(writer);
}

static int writer_rx(struct packet_io_device *base, struct frame *ret_frames, size_t count)
{
	return -ENODATA;
}

static int append(struct pcap_writer *writer, const struct frame *frame)
{
	if (frame->length > PCAP_FRAME_MAX) {
		snprintf(writer->base.error, sizeof(writer->base.error),
			 "%s: expected a frame of at most %u bytes, found %u", writer->path,
			 PCAP_FRAME_MAX, frame->length);
		return -EMSGSIZE;
	}
	if (!writer->started)
		start_file(writer, frame->link_type);
	if (frame->link_type != writer->link_type) {
		snprintf(writer->base.error, sizeof(writer->base.error),
			 "%s: expected a frame of link type %u as the first, found %u",
			 writer->path, writer->link_type, frame->link_type);
		return -EPROTO;
	}
	struct record_header header = {
		.time_sec = (uint32_t)(frame->time_ns / 1000000000u),
		.time_ns = (uint32_t)(frame->time_ns % 1000000000u),
		.length = frame->length,
		.wire_length =
			frame->wire_length > frame->length ? frame->wire_length : frame->length,
	};
	if (writer->used + sizeof(header) + frame->length > BUFFER_SIZE && write_out(writer) < 0)
		return writer->fault;
	memcpy(writer->buffer + writer->used, &header, sizeof(header));
	memcpy(writer->buffer + writer->used + sizeof(header), frame->data, frame->length);
	writer->used += sizeof(header) + frame->length;
	return 0;
}

static int writer_tx(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	struct pcap_writer *writer = (struct pcap_writer *)base;
	if (writer->fault < 0)
		return writer->fault;
	for (size_t i = 0; i < count; i++) {
		int rc = append(writer, &frames[i]);
		if (rc < 0)
			return i > 0 ? (int)i : rc;
	}
	return (int)count;
}

static int writer_flush(struct packet_io_device *base)
{
	return write_out((struct pcap_writer *)base);
}

int pcap_writer_open(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
		     char *error, size_t error_size)
{
	static const struct packet_io_ops writer_ops = {
		.name = "pcap",
		.close = writer_close,
		.rx = writer_rx,
		.tx = writer_tx,
		.flush = writer_flush,
	};
	struct pcap_writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL)
		return -ENOMEM;
	writer->base = (struct packet_io_device){
		.ops = &writer_ops,
		.frame_max = PCAP_FRAME_MAX,
		.fd = -1,
	};
	writer->fd = -1;
	int rc = -ENOMEM;
	writer->path = strdup(uri->target);
	writer->buffer = malloc(BUFFER_SIZE);
	if (writer->path == NULL || writer->buffer == NULL)
		goto out;
	writer->fd = open(writer->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (writer->fd < 0) {
		rc = -errno;
		snprintf(error, error_size, "%s: %s", writer->path, strerror(-rc));
		goto out;
	}
	*ret_device = &writer->base;
	return 0;
out:
	writer_close(&writer->base);
	return rc;
}
