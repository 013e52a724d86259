// SPDX-License-Identifier: Apache-2.0

#include "session/metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct metadata {
	struct metadata *next;
	void *value;
	size_t value_size;
	session_metadata_free_fn free_callback;
	uint64_t *count; // of values of this kind, NULL: not counted
	char key[]; // with its terminating 0
};

static void free_value(const struct metadata *slot)
{
	if (slot->free_callback != NULL)
		slot->free_callback(slot->value, slot->value_size);
	if (slot->count != NULL)
		(*slot->count)--;
}

// Where the pointer to the slot of a key is, or the end of the list.
static struct metadata **find(struct metadata **list, const char *key, size_t *ret_position)
{
	struct metadata **slot = list;
	*ret_position = 0;
	while (*slot != NULL && strcmp((*slot)->key, key) != 0) {
		slot = &(*slot)->next;
		(*ret_position)++;
	}
	return slot;
}

int metadata_set(struct metadata **list, const char *key, void *value, size_t value_size,
		 session_metadata_free_fn free_callback)
{
	return metadata_set_counted(list, key, value, value_size, free_callback, NULL);
}

int metadata_set_counted(struct metadata **list, const char *key, void *value, size_t value_size,
			 session_metadata_free_fn free_callback, uint64_t *count)
{
	size_t position;
	size_t key_length = key == NULL ? 0 : strnlen(key, METADATA_KEY_MAX + 1);
	if (key_length == 0 || key_length > METADATA_KEY_MAX)
		return -EINVAL;
	struct metadata **place = find(list, key, &position);
	struct metadata *slot = *place;
	struct metadata old = {0};
	if (slot != NULL) {
		old = *slot;
	} else {
		if (position >= METADATA_SLOTS_MAX)
			return -ENOSPC;
		slot = malloc(sizeof(*slot) + key_length + 1);
		if (slot == NULL)
			return -ENOMEM;
		memcpy(slot->key, key, key_length + 1);
		slot->next = NULL;
		*place = slot;
	}
	slot->value = value;
	slot->value_size = value_size;
	slot->free_callback = free_callback;
	slot->count = count;
	if (count != NULL)
		(*count)++;
	free_value(&old);
	return 0;
}

int metadata_get(const struct metadata *list, const char *key, void **ret_value,
		 size_t *ret_value_size)
{
	while (list != NULL && (key == NULL || strcmp(list->key, key) != 0))
		list = list->next;
	if (list == NULL)
		return -ENOENT;
	if (ret_value != NULL)
		*ret_value = list->value;
	if (ret_value_size != NULL)
		*ret_value_size = list->value_size;
	return 0;
}

int metadata_remove(struct metadata **list, const char *key)
{
	size_t position;
	if (key == NULL)
		return -ENOENT;
	struct metadata **place = find(list, key, &position);
	struct metadata *slot = *place;
	if (slot == NULL)
		return -ENOENT;
	*place = slot->next;
	free_value(slot);
	free(slot);
	return 0;
}

void metadata_clear(struct metadata **list)
{
	while (*list != NULL) {
		struct metadata *slot = *list;
		*list = slot->next;
		free_value(slot);
		free(slot);
	}
}
