"""The values that flags accept, and the errors for wrong ones."""

import pytest
from cyclopts import CycloptsError

from perfectlook.cli.main import main
from perfectlook.cli.options import Natural, Positive, Share, Text, Texts, Weight, group


def parsed(kind: object, *words: str) -> object:
    app = group("test", "")
    app.result_action = "return_value"

    def command(*, value) -> object:
        return value

    command.__annotations__["value"] = kind
    app.default(command)
    return app(list(words), exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Positive, "1", 1),
        (Positive, "12", 12),
        (Natural, "0", 0),
        (Natural, "7", 7),
        (Share, "0", 0.0),
        (Share, "0.25", 0.25),
        (Share, "1", 1.0),
        (Weight, "12.5", 12.5),
    ],
)
def test_numbers_in_their_range(kind: object, text: str, value: float) -> None:
    assert parsed(kind, "--value", text) == value


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Positive, "0", "must be at least 1"),
        (Positive, "-3", "must be at least 1"),
        (Positive, "1.5", "must be a whole number"),
        (Natural, "-1", "must be 0 or more"),
        (Natural, "", "must be a whole number"),
        (Share, "1.01", "must be from 0 to 1"),
        (Share, "nan", "must be from 0 to 1"),
        (Weight, "-0.1", "must be 0 or more"),
        (Weight, "inf", "must be 0 or more"),
        (Weight, "x", "must be a number"),
    ],
)
def test_numbers_out_of_range_are_refused_and_named(kind: object, text: str, expected: str) -> None:
    with pytest.raises(CycloptsError) as refused:
        parsed(kind, f"--value={text}")
    assert "--value" in str(refused.value)
    assert expected in str(refused.value)


def test_a_list_takes_all_values_up_to_the_next_flag() -> None:
    assert parsed(Texts, "--value", "a", "b") == ["a", "b"]
    assert parsed(Texts, "--value", "a", "--value", "b") == ["a", "b"]


@pytest.mark.parametrize("words", [["--value"], ["--value", "a", "--value"]])
def test_a_list_without_a_value_is_refused(words: list[str]) -> None:
    with pytest.raises(CycloptsError, match="--value requires at least 1"):
        parsed(Texts, *words)


def test_the_last_value_of_a_repeated_flag_counts() -> None:
    assert parsed(Positive, "--value", "2", "--value", "1") == 1
    assert parsed(list[str], "--value", "a", "--value", "b") == ["a", "b"]
    assert parsed(tuple[str, ...], "--value", "a", "--value", "b") == ("a", "b")


def test_a_text_may_begin_with_a_hyphen() -> None:
    assert parsed(Text, "--value", "-1 < price") == "-1 < price"
    assert parsed(Texts, "--value=-a", "b") == ["-a", "b"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["complete", "a.jpg", "--modle", "m"], "Did you mean --model?"),
        (["complete", "a.jpg", "--categ", "Shoes"], "Did you mean --category?"),
        (["complet", "a.jpg"], 'Did you mean "complete"?'),
        (["evaluate", "m", "s", "--split", "tset"], '"train", "val", "test", "all"'),
        (["complete", "a.jpg", "--model", "m"], "--catalogue"),
        (["complete", "a.jpg", "--model", "m", "--catalogue", "c", "--category"], "--category requires"),
        (["complete", "a.jpg", "--look", "--model", "m", "--catalogue", "c", "--lock"], "--lock requires"),
        (["train", "--out", "m"], "SET is missing"),
        (["compare", "s"], "MODEL is missing"),
    ],
)
def test_wrong_use_suggests_what_to_write(words: list[str], said: str, capsys) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "--help" in error
