// SPDX-License-Identifier: Apache-2.0

// The library of one version of a plugin: a copy of its file, in memory. The linker takes the same
// file for the same library, and the operator may write to it while it is mapped.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/plugin_host.h"

// Returns a descriptor or -errno.
static int copy_file(const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (from < 0)
		return -errno;
	int copy = memfd_create("stellar-plugin", MFD_CLOEXEC);
	int result = copy < 0 || fstat(from, &status) != 0 ? -errno : 0;

	for (off_t left = result == 0 ? status.st_size : 0; left > 0 && result == 0;) {
		ssize_t done = sendfile(copy, from, NULL, (size_t)left);

		if (done <= 0)
			result = done < 0 ? -errno : -EIO;
		else
			left -= done;
	}
	close(from);
	if (result != 0 && copy >= 0)
		close(copy);
	return result != 0 ? result : copy;
}

// As the linker knows the copy, and debuggers find it while it is open.
static void make_name(char *ret_name, size_t size, int fd)
{
	snprintf(ret_name, size, "/proc/%d/fd/%d", (int)getpid(), fd);
}

// What the linker says names the copy; the operator knows the file.
static void explain(const char *path, const char *name, char *error, size_t error_size)
{
	const char *said = dlerror();
	const char *reason = strstr(said, name);

	reason = reason != NULL ? reason + strlen(name) : said;
	snprintf(error, error_size, "%s%s%s", path, *reason == ':' ? "" : ": ", reason);
}

int plugin_library_open(const char *path, struct plugin_library *ret_library, char *error,
			size_t error_size)
{
	struct plugin_library library = {.fd = copy_file(path)};
	char name[64];

	if (library.fd < 0) {
		snprintf(error, error_size, "%s: %s", path, strerror(-library.fd));
		return library.fd;
	}
	make_name(name, sizeof(name), library.fd);
	library.handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (library.handle == NULL) {
		explain(path, name, error, error_size);
		plugin_library_close(&library);
		return -ENOENT;
	}
	library.plugin = dlsym(library.handle, STELLAR_PLUGIN_SYMBOL);
	if (library.plugin == NULL) {
		snprintf(error, error_size, "%s: expected the symbol %s, found none", path,
			 STELLAR_PLUGIN_SYMBOL);
		plugin_library_close(&library);
		return -ENOEXEC;
	}
	*ret_library = library;
	return 0;
}

void plugin_library_close(struct plugin_library *library)
{
	char name[64];

	if (library->fd < 0)
		return;
	if (library->handle != NULL)
		dlclose(library->handle);
	make_name(name, sizeof(name), library->fd);
	void *left = dlopen(name, RTLD_NOW | RTLD_NOLOAD);

	// Some can't be unloaded. The next copy must not have that one's name.
	if (left != NULL)
		dlclose(left);
	else
		close(library->fd);
	*library = (struct plugin_library){.fd = -1};
}
