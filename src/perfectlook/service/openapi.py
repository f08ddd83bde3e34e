"""What OpenAPI says of requests and answers that are more than one JSON schema each."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "request_id": {"type": "string"},
            },
        }
    },
}
_SAID = {
    400: "Wrong use: the message says what.",
    401: "The API key is missing or wrong.",
    404: "There is no such thing.",
    408: "The request took too long to arrive.",
    409: "It contradicts what is there.",
    413: "Too large.",
    415: "Not a picture, or a body of a type that is not taken.",
    422: "An option is wrong: `details` says which.",
    429: "Too many requests: `Retry-After` says how many seconds to wait.",
    502: "A URL could not be fetched.",
    503: "Too busy, or the catalogue cannot be used: `Retry-After` says how many seconds to wait.",
    507: "It could not be stored.",
}

PRODUCT = {
    "id": "b6a5",
    "rank": 1,
    "distance": 0.81,
    "distance_global": 0.42,
    "distance_local": 0.39,
    "title": "Oak chair",
    "picture": "/v1/products/b6a5/picture",
    "price": "49.90 EUR",
    "sale_price": None,
    "availability": "in_stock",
    "brand": "Acme",
    "link": "https://shop.example/oak-chair",
    "item_group_id": None,
    "rules": [],
    "why": {"whole": 0.64, "regions": 0.36},
}
COMPLETED = {
    "request_id": "9f1c2ab47d60e5b83a91f0c2",
    "model": "default",
    "photo": "photo",
    "photo_size": {"width": 1024, "height": 768},
    "timings": {"decode": 3.1, "features": 21.7, "embed": 0.4, "search": 3.2, "total": 28.5},
    "categories": [
        {
            "category": "Furniture|Chairs",
            "suggested": 0.41,
            "resolved": {"category": "Furniture|Chairs", "how": "exact"},
            "proven_exact": True,
            "products": [PRODUCT],
        }
    ],
    "look": None,
    "unused_rules": [],
    "notes": [],
}
ALIKE = {
    name: value for name, value in PRODUCT.items() if name not in ("distance_global", "distance_local", "why")
}
SIMILAR = {
    "request_id": "9f1c2ab47d60e5b83a91f0c2",
    "model": "default",
    "timings": {"decode": 3.1, "features": 21.7, "embed": 0.4, "search": 1.2, "total": 26.5},
    "products": [{"category": "Furniture|Chairs", **ALIKE}],
    "categories": [{"category": "Furniture|Chairs", "proven_exact": True, "products": [ALIKE]}],
    "notes": [],
}


def answers(example: object, *errors: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint: an example of the good one, and the errors it may give."""
    good: dict[int | str, dict[str, Any]] = {}
    good[status] = {
        "description": "Done.",
        "content": {"application/json": {"schema": _schema_of(example), "example": example}},
    }
    for code in (*errors, 400, 408, 429, 413, 500, 503):
        good[code] = {
            "description": _SAID.get(code, "Something went wrong here."),
            "content": {"application/json": {"schema": _ERROR}},
        }
    return good


def photo_body(options: type[BaseModel], name: str) -> dict[str, Any]:
    """Return what OpenAPI says of a request with a photo: a form, the photo itself, or JSON."""
    schema = options.model_json_schema()
    fields: Mapping[str, Any] = schema["properties"]
    form = {
        "type": "object",
        "properties": {
            "photo": {"type": "string", "format": "binary", "description": "the photo"},
            **fields,
        },
    }
    example: dict[str, Any] = {"url": "https://shop.example/room.jpg", "k": 5}
    if name == "complete":
        example |= {"category": ["Furniture|Chairs"], "where": "price <= 200 EUR"}
    picture = {"schema": {"type": "string", "format": "binary"}}
    query = [
        {
            "name": field,
            "in": "query",
            "required": False,
            "schema": said,
            "description": said.get("description", ""),
        }
        for field, said in fields.items()
        if field not in ("url", "sample", "id")
    ]
    return {
        "parameters": query,
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "image/jpeg": picture,
                "image/png": picture,
                "image/webp": picture,
                "application/json": {"schema": schema, "example": example},
            },
        },
    }


def _schema_of(example: object) -> dict[str, Any]:
    """A schema that an example and everything like it matches: names at the top, and their types."""
    if isinstance(example, list):
        return {"type": "array"}
    if not isinstance(example, dict):
        return {}
    return {"type": "object", "required": list(example), "properties": {name: {} for name in example}}


def picture_answers() -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint that gives a picture."""
    picture = {"schema": {"type": "string", "format": "binary"}}
    said = answers({}, 404, 422)
    said[200] = {
        "description": "The picture.",
        "content": dict.fromkeys(("image/jpeg", "image/png", "image/webp"), picture),
    }
    return said
