# SPDX-License-Identifier: Apache-2.0
"""A stranger's plugin: built from what is installed, refused when built for another version."""

import shutil
import subprocess
from pathlib import Path

import pytest

import stellar
from stellar.engine import Engine, PluginError, ResourceError

PACKAGE = Path(stellar.__file__).parent
LIBRARIES = PACKAGE / "_native"
SOURCES = Path(__file__).parents[3] / "native" / "plugins" / "examples"


def build(source: Path, into: Path, *, include: Path = PACKAGE / "include") -> Path:
    """Compile one file as a stranger would: strict C11, warnings are errors."""
    plugin = into / f"{source.stem}.so"
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-shared",
         "-fPIC", "-fvisibility=hidden", f"-I{include}", str(source), "-o", str(plugin),
         f"-L{LIBRARIES}", "-lstellar", f"-Wl,-rpath,{LIBRARIES}"],
        check=True,
    )  # fmt: skip
    return plugin


@pytest.fixture
def changed_headers(tmp_path: Path) -> Path:
    """A copy of the installed headers, to be changed."""
    return Path(shutil.copytree(PACKAGE / "include", tmp_path / "include"))


def change(header: Path, old: str, new: str) -> None:
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))


@pytest.mark.parametrize("source", sorted(SOURCES.glob("*.c")), ids=lambda source: source.stem)
def test_example_builds_from_the_installed_headers_and_loads(source: Path, tmp_path: Path) -> None:
    plugin = build(source, tmp_path)

    engine = Engine()
    engine.load_plugin(str(plugin))
    engine.start()

    assert [each["name"] for each in engine.plugin_stats()] == [source.stem]
    engine.close()


def test_plugin_built_for_another_version_is_refused(tmp_path: Path, changed_headers: Path) -> None:
    version = changed_headers / "stellar" / "version.h"
    change(version, "STELLAR_ABI_VERSION 2u", "STELLAR_ABI_VERSION 3u")
    plugin = build(SOURCES / "session_logger.c", tmp_path, include=changed_headers)

    with pytest.raises(PluginError, match="session_logger.so: .*ABI version: expected 2, found 3"):
        Engine().load_plugin(str(plugin))


def test_plugin_whose_structure_is_too_short_is_refused(
    tmp_path: Path, changed_headers: Path
) -> None:
    change(
        changed_headers / "stellar" / "plugin.h",
        ".struct_size = sizeof(struct plugin)",
        ".struct_size = 16",
    )
    plugin = build(SOURCES / "session_logger.c", tmp_path, include=changed_headers)

    with pytest.raises(PluginError, match=r"session_logger.so: .*expected \d+.* found 16"):
        Engine().load_plugin(str(plugin))


def test_shared_object_that_is_no_plugin_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "nothing.c"
    source.write_text("int nothing;\n")
    plugin = build(source, tmp_path)

    with pytest.raises(PluginError, match="nothing.so: expected the symbol stellar_plugin"):
        Engine().load_plugin(str(plugin))


def test_file_that_is_no_shared_object_is_refused(tmp_path: Path) -> None:
    plugin = tmp_path / "text.so"
    plugin.write_text("not a plugin")

    with pytest.raises(ResourceError, match="text.so"):
        Engine().load_plugin(str(plugin))
