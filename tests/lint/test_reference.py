# SPDX-License-Identifier: Apache-2.0
"""The reference of plugins is what its generator writes, and it has what there is."""

import re
import runpy

import pytest
from sources import ROOT, files, text

PAGES = runpy.run_path(str(ROOT / "docs" / "reference" / "generate.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_reference_is_not_stale(name: str) -> None:
    assert text(f"docs/reference/{name}") == PAGES[name](), "python docs/reference/generate.py"


def test_every_event_and_field_is_there() -> None:
    events = re.findall(r"^X\((\w+),", text("native/include/stellar/events.def"), re.M)
    fields = re.findall(r'X\("([\w.]+)",', text("native/include/stellar/field.h"))

    assert len(events) > 15 and len(fields) > 15
    assert not [name for name in events if f"| `{name}` |" not in text("docs/reference/events.md")]
    assert not [name for name in fields if f"| `{name}` |" not in text("docs/reference/fields.md")]


def test_every_method_of_lua_is_there() -> None:
    page = text("docs/reference/functions.md") + text("docs/reference/events.md")

    missing = [
        f"{name}: {method}"
        for name in files(".lua", under="stellar/lua/view/")
        for method in re.findall(r"function methods\.(\w+)", text(name))
        if f":{method}(" not in page
    ]

    assert not missing


def test_functions_of_both_languages_stand_beside_each_other() -> None:
    page = text("docs/reference/functions.md")

    assert re.search(r"\| `uint64_t session_get_id\(.*?\)` \| `session:id\(\)` \|", page)
    assert re.search(r"\| `int session_log\(.*?\)` \| `session:log\(level, text\)` \|", page)
