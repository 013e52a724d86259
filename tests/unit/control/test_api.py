# SPDX-License-Identifier: Apache-2.0
"""The API over its socket: every endpoint, and every way in which one fails."""

import asyncio
import os
import socket

import aiohttp
import pytest

from stellar.control import api
from stellar.control.api import Api, listen
from stellar.control.apply import PolicyKeeper
from stellar.control.endpoints import ENDPOINTS
from stellar.control.engine_client import EngineClient

RECORD = {
    "id": 7,
    "start_ns": 1,
    "last_ns": 2,
    "packets": {"forward": 3, "reverse": 2},
    "bytes": {"forward": 300, "reverse": 200},
    "originator": {"address": "192.0.2.1", "port": 40000},
    "responder": {"address": "198.51.100.10", "port": 80},
    "tag": 0,
    "generation": 1,
    "rule_id": 1,
    "ingress": "inside",
    "egress": "outside",
    "protocol": 6,
    "state": "active",
    "tcp_state": "established",
    "blocked": False,
}


def ask(config, fake_engine, *requests, engine_runs=True):
    """Status and body of each request (method, path, JSON body), made one after the other."""

    async def exchange():
        engine = EngineClient(config.engine_socket, timeout_sec=5)
        application = Api(engine, PolicyKeeper(config, engine)).application()
        runner = await listen(application, config.api_socket)
        connector = aiohttp.UnixConnector(str(config.api_socket))
        answers = []
        async with aiohttp.ClientSession("http://localhost", connector=connector) as caller:
            for method, path, body in requests:
                async with caller.request(method, path, json=body) as response:
                    answers.append((response.status, await response.json()))
        await runner.cleanup()
        return answers

    async def main():
        if not engine_runs:
            return await exchange()
        async with fake_engine.running():
            return await exchange()

    return asyncio.run(main())


def get(config, fake_engine, path, **keywords):
    return ask(config, fake_engine, ("GET", path, None), **keywords)[0]


def test_health_is_ok_with_a_policy_in_force(config, fake_engine):
    fake_engine.generation = 3

    status, body = get(config, fake_engine, "/v1/health")

    assert status == 200
    assert body["status"] == "ok"
    assert body["policy"] == {"generation": 3}


def test_health_is_degraded_without_a_policy(config, fake_engine):
    status, body = get(config, fake_engine, "/v1/health")

    assert (status, body["status"]) == (503, "degraded")
    assert body["engine"] == {"running": True}


def test_health_is_degraded_without_an_engine(config, fake_engine):
    status, body = get(config, fake_engine, "/v1/health", engine_runs=False)

    assert (status, body["status"]) == (503, "degraded")
    assert body["engine"]["running"] is False
    assert "not running" in body["engine"]["error"]


@pytest.mark.parametrize(
    "path",
    ["/v1/stats", "/v1/sessions", "/v1/sessions/1", "/v1/plugins", "/v1/interfaces", "/v1/policy"],
)
def test_absent_engine_is_a_clear_503(config, fake_engine, path):
    status, body = get(config, fake_engine, path, engine_runs=False)

    assert (status, body["kind"]) == (503, "engine_unavailable")
    assert "the engine is not running" in body["error"]


def test_stats_are_those_of_the_engine(config, fake_engine):
    status, body = get(config, fake_engine, "/v1/stats")

    assert status == 200
    assert body["packets"]["received"] == 10
    assert "ok" not in body


@pytest.mark.parametrize("noun", ["plugins", "interfaces"])
def test_lists_are_those_of_the_engine(config, fake_engine, noun):
    status, body = get(config, fake_engine, f"/v1/{noun}")

    assert status == 200
    assert body[noun][0]["name"] in ("firewall", "inside")


def test_refusal_of_the_engine_is_502(config, fake_engine):
    fake_engine.answers["stats"] = lambda request: {"ok": False, "error": "no", "errno": 5}

    status, body = get(config, fake_engine, "/v1/stats")

    assert (status, body) == (502, {"error": "no", "kind": "engine_refused"})


def test_sessions_are_listed_and_filtered(config, fake_engine):
    other = {**RECORD, "id": 8, "protocol": 17}
    fake_engine.answers["sessions"] = lambda request: {
        "ok": True, "sessions": [RECORD, other], "cursor": None
    }  # fmt: skip

    _, everything = get(config, fake_engine, "/v1/sessions")
    _, udp = get(config, fake_engine, "/v1/sessions?protocol=udp&port=80&address=192.0.2.1")

    assert [record["id"] for record in everything["sessions"]] == [7, 8]
    assert [record["id"] for record in udp["sessions"]] == [8]
    assert udp["cursor"] is None


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("limit=0", "limit: expected a number from 1"),
        ("limit=x", "limit: expected a number"),
        ("limit=10001", "limit: expected a number up to 10000"),
        ("port=65536", "port: expected a number up to 65535"),
        ("protocol=tpc", "protocol: expected"),
        ("address=here", "address: expected an IP address"),
        ("state=open", "state: expected one of opening, active, closing"),
        ("cursor=nonsense", "cursor: expected one from an earlier page"),
    ],
)
def test_wrong_filter_is_a_clear_400(config, fake_engine, query, problem):
    status, body = get(config, fake_engine, f"/v1/sessions?{query}")

    assert (status, body["kind"]) == (400, "bad_request")
    assert problem in body["error"]


def test_session_explains_its_verdict(config, fake_engine, policy_text):
    fake_engine.answers["sessions"] = lambda request: {
        "ok": True, "sessions": [RECORD], "cursor": None
    }  # fmt: skip

    _, (status, body), (absent, _), (wrong, _) = ask(
        config,
        fake_engine,
        ("POST", "/v1/policy", {"text": policy_text}),
        ("GET", "/v1/sessions/7", None),
        ("GET", "/v1/sessions/9", None),
        ("GET", "/v1/sessions/seven", None),
    )

    assert status == 200
    assert body["verdict"] == "allowed by rule 1 (allow-web) of policy generation 1"
    assert (absent, wrong) == (404, 400)


def test_session_of_an_older_policy_is_explained_by_its_own_rules(config, fake_engine, policy_text):
    fake_engine.answers["sessions"] = lambda request: {
        "ok": True, "sessions": [RECORD], "cursor": None
    }  # fmt: skip
    other = policy_text.replace("allow-web", "allow-www")

    *_, (_, shown), (_, listed) = ask(
        config,
        fake_engine,
        ("POST", "/v1/policy", {"text": policy_text}),
        ("POST", "/v1/policy", {"text": other}),
        ("GET", "/v1/sessions/7", None),
        ("GET", "/v1/sessions", None),
    )

    assert shown["verdict"] == (
        "allowed by rule 1 (allow-web) of policy generation 1 (generation 2 is in force now)"
    )
    assert listed["sessions"][0]["rule"] == "allow-web"


def test_policy_is_applied_and_shown(config, fake_engine, policy_text):
    (applied, answer), (shown, policy) = ask(
        config,
        fake_engine,
        ("POST", "/v1/policy", {"text": policy_text, "name": "/etc/policy.yml"}),
        ("GET", "/v1/policy", None),
    )

    assert (applied, shown) == (200, 200)
    assert answer["generation"] == 1
    assert policy["text"] == policy_text
    assert policy["name"] == "/etc/policy.yml"
    assert policy["rules"] == ["allow-web"]


def test_policy_that_is_rejected_changes_nothing(config, fake_engine, policy_text):
    fake_engine.generation = 4
    wrong = policy_text.replace("from: inside", "from: cellar")

    status, body = ask(config, fake_engine, ("POST", "/v1/policy", {"text": wrong}))[0]

    assert (status, body["kind"]) == (422, "policy_rejected")
    assert any("cellar" in problem for problem in body["problems"])
    assert fake_engine.generation == 4
    assert not config.policy_document.exists()


def test_policy_that_the_engine_refuses_is_not_kept(config, fake_engine, policy_text):
    fake_engine.answers["policy_apply"] = lambda request: {
        "ok": False, "error": "no room", "errno": 12
    }  # fmt: skip

    status, body = ask(config, fake_engine, ("POST", "/v1/policy", {"text": policy_text}))[0]

    assert (status, body["kind"]) == (409, "engine_refused")
    assert "no room" in body["error"]
    assert not config.policy_document.exists()


@pytest.mark.parametrize(
    "body", [None, [], {}, {"text": 1}, {"text": "x", "name": 2}, {"text": "x", "force": True}]
)
def test_body_of_another_shape_is_400(config, fake_engine, body):
    status, answer = ask(config, fake_engine, ("POST", "/v1/policy", body))[0]

    assert (status, answer["kind"]) == (400, "bad_request")


def test_unknown_path_and_method_are_json_too(config, fake_engine):
    (absent, body), (wrong, _) = ask(
        config, fake_engine, ("GET", "/v2", None), ("DELETE", "/v1/policy", None)
    )

    assert (absent, wrong) == (404, 405)
    assert body["kind"] == "http"


def test_openapi_describes_every_route(config, fake_engine):
    engine = EngineClient(config.engine_socket)
    application = Api(engine, PolicyKeeper(config, engine)).application()
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in application.router.routes()
        if route.method != "HEAD"
    }

    _, described = get(config, fake_engine, "/v1/openapi.json")

    assert routes == {
        (method, path) for path, methods in described["paths"].items() for method in methods
    }
    assert len(routes) == len(ENDPOINTS)


def test_openapi_refers_only_to_its_own_schemas(config, fake_engine):
    _, described = get(config, fake_engine, "/v1/openapi.json")

    schemas = described["components"]["schemas"]
    references = set(find_references(described))

    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    assert references


def find_references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from find_references(value)
    elif isinstance(node, list):
        for value in node:
            yield from find_references(value)


def test_socket_is_for_owner_and_group_only(config, fake_engine):
    async def main():
        engine = EngineClient(config.engine_socket)
        runner = await listen(
            Api(engine, PolicyKeeper(config, engine)).application(), config.api_socket
        )
        mode = config.api_socket.stat().st_mode & 0o777
        await runner.cleanup()
        return mode

    assert asyncio.run(main()) == 0o660


def test_peer_of_another_user_is_refused(config, fake_engine, monkeypatch):
    monkeypatch.setattr(api, "is_trusted", lambda uid: uid == os.getuid() + 1)

    status, body = get(config, fake_engine, "/v1/health")

    assert (status, body["kind"]) == (403, "forbidden")


def test_trust_ends_at_root_and_the_owner():
    assert api.is_trusted(0) and api.is_trusted(os.geteuid())
    assert not api.is_trusted(os.geteuid() + 1)


def test_socket_left_by_a_dead_daemon_is_replaced(config, fake_engine):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(config.api_socket))
    left.close()

    assert get(config, fake_engine, "/v1/health", engine_runs=False)[0] == 503
