"""Scenes that may be asked for by name: the pictures of one folder, as they were when the service began."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perfectlook.errors import UsageError
from perfectlook.service.refusal import Refusal

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample's name, title and file."""

    name: str
    title: str
    file: Path


class Samples:
    """The samples of a folder. Names that are asked for are looked up, and never made into paths."""

    def __init__(self, folder: Path | None) -> None:
        """List the folder; None has no samples.

        Raises:
            UsageError: it cannot be listed.
        """
        try:
            files = [] if folder is None else sorted(folder.iterdir())
        except OSError as error:
            raise UsageError(
                f"{folder}: cannot be listed ({error.strerror}); name a folder of photos"
            ) from error
        listed = [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]
        names = Counter(_name(file) for file in listed)
        self._samples: dict[str, Sample] = {}
        for file in listed:
            name = _name(file) if names[_name(file)] == 1 else file.stem
            self._samples[name] = Sample(name, _title(name), file)

    def __iter__(self) -> Iterator[Sample]:
        """Go through the samples in the order of their files' names."""
        return iter(self._samples.values())

    async def content(self, name: str) -> bytes:
        """Return the bytes of a sample; Refusal (404) where there is none of that name."""
        sample = self._samples.get(name)
        if sample is None:
            raise Refusal(404, "no_such_sample", "there is no sample of that name; see /v1/samples")
        try:
            return await asyncio.to_thread(sample.file.read_bytes)
        except OSError as error:
            raise Refusal(404, "no_such_sample", "that sample is not there any more") from error


def _name(file: Path) -> str:
    """A file's name without its suffix, and without a number before it, which only says its place."""
    return re.sub(r"^\d+[-_ ]+", "", file.stem) or file.stem


def _title(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
