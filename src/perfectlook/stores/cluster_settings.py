"""The address and the settings of a catalogue on a cluster, from a URL and a TOML file."""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from perfectlook.errors import UsageError

MEMORY = "qdrant+memory"
SCHEMES = ("qdrant+http", "qdrant+https", MEMORY)
PORTS = {"qdrant+http": 6333, "qdrant+https": 443}
QUANTISATIONS = ("none", "int8", "binary")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """How a catalogue uses a cluster. Layout settings apply only to new collections.

    Attributes:
        shards: the number of parts of a collection. With 0 the server decides (one for each node).
        replicas: the number of copies of each shard, each on its own node.
        write_consistency: how many copies must have a write before it is complete.
        quantisation: "none", "int8" (a quarter of the memory) or "binary" (1/32) for the first step of an
            approximate search. It requires `exact = false`, because an exact search reads the vectors.
        on_disk: keep vectors on disk, with the operating system's cache, instead of in memory.
        payload_on_disk: the same for the data of products.
        index_on_disk: the same for the indexes of filters.
        exact: compute the distance of every product of the searched categories. If false, a graph (HNSW) is
            built and searched.
        ef: how many candidates a search of the graph keeps. More candidates find more true neighbours.
        oversampling: with quantisation, this many times k candidates are compared by their own vectors.
        numbers: the fields with an index for comparisons such as `price < 50`.
        indexed: the fields with an index for comparisons with a text or an amount. Other fields are slower.
        timeout: how many seconds to wait for an answer.
        lease: after how many seconds without a renewal a sync counts as dead.
        grpc_port: the port for gRPC, which is faster than HTTP. With 0 only HTTP is used.
    """

    shards: int = 0
    replicas: int = 1
    write_consistency: int = 1
    quantisation: str = "none"
    on_disk: bool = False
    payload_on_disk: bool = True
    index_on_disk: bool = False
    exact: bool = True
    ef: int = 128
    oversampling: float = 2.0
    numbers: tuple[str, ...] = ("price",)
    indexed: tuple[str, ...] = ("availability", "brand", "gender", "item_group_id", "price")
    timeout: int = 30
    lease: int = 60
    grpc_port: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for invalid values."""
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} {getattr(self, name)!r}: must be at least {least}.")
        if self.quantisation not in QUANTISATIONS:
            known = ", ".join(QUANTISATIONS)
            raise UsageError(f"unknown quantisation {self.quantisation!r}. Choose one of: {known}.")
        if self.quantisation != "none" and self.exact:
            raise UsageError(
                f"quantisation {self.quantisation!r} requires exact = false (an exact search reads the "
                "vectors themselves). Set exact to false, or leave out quantisation."
            )
        if self.write_consistency > self.replicas:
            raise UsageError(
                f"write_consistency {self.write_consistency}: must be at most the number of replicas, "
                f"{self.replicas}."
            )

    @classmethod
    def of(cls, values: Mapping[str, object], source: str) -> Self:
        """Return settings from values by name. The values are those of TOML, or texts of a URL.

        Raises:
            UsageError: a name is unknown, or a value has the wrong type. The message names `source`.
        """
        defaults = {each.name: each.default for each in dataclasses.fields(cls)}
        chosen: dict[str, object] = {}
        for name, value in values.items():
            if name not in defaults:
                near = difflib.get_close_matches(name, defaults, n=1)
                hint = f"Did you mean '{near[0]}'?" if near else f"Choose one of: {', '.join(defaults)}."
                raise UsageError(f"{source}: unknown setting '{name}'. {hint}")
            chosen[name] = _as_type_of(defaults[name], value, f"{source}: {name}")
        try:
            return cls(**chosen)  # type: ignore[arg-type]
        except UsageError as error:
            raise UsageError(f"{source}: {error}") from error


_LEAST: Mapping[str, float] = {
    "shards": 0,
    "replicas": 1,
    "write_consistency": 1,
    "ef": 1,
    "oversampling": 1.0,
    "timeout": 1,
    "lease": 3,
    "grpc_port": 0,
}


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """A server, the name of a catalogue on it, and its settings.

    `location` is the URL without its query. Messages and reports name the catalogue by it.
    """

    scheme: str
    host: str
    port: int
    name: str
    settings: ClusterSettings = ClusterSettings()

    @property
    def url(self) -> str:
        """The URL of the server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme.removeprefix('qdrant+')}://{host}:{self.port}"

    @property
    def location(self) -> str:
        """The URL of the catalogue."""
        if self.scheme == MEMORY:
            return f"{MEMORY}://{self.name}"
        return f"qdrant+{self.url}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `qdrant+http://host:6333/name?shards=6&settings=cluster.toml`.

        Settings in the query override those in the TOML file.

        Raises:
            UsageError: a part is missing or invalid, or the settings cannot be read.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{text}: not a URL ({error}). {_FORM}") from error
        shown = text.partition("?")[0]
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                f"{parts.scheme}://{parts.hostname}: the URL contains a password. Set the key in the "
                "environment variable PERFECTLOOK_QDRANT_API_KEY."
            )
        host, name = _host_and_name(parts)
        if parts.scheme not in SCHEMES or not (host or parts.scheme == MEMORY) or not _NAME.fullmatch(name):
            raise UsageError(f"{shown}: not the URL of a catalogue on a cluster. {_FORM}")
        port = port or PORTS.get(parts.scheme, 0)
        return cls(parts.scheme, host, port, name, _settings(parts.query, shown))


_FORM = (
    "Use qdrant+http://HOST:6333/NAME or qdrant+https://HOST/NAME, where NAME has up to 100 letters, digits, "
    "- and _."
)


def _host_and_name(parts: SplitResult) -> tuple[str, str]:
    if parts.scheme == MEMORY:
        return "", parts.netloc or parts.path.strip("/")
    return parts.hostname or "", unquote(parts.path.strip("/"))


def _settings(query: str, source: str) -> ClusterSettings:
    asked: dict[str, object] = dict(parse_qsl(query, keep_blank_values=True))
    file = asked.pop("settings", None)
    values: dict[str, object] = {}
    if file is not None:
        values = _read(Path(str(file)))
        ClusterSettings.of(values, str(file))
    return ClusterSettings.of(values | asked, source)


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file. Check the path.") from error
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions and the disk."
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error}). Correct the file.") from error


def _as_type_of(default: object, value: object, what: str) -> object:
    """Convert a value to the type of the default. Texts of a URL are read, and values of TOML are checked."""
    if isinstance(default, bool):
        found = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
        if isinstance(found, bool):
            return found
    elif isinstance(default, int | float):
        if isinstance(value, int | float) and not isinstance(value, bool):
            if isinstance(default, float) or isinstance(value, int):
                return type(default)(value)
        elif isinstance(value, str):
            try:
                return type(default)(value)
            except ValueError:
                pass
    elif isinstance(default, tuple):
        listed = value.split(",") if isinstance(value, str) else value
        if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
            return tuple(each.strip().lower() for each in listed if each.strip())
    elif isinstance(value, str):
        return value
    kind = {bool: "true or false", int: "a whole number", float: "a number", tuple: "a list of names"}
    raise UsageError(f"{what} {value!r}: must be {kind.get(type(default), 'text')}.")
