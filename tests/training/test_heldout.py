"""Figures on held-out scenes, kept beside a model."""

import numpy as np
import pytest

from perfectlook.errors import ModelError
from perfectlook.training.validation import HELD_OUT, HeldOut

ONE = HeldOut(["a", "a", "b"], np.array([1.0, 0.5, 0.0]))


def test_the_accuracy_is_the_mean_over_pairs():
    assert ONE.accuracy.value == pytest.approx(0.5)
    assert HeldOut([], np.empty(0)).accuracy is None


def test_it_is_read_as_it_was_written(tmp_path):
    ONE.write(tmp_path)
    found = HeldOut.read(tmp_path)
    assert list(found.scenes) == ["a", "a", "b"]
    assert found.shares.tolist() == [1.0, 0.5, 0.0]
    assert HeldOut.read(tmp_path / "elsewhere") is None
    (tmp_path / HELD_OUT).write_text("[1")
    with pytest.raises(ModelError, match="cannot be read"):
        HeldOut.read(tmp_path)


def test_a_lead_is_paired_over_scenes_in_any_order():
    other = HeldOut(["b", "a", "a"], np.array([0.0, 0.8, 0.3]))
    lead = ONE.lead_over(other)
    # Scene a leads by 0.2 on both pairs, scene b by nothing.
    assert lead.value == pytest.approx(0.4 / 3)
    assert 0 <= lead.low <= lead.value <= lead.high <= 0.2 + 1e-12


def test_other_pairs_cannot_be_compared():
    assert ONE.lead_over(HeldOut(["a", "b", "b"], np.zeros(3))) is None
    assert ONE.lead_over(HeldOut(["a", "a", "c"], np.zeros(3))) is None
