"""Materials for mitsuba: a BSDF for every role of a product's finish."""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from showroom import prints, rugs, textures
from showroom.geometry import box
from showroom.products import Product
from showroom.rendering import mesh, mi
from showroom.styles import Material, materials, styles
from showroom.wavefront import Look

BOOKS = ("#8a4b3c", "#c9b58f", "#41566b", "#6f7d5a", "#d9d3c6", "#2f2f33")
GLOSS = {"satin": (0.42, 0.35, 0.001), "lacquer": (0.28, 0.45, 0.001), "metal": (0.3, 0.5, 1.0)}
"""Roughness, specular and metallic of every kind of gloss."""
REPEAT = {
    "wood": (1.0, 2.0),
    "cloth": (2.5, 2.5),
    "velvet": (1.7, 1.7),
    "leather": (1.7, 1.7),
    "wicker": (5.0, 5.0),
}
"""The repeats of a picture in a metre, along u and v, by kind."""


def bitmap(picture: npt.NDArray[Any]) -> dict[str, Any]:
    """Make a texture of a picture in linear light, with its first row at the top."""
    data = mi.Bitmap(np.ascontiguousarray(picture[::-1], np.float32))
    return {"type": "bitmap", "bitmap": data, "raw": True}


def _both_sides(bsdf: dict[str, Any]) -> dict[str, Any]:
    return {"type": "twosided", "bsdf": bsdf}


def diffuse(texture: dict[str, Any]) -> dict[str, Any]:
    """Make a matt surface."""
    return _both_sides({"type": "diffuse", "reflectance": texture})


def glossy(texture: dict[str, Any], gloss: str) -> dict[str, Any]:
    """Make a surface with a sheen.

    There are few kinds of gloss, because each new value compiles the whole tracer again.
    """
    rough, specular, metallic = GLOSS[gloss]
    bsdf = {
        "type": "principled",
        "base_color": texture,
        "roughness": rough,
        "metallic": metallic,
        "specular": specular,
    }
    return _both_sides(bsdf)


@cache
def made_of(material: Material) -> Any:  # noqa: PLR0911
    """Return the BSDF of a material, which is made once."""
    match material.kind:
        case "wood":
            return mi.load_dict(glossy(bitmap(textures.wood(material.colour, material.dark)), "satin"))
        case "cloth" | "velvet":
            picture = textures.cloth(material.colour, material.other or material.colour, material.pattern)
            return mi.load_dict(diffuse(bitmap(picture)))
        case "leather":
            return mi.load_dict(glossy(bitmap(textures.leather(material.colour)), "satin"))
        case "metal":
            return mi.load_dict(glossy(bitmap(textures.mottled(material.colour, 0.02)), "metal"))
        case "wicker":
            return mi.load_dict(diffuse(bitmap(textures.wicker(material.colour))))
        case "stone":
            return mi.load_dict(glossy(bitmap(textures.mottled(material.colour, 0.06)), "satin"))
        case _:
            return mi.load_dict(glossy(bitmap(textures.mottled(material.colour, 0.008)), "lacquer"))


@cache
def plain(colour: str) -> Any:
    """Make a matt BSDF of a colour."""
    return mi.load_dict(diffuse(bitmap(textures.mottled(colour, 0.015))))


@cache
def glass() -> Any:
    """Make thin clear glass."""
    return mi.load_dict({"type": "thindielectric"})


def _kept(look: Look) -> Any:
    """Make the colour or picture of the model; transparent parts of the picture are cut out."""
    if look.picture is None or not look.picture.is_file():
        colour = np.clip(np.array(look.colour, np.float32), 0.01, 0.85) ** 2.2
        return mi.load_dict(diffuse(bitmap(colour[None, None])))
    image = Image.open(look.picture)
    image.thumbnail((512, 512))
    values = np.asarray(image.convert("RGBA"), np.float32) / 255
    colour = np.clip(values[..., :3], 0.005, 0.9) ** 2.2
    bsdf = diffuse(bitmap(colour))
    if values[..., 3].min() < 0.5:
        opacity = np.ascontiguousarray(values[::-1, :, 3:4])
        mask = {"type": "bitmap", "bitmap": mi.Bitmap(opacity), "raw": True, "filter_type": "nearest"}
        bsdf = {"type": "mask", "opacity": mask, "nested": bsdf}
    return mi.load_dict(bsdf)


def _drawn(
    product_id: str,
    kind: str,
    drawing: tuple[str, int],
    colours: tuple[str, ...],
    round_one: bool,
    size: tuple[float, float, float],
) -> Any:
    del product_id
    if kind == "rug":
        picture = rugs.rug(drawing[0], list(colours), drawing[1], round_one=round_one)
        return mi.load_dict(diffuse(bitmap(picture)))
    picture = prints.print_of(drawing[0], list(colours), drawing[1], size[0], size[1])
    return mi.load_dict(diffuse(bitmap(picture)))


def repeat_of(role: str, finish: dict[str, str]) -> tuple[float, float]:
    """Return a role's repeats in a metre along u and v; 1 if it has its own texture coordinates."""
    if role in ("keep", "rug", "art"):
        return (1.0, 1.0)
    material = materials().get(finish.get(role, ""))
    return REPEAT.get(material.kind, (0.8, 0.8)) if material else (0.8, 0.8)


@cache
def stowaways() -> dict[str, Any]:
    """Return a speck of each kind of surface, far below the floor, so that all scenes have the same kinds."""
    pixel = bitmap(np.full((2, 2, 3), 0.5, np.float32))
    kinds = [diffuse(pixel), *(glossy(pixel, gloss) for gloss in GLOSS), {"type": "thindielectric"}]
    return {
        f"stowaway{i}": mesh(
            f"stowaway{i}", box("black", (i, -90.1, 0), (i + 0.1, -90, 0.1)), mi.load_dict(kind)
        )
        for i, kind in enumerate(kinds)
    }


def prepare() -> None:
    """Make every material once, before the first scene.

    The number of objects is part of a compiled tracer. With a constant number, and with `padding`, one tracer
    renders all scenes.
    """
    for material in materials().values():
        made_of(material)
    for colour in ("#1c1c1d", *BOOKS):
        plain(colour)
    glass()
    stowaways()


def padding(count: int) -> dict[str, Any]:
    """Return specks far below the floor that pad a scene to `SHAPES` meshes."""
    speck = box("black", (0, -80.1, 0), (0.1, -80, 0.1))
    return {f"padding{i}": mesh(f"padding{i}", speck, plain("#1c1c1d")) for i in range(max(count, 0))}


def surface(role: str, product: Product | None, finish: dict[str, str], look: Look) -> Any:
    """Return the BSDF of a role."""
    if role == "keep":
        return _kept(look)
    if role == "glass":
        return glass()
    if role in ("black", "screen"):
        return plain("#1c1c1d")
    if role.startswith("book"):
        return plain(BOOKS[int(role[4:]) - 1])
    if role in ("rug", "art"):
        assert product is not None
        style = styles()[product.style]
        colours = style.palettes[product.palette].colours
        return _drawn(
            product.id,
            product.piece.kind,
            product.drawing,
            colours,
            "round" in product.piece.id,
            product.piece.size,
        )
    return made_of(materials()[finish[role]])
