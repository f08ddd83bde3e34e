"""The page of settings: environment variables, the service, training."""

import dataclasses
import inspect
import re
from collections.abc import Iterator

from documentation.tables import code, table
from perfectlook.model.config import ModelConfig
from perfectlook.service.settings import PREFIX, Settings, flag_of
from perfectlook.training.config import TrainingConfig

HEAD = """# Settings

Every setting, with its default and meaning.

## Environment variables

"""
SERVICE = """
## The service

Set each one as a flag of `perfectlook serve`, as an environment variable, or as a key of the TOML file that
`--config` names. A flag overrides the variable, and the variable overrides the file.
`perfectlook serve --show-config` prints the settings in effect.

"""
TRAINING = """
## Training

Write these keys into the TOML file of `perfectlook train --config FILE.toml`, at the top level or in the
tables `[model]` and `[training]`. The flags `--mode`, `--encoder`, `--distance`, `--backbone`, `--seed` and
`--epochs` override them.

### The model

"""
ENVIRONMENT = {
    "PERFECTLOOK_CACHE": "the folder of stored features; by default `perfectlook` in your cache folder. "
    "For catalogues on a cluster it also holds pictures sent with PUT, and feedback without `--feedback`. "
    "Without such catalogues you can delete it: the features are then extracted again",
    "PERFECTLOOK_DATA": "the folder of public sets: `data get` writes them there, tests and benchmarks "
    "read them there",
    "PERFECTLOOK_API_KEY": "the API key that the Python client sends",
    "PERFECTLOOK_MILVUS_TOKEN": "the token of a Milvus server: `user:password`, or an API key",
    "RAY_ADDRESS": "the address of the Ray cluster that `embed --ray` uses",
    "OMP_NUM_THREADS": "threads of the numeric libraries. `serve` sets 1, because it runs several workers",
}
"""Environment variables other than those of the service's settings."""


def settings_page() -> str:
    """Every setting of the project."""
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
            HEAD + table(("variable", "meaning"), ((code(k), v) for k, v in ENVIRONMENT.items())),
            SERVICE + table(("flag", "variable", "key", "default", "meaning"), service),
            TRAINING + table(("key", "default", "meaning"), _of(ModelConfig)),
            "### The training loop\n",
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
    """The description of each attribute in a class's docstring."""
    _, _, listed = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return code(str(default).lower())
    if default in ("", ()):
        return "–"
    return code(default)
