"""Work in a process of its own."""

import os
import signal
import sys

import numpy as np
import pytest

from perfectlook.errors import MissingExtraError, PerfectLookError, UsageError
from perfectlook.study.child import in_child, peak_bytes
from work import allocate, kill_itself, miss_an_extra, misuse


def test_the_peak_is_the_childs_own():
    """Also when this process has held far more: Linux hands that on to children it starts."""
    held = np.ones(100 * 2**17)  # 100 MiB
    small, large = (in_child(allocate, megabytes)["peak"] for megabytes in (1, 60))
    assert held.nbytes == 100 * 2**20
    if small is not None:
        assert 50 * 2**20 < large - small < 70 * 2**20
        assert small < peak_bytes()


def test_failures_come_back_as_they_are():
    with pytest.raises(UsageError, match="misused"):
        in_child(misuse)
    with pytest.raises(PerfectLookError, match=r"perfectlook\[train\]") as caught:
        in_child(miss_an_extra)
    assert not isinstance(caught.value, MissingExtraError)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_killed_process_is_named():
    assert os.getpid()
    with pytest.raises(PerfectLookError, match=f"'kill_itself' was killed .signal {int(signal.SIGKILL)}"):
        in_child(kill_itself)
