# SPDX-License-Identifier: Apache-2.0

from stellar._native cimport capi


cdef class PluginHandle:
    cdef capi.plugin plugin
    cdef readonly tuple entries
    cdef list kept
    cdef const char *before[65]
    cdef const char *after[65]
    cdef const char *keep(self, str text) except NULL
