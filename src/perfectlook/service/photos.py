"""Gets the photo of a request, however it is given, without ever writing it anywhere."""

import json
from typing import Any, TypeVar

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from perfectlook.service.options import PhotoOptions, gathered
from perfectlook.service.refusal import Refusal
from perfectlook.service.service import Service

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
