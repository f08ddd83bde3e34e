"""Answers as compact JSON."""

import json

from fastapi import Response


def json_answer(document: object, status: int = 200) -> Response:
    """Return a document as an answer."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(body.encode("utf-8", "replace"), status, media_type="application/json")
