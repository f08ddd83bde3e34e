"""Adaptation gives a shop's scenes the statistics of the training scenes, and changes nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawn import drawn_set
from perfectlook.backbones import FeatureBatch
from perfectlook.data import load_set
from perfectlook.errors import DatasetError, ModelError
from perfectlook.features.set_features import set_features
from perfectlook.features.store import FeatureArrays
from perfectlook.model.adaptation import ENOUGH, Moments, SceneStatistics, adapt
from perfectlook.model.files import CARD, FILES, KNOWN, SCENES, ModelRecord
from perfectlook.model.known import KnownScenes
from perfectlook.model.runtime import Model, open_model
from perfectlook.training.baselines.registry import train_baseline_on_features
from shipped import ignore_view


def arrays(rows: np.ndarray, head: int = 3) -> FeatureArrays:
    return FeatureArrays(rows[:, :head].astype(np.float16), rows[:, head:].astype(np.float16))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prior of drawn scenes with boxes."""
    folder = tmp_path_factory.mktemp("adaptation")
    features = set_features(load_set(drawn_set(folder / "set", scenes=30)), "tiny", workers=1)
    train_baseline_on_features(features, folder / "model", "prior", {"backbone": "tiny", "dimension": 16})
    return folder / "model"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another set, whose scenes are photos of a shop."""
    return drawn_set(tmp_path_factory.mktemp("shop") / "set", scenes=20, styles=7, seed=5)


def test_moments_are_those_of_numpy() -> None:
    rows = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float16)
    found = Moments.of(arrays(rows))
    np.testing.assert_allclose(found.mean, rows.astype(float).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.deviation, rows.astype(float).std(axis=0), atol=1e-6)


@pytest.mark.parametrize("count", [1, 4, 15])
def test_few_scenes_are_filled_up_with_the_training_scenes(count: int) -> None:
    random = np.random.default_rng(count)
    own, prior = random.normal(2, 3, (count, 4)), random.normal(-1, 0.5, (ENOUGH - count, 4))
    moments = [Moments(*(f(rows, axis=0) for f in (np.mean, np.std))) for rows in (own, prior)]
    found = moments[0].shrunk_to(moments[1], count)
    together = np.concatenate([own, prior])  # the same as if the missing scenes were training scenes
    np.testing.assert_allclose(found.mean, together.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.deviation, together.std(axis=0), rtol=1e-5)


def test_enough_scenes_count_alone() -> None:
    own, prior = Moments(np.ones(2), np.ones(2)), Moments(np.zeros(2), 9 * np.ones(2))
    assert all(np.array_equal(a, b) for a, b in zip(own.shrunk_to(prior, ENOUGH), own, strict=True))


def test_whole_photos_and_parts_get_the_moments_of_the_training_scenes(
    trained: Path, shop: Path, tmp_path: Path
) -> None:
    adapt(trained, shop / "scenes", tmp_path / "m", workers=1)
    statistics = SceneStatistics.read(tmp_path / "m")
    whole = set_features(load_set(shop), "tiny", scene="full", workers=1).scenes
    aligned = statistics.align(whole.batch(slice(None)))
    features = np.concatenate([aligned.global_vectors, aligned.style_statistics], axis=1)
    varied = statistics.whole.deviation > 1e-3 * statistics.whole.deviation.mean()
    np.testing.assert_allclose(features.mean(axis=0), statistics.trained.mean, atol=2e-2)
    np.testing.assert_allclose(features.std(axis=0)[varied], statistics.trained.deviation[varied], atol=2e-2)
    some = whole.batch([0, 1])
    mixed = statistics.align(some, np.array([True, False]))
    parts, wholes = statistics.align(some, np.array([True, True])), statistics.align(some)
    assert np.array_equal(mixed.global_vectors[0], parts.global_vectors[0])
    assert np.array_equal(mixed.style_statistics[1], wholes.style_statistics[1])
    assert not np.allclose(parts.global_vectors, wholes.global_vectors)


def test_an_adapted_model_embeds_scenes_differently_and_products_as_before(
    trained: Path, shop: Path, tmp_path: Path
) -> None:
    made = adapt(trained, shop / "scenes", tmp_path / "m", workers=1)
    before, after = open_model(trained), open_model(tmp_path / "m")
    assert (made.n_pictures, made.problems) == (20, [])
    assert 50 < made.n_parts <= 60  # two random parts of a small picture may be the same
    assert (after.name, after.record.adapted["model"]) == ("m", "model")
    assert after.identity != before.identity
    batch = set_features(load_set(shop), "tiny", scene="full", workers=1).scenes.batch([3])
    centre = before.centre(before.categories[0])[None]
    assert np.array_equal(before.embed_products(batch, centre), after.embed_products(batch, centre))
    expected = before.embed_scene(SceneStatistics.read(tmp_path / "m").align(batch))
    assert np.array_equal(after.embed_scene(batch).scene, expected.scene)
    assert not np.allclose(after.embed_scene(batch).scene, before.embed_scene(batch).scene)


def test_an_adapted_model_knows_the_photos_that_it_was_adapted_to(
    trained: Path, shop: Path, tmp_path: Path
) -> None:
    adapt(trained, shop / "scenes", tmp_path / "m", workers=1)
    model = open_model(tmp_path / "m")
    features = set_features(load_set(shop), "tiny", scene="full", workers=1)
    order = np.argsort([view.picture.name for view in features.scene_views])
    scenes = features.scenes.batch(order)
    assert np.mean([model.is_far(features.scenes.batch([row])) for row in range(len(order))]) < 0.1
    # features as they are: aligned by themselves, these photos would seem nearer than others of their kind
    known = KnownScenes.of(scenes.global_vectors, scenes.style_statistics)
    assert known is not None
    assert model.known_scenes is not None
    card = (tmp_path / "m" / CARD).read_text("utf-8")
    assert card.startswith(f"# m\n\nAdapted from `{open_model(trained).name}` to {len(order)} photos. ")
    assert np.allclose(model.known_scenes.mean, known.mean, atol=1e-3)
    assert model.known_scenes.limit == pytest.approx(known.limit, rel=1e-3)
    one = features.scenes.batch([0])
    assert model.is_far(one._replace(global_vectors=one.global_vectors + 100))


def test_so_does_one_that_was_adapted_to_few(trained: Path, shop: Path, tmp_path: Path) -> None:
    features = set_features(load_set(shop), "tiny", scene="full", workers=1)
    scenes = features.scenes
    narrow = (
        scenes.global_vectors[:1] + np.zeros((40, 1), np.float16),
        scenes.style_statistics[:1].repeat(40, 0),
    )
    noise = np.random.default_rng(0).normal(0, 0.01, (40, narrow[1].shape[1]))
    known = KnownScenes.of(narrow[0], (narrow[1] + noise).astype(np.float32))
    assert known is not None
    model = shutil.copytree(trained, tmp_path / "model")
    (model / KNOWN).write_bytes(known.content())
    few = tmp_path / "few"
    few.mkdir()
    for picture in sorted((shop / "scenes").iterdir())[:8]:
        shutil.copy(picture, few)
    adapt(model, few, tmp_path / "m", workers=1)
    rows = [row for row, view in enumerate(features.scene_views) if (few / view.picture.name).exists()]
    assert all(open_model(model).is_far(scenes.batch([row])) for row in rows[1:])
    assert sum(open_model(tmp_path / "m").is_far(scenes.batch([row])) for row in rows) <= 1


def test_one_that_is_adapted_again_to_few_compares_photos_as_the_model_before(
    trained: Path, shop: Path, tmp_path: Path
) -> None:
    features = set_features(load_set(shop), "tiny", scene="full", workers=1)
    scenes = features.scenes
    few = tmp_path / "few"
    few.mkdir()
    for picture in sorted((shop / "scenes").iterdir())[:8]:
        shutil.copy(picture, few)
    adapt(trained, shop / "scenes", tmp_path / "once", workers=1)
    adapt(tmp_path / "once", few, tmp_path / "twice", workers=1)
    once, twice = open_model(tmp_path / "once"), open_model(tmp_path / "twice")
    assert once.known_scenes is not None
    assert twice.known_scenes is not None
    rows = [row for row, view in enumerate(features.scene_views) if (few / view.picture.name).exists()]
    raised = once.known_scenes.passing(scenes.batch(rows))
    assert twice.known_scenes.limit == pytest.approx(raised.limit, rel=1e-3)
    tight = replace(raised, limit=float(np.median(raised.distances(scenes.batch(rows)))))
    (tmp_path / "twice" / KNOWN).write_bytes(tight.content())
    model = open_model(tmp_path / "twice")
    expected = [tight.is_far(scenes.batch([row])) for row in range(20)]
    assert [model.is_far(scenes.batch([row])) for row in range(20)] == expected
    aligned = SceneStatistics.read(tmp_path / "twice").align(scenes.batch(slice(None)))
    assert list(tight.distances(aligned) > tight.limit) != expected


def test_one_of_an_earlier_version_knows_aligned_scenes(trained: Path, shop: Path, tmp_path: Path) -> None:
    scenes = set_features(load_set(shop), "tiny", scene="full", workers=1).scenes
    old = tmp_path / "old"
    adapt(trained, shop / "scenes", old, workers=1)
    record = ModelRecord.read(old)
    assert record.adapted is not None
    kept = {name: record.adapted[name] for name in ("model", "identity", "n_pictures")}
    replace(record, adapted=kept).write(old)
    aligned = SceneStatistics.read(old).align(scenes.batch(slice(None)))
    known = KnownScenes.of(aligned.global_vectors, aligned.style_statistics)
    assert known is not None
    known = replace(known, limit=float(np.median(known.distances(aligned))))
    (old / KNOWN).write_bytes(known.content())
    model, as_they_are = open_model(old), scenes.batch(slice(None))
    found = [model.is_far(scenes.batch([row])) for row in range(20)]
    assert found == list(known.distances(aligned) > known.limit)
    assert found != list(known.distances(as_they_are) > known.limit)
    few = tmp_path / "few"
    few.mkdir()
    for picture in sorted((shop / "scenes").iterdir())[:8]:
        shutil.copy(picture, few)
    adapt(old, few, tmp_path / "again", workers=1)
    assert not ModelRecord.read(tmp_path / "again").knows_raw


def test_in_an_evaluation_cropped_scenes_are_parts(trained: Path, shop: Path, tmp_path: Path) -> None:
    adapt(trained, shop / "scenes", tmp_path / "m", workers=1)
    model, features = open_model(tmp_path / "m"), set_features(load_set(shop), "tiny", workers=1)
    assert all(view.crop for view in features.scene_views)
    embedded = model.scene_embeddings(features, np.array([0]))[0]
    (expected,) = model.embed_scenes(features.scenes.batch([0]), np.array([True]))
    assert np.array_equal(embedded.scene, expected.scene)


def test_a_second_adaptation_starts_from_the_training_scenes(
    trained: Path, shop: Path, tmp_path: Path
) -> None:
    adapt(trained, shop / "scenes", tmp_path / "once", workers=1)
    adapt(tmp_path / "once", shop / "scenes", tmp_path / "twice", workers=1)
    once, twice = (SceneStatistics.read(tmp_path / name) for name in ("once", "twice"))
    assert np.array_equal(once.whole, twice.whole)
    assert np.array_equal(once.parts, twice.parts)


def test_an_unreadable_photo_is_reported_and_left_out(trained: Path, shop: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(shop / "scenes", photos / "more")
    (photos / "broken.jpg").write_bytes(b"not a picture")
    (photos / "notes.txt").write_text("not a photo")
    made = adapt(trained, photos, tmp_path / "m", workers=1)
    assert made.n_pictures == 20
    (problem,) = made.problems
    assert problem.item.endswith("broken.jpg")


def test_a_changed_file_of_statistics_is_noticed(trained: Path, shop: Path, tmp_path: Path) -> None:
    adapt(trained, shop / "scenes", tmp_path / "m", workers=1)
    shutil.copy(trained / SCENES, tmp_path / "m" / SCENES)
    with pytest.raises(ModelError, match="damaged"):
        open_model(tmp_path / "m")


def test_what_cannot_be_adapted_says_why(trained: Path, shop: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        adapt(trained, tmp_path / "nowhere", tmp_path / "m", workers=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no readable picture"):
        adapt(trained, tmp_path / "empty", tmp_path / "m", workers=1)
    with pytest.raises(ModelError, match="the folder of the model itself"):
        adapt(trained, shop / "scenes", trained, workers=1)
    old = shutil.copytree(trained, tmp_path / "old")
    (old / SCENES).unlink()
    with pytest.raises(ModelError, match=f"{SCENES}.*Train the model again"):
        adapt(old, shop / "scenes", tmp_path / "m", workers=1)
    assert open_model(old).identity == open_model(trained).identity  # only an adapted model needs the file


def test_a_model_can_ignore_how_much_of_a_scene_is_in_view(trained: Path, shop: Path, tmp_path: Path) -> None:
    """Scenes that are moved along the shift from parts to whole photos, or all features together, stay."""
    shutil.copytree(trained, tmp_path / "m")
    before = Model.open(tmp_path / "m")
    scenes = set_features(load_set(shop), "tiny", scene="full", workers=1).scenes
    record = ignore_view(tmp_path / "m", scenes)
    model = Model.open(tmp_path / "m")
    assert model.identity == record.identity != before.identity
    statistics, batch = SceneStatistics.read(tmp_path / "m"), scenes.batch([0])
    head, deviation = batch.global_vectors.shape[1], statistics.trained.deviation
    deviation = deviation.clip(1e-3 * deviation.mean())
    shift = Moments.of(scenes).mean - statistics.trained.mean
    plain, moved = before.embed_scene(batch).scene, []
    for along in (0.5 * shift, 0.5 * deviation):
        for part in (slice(0, head), slice(head, None)):
            features = np.concatenate([batch.global_vectors, batch.style_statistics], axis=1)
            features[:, part] += along[part]
            other = FeatureBatch(features[:, :head], features[:, head:], batch.feature_maps)
            moved.append(np.abs(before.embed_scene(other).scene - plain).max())
            np.testing.assert_allclose(
                model.embed_scene(other).scene, model.embed_scene(batch).scene, atol=2e-3
            )
    assert min(moved) > 0.02
    adapt(tmp_path / "m", shop / "scenes", tmp_path / "adapted", workers=1)
    kept = SceneStatistics.read(tmp_path / "adapted").ignored
    np.testing.assert_array_equal(kept, statistics.ignored)
    (tmp_path / "m" / "scenes.npz").write_bytes(replace(statistics, ignored=None).content())
    with pytest.raises(ModelError, match="damaged"):
        Model.open(tmp_path / "m")


def test_nothing_of_an_earlier_model_stays_in_the_folder(trained: Path, shop: Path, tmp_path: Path) -> None:
    """The model has none of these files, and an adapted model has what its model has."""
    earlier = tmp_path / "m"
    earlier.mkdir()
    for name in set(FILES) - {each.name for each in trained.iterdir()}:
        (earlier / name).write_bytes(b"of another model")
    assert len(list(earlier.iterdir())) > 3
    adapt(trained, shop / "scenes", earlier, workers=1)
    assert {each.name for each in earlier.iterdir()} == {each.name for each in trained.iterdir()} | {KNOWN}
    model = open_model(earlier)
    assert isinstance(model, Model)
    assert (model.complements, model.presence, model.suggester) == (None, None, None)
