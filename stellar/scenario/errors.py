# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a scenario: one line a problem, `file:line: expected X, found Y`."""

from collections.abc import Sequence

__all__ = ["ScenarioError"]


class ScenarioError(Exception):
    """The scenario file is wrong; all of its problems at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
