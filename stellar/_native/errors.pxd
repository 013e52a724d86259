# SPDX-License-Identifier: Apache-2.0

cdef int check(int result, const char *error, type fallback) except -1
