# SPDX-License-Identifier: Apache-2.0
"""From an operator's file to the engine's image: what `stellar policy check|render|apply` call.

Joins the steps of `stellar.policy` with the personality that a document names. Reads the files
whose paths it is given, changes nothing.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from stellar.personality import firewall
from stellar.policy.compile import SIZE_BYTES_MAX, build_image
from stellar.policy.errors import InvalidPolicyError, Place, PolicyProblem
from stellar.policy.load import Source, load_document, load_variables, read_source
from stellar.policy.model import FirewallPolicy
from stellar.policy.render import render
from stellar.policy.validate import ValidatedPolicy, validate

__all__ = ["check_policy", "compile_policy", "open_policy", "read_variables"]

TEMPLATE_SUFFIX = ".j2"


def read_variables(path: Path) -> Mapping[str, object]:
    """Template variables from a YAML or JSON file; OSError or LoadError."""
    return load_variables(read_source(path))


def open_policy(path: Path, variables: Mapping[str, object] | None = None) -> Source:
    """Read a policy, rendered when it is a template (`.j2`) or variables are given.

    `text` of the result is what `stellar policy render` prints. Raises OSError, LoadError,
    RenderError.
    """
    source = read_source(path)
    if variables is None and path.suffix != TEMPLATE_SUFFIX:
        return source
    return render(source, variables or {})


def check_policy(source: Source, *, interfaces: Collection[str] | None = None) -> ValidatedPolicy:
    """Everything that can be known of a policy without an engine; PolicyError names what is wrong.

    interfaces: names in the topology it is for, when that is known.
    """
    return validate(load_document(source), interfaces=interfaces)


def compile_policy(policy: FirewallPolicy, *, generation: int, file: str = "policy") -> bytes:
    """The image for `engine_policy_apply`; the same policy and generation give the same bytes.

    Raises InvalidPolicyError, naming file, when the policy is too large for an image.
    """
    section = firewall.generate(policy)
    if len(section) > SIZE_BYTES_MAX // 2:
        expected = f"a policy that compiles to at most {SIZE_BYTES_MAX // 2} bytes"
        problem = PolicyProblem(Place(file, 1), expected, f"{len(section)} bytes")
        raise InvalidPolicyError([problem])
    return build_image({firewall.PLUGIN_NAME: section}, generation=generation)
