"""The page of HTTP calls, from the OpenAPI document of the service."""

import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from documentation.tables import code, table
from perfectlook import __version__
from perfectlook.service.app import ROUTES

HEAD = """# Every HTTP call

Every call of the HTTP API, as a running service describes it at `/v1/openapi.json`. Start with
[Call the HTTP API](../how-to/api.md). The body of every failure is
`{"error": {"code", "message", "request_id"}}`.

"""
TYPES = """## Types

The types in answers. A field without a value is `null`, or is left out if its description says so.

"""
METHODS = ("get", "post", "put", "patch", "delete")


def calls_page() -> str:
    """Every call with its parameters, body, answer and failures, and then the types of the answers."""
    app = FastAPI(title="Perfect the Look", version=__version__)
    for router in ROUTES:
        app.include_router(router)
    document = app.openapi()
    calls = [
        (method.upper(), path, described[method])
        for path, described in document["paths"].items()
        for method in METHODS
        if method in described
    ]
    listed = table(
        ("call", "purpose"),
        ((f"[`{m} {p}`](#{_anchor(f'{m} {p}')})", call["summary"]) for m, p, call in calls),
    )
    types = "\n".join(_described(*each) for each in document["components"]["schemas"].items())
    return HEAD + listed + "\n" + "\n".join(_section(*each) for each in calls) + "\n" + TYPES + types


def _described(name: str, schema: Mapping[str, Any]) -> str:
    rows = [
        (code(field), _type(about), about.get("description", ""))
        for field, about in schema["properties"].items()
    ]
    return f"### {name}\n\n{schema['description']}\n\n{table(('field', 'type', 'meaning'), rows)}"


def _section(method: str, path: str, call: Mapping[str, Any]) -> str:
    parts = [f"## {method} {path}\n", f"{call.get('description') or call['summary']}\n"]
    if call.get("security"):
        parts.append("Requires an API key: `Authorization: Bearer KEY`.\n")
    if parameters := call.get("parameters"):
        rows = [
            (code(each["name"]), each["in"], _type(each.get("schema", {})), each.get("description", ""))
            for each in parameters
        ]
        parts.append(table(("parameter", "in", "type", "meaning"), rows))
    if body := call.get("requestBody"):
        kinds = ", ".join(code(kind) for kind in body["content"])
        parts.append(f"Body: {kinds}.\n")
    for status, answer in sorted(call["responses"].items()):
        for kind, content in answer.get("content", {}).items():
            if status.startswith("2"):
                parts.append(f"Answer {status}, {code(kind)}: {_type(content['schema'])}\n")
    statuses = [(status, each["description"]) for status, each in sorted(call["responses"].items())]
    parts.append(table(("status", "meaning"), statuses))
    return "\n".join(parts)


def _type(schema: Mapping[str, Any]) -> str:
    said = " or ".join(filter(None, map(_kind, schema.get("anyOf", [schema]))))
    bounds = [
        f"{name} {schema[key]}" for key, name in (("minimum", "from"), ("maximum", "to")) if key in schema
    ]
    default = schema.get("default")
    shown = f"; default {json.dumps(default)}" if default not in (None, [], {}) else ""
    return " ".join([said, *bounds]) + shown


def _kind(schema: Mapping[str, Any]) -> str:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    if schema.get("type") == "array":
        return f"array of {_kind(schema['items'])}" if schema.get("items") else "array"
    if "enum" in schema or "const" in schema:
        return " or ".join(code(each) for each in schema.get("enum", [schema.get("const")]))
    return str(schema.get("type", ""))


def _anchor(title: str) -> str:
    """The anchor of a heading on the site."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-")
