"""Rule files are read, and errors name the rule and the reason."""

from pathlib import Path

import pytest

from perfectlook.errors import UsageError
from perfectlook.recommender import Rules
from perfectlook.stores.filters import And, Under, parse_filter

FILE = """
[[rule]]
action = "pin"
id = "p1"
rank = 2

[[rule]]
name = "spring sale"
action = "boost"
where = 'brand = "Acme"'
factor = 0.8

[[rule]]
action = "bury"
category = "Furniture|Chairs"
where = "availability = preorder"
factor = 1.5
offset = 0.25

[[rule]]
action = "exclude"
category = "Toys"
"""


def test_a_file_of_rules_is_read(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(FILE, encoding="utf-8")
    rules = Rules.read(tmp_path / "rules.toml")
    pin, boost, bury, exclude = rules.rules
    assert (pin.number, pin.action, pin.id, pin.rank) == (1, "pin", "p1", 2)
    assert (boost.name, boost.where, boost.factor, boost.offset) == (
        "spring sale",
        parse_filter("brand = Acme"),
        0.8,
        0.0,
    )
    chairs = And((Under("Furniture|Chairs"), parse_filter("availability = preorder")))
    assert (bury.where, bury.factor, bury.offset) == (chairs, 1.5, 0.25)
    assert (exclude.where, rules.excluded) == (Under("Toys"), Under("Toys"))
    assert (rules.pins, rules.boosts, rules.weighing) == ([pin], [boost], [boost, bury])


def test_the_offset_of_a_boost_is_subtracted() -> None:
    (rule,) = Rules.of({"rule": [{"action": "boost", "where": "brand = Acme", "offset": 0.1}]}).rules
    assert (rule.factor, rule.offset) == (1.0, -0.1)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "rule 2: no 'action'"),
        ("pin", "rule 2: expected a table, got 'pin'"),
        ({"action": "hide"}, "rule 2: unknown action 'hide'. Choose one of: pin, boost, bury, exclude"),
        ({"action": "pin"}, r"rule 2 \(pin\): no 'id'"),
        ({"action": "pin", "id": "a", "rank": 0}, "rank 0: must be a whole number of at least 1"),
        ({"action": "pin", "id": "a", "rank": True}, "rank True: must be"),
        ({"action": "pin", "id": "a", "where": "x = 1"}, "unknown key 'where'. Choose one of: action, name"),
        ({"action": "boost", "factor": 0.5}, "neither 'where' nor 'category'"),
        ({"action": "boost", "where": "a = 1"}, "neither 'factor' nor 'offset'"),
        ({"action": "boost", "where": "a = 1", "factor": 1.2}, "factor 1.2: must be above 0 and at most 1"),
        ({"action": "bury", "where": "a = 1", "factor": 0.9}, "factor 0.9: must be from 1 to"),
        ({"action": "bury", "where": "a = 1", "factor": float("nan")}, "factor nan: must be"),
        ({"action": "bury", "where": "a = 1", "offset": -1}, "offset -1: must be from 0 to"),
        ({"action": "bury", "where": "a = 1", "factor": "x"}, "factor 'x': must be a number"),
        (
            {"action": "exclude", "where": "price <="},
            r"rule 2 \(exclude\): where: column 9: expected a value",
        ),
        ({"action": "exclude", "where": ""}, "where '': must be text"),
    ],
)
def test_invalid_rules_are_rejected_with_their_number(rule: object, said: str) -> None:
    good = {"action": "exclude", "category": "Toys"}
    with pytest.raises(UsageError, match=said) as raised:
        Rules.of({"rule": [good, rule]}, "shop.toml")
    assert str(raised.value).startswith("shop.toml: rule 2")


def test_invalid_rule_files_are_rejected(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    with pytest.raises(UsageError, match=r"rules.toml: no such file. Check the path"):
        Rules.read(file)
    for content, said in (
        (b"[[rule", "not valid TOML"),
        (b"\xff", "not valid TOML"),
        (b"[rules]\n", "unknown key 'rules'"),
    ):
        file.write_bytes(content)
        with pytest.raises(UsageError, match=said):
            Rules.read(file)
    with pytest.raises(UsageError, match="expected a list of rules, got 3"):
        Rules.of({"rule": 3})
