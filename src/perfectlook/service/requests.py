"""Read requests: their options and their photo. The photo is never written to disk."""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Iterable
from functools import lru_cache
from math import nan
from typing import Annotated, Any, NamedTuple, TypeVar, cast

import httpx
from fastapi import Request
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    create_model,
    field_validator,
)
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from perfectlook.answers import PhotoSize
from perfectlook.colours import swatches
from perfectlook.recommender import EmbeddedPhoto, Recommender
from perfectlook.service.errors import Refusal, state_of
from perfectlook.service.service import Service
from perfectlook.stores.filters import Filter, parse_filter
from perfectlook.types import Box

Name = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Session = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Url = Annotated[str, StringConstraints(min_length=8, max_length=2_000)]
REPEATABLE = frozenset({"category", "locked"})
PHOTO = "photo"
"""The name of the photo's field in forms, and the name of a photo without a file name."""
MAX_VALUES = 30_000
"""Maximum number of values in the JSON of a request."""
MAX_TEXT = 2**16
"""Maximum bytes of a text in a form."""
_CHARSETS = (b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin-1", b"latin1")
"""The charsets of forms. Python knows others that fail in their own ways, or take seconds to decode."""


def _box(value: object) -> Box | None:
    if value is None or value == "":
        return None
    try:
        left, top, right, bottom = map(float, value.split(",") if isinstance(value, str) else value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        left = top = right = bottom = nan
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(
            f"expected 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got {repr(value)[:80]}"
        )
    return Box(left, top, right, bottom)


_NUMBERS = {"type": "array", "items": {"type": "number"}}
_BOX_SCHEMA = {"title": "Box", "anyOf": [{"type": "string"}, _NUMBERS, {"type": "null"}]}
Part = Annotated[Box | None, BeforeValidator(_box), WithJsonSchema(_BOX_SCHEMA)]


class PhotoOptions(BaseModel):
    """Where the photo is, if it is not in the request itself, and the options that all questions share."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = Field(None, description="http(s) address of the photo, instead of the photo itself")
    sample: Name | None = Field(None, description="name of a sample scene, instead of the photo itself")
    category: list[Name] = Field(
        [], max_length=50, description="whole paths, subtrees or single levels; repeatable"
    )
    k: int = Field(10, ge=1, le=100, description="maximum number of products per category")
    where: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        None, description="filter, such as: price <= 50 EUR and brand in (Acme, Muji)"
    )
    box: Part = Field(None, description="part of the photo to use: left,top,right,bottom from 0 to 1")
    include_unavailable: bool = Field(False, description="also show products that are out of stock")
    session: Session | None = Field(
        None, description="id of the shopper's session, made by the shop; it chooses the arm of an experiment"
    )
    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")] = Field(
        "en", description="language of reasons: en or de; other languages get English"
    )

    @property
    def filter(self) -> Filter | None:
        """The parsed filter. A malformed one raises a UsageError with the column."""
        return parse_filter(self.where) if self.where else None


class CompleteOptions(PhotoOptions):
    """The options of `/v1/complete`."""

    product: Name | None = Field(None, description="id of a product of the catalogue, instead of a photo")
    look: bool = Field(False, description="also compose a whole look")
    weight: float | None = Field(None, ge=0, le=1_000, description="importance of distances between products")
    budget: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        None, description='maximum total price of the look: "500" or "500 EUR"'
    )
    locked: list[Name] = Field(
        [], max_length=12, description='products that keep their slots in the look: "category=product id"'
    )
    alternatives: int = Field(0, ge=0, le=5, description="how many other whole looks to compose")
    attention: bool = Field(False, description="also return the attention over the photo")
    keep_in_scene: bool = Field(False, description="also recommend products that the photo already shows")
    spread: float = Field(0.0, ge=0, le=1, description="preference for products that differ from each other")
    limit_categories: int = Field(
        8, ge=0, le=500, description="without `category`: how many of the likeliest categories; 0 means all"
    )

    @field_validator("locked")
    @classmethod
    def _locked(cls, value: list[str]) -> list[str]:
        for each in value:
            category, separator, id_ = each.partition("=")
            if not separator or not category.strip() or not id_:
                raise ValueError(f"expected CATEGORY=ID, got '{each}'.")
        return value

    @property
    def locked_ids(self) -> dict[str, str]:
        """The ids of the locked products, by category."""
        pairs = (each.partition("=") for each in self.locked)
        return {category: id_ for category, _, id_ in pairs}


class SimilarOptions(PhotoOptions):
    """The options of `/v1/similar`."""

    id: Name | None = Field(None, description="id of a product of the catalogue, instead of a photo")


Options = TypeVar("Options", bound=PhotoOptions)
Result = TypeVar("Result")
Model = TypeVar("Model", bound=BaseModel)


class ReceivedFile(NamedTuple):
    """The bytes of a file, and its name, which is never a path of the server."""

    content: bytes
    name: str


async def read_question(
    request: Request, service: Service, kind: type[Options]
) -> tuple[ReceivedFile | None, Options]:
    """Return the photo of a request, or None without one, and its options.

    The photo is named after its file or its sample, or after the host and path of its URL.

    Raises:
        Refusal: the body has an unsupported type or cannot be read, the photo is given more than once, or the
            sample is unknown.
        ValidationError: an option is wrong.
        FetchError: the URL of the photo cannot be fetched.
    """
    type_ = content_type(request)
    photo: ReceivedFile | None = None
    if type_ == "multipart/form-data":
        texts, files = await read_form(request, service, PHOTO)
        photo = files.get(PHOTO)
        options = kind.model_validate(_gathered([*request.query_params.multi_items(), *texts]))
    elif type_ == "application/json":
        body = await request.body()
        options = await service.parsers.run(lambda: _options(body, kind))
    elif type_.startswith("image/") or type_ == "application/octet-stream":
        options = kind.model_validate(_gathered(request.query_params.multi_items()))
        photo = ReceivedFile(await request.body(), PHOTO)
    else:
        message = "Send a form with the file 'photo', image/*, or JSON with 'url' or 'sample'."
        raise Refusal(415, "unsupported_type", message)
    name = "product" if isinstance(options, CompleteOptions) else "id"
    given = (photo, options.url, options.sample, getattr(options, name, None))
    if given.count(None) < len(given) - 1:
        raise Refusal(400, "bad_request", f"photo, url, sample and {name} exclude each other. Send one.")
    if options.url is not None:
        content = await unless_gone(request, service.fetched(options.url, state_of(request)))
        place = httpx.URL(options.url)
        photo = ReceivedFile(content, place.netloc.decode("ascii") + place.path)  # a query may hold a secret
    elif options.sample is not None:
        photo = ReceivedFile(await service.samples.content(options.sample), options.sample)
    return photo, options


def content_type(request: Request) -> str:
    """Return the media type of a request's body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_json(text: bytes | str) -> Any:
    """Parse JSON; a Refusal (400) if it is malformed."""
    commas = text.count(b"," if isinstance(text, bytes) else ",")  # type: ignore[arg-type]
    if commas > MAX_VALUES:  # parsing would take seconds
        raise Refusal(413, "too_large", f"The JSON has more than {MAX_VALUES:,} values. Send less.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_json", f"The body is malformed JSON ({error}). Send valid JSON.") from error


def _options(text: bytes, kind: type[Options]) -> Options:
    document = read_json(text)
    if not isinstance(document, dict):
        raise Refusal(400, "bad_json", 'The body is no JSON object. Send one, such as {"url": ...}.')
    return kind.model_validate(document)


async def read_body(request: Request, service: Service, kind: type[Model]) -> Model:
    """Read a JSON body and validate it in a thread. Errors name its fields as `body.FIELD`.

    Raises:
        Refusal: the body is malformed JSON (400), or has too many values (413).
        ValidationError: a field is wrong.
    """
    content = await request.body()
    received = await service.parsers.run(lambda: _received(kind).model_validate({"body": read_json(content)}))
    return cast(Model, received.body)  # type: ignore[attr-defined]


@lru_cache
def _received(kind: type[BaseModel]) -> type[BaseModel]:
    return create_model("Received", body=(kind, ...))


async def read_form(
    request: Request, service: Service, file: str, text: int = MAX_TEXT
) -> tuple[list[tuple[str, str]], dict[str, ReceivedFile]]:
    """Return the texts of a form, and its file with the given name.

    The middleware limits the size. `text` is the maximum size of a text.

    Raises:
        Refusal: the form cannot be read (400), or has a file of another name, or text in its place (422).
    """
    _, about = parse_options_header(request.headers.get("content-type"))  # as the parser reads it
    if about.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        raise Refusal(400, "bad_form", "The form has an unknown charset. Send it as UTF-8.")

    class InMemory(MultiPartParser):
        spool_max_size = 2**62  # large files stay in memory too

    received = deque([chunk async for chunk in request.stream()])

    async def chunks() -> AsyncGenerator[bytes, None]:
        while received:
            yield received.popleft()  # so that a photo is not in memory twice

    parser = InMemory(request.headers, chunks(), max_files=1, max_fields=100, max_part_size=text)
    try:  # in a thread, because some forms take seconds
        form = await service.parsers.run(lambda: _without_waiting(parser.parse()))
    except (MultiPartException, ValueError, LookupError) as error:
        reason = error.message if isinstance(error, MultiPartException) else "It is malformed."
        raise Refusal(400, "bad_form", f"The form cannot be read. {reason}") from error
    texts, files = [], {}
    try:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile) and name == file:
                message = f"{name}: is text, not a file. Send the file; with curl, write -F {name}=@FILE."
                raise Refusal(422, "invalid", message)
            if not isinstance(value, UploadFile):
                texts.append((name, value))
            elif name == file:
                called = re.split(r"[/\\]", value.filename or "")[-1][:500]  # some clients send a whole path
                files[name] = ReceivedFile(await value.read(), called or file)
            else:
                raise Refusal(422, "invalid", f"{name}: unexpected file. Name the file '{file}'.")
    finally:
        await form.close()
        for each in parser._files_to_close_on_error:  # also the file of a form without an end
            each.close()
    return texts, files


def _without_waiting(work: Coroutine[Any, Any, FormData]) -> FormData:
    """Return the result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast(FormData, end.value)
    raise AssertionError("the parser waited")


def _gathered(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Collect the fields of a form or query: repeatable fields as lists, the last value of other fields."""
    found: dict[str, Any] = {}
    for name, value in items:
        if name in REPEATABLE:
            found.setdefault(name, []).append(value)
        elif value != "":
            found[name] = value
    return found


class Stopwatch:
    """Measures stages in milliseconds. Each stage begins where the previous one ended."""

    def __init__(self) -> None:
        """Begin the first stage."""
        self._began = self._last = time.perf_counter()
        self.timings: dict[str, float] = {}

    def stage(self, name: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self.timings[name] = round(1000 * (now - self._last), 3)
        self._last = now

    def end(self, name: str) -> dict[str, float]:
        """End the last stage, and return the times of all stages and the total."""
        self.stage(name)
        self.timings["total"] = round(1000 * (self._last - self._began), 3)
        return self.timings


def embed_photo(
    service: Service, recommender: Recommender, photo: ReceivedFile, box: Box | None, watch: Stopwatch
) -> tuple[EmbeddedPhoto, PhotoSize]:
    """Decode a photo, or the part of it in a box, and embed it with the backbone and the model.

    Returns:
        The embedded photo, and the size of the whole photo after rotation by EXIF.

    Raises:
        PictureError: the photo cannot be read.
        Refusal: the box has too few pixels (422).
    """
    backbone = recommender.backbone
    decoded = service.decoder.decode(photo.content, box=box, fit=backbone.description.input_size)
    width, height = decoded.width, decoded.height
    pixels = backbone.prepare(decoded.picture)[None]
    watch.stage("decode")
    features = backbone.extract(pixels)
    watch.stage("features")
    scene = recommender.model.embed_scene(features)
    embedded = EmbeddedPhoto(photo.name, features, scene, colours=swatches(decoded.picture))
    watch.stage("embed")
    return embedded, PhotoSize(width=width, height=height)


async def unless_gone(request: Request, work: Awaitable[Result]) -> Result:
    """Await work, or cancel it if the client leaves. Work that waits for a thread then gives up its place.

    Raises:
        ClientDisconnect: the client has left.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def described_body(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI description of a JSON body, in one piece: OpenAPI has no `$defs`."""
    schema = kind.model_json_schema()
    known = schema.pop("$defs", {})
    for each in schema["properties"].values():
        if reference := each.get("items", {}).get("$ref"):
            each["items"] = known[reference.split("/")[-1]]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def described_question(options: type[BaseModel], **example: object) -> dict[str, Any]:
    """Return the OpenAPI description of a request with a photo: a form, the photo itself, or JSON."""
    schema = options.model_json_schema()
    fields: dict[str, Any] = schema["properties"]
    photo = {"type": "string", "format": "binary", "description": "the photo"}
    query = [
        {"name": name, "in": "query", "required": False, "schema": about, "description": about["description"]}
        for name, about in fields.items()
        if name not in ("url", "sample", "id", "product")
    ]
    content = {
        "multipart/form-data": {"schema": {"type": "object", "properties": {PHOTO: photo, **fields}}},
        **{kind: {"schema": photo} for kind in ("image/jpeg", "image/png", "image/webp")},
        "application/json": {
            "schema": schema,
            "example": {"url": "https://shop.example/room.jpg", "k": 5, **example},
        },
    }
    return {"parameters": query, "requestBody": {"required": True, "content": content}}
