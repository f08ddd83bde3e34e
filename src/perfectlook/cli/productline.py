"""One line of text about a product, as answers print it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfectlook.recommender import Suggestion


def product_line(product: "Suggestion", *, bare: bool = False) -> str:
    """Rank, distance (`bare`: all of its digits), id, title, price, and the rules that moved the product."""
    distance = f"{product.distance!r}" if bare else f"{product.distance:.3f}"
    title = " ".join((product.record.title or "").split())[:60]
    moved = f"  [{'; '.join(map(str, product.rules))}]" if product.rules else ""
    said = f"  {product.rank:>4}  {distance}  {product.id}  {title}".rstrip()
    price = " ".join(product.record.price.split())
    return f"{said}{f'  {price}' if price else ''}{moved}"
