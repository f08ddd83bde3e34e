"""The mixture weighs a prior and a regression by held-out pairs, and one vector holds both."""

import dataclasses
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from perfectlook.backbones import FeatureBatch
from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.features.set_features import SetFeatures
from perfectlook.model.config import ModelConfig
from perfectlook.model.distances import squared_l2
from perfectlook.model.mixture import Blend, Mixture
from perfectlook.model.networks import Compatibility, Widths
from perfectlook.model.runtime import Model
from perfectlook.training import mixture
from perfectlook.training.baselines.registry import baseline, train_baseline_on_features
from perfectlook.training.checkpoint import ADDS
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.finetune import StartingModel
from perfectlook.training.mixture import (
    ClosedForms,
    choose,
    last_doubling,
    measured_scenes,
)
from perfectlook.training.train import train_on_features
from perfectlook.training.validation import HeldOutPairs, Round, folds, learning_pairs, shares_of
from styled import styled_set

CONFIG = baseline("mixture").config({"backbone": "tiny"}, name="mixture")
SETS = {"scenes": 60, "products": 40, "noise": 0.3}


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData(styled_set(**SETS), CONFIG.model)


@pytest.fixture(scope="module")
def forms(data: TrainingData) -> ClosedForms:
    return choose(data, CONFIG)


def network_of(forms: ClosedForms, data: TrainingData, rank: int = 512) -> Mixture:
    training, scenes = learning_pairs(data.features, CONFIG), measured_scenes(data, CONFIG)
    return forms.network(data, CONFIG, training, scenes, rank).eval()


def test_the_inner_products_of_its_vectors_are_the_weighted_sum_of_the_parts(
    data: TrainingData, forms: ClosedForms
) -> None:
    network, training = network_of(forms, data), learning_pairs(data.features, CONFIG)
    measured = measured_scenes(data, CONFIG)
    queries, products = forms.queries(measured, training, measured)
    with torch.no_grad():
        scenes = network.embed_scene(data.scene_features(measured)).numpy()
        vectors = network.embed_product(*data.products()).numpy()
    wanted = queries @ products.T
    assert scenes @ vectors.T == pytest.approx(wanted, abs=2e-3 * float(np.abs(wanted).max()))


def test_every_product_vector_has_the_same_length_so_distances_rank_by_inner_products(
    data: TrainingData, forms: ClosedForms
) -> None:
    with torch.no_grad():
        lengths = network_of(forms, data).embed_product(*data.products()).norm(dim=1).numpy()
    assert lengths == pytest.approx(np.full(len(lengths), lengths[0]), rel=1e-4)


def by_brute_force(data: TrainingData, forms: ClosedForms, rounds: list[Round]) -> list[float]:
    """The share of every held-out pair, by the distances of closed forms fitted to each round's pairs."""
    features, shares = data.features, []
    for part in rounds:
        distances = forms.distances(data, part)
        for index in HeldOutPairs(data, part).pairs:
            pair, row = features.pairs[index], int(features.pair_products[index])
            known = features.dataset.positives[pair.scene]
            others = [
                other
                for other, product in enumerate(features.product_ids)
                if product not in known
                and features.product_categories[other] == features.product_categories[row]
            ]
            scene = int(features.pair_scenes[index])
            own = distances(scene, "", np.array([row]))[0]
            shares.append(float(np.mean(distances(scene, "", np.array(others)) > own)))
    return shares


def test_held_out_accuracy_is_what_brute_force_gives(data: TrainingData, forms: ClosedForms) -> None:
    shares = by_brute_force(data, forms, folds(data.features, CONFIG))
    assert forms.held_out.shares == pytest.approx(shares, abs=1e-3)
    assert np.mean(shares) > 0.8


def test_with_no_pair_to_choose_by_the_prior_counts_alone(data: TrainingData) -> None:
    forms = choose(data, CONFIG, learns=False)
    assert (len(forms.parts), forms.weights) == (1, [1.0])


def test_weights_move_from_the_prior_to_the_choice_with_the_number_of_pairs(
    data: TrainingData, forms: ClosedForms, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior, *ridges = forms.weights
    monkeypatch.setattr(mixture, "TRUST", 10**9)
    cautious = choose(data, CONFIG).weights
    assert sum(ridges) > 0
    assert sum(cautious[1:]) / cautious[0] < 1e-4 < sum(ridges) / max(prior, 1e-9)


def test_regressions_read_all_features_the_style_statistics_and_the_global_vector(
    data: TrainingData, forms: ClosedForms
) -> None:
    """The global vector comes first; the prior reads all."""
    head, width = data.widths.head, data.widths.head + data.widths.style
    spans = [(0, width), (0, width), (head, width), (0, head)]
    assert [each.columns.tolist() for each in forms.parts] == [list(range(*span)) for span in spans]
    assert [each.learns for each in forms.parts] == [False, True, True, True]


def test_only_the_components_of_the_setting_count(data: TrainingData, forms: ClosedForms) -> None:
    part, setting = forms.parts[1], mixture._Setting(3.0, components=3, whitening=0.5)
    factors = 1 / part.deviations[:3]
    assert part.weigh(np.ones((5, 4), np.float32), setting) == pytest.approx(np.tile(factors, (5, 1)))
    forms = dataclasses.replace(forms, settings=[forms.settings[0], *[setting] * 3], weights=[1.0] * 4)
    training, measured = learning_pairs(data.features, CONFIG), measured_scenes(data, CONFIG)
    queries, products = forms.queries(measured, training, measured)
    narrow = sum(min(3, len(each.deviations)) for each in forms.parts[1:])
    assert queries.shape[1] == products.shape[1] == len(forms.parts[0].deviations) + narrow


def test_the_prior_keeps_the_share_that_is_set(data: TrainingData) -> None:
    half = baseline("mixture").config({"backbone": "tiny", "prior_share": 1.0}, name="mixture")
    steps: list[tuple[int, int, int]] = []
    assert choose(data, half, progress=lambda *_: lambda *step: steps.append(step)).weights[1:] == [0, 0, 0]
    assert steps == [(0, 4, 0), (1, 4, 0), (2, 4, 0), (3, 4, 0), (4, 4, 0)]


def test_a_restored_mixture_gives_the_same_vectors(data: TrainingData, forms: ClosedForms) -> None:
    network = network_of(forms, data, rank=4)
    restored = Mixture.restore(CONFIG.model, network.state_dict()).eval()
    with torch.no_grad():
        assert torch.equal(network.embed_product(*data.products()), restored.embed_product(*data.products()))


def test_a_blend_adds_the_weighted_inner_products_to_the_distances(
    data: TrainingData, forms: ClosedForms
) -> None:
    torch.manual_seed(0)
    shape = ModelConfig(backbone="tiny", dimension=8, hidden=16, mode="global", memory=0)
    network = Compatibility(shape, data.widths, len(data.categories)).eval()
    closed = network_of(forms, data, rank=6)
    blend = Blend(network, closed, 0.4).eval()
    scenes = data.scene_features(np.arange(3))
    with torch.no_grad():
        found = squared_l2(blend.embed_scene(scenes)[:, None], blend.embed_product(*data.products())).numpy()
        plain = squared_l2(network.embed_scene(scenes)[:, None], network.embed_product(*data.products()))
        matches = closed.embed_scene(scenes) @ closed.embed_product(*data.products()).T
    wanted = (plain - 0.4 * matches).numpy()
    difference = found - wanted  # the same for all products of a scene
    assert difference == pytest.approx(np.broadcast_to(difference[:, :1], difference.shape), abs=2e-3)
    assert blend.config.vector_dimension == 8 + 7


def test_the_model_on_disk_ranks_like_the_validation_that_chose_it(tmp_path: Path) -> None:
    """A network with regions, memory and closed forms."""
    features = styled_set(**SETS)
    shape = ModelConfig(backbone="tiny", dimension=8, hidden=16, memory=1, memory_dimension=4)
    train_on_features(features, tmp_path / "m", TrainingConfig(model=shape, epochs=2, batch_size=64))
    model = Model.open(tmp_path / "m")
    assert model.record.training["mixture"]["weights"]
    assert accuracy(features, tmp_path / "m") > 0.75
    assert model.dimension == model.record.config.vector_dimension == sum(model.record.parts.values())
    assert {"network", "mixture"} <= set(model.record.parts) <= {"network", "memory", "mixture"}


def test_of_two_backbones_the_network_reads_the_first_and_the_closed_forms_read_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [Widths(8, (3, 3), 5), Widths(4, (4,), 3)]
    monkeypatch.setattr(
        "perfectlook.training.train.training_data",
        lambda features, shape, _: TrainingData(features, shape, (3, 3, 4), members),
    )
    features = styled_set(**SETS)
    shape = ModelConfig(backbone="tiny", dimension=8, hidden=16, memory=1, memory_dimension=4)
    config = TrainingConfig(model=shape, epochs=2, batch_size=64)
    train_on_features(features, tmp_path / "m", config)
    model = Model.open(tmp_path / "m")
    assert len(model.record.training["mixture"]["weights"]) == 8  # a prior and three regressions each
    assert accuracy(features, tmp_path / "m") > 0.75
    batch = features.scenes.batch(slice(0, 3))
    changed = FeatureBatch(*(array.copy() for array in batch))
    for array, own in zip(changed, (8, 6, 5), strict=True):
        array[..., own:] = 0
    closed = model.record.config.closed_form
    for one, two in zip(model.embed_scenes(batch), model.embed_scenes(changed), strict=True):
        np.testing.assert_array_equal(one.scene[:-closed], two.scene[:-closed])
        np.testing.assert_array_equal(one.regions, two.regions)
        assert not np.allclose(one.scene[-closed:], two.scene[-closed:], atol=1e-3)
    start = StartingModel.read(tmp_path / "m")
    train_on_features(features, tmp_path / "same", dataclasses.replace(config, epochs=0), start=start)
    again = Model.open(tmp_path / "same").embed_scenes(batch)
    for one, two in zip(model.embed_scenes(batch), again, strict=True):
        np.testing.assert_allclose(one.query_point("Decor|Rugs"), two.query_point("Decor|Rugs"), atol=1e-5)


def test_a_network_that_adds_nothing_is_not_kept(tmp_path: Path) -> None:
    features = styled_set(**SETS)
    shape = ModelConfig(backbone="tiny", dimension=2, hidden=2, memory=0, linear_path="none")
    config = TrainingConfig(model=shape, epochs=1, learning_rate=1e-6)
    record = train_on_features(features, tmp_path / "m", config, may_drop=True)
    assert record.baseline == "mixture"
    assert record.training["network_adds"] < ADDS
    assert record.training["summary"][0].startswith("Chosen: the closed forms alone")
    assert record.training["new_products"]["value"] > 0.75


def test_no_pair_of_the_test_split_changes_the_choice() -> None:
    features = styled_set(**SETS)
    held = set(range(len(features.pairs))) - set(learning_pairs(features, CONFIG).tolist())
    shuffled = features.pair_products.copy()
    rows = np.asarray(sorted(held))
    shuffled[rows] = np.random.default_rng(0).permutation(shuffled[rows])
    moved = SetFeatures(**{**vars_of(features), "pair_products": shuffled})
    weights = [choose(TrainingData(each, CONFIG.model), CONFIG).weights for each in (features, moved)]
    assert weights[0] == weights[1]


def vars_of(features: SetFeatures) -> dict:
    return {name: getattr(features, name) for name in features.__dataclass_fields__}


def accuracy(features: SetFeatures, folder: Path) -> float:
    return evaluate_on_features(Model.open(folder), features, split="all").overall.binary_accuracy.value


def test_the_baseline_writes_a_model_with_its_figures(tmp_path: Path) -> None:
    features = styled_set(**SETS)
    settings = {"backbone": "tiny"}
    record = train_baseline_on_features(features, tmp_path / "m", "mixture", settings, whole=features)
    suggester = Model.open(tmp_path / "m").suggester
    assert suggester is not None
    assert set(suggester.categories) == set(features.product_categories)
    assert set(record.training["mixture"]) == {"weights", "ridge", "shares"}
    assert sum(record.training["mixture"]["shares"].values()) == pytest.approx(1)
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert record.training["summary"]
    assert all(f"- {sentence}\n" in card for sentence in record.training["summary"])
    assert record.training["known_products"]["low"] <= record.training["known_products"]["value"]


def test_the_last_doubling_is_what_the_second_half_of_the_pairs_brought(
    data: TrainingData, forms: ClosedForms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_before(matches: list, *_: object) -> tuple:
        rows = zip(*matches, strict=True)
        mixed = [sum(w * each for w, each in zip(forms.weights, row, strict=True)) for row in rows]
        return forms.weights, forms.proportions, shares_of(mixed)

    monkeypatch.setattr(mixture, "weigh", as_before)
    found = last_doubling(forms, data, CONFIG)
    half = np.asarray([zlib.crc32(pair.scene.encode()) % 2 for pair in data.features.pairs])
    halves = []
    for chosen in (0, 1):
        rounds = [
            dataclasses.replace(each, training=each.training[half[each.training] == chosen])
            for each in folds(data.features, CONFIG)
        ]
        halves.append(by_brute_force(data, forms, rounds))
    assert found is not None
    assert found.value == pytest.approx(forms.held_out.shares.mean() - np.mean(halves), abs=1e-4)


def test_too_few_pairs_do_not_say_what_more_would_bring() -> None:
    few = TrainingData(styled_set(scenes=8, products=10), CONFIG.model)
    assert last_doubling(choose(few, CONFIG), few, CONFIG) is None
