"""What mkdocs calls while it builds the site: pages that are made from the code, small mends of others."""

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from documentation.cards import CARDS_PLACE, SHOWROOM_PLACE, cards, showroom
from documentation.generated import GENERATED

ALONE = {"index.md", "tutorial.md"}
"""Pages that are a section by themselves: they need no list of the section's pages."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for path, make in GENERATED.items():
        files.append(File.generated(config, path, content=make()))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Put the models' cards in, and name what lies outside of the documentation: the site has no such."""
    if page.file.src_uri in ALONE:
        page.meta["hide"] = ["navigation"]
    for place, made in ((CARDS_PLACE, cards), (SHOWROOM_PLACE, showroom)):
        if place in markdown:
            markdown = markdown.replace(place, made())
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?:CONTRIBUTING|CHANGELOG|README)\.md\)", r"`\1`", markdown)


def on_page_content(html: str, **_: object) -> str:
    r"""Tables need `\|` for a bar, also in code, where Markdown would leave the backslash."""
    return re.sub(r"<code>[^<]*</code>", lambda found: found.group().replace("\\|", "|"), html)
