"""The generated pages and parts that are committed are current, and whole."""

import re
import sys
from types import ModuleType

import pytest

from printed import DOCS, ROOT, generated


def test_the_generated_pages_are_current():
    outdated = [
        f"docs/{page}" for page, (made, committed) in generated().current().items() if made != committed
    ]
    assert not outdated, "Run `make docs-pages`, and commit these pages."


def test_every_begin_has_its_end_and_a_maker():
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        begun = re.findall(r"<!-- begin: (.*?) -->", text)
        assert begun == re.findall(r"<!-- end: (.*?) -->", text), page
        assert all(re.match("|".join(generated().PARTS), each) for each in begun), page


@pytest.fixture
def errors() -> ModuleType:
    generated()
    return sys.modules["documentation.errors"]


def test_errors_have_their_class_module_and_message(errors: ModuleType):
    found = {(each.kind, each.module, each.text) for each in errors.messages()}
    assert len(found) > 250
    assert {"UsageError", "DatasetError", "MissingExtraError", "Problem", "Refusal"} <= {
        each[0] for each in found
    }
    for _, module, _ in found:
        file = ROOT / "src" / module.replace(".", "/")
        assert file.with_suffix(".py").exists() or (file / "__init__.py").exists()
