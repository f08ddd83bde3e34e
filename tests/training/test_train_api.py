"""The function `train`: it returns a usable model and takes the options of the command line."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from drawn import drawn_set
from perfectlook.data import load_set
from perfectlook.errors import ModelError, UsageError
from perfectlook.evaluation.evaluate import evaluate
from perfectlook.model.config import ModelConfig
from perfectlook.model.files import COMPLEMENTS, KNOWN
from perfectlook.model.runtime import Model, Popularity, open_model
from perfectlook.training import presence
from perfectlook.training.config import TrainingConfig
from perfectlook.training.train import train

SMALL = {"backbone": "tiny", "dimension": 8, "hidden": 8, "memory": 0, "epochs": 1}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    return drawn_set(folder / "set", scenes=30)


@pytest.fixture(autouse=True)
def _one_cache(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(source.parent / "cache"))


def test_a_model_without_out_is_usable_and_its_folder_is_deleted(source: Path):
    model = train(load_set(source), config=SMALL, workers=1)
    assert isinstance(model, Model)
    assert evaluate(model, source, workers=1).overall.n_pairs > 0
    assert model.training["epoch"] in (0, 1)
    assert model.suggester is not None
    folder = model._folder
    photo, product = (sorted((source / kind).glob("*"))[0] for kind in ("scenes", "products"))
    assert model.distance(photo, product, category=model.categories[0]) >= 0
    assert folder.is_dir()
    del model
    gc.collect()
    assert not folder.exists()


def test_the_returned_model_is_the_one_in_the_folder(source: Path, tmp_path: Path):
    model = train([source], tmp_path / "m", config=SMALL, seed=3, mode="global", workers=1)
    assert Model.open(tmp_path / "m").identity == model.identity
    assert model.training["settings"]["seed"] == 3
    assert model.record.config.mode == "global"


@pytest.mark.parametrize("baseline", [None, "mixture"])
def test_a_stopped_training_leaves_no_finished_model(
    source: Path, tmp_path: Path, baseline: str | None, monkeypatch: pytest.MonkeyPatch
):
    """The last of a training is to learn what photos show; then the training resumes from its checkpoint."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    settings = {"backbone": "tiny", "dimension": 8} if baseline else SMALL
    options = {"baseline": baseline, "config": settings, "workers": 1}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(presence, "fit_presence", stopped)
        train(source, tmp_path / "m", **options)
    with pytest.raises(ModelError, match="not a complete model"):
        open_model(tmp_path / "m")
    assert (tmp_path / "m" / "checkpoint.pt").exists() == (baseline is None)
    train(source, tmp_path / "m", **options)
    assert {KNOWN, COMPLEMENTS} <= {each.name for each in (tmp_path / "m").iterdir()}


def test_settings_come_from_a_file_a_mapping_or_an_object_and_keywords_override_them(
    source: Path, tmp_path: Path
):
    toml = tmp_path / "settings.toml"
    toml.write_text("".join(f"{key} = {value!r}\n" for key, value in SMALL.items()), encoding="utf-8")
    shape = ModelConfig(backbone="tiny", dimension=8, hidden=8, memory=0)
    whole = TrainingConfig(model=shape, epochs=1)
    ways = (SMALL, toml, whole)
    assert len({train(source, config=given, seed=1, workers=1).identity for given in ways}) == 1


def test_epochs_and_problems_are_reported(source: Path):
    epochs, problems = [], []
    train(
        source,
        config=SMALL,
        workers=1,
        on_epoch=lambda stage, epoch: epochs.append((stage, epoch.epoch)),
        on_problems=lambda found, name: problems.append((found, name)),
    )
    assert epochs[:2] == [("fold 0", 0), ("fold 1", 0)]
    assert problems == [([], "set")]


def test_a_baseline_is_trained_by_its_name(source: Path):
    ridge = train(source, baseline="ridge", backbone="tiny", workers=1)
    assert isinstance(ridge, Model)
    assert (ridge.name, ridge.record.baseline) == ("ridge", "ridge")
    counted = train(source, baseline="popularity", backbone="tiny", workers=1)
    assert isinstance(counted, Popularity)
    assert repr(counted) == f"<Popularity 'popularity': counts of {len(counted.counts)} products>"
    assert evaluate(counted, source, workers=1).overall.n_pairs > 0


def test_a_model_is_fine_tuned(source: Path, tmp_path: Path):
    first = train(source, tmp_path / "first", config=SMALL, workers=1)
    second = train(source, from_model=tmp_path / "first", epochs=1, workers=1)
    assert second.training["continued"] == {"model": "first", "identity": first.identity}
    assert second.record.config == first.record.config


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            {"from_model": "fashion-ccp", "mode": "local"},
            "so it cannot change mode",
        ),
        ({"from_model": "fashion-ccp", "baseline": "ibr"}, "exclude each other"),
        ({"baseline": "ridge", "config": TrainingConfig()}, "Pass a mapping of the settings that differ"),
        ({"config": {"epoch": 3}}, "unknown setting 'epoch'. Did you mean 'epochs'"),
        ({"baseline": "rigde"}, "Did you mean 'ridge'"),
    ],
)
def test_arguments_that_exclude_each_other_are_refused(source: Path, arguments: dict[str, object], says: str):
    with pytest.raises(UsageError, match=says):
        train(source, **arguments)


def test_without_torch_the_error_names_the_missing_extra():
    code = "import sys; sys.modules['torch'] = None; import perfectlook; perfectlook.train('showroom')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1].endswith(
        "MissingExtraError: Training needs the extra 'train'. "
        "In a clone of perfectlook, run: pip install '.[train]'"
    )
