"""`perfectlook data get`, against a mirror on this machine."""

import shlex
from pathlib import Path
from typing import get_args

import pytest

from mirrors import ccp_mirror, publish, signature, stl_mirror
from perfectlook.cli.data import Name
from perfectlook.cli.main import main
from perfectlook.data import load_set
from perfectlook.data.fetch import PUBLIC_SETS
from perfectlook.data.fetch.stl import picture_path
from web import Web, fail


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror").mkdir()
    return stl_mirror(tmp_path / "mirror")


def get(name: str, *arguments: str | Path) -> int:
    return main(["data", "get", name, *map(str, arguments)])


def test_every_public_set_can_be_named():
    assert tuple(PUBLIC_SETS) == get_args(Name)


def test_nothing_is_fetched_before_the_terms_are_accepted(
    server: Web, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    url = publish(server, mirror)
    assert get("stl-fashion", "--out", tmp_path / "set", "--from", url) == 2
    captured = capsys.readouterr()
    assert "stl-fashion: Pins of people" in captured.out
    assert "Licence: research, non-commercial." in captured.out
    assert "do not pass them on" in " ".join(captured.out.split())
    assert f"data get stl-fashion --out {tmp_path / 'set'} --from {url} --accept-licence" in captured.err
    assert server.asked == []
    assert not (tmp_path / "set").exists()


def test_the_printed_command_repeats_the_users_flags(
    mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    mirror.rename(tmp_path / "it's mine")
    given = ["--from", "it's mine", "--limit", "1", "--out=-my set", "--retry-dead", "--strict"]
    assert get("stl-fashion", *given) == 2
    _, command = capsys.readouterr().err.strip().split("To accept the terms, run: ")
    program, *arguments = shlex.split(command)
    assert program == "perfectlook"
    assert set(arguments) == {"data", "get", "stl-fashion", *given, "--accept-licence"}
    assert main(arguments) == 0
    assert load_set(tmp_path / "-my set").n_rows == 2


def test_a_file_without_a_check_is_reported(
    server: Web, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    url = publish(server, mirror, listing=False)
    assert get("stl-fashion", "--accept-licence", "--out", tmp_path / "set", "--from", url) == 0
    reason = f"({url}/tree.json: answered 404 Not Found"
    assert f"kept without a check: fashion-cat.json {reason}" in capsys.readouterr().out


def test_a_set_is_fetched_and_can_be_inspected(
    server: Web, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    url = publish(server, mirror)
    folder = tmp_path / "set"
    assert get("stl-fashion", "--accept-licence", "--out", folder, "--from", url, "--strict") == 0
    captured = capsys.readouterr()
    assert f"{folder}: 4 scenes, 8 products, 8 pairs" in captured.out
    assert "fetched 12, already present 0, dead 0, failed 0" in captured.out
    assert f"perfectlook data stats {folder}" in captured.out
    assert "fetching stl-fashion: 12 of 12 files" in captured.err
    assert main(["data", "stats", str(folder), "--strict"]) == 0
    assert "no problems" in capsys.readouterr().out


def test_the_report_names_failures_and_remedies(
    server: Web, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    url = publish(server, mirror)
    gone = f"/m/{picture_path(signature('scene', 0))}"
    server.answers[gone] = fail(404)
    arguments = ("--accept-licence", "--out", tmp_path / "set", "--from", url)
    assert get("stl-fashion", *arguments) == 0
    captured = capsys.readouterr()
    assert f"skipped: {server.url(gone)}: {signature('scene', 0)}: answered 404" in captured.err
    assert "fetched 11, already present 0, dead 1, failed 0" in captured.out
    assert "try them again with --retry-dead" in captured.out
    assert get("stl-fashion", *arguments, "--strict") == 1
    assert "answered 404 on" in capsys.readouterr().err
    assert get("stl-fashion", *arguments, "--retry-dead", "--limit", "1") == 1
    assert "no pair of stl-fashion has both pictures" in capsys.readouterr().err


def test_the_environment_names_the_folder_of_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("PERFECTLOOK_DATA", str(tmp_path / "data"))
    assert get("ccp-looks", "--accept-licence", "--from", ccp_mirror(tmp_path / "mirror")) == 0
    assert load_set(tmp_path / "data" / "ccp-looks").n_rows == 3
    monkeypatch.delenv("PERFECTLOOK_DATA")
    monkeypatch.chdir(tmp_path)
    assert get("ccp-looks", "--accept-licence", "--from", tmp_path / "mirror", "--limit", "1") == 0
    assert load_set(tmp_path / "ccp-looks").n_rows == 2


@pytest.mark.parametrize(
    "wrong",
    [["nonsense"], [], ["stl-fashion", "--limit", "0"], ["stl-fashion", "--from"]],
)
def test_wrong_use_exits_with_2(wrong: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["data", "get", *wrong]) == 2
    assert "perfectlook data get --help" in capsys.readouterr().err


def test_a_mirror_that_does_not_exist_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert get("stl-home", "--accept-licence", "--out", tmp_path / "set", "--from", tmp_path / "x") == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_list_of_dead_addresses_is_named_with_its_folder(
    server: Web, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (mirror / picture_path(signature("scene", 0))).unlink()
    url = publish(server, mirror)
    assert get("stl-fashion", "--out", tmp_path / "a", "--from", url, "--accept-licence") == 0
    assert f"  {tmp_path / 'a' / 'dead.jsonl'} lists the dead addresses" in capsys.readouterr().out
    assert get("stl-fashion", "--out", tmp_path / "b", "--from", mirror, "--accept-licence") == 0
    assert "dead.jsonl" not in capsys.readouterr().out  # of a folder, nothing is recorded
