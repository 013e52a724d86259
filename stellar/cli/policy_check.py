# SPDX-License-Identifier: Apache-2.0
"""Say what is wrong with a policy, one line a problem; needs neither root nor a running appliance.

Exit code 0: it can be applied; 3: it would be rejected. With --config the interfaces that it names
must be those of the appliance.
"""

import argparse
import sys
from pathlib import Path

from stellar.cli.output import print_json
from stellar.cli.policy_file import add_policy_arguments, open_policy_file
from stellar.engine.config import load_config
from stellar.personality import check_policy, compile_policy
from stellar.policy import PolicyError, PolicyProblem

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_policy_arguments(parser)
    parser.add_argument("--config", type=Path, help="configuration of the appliance it is for")
    parser.add_argument("--json", action="store_true", help="print the problems as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Check; PolicyError ends it with exit code 3."""
    interfaces = load_config(arguments.config).interface_names if arguments.config else None
    try:
        source = open_policy_file(arguments)
        checked = check_policy(source, interfaces=interfaces)
        compile_policy(checked.policy, generation=1, file=source.file)
    except PolicyError as error:
        if arguments.json:
            problems = [_describe(problem) for problem in error.problems]
            print_json({"accepted": False, "errors": problems, "warnings": []})
        raise
    warnings = checked.warnings
    if arguments.json:
        described = [_describe(problem) for problem in warnings]
        print_json({"accepted": True, "errors": [], "warnings": described})
        return 0
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    count = len(checked.policy.rules)
    print(f"{source.file}: a valid policy of {count} {'rule' if count == 1 else 'rules'}")
    return 0


def _describe(problem: PolicyProblem) -> dict[str, object]:
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "rendered_line": problem.place.rendered_line,
        "rule": problem.rule,
        "expected": problem.expected,
        "found": problem.found,
        "text": str(problem),
    }
