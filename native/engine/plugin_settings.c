// SPDX-License-Identifier: Apache-2.0

// What the operator tells a plugin: texts by name, given before the engine starts, read by the
// plugin when it loads. Control thread.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worker.h"

struct plugin_setting {
	struct plugin_setting *next;
	char *key;
	char *value;
};

static void free_setting(struct plugin_setting *setting)
{
	free(setting->key);
	free(setting->value);
	free(setting);
}

void plugin_settings_free(struct plugin_account *account)
{
	while (account->settings != NULL) {
		struct plugin_setting *setting = account->settings;

		account->settings = setting->next;
		free_setting(setting);
	}
}

const char *plugin_get_setting(const struct plugin_host *host, const char *key)
{
	for (const struct plugin_setting *each = host->account->settings; each != NULL;
	     each = each->next) {
		if (strcmp(each->key, key) == 0)
			return each->value;
	}
	return NULL;
}

static bool is_declared(const struct plugin *plugin, const char *key)
{
	for (const char *const *each = plugin->settings; each != NULL && *each != NULL; each++) {
		if (strcmp(*each, key) == 0)
			return true;
	}
	return false;
}

static void say_declared(const struct plugin *plugin, const char *key, char *error,
			 size_t error_size)
{
	const char *const *each = plugin->settings;

	if (each == NULL || *each == NULL) {
		snprintf(error, error_size, "plugin %s: takes no settings, found %s", plugin->name,
			 key);
		return;
	}
	int used = snprintf(error, error_size, "plugin %s: expected one of the settings",
			    plugin->name);

	for (; *each != NULL && used > 0 && (size_t)used < error_size; each++)
		used += snprintf(error + used, error_size - used, "%s %s",
				 each == plugin->settings ? "" : ",", *each);
	if (used > 0 && (size_t)used < error_size)
		snprintf(error + used, error_size - used, "; found %s", key);
}

int plugin_settings_check(const struct plugin_host *host, char *error, size_t error_size)
{
	for (const struct plugin_setting *each = host->account->settings; each != NULL;
	     each = each->next) {
		if (is_declared(host->plugin, each->key))
			continue;
		say_declared(host->plugin, each->key, error, error_size);
		return -EINVAL;
	}
	return 0;
}

static int add_setting(struct plugin_host *host, const char *key, const char *value)
{
	struct plugin_setting *setting = calloc(1, sizeof(*setting));

	if (setting == NULL)
		return -ENOMEM;
	setting->key = strdup(key);
	setting->value = strdup(value);
	if (setting->key == NULL || setting->value == NULL) {
		free_setting(setting);
		return -ENOMEM;
	}
	setting->next = host->account->settings;
	host->account->settings = setting;
	return 0;
}

int engine_set_plugin_setting(struct engine *engine, uint16_t plugin_id, const char *key,
			      const char *value, char *error, size_t error_size)
{
	if (plugin_id >= engine->plugin_count || engine->start_tried) {
		snprintf(error, error_size, "setting %s: expected a plugin before start", key);
		return -EINVAL;
	}
	struct plugin_host *host = engine->plugins[plugin_id];

	if (!is_declared(host->plugin, key)) {
		say_declared(host->plugin, key, error, error_size);
		return -EINVAL;
	}
	if (plugin_get_setting(host, key) != NULL) {
		snprintf(error, error_size, "plugin %s: setting %s: is given twice",
			 host->plugin->name, key);
		return -EEXIST;
	}
	int result = add_setting(host, key, value);

	if (result != 0)
		snprintf(error, error_size, "plugin %s: no memory", host->plugin->name);
	return result;
}
