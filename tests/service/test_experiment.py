"""Sessions are split by hash between two arms, and each arm answers with what its file names."""

from pathlib import Path

import pytest

from perfectlook.catalogue import Catalogue
from perfectlook.errors import UsageError
from perfectlook.model.runtime import Model
from perfectlook.service.experiment import Experiment
from perfectlook.service.settings import Settings
from serving import Running, Store, eventually, running

ARMS = """
name = "x"
[[arms]]
name = "today"
[[arms]]
name = "short"
rules = "RULES"
options = { k = 2 }
"""


def of(share: float, name: str = "x") -> Experiment:
    return Experiment.model_validate({"name": name, "share": share, "arms": [{"name": "a"}, {"name": "b"}]})


def test_sessions_are_split_in_the_share_and_stay_in_their_arm():
    sessions = [f"session-{number}" for number in range(5_000)]
    places = [of(0.3).place(each) for each in sessions]
    assert sum(places) / len(places) == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 5_000) ** 0.5)
    assert places == [of(0.3).place(each) for each in sessions]
    other = [of(0.3, "y").place(each) for each in sessions]  # another experiment splits again
    both = sum(a and b for a, b in zip(places, other, strict=True)) / len(sessions)
    assert both == pytest.approx(0.09, abs=0.02)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = ", "not valid TOML"),
        ('name = "x"\narms = [{name = "a"}]', "arms: "),
        ('name = "x"\narms = [{name = "a"}, {name = "a"}]', "both arms are named 'a'"),
        ('name = "x"\nshare = 2\narms = [{name = "a"}, {name = "b"}]', "share: "),
        ('name = "x y"\narms = [{name = "a"}, {name = "b"}]', "name: "),
        (
            'name = "x"\narms = [{name = "a"}, {name = "b", options = {spread = 7}}]',
            "arms.1.options.spread: must be at most",
        ),
        ('name = "x"\narms = [{name = "a"}, {name = "b", colour = 7}]', "arms.1.colour: unknown option"),
    ],
)
def test_a_malformed_file_is_named_with_its_place(tmp_path: Path, text: str, problem: str):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(UsageError, match=r"x\.toml: ") as error:
        Experiment.read(tmp_path / "x.toml")
    assert problem in str(error.value)
    with pytest.raises(UsageError, match="no such file"):
        Experiment.read(tmp_path / "absent.toml")


def test_an_experiment_does_not_follow_models():
    given = {"model": "m", "catalogue": "c", "experiment": "x.toml", "follow_model": "m"}
    with pytest.raises(UsageError, match="--experiment and --follow-model exclude each other"):
        Settings.of(given)


@pytest.fixture(scope="module")
def split(store: Store, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("split")
    (folder / "rules.toml").write_text(
        f'[[rule]]\naction = "exclude"\nwhere = "id = {store.product}"\n', encoding="utf-8"
    )
    (folder / "x.toml").write_text(ARMS.replace("RULES", str(folder / "rules.toml")), encoding="utf-8")
    with running(store, folder, experiment=str(folder / "x.toml")) as found:
        yield found


def session_of(arm: int) -> str:
    experiment = Experiment.model_validate({"name": "x", "arms": [{"name": "today"}, {"name": "short"}]})
    return next(f"s{number}" for number in range(100) if experiment.place(f"s{number}") == arm)


def test_each_arm_answers_with_its_rules_and_options(split: Running, store: Store):
    photo = store.photos[0]
    plain = split.photo(photo).json()
    today = split.photo(photo, session=session_of(0)).json()
    short = split.photo(photo, session=session_of(1)).json()
    assert ("arm" in plain, today["arm"], short["arm"]) == (False, "x/today", "x/short")
    assert today["categories"] == plain["categories"]
    assert {len(each["products"]) for each in short["categories"]} == {2}
    asked = split.photo(photo, session=session_of(1), k=100).json()  # the request's own option wins
    ids = {each["id"] for section in asked["categories"] for each in section["products"]}
    everything = {
        each["id"]
        for section in split.photo(photo, k=100).json()["categories"]
        for each in section["products"]
    }
    assert store.product in everything - ids


def test_feedback_keeps_the_arm_that_the_service_computes(split: Running):
    from perfectlook.service.outcomes import outcomes

    event = {"product": "p", "category": "A", "rank": 1, "event": "shown"}
    for number, arm in enumerate((0, 1, 1)):
        body = {"request_id": f"request-{number}", "session": session_of(arm), "events": [event]}
        assert split.client.post("/v1/feedback", json=body).status_code == 202
    (found,) = outcomes(Path(split.service.settings.feedback))
    assert [(each["arm"], each["shown"]) for each in found["arms"]] == [("today", 1), ("short", 2)]


def test_an_arm_can_have_a_catalogue_of_its_own(store: Store, other_model: Path, tmp_path: Path):
    with Catalogue.open(tmp_path / "catalogue", create=True) as catalogue:
        catalogue.sync(store.source, Model.open(other_model), workers=1)
    (tmp_path / "x.toml").write_text(
        f'name = "x"\n[[arms]]\nname = "today"\n[[arms]]\nname = "new"\nmodel = "{other_model}"\n'
        f'catalogue = "{tmp_path / "catalogue"}"\n'
    )
    with running(store, tmp_path, experiment=str(tmp_path / "x.toml")) as shop:
        today, new = (shop.photo(store.photos[0], session=session_of(arm)).json() for arm in (0, 1))
        assert today["model"] != new["model"] or today["categories"] != new["categories"]
        picture = new["categories"][0]["products"][0]["picture"]
        assert shop.client.get(picture).status_code == 200


def test_a_service_is_not_ready_if_the_catalogue_of_an_arm_has_another_model(
    store: Store, other_model: Path, tmp_path: Path
):
    (tmp_path / "x.toml").write_text(
        f'name = "x"\n[[arms]]\nname = "today"\n[[arms]]\nname = "new"\ncatalogue = "{tmp_path / "arm"}"\n'
    )
    with Catalogue.open(tmp_path / "arm", create=True) as catalogue:
        catalogue.sync(store.source, Model.open(store.model), workers=1)
    with running(store, tmp_path, experiment=str(tmp_path / "x.toml")) as shop:
        assert shop.client.get("/ready").status_code == 200
        with Catalogue.open(tmp_path / "arm") as catalogue:
            catalogue.sync(store.source, Model.open(other_model), workers=1)
        eventually(lambda: shop.client.get("/ready").status_code == 503)
