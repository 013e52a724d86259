# SPDX-License-Identifier: Apache-2.0

from stellar._native cimport capi


cdef class Figures:
    cdef capi.engine *handle
    cdef capi.engine *get(self) except NULL
