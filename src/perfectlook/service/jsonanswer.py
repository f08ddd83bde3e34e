"""Answers as compact JSON."""

import json

from fastapi import Response
from pydantic_core import PydanticSerializationError, to_json


def json_answer(document: object, status: int = 200) -> Response:
    """Return a document as an answer."""
    return Response(_encoded(document), status, media_type="application/json")


def _encoded(document: object) -> bytes:
    try:
        return to_json(document, inf_nan_mode="null")
    except PydanticSerializationError:  # half of a surrogate pair, as a broken feed may hold
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8", "replace")
