"""Extract the pictures of a folder into a store in small commits. Tests kill this process."""

import hashlib
import sys
from pathlib import Path

from perfectlook.features import extraction
from perfectlook.features.store import ViewKey, open_store
from perfectlook.types import View

if __name__ == "__main__":
    pictures, folder, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    extraction.VIEWS_PER_TASK = 2
    extraction.VIEWS_PER_COMMIT = 4
    extraction.VIEWS_WORTH_A_WORKER = 1
    keys = {
        View(picture): ViewKey.of(hashlib.sha256(picture.read_bytes()).hexdigest(), None)
        for picture in sorted(pictures.iterdir())
    }
    with open_store("tiny", folder) as store:
        report = extraction.extract(
            keys,
            "tiny",
            store,
            maps=True,
            workers=workers,
            progress=lambda *state: print(*state, flush=True),
        )
    print("end", report.extracted, report.skipped, len(report.failures), flush=True)
