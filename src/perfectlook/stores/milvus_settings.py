"""The address and the settings of a catalogue on Milvus, from its URL."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, Field, ValidationError

from perfectlook.errors import UsageError

# schemes of URLs, with their default ports
PORTS = {"milvus+http": 19530, "milvus+https": 443}
_NAME = re.compile(r"(?=.{1,100}\Z)[A-Za-z](_?[A-Za-z0-9])*")
_FORM = (
    "Use milvus+http://HOST:19530/NAME or milvus+https://HOST/NAME, where NAME has up to 100 letters, digits "
    "and single _, and starts with a letter."
)

Whole = Annotated[int, Field(ge=1)]


class MilvusSettings(BaseModel, frozen=True, extra="forbid"):
    """How a catalogue uses Milvus. The first five settings apply only to new collections.

    Attributes:
        index: "FLAT" compares all products of the searched categories. The others are approximate: "IVF_SQ8"
            needs a quarter of the memory, "HNSW" is the fastest, and "DISKANN" keeps most data on disk.
        shards: the number of channels for writes. More shards take more writes a second.
        replicas: the number of copies in memory, each on its own query nodes.
        partitions: the number of parts that categories are distributed over. A search reads only the parts of
            its categories.
        mmap: map the data of query nodes from their disks instead of reading it into memory.
        candidates: how many candidates an approximate search compares. More find more true neighbours.
        timeout: how many seconds to wait for an answer. Writes and changes of collections wait ten times as
            long.
        lease: after how many seconds without a renewal a sync counts as dead.
    """

    index: Literal["FLAT", "IVF_SQ8", "HNSW", "DISKANN"] = "FLAT"
    shards: Annotated[int, Field(ge=1, le=16)] = 1
    replicas: Whole = 1
    partitions: Annotated[int, Field(ge=1, le=1024)] = 16
    mmap: bool = False
    candidates: Whole = 128
    timeout: Annotated[float, Field(gt=0)] = 5.0
    lease: Annotated[float, Field(ge=3)] = 60.0


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """A server, the name of a catalogue on it, and its settings.

    `location` is the URL without its query. Messages and reports name the catalogue by it.
    """

    location: str
    url: str
    endpoint: tuple[str, int]
    name: str
    settings: MilvusSettings

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `milvus+http://host:19530/name?index=HNSW&replicas=2`.

        Raises:
            UsageError: a part is missing or invalid.
        """
        shown = text.partition("?")[0]
        try:
            parts = urlsplit(text)
            host, port, name = parts.hostname or "", parts.port or PORTS[parts.scheme], parts.path.strip("/")
        except (ValueError, KeyError) as error:
            raise UsageError(f"{shown}: not a URL ({error}). {_FORM}") from error
        if parts.username is not None or parts.password is not None:
            remedy = "Set the token in the environment variable PERFECTLOOK_MILVUS_TOKEN."
            raise UsageError(f"{parts.scheme}://{host}: the URL contains a password. {remedy}")
        if not host or not _NAME.fullmatch(name):
            raise UsageError(f"{shown}: not the URL of a catalogue on Milvus. {_FORM}")
        try:
            settings = MilvusSettings.model_validate(dict(parse_qsl(parts.query, keep_blank_values=True)))
        except ValidationError as error:
            found = error.errors()[0]
            what = f"{shown}: setting '{found['loc'][0]}'"
            if found["type"] == "extra_forbidden":
                known = ", ".join(MilvusSettings.model_fields)
                raise UsageError(f"{what} is unknown. Choose one of: {known}.") from error
            raise UsageError(f"{what}: {found['msg']}, got '{found['input']}'. Correct the URL.") from error
        url = f"{parts.scheme.removeprefix('milvus+')}://{f'[{host}]' if ':' in host else host}:{port}"
        return cls(f"milvus+{url}/{name}", url, (host, port), name, settings)
