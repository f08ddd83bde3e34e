"""The page of every HTTP call, from the OpenAPI that the service itself publishes."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI

from documentation.tables import code, table
from perfectlook import __version__
from perfectlook.service.app import ROUTES

HEAD = """# Every HTTP call

Made from the OpenAPI of this version, which a running service gives at `/v1/openapi.json`. To begin, read
[the HTTP API](../api.md). Every failure is `{"error": {"code", "message", "request_id"}}`.

"""
METHODS = ("get", "post", "put", "delete")


def described_calls() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and OpenAPI description of every call."""
    app = FastAPI(title="Perfect the Look", version=__version__)
    for router in ROUTES:
        app.include_router(router)
    for path, calls in app.openapi()["paths"].items():
        for method in METHODS:
            if method in calls:
                yield method.upper(), path, calls[method]


def calls_page() -> str:
    """Every call with its parameters, its body, its answer and its failures."""
    calls = list(described_calls())
    listed = table(
        ("call", "what for"),
        ((f"[`{m} {p}`](#{_anchor(f'{m} {p}')})", call["summary"]) for m, p, call in calls),
    )
    return HEAD + listed + "\n" + "\n".join(_section(*each) for each in calls)


def _section(method: str, path: str, call: Mapping[str, Any]) -> str:
    parts = [f"## {method} {path}\n", f"{call.get('description') or call['summary']}\n"]
    if call.get("security"):
        parts.append("Needs a key: `Authorization: Bearer KEY`.\n")
    if parameters := call.get("parameters"):
        rows = [
            (code(each["name"]), each["in"], _type(each.get("schema", {})), each.get("description", ""))
            for each in parameters
        ]
        parts.append(table(("parameter", "in", "is", "meaning"), rows))
    if body := call.get("requestBody"):
        kinds = ", ".join(code(kind) for kind in body["content"])
        parts.append(f"Body: {kinds}.\n")
    for status, answer in sorted(call["responses"].items()):
        for kind, content in answer.get("content", {}).items():
            if status.startswith("2") and (example := content.get("example")) is not None:
                shown = json.dumps(example, indent=2, ensure_ascii=False)
                parts.append(f"Answer {status}, {code(kind)}:\n\n```json\n{shown}\n```\n")
    statuses = [(status, each["description"]) for status, each in sorted(call["responses"].items())]
    parts.append(table(("status", "when"), statuses))
    return "\n".join(parts)


def _type(schema: Mapping[str, Any]) -> str:
    kinds = [each.get("type", "") for each in schema.get("anyOf", [schema])]
    said = " or ".join(each for each in kinds if each and each != "null")
    bounds = [
        f"{name} {schema[key]}" for key, name in (("minimum", "from"), ("maximum", "to")) if key in schema
    ]
    default = schema.get("default")
    shown = f"; default {json.dumps(default)}" if default not in (None, []) else ""
    return " ".join([said, *bounds]) + shown


def _anchor(title: str) -> str:
    """As Markdown's table of contents makes it."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-")
