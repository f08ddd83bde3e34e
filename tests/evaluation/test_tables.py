"""Tables of text."""

from perfectlook.evaluation.metrics import Interval
from perfectlook.evaluation.tables import markdown_table, plain_table, with_bounds


def test_a_markdown_table_escapes_what_would_break_it():
    found = markdown_table(["category", "pairs"], [["Furniture|Chairs", "12"]])
    assert found.splitlines() == ["| category | pairs |", "| --- | ---: |", "| Furniture\\|Chairs | 12 |"]


def test_plain_columns_line_up():
    found = plain_table(["model", "pairs"], [["a", "1"], ["longest", "1,234"]])
    assert found.splitlines() == ["model    pairs", "a            1", "longest  1,234"]


def test_figures_with_their_bounds():
    assert with_bounds(Interval(0.7012, 0.68, 0.7204)) == "0.701 [0.680, 0.720]"
    assert with_bounds(Interval(0.02, -0.001, 0.04), signed=True) == "+0.020 [-0.001, +0.040]"
    assert with_bounds(None) == "–"
