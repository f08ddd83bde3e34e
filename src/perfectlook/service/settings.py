"""What a service is told: by flags, else by the environment (`PERFECTLOOK_PORT`), else by one TOML file."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from perfectlook.errors import UsageError

PREFIX = "PERFECTLOOK_"
_MB = 2**20


def _setting(default: object, help_: str, metavar: str = "") -> Any:
    return field(default=default, metadata={"help": help_, "metavar": metavar})


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set. A new setting is one line here: flag, variable and TOML key have its name."""

    model: str = _setting("", "the folder of a trained model", "MODEL")
    catalogue: str = _setting("", "a catalogue synced with the model", "FOLDER|URL")
    host: str = _setting("127.0.0.1", "the address to listen at", "ADDRESS")
    port: int = _setting(8000, "the port to listen at; 0 takes a free one", "N")
    keys: str = _setting("", "the file of API keys; without one, nobody can write", "FILE")
    keyed_reading: bool = _setting(False, "demand a key for reading too")
    samples: str = _setting("", "a folder of scenes that may be asked for by name", "FOLDER")
    feedback: str = _setting("", "where feedback is kept (default: beside the catalogue)", "FILE.sqlite")
    approximate: int = _setting(
        0, "search categories of more products than that by an approximate index (extra ann); 0: none", "N"
    )
    rules: str = _setting("", "a shop's own rules: pin, boost, bury and exclude products", "FILE.toml")
    allow_origin: tuple[str, ...] = _setting((), "other sites whose pages may call; repeatable", "ORIGIN")
    trusted_proxies: str = _setting(
        "", "addresses whose X-Forwarded-For is believed, with commas between", "ADDRESSES"
    )
    workers: int = _setting(0, "threads that run the model (0: one for each processor)", "N")
    queue: int = _setting(16, "requests that may wait for each worker; more are answered 503", "N")
    queue_seconds: float = _setting(
        0.3, "how long a request may be expected to wait; fewer may wait where photos take long", "SECONDS"
    )
    rate: float = _setting(20.0, "requests a second for each key and each address; 0 is no limit", "N")
    burst: int = _setting(100, "requests at once that the rate allows", "N")
    max_upload: int = _setting(20 * _MB, "bytes of a photo, at most", "BYTES")
    read_seconds: float = _setting(20.0, "how long a client may take to send a request", "SECONDS")
    grace_seconds: float = _setting(30.0, "how long a stop waits for accepted requests", "SECONDS")
    allow_private: bool = _setting(False, "let URLs of photos lead to private addresses")

    @classmethod
    def of(
        cls, flags: Mapping[str, object], environment: Mapping[str, str] = os.environ, file: str | None = None
    ) -> Self:
        """Put settings together: flags first (None is not given), then the environment, then the file.

        Raises:
            UsageError: the file cannot be read, a key is unknown or a value is none; or what has to be set
                is not.
        """
        values = _read(Path(file)) if file else {}
        for name in _TYPES:
            if (text := environment.get(PREFIX + name.upper())) is not None:
                values[name] = _parsed(name, text, f"{PREFIX}{name.upper()}")
        values |= {name: value for name, value in flags.items() if value is not None}
        settings = cls(**values)
        for name in ("model", "catalogue"):
            if not getattr(settings, name):
                raise UsageError(
                    f"no {name} is set: give --{name}, set {PREFIX}{name.upper()}, or write it into the file "
                    "of --config"
                )
        settings._check()
        return settings

    def _check(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise UsageError(f"{flag_of(name)} is {getattr(self, name):g}: give {least} or more")
        if self.port > 65_535:
            raise UsageError(f"--port is {self.port}: give 65535 or less")

    def as_toml(self) -> str:
        """Return the settings as a TOML file, without what is secret in them."""
        return "".join(f"{name} = {_toml(hidden(getattr(self, name)))}\n" for name in _TYPES)


def flag_of(name: str) -> str:
    """The flag of a setting."""
    return "--" + name.replace("_", "-")


def hidden(value: object) -> object:
    """A value without the password or key of a URL."""
    if not isinstance(value, str) or "://" not in value:
        return value
    value = re.sub(r"://[^/@]*@", "://***@", value)
    return re.sub(r"([?&][^=&]*(?:key|token|password|secret)[^=&]*=)[^&]*", r"\1***", value, flags=re.I)


_TYPES: dict[str, type] = {
    each.name: type(each.default) for each in fields(Settings) if each.default is not MISSING
}
_LEAST = {
    "port": 0,
    "workers": 0,
    "queue": 0,
    "approximate": 0,
    "queue_seconds": 0,
    "rate": 0,
    "burst": 1,
    "max_upload": 1,
    "read_seconds": 0.1,
    "grace_seconds": 0,
}


def _read(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}); name a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not TOML ({error}); `--show-config` prints an example") from error
    values = {}
    for name, value in document.items():
        if name not in _TYPES:
            raise UsageError(f"{file}: unknown key '{name}'; known: {', '.join(_TYPES)}")
        values[name] = _as(_TYPES[name], value)
        if type(values[name]) is not _TYPES[name]:
            raise UsageError(f"{file}: '{name}' is {value!r}; it has to be {_SAID[_TYPES[name]]}")
    return values


def _as(wanted: type, value: object) -> object:
    """What TOML writes otherwise: 5 for 5.0, and lists."""
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is tuple and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    return value


_SAID = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list of texts",
}


def _parsed(name: str, text: str, where: str) -> object:
    wanted = _TYPES[name]
    try:
        if wanted is bool:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}[
                text.lower()
            ]
        if wanted is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return wanted(text)
    except (ValueError, KeyError) as error:
        raise UsageError(f"{where} is '{text}'; it has to be {_SAID[wanted]}") from error


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return str(value)


def settings_fields() -> list[tuple[str, object, Mapping[str, str]]]:
    """Return name, default and metadata (`help`, `metavar`) of every setting."""
    return [(each.name, each.default, each.metadata) for each in fields(Settings)]
