"""The cases of a report, against the protocol and against all products one by one."""

import numpy as np
import pytest

from perfectlook.evaluation.evaluate import evaluate_on_features
from perfectlook.evaluation.protocol import placing
from perfectlook.evaluation.report import NEAREST, cases_of
from perfectlook.model.runtime import Model, open_model


@pytest.fixture(scope="module")
def cases(measured):
    model = open_model(measured.model)
    results = evaluate_on_features(model, measured.features, split="all").results
    return cases_of(model, measured.features, results)


def test_the_nearest_products_follow_the_ranking_of_the_protocol(measured, cases):
    features, dataset = measured.features, measured.features.dataset
    model = Model.open(measured.model)
    vectors = model.product_vectors(features)
    for case in cases:
        index = case.result.index
        row = int(features.pair_scenes[index])
        scene = model.scene_embeddings(features, np.asarray([index]))[row]
        others = dataset.positives[case.pair.scene] - {case.pair.product}
        members = [
            number
            for number, product in enumerate(features.product_ids)
            if features.product_categories[number] == case.category and product not in others
        ]
        distance = {
            features.product_ids[n]: float(scene.distances(case.category, vectors[n : n + 1]).total[0])
            for n in members
        }
        true = distance.pop(case.pair.product)
        share, rank = placing(true, np.asarray(list(distance.values())))
        assert (share, rank) == (case.result.share, case.result.rank)
        ordered = sorted([*distance.items(), (case.pair.product, true)], key=lambda each: each[1])
        assert [each.product.id for each in case.nearest] == [product for product, _ in ordered[:NEAREST]]
        assert [each.distance for each in case.nearest] == pytest.approx([d for _, d in ordered[:NEAREST]])
        assert case.true.distance == pytest.approx(true)
        assert case.n_nearer == rank - 1
        assert case.mean_distance == pytest.approx(np.mean([each for _, each in ordered]))


def test_a_distance_is_the_sum_of_its_parts(cases):
    for case in cases:
        for answer in (case.true, *case.nearest):
            assert answer.parts is not None
            assert answer.parts.whole + answer.parts.regions == pytest.approx(answer.distance, abs=1e-5)
        assert case.mean_parts is not None
        assert case.mean_parts.whole + case.mean_parts.regions == pytest.approx(case.mean_distance, abs=1e-5)


def test_the_true_product_is_marked_in_the_list(cases):
    for case in cases:
        assert case.true.is_true
        marked = [place for place, each in enumerate(case.nearest, 1) if each.is_true]
        assert marked == ([case.result.rank] if case.result.rank <= NEAREST else [])


def test_the_scene_is_shown_as_the_model_sees_it(measured, cases):
    for case in cases:
        assert case.view == measured.features.scene_views[measured.features.pair_scenes[case.result.index]]
        assert case.view.crop is not None and case.rectangle is not None and case.pair.box is not None
        apart = (
            case.rectangle.bottom <= case.pair.box.top + 1e-9
            or case.rectangle.top >= case.pair.box.bottom - 1e-9
        )
        assert apart, "the visible part does not show the product"
        assert case.attention is not None
        assert case.attention.sum() == pytest.approx(1, abs=1e-5)


def test_popularity_has_ties_and_no_parts(measured):
    model = open_model(measured.popularity)
    results = evaluate_on_features(model, measured.features, split="all").results
    for each, case in zip(results, cases_of(model, measured.features, results), strict=True):
        assert case.attention is None and case.true.parts is None and case.mean_parts is None
        assert each.rank == 1 + case.n_nearer + case.n_as_near / 2
        assert case.known_category == case.category
        assert case.seen_in_training == (each.product in model.trained_on["products"])
