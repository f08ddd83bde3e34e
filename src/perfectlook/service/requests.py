"""Gets the photo of a request, however it is given, without ever writing it anywhere."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from perfectlook.images import PictureLimits, open_picture, upright_size
from perfectlook.recommender import EmbeddedPhoto, Recommender
from perfectlook.service.errors import Refusal
from perfectlook.service.service import Service
from perfectlook.stores.filters import Filter, parse_filter
from perfectlook.types import Box, Rectangle

Name = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Url = Annotated[str, StringConstraints(min_length=8, max_length=2_000)]
MANY = frozenset({"category", "locked"})
"""Options that may be given several times."""


class PhotoOptions(BaseModel):
    """Where the photo is, when it is not in the request itself, and what both questions have in common."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = Field(None, description="an http(s) address of the photo, instead of the photo")
    sample: Name | None = Field(None, description="the name of a sample scene, instead of the photo")
    category: list[Name] = Field(
        [], max_length=50, description="whole paths, subtrees or single levels; may be repeated"
    )
    k: int = Field(10, ge=1, le=100, description="products of a category, at most")
    where: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        None, description="a filter, such as: price <= 50 EUR and brand in (Acme, Muji)"
    )
    box: str | list[float] | None = Field(
        None, description="the part of the photo to look at: left,top,right,bottom from 0 to 1"
    )
    include_unavailable: bool = Field(False, description="also products that are out of stock")

    @field_validator("box")
    @classmethod
    def _box(cls, value: str | list[float] | None) -> list[float] | None:
        if value is None or value == "":
            return None
        try:
            edges = [float(part) for part in (value.split(",") if isinstance(value, str) else value)]
        except ValueError:
            raise ValueError("write left,top,right,bottom as numbers from 0 to 1") from None
        if len(edges) != 4 or not all(0 <= edge <= 1 for edge in edges):
            raise ValueError("write left,top,right,bottom as numbers from 0 to 1")
        if not (edges[0] < edges[2] and edges[1] < edges[3]):
            raise ValueError("left has to be less than right, and top less than bottom")
        return edges

    @property
    def part(self) -> Box | None:
        """The box."""
        return None if self.box is None else Box(*self.box)


class CompleteOptions(PhotoOptions):
    """What `/v1/complete` may be asked for."""

    look: bool = Field(False, description="compose a whole look as well")
    weight: float | None = Field(None, ge=0, le=1_000, description="how much a look's products go together")
    budget: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        None, description='what a look may cost: "500" or "500 EUR"'
    )
    locked: list[Name] = Field(
        [], max_length=12, description='products that keep their slot of the look: "category=product id"'
    )
    attention: bool = Field(False, description="also say where in the photo the model looked")
    spread: float = Field(0.0, ge=0, le=1, description="how much products should differ from each other")
    limit_categories: int = Field(
        8, ge=0, le=500, description="where no category is named: so many of the likeliest; 0 is all"
    )

    @field_validator("locked")
    @classmethod
    def _locked(cls, value: list[str]) -> list[str]:
        for each in value:
            category, separator, id_ = each.partition("=")
            if not separator or not category.strip() or not id_:
                raise ValueError("write category=product id")
        return value

    @property
    def locked_ids(self) -> dict[str, str]:
        """Products by category."""
        pairs = (each.partition("=") for each in self.locked)
        return {category: id_ for category, _, id_ in pairs}


class SimilarOptions(PhotoOptions):
    """What `/v1/similar` may be asked for."""

    id: Name | None = Field(None, description="a product of the catalogue, instead of a photo")


def filter_of(options: PhotoOptions) -> Filter | None:
    """Parse the filter of a request; UsageError, with the column, where it is none."""
    return None if not options.where else parse_filter(options.where, "where")


def gathered(items: Iterable[tuple[str, Any]]) -> dict[str, object]:
    """Gather the fields of a form or a query: those that may be repeated as lists, of others the last."""
    found: dict[str, Any] = {}
    for name, value in items:
        if name in MANY:
            found.setdefault(name, []).append(value)
        elif value != "":
            found[name] = value
    return found


NAME = "photo"


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds by stage; `stage` ends one, which began where the last one ended."""

    timings: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)
    last: float = field(default_factory=time.perf_counter)

    def stage(self, name: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self.timings[name] = round(1000 * (now - self.last), 3)
        self.last = now

    def end(self) -> dict[str, float]:
        """Return all stages and the total."""
        return {**self.timings, "total": round(1000 * (time.perf_counter() - self.began), 3)}


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A photo as it was seen, and its size: width and height of the upright picture in pixels."""

    seen: EmbeddedPhoto
    width: int
    height: int


def see(
    recommender: Recommender, content: bytes, box: Box | None, limits: PictureLimits, watch: Stopwatch
) -> Sight:
    """Decode a photo, or the part of it in a box, and pass it through backbone and model.

    Raises:
        PictureError: it cannot be read.
        Refusal: the box holds no pixel (422).
    """
    watch.last = time.perf_counter()
    backbone = recommender.backbone
    width, height = upright_size(content, limits=limits)
    crop = None if box is None else _pixels(box, width, height)
    picture = open_picture(content, crop=crop, fit=backbone.description.input_size, limits=limits)
    pixels = backbone.prepare(picture)[None]
    watch.stage("decode")
    features = backbone.extract(pixels)
    watch.stage("features")
    scene = recommender.model.embed_scene(features)
    watch.stage("embed")
    return Sight(EmbeddedPhoto(NAME, features, scene), width, height)


def _pixels(box: Box, width: int, height: int) -> Rectangle:
    found = Rectangle(
        int(box.left * width), int(box.top * height), round(box.right * width), round(box.bottom * height)
    )
    if found.right - found.left < 8 or found.bottom - found.top < 8:
        raise Refusal(422, "invalid", "box: it holds less than 8 by 8 pixels of the photo; draw a larger one")
    return found


Options = TypeVar("Options", bound=PhotoOptions)


class _InMemory(MultiPartParser):
    """Starlette's parser, whose files stay in memory however large they are."""

    spool_max_size = 2**62


async def parsed_form(request: Request) -> FormData:
    """Read a multipart form into memory; how much may come, `Envelope` bounds.

    Raises:
        Refusal: it is no such form (400).
    """
    try:
        return await _InMemory(request.headers, request.stream(), max_files=1, max_fields=200).parse()
    except MultiPartException as error:
        raise Refusal(400, "bad_form", f"the form cannot be read: {error.message}") from error


async def asked(request: Request, service: Service, kind: type[Options]) -> tuple[bytes | None, Options]:
    """Return the bytes of the photo (None where there is none) and the options of a request.

    Raises:
        Refusal: it is of another type, cannot be read, or gives the photo twice or an unknown sample.
        ValidationError: an option is wrong.
        FetchError: the photo lies at a URL that cannot be fetched.
    """
    type_ = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content: bytes | None = None
    if type_ == "multipart/form-data":
        async with _closing(await parsed_form(request)) as form:
            items = []
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    items.append((name, value))
                elif name == "photo":
                    content = await value.read()
                else:
                    raise Refusal(422, "invalid", f"{name}: no such file; name the file 'photo'")
        options = kind.model_validate(gathered([*request.query_params.multi_items(), *items]))
    elif type_ == "application/json":
        options = kind.model_validate(_object(await request.body()))
    elif type_.startswith("image/") or type_ == "application/octet-stream":
        options = kind.model_validate(gathered(request.query_params.multi_items()))
        content = await request.body()
    else:
        raise Refusal(
            415,
            "unsupported_type",
            "send multipart/form-data with the file 'photo', the photo itself as image/*, or JSON with 'url' "
            "or 'sample'",
        )
    return await _the_one(content, options, service), options


async def _the_one(content: bytes | None, options: PhotoOptions, service: Service) -> bytes | None:
    given = [
        each is not None for each in (content, options.url, options.sample, getattr(options, "id", None))
    ]
    if sum(given) > 1:
        raise Refusal(
            400, "bad_request", "the photo is given more than once; give a photo, a url or a sample"
        )
    if options.url is not None:
        return await service.fetched(options.url)
    if options.sample is not None:
        return await service.samples.content(options.sample)
    return content


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_json", "the body is not JSON") from error
    if not isinstance(document, dict):
        raise Refusal(400, "bad_json", "the body is not a JSON object")
    return document


class _closing:  # noqa: N801  # as contextlib's
    """Closes a form's files."""

    def __init__(self, form: FormData) -> None:
        self._form = form

    async def __aenter__(self) -> FormData:
        return self._form

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()
