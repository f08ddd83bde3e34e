"""The settings of a server: from flags, else the environment (`PERFECTLOOK_PORT`), else one TOML file."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, Strict, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from perfectlook.errors import UsageError

PREFIX = "PERFECTLOOK_"


def _setting(default: object, about: str, *, ge: float | None = None, le: float | None = None) -> Any:
    return Field(default, description=about, ge=ge, le=le)


def _listed(value: object) -> object:
    """Split the text of an environment variable at its commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], NoDecode, Strict(False), BeforeValidator(_listed)]


class Settings(BaseSettings):
    """Everything that can be set. A new setting is one line: flag, variable and TOML key take its name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, strict=True)

    model: str = _setting("", "folder of a trained model")
    catalogue: str = _setting("", "catalogue synced with the model")
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8000, "port to listen on; 0 takes a free one", ge=0, le=65_535)
    keys: str = _setting("", "file of API keys; without one, nobody can write")
    keyed_reading: bool = _setting(False, "require a key for reading too")
    samples: str = _setting("", "folder of scenes that can be requested by name")
    feedback: str = _setting("", "file for feedback (default: next to the catalogue)")
    approximate: int = _setting(
        0, "search categories of more products than this by an approximate index (extra ann); 0: none", ge=0
    )
    rules: str = _setting("", "the shop's own rules: pin, boost, bury and exclude products")
    allow_origin: Texts = _setting((), "other sites whose pages may call; repeatable")
    trusted_proxies: str = _setting("", "addresses whose X-Forwarded-For is believed, separated by commas")
    workers: int = _setting(0, "threads that run the model (0: one for each processor)", ge=0)
    queue: int = _setting(16, "requests that may wait for each worker; others are answered 503", ge=0)
    queue_seconds: float = _setting(
        0.3, "expected wait at which requests are answered 503, however few wait", ge=0
    )
    rate: float = _setting(20.0, "requests a second for each key and each address; 0: no limit", ge=0)
    burst: int = _setting(100, "requests at once that the rate allows", ge=1)
    max_upload: int = _setting(20 * 2**20, "largest photo in bytes", ge=1)
    read_seconds: float = _setting(20.0, "time a client has to send a request", ge=0.1)
    grace_seconds: float = _setting(30.0, "time a stop waits for accepted requests", ge=0)
    allow_private: bool = _setting(False, "let URLs of photos lead to private addresses")

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, *_: object, init_settings: PydanticBaseSettingsSource, **__: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: `of` combines the sources and names the one that is wrong."""
        return (init_settings,)

    @classmethod
    def of(cls, flags: Mapping[str, object], file: str | None = None) -> Self:
        """Combine flags (None: not given), the environment and a TOML file, in this order.

        Raises:
            UsageError: the file cannot be read, a key is unknown, a value is wrong, or the model or the
                catalogue is missing.
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
                (f"{file}: '{name}'", in_file),
            )
            place, value = next((place, values[name]) for place, values in places if name in values)
            raise UsageError(f"{place} is {value!r}: {first['msg']}") from error
        for name in ("model", "catalogue"):
            if not getattr(found, name):
                raise UsageError(
                    f"no {name} is set: give --{name}, set {PREFIX}{name.upper()}, or write it into the file "
                    "of --config"
                )
        return found

    def as_toml(self) -> str:
        """Return the settings as a TOML file, without the secrets in them."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self)


def flag_of(name: str) -> str:
    """Return the flag of a setting."""
    return "--" + name.replace("_", "-")


def _read(settings: type[Settings], file: str) -> dict[str, Any]:
    try:
        values = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}); name a TOML file") from error
    except ValueError as error:
        raise UsageError(f"{file}: not TOML ({error}); `--show-config` prints an example") from error
    if unknown := next((name for name in values if name not in settings.model_fields), None):
        raise UsageError(f"{file}: unknown key '{unknown}'; known: {', '.join(settings.model_fields)}")
    return values


def _toml(value: object) -> str:
    """Return a value as TOML, without the password or key of a URL."""
    if isinstance(value, float):
        return str(value)
    if isinstance(value, str) and "://" in value:
        value = re.sub(r"://[^/@]*@", "://***@", value)
        value = re.sub(r"([?&][^=&]*(?:key|token|password|secret)[^=&]*=)[^&]*", r"\1***", value, flags=re.I)
    return json.dumps(value, ensure_ascii=False)
