# SPDX-License-Identifier: Apache-2.0
"""Personalities: what a policy means for the data path. Pure but for reading files it is given."""

from stellar.personality.pipeline import (
    check_policy,
    compile_policy,
    open_policy,
    read_variables,
)

__all__ = ["check_policy", "compile_policy", "open_policy", "read_variables"]
