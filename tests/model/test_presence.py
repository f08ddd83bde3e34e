"""Presence: categories and products of photos, with values computed by hand."""

from pathlib import Path

import numpy as np
import pytest

from perfectlook.backbones import FeatureBatch
from perfectlook.errors import ModelError
from perfectlook.model.files import PRESENCE
from perfectlook.model.presence import Presence, all_windows, mean_log_odds
from perfectlook.types import REGIONS

RUGS, SOFAS = "Decor|Rugs", "Furniture|Sofas"
WINDOWS = len(all_windows().shares)


def presence(**changed: object) -> Presence:
    """Channel 0 of the map shows rugs, channel 1 sofas; channels 2 and 3 show which product it is."""
    parts: dict[str, object] = {
        "mean": [0.0, 0.0],
        "scale": [1.0, 1.0],
        "weights": [[1.0, 0.0], [0.0, 1.0]],
        "bias": [0.0, 0.0],
        "cell_mean": [0.0] * 4,
        "cell_scale": [1.0] * 4,
        "looks": [[10.0, 0, 0, 0], [0, 10.0, 0, 0]],
        "places": np.zeros((2, WINDOWS)),
        "level": [-2.0, -2.0],
        "calibration": [1.0, 1.0, 0.0],
        "belonging": [[0.0, 4.0], [4.0, 0.0]],
        "belonging_bias": [-2.0, -2.0],
        "repeats": [0.0, 0.5],
        "centres": [[1.0, 0, 0, 0], [0, 1.0, 0, 0]],
        "projection": [[0.0, 0], [0, 0], [1, 0], [0, 1]],
        "middles": np.zeros((2, 2)),
        "limit": 0.5,
    } | changed
    return Presence((RUGS, SOFAS), **{name: np.asarray(part, np.float32) for name, part in parts.items()})  # type: ignore[arg-type]


def photo(**regions: list[float]) -> FeatureBatch:
    """A photo with no global features; `r8=[...]` sets the channels of region 8."""
    maps = np.zeros((1, REGIONS, 4), np.float32)
    for name, channels in regions.items():
        maps[0, int(name[1:])] = channels
    return FeatureBatch(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32), maps)


WITH_RUG = photo(r8=[1, 0, 3, 0])
"""A rug in the second row, second column."""
PRODUCTS = np.array([[5.0, 0.0], [0.0, 5.0], [-5.0, 0.0]], np.float32)


def test_windows_are_rectangles_of_regions():
    boxes, shares = all_windows()
    assert len(boxes) == (7 + 6 + 4 + 1) ** 2
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(boxes)))
    first = np.flatnonzero((boxes == np.array([1, 1, 3, 2], np.float32) / 7).all(axis=1))
    assert np.flatnonzero(shares[first[0]]).tolist() == [8, 9]


def test_the_log_odds_of_windows_are_joined_by_their_mean_odds():
    assert mean_log_odds(np.log([[1.0], [2.0], [6.0]])) == pytest.approx([np.log(3.0)])


def test_a_category_is_present_if_one_window_shows_it():
    sight = presence().look_at(WITH_RUG)
    assert sight.present[RUGS] > 0.5 > sight.present[SOFAS]
    windows = np.array([10 * share[8] for share in all_windows().shares])
    level = np.log(np.exp(windows).mean()) - 2
    assert sight.present[RUGS] == pytest.approx(1 / (1 + np.exp(-level)), rel=1e-5)
    assert sight.present[SOFAS] == pytest.approx(1 / (1 + np.exp(2)), rel=1e-5)


def test_the_whole_photo_can_show_a_category_too():
    batch = photo()._replace(global_vectors=np.array([[4.0]], np.float32))
    sight = presence().look_at(batch)
    assert sight.present[RUGS] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-5)


def test_a_category_completes_a_photo_if_it_belongs_and_is_not_there():
    everything = presence(calibration=[0.0, 0.0, 0.0], belonging_bias=[0.0, 0.0])
    sight = everything.look_at(photo())
    belongs = 1 / (1 + np.exp(-2))  # half a sofa makes a rug likely, and the other way round
    assert sight.completing[RUGS] == pytest.approx(belongs * 0.5, rel=1e-5)
    assert sight.completing[SOFAS] == pytest.approx(belongs * (1 - 0.5 * 0.5), rel=1e-5)  # half have two
    found = presence().look_at(WITH_RUG)
    assert found.completing[SOFAS] > found.completing[RUGS]


def test_the_product_like_a_window_is_in_the_scene():
    seen = presence()
    there, regions = seen.in_scene(seen.look_at(WITH_RUG), RUGS, PRODUCTS)
    assert there.tolist() == [True, False, False]
    assert tuple(regions[0]) == pytest.approx((1 / 7, 1 / 7, 2 / 7, 2 / 7))


def test_the_likeness_is_the_share_among_the_products_plus_the_evidence_of_the_category():
    seen = presence()
    sight = seen.look_at(WITH_RUG)
    likeness, _ = seen.likeness(sight, RUGS, PRODUCTS)
    evidence = min(2.0, float(sight.evidence[0]))
    assert np.exp(likeness - evidence).sum() == pytest.approx(1.0)
    alone, _ = seen.likeness(sight, RUGS, PRODUCTS[1:2])
    assert alone == pytest.approx([evidence])


def test_no_product_of_an_absent_category_is_in_the_scene():
    seen = presence()
    sight = seen.look_at(photo())
    assert not seen.may_show(sight, SOFAS)
    assert not seen.may_show(sight, "Lamps")
    assert not seen.in_scene(sight, SOFAS, PRODUCTS)[0].any()


def test_products_are_looked_for_near_the_guess():
    seen = presence()
    guess = seen.guess(seen.look_at(WITH_RUG), RUGS)
    assert np.linalg.norm(PRODUCTS - guess, axis=1).argmin() == 0


def test_the_file_is_read_back(tmp_path: Path):
    assert Presence.open(tmp_path) is None
    (tmp_path / PRESENCE).write_bytes(presence().content())
    found = Presence.open(tmp_path)
    assert found is not None
    assert found.look_at(WITH_RUG).present == presence().look_at(WITH_RUG).present


def test_a_damaged_file_and_another_backbone_are_errors(tmp_path: Path):
    (tmp_path / PRESENCE).write_bytes(presence(places=np.zeros((2, 3))).content())
    with pytest.raises(ModelError, match=r"presence\.npz: cannot be read \(places has shape \(2, 3\)"):
        Presence.open(tmp_path)
    other = WITH_RUG._replace(global_vectors=np.zeros((1, 7), np.float32))
    with pytest.raises(ModelError, match="expected 2 features of a scene, got 8"):
        presence().look_at(other)
