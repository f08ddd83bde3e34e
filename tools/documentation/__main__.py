"""Writes the generated pages and parts of the documentation.

    PYTHONPATH=tools python -m documentation [--check]

`--check` writes nothing: it names the pages that are not current, and exits with 1 if there are any.
"""

import argparse

from documentation.generated import DOCS, current


def main() -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(prog="python -m documentation", description="Write the generated pages.")
    parser.add_argument("--check", action="store_true", help="only name the pages that are not current")
    check = parser.parse_args().check
    changed = {path: text for path, (text, written) in current().items() if text != written}
    for path, text in changed.items():
        if check:
            print(f"docs/{path}: not current. Run `make docs-pages`, and commit the page.")
        else:
            (DOCS / path).parent.mkdir(parents=True, exist_ok=True)
            (DOCS / path).write_text(text, encoding="utf-8")
            print(f"docs/{path}: written")
    return 1 if check and changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
