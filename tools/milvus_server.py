"""A real Milvus server on this machine, from the PyPI package `milvus` in `.venv-milvus` (Linux on x86-64).

    python tools/milvus_server.py FOLDER [--port 19530] [--while PID]

It keeps its data in FOLDER, prints its URL when it is ready, and stops with Ctrl+C, or when the process PID
ends. It answers only on this machine.
"""

import argparse
import lzma
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

ENVIRONMENT = Path(__file__).resolve().parents[1] / ".venv-milvus"
"""Where `make setup` installs the package. Its dependencies do not fit those of the project."""
START_SECONDS = 120
FAST = {
    "PROXY_TIMETICKINTERVAL": "20",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
    "QUERYCOORD_CHECKCHANNELINTERVAL": "50",
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "50",
    "COMMON_SESSION_TTL": "8",
    "GRPC_CLIENT_MAXBACKOFF": "0.5",
}
"""Settings for tests: strong reads wait 20 ms for the server's clock instead of 200. Loading is quicker.

A server that was killed waits until the sessions of its earlier process end: 8 seconds instead of 30.
"""
STEADY = {**FAST, "COMMON_SESSION_TTL": "120"}
"""Settings for a server that is not killed: it ends itself if it is too busy to keep its sessions alive."""


def why_not() -> str | None:
    """Return why no server can start here, or None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"the server's package is for Linux on x86-64, not for {sys.platform} on {platform.machine()}"
    if not _packages():
        return f"{ENVIRONMENT.name} has no package milvus; run `make setup`"
    return None


class MilvusServer:
    """A server process on free ports. `start` after `kill` continues with the same data and ports."""

    _given: ClassVar[set[int]] = set()
    """The ports of all servers of this process, started or not."""

    def __init__(self, folder: Path, settings: Mapping[str, str] = FAST, port: int | None = None) -> None:
        """Keep data and logs in a folder. `settings` are Milvus's, as names of environment variables."""
        self.folder = folder
        free = (each for each in _OURS if each not in self._given and _is_free(each))
        self.ports = dict(zip(_PORTS, free, strict=False))
        if len(self.ports) < len(_PORTS):
            raise RuntimeError(f"there are fewer than {len(_PORTS)} free ports below 32768")
        self._given.update(self.ports.values())
        if port is not None:
            self.ports["proxy_port"] = port
        self._settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL: `http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.ports['proxy_port']}"

    def start(self, *, wait: bool = True) -> Self:
        """Start the server, and wait until it is ready. Raises RuntimeError if it does not become ready."""
        program = _unpacked()
        configuration = self.folder / "configs"
        configuration.mkdir(parents=True, exist_ok=True)
        _write_configuration(configuration, self.folder, self.ports)
        environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self.ports["metrics"]),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(program.parent),
            "ETCD_CONFIG_PATH": str(configuration / "etcd.yaml"),
            "PROXY_IP": "127.0.0.1",
            **self._settings,
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "run", "standalone"],
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        if wait:
            self.wait()
        return self

    def wait(self) -> None:
        """Wait until the server is ready."""
        address = f"http://127.0.0.1:{self.ports['metrics']}/healthz"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended; see {self.folder / 'server.log'}")
            try:
                with urllib.request.urlopen(address, timeout=5) as answer:
                    if b"OK" in answer.read():
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"not ready after {START_SECONDS} s; see {self.folder / 'server.log'}")

    def kill(self) -> None:
        """End the server with SIGKILL, so that it cannot finish anything."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self, paused: bool) -> None:
        """Stop the process in its tracks, or let it go on: a server that accepts but does not answer."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def memory(self) -> int:
        """Return the bytes of memory that the process uses."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(text.split("VmRSS:")[1].split()[0]) * 1024


_PORTS = (
    *("proxy_port", "proxy_internal_port", "root_coord_port", "query_coord_port", "query_node_port"),
    *("index_coord_port", "index_node_port", "data_coord_port", "data_node_port", "etcd_port"),
    *("peer", "metrics"),
)


_OURS = range(10_000 + os.getpid() * 16 % 22_000, 32_768)
"""Ports that this process may use. The system gives none of them to a client: its own begin at 32768."""


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.socket() as probe:
        probe.bind(("", port))
        return True
    return False


def _packages() -> Path | None:
    found = sorted(ENVIRONMENT.glob("lib/python3*/site-packages/milvus/data"))
    return found[0] if found else None


def _unpacked() -> Path:
    """Return the program. The first call unpacks it next to the environment, while others wait."""
    import fcntl

    data, target = _packages(), ENVIRONMENT / "server"
    assert data is not None, why_not()
    with (ENVIRONMENT / "server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = ENVIRONMENT / "server.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            for packed in (data / "bin").glob("*.lzma"):
                with lzma.open(packed) as source, (partial / packed.stem).open("wb") as out:
                    shutil.copyfileobj(source, out)
                (partial / packed.stem).chmod(0o755)
            partial.rename(target)
    return target / "milvus"


def _write_configuration(folder: Path, data: Path, ports: Mapping[str, int]) -> None:
    package = _packages()
    assert package is not None
    values = {
        **{name: str(port) for name, port in ports.items()},
        "etcd_log_path": str(data / "etcd.log"),
        "etcd_log_level": "warn",
        "etcd_data_dir": str(data / "etcd"),
        "local_storage_dir": str(data / "storage"),
        "rocksmq_data_dir": str(data / "rocksmq"),
        "system_log_path": str(data / "logs"),
    }

    def filled(found: re.Match[str]) -> str:
        name, default = found[1], found[2] or ""
        return values.get(name, default.strip())

    template = (package / "config.yaml.template").read_text(encoding="utf-8")
    text = re.sub(r"\{\{ *(\w+)(?:\(\w+\))?(?::([^}]*))? *\}\}", filled, template)
    text = re.sub(r"(\nlog:\n +level: )info", r"\1warn", text)
    (folder / "milvus.yaml").write_text(text, encoding="utf-8")
    shutil.copy(package / "glog.conf", folder)
    client, peer = (f"http://127.0.0.1:{ports[name]}" for name in ("etcd_port", "peer"))
    lines = (
        "name: default",
        f"listen-client-urls: {client}",
        f"advertise-client-urls: {client}",
        f"listen-peer-urls: {peer}",
        f"initial-advertise-peer-urls: {peer}",
        f"initial-cluster: default={peer}",
    )
    (folder / "etcd.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the process is interrupted, or until the process that it serves ends."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--while", dest="process", type=int, metavar="PID")
    asked = parser.parse_args(arguments)
    if reason := why_not():
        print(f"No server can start: {reason}.", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = MilvusServer(asked.folder.absolute(), STEADY if asked.process else {}, asked.port)
    try:
        server.start()
        print(server.url, flush=True)
        while server.process is not None and server.process.poll() is None:
            if asked.process and not Path(f"/proc/{asked.process}").exists():
                break
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.kill()
        if asked.process:
            shutil.rmtree(asked.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
