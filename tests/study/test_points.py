"""Measurements on disk."""

from perfectlook.study.points import Measurements


def test_what_was_measured_is_found_again_by_its_settings(tmp_path):
    path = tmp_path / "study.jsonl"
    Measurements(path).add({"step": "search", "products": 10}, {"seconds": 2.0})
    again = Measurements(path)
    assert again.get({"products": 10, "step": "search"}) == {"seconds": 2.0}
    assert again.get({"step": "search", "products": 11}) is None
    again.forget({"step": "search", "products": 10})
    assert again.get({"step": "search", "products": 10}) is None


def test_a_line_that_a_kill_tore_is_passed_over_and_the_next_stands_alone(tmp_path):
    path = tmp_path / "study.jsonl"
    Measurements(path).add({"a": 1}, {"seconds": 1.0})
    with path.open("a") as file:
        file.write('{"settings": {"a": 2}, "meas')
    Measurements(path).add({"a": 3}, {"seconds": 3.0})
    again = Measurements(path)
    assert [again.get({"a": number}) for number in (1, 2, 3)] == [{"seconds": 1.0}, None, {"seconds": 3.0}]


def test_of_two_with_the_same_settings_the_later_counts(tmp_path):
    path = tmp_path / "study.jsonl"
    for seconds in (1.0, 2.0):
        Measurements(path).add({"a": 1}, {"seconds": seconds})
    assert Measurements(path).get({"a": 1}) == {"seconds": 2.0}
