"""What comes with the package, as parts of the pages about it: the models' cards, the showroom's numbers."""

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
    """Every card, its headings a level below those of the page."""
    found = []
    for name in shipped_models():
        card = (model_folder(name) / CARD).read_text(encoding="utf-8").strip()
        found.append(re.sub(r"^(#+) ", r"##\1 ", card, flags=re.MULTILINE))
    return "\n\n".join(found) or "None are in this build."


def showroom() -> str:
    """How much there is in the showroom."""
    if not (SHOWROOM / PAIRS).exists():
        return "Its pictures are not in this build."
    dataset = load_set(SHOWROOM)
    splits = Counter(split_of(scene) for scene in dataset.scenes)
    counted = (
        (
            "rooms",
            f"{len(dataset.scenes):,} ({splits['train']} to train, {splits['val']} to choose by, "
            f"{splits['test']} to test)",
        ),
        ("products", f"{len(dataset.products):,}"),
        ("pairs", f"{len(dataset.pairs):,}"),
        ("categories", f"{len({each.category for each in dataset.products.values()}):,}"),
    )
    return table(("of", "there are"), counted)


def showroom_credits() -> str:
    """The page of whose work the showroom's pictures show, which lies beside them."""
    if not CREDITS.exists():
        return "# Credits of the showroom\n\nIts pictures are not in this build.\n"
    return CREDITS.read_text(encoding="utf-8")
