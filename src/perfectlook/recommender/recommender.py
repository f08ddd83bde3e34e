"""Recommend products of a catalogue for a photo."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from perfectlook.answers import (
    Answer,
    AnswerPart,
    Attention,
    DrawableAnswer,
    Explanation,
    Look,
    Resolved,
    Section,
    Similar,
    SimilarSection,
)
from perfectlook.backbones import Backbone, open_backbone
from perfectlook.catalogue import Catalogue, Source, SyncReport
from perfectlook.colours import swatches
from perfectlook.errors import CatalogueError, UsageError
from perfectlook.files import Closable
from perfectlook.images import Photo, open_picture, photo_name
from perfectlook.model.runtime import Model, SceneEmbedding
from perfectlook.recommender.explain import Explainer, UsualDistances, explained_products
from perfectlook.recommender.look import (
    MOST_OTHERS,
    MOST_SLOTS,
    SLOTS,
    Budget,
    LookComposer,
    check_locks,
    locked_products,
)
from perfectlook.recommender.question import EmbeddedPhoto, Question, catalogue_product, source_of
from perfectlook.recommender.ranking import Ranking, find_pins, finish
from perfectlook.recommender.reasons import Reasons
from perfectlook.recommender.rules import NO_RULES, Rules
from perfectlook.recommender.scope import (
    FilterHints,
    all_of,
    centre_of,
    choose_categories,
    choose_category,
    nearest_categories,
    search_filter,
)
from perfectlook.recommender.slots import SlotTable
from perfectlook.recommender.view import PhotoView
from perfectlook.stores import Query
from perfectlook.stores.filters import Compare, Filter, parse_filter
from perfectlook.taxonomy import matching
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Float32Array

if TYPE_CHECKING:
    from PIL.Image import Image


Drawable = TypeVar("Drawable", bound=DrawableAnswer)
Part = TypeVar("Part", bound=AnswerPart)


class Recommender(Closable):
    """Recommends products of a catalogue with the model that made its vectors. Thread-safe."""

    def __init__(
        self, catalogue: Catalogue, model: Model, threads: int = 1, backbone: Backbone | None = None
    ) -> None:
        """Use an open catalogue and its model. `Recommender.open` opens both."""
        self.catalogue = catalogue
        self.model = model
        self._threads = threads
        self._backbone = backbone
        self._hints = FilterHints(catalogue, model)
        self.usual = UsualDistances(catalogue, model)

    @classmethod
    def open(
        cls,
        catalogue: Catalogue | Path | str,
        model: Model | Path | str,
        *,
        create: bool = False,
        threads: int = 1,
    ) -> Self:
        """Open a catalogue and its model.

        Args:
            catalogue: the folder or URL of a catalogue, or an open catalogue.
            model: the folder of a model, the name of a model that comes with the package, or an open model.
            create: make an empty catalogue if there is none. `sync` fills it.
            threads: how many processors the backbone uses. It uses all of them for one photo, or one for each
                of several photos.

        Raises:
            ModelError: the model cannot be opened.
            CatalogueError: the catalogue cannot be opened, or was made with another model.
        """
        opened = Model.open(model) if isinstance(model, Path | str) else model
        found = catalogue
        if isinstance(found, Path | str):
            found = Catalogue.open(found, None if create else opened, create=create)
        recommender = cls(found, opened, threads)
        try:
            if not (create and found.manifest().active is None):
                found.check(opened)
        except BaseException:
            if found is not catalogue:
                found.close()
            raise
        return recommender

    def __repr__(self) -> str:
        return f"<Recommender of catalogue '{self.catalogue.location}' by model '{self.model.name}'>"

    def sync(self, source: Source | Path | str, **options: Any) -> SyncReport:
        """Make the catalogue hold the products of a feed, a set or a folder of pictures.

        `Catalogue.sync` explains the options and the errors.
        """
        return self.catalogue.sync(source, self.model, **options)

    def complete(
        self,
        photo: Photo | EmbeddedPhoto | None = None,
        categories: Sequence[str] | None = None,
        k: int = 10,
        where: str | Filter | None = None,
        *,
        product: str | None = None,
        variety: bool = True,
        spread: float = 0.0,
        rules: Rules = NO_RULES,
        include_unavailable: bool = False,
        limit: int | None = None,
        keep_in_scene: bool = False,
        locale: str = "en",
    ) -> Answer:
        """Return the `k` products of each category that go best with a photo, or with a product.

        Args:
            photo: a path, the bytes or a stream of a picture, a Pillow picture, or an embedded photo.
            categories: whole paths, subtrees or single levels of the catalogue's categories. By default all
                categories, those most likely to complete the photo first. If the model suggests no
                categories, and for a product, the largest come first.
            k: the largest number of products of a category.
            where: a filter, in the syntax of docs/reference/filters.md.
            product: the id of a product of the catalogue, instead of a photo. The product, its variants and
                its own category are not in the answer.
            variety: skip products that look the same as a product already shown. These are copies of its
                picture, and variants with its `item_group_id`.
            spread: how much products should differ from the products before them, from 0 (nearest only) to 1.
            rules: the rules that pin, boost, bury and exclude products.
            include_unavailable: also show products that are out of stock.
            limit: the largest number of categories if none are named. By default there is no limit.
            keep_in_scene: also recommend products that the photo already shows.
            locale: the language of reasons: "en" or "de". Other languages get English.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed, or it has no
                complements and a product is given.
            UsageError: a category matches nothing, k or spread is out of range, the filter is invalid, or the
                product is not in the catalogue.
            CatalogueError: the catalogue fails, or has been synced with another model.
        """
        _check_count(k)
        if not 0 <= spread <= 1:
            raise UsageError(f"spread {spread:g}: must be from 0 to 1.")
        asked = self._question(photo, product)
        wanted = asked.wanted(
            search_filter(where, include_unavailable=include_unavailable, excluded=rules.excluded)
        )
        chosen = self._chosen(categories, asked)
        view = self._view(asked, chosen)
        if categories is None:
            chosen = list(view.suggested)[:limit]
        else:  # of the categories that a name stands for, the likeliest comes first
            chosen = list(dict.fromkeys(c for name in categories for c in matching(view.suggested, name)))
        pins, unused = find_pins(self.catalogue, self.model, rules, wanted)
        if not keep_in_scene:
            wanted = all_of([wanted, view.elsewhere])
        rankings = [
            Ranking(
                asked.scene,
                category,
                k,
                norm=asked.norm,
                variety=variety,
                spread=spread,
                where=wanted,
                rules=rules,
                pins=[each for each in pins if each[1].category == category],
                shown=[] if asked.product is None else [asked.product],
            )
            for category in chosen
        ]
        finish(self.catalogue, self.model, rankings)
        explainer = self._explainer(asked, locale)
        sections = [self._section(asked, each, view, explainer) for each in rankings]
        short = any(len(each.rows) < k for each in rankings)
        more: dict[str, Any] = self._notes(where, view.notes, short=short) | view.seen
        if unused:
            more["unused_rules"] = unused
        answer = Answer(**asked.named, model=self.model.name, categories=sections, **more)
        return _drawable(answer, asked.source)

    def similar(
        self,
        like: Photo | EmbeddedPhoto,
        categories: Sequence[str] | None = None,
        k: int = 10,
        where: str | Filter | None = None,
        *,
        variety: bool = True,
        rules: Rules = NO_RULES,
        include_unavailable: bool = False,
        locale: str = "en",
    ) -> Similar:
        """Return the `k` products of each category that look most like a product or a photo.

        Distances are ‖f_p - f_q‖ of product vectors. A photo is embedded as a product of each category, with
        the catalogue's centre of that category.

        Args:
            like: the id of a product of the catalogue, or a photo as for `complete`.
            categories: as for `complete`. The default for a product is its own category. The default for a
                photo are the categories with the centres nearest to its features, nearest first.
            k: the largest number of products of a category.
            where: a filter, as for `complete`.
            variety: skip products that look the same as the given product, or as a product already shown.
            rules: the rules that boost, bury and exclude products. Pins have no effect here.
            include_unavailable: also show products that are out of stock.
            locale: the language of reasons, as for `complete`.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed.
            UsageError: `like` is neither a product nor a picture file, a category matches nothing, k is
                below 1, or the filter is invalid.
            CatalogueError: the catalogue fails, or has been synced with another model.
        """
        _check_count(k)
        wanted = search_filter(where, include_unavailable=include_unavailable, excluded=rules.excluded)
        product = self.catalogue.get([like], self.model).get(like) if isinstance(like, str) else None
        if product is not None:
            named = [product.category] if categories is None else self._chosen(categories)
            vectors = dict.fromkeys(named, product.vector)
            wanted = all_of([wanted, Compare("id", "!=", product.id)])
        else:
            _check_like(like, self.catalogue.location)
            like = self.embed(like)
            vectors = self._as_product(like, categories)
        rankings = [
            Ranking(
                SceneEmbedding(vector, None, None, (), 1.0, "l2"),  # its distances are ‖vector - f_p‖
                category,
                k,
                norm="l2",
                variety=variety,
                where=wanted,
                rules=rules,
                shown=[] if product is None else [product],
            )
            for category, vector in vectors.items()
        ]
        finish(self.catalogue, self.model, rankings)
        exact = self.catalogue.store.exact
        more: dict[str, Any] = self._notes(where, short=any(len(each.rows) < k for each in rankings))
        if product is None:
            assert isinstance(like, EmbeddedPhoto)
            more["photo"], reasons = like.name, Reasons(like.colours, locale=locale)
        else:
            more["product"] = catalogue_product(product)
            reasons = Reasons(record=product.payload, locale=locale)
        explainer = Explainer(reasons)
        sections = [
            SimilarSection(category=each.category, proven_exact=exact, products=each.answers(explainer))
            for each in rankings
        ]
        found = Similar(model=self.model.name, categories=sections, **more)
        return _drawable(found, source_of(like)) if product is None else _drawable(found, product.id)

    def look(
        self,
        photo: Photo | EmbeddedPhoto | None = None,
        categories: Sequence[str] | None = None,
        where: str | Filter | None = None,
        *,
        product: str | None = None,
        weight: float | None = None,
        budget: Budget | Decimal | int | str | None = None,
        locked: Mapping[str, str] | None = None,
        alternatives: int = 3,
        other_looks: int = 0,
        slots: SlotTable | Path | str | None = None,
        rules: Rules = NO_RULES,
        include_unavailable: bool = False,
        keep_in_scene: bool = False,
        locale: str = "en",
    ) -> Look:
        """Return a look: one product for each category, near the scene and near each other.

        The look minimises Σ_c d(s, p_c) + weight · mean over pairs of slots of the distance between their
        products. This is how far they are from going together (`Complements.apart`), or ‖f_p - f_q‖ for a
        model without complements.

        Args:
            photo: as for `complete`.
            categories: as for `complete`, but a category with products of its own does not stand for those
                below it. By default the five categories most likely to complete the photo, first those
                that it does not show, or the five largest if the model suggests none.
            where: a filter, as for `complete`.
            product: the id of a product of the catalogue, as for `complete`.
            weight: λ, 0 or more: how much the products should go with each other. By default 0.1 for each
                slot, or 0.5 in all for a model without complements.
            budget: the largest total price, as in 500 or "500 EUR". With a budget, all products of the look
                have a price in its currency.
            locked: the ids of products that must be in the look, by category. Filters do not apply to them.
                Their categories get a slot even if `categories` does not name them.
            alternatives: how many other products to list for each slot.
            other_looks: how many other whole looks to list in `Look.alternatives`, up to 5. Each differs from
                the look and from each other in at least half of its slots.
            slots: the table of the slots that exclude each other and of their quantities, or its file. By
                default the table that comes with the package; `SlotTable()` has no entries.
            rules: the rules that boost, bury and exclude products. Pins have no effect here.
            include_unavailable: also choose products that are out of stock.
            keep_in_scene: also choose products that the photo already shows.
            locale: the language of reasons, as for `complete`.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed.
            UsageError: a category matches nothing, there are too many categories, locked products are in
                other categories or exclude each other, or another argument is invalid.
            BudgetError: no look is within the budget. Its `details` have the cheapest.
            CatalogueError: the catalogue fails, or has been synced with another model.
        """
        if weight is not None and not 0 <= weight < float("inf"):
            raise UsageError(f"weight {weight:g}: must be 0 or more, and finite.")
        if not 0 <= other_looks <= MOST_OTHERS:
            raise UsageError(f"other looks {other_looks}: must be from 0 to {MOST_OTHERS}.")
        limit = None if budget is None else Budget.of(budget)
        table = SlotTable.given(slots)
        wanted = search_filter(where, include_unavailable=include_unavailable, excluded=rules.excluded)
        kept = locked_products(self.catalogue, self.model, locked or {})
        asked = self._question(photo, product)
        check_locks(kept, asked.product, table)
        chosen, excluded, view = self._slots(asked, categories, list(kept), table)
        if not keep_in_scene:
            wanted = all_of([wanted, view.elsewhere])
        composer = LookComposer(
            asked.scene,
            self.catalogue,
            self.model,
            norm=asked.norm,
            explainer=self._explainer(asked, locale),
            weight=weight,
            budget=limit,
            where=asked.wanted(wanted),
            rules=rules,
            locked=kept,
            alternatives=alternatives,
            slots=table,
            other_looks=other_looks,
            excluded=excluded,
        )
        look = composer.compose(asked.named, chosen)
        short = bool(look.missing) or any(len(each.alternatives) < alternatives for each in look.slots)
        request = all_of(
            [parse_filter(where) if isinstance(where, str) else where, limit.affordable if limit else None]
        )
        more: dict[str, Any] = self._notes(request, view.notes, short=short) | view.seen
        if look.alternatives:
            more["alternatives"] = [_drawable(each, asked.source) for each in look.alternatives]
        look = look.model_copy(update=more)
        return _drawable(look, asked.source)

    def explain(
        self, photo: Photo | EmbeddedPhoto, category: str, k: int = 3, products: Sequence[str] | None = None
    ) -> Explanation:
        """Return how much the whole scene and each region add to the distances of a category's products.

        Args:
            photo: as for `complete`.
            category: a whole path, or a level that only one category of the catalogue has.
            k: how many of the nearest products to explain, unless `products` are given.
            products: the ids of the products to explain, at any distance.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed.
            UsageError: the category matches none or several, k is below 1, or a product is not in the
                category.
            CatalogueError: the catalogue fails, or has been synced with another model.
        """
        _check_count(k)
        counts = self.catalogue.categories()
        chosen = choose_category(counts, category)
        embedded = self.embed(photo)
        scene = embedded.scene
        query = Query(scene.query_point(chosen), counts[chosen], frozenset({chosen}))
        (hits,) = self.catalogue.search([query], self.model)
        explainer = Explainer(Reasons(embedded.colours), self.usual, scene)
        explained, mean = explained_products(scene, chosen, hits, k, products, explainer)
        explanation = Explanation(
            photo=embedded.name,
            model=self.model.name,
            category=chosen,
            resolved=Resolved.of(self.model.resolve(chosen)),
            n_products=len(hits),
            mean_distance=mean,
            has_regions=scene.regions is not None,
            rows=REGION_ROWS,
            columns=REGION_COLUMNS,
            attention=scene.attention(chosen).tolist(),
            products=explained,
        )
        return _drawable(explanation, embedded.source)

    def embed(self, photo: Photo | EmbeddedPhoto) -> EmbeddedPhoto:
        """Embed a photo once, to use it in several calls."""
        if isinstance(photo, EmbeddedPhoto):
            return photo
        backbone = self.backbone
        picture = open_picture(photo, fit=backbone.description.input_size)
        features = backbone.extract(backbone.prepare(picture)[None])
        scene = self.model.embed_scene(features)
        return EmbeddedPhoto(photo_name(photo), features, scene, source_of(photo), swatches(picture))

    @property
    def backbone(self) -> Backbone:
        """The model's backbone, opened on first use.

        Raises:
            ModelError: the model was trained on another backbone than the one installed.
            CatalogueError: the catalogue was made with another backbone than the one installed.
        """
        if self._backbone is None:
            backbone = open_backbone(self.model.backbone, threads=self._threads)
            held = self.catalogue.model.backbone
            if backbone.identity != held:
                raise CatalogueError(
                    f"{self.catalogue.location}: made with the backbone {held}, but this installation has "
                    f"{backbone.identity}. Sync it again with `perfectlook catalogue sync`."
                )
            self.model.check_backbone(backbone.identity)
            self._backbone = backbone
        return self._backbone

    def _release(self) -> None:
        self.catalogue.close()

    def _question(self, photo: Photo | EmbeddedPhoto | None, product: str | None) -> Question:
        """Return what an answer is for, from a photo or from the id of a product."""
        if (photo is None) == (product is None):
            raise UsageError("Give a photo or the id of a product, and not both.")
        if product is None:
            assert photo is not None
            embedded = self.embed(photo)
            return Question(embedded.scene, self.model.norm, photo=embedded)
        complements = self.model.require_complements()
        if (point := self.catalogue.get([product], self.model).get(product)) is None:
            raise UsageError(f"product '{product}': not in {self.catalogue.location}. Check the id.")
        query = complements.points(point.vector[None])[0]
        scene = SceneEmbedding(query, None, None, (), 1.0, "squared_l2")
        return Question(scene, "squared_l2", product=point)

    def _chosen(
        self, categories: Sequence[str] | None, asked: Question | None = None, *, narrow: bool = False
    ) -> list[str]:
        """Return the named categories, or all; without the category of the product that is asked for."""
        chosen = choose_categories(self.catalogue.categories(), categories, narrow=narrow)
        if asked is None or asked.product is None:
            return chosen
        others = [category for category in chosen if category != asked.product.category]
        if categories and chosen and not others:
            raise UsageError(
                f"product '{asked.product.id}': is in the category '{asked.product.category}' itself. Choose "
                "other categories, or find products like it with `perfectlook similar`."
            )
        return others

    def _explainer(self, asked: Question, locale: str) -> Explainer:
        """Return what says why products are shown."""
        scene = asked.scene if asked.photo else None
        return Explainer(asked.reasons(locale), self.usual, scene)

    def _as_product(self, photo: EmbeddedPhoto, categories: Sequence[str] | None) -> dict[str, Float32Array]:
        """Embed a photo as a product of each category, with the catalogue's centre: f_p [d] by category."""
        features, generation = photo.features, self.catalogue.generation()
        if categories is None:
            chosen = nearest_categories(features, self.model, generation, self.catalogue.categories())
        else:
            chosen = self._chosen(categories)
        centres = {category: centre_of(generation, self.model, category)[None] for category in chosen}
        return {name: self.model.embed_products(features, centre)[0] for name, centre in centres.items()}

    def _slots(
        self, asked: Question, categories: Sequence[str] | None, locked: Sequence[str], table: SlotTable
    ) -> tuple[dict[str, float | None], list[str], PhotoView]:
        """Return the categories of a look, with the probability that each completes the scene.

        Also return the categories that the locked products or the product of the request exclude.
        """
        names = list(dict.fromkeys([*self._chosen(categories, asked, narrow=True), *locked]))
        view = self._view(asked, names)
        if categories is None:  # what the photo already shows comes last
            names = sorted(view.suggested, key=lambda name: view.present.get(name, False))
        given = [*locked, *([asked.product.category] if asked.product else [])]
        excluded: list[str] = []
        free: list[str] = []
        for category in names:
            if category in locked:
                continue
            if categories is None and len(locked) + len(free) >= SLOTS:
                # more categories than slots, until some set of them has enough that exclude no other
                sets = table.sets(free)
                if len(free) + len(locked) == MOST_SLOTS or max(map(len, sets)) + len(locked) >= SLOTS:
                    break
            taken = any(table.exclude(category, other) for other in given)
            (excluded if taken else free).append(category)
        chosen = {*locked, *free}
        if len(chosen) > MOST_SLOTS:
            raise UsageError(
                f"look of {len(chosen)} categories: must be at most {MOST_SLOTS}. Choose some of: "
                f"{'; '.join([*locked, *free])}."
            )
        return {each: view.suggested[each] for each in names if each in chosen}, excluded, view

    def _view(self, asked: Question, categories: Sequence[str]) -> PhotoView:
        """Return what the photo shows; nothing is known of a product."""
        if asked.photo is None:
            return PhotoView(dict.fromkeys(categories), {}, ())
        return PhotoView.of(self.catalogue, self.model, asked.photo.features, categories)

    def _section(self, asked: Question, ranking: Ranking, view: PhotoView, explainer: Explainer) -> Section:
        suggested, present = view.suggested[ranking.category], view.present.get(ranking.category)
        more: dict[str, Any] = {} if suggested is None else {"suggested": suggested}
        more |= {} if present is None else {"present": present}
        if asked.photo:
            weights = asked.scene.attention(ranking.category).tolist()
            holds = self.model.attention_holds
            tested = {} if holds is None else {"holds": holds}
            more["attention"] = Attention(rows=REGION_ROWS, columns=REGION_COLUMNS, weights=weights, **tested)
        return Section(
            category=ranking.category,
            resolved=Resolved.of(self.model.resolve(ranking.category)),
            proven_exact=self.catalogue.store.exact,
            products=ranking.answers(explainer),
            **more,
        )

    def _notes(
        self, where: str | Filter | None, others: Sequence[str] = (), *, short: bool
    ) -> dict[str, list[str]]:
        """Return other notes, and hints about the filter if an answer is short of products."""
        notes = (*others, *(self._hints.on(where) if short else ()))
        return {"notes": list(notes)} if notes else {}


def _check_like(photo: Photo | EmbeddedPhoto, location: str) -> None:
    if isinstance(photo, str) and not Path(photo).exists():
        raise UsageError(
            f"'{photo}': neither a product of {location} nor a file. Check the path, or choose an id that "
            "`perfectlook complete --all` prints."
        )


def _drawable(answer: Drawable, photo: Photo | None) -> Drawable:
    """Return the answer, with the photo to draw it if there is one."""
    if photo is None:
        return answer

    def draw(drawn: Drawable) -> "Image":
        from perfectlook import sheet  # imported on use, because it loads fonts

        return sheet.draw(drawn, photo)

    return answer.drawn_by(draw)


def _check_count(k: int) -> None:
    if not hasattr(k, "__index__") or k < 1:  # an int, or an integer of numpy
        raise UsageError(f"k {k!r}: must be a whole number of at least 1.")
