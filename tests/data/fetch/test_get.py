"""Whole sets, from servers that serve, stall, break off, redirect, lie, and have lost some of it."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from mirrors import ccp_mirror, ikea_mirror, publish, signature, stl_mirror
from perfectlook.data import load_set
from perfectlook.data.fetch import get
from perfectlook.data.fetch.ccp import CCP_LOOKS
from perfectlook.data.fetch.download import FetchPolicy, HostUnavailableError
from perfectlook.data.fetch.ikea import IKEA_ROOMS
from perfectlook.data.fetch.stl import STL_FASHION, STL_HOME, picture_path
from perfectlook.errors import FetchError, UsageError
from pictures import drawn, encoded
from web import Answer, Handler, Web, break_off, fail, first, redirect, serve, stall

POLICY = FetchPolicy(first_pause=0.01, longest_pause=0.02, seconds=5)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror").mkdir()
    return stl_mirror(tmp_path / "mirror")


def at(what: str, number: int) -> str:
    """Where the server has a picture."""
    return f"/m/{picture_path(signature(what, number))}"


def test_a_set_is_fetched_over_http_and_not_twice(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, mirror)
    seen: list[tuple[int, int, int]] = []

    def progress(done: int, total: int, failed: int) -> None:
        seen.append((done, total, failed))

    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY, progress=progress)
    assert (got.scenes, got.products, got.pairs, dict(got.counts)) == (4, 8, 8, {"fetched": 12})
    assert seen == [(done, 12, 0) for done in range(1, 13)]
    assert not load_set(tmp_path / "set", strict=True).problems
    assert sorted(server.paths) == sorted(server.answers)
    server.asked.clear()
    again = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (again.pairs, dict(again.counts), server.asked) == (8, {"there": 12}, [])
    assert not list((tmp_path / "set").rglob("*.part"))


def test_sets_that_come_with_a_listing_are_fetched_over_http(server: Web, tmp_path: Path):
    for name, draw, source, pairs in (
        ("ikea", ikea_mirror, IKEA_ROOMS, 3),
        ("ccp", ccp_mirror, CCP_LOOKS, 3),
    ):
        (tmp_path / name).mkdir()
        server.answers.clear()
        url = publish(server, draw(tmp_path / name))
        got = get(source, tmp_path / f"{name}-set", mirror=url, policy=POLICY)
        assert got.pairs == pairs
        load_set(tmp_path / f"{name}-set", strict=True)


def test_temporary_failures_of_a_server_are_retried(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, mirror)
    answers = server.answers
    answers[at("scene", 0)] = first(fail(429, retry_after="0"), answers[at("scene", 0)])
    answers[at("scene", 1)] = first(fail(503), fail(500), answers[at("scene", 1)])
    answers |= {at("scene", 2): redirect("/elsewhere"), "/elsewhere": answers[at("scene", 2)]}
    whole = (mirror / picture_path(signature("product", 0))).read_bytes()
    answers[at("product", 0)] = first(break_off(whole[:100]), serve(whole))
    answers[at("product", 1)] = first(
        serve(whole[:100]), serve(whole)
    )  # cut off, and the length says nothing
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (got.pairs, got.problems) == (8, [])
    load_set(tmp_path / "set", strict=True)


def test_files_that_cannot_be_fetched_are_left_out_and_reported(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, mirror)
    server.answers |= {
        at("scene", 0): fail(404),
        at("product", 2): fail(410),
        at("product", 3): stall,
        at("product", 4): serve(b"<html>no such picture</html>"),
        at("product", 5): fail(520),
    }
    policy = replace(POLICY, seconds=2, tries=1)
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=policy)
    assert dict(got.counts) == {"fetched": 7, "dead": 2, "failed": 3}
    reasons = {problem.item: (problem.kind, problem.reason) for problem in got.problems}
    expected = {
        signature("scene", 0): ("dead", "answered 404 Not Found"),
        signature("product", 2): ("dead", "answered 410 Gone"),
        signature("product", 3): ("failed", "timed out after 2 s"),
        signature("product", 4): ("failed", "not a picture of a known format"),
        signature("product", 5): ("failed", "answered 520"),
    }
    assert reasons.keys() == expected.keys()
    for item, (kind, start) in expected.items():
        assert reasons[item][0] == kind
        assert reasons[item][1].startswith(start)
    # scene 0 is dead, and so are both products of scene 1, and those of scene 2
    assert [pair.scene for pair in load_set(tmp_path / "set", strict=True).pairs] == [
        signature("scene", 3)
    ] * 2


def test_dead_urls_are_requested_again_only_with_retry_dead(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, mirror)
    alive = server.answers[at("scene", 0)]
    server.answers |= {at("scene", 0): fail(404), at("product", 2): fail(404), at("product", 4): fail(500)}
    policy = replace(POLICY, tries=1)
    get(STL_FASHION, tmp_path / "set", mirror=url, policy=policy)
    server.asked.clear()
    server.answers[at("scene", 0)] = alive
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=policy)
    assert server.paths == [at("product", 4)]
    assert dict(got.counts) == {"there": 9, "dead": 2, "failed": 1}
    assert any("answered 404 on" in problem.reason for problem in got.problems)
    server.asked.clear()
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=policy, retry_dead=True)
    assert sorted(server.paths) == sorted([at("scene", 0), at("product", 2), at("product", 4)])
    assert dict(got.counts) == {"there": 9, "fetched": 1, "dead": 1, "failed": 1}
    (left,) = (tmp_path / "set" / "dead.jsonl").read_text().splitlines()
    assert json.loads(left)["url"] == server.url(at("product", 2))


def test_a_failing_server_ends_the_run_and_the_next_run_continues(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, mirror)
    whole = dict(server.answers)
    server.answers |= {at("scene", number): fail(503) for number in (1, 2, 3)}
    server.answers |= {at("product", number): fail(503) for number in range(8)}
    policy = replace(POLICY, tries=1, given_up_after=3)
    with pytest.raises(HostUnavailableError, match=r"does not respond\. .* it continues where it stopped\."):
        get(STL_FASHION, tmp_path / "set", mirror=url, policy=policy)
    assert not (tmp_path / "set" / "pairs.jsonl").exists()
    assert not (tmp_path / "set" / "dead.jsonl").exists()
    server.answers |= whole
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (got.pairs, sum(got.counts.values())) == (8, 12)


def test_a_picture_that_does_not_match_the_list_is_refused(server: Web, tmp_path: Path):
    (tmp_path / "mirror").mkdir()
    url = publish(server, ikea_mirror(tmp_path / "mirror"))
    server.answers["/m/images/bed/001.626.34.jpg"] = serve(encoded(drawn(24, 24), "JPEG"))
    got = get(IKEA_ROOMS, tmp_path / "set", mirror=url, policy=POLICY)
    assert got.counts["failed"] == 1
    assert "does not match the list of files" in got.problems[-1].reason
    assert server.paths.count("/m/images/bed/001.626.34.jpg") == 2
    assert got.pairs == 2


def test_a_damaged_local_picture_is_fetched_again(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, mirror)
    get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    picture = tmp_path / "set" / "scenes" / f"{signature('scene', 1)}.jpg"
    whole = picture.read_bytes()
    picture.write_bytes(whole[: len(whole) // 2])
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert dict(got.counts) == {"there": 11, "fetched": 1}
    assert picture.read_bytes() == whole


def test_annotations_are_recorded_and_verified(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, mirror)
    assert get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY).renewed == []
    about = json.loads((tmp_path / "set" / "set.json").read_text())
    content = (mirror / "fashion.json").read_bytes()
    assert about["source"] == "stl-fashion"
    assert about["files"]["fashion.json"] == {
        "url": f"{url}/fashion.json",
        "bytes": len(content),
        "sha256": sha256(content).hexdigest(),
    }
    (tmp_path / "set" / "source" / "fashion.json").write_text("{}")
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (got.renewed, got.pairs) == (["fashion.json"], 8)
    assert (tmp_path / "set" / "source" / "fashion.json").read_bytes() == content


@pytest.mark.parametrize("there", ["fetched", "made", "unfinished"])
def test_another_set_is_never_overwritten(mirror: Path, tmp_path: Path, there: str):
    folder = tmp_path / "set"
    get(STL_FASHION, folder, mirror=str(mirror))
    if there == "made":
        (folder / "set.json").unlink()
    if there == "unfinished":
        (folder / "pairs.jsonl").unlink()
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(UsageError, match=r"contains .*set.*\. Choose another folder with --out"):
        get(STL_HOME, folder, mirror=str(mirror))
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_only_a_named_mirror_may_have_a_private_address(server: Web, mirror: Path, tmp_path: Path):
    publish(server, mirror)
    hidden = replace(STL_FASHION, roots={"": server.url("/m/")})
    with pytest.raises(
        FetchError, match=r"cannot fetch the annotations of stl-fashion: .*not on the public internet"
    ):
        get(hidden, tmp_path / "set", policy=POLICY)
    assert server.asked == []
    assert get(STL_FASHION, tmp_path / "set", mirror=server.url("/m/", "localhost"), policy=POLICY).pairs == 8


RUN = """
import sys
from pathlib import Path
from perfectlook.data.fetch import get
from perfectlook.data.fetch import PUBLIC_SETS
get(PUBLIC_SETS["stl-fashion"], Path(sys.argv[1]), mirror=sys.argv[2])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill a process so")
def test_a_killed_run_is_continued(server: Web, tmp_path: Path):
    (tmp_path / "mirror").mkdir()
    url = publish(server, stl_mirror(tmp_path / "mirror", scenes=30))
    pictures = {path: answer for path, answer in server.answers.items() if "/400x/" in path}
    given = itertools.count()

    def some(answer: Answer) -> Answer:
        """The first thirty are given, then nothing: so that the run is in the middle when it is killed."""
        return lambda handler: answer(handler) if next(given) < 30 else stall(handler)

    server.answers |= {path: some(answer) for path, answer in pictures.items()}
    run = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / "set"), url], env=dict(os.environ))
    try:
        waiting = time.monotonic() + 60
        while len(list((tmp_path / "set").rglob("*.jpg"))) < 25:
            assert run.poll() is None
            assert time.monotonic() < waiting
            time.sleep(0.01)
    finally:
        run.kill()
        run.wait()
    there = {file: file.read_bytes() for file in (tmp_path / "set").rglob("*.jpg")}
    assert not (tmp_path / "set" / "pairs.jsonl").exists()
    server.answers |= pictures
    server.asked.clear()
    got = get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY)
    assert (got.pairs, got.problems, got.counts["there"]) == (60, [], len(there))
    assert all(file.read_bytes() == content for file, content in there.items())
    assert len(server.asked) == 90 - len(there)  # neither those, nor the annotations
    load_set(tmp_path / "set", strict=True)


def test_an_interrupt_does_not_wait_for_slow_servers(server: Web, mirror: Path, tmp_path: Path):
    url = publish(server, mirror)
    served = dict(server.answers)

    waited_out = []

    def wait_for_the_end(handler: Handler) -> None:
        if not handler.server.ended.wait(20):
            waited_out.append(handler.path)
        handler.close_connection = True

    for number in range(8):
        server.answers[at("product", number)] = wait_for_the_end

    def interrupt(done: int, total: int, failed: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(
            STL_FASHION,
            tmp_path / "set",
            mirror=url,
            policy=replace(POLICY, seconds=25),
            progress=interrupt,
        )
    assert waited_out == []
    server.answers |= served
    assert get(STL_FASHION, tmp_path / "set", mirror=url, policy=POLICY).pairs == 8
