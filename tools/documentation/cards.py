"""The parts about what the package ships: the model cards, and the numbers of the showroom."""

import re
from collections import Counter

from documentation.tables import table
from perfectlook.data import load_set
from perfectlook.data.layout import PAIRS
from perfectlook.data.scenes import split_of
from perfectlook.files import SHOWROOM, model_folder, shipped_models
from perfectlook.model.files import CARD

CREDITS = SHOWROOM / "CREDITS.md"


def cards() -> str:
    """The card of every model, with its headings two levels lower."""
    found = []
    for name in shipped_models():
        card = (model_folder(name) / CARD).read_text(encoding="utf-8").strip()
        found.append(re.sub(r"^(#+) ", r"##\1 ", card, flags=re.MULTILINE))
    return "\n\n".join(found) or "This build has no models."


def showroom() -> str:
    """A table of the showroom's rooms, products, pairs and categories."""
    if not (SHOWROOM / PAIRS).exists():
        return "This build does not have its pictures."
    dataset = load_set(SHOWROOM)
    splits = Counter(split_of(scene) for scene in dataset.scenes)
    counted = (
        (
            "rooms",
            f"{len(dataset.scenes):,} ({splits['train']} for training, {splits['val']} for validation, "
            f"{splits['test']} for tests)",
        ),
        ("products", f"{len(dataset.products):,}"),
        ("pairs", f"{len(dataset.pairs):,}"),
        ("categories", f"{len({each.category for each in dataset.products.values()}):,}"),
    )
    return table(("what", "number"), counted)


def showroom_credits() -> str:
    """The credits of the showroom's furniture, from the file next to its pictures."""
    if not CREDITS.exists():
        return "# Credits of the showroom\n\nThis build does not have its pictures.\n"
    return CREDITS.read_text(encoding="utf-8")
