"""`perfectlook demo` opens a window where there is a screen, and no text browser in the terminal."""

import pytest

from perfectlook.cli.demo import _has_windows


@pytest.mark.parametrize(
    ("system", "variable", "expected"),
    [
        ("linux", None, False),
        ("linux", "DISPLAY", True),
        ("linux", "WAYLAND_DISPLAY", True),
        ("darwin", None, True),
        ("win32", None, True),
    ],
)
def test_a_screen_is_known_by_its_variables(
    monkeypatch: pytest.MonkeyPatch, system: str, variable: str | None, expected: bool
):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, ":0")
    monkeypatch.setattr("sys.platform", system)
    assert _has_windows() is expected
