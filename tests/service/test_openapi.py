"""The OpenAPI description is complete, and the API follows it: schemathesis makes the calls."""

from contextlib import suppress
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import TypeAdapter
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

import perfectlook.answers
from perfectlook import server_answers
from perfectlook.service.errors import _OPENAPI
from serving import Running

CALLS = {
    ("/v1/complete", "post"),
    ("/v1/similar", "post"),
    ("/v1/products", "get"),
    ("/v1/products/{id}", "get"),
    ("/v1/products/{id}", "put"),
    ("/v1/products/{id}", "delete"),
    ("/v1/products/{id}", "patch"),
    ("/v1/products", "patch"),
    ("/v1/products/{id}/picture", "get"),
    ("/v1/categories", "get"),
    ("/v1/facets", "get"),
    ("/v1/samples", "get"),
    ("/v1/samples/{name}/picture", "get"),
    ("/v1/feedback", "post"),
    ("/v1/stats", "get"),
    ("/health", "get"),
    ("/ready", "get"),
    ("/metrics", "get"),
}


def test_the_examples_are_answers():
    for name, example in _OPENAPI["answers"].items():
        answers = list[server_answers.Sample] if name == "list" else vars(perfectlook.answers).get(name)
        kind = TypeAdapter(answers or getattr(server_answers, name))
        assert kind.dump_python(kind.validate_python(example), mode="json") == example


def test_every_call_and_every_answer_field_has_a_description_and_an_example(shop: Running):
    document = shop.client.get("/v1/openapi.json").json()
    paths = document["paths"]
    assert {(path, method) for path, calls in paths.items() for method in calls} == CALLS
    for path, calls in paths.items():
        for method, call in calls.items():
            assert call["summary"], path
            for status, answer in call["responses"].items():
                for type_, content in answer["content"].items():
                    assert is_whole(content["schema"]), (path, status)
                    if status.startswith("2") and type_ == "application/json":
                        assert is_valid(content["example"], content["schema"], document), (path, method)
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, about in schema["properties"].items():
            assert is_whole(about) or (name, field) == ("ErrorDetail", "details"), (name, field)


def is_valid(example: object, schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether an example matches its schema."""
    return jsonschema_rs.is_valid({**schema, "components": document["components"]}, example)


def is_whole(schema: dict[str, Any]) -> bool:
    """Whether a schema describes its content, down to references and plain types."""
    if "anyOf" in schema:
        return all(map(is_whole, schema["anyOf"]))
    if schema.get("type") == "array":
        return is_whole(schema["items"])
    if schema.get("type") == "object":
        return is_whole(schema["additionalProperties"])
    return "$ref" in schema or "type" in schema or "const" in schema


def ask_everything(shop: Running, examples: int) -> None:
    """Make calls that the description allows, and calls that it does not."""
    schema = schemathesis.openapi.from_url(f"{shop.url}/v1/openapi.json")
    headers = {"Authorization": str(shop.keyed.headers["authorization"])}
    for found in schema.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            answered(found.ok(), mode, headers, examples)
    assert shop.client.get("/ready").status_code == 200


def answered(
    operation: schemathesis.APIOperation, mode: GenerationMode, headers: dict[str, str], examples: int
) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(headers=headers)
        said = f"{case.as_curl_command()}: {answer.status_code} {answer.text[:300]}"
        # 502: an unreachable URL; 503: a full queue
        assert answer.status_code < 500 or answer.status_code in (502, 503), said
        if answer.status_code == 503:
            assert answer.json()["error"]["code"] == "busy", said
            assert int(answer.headers["retry-after"][0]) > 0
        known = operation.definition.raw["responses"]
        assert str(answer.status_code) in known or answer.status_code in (404, 405), said
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) >= {"code", "message", "request_id"}, said
        case.validate_response(answer, checks=[response_schema_conformance, content_type_conformance])

    with suppress(Unsatisfiable):  # this call cannot be made invalid
        ask()


def test_the_api_follows_its_description(own_shop: Running):
    ask_everything(own_shop, 3)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # schemathesis' own
def test_the_api_follows_its_description_long(own_shop: Running):
    ask_everything(own_shop, 200)
