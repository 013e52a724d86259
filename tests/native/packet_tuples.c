// SPDX-License-Identifier: Apache-2.0

// Prints what decoding finds innermost in each frame of the captures, one line a frame, and copies
// the frames of all of them into one pcapng, so that another program sees the very same.
// tests/system/decode runs it.
//
// usage: packet_tuples OUT.pcapng CAPTURE...
// A line: the capture's position, IP version, protocol, source, source port, destination,
// destination port, is a fragment (0, 1: the first, 2: a later one), layers joined by ':', decode
// events joined by ','.

#include "packet/decode.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LINK_TYPES = 512,
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
};

struct writer {
	FILE *file;
	uint32_t interface_count;
	uint32_t interfaces[LINK_TYPES]; // by link type, 0: none, else one more than its number
};

static void write_words(FILE *file, const uint32_t *words, size_t count)
{
	if (fwrite(words, sizeof(*words), count, file) != count)
		exit(1);
}

static uint32_t interface_of(struct writer *writer, uint16_t link_type)
{
	if (link_type >= LINK_TYPES)
		exit(1);
	if (writer->interfaces[link_type] == 0) {
		const uint32_t block[] = {BLOCK_INTERFACE, 20, link_type, 0, 20};
		write_words(writer->file, block, 5);
		writer->interfaces[link_type] = ++writer->interface_count;
	}
	return writer->interfaces[link_type] - 1;
}

static void write_frame(struct writer *writer, const struct frame *frame)
{
	uint32_t interface_id = interface_of(writer, frame->link_type);
	uint32_t padding = -frame->length & 3u;
	uint32_t size = 32 + frame->length + padding;
	uint64_t time_us = frame->time_ns / 1000;
	const uint32_t head[] = {
		BLOCK_PACKET,	   size,	  interface_id,	     (uint32_t)(time_us >> 32),
		(uint32_t)time_us, frame->length, frame->wire_length};
	const uint8_t zero[3] = {0};

	write_words(writer->file, head, 7);
	if (fwrite(frame->data, 1, frame->length, writer->file) != frame->length ||
	    fwrite(zero, 1, padding, writer->file) != padding)
		exit(1);
	write_words(writer->file, &size, 1);
}

static void print_endpoint(const struct ip_address *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN] = "-";

	if (address->version != 0)
		inet_ntop(address->version == 4 ? AF_INET : AF_INET6, address->bytes, text,
			  sizeof(text));
	printf("%s\t%u\t", text, port);
}

static void print_packet(int capture, const struct packet *packet)
{
	printf("%d\t%u\t%u\t", capture, packet->ip_version, packet->protocol);
	print_endpoint(&packet->source, packet->source_port);
	print_endpoint(&packet->destination, packet->destination_port);
	printf("%u\t", packet->is_fragment ? 2u - packet->is_first_fragment : 0u);
	for (uint32_t at = 0; at < packet->layer_count; at++)
		printf("%s%s", at > 0 ? ":" : "", stellar_layer_name(packet->layers[at].type));
	printf("\t");
	const char *separator = "";
	for (uint32_t event = 0; event < STELLAR_DECODE_EVENT_COUNT; event++) {
		if ((packet->decode_events & STELLAR_DECODE_BIT(event)) == 0)
			continue;
		printf("%s%s", separator, stellar_decode_event_name(event));
		separator = ",";
	}
	printf("\n");
}

static void read_capture(int capture, const char *path, struct writer *writer)
{
	struct packet_io_device *device = NULL;
	struct packet packet;
	struct frame frame;
	char error[512];
	char uri[4096];

	snprintf(uri, sizeof(uri), "pcap:%s", path);
	if (packet_io_device_open(uri, &device, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s: %s\n", path, error);
		return;
	}
	while (packet_io_device_rx(device, &frame, 1) == 1) {
		packet.frame = frame;
		packet_decode(&packet, false);
		print_packet(capture, &packet);
		write_frame(writer, &frame);
		packet_io_device_release(device, &frame, 1);
	}
	packet_io_device_close(device);
}

int main(int argc, char **argv)
{
	const uint32_t section[] = {BLOCK_SECTION, 28, BYTE_ORDER_MAGIC, 1, ~0u, ~0u, 28};
	struct writer writer = {.file = argc > 2 ? fopen(argv[1], "wb") : NULL};

	if (writer.file == NULL) {
		fprintf(stderr, "usage: packet_tuples OUT.pcapng CAPTURE...\n");
		return 2;
	}
	write_words(writer.file, section, 7);
	for (int at = 2; at < argc; at++)
		read_capture(at - 2, argv[at], &writer);
	return fclose(writer.file) == 0 ? 0 : 1;
}
