"""What a feature store says about itself: whose features it holds, and in which shape."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self
from uuid import uuid4

from perfectlook import __version__
from perfectlook.backbones.registry import Backbone
from perfectlook.errors import FeatureError

FORMAT = 1
"""Of the folder: its files, the values in a row and their order, what a key means. Raised with any of it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The features a store holds: one backbone's, at one precision, in rows of fixed sizes."""

    identity: str
    backbone: str
    input_size: int
    global_dimension: int
    style_dimension: int
    map_channels: int
    dtype: str = "float16"
    format: int = FORMAT
    version: str = __version__

    @classmethod
    def of(cls, backbone: Backbone) -> Self:
        """The manifest of a store for the features of this backbone."""
        about = backbone.description
        return cls(
            identity=backbone.identity,
            backbone=about.name,
            input_size=about.input_size,
            global_dimension=about.global_dimension,
            style_dimension=about.style_dimension,
            map_channels=about.map_channels,
        )

    def write(self, path: Path) -> None:
        """Write the manifest in one step: whoever reads it finds all of it or none."""
        part = path.with_name(f"{path.name}.{uuid4().hex}")
        try:
            part.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest.

        Raises:
            FeatureError: the file is not a manifest, or of another format than this version reads.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        if not isinstance(content, dict):
            raise _damaged(path, "not a JSON object")
        found = content.get("format")
        if type(found) is int and found != FORMAT:
            raise FeatureError(
                f"{path}: the feature store is of format {found}, written by perfectlook "
                f"{content.get('version')}; this is perfectlook {__version__}, which reads format {FORMAT}: "
                "let PERFECTLOOK_CACHE name another folder, or delete this one to extract again"
            )
        wrong = [each.name for each in fields(cls) if type(content.get(each.name)) is not each.type]
        if wrong:
            raise _damaged(path, ", ".join(f"{name} is {content.get(name)!r}" for name in wrong))
        return cls(**{each.name: content[each.name] for each in fields(cls)})

    def check_same_features(self, wanted: "Manifest", folder: Path) -> None:
        """Raise FeatureError, naming both, if this store's features are not the ones wanted."""
        if self.identity != wanted.identity:
            raise FeatureError(
                f"{folder}: holds features of the backbone {self.identity}, not of {wanted.identity}; "
                "features of two backbones never mix: name another folder"
            )
        for name in ("input_size", "global_dimension", "style_dimension", "map_channels", "dtype"):
            mine, theirs = getattr(self, name), getattr(wanted, name)
            if mine != theirs:
                raise FeatureError(
                    f"{folder}: holds features of {self.identity} with {name} {mine}, "
                    f"but this backbone's has {name} {theirs}; delete the folder to extract again"
                )


def _damaged(path: Path, reason: str) -> FeatureError:
    return FeatureError(f"{path}: damaged ({reason}); delete the folder {path.parent} to extract again")
