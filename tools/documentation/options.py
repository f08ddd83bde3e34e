"""The page of settings: of the service, of trainings, and of the environment."""

import dataclasses
import inspect
import re
from collections.abc import Iterator

from documentation.tables import code, table
from perfectlook.model.config import ModelConfig
from perfectlook.service.settings import PREFIX, Settings, flag_of
from perfectlook.training.config import TrainingConfig

HEAD = """# Settings

Made from this version's own definitions.

## Of the environment

"""
SERVICE = """
## Of the service

Each is a flag of `perfectlook serve`, a variable of the environment, and a key of the TOML file that
`--config` names; flags come first, then the environment, then the file. `perfectlook serve --show-config`
prints what would be used.

"""
TRAINING = """
## Of a training

Keys of the TOML file of `perfectlook train --config FILE.toml`, at its top or in the tables `[model]` and
`[training]`. Flags (`--mode`, `--encoder`, `--distance`, `--backbone`, `--seed`, `--epochs`) override
them.

### The model's shape

"""
ENVIRONMENT = {
    "PERFECTLOOK_CACHE": "the folder where features are kept, and pictures of clusters' catalogues; "
    "by default `perfectlook` in the user's cache folder. Deleting it loses time, nothing else",
    "PERFECTLOOK_DATA": "the folder of real sets: where `data get` puts them, and where tests and benchmarks "
    "look for them",
    "PERFECTLOOK_API_KEY": "the key that the Python client sends",
    "PERFECTLOOK_QDRANT_API_KEY": "the key of a Qdrant server",
    "RAY_ADDRESS": "the Ray cluster that `embed --ray` joins",
    "OMP_NUM_THREADS": "threads of the arithmetic libraries; `serve` sets 1: its workers are the threads",
}
"""What the environment says beside the service's own settings."""


def settings_page() -> str:
    """Everything that can be set."""
    service = [
        (
            code(flag_of(name)),
            code(PREFIX + name.upper()),
            code(name),
            _shown(each.default),
            str(each.description),
        )
        for name, each in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            HEAD + table(("variable", "what it says"), ((code(k), v) for k, v in ENVIRONMENT.items())),
            SERVICE + table(("flag", "variable", "key", "default", "meaning"), service),
            TRAINING + table(("key", "default", "meaning"), _of(ModelConfig)),
            "### The training\n",
            table(("key", "default", "meaning"), _of(TrainingConfig)),
        ]
    )


def _of(kind: type[ModelConfig] | type[TrainingConfig]) -> Iterator[tuple[str, str, str]]:
    meanings = _attributes(kind)
    defaults = kind()
    for each in dataclasses.fields(kind):
        if each.name != "model":
            yield code(each.name), _shown(getattr(defaults, each.name)), meanings[each.name]


def _attributes(kind: type) -> dict[str, str]:
    """What a class's docstring says of each attribute."""
    _, _, listed = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return code(str(default).lower())
    if default in ("", ()):
        return "–"
    return code(default)
