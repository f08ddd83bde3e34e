"""A catalogue and a model on file systems that are mounted read-only."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from serving import Store, eventually

MOUNTED = 'for each in "$1" "$2"; do mount --bind "$each" "$each"; mount -o remount,ro,bind "$each"; done'
UNSHARE = ["unshare", "--mount", "sh", "-ec"]


def may_mount(folder: Path) -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    tried = [*UNSHARE, f'{MOUNTED}; ! touch "$1/x"', "sh", str(folder), str(folder)]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def test_complete_and_serve_need_to_write_neither(
    own_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not may_mount(own_store.catalogue):
        pytest.skip("no right to mount")
    monkeypatch.setenv("PERFECTLOOK_CACHE", str(tmp_path / "cache"))
    stored = ["--model", str(own_store.model), "--catalogue", str(own_store.catalogue)]
    read_only = [*UNSHARE, f'{MOUNTED}; shift 2; exec "$@"', "sh", stored[1], stored[3]]
    program = [*read_only, sys.executable, "-m", "perfectlook"]
    photo = own_store.photos[0]
    asked = [*program, "complete", str(photo), *stored, "--json", "-"]
    answer = json.loads(subprocess.run(asked, capture_output=True, check=True, timeout=120).stdout)
    assert answer["categories"]
    log = tmp_path / "log"
    with log.open("w") as stream:
        server = subprocess.Popen([*program, "serve", *stored, "--port", "0"], stderr=stream)
    try:
        lines = eventually(lambda: [each for each in log.read_text().splitlines() if "running on" in each])
        url = "http://" + lines[0].split("http://")[1].split(" ")[0]
        with httpx.Client(base_url=url, timeout=60) as client:
            served = client.post("/v1/complete", files={"photo": photo.read_bytes()}).json()
            assert (
                served["categories"][0]["products"][0]["id"] == answer["categories"][0]["products"][0]["id"]
            )
            event = {"product": "a", "category": "b", "rank": 1, "event": "clicked"}
            sent = client.post("/v1/feedback", json={"request_id": "request-1", "events": [event]})
            assert sent.status_code == 202
            assert client.get("/ready").status_code == 200
    finally:
        server.terminate()
        server.wait(60)
    assert {each.name for each in own_store.catalogue.iterdir()} <= {
        "catalogue.sqlite",
        "catalogue.sqlite-shm",
        "catalogue.sqlite-wal",
        "sync.lock",
    }
