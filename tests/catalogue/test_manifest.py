"""Manifests are written and read, and damaged ones give clear errors."""

import copy
import json

import numpy as np
import pytest

from perfectlook.catalogue.manifest import FORMAT, CatalogueManifest, Generation, ModelIdentity
from perfectlook.errors import CatalogueError

MODEL = ModelIdentity("m", "0123456789abcdef", "tiny-fp32-1a2b")
CENTRES = {"Furniture|Stühle": np.array([0.1, -2, 3e-9], np.float32), "Rugs": np.zeros(3, np.float32)}


def manifest() -> CatalogueManifest:
    active = Generation("vectors-1", MODEL, CENTRES, np.array([1, 2, 3], np.float32))
    return CatalogueManifest(active, Generation("vectors-2", MODEL, {}, None), counter=2)


def test_a_manifest_is_read_as_it_was_written() -> None:
    back = CatalogueManifest.from_document(json.loads(json.dumps(manifest().document())), "here")
    assert back.active is not None
    assert back.pending is not None
    assert (back.active.collection, back.active.model, back.counter) == ("vectors-1", MODEL, 2)
    assert {name: centre.tolist() for name, centre in back.active.centres.items()} == {
        name: centre.tolist() for name, centre in CENTRES.items()
    }
    assert back.active.overall is not None
    assert back.active.overall.tolist() == [1, 2, 3]
    assert (back.pending.centres, back.pending.overall) == ({}, None)
    assert back.target is back.pending


def test_no_document_is_an_empty_manifest() -> None:
    assert CatalogueManifest.from_document(None, "here") == CatalogueManifest(None, None, 0)


def test_known_centres_stay_and_new_centres_are_added() -> None:
    known = Generation("c", MODEL, {"a": np.ones(1, np.float32)}, np.ones(1, np.float32))
    more = known.with_centres({"a": np.zeros(1), "b": np.zeros(1)}, np.zeros(1))  # type: ignore[dict-item]
    assert {name: centre.item() for name, centre in more.centres.items()} == {"a": 1, "b": 0}
    assert more.overall is known.overall


@pytest.mark.parametrize(
    "path", [["active", "model"], ["active", "centres", "Rugs"], ["counter"], ["pending"]]
)
@pytest.mark.parametrize("value", [[], "not base64", {"x": 1}])
def test_the_error_of_a_damaged_manifest_has_place_and_remedy(path: list[str], value: object) -> None:
    document = copy.deepcopy(dict(manifest().document()))
    place: dict = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(CatalogueError, match=r"here: damaged \(manifest, .* catalogue sync"):
        CatalogueManifest.from_document(document, "here")


def test_a_newer_manifest_asks_for_an_upgrade() -> None:
    with pytest.raises(CatalogueError, match="Upgrade"):
        CatalogueManifest.from_document({"format": FORMAT + 1, "unknown": 1}, "here")
