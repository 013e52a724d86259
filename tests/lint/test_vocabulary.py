# SPDX-License-Identifier: Apache-2.0
"""One concept, one word: identifiers of C, Python, Lua and YAML keep to the glossary."""

import ast
import re
from collections.abc import Iterator

import yaml
from sources import c_code, files, text

# Parts of an identifier (between underscores or capitals) never used, and the word that is.
BANNED_PARTS = {
    "pkt": "packet", "pkts": "packets", "sess": "session", "cfg": "config", "mgr": "manager",
    "hdlr": "handler", "hdr": "header", "util": "the noun", "utils": "the noun",
    "helper": "the noun", "helpers": "the noun", "connection": "session",
    "connections": "sessions", "conn": "session", "flow": "session", "flows": "sessions",
    "num": "count", "cnt": "count", "idx": "id", "lcore": "worker", "whitelist": "allow list",
    "blacklist": "deny list", "master": "primary", "slave": "secondary", "buf": "buffer",
}  # fmt: skip

# Words that say nothing at the end of a type's name.
BANNED_TYPE_HEADS = {"context", "manager", "handler", "util", "helper", "data", "info"}

# Identifiers that may break the rule: pattern of the whole identifier, and why.
EXCEPTIONS = {
    r"(STELLAR_)?(EVE|eve)_(FLOW|flow)\w*": "EVE's event type, as Suricata spells it",
    r"(?i:flow)|flow_id|(write|emit|eve)\w*_flow\w*|\w*flow_event\w*": "EVE's event type",
    r"ansible_\w*": "Ansible's name",
    r"tcp_flow|pcap_cnt": "EVE's field, as Suricata spells it",
    r"pcap_pkthdr|pcap_\w*|PCAP_\w*": "libpcap's name",
    r"xsk_\w*|XSK_\w*|xdp_\w*|XDP_\w*|bpf_\w*|BPF_\w*|libbpf_\w*|libxdp_\w*": "libxdp's name",
    r"(rte|RTE)_\w*": "DPDK's name",
    r"ETH_P_\w*|IFLA_\w*|NLM\w*|SO_\w*|SOL_\w*|msg\w*|iov\w*|sock\w*": "the kernel's name",
    r"nb_\w*": "counts at the NIC boundary",
    r"connection_(made|lost)|\w*Connection(Error|Refused|Reset)\w*": "the library's name",
    r"session_manager|plugin_manager|pkt_get_(group_id|raw)|(rx|raw)_pkt|pkt_sz": "the seed's word",
    r"setbuf|setvbuf|PyBUF\w*": "libc's and CPython's names",
}

SEED = "native/include/stellar/seed_names.h"


def parts(identifier: str) -> list[str]:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", identifier)
    return [part for part in words.lower().split("_") if part]


def excused(identifier: str) -> bool:
    return any(re.fullmatch(pattern, identifier) for pattern in EXCEPTIONS)


def c_identifiers(name: str) -> Iterator[str]:
    code = re.sub(r"^\s*#\s*include[^\n]*", "", c_code(name), flags=re.M)
    yield from re.findall(r"\b[A-Za-z_]\w*\b", code)


def python_identifiers(name: str) -> Iterator[str]:
    """Names this module defines; what it calls of others is theirs."""
    for node in ast.walk(ast.parse(text(name))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def lua_identifiers(name: str) -> Iterator[str]:
    code = re.sub(r"--\[\[.*?\]\]|--[^\n]*|\"[^\"\n]*\"|'[^'\n]*'", " ", text(name), flags=re.S)
    yield from re.findall(r"\b[A-Za-z_]\w*\b", code)


def yaml_keys(name: str) -> Iterator[str]:
    """Mapping keys at any depth; tags of other tools are read as plain values."""
    loader = yaml.SafeLoader(text(name))
    nodes: list[yaml.Node] = []
    while loader.check_node():
        nodes.append(loader.get_node())
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if re.fullmatch(r"\w+", str(key.value)):
                    yield str(key.value)
                nodes.append(value)
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value


READERS = {
    ".c": c_identifiers,
    ".h": c_identifiers,
    ".pyx": c_identifiers,
    ".pxd": c_identifiers,
    ".py": python_identifiers,
    ".pyi": python_identifiers,
    ".lua": lua_identifiers,
    ".yml": yaml_keys,
}
JUDGED = [
    name
    for name in files(*READERS)
    if name != SEED and not name.startswith(("tests/fuzz/", "tests/lint/", ".github/"))
]


def suffix(name: str) -> str:
    return "." + name.rsplit(".", 1)[1]


def test_identifiers_use_the_words_of_the_glossary() -> None:
    wrong = {
        f"{name}: {identifier}: not {part}, but {BANNED_PARTS[part]}"
        for name in JUDGED
        for identifier in READERS[suffix(name)](name)
        if not excused(identifier)
        for part in parts(identifier)
        if part in BANNED_PARTS
    }

    assert not wrong, "\n".join(sorted(wrong))


def test_c_type_names_end_in_a_noun_that_says_something() -> None:
    wrong = [
        f"{name}: {kind}"
        for name in files(".c", ".h", ".pyx", ".pxd", under=("native/", "stellar/"))
        for kind in re.findall(r"\b(?:struct|enum|union|cdef class)\s+(\w+)\s*[:{(]", c_code(name))
        if parts(kind)[-1] in BANNED_TYPE_HEADS
    ]

    assert not wrong, "\n".join(wrong)


def test_python_class_names_end_in_a_noun_that_says_something() -> None:
    wrong = [
        f"{name}: {node.name}"
        for name in files(".py", under="stellar/")
        for node in ast.walk(ast.parse(text(name)))
        if isinstance(node, ast.ClassDef) and parts(node.name)[-1] in BANNED_TYPE_HEADS
    ]

    assert not wrong, "\n".join(wrong)


def test_configuration_booleans_are_positive() -> None:
    allowed = {"no_log"}  # Ansible's own key

    wrong = [
        f"{name}: {key}"
        for name in files(".yml")
        for key in yaml_keys(name)
        if re.match(r"(no|disable|not)_", key) and key not in allowed
    ]

    assert not wrong, "\n".join(wrong)
