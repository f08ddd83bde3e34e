"""The page of the command line, from its own definition."""

import re

from perfectlook.cli.main import build_app

HEAD = """# The command line

Made from the commands of this version: `perfectlook COMMAND --help` says the same. Exit codes are 0 (done;
what had to be skipped is printed and counted), 1 (failed, or something was skipped under `--strict`), 2
(wrong use) and 130 (interrupted). Where a MODEL is asked for, a folder is meant, or the name of [a model
that comes with the package](models.md). `FOLDER|URL` is a folder or one of the [stores](stores.md).

"""


def commands_page() -> str:
    """Every command with every flag."""
    text = build_app().generate_docs(output_format="markdown", heading_level=1)
    body = re.sub(r"^# perfectlook\n.*?(?=^## )", "", text, count=1, flags=re.MULTILINE | re.DOTALL)
    return HEAD + body
