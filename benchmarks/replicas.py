"""Serves one catalogue on Milvus with three processes behind nginx, while they come and go.

    python benchmarks/replicas.py [--photos FOLDER] [--seconds 20] [--connections 3] [--quick] [--json FILE]

Everything runs on this machine's loopback: the Milvus server of `.venv-milvus`, nginx (Debian's package
`nginx-light`) and three `perfectlook serve`. The catalogue is the showroom, and the photos are its scenes.
Photos are sent over `--connections` connections during each of three phases. nginx sends a request to
another process if one refuses the connection or answers 503. If none is left, nginx answers 503.

- `steady`: all three processes answer.
- `killed`: one process is killed (SIGKILL) in the middle, and a new one started in its place.
- `upgraded`: the catalogue is synced with another model (`--stage`), and 5 s later it is switched. The
  processes follow it (`--follow-model`), so none is restarted.

- `figures.PHASE_statuses`: the statuses that the callers saw. All but 200 and 503 are failures.
- `figures.PHASE_ms_p50`, `p99`, `per_second`: of the answers with status 200.
- `figures.killed_seconds_without_one`: from the kill until the new process is ready.
- `figures.upgraded_seconds`: from the start of the sync until the catalogue has switched.
- `figures.PHASE_models`: how many answers came from each model.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

import httpx

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from machine import add_json_option, add_quick_option, report
from milvus_server import MilvusServer, why_not
from perfectlook.catalogue import Catalogue
from perfectlook.files import SHOWROOM

NGINX = """daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_max_body_size 21m; client_body_buffer_size 4m;
  upstream perfectlook {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://perfectlook; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_next_upstream error timeout http_503 non_idempotent; proxy_next_upstream_tries 3;
      error_page 502 504 = @away;
    }}
    location @away {{ add_header Retry-After 2 always; return 503; }}
  }}
}}
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=Path, default=SHOWROOM / "scenes", help="default: the showroom's")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each phase (default %(default)s)")
    parser.add_argument("--connections", type=int, default=3)
    add_quick_option(parser)
    add_json_option(parser)
    options = parser.parse_args()
    if options.quick:
        options.seconds = 3.0
    reason = why_not() or (None if shutil.which("nginx") else "nginx is not installed (Debian's nginx-light)")
    if reason:
        print(f"replicas: cannot run: {reason}.", file=sys.stderr)
        return
    photos = [
        file.read_bytes() for file in sorted(options.photos.iterdir()) if file.suffix in (".jpg", ".webp")
    ]
    figures: dict[str, object] = {"replicas": 3, "connections": options.connections, "photos": len(photos)}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        server = MilvusServer(folder / "milvus", {}).start()
        stack.callback(server.kill)
        catalogue = f"milvus+{server.url}/shop"
        second = str(folder / "models" / "other")
        words = ["train", "showroom", "--baseline", "ridge", "--out", second]
        subprocess.run([sys.executable, "-m", "perfectlook", *words], check=True, capture_output=True)
        with Catalogue.open(catalogue, create=True) as opened:
            opened.sync("showroom", "rooms")
        replicas = [Replica(folder, catalogue, number) for number in range(3)]
        for each in replicas:
            stack.callback(each.stop)
            each.start()
        for each in replicas:
            each.wait()
        url = _proxy(folder, [each.port for each in replicas], stack)
        load = Load(url, photos, options.connections)

        def kill_and_replace() -> None:
            time.sleep(options.seconds / 4)
            replicas[1].kill()
            began = time.perf_counter()
            time.sleep(1)
            replicas[1].start()
            replicas[1].wait()
            figures["killed_seconds_without_one"] = time.perf_counter() - began

        def upgrade() -> None:
            began = time.perf_counter()
            with Catalogue.open(catalogue) as opened:
                opened.sync("showroom", second, stage=True)
                time.sleep(5)
                opened.switch()
            figures["upgraded_seconds"] = time.perf_counter() - began

        for phase, meanwhile in (("steady", None), ("killed", kill_and_replace), ("upgraded", upgrade)):
            load.run(phase, options.seconds, meanwhile, figures)
    report("replicas", {}, figures, options.json)


class Replica:
    """One `perfectlook serve` on its own port."""

    def __init__(self, folder: Path, catalogue: str, number: int) -> None:
        self._folder, self._catalogue, self._number = folder, catalogue, number
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve the catalogue, and follow it to another model."""
        words = [sys.executable, "-m", "perfectlook", "serve", "--model", "rooms", "--rate", "0"]
        words += ["--follow-model", str(self._folder / "models")]
        words += ["--catalogue", self._catalogue, "--port", str(self.port), "--workers", "1"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self._folder / f"replica-{self._number}.log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)

    def wait(self) -> None:
        """Wait until it is ready."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/ready", timeout=10).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise SystemExit((self._folder / f"replica-{self._number}.log").read_text())

    def stop(self) -> None:
        """Let it answer what it has accepted."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Load:
    """Callers that send photos one after the other, each over its own connection."""

    def __init__(self, url: str, photos: list[bytes], connections: int) -> None:
        self._url, self._photos, self._connections = f"{url}/v1/complete?k=5", photos, connections

    def run(
        self, phase: str, seconds: float, meanwhile: Callable[[], None] | None, figures: dict[str, object]
    ) -> None:
        """Send photos for some seconds, and as long as `meanwhile` runs."""
        statuses: Counter[int | str] = Counter()
        models: Counter[str] = Counter()
        times: list[float] = []
        done, lock = threading.Event(), threading.Lock()

        def work(number: int) -> None:
            with httpx.Client(timeout=60) as client:
                while not done.is_set():
                    number += self._connections
                    began = time.perf_counter()
                    files = {"photo": ("a.jpg", self._photos[number % len(self._photos)])}
                    try:
                        answer = client.post(self._url, files=files)
                        status: int | str = answer.status_code
                    except httpx.HTTPError as error:
                        status = type(error).__name__
                    with lock:
                        statuses[status] += 1
                        if status == 200:
                            times.append(time.perf_counter() - began)
                            models[answer.json()["model"]] += 1
                    if status == 503:
                        time.sleep(0.2)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(self._connections)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        if meanwhile is not None:
            meanwhile()
        time.sleep(max(0.0, seconds - (time.perf_counter() - began)))
        done.set()
        for thread in threads:
            thread.join()
        figures[f"{phase}_statuses"] = {str(status): count for status, count in statuses.items()}
        figures[f"{phase}_models"] = dict(models)
        figures[f"{phase}_per_second"] = len(times) / (time.perf_counter() - began)
        figures[f"{phase}_ms_p50"] = 1000 * median(times)
        figures[f"{phase}_ms_p99"] = 1000 * quantiles(times, n=100)[98]


def _proxy(folder: Path, ports: list[int], stack: ExitStack) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    servers = " ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in ports)
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, servers=servers, port=port))
    process = subprocess.Popen(
        ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(settings)]
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    main()
