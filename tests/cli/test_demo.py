"""`perfectlook demo` opens a browser if there is a screen, and stops at a signal."""

import signal

import pytest

from perfectlook.cli.serve import _asked_to_stop, _has_windows, demo
from perfectlook.errors import UsageError


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
def test_a_screen_is_detected_by_its_variables(
    monkeypatch: pytest.MonkeyPatch, system: str, variable: str | None, expected: bool
):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, ":0")
    monkeypatch.setattr("sys.platform", system)
    assert _has_windows() is expected


@pytest.mark.parametrize("asking", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_the_demo_and_their_handlers_are_restored(asking: signal.Signals):
    before = signal.getsignal(asking)
    with _asked_to_stop() as stop:
        assert stop.empty()
        signal.raise_signal(asking)
        stop.get(timeout=5)
    assert signal.getsignal(asking) is before


def test_an_unknown_language_is_refused_before_the_work_begins():
    with pytest.raises(UsageError) as error:
        demo(locale="fr")
    assert str(error.value) == "--locale 'fr': must be one of de, en, or a .js file with your texts."
