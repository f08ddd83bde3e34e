"""The page's language, the shop's name and its accent colour."""

import html
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "page"
"""Folder of the page's files."""
LOCALES = sorted(file.stem for file in (FOLDER / "locale").glob("*.js"))
"""The languages that ship."""
OWN = "own"
"""The name of a shop's own file of texts on the page."""
LEAST_CONTRAST = 5.0
"""Of the accent colour and white. WCAG asks for 4.5, and text is also on tinted backgrounds."""


def check_locale(value: str) -> str:
    """Return a language that ships, or the path of a file of texts. Raises ValueError for another value."""
    if value.endswith(".js"):
        if not Path(value).is_file():
            raise ValueError("must name an existing file")
    elif value not in LOCALES:
        raise ValueError(f"must be one of {', '.join(LOCALES)}, or a .js file with your texts")
    return value


def check_accent(value: str) -> str:
    """Return a colour that white text is readable on, or "". Raises ValueError for another value."""
    if not value:
        return value
    if not re.fullmatch("#[0-9a-fA-F]{6}", value):
        raise ValueError("must be a colour such as #0b6e4f")
    if (found := contrast_with_white(value)) < LEAST_CONTRAST:
        raise ValueError(
            f"must have a contrast of at least {LEAST_CONTRAST:g} with white, and has {found:.1f}"
        )
    return value


def contrast_with_white(colour: str) -> float:
    """Return the contrast of a colour such as `#0b6e4f` with white, from 1 to 21 (WCAG 2.1)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def names_of(file: Path) -> tuple[str, dict[str, str]]:
    """Return the language, such as "de", and the short names of categories that a file of texts lists."""
    text = file.read_text(encoding="utf-8")
    language = re.search(r'export const language = "(\w+)', text)
    names = re.findall(r'"([^"\n]+)":\s*"([^"\n]+)"', text.partition("export const names")[2])
    return language[1] if language else "en", dict(names)


def dressed(page: str, locale: str, name: str, accent: str) -> str:
    """Return index.html with the language, the name and the colour, which the page's scripts read."""
    name = html.escape(name)
    given = {
        "lang": "en" if locale.endswith(".js") else locale,
        "data-locale": OWN if locale.endswith(".js") else "",
        "data-name": name,
        "data-accent": accent,
    }
    attributes = " ".join(f'{key}="{value}"' for key, value in given.items() if value)
    page = page.replace('<html lang="en">', f"<html {attributes}>", 1)
    return re.sub(r"(<title [^>]*>)[^<]*", lambda found: found[1] + name, page) if name else page
