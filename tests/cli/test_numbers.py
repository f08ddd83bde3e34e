"""Numbers as options."""

import argparse

import pytest

from perfectlook.cli.options import natural, positive, share, weight


def test_whole_numbers_from_a_least_one_are_taken() -> None:
    assert [positive("1"), positive(" 12 ")] == [1, 12]
    assert [natural("0"), natural("7")] == [0, 7]


@pytest.mark.parametrize(
    ("kind", "text"), [(positive, "0"), (positive, "-3"), (positive, "1.5"), (natural, "-1"), (natural, "")]
)
def test_others_are_wrong_use(kind, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=kind)
    with pytest.raises(SystemExit) as raised:
        parser.parse_args([f"--number={text}"])
    assert raised.value.code == 2
    least = 1 if kind is positive else 0
    assert f"argument --number: {text!r} is not a whole number from {least}" in capsys.readouterr().err


def test_shares_and_weights_are_numbers_within_their_range() -> None:
    assert [share("0"), share("0.25"), share("1")] == [0, 0.25, 1]
    assert [weight("0"), weight("12.5")] == [0, 12.5]
    for kind, text in ((share, "1.01"), (share, "nan"), (weight, "-0.1"), (weight, "inf"), (weight, "x")):
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is not a number from 0"):
            kind(text)
