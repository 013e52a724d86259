// SPDX-License-Identifier: Apache-2.0

// Attachment is by netlink, which lasts as long as the interface does. The program on an interface
// is recognised by its name and its maps by theirs: through the pins when there are some (that
// needs no CAP_SYS_ADMIN), else by id. A program of ours with another tag is of another build: the
// new one is filled first and then replaces it in one step.

#include "packet_io/xdp_redirect.h"
#include "packet_io/xdp_redirect_maps.h"
#include "packet_io/xdp_redirect_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PIN_PATH_SIZE 512
#define MAPS_MAX 8

// The program comes last: when it is pinned, all are.
static const char *const pin_names[] = {"sockets", "peer", "program"};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int fail(int rc, char *error, size_t error_size, const char *interface, const char *what)
{
	snprintf(error, error_size, "xdp:%s: %s: %s%s", interface, what, strerror(-rc),
		 rc == -EPERM ? " (needs CAP_NET_ADMIN and CAP_BPF)" : "");
	return rc;
}

// libbpf tells errors by return values too; what it prints would go to standard error.
static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return 0;
}

// A bpffs takes no dot in a name, an interface does (VLANs).
static int make_pin_path(char path[PIN_PATH_SIZE], const char *pin, const char *interface,
			 const char *name)
{
	int used = snprintf(path, PIN_PATH_SIZE, "%s/stellar-", pin);
	if (used >= PIN_PATH_SIZE - 80)
		return -ENAMETOOLONG;
	for (; *interface != '\0'; interface++)
		used += snprintf(path + used, PIN_PATH_SIZE - (size_t)used,
				 *interface == '.' ? "%%2e" : "%c", *interface);
	snprintf(path + used, PIN_PATH_SIZE - (size_t)used, "-%s", name);
	return 0;
}

static int check_pin(const char *interface, const char *pin, char *error, size_t error_size)
{
	char path[PIN_PATH_SIZE];
	struct statfs status;
	if (make_pin_path(path, pin, interface, "program") < 0)
		return fail(-ENAMETOOLONG, error, error_size, interface, pin);
	if (statfs(pin, &status) < 0)
		return fail(-errno, error, error_size, interface, pin);
	if (status.f_type == BPF_FS_MAGIC)
		return 0;
	snprintf(error, error_size,
		 "xdp:%s: pin: expected a directory on a bpffs (mount -t bpf bpf DIR), found %s",
		 interface, pin);
	return -EINVAL;
}

static int get_program_info(int fd, struct bpf_prog_info *ret_info)
{
	uint32_t size = sizeof(*ret_info);
	return bpf_obj_get_info_by_fd(fd, ret_info, &size) < 0 ? -errno : 0;
}

// A descriptor of the pinned program if it has this id, else -1.
static int open_pinned_program(const char *interface, const char *pin, uint32_t id)
{
	char path[PIN_PATH_SIZE];
	if (pin == NULL || make_pin_path(path, pin, interface, "program") < 0)
		return -1;
	struct bpf_prog_info info = {0};
	int fd = bpf_obj_get(path);
	if (fd >= 0 && (get_program_info(fd, &info) < 0 || info.id != id))
		close_fd(&fd);
	return fd;
}

static void unpin_all(const char *interface, const char *pin)
{
	for (size_t i = 0; i < sizeof(pin_names) / sizeof(pin_names[0]); i++) {
		char path[PIN_PATH_SIZE];
		if (make_pin_path(path, pin, interface, pin_names[i]) == 0)
			unlink(path);
	}
}

static int pin_all(const struct xdp_redirect *redirect, char *error, size_t error_size)
{
	struct bpf_prog_info info = {0};
	int pinned_fd = -1;
	if (get_program_info(redirect->program_fd, &info) == 0)
		pinned_fd = open_pinned_program(redirect->interface, redirect->pin, info.id);
	if (pinned_fd >= 0) {
		close_fd(&pinned_fd);
		return 0;
	}
	const int fds[] = {redirect->sockets_fd, redirect->peer_fd, redirect->program_fd};
	unpin_all(redirect->interface, redirect->pin);
	for (size_t i = 0; i < sizeof(pin_names) / sizeof(pin_names[0]); i++) {
		char path[PIN_PATH_SIZE];
		int rc = make_pin_path(path, redirect->pin, redirect->interface, pin_names[i]);
		if (rc == 0 && bpf_obj_pin(fds[i], path) < 0)
			rc = -errno;
		if (rc < 0)
			return fail(rc, error, error_size, redirect->interface, path);
	}
	return 0;
}

// The id of the program on the interface, 0 for none, and how it is attached.
static int query(const char *interface, uint32_t interface_id, uint32_t *ret_id,
		 enum xdp_redirect_mode *ret_mode, char *error, size_t error_size)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, options);
	int rc = bpf_xdp_query((int)interface_id, 0, &options);
	if (rc < 0)
		return fail(rc, error, error_size, interface, "query of the XDP program");
	if (options.attach_mode != XDP_ATTACHED_NONE && options.attach_mode != XDP_ATTACHED_DRV &&
	    options.attach_mode != XDP_ATTACHED_SKB) {
		snprintf(error, error_size,
			 "xdp:%s: expected at most one XDP program, native or generic", interface);
		return -EBUSY;
	}
	*ret_id = options.prog_id;
	*ret_mode = options.attach_mode == XDP_ATTACHED_SKB ? XDP_REDIRECT_GENERIC
							    : XDP_REDIRECT_NATIVE;
	return 0;
}

// A descriptor of the program with this id: the pinned one when it is that.
static int open_program(const char *interface, const char *pin, uint32_t id)
{
	int fd = open_pinned_program(interface, pin, id);
	if (fd < 0)
		fd = bpf_prog_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

// The program on the interface, if it is ours. Returns a descriptor, or -errno with one line.
static int open_attached(const char *interface, const char *pin, uint32_t id,
			 struct bpf_prog_info *ret_info, char *error, size_t error_size)
{
	int fd = open_program(interface, pin, id);
	if (fd == -EPERM) {
		snprintf(error, error_size,
			 "xdp:%s: opening the XDP program on it: not permitted (needs "
			 "CAP_SYS_ADMIN, or "
			 "pin=DIR)",
			 interface);
		return fd;
	}
	if (fd < 0)
		return fail(fd, error, error_size, interface, "opening the XDP program on it");
	memset(ret_info, 0, sizeof(*ret_info));
	int rc = get_program_info(fd, ret_info);
	if (rc < 0) {
		close_fd(&fd);
		return fail(rc, error, error_size, interface, "reading the XDP program on it");
	}
	if (strcmp(ret_info->name, XDP_REDIRECT_PROGRAM_NAME) != 0) {
		close_fd(&fd);
		snprintf(error, error_size,
			 "xdp:%s: expected no XDP program of others on it, found \"%s\" (id %u)",
			 interface, ret_info->name, id);
		return -EBUSY;
	}
	return fd;
}

static int load(struct xdp_redirect *redirect, char *error, size_t error_size)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "stellar");
	struct bpf_object *object =
		bpf_object__open_mem(xdp_redirect_object, xdp_redirect_object_size, &options);
	if (object == NULL)
		return fail(-errno, error, error_size, redirect->interface, "opening our program");

	int rc = bpf_object__load(object);
	if (rc < 0) {
		rc = fail(rc, error, error_size, redirect->interface, "loading our XDP program");
		goto out;
	}
	struct bpf_program *program =
		bpf_object__find_program_by_name(object, XDP_REDIRECT_PROGRAM_NAME);
	// The object closes its own descriptors.
	redirect->program_fd = dup(bpf_program__fd(program));
	redirect->sockets_fd =
		dup(bpf_object__find_map_fd_by_name(object, XDP_REDIRECT_SOCKETS_NAME));
	redirect->peer_fd = dup(bpf_object__find_map_fd_by_name(object, XDP_REDIRECT_PEER_NAME));
	if (redirect->program_fd < 0 || redirect->sockets_fd < 0 || redirect->peer_fd < 0)
		rc = fail(-EMFILE, error, error_size, redirect->interface,
			  "opening our XDP program");
out:
	bpf_object__close(object);
	return rc;
}

// Keep the descriptor of a map of the attached program if it is one of the two.
static void take_map(struct xdp_redirect *redirect, int fd)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0) {
		close_fd(&fd);
	} else if (strcmp(info.name, XDP_REDIRECT_SOCKETS_NAME) == 0) {
		close_fd(&redirect->sockets_fd);
		redirect->sockets_fd = fd;
	} else if (strcmp(info.name, XDP_REDIRECT_PEER_NAME) == 0) {
		close_fd(&redirect->peer_fd);
		redirect->peer_fd = fd;
	} else {
		close_fd(&fd);
	}
}

static void take_pinned_map(struct xdp_redirect *redirect, const char *name)
{
	char path[PIN_PATH_SIZE];
	if (make_pin_path(path, redirect->pin, redirect->interface, name) < 0)
		return;
	int fd = bpf_obj_get(path);
	if (fd >= 0)
		take_map(redirect, fd);
}

// Use the attached program's maps instead of the loaded one's.
static int take_over(struct xdp_redirect *redirect, int fd, char *error, size_t error_size)
{
	uint32_t ids[MAPS_MAX] = {0};
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids};
	int rc = get_program_info(fd, &info);
	if (rc < 0)
		return fail(rc, error, error_size, redirect->interface, "reading its maps");

	close_fd(&redirect->program_fd);
	close_fd(&redirect->sockets_fd);
	close_fd(&redirect->peer_fd);
	redirect->program_fd = fd;
	for (uint32_t i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		int map_fd = bpf_map_get_fd_by_id(ids[i]);
		if (map_fd >= 0)
			take_map(redirect, map_fd);
	}
	// Without CAP_SYS_ADMIN the ids open nothing, the pins do. open_program has found that the
	// pinned program is the attached one, so the maps beside it are its maps.
	if (redirect->pin != NULL && redirect->sockets_fd < 0)
		take_pinned_map(redirect, "sockets");
	if (redirect->pin != NULL && redirect->peer_fd < 0)
		take_pinned_map(redirect, "peer");
	redirect->attached = true;
	if (redirect->sockets_fd >= 0 && redirect->peer_fd >= 0)
		return 0;
	return fail(-EPERM, error, error_size, redirect->interface,
		    "opening the maps of the program on it");
}

static int find_attached(struct xdp_redirect *redirect, char *error, size_t error_size)
{
	uint32_t id;
	enum xdp_redirect_mode mode;
	int rc = query(redirect->interface, redirect->interface_id, &id, &mode, error, error_size);
	if (rc < 0 || id == 0)
		return rc;
	struct bpf_prog_info attached, loaded = {0};
	int fd =
		open_attached(redirect->interface, redirect->pin, id, &attached, error, error_size);
	if (fd < 0)
		return fd;
	if (redirect->mode != XDP_REDIRECT_AUTO && redirect->mode != mode) {
		snprintf(error, error_size,
			 "xdp:%s: mode: our program is attached in the other mode; detach it first",
			 redirect->interface);
		close_fd(&fd);
		return -EBUSY;
	}
	redirect->mode = mode;
	rc = get_program_info(redirect->program_fd, &loaded);
	if (rc == 0 && memcmp(attached.tag, loaded.tag, sizeof(loaded.tag)) == 0)
		return take_over(redirect, fd, error, error_size);
	redirect->attached_fd = fd;
	return 0;
}

int xdp_redirect_init(struct xdp_redirect *redirect, const char *interface, uint32_t interface_id,
		      enum xdp_redirect_mode mode, const char *pin, char *error, size_t error_size)
{
	*redirect = (struct xdp_redirect){
		.interface = interface,
		.pin = pin,
		.interface_id = interface_id,
		.mode = mode,
		.program_fd = -1,
		.sockets_fd = -1,
		.peer_fd = -1,
		.attached_fd = -1,
	};
	libbpf_set_print(print_nothing);
	int rc = pin != NULL ? check_pin(interface, pin, error, error_size) : 0;
	if (rc == 0)
		rc = load(redirect, error, error_size);
	if (rc == 0)
		rc = find_attached(redirect, error, error_size);
	if (rc < 0)
		xdp_redirect_fini(redirect);
	return rc;
}

void xdp_redirect_fini(struct xdp_redirect *redirect)
{
	close_fd(&redirect->program_fd);
	close_fd(&redirect->sockets_fd);
	close_fd(&redirect->peer_fd);
	close_fd(&redirect->attached_fd);
}

int xdp_redirect_set_peer(struct xdp_redirect *redirect, uint32_t peer_id, char *error,
			  size_t error_size)
{
	const uint32_t key = 0;
	int rc = peer_id != 0 ? bpf_map_update_elem(redirect->peer_fd, &key, &peer_id, BPF_ANY)
			      : bpf_map_delete_elem(redirect->peer_fd, &key);
	if (rc < 0 && !(peer_id == 0 && errno == ENOENT))
		return fail(-errno, error, error_size, redirect->interface,
			    "setting the fail action");
	return 0;
}

int xdp_redirect_set_socket(struct xdp_redirect *redirect, uint32_t queue_id, int socket_fd,
			    char *error, size_t error_size)
{
	if (bpf_map_update_elem(redirect->sockets_fd, &queue_id, &socket_fd, BPF_ANY) < 0)
		return fail(-errno, error, error_size, redirect->interface,
			    "directing frames to the socket");
	return 0;
}

static int attach_in_mode(struct xdp_redirect *redirect, enum xdp_redirect_mode mode)
{
	uint32_t flags = mode == XDP_REDIRECT_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	LIBBPF_OPTS(bpf_xdp_attach_opts, options);
	if (redirect->attached_fd >= 0)
		options.old_prog_fd = redirect->attached_fd;
	else
		flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
	return bpf_xdp_attach((int)redirect->interface_id, redirect->program_fd, flags, &options);
}

static const char *attach_hint(int rc)
{
	switch (rc) {
	case -ERANGE:
	case -EINVAL:
		return "attaching our XDP program (is the MTU of the interface or of its veth peer "
		       "too "
		       "large for XDP?)";
	case -ENOSPC:
		return "attaching our XDP program (a veth needs as many rx queues as its peer has "
		       "tx "
		       "queues)";
	default:
		return "attaching our XDP program";
	}
}

int xdp_redirect_attach(struct xdp_redirect *redirect, char *error, size_t error_size)
{
	if (!redirect->attached) {
		enum xdp_redirect_mode mode =
			redirect->mode == XDP_REDIRECT_AUTO ? XDP_REDIRECT_NATIVE : redirect->mode;
		int rc = attach_in_mode(redirect, mode);
		if (rc == -EOPNOTSUPP && redirect->mode == XDP_REDIRECT_AUTO)
			rc = attach_in_mode(redirect, XDP_REDIRECT_GENERIC);
		if (rc < 0)
			return fail(rc, error, error_size, redirect->interface, attach_hint(rc));
		redirect->attached = true;
	}
	return redirect->pin != NULL ? pin_all(redirect, error, error_size) : 0;
}

int xdp_redirect_detach(const char *interface, uint32_t interface_id, const char *pin, char *error,
			size_t error_size)
{
	uint32_t id;
	enum xdp_redirect_mode mode;
	libbpf_set_print(print_nothing);
	int rc = query(interface, interface_id, &id, &mode, error, error_size);
	if (rc < 0)
		return rc;
	if (id != 0) {
		struct bpf_prog_info info;
		int fd = open_attached(interface, pin, id, &info, error, error_size);
		if (fd < 0)
			return fd;
		LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = fd);
		rc = bpf_xdp_detach((int)interface_id,
				    mode == XDP_REDIRECT_GENERIC ? XDP_FLAGS_SKB_MODE
								 : XDP_FLAGS_DRV_MODE,
				    &options);
		close_fd(&fd);
		if (rc < 0)
			return fail(rc, error, error_size, interface, "detaching our XDP program");
	}
	if (pin != NULL)
		unpin_all(interface, pin);
	return 0;
}
