"""`perfectlook mcp`: the recommendations as tools for assistants, over the Model Context Protocol."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cyclopts import App

from perfectlook.cli.options import Folder, Location
from perfectlook.cli.output import require

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from perfectlook.answers import RankedProduct
    from perfectlook.recommender import Recommender

INSTRUCTIONS = (
    "Products of a shop that go with a photo of a room or an outfit, or with a product of the shop. "
    "A photo is the path of a file on this computer, or an http(s) address. "
    "Categories are paths such as Furniture|Chairs."
)
SHOWN = ("id", "title", "price", "sale_price", "brand", "link", "distance")


def register(app: App) -> None:
    """Add the command."""
    app.command(mcp)


def mcp(*, model: Folder, catalogue: Location) -> int:
    """Serve complete, similar, look and categories as tools for assistants, over standard input and output.

    It speaks the Model Context Protocol. Name this command in the settings of the assistant. A photo is a
    file of this computer, or a public http(s) address. Needs the extra mcp.

    Raises:
        MissingExtraError: the extra is not installed.
        PerfectLookError: the model or the catalogue cannot be used.
    """
    require("mcp", "perfectlook mcp", "mcp")
    from perfectlook.recommender import Recommender

    with Recommender.open(catalogue, model) as recommender:
        assistant(recommender).run()
    return 0


def assistant(recommender: "Recommender") -> "MCPServer[Any]":
    """Return a server of the tools for an open recommender."""
    from mcp.server import MCPServer

    from perfectlook import __version__
    from perfectlook.fetching import Fetcher, FetchLimits

    server: MCPServer[Any] = MCPServer("perfectlook", instructions=INSTRUCTIONS, version=__version__)
    fetcher = Fetcher(FetchLimits(tries=1, seconds=10.0))

    def asked(photo: str | None, product: str | None) -> dict[str, Any]:
        if photo and photo.lower().startswith(("http://", "https://")):
            return {"photo": fetcher.fetch(photo).content}
        return {"photo": photo or None, "product": product}

    @server.tool()
    def complete(
        photo: str | None = None,
        product: str | None = None,
        categories: list[str] | None = None,
        k: int = 5,
        where: str | None = None,
    ) -> dict[str, Any]:
        """Recommend products that go with a photo of a scene, or with a product, by category.

        Give a photo or the id of a product. `where` is a filter, such as: price <= 200 EUR and brand = Acme.
        """
        with _reported():
            asking = asked(photo, product)
            answer = recommender.complete(**asking, categories=categories or None, k=k, where=where, limit=8)
            return {"categories": _sections(answer.categories), "notes": answer.notes}

    @server.tool()
    def similar(
        product: str | None = None, photo: str | None = None, k: int = 5, where: str | None = None
    ) -> dict[str, Any]:
        """Find products that look like a product (its id), or like the product on a photo."""
        with _reported():
            like = product or asked(photo or "", None)["photo"]
            answer = recommender.similar(like, k=k, where=where)
            return {"categories": _sections(answer.categories), "notes": answer.notes}

    @server.tool()
    def look(
        photo: str | None = None,
        product: str | None = None,
        categories: list[str] | None = None,
        budget: str | None = None,
    ) -> dict[str, Any]:
        """Compose a whole look for a photo or a product: one product for each category.

        `budget` is the maximum total price, such as "2000 EUR".
        """
        with _reported():
            found = recommender.look(**asked(photo, product), categories=categories or None, budget=budget)
            slots = [{"category": each.category, **_plain(each.product)} for each in found.slots]
            return {"products": slots, "price": found.price, "missing": found.missing, "notes": found.notes}

    @server.tool()
    def categories() -> dict[str, int]:
        """List the categories of the catalogue, each with its number of products."""
        with _reported():
            return dict(recommender.catalogue.categories())

    return server


@contextmanager
def _reported() -> Iterator[None]:
    """Turn an error of the package into one that the assistant reads, with its remedy."""
    from mcp.server.mcpserver.exceptions import ToolError

    from perfectlook.errors import PerfectLookError

    try:
        yield
    except PerfectLookError as error:
        raise ToolError(str(error)) from error


def _sections(sections: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"category": each.category, "products": list(map(_plain, each.products))} for each in sections]


def _plain(product: "RankedProduct") -> dict[str, Any]:
    return {name: text for name, text in product.to_dict().items() if name in SHOWN and text is not None}
