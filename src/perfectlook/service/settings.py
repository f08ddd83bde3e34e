"""The settings of a server, from flags, environment variables (`PERFECTLOOK_PORT`) and a TOML file."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, Strict, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from perfectlook.errors import UsageError
from perfectlook.files import read_toml
from perfectlook.service.appearance import check_accent, check_locale

PREFIX = "PERFECTLOOK_"
_ORIGIN = re.compile(r"'?self'?|https?://(?:\*\.)?[\w.-]+(?::\d+)?")


def _setting(default: object, about: str, *, ge: float | None = None, le: float | None = None) -> Any:
    return Field(default, description=about, ge=ge, le=le)


def _listed(value: object) -> object:
    """Split the text of an environment variable at its commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], NoDecode, Strict(False), BeforeValidator(_listed)]


class Settings(BaseSettings):
    """All settings. Each is one line here: its flag, variable and TOML key have the same name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, strict=True)

    model: str = _setting("", "folder of a trained model")
    catalogue: str = _setting("", "folder or URL of a catalogue that is synced with the model")
    follow_model: str = _setting(
        "", "folder of a model, or of models: when the catalogue switches to one of them, so does the server"
    )
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "port to listen on; 0 takes a free one", ge=0, le=65_535)
    keys: str = _setting("", "file of API keys; without it, products cannot be changed")
    keyed_reading: bool = _setting(False, "require an API key for reading too")
    samples: str = _setting("", "folder of sample scenes, which requests and the page can name")
    locale: Annotated[str, AfterValidator(check_locale)] = _setting(
        "en", "language of the page, or a .js file with your texts"
    )
    name: str = _setting("", "name of the shop, as the title of the page")
    accent: Annotated[str, AfterValidator(check_accent)] = _setting(
        "", "colour of the page's buttons and marks, such as #0b6e4f"
    )
    feedback_max: int = _setting(
        256 * 2**20, "maximum size of the file for feedback in bytes; above it, feedback is refused", ge=2**16
    )
    feedback: str = _setting("", "file for feedback (default: next to the catalogue)")
    approximate: int = _setting(
        0, "use an approximate index for categories with more products than this (extra ann); 0: never", ge=0
    )
    rules: str = _setting("", "TOML file with the shop's rules, which pin, boost, bury or exclude products")
    slots: str = _setting("", "TOML file that says which slots of a look exclude each other, and quantities")
    experiment: str = _setting("", "TOML file of an experiment, which splits sessions between two arms")
    allow_origin: Texts = _setting((), "origin of another site whose pages may call the API; repeatable")
    frame_ancestors: Texts = _setting(
        (), "origin of a site whose pages may show the page in a frame, or 'self'; repeatable"
    )
    widgets: str = _setting(
        "", "folder that keeps the element's files, so that their fixed addresses outlive upgrades"
    )
    photo_hosts: Texts = _setting(
        (), "host that photos by address may come from, for callers without a server's key; repeatable"
    )
    trusted_proxies: str = _setting("", "addresses of proxies whose X-Forwarded-For is trusted, with commas")
    workers: int = _setting(0, "threads that run the model (0: one per processor)", ge=0)
    queue: int = _setting(16, "requests that may wait per worker; further ones are answered with 503", ge=0)
    queue_seconds: float = _setting(
        0.3, "maximum expected wait in seconds; above it, requests are answered with 503", ge=0
    )
    rate: float = _setting(20.0, "requests a second for each key and each address; 0: no limit", ge=0)
    burst: int = _setting(100, "requests that may exceed the rate for a moment", ge=1)
    max_upload: int = _setting(20 * 2**20, "maximum size of a photo in bytes", ge=1)
    body_memory: int = _setting(
        192 * 2**20, "maximum size of all request bodies in memory, in bytes; further ones get 503", ge=2**20
    )
    connections: int = _setting(
        2_048, "connections that may be open; beyond it, the address with the most loses an idle one", ge=1
    )
    connections_each: int = _setting(
        1_024, "connections from one address; without effect behind --trusted-proxies", ge=1
    )
    max_megapixels: float = _setting(40.0, "maximum size of a decoded photo in megapixels", ge=0.01)
    max_megapixels_jpeg: float = _setting(
        120.0, "maximum size of a JPEG in megapixels, if it can be scaled while it is decoded", ge=0.01
    )
    max_megapixels_heic: float = _setting(60.0, "maximum size of a HEIC in megapixels", ge=0.01)
    decode_seconds: float = _setting(3.0, "seconds after which decoding a photo is ended", ge=0.1)
    decode_memory: int = _setting(256, "maximum memory to decode a photo, in megabytes (Linux)", ge=16)
    read_seconds: float = _setting(20.0, "seconds that a client has to send a request", ge=0.1)
    grace_seconds: float = _setting(30.0, "seconds that a stopping server waits for accepted requests", ge=0)
    allow_private: bool = _setting(False, "fetch photos from private addresses too")

    @field_validator("frame_ancestors")
    @classmethod
    def _ancestors(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Take only origins: the texts become a part of a header."""
        for each in value:
            if not _ORIGIN.fullmatch(each):
                raise ValueError("expected an origin such as https://shop.example, or self")
        return tuple("'self'" if each.strip("'") == "self" else each for each in value)

    @field_validator("photo_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(re.search(r"[/:*\s]", each) for each in value):
            raise ValueError("expected a host name such as pictures.shop.example")
        return tuple(each.lower() for each in value)

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, *_: object, init_settings: PydanticBaseSettingsSource, **__: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use arguments only: `of` combines the sources and names the wrong one in its error."""
        return (init_settings,)

    @classmethod
    def of(cls, flags: Mapping[str, object], file: str | None = None) -> Self:
        """Combine flags (None: not given), the environment and a TOML file. Earlier sources win.

        Raises:
            UsageError: the file cannot be read, a key is unknown, a value is wrong, or the model or the
                catalogue is missing, or keyed reading has no file of keys.
        """
        in_file = _read(cls, file) if file else {}
        in_environment = EnvSettingsSource(cls)()
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            found = cls(**{**in_file, **in_environment, **given})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            places = (
                (flag_of(name), given),
                (PREFIX + name.upper(), in_environment),
                (f"{file}: {name}", in_file),
            )
            place, value = next((place, values[name]) for place, values in places if name in values)
            raise UsageError(f"{place} {value!r}: {reason_of(first)}") from error
        for name in ("model", "catalogue"):
            if not getattr(found, name):
                raise UsageError(
                    f"no {name} is set. Add --{name}, set {PREFIX}{name.upper()}, or add it to --config."
                )
        if found.keyed_reading and not found.keys:
            raise UsageError("--keyed-reading requires --keys. Add --keys, or leave out --keyed-reading.")
        if found.experiment and found.follow_model:
            raise UsageError("--experiment and --follow-model exclude each other. Leave one out.")
        return found

    def as_toml(self) -> str:
        """Return the settings as a TOML file, without secrets."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self)


_REASONS = {
    "missing": "missing. Add it.",
    "extra": "unknown option. Leave it out.",
    "json": "malformed JSON. Send valid JSON.",
    "int": "must be a whole number.",
    "float": "must be a number.",
    "bool": "must be true or false.",
    "model": "must be an object.",
    "greater": "must be at least {ge}.",
    "less": "must be at most {le}.",
}
"""Reasons by the first word of pydantic's type of error."""


def reason_of(error: Mapping[str, Any]) -> str:
    """Return the reason of an error of pydantic in the form of other errors: "must be at least 1."."""
    if error.get("ctx", {}).get("ge") == 0:
        return "must be 0 or more."
    if known := _REASONS.get(error["type"].split("_")[0]):
        return known.format(**error.get("ctx", {}))
    reason = re.sub(r"^\w+ should ", "must ", error["msg"].removeprefix("Value error, ").removesuffix("."))
    reason = reason.replace(" after validation", "")
    reason = reason if len(reason) <= 300 else f"{reason[:299]}…"  # it may repeat what was sent
    return f"{reason[:1].lower()}{reason[1:]}."


def flag_of(name: str) -> str:
    """Return the flag of a setting."""
    return "--" + name.replace("_", "-")


def _read(settings: type[Settings], file: str) -> dict[str, Any]:
    values = read_toml(file)
    if unknown := next((name for name in values if name not in settings.model_fields), None):
        raise UsageError(
            f"{file}: unknown key '{unknown}'. Choose one of: {', '.join(settings.model_fields)}."
        )
    return values


def _toml(value: object) -> str:
    """Return a value as TOML, with the passwords and keys of URLs masked."""
    if isinstance(value, float):
        return str(value)
    if isinstance(value, str) and "://" in value:
        value = re.sub(r"://[^/@]*@", "://***@", value)
        value = re.sub(r"([?&][^=&]*(?:key|token|password|secret)[^=&]*=)[^&]*", r"\1***", value, flags=re.I)
    return json.dumps(value, ensure_ascii=False)
