"""The tool that lists the messages of errors, on hand-made code."""

import sys

import pytest

from printed import generated

generated()
errors = sys.modules["documentation.errors"]
BASE = "class PerfectLookError(Exception): ...\nclass FeedError(PerfectLookError): ...\n"


@pytest.fixture(scope="module")
def page() -> str:
    return str(errors.errors_page())


def texts(code: str, module: str = "perfectlook.a", **others: str) -> list[str]:
    sources = {module: BASE + code} | {f"perfectlook.{name}": text for name, text in others.items()}
    return [each.text for each in errors.messages(sources)]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("{path}: no such file.", "{path}: no such file."),
        ("{self._path}: no such file.", "{path}: no such file."),
        ("answered with {response.status}.", "answered with {status}."),
        ("no row {row['id']!r} here.", "no row '{id}' here."),
        ("no row {row.get('id')} here.", "no row {id} here."),
        ("in {len(rows):,} rows.", "in {count} rows."),
        ("has {len(a)} rows and {len(b)} columns.", "has {count of a} rows and {count of b} columns."),
        ("model {held.model} is not {model}.", "model {held model} is not {model}."),
        ("got a {type(value).__name__} here.", "got a {type} here."),
        ("is locked ({error.strerror}) here.", "is locked ({cause}) here."),
        ("is locked ({error.strerror or error}) here.", "is locked ({cause}) here."),
        ("one of: {', '.join(sorted(names))}.", "one of: {names}."),
        ("one of: {', '.join(f'{x!r}' for x in names)}.", "one of: {names}."),
        ("got {size[0]}×{size[1]} pixels.", "got {width}×{height} pixels."),
        ("the line {lines.splitlines()[-1]} is wrong.", "the line {lines} is wrong."),
        ("the page {_without_key(response.url)} is empty.", "the page {url} is empty."),
        ("the page is empty. {_nearest(name, names)}", "the page is empty. {nearest}"),
        ("set {name.upper()} for {name}.", "set {NAME} for {name}."),
        ("set {folder / 'a.toml'} first.", "set {folder}/a.toml first."),
    ],
)
def test_a_value_has_a_readable_name(expression: str, text: str) -> None:
    assert texts(f'def f(x):\n    raise FeedError(f"{expression}")\n') == [text]


def test_constants_of_the_module_and_of_imported_modules_are_resolved() -> None:
    code = """
from perfectlook.b import LIMIT, KINDS
AGAIN = "Try again."
raise FeedError(f"more than {LIMIT:,} rows of {', '.join(KINDS)}. {AGAIN}")
"""
    assert texts(
        'from perfectlook import b\nraise FeedError(f"no row. {b.AGAIN}")\n', b='AGAIN = "Again."\n'
    ) == ["no row. Again."]
    other = 'LIMIT = 1_000\nKINDS = ("csv", "xml")\n'
    assert texts(code, b=other) == ["more than 1,000 rows of csv, xml. Try again."]


def test_both_branches_of_a_conditional_are_listed() -> None:
    code = """
def f(near):
    hint = f" Did you mean {near!r}?" if near else ""
    raise FeedError(f"no such field.{hint}")
"""
    assert texts(code) == ["no such field.", "no such field. Did you mean '{suggestion}'?"]


def test_a_variable_is_what_was_assigned_last() -> None:
    code = """
def f(row):
    if not row:
        reason = "the row is empty."
        raise FeedError(reason)
    reason = "the row is long."
    raise FeedError(f"row 1: {reason}")
"""
    assert texts(code) == ["row 1: the row is long.", "the row is empty."]


def test_the_texts_of_calls_fill_the_parameters_of_a_function() -> None:
    code = """
def damaged(path, reason, remedy="Copy it again."):
    return FeedError(f"{path}: damaged ({reason}). {remedy}")

def read(path, error):
    raise damaged(path, "no header") from damaged(path, str(error), remedy="Delete it.")
"""
    # a value of a run keeps its name
    assert texts(code) == [
        "{path}: damaged (no header). Copy it again.",
        "{path}: damaged ({reason}). Delete it.",
    ]


def test_a_variable_that_is_made_from_itself_keeps_its_name() -> None:
    code = """
def f(place, number):
    place = f"row {number}"
    place = f"{place}, column 1"
    raise FeedError(f"{place}: no value here.")
"""
    assert texts(code) == ["{place}: no value here."]


def test_reasons_of_rows_are_problems() -> None:
    code = """
class Feed:
    def f(self, row, text):
        self._report(row, "id", "kind", "has no picture. Add an image_link.")
        self._leave_out(row, "id", "kind", "has no id. Add an id.")
        raise ValueError(f"{text!r} is not a link. Write https://... .")
"""
    found = errors.messages({"perfectlook.feeds.feed": code})
    assert {each.kind for each in found} == {"Problem"}
    assert [each.text for each in found] == [
        "'{text}' is not a link. Write https://... .",
        "has no id. Add an id.",
        "has no picture. Add an image_link.",
    ]


def test_the_page_has_the_problems_of_feeds_and_sets_in_sections_of_their_own(page: str) -> None:
    _, feeds, sets = page.partition("## Problems of feeds")
    assert feeds
    assert "Add its {called}." in sets.partition("## Problems of sets")[0]
    assert "Write null if its position is unknown." in sets.partition("## Problems of sets")[2]


def test_the_page_shows_no_names_of_code(page: str) -> None:
    for name in ("getattr", "get", "sqrt", "tuple", "map", "splitlines", "removesuffix", "strerror", "hint"):
        assert f"{{{name}}}" not in page, name
