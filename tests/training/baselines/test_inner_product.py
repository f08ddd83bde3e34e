"""An inner product as a distance."""

import numpy as np
import pytest
import torch

from perfectlook.training.baselines.base import SAFETY, InnerProduct


def test_the_nearest_is_the_one_with_the_largest_inner_product():
    torch.manual_seed(0)
    scenes, products = torch.randn(20, 6), torch.randn(50, 6) * torch.rand(50, 1) * 3
    inner_product = InnerProduct()
    inner_product.fit(products)
    f_s, f_p = inner_product.extend_scenes(scenes), inner_product.extend_products(products)
    distances = (f_s[:, None] - f_p[None]).square().sum(dim=-1)
    similar = scenes @ products.T
    assert (distances.argsort(dim=1) == (-similar).argsort(dim=1)).all()
    # ‖f_s - f_p‖² = ‖f_s‖² + M² - 2 f_s · f_p
    longest = float(inner_product.longest)
    expected = scenes.square().sum(dim=1, keepdim=True) + longest**2 - 2 * similar
    assert distances.numpy() == pytest.approx(expected.numpy(), abs=1e-3)


def test_by_hand():
    inner_product = InnerProduct()
    inner_product.fit(torch.tensor([[2.0, 0.0]]))
    assert float(inner_product.longest) == 2 * SAFETY == 3
    found = inner_product.extend_products(torch.tensor([[0.0, 1.0], [1.0, 2.0]]))
    assert found.numpy() == pytest.approx(np.array([[0, 1, 8**0.5], [1, 2, 2]]))
    assert inner_product.extend_scenes(torch.tensor([[5.0, 1.0]])).tolist() == [[5, 1, 0]]


def test_a_product_longer_than_any_before_gets_no_coordinate_of_its_own():
    inner_product = InnerProduct()
    inner_product.fit(torch.tensor([[2.0, 0.0]]))
    assert inner_product.extend_products(torch.tensor([[4.0, 3.0]])).tolist() == [[4, 3, 0]]
