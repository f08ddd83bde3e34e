"""An experiment: sessions are split between two arms, each with its model, catalogue, rules or options."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from perfectlook.errors import UsageError
from perfectlook.files import read_toml
from perfectlook.service.settings import reason_of

if TYPE_CHECKING:
    from perfectlook.recommender import Recommender, Rules

Word = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,64}$")]


class ArmOptions(BaseModel):
    """Options of `/v1/complete` that a request of the arm has, unless it names them itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: int | None = Field(None, ge=1, le=100)
    spread: float | None = Field(None, ge=0, le=1)
    weight: float | None = Field(None, ge=0, le=1_000)
    keep_in_scene: bool | None = None
    include_unavailable: bool | None = None


class ArmSettings(BaseModel):
    """One arm. What it does not set is as for the server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Word
    model: str = ""
    catalogue: str = ""
    rules: str = ""
    options: ArmOptions = Field(default_factory=lambda: ArmOptions.model_validate({}))


class Experiment(BaseModel):
    """The file of an experiment.

    Attributes:
        name: a new name splits the sessions again, and begins a new report.
        share: the share of the sessions that the second arm gets.
        arms: the two arms. The first one is the one to compare with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Word
    share: float = Field(0.5, ge=0, le=1)
    arms: list[ArmSettings] = Field(min_length=2, max_length=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.arms[0].name == self.arms[1].name:
            raise ValueError(f"both arms are named '{self.arms[0].name}'. Give each its own name")
        return self

    @classmethod
    def read(cls, file: Path | str) -> Self:
        """Read a TOML file.

        Raises:
            UsageError: the file cannot be read, or is no experiment.
        """
        try:
            return cls.model_validate(read_toml(file))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise UsageError(f"{file}: {place}: {reason_of(first)}") from error

    @property
    def labels(self) -> list[str]:
        """The arms as feedback names them: `EXPERIMENT/ARM`."""
        return [f"{self.name}/{each.name}" for each in self.arms]

    def place(self, session: str) -> int:
        """Return the arm of a session: 0 or 1. It depends on nothing but the names of both."""
        digest = hashlib.sha256(f"{self.name}:{session}".encode()).digest()
        return int(int.from_bytes(digest[:8], "big") < self.share * 2**64)


class Arm(NamedTuple):
    """What answers the requests of an arm; without an experiment, those of the server.

    Attributes:
        name: the experiment and the arm, as `EXPERIMENT/ARM`; "" without one.
        recommender: its model and catalogue.
        rules: the shop's rules.
        options: options of a request that names no others.
    """

    name: str
    recommender: "Recommender"
    rules: "Rules"
    options: Mapping[str, Any] = {}
