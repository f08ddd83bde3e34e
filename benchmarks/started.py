"""Wait for a server that a benchmark started."""

import json
import subprocess
import time
from pathlib import Path


def port_of(log: Path, process: "subprocess.Popen[bytes]") -> int:
    """The port that a starting server writes into its log. If it ends first, so does the benchmark."""
    while True:
        for line in log.read_text().splitlines():
            if "running on" in line:
                return int(str(json.loads(line)["event"]).split("127.0.0.1:")[1].split(" ")[0])
        if process.poll() is not None:
            raise SystemExit(log.read_text())
        time.sleep(0.01)
