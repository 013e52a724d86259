// SPDX-License-Identifier: Apache-2.0

#include "packet_io/live_interface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETHERNET_HEADER_SIZE 14u
#define VLAN_TAG_SIZE 4u

static uint32_t count_rx_queues(int fd, const char *name)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {0};
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_data = (void *)&channels;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0)
		return 1;
	uint32_t count = channels.rx_count + channels.combined_count;
	return count > 0 ? count : 1;
}

int live_interface_read(struct live_interface *ret_interface, const char *kind, const char *name,
			char *error, size_t error_size)
{
	uint32_t id = strlen(name) < IFNAMSIZ ? if_nametoindex(name) : 0;
	if (id == 0) {
		snprintf(error, error_size, "%s:%s: no such interface", kind, name);
		return -ENODEV;
	}
	int rc = 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0) {
		rc = -errno;
		snprintf(error, error_size, "%s:%s: reading the MTU: %s", kind, name,
			 strerror(-rc));
		goto out;
	}
	*ret_interface = (struct live_interface){
		.id = id,
		.mtu = (uint32_t)request.ifr_mtu,
		.rx_queues = count_rx_queues(fd, name),
	};
	snprintf(ret_interface->name, sizeof(ret_interface->name), "%s", name);
out:
	if (fd >= 0)
		close(fd);
	return rc;
}

uint32_t live_interface_frame_max(const struct live_interface *interface)
{
	return interface->mtu + ETHERNET_HEADER_SIZE + VLAN_TAG_SIZE;
}
