"""`perfectlook mcp`: the recommendations as tools for assistants, over the Model Context Protocol."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cyclopts import App

from perfectlook.cli.options import Folder, Location
from perfectlook.cli.output import require

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from perfectlook.answers import RankedProduct, SceneProduct
    from perfectlook.recommender import Recommender, Rules
    from perfectlook.recommender.slots import SlotTable

INSTRUCTIONS = (
    "Products of a shop that go with a photo of a room or an outfit, or with a product of the shop. "
    "A photo is the path of a file on this computer, or an http(s) address. "
    "Categories are paths such as Furniture|Chairs."
)
SHOWN = ("id", "title", "price", "sale_price", "brand", "link", "distance")


def register(app: App) -> None:
    """Add the command."""
    app.command(mcp)


def mcp(*, model: Folder, catalogue: Location, rules: str | None = None, slots: str | None = None) -> int:
    """Serve complete, similar, look and categories as tools for assistants, over standard input and output.

    It speaks the Model Context Protocol. Name this command in the settings of the assistant. A photo is a
    file of this computer, or a public http(s) address. Needs the extra mcp.

    Args:
        rules: TOML file with the shop's rules, which pin, boost, bury or exclude products
        slots: TOML file that says which slots of a look exclude each other, and quantities (default: the
            included table)

    Raises:
        MissingExtraError: the extra is not installed.
        PerfectLookError: the model, the catalogue, the rules or the slots cannot be used.
    """
    require("mcp", "perfectlook mcp", "mcp")
    from perfectlook.recommender import Recommender, Rules
    from perfectlook.recommender.rules import NO_RULES
    from perfectlook.recommender.slots import SlotTable

    applied, table = Rules.read(rules) if rules else NO_RULES, SlotTable.given(slots)
    with Recommender.open(catalogue, model) as recommender:
        assistant(recommender, applied, table).run()
    return 0


def assistant(
    recommender: "Recommender", rules: "Rules | None" = None, slots: "SlotTable | None" = None
) -> "MCPServer[Any]":
    """Return a server of the tools for an open recommender, with the shop's rules and slot table."""
    from mcp.server import MCPServer

    from perfectlook import __version__
    from perfectlook.fetching import Fetcher, FetchLimits
    from perfectlook.recommender.rules import NO_RULES

    rules = rules or NO_RULES
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
        `in_scene` are products that the photo already shows.
        """
        with _reported():
            asking = asked(photo, product)
            answer = recommender.complete(
                **asking, categories=categories or None, k=k, where=where, limit=8, rules=rules
            )
            found = {"categories": _sections(answer.categories), "notes": answer.notes}
            return found | ({"in_scene": list(map(_plain, answer.in_scene))} if answer.in_scene else {})

    @server.tool()
    def similar(
        product: str | None = None, photo: str | None = None, k: int = 5, where: str | None = None
    ) -> dict[str, Any]:
        """Find products that look like a product (its id), or like the product on a photo."""
        with _reported():
            like = product or asked(photo or "", None)["photo"]
            answer = recommender.similar(like, k=k, where=where, rules=rules)
            return {"categories": _sections(answer.categories), "notes": answer.notes}

    @server.tool()
    def look(
        photo: str | None = None,
        product: str | None = None,
        categories: list[str] | None = None,
        budget: str | None = None,
    ) -> dict[str, Any]:
        """Compose a whole look for a photo or a product: one product for each category.

        `budget` is the maximum total price, such as "2000 EUR". `price` counts every `quantity`.
        """
        with _reported():
            found = recommender.look(
                **asked(photo, product),
                categories=categories or None,
                budget=budget,
                rules=rules,
                slots=slots,
            )
            chosen = [
                {"category": each.category, "quantity": each.quantity, **_plain(each.product)}
                for each in found.slots
            ]
            return {"products": chosen, "price": found.price, "missing": found.missing, "notes": found.notes}

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


def _plain(product: "RankedProduct | SceneProduct") -> dict[str, Any]:
    return {name: text for name, text in product.to_dict().items() if name in SHOWN and text is not None}
