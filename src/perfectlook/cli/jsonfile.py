"""JSON that commands write, whatever the names of files in it are."""

import json
import sys
from pathlib import Path

from perfectlook.errors import PerfectLookError


def write_json(file: Path | str, document: object) -> None:
    """Write a document to a file, or to standard output where that is "-".

    Names of files need not be Unicode: what is not becomes an escape of JSON. Standard output, whose encoding
    may be any, gets nothing but ASCII.

    Raises:
        PerfectLookError: the file cannot be written.
    """
    text = json.dumps(document, indent=2, ensure_ascii=str(file) == "-") + "\n"
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise PerfectLookError(f"{file}: cannot be written ({error.strerror}); name another file") from error
