"""Where a cluster's catalogue is and how its collections are laid out: a URL, its query, a TOML file."""

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
    """How a catalogue uses a cluster. Layout settings count for collections made from then on.

    Attributes:
        shards: parts that a collection is cut into; 0 leaves it to the server (one per node).
        replicas: copies of each shard, on as many nodes.
        write_consistency: copies that must have a write before it counts as done.
        quantisation: "none", "int8" (a quarter of the memory) or "binary" (1/32): what an approximate search
            looks at first. Needs `exact = false`, for an exact search reads the vectors themselves.
        on_disk: keep vectors on disk, read through the operating system's cache, instead of in memory.
        payload_on_disk: the same for what is known of products.
        index_on_disk: the same for the indexes that filters use.
        exact: measure every product of the asked categories; when off, a graph (HNSW) is built and searched.
        ef: candidates that a search of the graph keeps; more finds more of the true neighbours.
        oversampling: with quantisation, how many times k are compared again by their own vectors.
        numbers: fields with an index for comparisons like `price < 50`.
        indexed: fields with an index for comparisons with a text or an amount; others are read one by one.
        timeout: seconds to wait for an answer.
        lease: seconds after which a sync that no longer reports is taken to be dead.
        grpc_port: speak gRPC, which is faster, at this port; 0 speaks HTTP only.
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
        """Raise UsageError for values that make no sense."""
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} = {getattr(self, name)!r}: must be at least {least}")
        if self.quantisation not in QUANTISATIONS:
            known = ", ".join(QUANTISATIONS)
            raise UsageError(f"quantisation = {self.quantisation!r}: unknown; there are {known}")
        if self.quantisation != "none" and self.exact:
            raise UsageError(
                f"quantisation = {self.quantisation!r} with exact = true: an exact search reads the vectors "
                "themselves, so the quantised ones would be of no use; set exact = false, or leave it out"
            )
        if self.write_consistency > self.replicas:
            raise UsageError(
                f"write_consistency = {self.write_consistency}: there are only {self.replicas} replicas"
            )

    @classmethod
    def of(cls, values: Mapping[str, object], source: str) -> Self:
        """Make settings from values by name, as TOML has them or, from a URL, as text.

        Raises:
            UsageError: a name is unknown, or a value is of the wrong type; `source` is named.
        """
        defaults = {each.name: each.default for each in dataclasses.fields(cls)}
        chosen: dict[str, object] = {}
        for name, value in values.items():
            if name not in defaults:
                near = difflib.get_close_matches(name, defaults, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(defaults)}"
                raise UsageError(f"{source}: unknown setting '{name}'{hint}")
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
    """A server, the name of a catalogue on it, and the settings to use it with.

    `location` is the URL without its query: what messages and reports call the catalogue.
    """

    scheme: str
    host: str
    port: int
    name: str
    settings: ClusterSettings = ClusterSettings()

    @property
    def url(self) -> str:
        """Where the server is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme.removeprefix('qdrant+')}://{host}:{self.port}"

    @property
    def location(self) -> str:
        """The catalogue's own URL."""
        if self.scheme == MEMORY:
            return f"{MEMORY}://{self.name}"
        return f"qdrant+{self.url}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `qdrant+http://host:6333/name?shards=6&settings=cluster.toml`.

        What the query says goes before what the TOML file says.

        Raises:
            UsageError: a part is missing or wrong, or the settings cannot be read.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{text}: not a URL ({error}); {_FORM}") from error
        shown = text.partition("?")[0]
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                f"{parts.scheme}://{parts.hostname}: a URL is no place for a password; put the key into the "
                "environment variable PERFECTLOOK_QDRANT_API_KEY"
            )
        host, name = _host_and_name(parts)
        if parts.scheme not in SCHEMES or not (host or parts.scheme == MEMORY) or not _NAME.fullmatch(name):
            raise UsageError(f"{shown}: {_FORM}")
        port = port or PORTS.get(parts.scheme, 0)
        return cls(parts.scheme, host, port, name, _settings(parts.query, shown))


_FORM = (
    "give qdrant+http://HOST:6333/NAME or qdrant+https://HOST/NAME, NAME being letters, digits, - and _ (at "
    "most 100)"
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
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as TOML ({error})") from error


def _as_type_of(default: object, value: object, what: str) -> object:
    """The value as the default's type; text from a URL is read, values from TOML must be of it."""
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
    raise UsageError(f"{what} = {value!r}: must be {kind.get(type(default), 'a text')}")
