# SPDX-License-Identifier: Apache-2.0
"""The dependency law of ARCHITECTURE.md: who may use whom, in C and in Python."""

import ast
import re

from sources import c_code, files, line_of, project_files, text

# What a folder of native/ may include of the others, besides <stellar/...> and libc.
NATIVE_ARROWS = {
    "packet": set(),
    "session": {"packet"},
    "protocol": {"packet", "session"},
    "match": set(),
    "rewrite": {"packet", "session"},
    "aqm": {"packet"},
    "packet_io": set(),
    "engine": {"packet", "session", "protocol", "match", "rewrite", "aqm", "packet_io"},
    "plugins": set(),
    "include": set(),
}

# Libraries and kernel interfaces that only these folders may include.
THIRD_PARTY = {
    "pcap": {"packet_io"},
    "xdp": {"packet_io"},
    "bpf": {"packet_io"},
    "linux/": {"packet_io"},
    "net/": {"packet_io"},
    "rte_": {"packet_io"},
    "zlib": {"protocol", "engine"},
    "brotli": {"protocol"},
    "openssl": {"protocol"},
    "hs": {"match"},
    "pcre2": {"match"},
    "Python": set(),
    "lua": set(),
}

# What a plugin finds in libc.
LIBC = {
    "assert.h", "ctype.h", "errno.h", "inttypes.h", "limits.h", "stdarg.h", "stdatomic.h",
    "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h", "time.h",
    "arpa/inet.h", "netinet/in.h",
}  # fmt: skip

# What a folder of stellar/ may import of the others.
PYTHON_ARROWS = {
    "": {"engine", "personality"},
    "_native": set(),
    "engine": {"_native", "lua", "telemetry", "scenario"},
    "lua": set(),
    "policy": set(),
    "personality": {"policy"},
    "scenario": set(),
    "telemetry": set(),
    "observer": set(),
    "control": {"engine", "policy", "personality", "telemetry"},
    "cli": {"engine", "policy", "personality", "control", "observer", "scenario"},
}

PURE = ("stellar/policy/", "stellar/personality/", "stellar/scenario/")
IMPURE_MODULES = {
    "asyncio", "ctypes", "http", "multiprocessing", "os", "random", "secrets", "select",
    "selectors", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading",
    "time", "urllib", "pyroute2", "prometheus_client",
}  # fmt: skip

# Modules that change the machine or hold an event loop, and where they may be.
PYTHON_HOMES = {
    "subprocess": ("stellar/control/",),
    "pyroute2": ("stellar/control/",),
    "asyncio": ("stellar/control/",),
    "lupa": ("stellar/lua/",),
}


def native_folder(name: str) -> str:
    return name.split("/")[1]


def native_includes(name: str) -> list[tuple[int, str]]:
    code = c_code(name)
    return [
        (line_of(code, found.start(1)), found[1])
        for found in re.finditer(r"^\s*#\s*include\s+<([^>]+)>", code, re.M)
    ]


def python_folder(name: str) -> str:
    parts = name.split("/")
    return parts[1] if len(parts) > 2 else ""


def imports(name: str) -> list[tuple[int, str]]:
    """Dotted names a module imports; `from a import b` counts as a.b too."""
    found: list[tuple[int, str]] = []
    package = name.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(ast.parse(text(name))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def forbidden_include(name: str, included: str) -> str:
    """Why this file may not include that, or nothing."""
    folder = native_folder(name)
    head = included.split("/")[0]
    if head in NATIVE_ARROWS and "/" in included and head not in NATIVE_ARROWS[folder] | {folder}:
        return f"{folder} may not use {head}"
    for library, homes in THIRD_PARTY.items():
        if included.startswith(library) and folder not in homes:
            return f"<{included}> may be included by {sorted(homes)} only"
    return ""


def test_native_files_include_only_what_their_folder_may_use() -> None:
    wrong = [
        f"{name}:{line}: {reason}"
        for name in files(".c", ".h", under="native/")
        for line, included in native_includes(name)
        if (reason := forbidden_include(name, included))
    ]

    assert not wrong, "\n".join(wrong)


def test_plugins_include_only_the_public_headers() -> None:
    wrong = [
        f"{name}:{line}: <{included}>"
        for name in files(".c", ".h", under="native/plugins/")
        for line, included in native_includes(name)
        if not included.startswith("stellar/")
        and included not in LIBC
        and f"{name.rsplit('/', 1)[0]}/{included.rsplit('/', 1)[-1]}" not in files(".h")
    ]

    assert not wrong, "\n".join(wrong)


def test_native_headers_include_each_other_without_cycles() -> None:
    known = {
        name.removeprefix("native/include/").removeprefix("native/"): name
        for name in files(".h", under="native/")
    }
    graph = {
        name: {known[path] for _, path in native_includes(name) if path in known}
        for name in known.values()
    }

    assert not cycle_in(graph), f"cycle: {' -> '.join(cycle_in(graph))}"


def test_dpdk_stays_in_packet_io() -> None:
    wrong = [
        f"{name}:{line_of(c_code(name), found.start())}: {found[0]}"
        for name in files(".c", ".h", ".pyx", ".pxd")
        if not name.startswith(("native/packet_io/", "tests/bench/"))
        for found in re.finditer(r"\brte_\w+", c_code(name))
    ]

    assert not wrong, "\n".join(wrong)


def test_python_modules_import_only_what_their_folder_may_use() -> None:
    wrong = [
        f"{name}:{line}: {python_folder(name) or 'stellar'} may not use {module}"
        for name in files(".py", under="stellar/")
        for line, module in imports(name)
        if module.startswith("stellar.")
        and (used := module.split(".")[1]) in PYTHON_ARROWS
        and used not in PYTHON_ARROWS[python_folder(name)] | {python_folder(name)}
    ]

    assert not wrong, "\n".join(wrong)


def test_only_the_engine_package_imports_the_binding() -> None:
    importers = {
        python_folder(name)
        for name in files(".py", under="stellar/")
        for _, module in imports(name)
        if module.startswith("stellar._native")
    }

    assert importers <= {"engine", "_native"}


def test_pure_packages_are_pure() -> None:
    wrong = [
        f"{name}:{line}: {module}"
        for name in files(".py", under=PURE)
        for line, module in imports(name)
        if module.split(".")[0] in IMPURE_MODULES
    ]

    assert not wrong, "\n".join(wrong)


def test_what_changes_the_machine_stays_at_home() -> None:
    wrong = [
        f"{name}:{line}: {module} belongs to {homes}"
        for name in files(".py", under="stellar/")
        for line, module in imports(name)
        if (homes := PYTHON_HOMES.get(module.split(".")[0])) and not name.startswith(homes)
    ]

    assert not wrong, "\n".join(wrong)


def test_python_modules_import_each_other_without_cycles() -> None:
    known = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name
        for name in files(".py", under="stellar/")
    }
    graph = {
        name: {
            known[target]
            for _, module in imports(name)
            for target in (module if module in known else module.rpartition(".")[0],)
            if target in known and known[target] != name
        }
        for name in known.values()
    }

    assert not cycle_in(graph), f"cycle: {' -> '.join(cycle_in(graph))}"


def test_no_folder_has_a_name_that_says_nothing() -> None:
    banned = {"utils", "util", "common", "misc", "helpers", "helper", "lib", "shared"}

    found = {
        name for name in project_files() for part in name.split("/")[:-1] if part.lower() in banned
    }

    assert not found


def test_each_folder_has_a_readme() -> None:
    tops = ("native", "stellar", "tests", "roles", "appliance", "inventories", "images")
    folders = {
        "/".join(parts[:depth])
        for parts in (name.split("/") for name in project_files())
        for depth in (1, 2)
        if parts[0] in tops and len(parts) > depth
        if depth == 1 or parts[0] not in ("appliance", "inventories")
    } - {"native/include"}

    missing = [folder for folder in sorted(folders) if f"{folder}/README.md" not in project_files()]

    assert not missing


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """A cycle in a graph, as a path, or nothing."""
    finished: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in finished:
            return []
        for target in sorted(graph[node]):
            if found := visit(target, [*path, node]):
                return found
        finished.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])
