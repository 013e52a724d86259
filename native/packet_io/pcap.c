// SPDX-License-Identifier: Apache-2.0

// pcap:FILE, reading. The file is mapped privately: frames point into the mapping, the engine may
// change them, the file stays as it is. A lent frame is valid until the device is closed, so
// release has nothing to do. The file must not be cut short while it is read (SIGBUS).

#include "packet_io/pcap.h"
#include "packet_io/pcap_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct pcap_device {
	struct packet_io_device base;
	struct pcap_reader reader;
	char *path;
	uint8_t *bytes; // the mapping; NULL for an empty file
	size_t size;
};

static void pcap_close(struct packet_io_device *base)
{
	struct pcap_device *device = (struct pcap_device *)base;
	pcap_reader_fini(&device->reader);
	if (device->bytes != NULL)
		munmap(device->bytes, device->size);
	free(device->path);
	free(device);
}

static int pcap_rx(struct packet_io_device *base, struct frame *ret_frames, size_t count)
{
	return pcap_reader_read(&((struct pcap_device *)base)->reader, ret_frames, count);
}

static int pcap_tx(struct packet_io_device *base, const struct frame *frames, size_t count)
{
	snprintf(base->error, sizeof(base->error), "%s: opened to be read; use ?write=1 to write",
		 ((struct pcap_device *)base)->path);
	return -EBADF;
}

static int map_file(struct pcap_device *device, char *error, size_t error_size)
{
	int rc = 0;
	int fd = open(device->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		snprintf(error, error_size, "%s: %s", device->path, strerror(-rc));
		return rc;
	}
	struct stat status;
	if (fstat(fd, &status) < 0) {
		rc = -errno;
		snprintf(error, error_size, "%s: %s", device->path, strerror(-rc));
		goto out;
	}
	if (!S_ISREG(status.st_mode)) {
		rc = -EINVAL;
		snprintf(error, error_size, "%s: expected a regular file, found %s", device->path,
			 S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket");
		goto out;
	}
	device->size = (size_t)status.st_size;
	if (device->size == 0)
		goto out;
	void *bytes = mmap(NULL, device->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
			   fd, 0);
	if (bytes == MAP_FAILED) {
		rc = -errno;
		snprintf(error, error_size, "%s: mmap: %s", device->path, strerror(-rc));
		goto out;
	}
	device->bytes = bytes;
	(void)madvise(device->bytes, device->size, MADV_SEQUENTIAL);
out:
	close(fd);
	return rc;
}

static int pcap_open_reader(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
			    char *error, size_t error_size)
{
	static const struct packet_io_ops reader_ops = {
		.name = "pcap",
		.close = pcap_close,
		.rx = pcap_rx,
		.tx = pcap_tx,
	};
	struct pcap_device *device = calloc(1, sizeof(*device));
	if (device == NULL)
		return -ENOMEM;
	device->base = (struct packet_io_device){.ops = &reader_ops, .fd = -1};
	int rc = -ENOMEM;
	device->path = strdup(uri->target);
	if (device->path == NULL)
		goto out;
	rc = map_file(device, error, error_size);
	if (rc < 0)
		goto out;
	rc = pcap_reader_init(&device->reader, device->bytes, device->size, device->path,
			      device->base.error, sizeof(device->base.error));
	if (rc < 0) {
		snprintf(error, error_size, "%s", device->base.error);
		goto out;
	}
	*ret_device = &device->base;
	return 0;
out:
	pcap_close(&device->base);
	return rc;
}

static int pcap_open(const struct packet_io_uri *uri, struct packet_io_device **ret_device,
		     char *error, size_t error_size)
{
	bool write = false;
	int rc = packet_io_uri_get_flag(uri, "write", false, &write, error, error_size);
	if (rc < 0)
		return rc;
	return write ? pcap_writer_open(uri, ret_device, error, error_size)
		     : pcap_open_reader(uri, ret_device, error, error_size);
}

static const char *const pcap_options[] = {"write", NULL};

const struct packet_io_ops packet_io_pcap_ops = {
	.name = "pcap",
	.options = pcap_options,
	.open = pcap_open,
};
