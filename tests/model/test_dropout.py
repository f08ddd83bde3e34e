"""Dropout: the share, the scale, and that nothing is dropped outside training."""

import pytest
import torch

from perfectlook.model.networks import Dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
def test_a_share_is_dropped_and_the_mean_stays(share: float):
    torch.manual_seed(0)

    left = Dropout(share)(torch.ones(1000, 777))

    # a byte decides: the share is within 1 / 512, and 777,000 draws are within .002 of it
    assert (left == 0).double().mean().item() == pytest.approx(share, abs=0.004)
    assert left.double().mean().item() == pytest.approx(1, abs=0.01)


def test_what_stays_is_scaled_up():
    torch.manual_seed(0)

    left = Dropout(0.5)(torch.full((64,), 3.0))

    assert set(left.tolist()) == {0.0, 6.0}


def test_every_place_is_dropped_as_often_as_any_other():
    torch.manual_seed(0)
    dropout = Dropout(0.5)

    often = torch.stack([dropout(torch.ones(3, 11)) for _ in range(4000)]).ne(0).double().mean(dim=0)

    assert often.sub(0.5).abs().max() < 0.04  # five standard deviations


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    left = Dropout(0.5)(torch.ones(20_000, 9)) / 2

    assert torch.corrcoef(left.T).sub(torch.eye(9)).abs().max() < 0.04


def test_a_seed_gives_the_same_twice():
    dropout = Dropout(0.5)
    first, second = (dropout(_seeded()) for _ in range(2))

    assert torch.equal(first, second)


def test_gradients_pass_where_values_do():
    torch.manual_seed(0)
    values = torch.ones(5, 7, requires_grad=True)
    left = Dropout(0.5)(values)

    left.sum().backward()

    assert torch.equal(values.grad, left.detach())


def test_nothing_is_dropped_outside_training():
    values = torch.ones(5, 7)

    assert Dropout(0.5).eval()(values) is values


def test_a_share_of_nothing_keeps_all():
    values = torch.ones(5, 7)

    assert Dropout(0.0)(values) is values


def test_no_values():
    assert Dropout(0.5)(torch.ones(0, 7)).shape == (0, 7)


def _seeded() -> torch.Tensor:
    torch.manual_seed(3)
    return torch.ones(5, 7)
