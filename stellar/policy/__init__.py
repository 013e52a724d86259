# SPDX-License-Identifier: Apache-2.0
"""The policy pipeline: load, render, validate, compile. Pure; `stellar.personality` drives it."""

from stellar.policy.errors import (
    InvalidPolicyError,
    LoadError,
    Place,
    PolicyError,
    PolicyProblem,
    RenderError,
)
from stellar.policy.model import FirewallPolicy, policy_schema
from stellar.policy.validate import ValidatedPolicy

__all__ = [
    "FirewallPolicy",
    "InvalidPolicyError",
    "LoadError",
    "Place",
    "PolicyError",
    "PolicyProblem",
    "RenderError",
    "ValidatedPolicy",
    "policy_schema",
]
