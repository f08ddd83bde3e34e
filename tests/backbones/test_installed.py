"""Backbones of other packages, found by their entry points."""

import logging
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from perfectlook import backbones
from perfectlook.backbones import describe_backbones, open_backbone
from perfectlook.errors import BackboneError, MissingExtraError
from pictures import drawn

COLOURS = '''
import numpy as np

from perfectlook.backbones.backbone import Backbone, BackboneDescription, FeatureBatch


class Colours(Backbone):
    """Mean colours of the regions."""

    description = BackboneDescription(
        name="colours", input_size=14, global_dimension=3, stage_channels=(3,), map_channels=3,
        licence="Apache-2.0", megabytes=0.0, source="computed", summary="mean colours",
    )

    def __init__(self, *, precision, engine, threads):
        self.identity = f"colours-{precision}-000000000000"

    def _run(self, batch):
        maps = batch.reshape(len(batch), 3, 7, 2, 7, 2).mean(axis=(3, 5)).reshape(len(batch), 3, 49)
        means, deviations = batch.mean(axis=(2, 3)), batch.std(axis=(2, 3))
        statistics = np.concatenate([means, deviations], axis=1)
        return FeatureBatch(means, statistics, np.ascontiguousarray(maps.transpose(0, 2, 1)))
'''

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package with one module and one entry point for the length of a test."""

    def installed(package: str, code: str, name: str = "colours", target: str = "Colours") -> None:
        site, module = tmp_path / package, package.replace("-", "_")
        about = site / f"{module}-1.0.dist-info"
        about.mkdir(parents=True)
        (site / f"{module}.py").write_text(code, encoding="utf-8")
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[perfectlook.backbones]\n{name} = {module}:{target}\n")
        monkeypatch.syspath_prepend(str(site))

    return installed


def test_an_installed_backbone_is_listed_and_opens_by_its_name(install: Install) -> None:
    install("colours-one", COLOURS)
    assert "colours" in {each.name for each in describe_backbones()}
    assert "colours" not in {each.name for each in describe_backbones(installed=False)}
    backbone = open_backbone("colours:bf16")
    assert backbone.identity == "colours-bf16-000000000000"
    features = backbone.extract(backbone.prepare(drawn(40, 30))[None])
    np.testing.assert_allclose(features.global_vectors, features.feature_maps.mean(axis=1), atol=1e-6)


def test_it_can_be_combined_with_a_shipped_one(install: Install) -> None:
    install("colours-two", COLOURS)
    both = open_backbone("tiny+colours")
    assert both.identity.endswith("+colours-fp32-000000000000")
    assert both.description.global_dimension == 16 + 3


BROKEN = {
    "a module that does not import": ("import missing_library", "Colours", "missing_library"),
    "an object that is not there": (COLOURS, "Colors", "has no attribute 'Colors'"),
    "an object that is no class": ("Colours = 3", "Colours", r"issubclass\(\) arg 1 must be a class"),
    "a class that is no backbone": (
        "class Colours: pass",
        "Colours",
        "expected a Backbone that describes 'colours', got <class",
    ),
    "another name": (COLOURS.replace('"colours"', '"paints"'), "Colours", "that describes 'colours', got"),
    "no description": (
        COLOURS.replace("description =", "about ="),
        "Colours",
        "has no attribute 'description'",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_error_of_a_broken_package_names_it(
    kind: str, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    code, target, cause = BROKEN[kind]
    package = f"broken-{list(BROKEN).index(kind)}"
    install(package, code, target=target)
    with pytest.raises(
        BackboneError,
        match=rf"^backbone 'colours': the package {package} is broken \(.*{cause}.*\)\. "
        rf"Upgrade it, or remove it with: pip uninstall {package}$",
    ):
        open_backbone("colours")
    with caplog.at_level(logging.WARNING):
        listed = {each.name for each in describe_backbones()}
    assert listed >= {each.name for each in describe_backbones(installed=False)}
    assert "colours" not in listed
    assert f"the package {package} is broken" in caplog.text
    assert open_backbone("tiny").description.name == "tiny"


def test_an_error_while_it_opens_names_the_package(install: Install) -> None:
    install("broken-start", COLOURS.replace("self.identity =", "self.identity = 1 / 0 #"))
    with pytest.raises(BackboneError, match=r"package broken-start is broken \(ZeroDivisionError: "):
        open_backbone("colours")


def test_an_error_of_perfectlook_while_it_opens_stays_as_it_is(install: Install) -> None:
    code = COLOURS.replace("self.identity =", "raise PictureError('no picture') #")
    install("own-error", f"from perfectlook.errors import PictureError\n{code}")
    with pytest.raises(Exception, match=r"^no picture$"):
        open_backbone("colours")


def test_a_name_of_two_packages_is_refused(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("paints-b", COLOURS)
    install("paints-a", COLOURS)
    message = r"backbone 'colours': provided by paints-a and paints-b\. Run: pip uninstall paints-a"
    with pytest.raises(BackboneError, match=message):
        open_backbone("colours")
    assert "colours" not in {each.name for each in describe_backbones()}
    assert "provided by paints-a and paints-b" in caplog.text


def test_a_shipped_name_cannot_be_taken(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("impostor", COLOURS.replace('"colours"', '"tiny"'), name="tiny")
    assert type(open_backbone("tiny")).__name__ == "Tiny"
    assert [each.name for each in describe_backbones()].count("tiny") == 1
    assert "backbone 'tiny': provided by impostor and perfectlook. Run: pip uninstall impostor" in caplog.text


def test_an_unknown_name_lists_and_suggests_installed_backbones(install: Install) -> None:
    install("colours-three", "import missing_library")  # is not loaded for this
    with pytest.raises(
        BackboneError, match=r"Did you mean 'colours'\? Choose one of: .*dinov2-small, colours"
    ):
        open_backbone("colour")


def test_shipped_names_do_not_search_the_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**selection: str) -> None:
        raise AssertionError(f"searched {selection}")

    monkeypatch.setattr(metadata, "entry_points", refuse)
    assert open_backbone("tiny").description.name == "tiny"
    assert describe_backbones(installed=False)


def test_importing_backbones_loads_no_other_package() -> None:
    code = "import sys, perfectlook.backbones; print([x for x in sys.modules if x == 'perfectlook_dinov2'])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_error_of_dinov2_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_installed", dict)
    with pytest.raises(
        MissingExtraError,
        match=r"^Backbone 'dinov2-small' needs the extra 'dinov2'\. "
        r"In a clone of perfectlook, run: pip install '\.\[dinov2\]'$",
    ):
        open_backbone("dinov2-small")
    with pytest.raises(BackboneError, match=r"Did you mean 'dinov2-small'\?"):
        open_backbone("dinov2")
