# SPDX-License-Identifier: Apache-2.0
"""The list of the API's endpoints, from which both its routes and its OpenAPI description are made.

An endpoint that is not here is not served; one that is here is described.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import stellar

__all__ = ["ENDPOINTS", "Endpoint", "Parameter", "describe_api"]

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the path or of the query."""

    name: str
    sentence: str
    schema: str = "string"
    place: str = "query"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path; `name` is that of the method of `api.Api` that serves it."""

    method: str
    path: str
    name: str
    sentence: str
    answer: str
    parameters: tuple[Parameter, ...] = ()
    request: str | None = None
    failures: tuple[int, ...] = ()


_SESSION_FILTERS = (
    Parameter("protocol", "name or number of the IP protocol"),
    Parameter("address", "address of the originator or of the responder"),
    Parameter("port", "port of the originator or of the responder", "integer"),
    Parameter("state", "opening, active or closing"),
    Parameter("generation", "policy that judged the session", "integer"),
)

ENDPOINTS = (
    Endpoint("GET", "/v1/health", "health", "Whether the appliance does its work", "Health"),
    Endpoint("GET", "/v1/stats", "stats", "Counters of the engine", "Stats", failures=(502,)),
    Endpoint(
        "GET",
        "/v1/sessions",
        "sessions",
        "A page of the sessions in the table",
        "SessionPage",
        parameters=(
            Parameter("limit", "sessions in a page, 1 to 10000, 100", "integer"),
            Parameter("cursor", "where to go on, from the page before"),
            *_SESSION_FILTERS,
        ),
        failures=(400, 502),
    ),
    Endpoint(
        "GET",
        "/v1/sessions/{id}",
        "session",
        "One session, and why it was judged as it was",
        "Session",
        parameters=(Parameter("id", "the session's id", "integer", "path"),),
        failures=(400, 404, 502),
    ),
    Endpoint("GET", "/v1/plugins", "plugins", "Plugins, in order", "Plugins", failures=(502,)),
    Endpoint(
        "POST",
        "/v1/plugins/{name}/reload",
        "reload_plugin",
        "Put another version of a plugin in force; the old one stays when that fails",
        "PluginReloaded",
        parameters=(Parameter("name", "the plugin's name", place="path"),),
        request="PluginFile",
        failures=(400, 409),
    ),
    Endpoint("GET", "/v1/interfaces", "interfaces", "Interfaces", "Interfaces", failures=(502,)),
    Endpoint("GET", "/v1/policy", "policy", "The policy in force", "Policy", failures=(502,)),
    Endpoint(
        "POST",
        "/v1/policy",
        "apply_policy",
        "Compile a policy and put it in force; the old one stays when that fails",
        "PolicyApplied",
        request="PolicyDocument",
        failures=(400, 409, 422, 500),
    ),
    Endpoint("GET", "/v1/openapi.json", "openapi", "This description", "OpenApi"),
)

_FAILURES = {
    400: "The request is wrong",
    403: "The caller is neither root nor the owner of the appliance",
    404: "There is no such thing",
    409: "The engine refused the policy, or the plugin",
    422: "The policy was rejected; problems has one line each",
    500: "A bug, or the policy is in force but could not be kept",
    502: "The engine refused the call",
    503: "The engine does not answer",
}


def _object(required: str = "", **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "required": required.split()} if required else schema


_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_COUNTS: Schema = {"type": "object", "additionalProperties": _COUNT}
_TRUTH: Schema = {"type": "boolean"}
_ENDPOINT = _object("address port", address=_TEXT, port=_COUNT)
_DIRECTIONS = _object("forward reverse", forward=_COUNT, reverse=_COUNT)


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _named(schema: str) -> Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


_SCHEMAS: dict[str, Schema] = {
    "Failure": _object("error kind", error=_TEXT, kind=_TEXT, problems=_list_of(_TEXT)),
    "Health": _object(
        "status version engine policy",
        status={"type": "string", "enum": ["ok", "degraded"]},
        version=_TEXT,
        engine=_object("running", running=_TRUTH, error=_TEXT),
        policy=_object("generation", generation=_COUNT, error=_TEXT),
    ),
    "Stats": _object(
        "packets sessions events policy",
        packets={"type": "object"},
        sessions={"type": "object"},
        events=_COUNTS,
        events_overflowed=_COUNT,
        derived_events=_COUNTS,
        policy=_object("generation", generation=_COUNT),
        plugins=_list_of({"type": "object"}),
        interfaces=_list_of({"type": "object"}),
        output=_object(written=_COUNT, lost=_COUNT),
    ),
    "Session": _object(
        "id protocol state originator responder",
        id=_COUNT,
        protocol=_COUNT,
        state=_TEXT,
        tcp_state=_TEXT,
        originator=_ENDPOINT,
        responder=_ENDPOINT,
        start_ns=_COUNT,
        last_ns=_COUNT,
        packets=_DIRECTIONS,
        bytes=_DIRECTIONS,
        tag=_COUNT,
        ingress=_TEXT,
        egress=_TEXT,
        generation=_COUNT,
        rule_id=_COUNT,
        rule={"type": ["string", "null"]},
        blocked=_TRUTH,
        parent_id={"type": ["integer", "null"]},
        verdict=_TEXT,
    ),
    "SessionPage": _object(
        "sessions cursor",
        sessions=_list_of(_named("Session")),
        cursor={"type": ["string", "null"]},
    ),
    "Plugins": _object("plugins", plugins=_list_of({"type": "object"})),
    "PluginFile": _object(path={"type": ["string", "null"]}),
    "PluginReloaded": _object(
        "name version version_before path reloads versions contexts old_contexts",
        name=_TEXT,
        version=_TEXT,
        version_before=_TEXT,
        path=_TEXT,
        reloads=_COUNT,
        versions=_COUNT,
        contexts=_COUNT,
        old_contexts=_COUNT,
    ),
    "Interfaces": _object("interfaces", interfaces=_list_of({"type": "object"})),
    "Policy": _object(
        "generation name applied_at text rules problem",
        generation=_COUNT,
        name=_TEXT,
        applied_at=_TEXT,
        text=_TEXT,
        rules=_list_of(_TEXT),
        problem={"type": ["string", "null"]},
    ),
    "PolicyDocument": _object("text", text=_TEXT, name=_TEXT),
    "PolicyApplied": _object(
        "generation name applied_at", generation=_COUNT, name=_TEXT, applied_at=_TEXT
    ),
    "OpenApi": {"type": "object"},
}


def describe_api(endpoints: Iterable[Endpoint] = ENDPOINTS) -> Schema:
    """The OpenAPI 3.1 document of the endpoints."""
    paths: dict[str, Schema] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _describe(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stellar control",
            "version": stellar.__version__,
            "description": "HTTP over the Unix socket api.sock of the runtime directory.",
        },
        "paths": paths,
        "components": {"schemas": _SCHEMAS},
    }


def _describe(endpoint: Endpoint) -> Schema:
    operation: Schema = {
        "operationId": endpoint.name,
        "summary": endpoint.sentence,
        "responses": {"200": _answer("Done", endpoint.answer)},
    }
    for status in (*endpoint.failures, 403, 503):
        operation["responses"][str(status)] = _answer(_FAILURES[status], "Failure")
    if endpoint.name == "health":
        operation["responses"]["503"] = _answer("Degraded", "Health")
    if endpoint.parameters:
        operation["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.place,
                "required": parameter.place == "path",
                "description": parameter.sentence,
                "schema": {"type": parameter.schema},
            }
            for parameter in endpoint.parameters
        ]
    if endpoint.request:
        content = {"application/json": {"schema": _named(endpoint.request)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer(sentence: str, schema: str) -> Schema:
    content = {"application/json": {"schema": _named(schema)}}
    return {"description": sentence, "content": content}
