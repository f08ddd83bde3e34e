"""Arrays find the functions that they go with."""

import subprocess
import sys

import numpy as np
import pytest

from perfectlook.model.distances import namespace_of


def test_numpys_own_functions_serve_numpy() -> None:
    assert namespace_of(np.zeros(2, np.float32)) is np


def test_torch_is_spoken_to_in_the_standards_words() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0).reshape(2, 3)
    xp = namespace_of(tensor)
    assert xp.sum(tensor, axis=-1).tolist() == [3.0, 12.0]
    assert xp.concat([tensor, tensor], axis=0).shape == (4, 3)


def test_distances_of_numpy_arrays_load_no_layer() -> None:
    code = (
        "import sys, numpy; from perfectlook.model.distances import l2; l2(numpy.ones(2), numpy.zeros(2)); "
        "print('array_api_compat' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
