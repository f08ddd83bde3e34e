"""One line of text about a product, as answers print it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfectlook.recommender import Suggestion


def product_line(product: "Suggestion", *, bare: bool = False) -> str:
    """Rank, distance (`bare`: all of its digits), id, title, price, and the rules that moved the product."""
    distance = f"{product.distance!r}" if bare else f"{product.distance:.3f}"
    title = short_title(product.record.title)
    moved = f"  [{'; '.join(map(str, product.rules))}]" if product.rules else ""
    said = f"  {product.rank:>4}  {distance}  {product.id}  {title}".rstrip()
    price = " ".join(product.record.price.split())
    return f"{said}{f'  {price}' if price else ''}{moved}"


def short_title(title: str | None, most: int = 60) -> str:
    """A title in one line, cut where it is long; "" where there is none."""
    line = " ".join((title or "").split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
