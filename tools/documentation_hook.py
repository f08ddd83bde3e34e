"""Small changes to pages that mkdocs makes while it builds the site."""

import re

from mkdocs.structure.pages import Page

ALONE = {"index.md", "tutorial.md"}
"""Pages that are a whole section: they need no list of the section's pages."""


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Hide the navigation of some pages, and show links to files outside the documentation as plain names."""
    if page.file.src_uri in ALONE:
        page.meta["hide"] = ["navigation"]
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?:CONTRIBUTING|CHANGELOG|README)\.md\)", r"`\1`", markdown)


def on_page_content(html: str, **_: object) -> str:
    r"""Remove the backslash of `\|` from code: a table needs it, and Markdown keeps it in code."""
    return re.sub(r"<code>[^<]*</code>", lambda found: found.group().replace("\\|", "|"), html)
