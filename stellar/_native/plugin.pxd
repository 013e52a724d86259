# SPDX-License-Identifier: Apache-2.0

from stellar._native cimport capi

cdef enum:
    NAMES_MAX = 64


cdef dict describe_plugin(const capi.plugin *plugin)


cdef class PluginHandle:
    cdef capi.plugin plugin
    cdef readonly tuple entries
    cdef list kept
    cdef const char *before[NAMES_MAX + 1]
    cdef const char *after[NAMES_MAX + 1]
    cdef const char *settings[NAMES_MAX + 1]
    cdef const char *raises[NAMES_MAX + 1]
    cdef const char *hears[NAMES_MAX + 1]
    cdef int fill_entries(self, size_t worker, capi.plugin_entries *ret_entries) except -1
    cdef const char *keep(self, str text) except NULL
    cdef const char **keep_list(self, const char **room, str name, str what, texts) except NULL
