# SPDX-License-Identifier: Apache-2.0
"""Turns a strict YAML document into a firewall policy, or into all that is wrong with it.

Two passes: the model checks each value, the references check what values mean together. Parts that
the model refuses are left out of the second pass, so that one mistake does not hide others. Doubts
(a rule that no session can reach) are warnings, found in `reach.py`.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stellar.policy.errors import InvalidPolicyError, PolicyProblem, describe
from stellar.policy.load import Document, NodePath
from stellar.policy.model import ZONES_MAX, FirewallPolicy, Rule, Service, Zone
from stellar.policy.reach import find_unreachable

__all__ = ["ValidatedPolicy", "validate"]

_KEY_MARK = "[key]"  # pydantic's last step to a key of a mapping
_UNREACHABLE_MAX = 100

# What the keys of a mapping may be, by its path; "*" is any step.
_MODELS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): FirewallPolicy,
    ("zones", "*"): Zone,
    ("services", "*", "*"): Service,
    ("rules", "*"): Rule,
}
_PLANNED_KEYS = frozenset(
    ("applications", "application", "domains", "geo", "limits", "nat", "schedules", "schedule")
)
_PLANNED_VALUES: Mapping[str, frozenset[str]] = {
    "action": frozenset(("block", "log", "rate_limit")),
    "on_reload": frozenset(("rejudge", "close")),
    "personality": frozenset(("load_balancer", "ids")),
}
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "int_type": "a whole number",
    "list_type": "a list",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "string_type": "text",
    "too_short": "at least one item",
    "tuple_type": "a list",
}


@dataclass(frozen=True, slots=True)
class ValidatedPolicy:
    """A policy without errors, and the doubts about it."""

    policy: FirewallPolicy
    warnings: tuple[PolicyProblem, ...]


def validate(document: Document, *, interfaces: Collection[str] | None = None) -> ValidatedPolicy:
    """Check a document, against the topology's interface names when they are given.

    Raises InvalidPolicyError with every problem, in the order of lines.
    """
    try:
        policy = FirewallPolicy.model_validate(document.value)
    except ValidationError as error:
        problems = [_explain(document, details) for details in _first_errors(error)]
        partial = _validate_rest(document, error)
        if partial is not None:
            problems += _References(document, *partial).find_problems(interfaces)
        raise InvalidPolicyError(_sort(problems)) from None
    positions = range(len(policy.rules))
    problems = list(_References(document, policy, positions).find_problems(interfaces))
    if problems:
        raise InvalidPolicyError(_sort(problems))
    return ValidatedPolicy(policy, tuple(_warn(document, policy)))


def _sort(problems: Iterable[PolicyProblem]) -> list[PolicyProblem]:
    return sorted(problems, key=lambda p: p.place.rendered_line or p.place.line)


def _first_errors(error: ValidationError) -> list[ErrorDetails]:
    """Without "too short" for a list that is so because its items were refused."""
    listed = error.errors(include_url=False)
    return [e for e in listed if e["type"] != "too_short" or not e["input"]]


def _validate_rest(
    document: Document, error: ValidationError
) -> tuple[FirewallPolicy, list[int]] | None:
    """The policy without the parts that were refused, and the places of its rules in the list."""
    if not isinstance(document.value, dict):
        return None
    refused = {e["loc"][:depth] for e in error.errors(include_url=False) for depth in (1, 2, 3)}
    whole = {e["loc"] for e in error.errors(include_url=False)}
    rest: dict[str, object] = {"personality": "firewall", "zones": {"none": {}}, "default": "drop"}
    positions: list[int] = []
    rules: list[object] = []
    for key, value in document.value.items():
        if key in ("zones", "networks", "services") and isinstance(value, dict):
            rest[key] = {n: part for n, part in value.items() if (key, n) not in refused}
        elif key == "rules" and isinstance(value, list):
            positions = [i for i in range(len(value)) if ("rules", i) not in whole]
            rules = [_keep_rule(value[i], i, refused) for i in positions]
    try:
        return FirewallPolicy.model_validate(rest | {"rules": rules}), positions
    except ValidationError:
        return None  # no zone is left, say: the first errors stand alone


def _keep_rule(rule: object, position: int, refused: Collection[NodePath]) -> dict[str, object]:
    """A rule with stand-ins for what was refused in it, so that its references can be checked."""
    assert isinstance(rule, dict)  # else the whole rule was refused
    kept = {key: value for key, value in rule.items() if ("rules", position, key) not in refused}
    return {"name": f"unnamed-{position}", "action": "drop"} | kept


def _explain(document: Document, details: ErrorDetails) -> PolicyProblem:
    path: NodePath = details["loc"]
    place = document.place(path)
    expected = _EXPECTED.get(details["type"], details["msg"])
    found = describe(details["input"])
    context = details.get("ctx", {})
    match details["type"]:
        case "unexpected":
            expected, found = context["expected"], context["found"]
        case "missing":
            expected, found = f'the key "{path[-1]}"', "none"
        case "extra_forbidden":
            place = document.key_place(path)
            expected, found = _explain_key(path)
        case "enum" | "literal_error":
            expected = str(context["expected"]).replace("'", "").replace("False", "false")
            if str(details["input"]) in _PLANNED_VALUES.get(str(path[-1]), ()):
                found += ", which is not supported yet"
            elif path[-1] == "log":
                found += " (logging by rule is not supported yet: EVE has every verdict)"
            elif isinstance(details["input"], str):
                found += _suggest(details["input"], expected.replace(" or ", ", ").split(", "))
    if path and path[-1] == _KEY_MARK:
        place = document.key_place(path[:-1])
    return PolicyProblem(place, expected, found, _rule_name(document, path))


def _explain_key(path: NodePath) -> tuple[str, str]:
    model = next(model for pattern, model in _MODELS.items() if _matches(path[:-1], pattern))
    keys = [field.alias or name for name, field in model.model_fields.items()]
    key = str(path[-1])
    expected = f"one of the keys {', '.join(keys)}"
    if key in _PLANNED_KEYS:
        return expected, f"{describe(key)}, which is not supported yet"
    return expected, describe(key) + _suggest(key, keys)


def _matches(path: NodePath, pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(
        step in ("*", part) for step, part in zip(pattern, path, strict=True)
    )


def _suggest(word: str, words: Collection[str]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""


def _rule_name(document: Document, path: NodePath) -> str | None:
    if len(path) < 2 or path[0] != "rules" or not isinstance(document.value, dict):
        return None
    rule = document.value["rules"][path[1]]
    name = rule.get("name") if isinstance(rule, dict) else None
    return name if isinstance(name, str) else None


class _References:
    """What the parts of one policy say about each other."""

    def __init__(
        self, document: Document, policy: FirewallPolicy, positions: Collection[int]
    ) -> None:
        self._document = document
        self._policy = policy
        self._positions = list(positions)

    def find_problems(self, interfaces: Collection[str] | None) -> Iterator[PolicyProblem]:
        yield from self._check_zones()
        if interfaces is not None:
            yield from self._check_topology(interfaces)
        seen: dict[str, int] = {}
        for position, rule in zip(self._positions, self._policy.rules, strict=True):
            path: NodePath = ("rules", position)
            if rule.name in seen:
                first = self._document.place(("rules", seen[rule.name], "name")).line
                found = f"{describe(rule.name)} again (first on line {first})"
                yield self._problem((*path, "name"), "each rule name once", found, rule.name)
            seen.setdefault(rule.name, position)
            yield from self._check_rule(path, rule)

    def _check_rule(self, path: NodePath, rule: Rule) -> Iterator[PolicyProblem]:
        sources = [name for name in rule.source if isinstance(name, str)]
        destinations = [name for name in rule.destination if isinstance(name, str)]
        yield from self._check_names((*path, "from"), rule.from_zones, "zones", rule.name)
        yield from self._check_names((*path, "to"), rule.to_zones, "zones", rule.name)
        yield from self._check_names((*path, "source"), sources, "networks", rule.name)
        yield from self._check_names((*path, "destination"), destinations, "networks", rule.name)
        yield from self._check_names((*path, "service"), rule.service, "services", rule.name)

    def _check_names(
        self, path: NodePath, names: Iterable[str], section: str, rule: str
    ) -> Iterator[PolicyProblem]:
        declared = self._declared(section)
        for name in names:
            if name not in declared:
                known = ", ".join(list(declared)[:10]) + (", ..." if len(declared) > 10 else "")
                expected = f"one of the {section} ({known or 'there are none'})"
                found = describe(name) + _suggest(name, declared)
                yield self._problem(self._item_path(path, name), expected, found, rule)

    def _declared(self, section: str) -> Collection[str]:
        """Names in the document, those of refused parts too."""
        assert isinstance(self._document.value, dict)
        value = self._document.value.get(section)
        return value if isinstance(value, dict) else ()

    def _item_path(self, path: NodePath, item: str) -> NodePath:
        value: object = self._document.value
        for step in path:
            value = value[step]  # type: ignore[index]
        return (*path, value.index(item)) if isinstance(value, list) else path

    def _check_zones(self) -> Iterator[PolicyProblem]:
        zones = self._policy.zones
        if len(zones) > ZONES_MAX:
            found = f"{len(zones)} zones"
            yield self._problem(("zones",), f"at most {ZONES_MAX} zones", found)
        owners: dict[object, str] = {}
        for name, zone in zones.items():
            if not zone.interfaces and not zone.networks:
                key = "a zone without interfaces and networks"
                if key in owners:
                    found = f'another, beside "{owners[key]}"'
                    yield self._problem(("zones", name), f"at most one {key[2:]}", found)
                owners.setdefault(key, name)
            for kind, items in (("interfaces", zone.interfaces), ("networks", zone.networks)):
                for position, item in enumerate(items):
                    if owners.setdefault(item, name) == name:
                        continue
                    expected = f"each of the {kind} in one zone"
                    found = f'{describe(str(item))}, which is in "{owners[item]}" too'
                    yield self._problem(("zones", name, kind, position), expected, found)

    def _check_topology(self, interfaces: Collection[str]) -> Iterator[PolicyProblem]:
        known = ", ".join(sorted(interfaces))
        for name, zone in self._policy.zones.items():
            for position, interface in enumerate(zone.interfaces):
                if interface in interfaces:
                    continue
                expected = f"an interface of the topology ({known or 'there are none'})"
                found = describe(interface) + _suggest(interface, interfaces)
                yield self._problem(("zones", name, "interfaces", position), expected, found)

    def _problem(
        self, path: NodePath, expected: str, found: str, rule: str | None = None
    ) -> PolicyProblem:
        return PolicyProblem(self._document.place(path), expected, found, rule)


def _warn(document: Document, policy: FirewallPolicy) -> Iterator[PolicyProblem]:
    for position, earlier in find_unreachable(policy)[:_UNREACHABLE_MAX]:
        rule, cover = policy.rules[position], policy.rules[earlier]
        line = document.place(("rules", earlier)).line
        found = f'one whose sessions "{cover.name}" (line {line}) takes all'
        place = document.place(("rules", position))
        yield PolicyProblem(place, "a rule that some session reaches", found, rule.name)
