// SPDX-License-Identifier: Apache-2.0

// Our XDP program on an interface: found again, or loaded and attached. It stays when the process
// ends, and so do its maps; a new process takes them over and no frame falls between. Control
// thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xdp_redirect_mode {
	XDP_REDIRECT_AUTO, // native, or generic where the driver has no XDP
	XDP_REDIRECT_NATIVE,
	XDP_REDIRECT_GENERIC,
	XDP_REDIRECT_MODE_COUNT,
};

struct xdp_redirect {
	const char *interface; // not owned
	const char *pin; // directory on a bpffs, or NULL; not owned
	uint32_t interface_id;
	enum xdp_redirect_mode mode;
	int program_fd;
	int sockets_fd;
	int peer_fd;
	int attached_fd; // the program that is there now, ours of another build; or -1
	bool attached; // program_fd is the one that is there now
};

// Find or load the program, without attaching it. interface and pin must outlive redirect. Returns
// 0; -EBUSY (the interface has a program of another owner), -EPERM, or another -errno with one line
// in error.
int xdp_redirect_init(struct xdp_redirect *redirect, const char *interface, uint32_t interface_id,
		      enum xdp_redirect_mode mode, const char *pin, char *error, size_t error_size);

// Close the descriptors; the program and the maps stay where they are attached. After init.
void xdp_redirect_fini(struct xdp_redirect *redirect);

// Declare the fail action: frames go to peer_id when no socket takes them; 0: they are dropped.
int xdp_redirect_set_peer(struct xdp_redirect *redirect, uint32_t peer_id, char *error,
			  size_t error_size);

// Send the frames of a queue to a socket.
int xdp_redirect_set_socket(struct xdp_redirect *redirect, uint32_t queue_id, int socket_fd,
			    char *error, size_t error_size);

// Attach, or replace our program of another build in one step; pin when asked to. The maps should
// be filled before.
int xdp_redirect_attach(struct xdp_redirect *redirect, char *error, size_t error_size);

// Take our program off, and the pins away. Returns 0, also when none is there; -EBUSY when the
// program isn't ours; or another -errno with one line in error.
int xdp_redirect_detach(const char *interface, uint32_t interface_id, const char *pin, char *error,
			size_t error_size);
