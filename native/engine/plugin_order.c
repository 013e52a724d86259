// SPDX-License-Identifier: Apache-2.0

// Checks a plugin's structure and computes the order plugins run in. Control thread.

#include "engine/plugin_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/plugin_derived.h"

bool plugin_name_is_valid(const char *name)
{
	if (name == NULL || name[0] < 'a' || name[0] > 'z')
		return false;
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return name[length] == '\0' && length <= STELLAR_PLUGIN_NAME_MAX;
}

int plugin_check(const struct plugin *plugin, char *error, size_t error_size)
{
	if (plugin->abi_version != STELLAR_ABI_VERSION) {
		snprintf(error, error_size, "plugin ABI version: expected %u, found %u",
			 STELLAR_ABI_VERSION, plugin->abi_version);
		return -ENOEXEC;
	}
	if (plugin->struct_size != sizeof(*plugin)) {
		snprintf(error, error_size, "size of struct plugin: expected %zu, found %u",
			 sizeof(*plugin), plugin->struct_size);
		return -ENOEXEC;
	}
	if (!plugin_name_is_valid(plugin->name)) {
		snprintf(error, error_size,
			 "plugin name: expected [a-z][a-z0-9_]*, at most %d bytes",
			 STELLAR_PLUGIN_NAME_MAX);
		return -EINVAL;
	}
	if (plugin->version == NULL || plugin->entry == NULL) {
		snprintf(error, error_size, "plugin %s: has no %s", plugin->name,
			 plugin->version == NULL ? "version" : "entry function");
		return -EINVAL;
	}
	for (uint32_t event = 0; event < 64; event++) {
		if ((plugin->events & STELLAR_EVENT_BIT(event)) == 0)
			continue;
		if (!stellar_event_is_raised(event)) {
			const char *name = stellar_event_name(event);

			snprintf(error, error_size,
				 "plugin %s: needs the event %s, which this version does not raise",
				 plugin->name, name != NULL ? name : "of an unknown number");
			return -ENOSYS;
		}
	}
	if (plugin->protocols != NULL && plugin->protocols[0] != NULL) {
		snprintf(error, error_size,
			 "plugin %s: needs the protocol %s, which has no decoder in this version",
			 plugin->name, plugin->protocols[0]);
		return -ENOSYS;
	}
	if (plugin->context_persistent_size > plugin->context_size ||
	    plugin->context_size > (1u << 16)) {
		snprintf(error, error_size,
			 "plugin %s: context of %u bytes (%u persistent): expected at most 65536 "
			 "and no more persistent than all",
			 plugin->name, plugin->context_size, plugin->context_persistent_size);
		return -EINVAL;
	}
	for (const char *const *name = plugin->settings; name != NULL && *name != NULL; name++) {
		if (!plugin_name_is_valid(*name)) {
			snprintf(error, error_size, "plugin %s: setting: expected [a-z][a-z0-9_]*",
				 plugin->name);
			return -EINVAL;
		}
	}
	if (plugin->fail_action >= STELLAR_FAIL_ACTION_COUNT) {
		snprintf(error, error_size, "plugin %s: unknown fail action %u", plugin->name,
			 plugin->fail_action);
		return -EINVAL;
	}
	return plugin_derived_check(plugin, error, error_size);
}

static bool list_has(const char *const *names, const char *name)
{
	for (; names != NULL && *names != NULL; names++) {
		if (strcmp(*names, name) == 0)
			return true;
	}
	return false;
}

// Whether a must run before b.
static bool runs_before(const struct plugin_host *a, const struct plugin_host *b)
{
	return list_has(a->plugin->before, b->plugin->name) ||
	       list_has(b->plugin->after, a->plugin->name);
}

// Name the cycle among the plugins left over: each of them has a predecessor that is left too, so
// walking predecessors from any must come back to one seen before.
static void print_cycle(struct plugin_host **left, size_t count, char *error, size_t error_size)
{
	size_t path[STELLAR_PLUGINS_MAX + 1];
	size_t length = 0;
	size_t at = 0;
	size_t start = 0;

	for (;;) {
		for (start = 0; start < length && path[start] != at; start++)
			;
		if (start < length)
			break;
		path[length++] = at;
		for (size_t i = 0; i < count; i++) {
			if (i != at && runs_before(left[i], left[at])) {
				at = i;
				break;
			}
		}
	}
	int used = snprintf(error, error_size, "plugin order is a cycle: %s",
			    left[path[start]]->plugin->name);
	for (size_t i = length; i-- > start && used > 0 && (size_t)used < error_size;)
		used += snprintf(error + used, error_size - used, " before %s",
				 left[path[i]]->plugin->name);
}

int plugin_sort(struct plugin_host **hosts, size_t count, char *error, size_t error_size)
{
	struct plugin_host *left[STELLAR_PLUGINS_MAX];
	struct plugin_host *ordered[STELLAR_PLUGINS_MAX];
	size_t left_count = count;
	size_t ordered_count = 0;

	memcpy(left, hosts, count * sizeof(*hosts));
	while (left_count > 0) {
		size_t chosen = left_count;

		for (size_t i = 0; i < left_count; i++) {
			bool is_ready = true;

			for (size_t j = 0; j < left_count && is_ready; j++)
				is_ready = i == j || !runs_before(left[j], left[i]);
			if (is_ready &&
			    (chosen == left_count ||
			     strcmp(left[i]->plugin->name, left[chosen]->plugin->name) < 0))
				chosen = i;
		}
		if (chosen == left_count) {
			print_cycle(left, left_count, error, error_size);
			return -ELOOP;
		}
		ordered[ordered_count++] = left[chosen];
		left[chosen] = left[--left_count];
	}
	memcpy(hosts, ordered, count * sizeof(*hosts));
	return 0;
}

int plugin_order(struct plugin_host **hosts, size_t count, char *error, size_t error_size)
{
	int result = plugin_sort(hosts, count, error, error_size);

	for (size_t i = 0; i < count && result == 0; i++)
		hosts[i]->id = (uint16_t)i;
	return result;
}
