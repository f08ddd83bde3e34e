"""A recommender that asks a server, and answers as the one on this machine does."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from perfectlook.cli import restated
from perfectlook.client import Client, Product, ServerPictureError, ServerUsageError
from perfectlook.errors import UsageError
from perfectlook.recommender import Answer, Look, Lookalikes, Rules, Suggestion
from perfectlook.recommender.look import WEIGHT
from perfectlook.recommender.rules import NO_RULES
from perfectlook.stores.filters import parse_filter

MOST = 100
"""Products of a category that a server names."""
ALTERNATIVES = 3
"""Alternatives of a slot that a server names."""
PICTURE = 256
"""Side of the pictures that are fetched to be drawn, in pixels."""


class RemoteRecommender:
    """`Recommender`'s `complete`, `look` and `similar` by a server. Pictures are addresses on it."""

    def __init__(self, url: str, key: str | None) -> None:
        """Go to the server; UsageError where that is no address."""
        self._client = Client(url, key)
        self._url = self._client.url

    def complete(
        self,
        photo: str,
        categories: Sequence[str] | None,
        k: int,
        where: str | None,
        *,
        variety: bool,
        spread: float,
        rules: Rules,
        include_unavailable: bool,
    ) -> Answer:
        """Ask for products that go with a photo, as `Recommender.complete` does.

        Raises:
            PictureError: the photo cannot be read.
            UsageError: as there; or the server cannot do it.
            ServerError: it cannot be reached, or fails.
        """
        _check(k, where, variety=variety, rules=rules)
        said = self._client.complete(
            Path(photo),
            categories,
            k,
            where,
            limit_categories=0,
            include_unavailable=include_unavailable,
            spread=spread,
            attention=True,
        )
        sections = [restated.section(each, self._url) for each in said.categories]
        return Answer(photo, said.model, sections, restated.unused_rules(said), tuple(said.notes))

    def look(
        self,
        photo: str,
        categories: Sequence[str] | None,
        where: str | None,
        *,
        weight: float = WEIGHT,
        budget: str | None,
        locked: Mapping[str, str],
        alternatives: int,
        rules: Rules,
        include_unavailable: bool,
    ) -> Look:
        """Ask for a whole look, as `Recommender.look` does; errors as in `complete`."""
        _check(1, where, variety=True, rules=rules)
        if alternatives > ALTERNATIVES:
            raise UsageError(
                f"--server names {ALTERNATIVES} alternatives of a slot at most: for -k {alternatives} give "
                "--model and --catalogue"
            )
        said = self._client.complete(
            Path(photo),
            categories,
            1,
            where,
            limit_categories=1,
            include_unavailable=include_unavailable,
            look=True,
            weight=weight,
            budget=budget,
            locked=locked,
        )
        assert said.look is not None
        look = restated.look(said.look, photo, said.model, self._url, alternatives)
        return replace(look, notes=tuple(said.notes))

    def similar(
        self,
        like: str,
        categories: Sequence[str] | None,
        k: int,
        where: str | None,
        *,
        variety: bool,
        rules: Rules,
        include_unavailable: bool,
    ) -> Lookalikes:
        """Ask for look-alikes of a product or a photo, as `Recommender.similar` does; errors as above."""
        _check(k, where, variety=variety, rules=rules)
        product, subject = self._subject(like)
        said = self._client.similar(
            categories=categories, k=k, where=where, include_unavailable=include_unavailable, **subject
        )
        return Lookalikes(
            like,
            None if product is None else restated.itself(product, self._url),
            said.model,
            [restated.alike_section(each, self._url) for each in said.categories],
            tuple(said.notes),
        )

    @contextmanager
    def drawable(self, answer: restated.Answered) -> Iterator[restated.Answered]:
        """Fetch the products' pictures, and yield the answer with the places of their files.

        Raises:
            ServerError: the server cannot be reached, or fails.
        """
        with tempfile.TemporaryDirectory(prefix="perfectlook-sheet-") as folder:
            files: dict[str, str] = {}

            def fetched(product: Suggestion) -> str:
                if product.id not in files:
                    files[product.id] = self._fetched(product.id, Path(folder) / str(len(files)))
                return files[product.id]

            yield restated.with_pictures(answer, fetched)

    def close(self) -> None:
        """Leave the server."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _subject(self, like: str) -> tuple[Product | None, dict[str, Any]]:
        """The product that is asked about, if it is one; and how to ask for what is like it."""
        try:
            return self._client.product(like), {"id": like}
        except ServerUsageError as error:
            if error.code not in _NO_PRODUCT:
                raise
            if not Path(like).exists():
                raise UsageError(
                    f"'{like}': neither a product of {self._url} nor the file of a picture"
                ) from error
            return None, {"photo": Path(like)}

    def _fetched(self, id_: str, file: Path) -> str:
        """The place of a product's picture; where there is no picture, there is no file."""
        with suppress(ServerUsageError, ServerPictureError):
            file.write_bytes(self._client.picture(id_, PICTURE))
        return str(file)


_NO_PRODUCT = ("no_such_product", "not_found", "invalid")
"""What a server says of an id that is none; the last one of those that are too long."""


def _check(k: int, where: str | None, *, variety: bool, rules: Rules) -> None:
    """Refuse what no server can do, and what it would refuse anyway, before a photo is sent."""
    if not variety:
        raise UsageError("--server does not give the bare ranking: for --all give --model and --catalogue")
    if rules is not NO_RULES:
        raise UsageError("--server follows its own rules: give --rules to `perfectlook serve`")
    if k > MOST:
        raise UsageError(f"--server names {MOST} products at most: for -k {k} give --model and --catalogue")
    if where is not None:
        parse_filter(where)
