# SPDX-License-Identifier: Apache-2.0
"""The published schema is the model's."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from stellar.policy.model import FirewallPolicy, policy_schema

PUBLISHED = Path(__file__).parents[3] / "docs" / "firewall-policy.schema.json"


def test_the_published_schema_is_the_model_s() -> None:
    assert PUBLISHED.read_text() == policy_schema()


def test_each_key_of_the_schema_has_a_sentence() -> None:
    schema = json.loads(policy_schema())
    models = [schema, *(schema["$defs"][name] for name in ("Zone", "Service", "Rule"))]

    sentences = [key.get("description") for model in models for key in model["properties"].values()]

    assert all(sentences)


def test_a_policy_cannot_be_changed() -> None:
    policy = FirewallPolicy.model_validate(
        {"personality": "firewall", "zones": {"z": {}}, "rules": [], "default": "drop"}
    )

    with pytest.raises(ValidationError):
        policy.default = "allow"  # type: ignore[assignment, misc]
