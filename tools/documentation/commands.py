"""The page of the command line, from the definition of its commands."""

import re

from perfectlook.cli.main import build_app

HEAD = """# The command line

Every command with its flags, as `perfectlook COMMAND --help` prints them.

| exit code | meaning |
|---|---|
| 0 | done; problems that were skipped are printed and counted |
| 1 | failed, or something was skipped under `--strict` |
| 2 | wrong use |
| 3 | `catalogue check` found problems |
| 130 | interrupted |

MODEL is a folder, or the name of [a model that comes with the package](models.md). `FOLDER|URL` is a folder
or one of the other [stores](stores.md).

"""


def commands_page() -> str:
    """Every command with every flag."""
    text = build_app().generate_docs(output_format="markdown", heading_level=1)
    text = re.sub(r"^(perfectlook [a-z -]+) -m \w+(?= |$)", r"\1", text, flags=re.MULTILINE)  # of `python -m`
    body = re.sub(r"^# perfectlook\n.*?(?=^## )", "", text, count=1, flags=re.MULTILINE | re.DOTALL)
    return HEAD + body
