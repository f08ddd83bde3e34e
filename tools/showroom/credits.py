"""Who made the models, under which licence, and what was changed."""

from collections.abc import Iterable

from showroom.library import Model, models, pieces

ADDRESSES = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC BY 3.0 US": "https://creativecommons.org/licenses/by/3.0/us/",
}
LIBRARIES = {
    "BlendSwap-CC-0": "“BlendSwap-CC-0”, by users of blendswap.com, converted by E. Puybaret / eTeks",
    "BlendSwap-CC-BY": "“BlendSwap-CC-BY”, by users of blendswap.com, converted by E. Puybaret / eTeks",
    "KatorLegaz": "“KatorLegaz”, © 2003–2008 Andrew Kator & Jennifer Legaz",
    "Scopia": "“Scopia”, © 2006–2020 Scopia Visual Interfaces Systems, s.l., and Emmanuel Puybaret / eTeks",
}
OPENING = """# Credits of the showroom

Every picture here was rendered for this project by path tracing from the furniture models listed below.
Rooms, materials, rugs, prints, and all lamps, cabinets and other pieces not listed were made by this project.
The models are those of the furniture libraries of Sweet Home 3D (sweethome3d.com), as Debian packages them
(`sweethome3d-furniture`). **Changed**: sizes brought to the catalogue's, colours and materials replaced (kept
for plants, books and fruit), posed, lit and rendered. Neither the authors nor the libraries endorse this
project or its use of their work.

The pictures may be used under CC BY 3.0 with the credits below. Products, brands and prices are invented.
Which models a picture shows stands in `manifest.json` under `models`, by the ids of the first column.

"""


def credits_of(used: Iterable[str]) -> str:
    """Return the text of CREDITS.md for the models with these ids."""
    listed = [models()[key] for key in sorted(set(used), key=_order)]
    lines = [OPENING, "## Licences\n\n"]
    present = {model.licence for model in listed}
    lines += [f"- {name}: {address}\n" for name, address in ADDRESSES.items() if name in present]
    lines.append("\n## Libraries\n\n")
    lines += [
        f"- {text}\n"
        for key, text in LIBRARIES.items()
        if any(model.id.startswith(f"{key}#") for model in listed)
    ]
    lines.append(
        "\n## Models\n\n| id | model | author | licence | source | here |\n|---|---|---|---|---|---|\n"
    )
    lines += [_row(model) for model in listed]
    return "".join(lines)


def _order(key: str) -> tuple[str, int]:
    library, _, number = key.partition("#")
    return library, int(number)


def _row(model: Model) -> str:
    here = ", ".join(f"`{piece.id}`" for piece in pieces().values() if piece.model == model.id)
    source = model.source or "its library"
    return f"| {model.id} | {model.name} | {model.author} | {model.licence} | {source} | {here} |\n"
