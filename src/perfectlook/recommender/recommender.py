"""Completes the look of a photo: products that go with it, out of a catalogue."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from perfectlook.answers import (
    Answer,
    Attention,
    CatalogueProduct,
    Explanation,
    Look,
    Resolved,
    Section,
    Similar,
    SimilarSection,
    details_of,
)
from perfectlook.backbones import Backbone, open_backbone
from perfectlook.catalogue import Catalogue
from perfectlook.catalogue.manifest import Record
from perfectlook.errors import CatalogueError, UsageError
from perfectlook.model.runtime import Model
from perfectlook.recommender.categories import by_probability, choose_categories
from perfectlook.recommender.explain import explained
from perfectlook.recommender.filters import FieldNotes, all_of, restriction
from perfectlook.recommender.look import MOST_SLOTS, SLOTS, WEIGHT, Budget, Stylist, Wishes, locked_products
from perfectlook.recommender.photo import Photo, Seen, name_of, opened_photo
from perfectlook.recommender.ranking import Ranking, find_pins, finish
from perfectlook.recommender.rules import NO_RULES, Rules
from perfectlook.recommender.similar import as_product, nearest_categories, point_scene
from perfectlook.stores import Point, Query
from perfectlook.stores.filters import Compare, Filter
from perfectlook.taxonomy import normalise
from perfectlook.types import REGION_COLUMNS, REGION_ROWS, Float32Array

if TYPE_CHECKING:
    from perfectlook.backbones import FeatureBatch
    from perfectlook.model.runtime import SceneEmbedding


class Recommender:
    """A model and a catalogue of its vectors. Photos may be completed from several threads."""

    def __init__(self, model: Model, catalogue: Catalogue, threads: int = 1) -> None:
        """Use a model with a catalogue that is open for it; `Recommender.open` is the way in."""
        self.model = model
        self.catalogue = catalogue
        self._threads = threads
        self._backbone: Backbone | None = None
        self._field_notes = FieldNotes(catalogue, model)

    @classmethod
    def open(cls, model: Model | Path | str, catalogue: Catalogue | Path | str, *, threads: int = 1) -> Self:
        """Open a model and a catalogue, or take them as they are.

        Args:
            model: the folder of a model, or an open one.
            catalogue: the folder or URL of a catalogue, or an open one.
            threads: how many processors the backbone may use: all for one photo, or each for one of several.

        Raises:
            ModelError: the model cannot be used.
            CatalogueError: the catalogue cannot be used, or holds the vectors of another model.
        """
        opened = Model.open(model) if isinstance(model, Path | str) else model
        if isinstance(catalogue, Path | str):
            return cls(opened, Catalogue.open(catalogue, opened), threads)
        catalogue.check(opened)
        return cls(opened, catalogue, threads)

    def complete(
        self,
        photo: Photo | Seen,
        categories: Sequence[str] | None = None,
        k: int = 10,
        where: str | Filter | None = None,
        *,
        variety: bool = True,
        spread: float = 0.0,
        rules: Rules = NO_RULES,
        include_unavailable: bool = False,
        limit: int | None = None,
    ) -> Answer:
        """Return the `k` products of each category that go best with a photo.

        Args:
            photo: a path, the bytes or a stream of a picture, a Pillow picture, or one seen before (`see`).
            categories: whole paths, subtrees or single levels of the catalogue's categories; by default all
                of them, those first that are likeliest to complete the photo, or without a suggester the
                largest.
            k: products of a category, at most.
            where: what products must match, in the syntax of docs/filters.md.
            variety: pass over products that look the same as one already shown: copies of its picture, and
                variants of its `item_group_id`.
            spread: 0 to 1: how much products should differ from those before them, rather than be near.
            rules: products to pin, boost, bury and exclude.
            include_unavailable: also show products that are out of stock.
            limit: where no categories are named, how many of them to answer for; all by default.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed.
            UsageError: a category matches nothing, k or spread is out of range, or the filter is none.
            CatalogueError: the catalogue fails, or has been switched to another model.
        """
        _check_count(k)
        if not 0 <= spread <= 1:
            raise UsageError(f"spread is {spread:g}: give a number from 0 (off) to 1")
        wanted = restriction(where, include_unavailable=include_unavailable, excluded=rules.excluded)
        chosen = choose_categories(self.catalogue.categories(), categories)
        features = self._features(photo)
        scene = self._scene(photo, features)
        suggested = self._suggested(features, chosen)
        if categories is None:
            chosen = list(suggested)[:limit]
        pins, unused = find_pins(self.catalogue, self.model, rules, wanted)
        rankings = [
            Ranking(
                scene,
                category,
                k,
                norm=self.model.norm,
                variety=variety,
                spread=spread,
                where=wanted,
                rules=rules,
                pins=[each for each in pins if each[1].category == category],
            )
            for category in chosen
        ]
        finish(self.catalogue, self.model, rankings)
        sections = [self._section(scene, each, suggested[each.category]) for each in rankings]
        said: dict[str, Any] = self._notes(where, short=_is_short(sections, k))
        if unused:
            said["unused_rules"] = unused
        return Answer(photo=_name(photo), model=self.model.name, categories=sections, **said)

    def similar(
        self,
        like: Photo | Seen,
        categories: Sequence[str] | None = None,
        k: int = 10,
        where: str | Filter | None = None,
        *,
        variety: bool = True,
        rules: Rules = NO_RULES,
        include_unavailable: bool = False,
    ) -> Similar:
        """Return the `k` products of each category that look most like a product or a photo.

        Distances are ‖f_p - f_q‖ of product vectors. A photo is embedded as a product of each category would
        be, around the catalogue's centre of that category.

        Args:
            like: the id of a product of the catalogue, or else a photo as for `complete`.
            categories: as for `complete`; by default that of the product, or those whose centres the photo's
                features are nearest to, nearest first.
            k: products of a category, at most.
            where: what products must match.
            variety: pass over products that look the same as the one asked for, or as one already shown.
            rules: products to boost, bury and exclude; pins do not count here.
            include_unavailable: also show products that are out of stock.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed.
            UsageError: there is neither such a product nor such a file; a category matches nothing, k is
            below
                one, or the filter is none.
            CatalogueError: the catalogue fails, or has been switched to another model.
        """
        _check_count(k)
        wanted = restriction(where, include_unavailable=include_unavailable, excluded=rules.excluded)
        product = self.catalogue.get([like], self.model).get(like) if isinstance(like, str) else None
        if product is not None:
            named = [product.category] if categories is None else self._chosen(categories)
            vectors = dict.fromkeys(named, product.vector)
            wanted = all_of([*([wanted] if wanted else []), Compare("id", "!=", product.id)])
        else:
            vectors = self._as_product(like, categories)
        rankings = [
            Ranking(
                point_scene(vector),
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
        sections = [
            SimilarSection(category=each.category, proven_exact=exact, products=each.answers(parts=False))
            for each in rankings
        ]
        asked: dict[str, Any] = self._notes(where, short=_is_short(sections, k))
        asked |= {"photo": _name(like)} if product is None else {"product": _catalogue_product(product)}
        return Similar(**asked, model=self.model.name, categories=sections)

    def look(
        self,
        photo: Photo | Seen,
        categories: Sequence[str] | None = None,
        where: str | Filter | None = None,
        *,
        weight: float = WEIGHT,
        budget: Budget | Decimal | int | str | None = None,
        locked: Mapping[str, str] | None = None,
        alternatives: int = 3,
        rules: Rules = NO_RULES,
        include_unavailable: bool = False,
    ) -> Look:
        """Return a whole look: one product for each category, near the scene and near each other.

        The look minimises Σ_c d(s, p_c) + weight · mean over pairs of slots of ‖f_p - f_q‖.

        Args:
            photo: as for `complete`.
            categories: as for `complete`; by default the five that are likeliest to complete the photo, or
                without a suggester the largest.
            where: what products must match.
            weight: λ, from 0: how much products should go with each other.
            budget: the most that all may cost together: 500, "500 EUR". Only products with a price in its
                currency can be chosen then.
            locked: products that stay, by category, whatever filters say; categories not named get a slot.
            alternatives: how many other products to name for each slot.
            rules: products to boost, bury and exclude; pins do not count here.
            include_unavailable: also choose products that are out of stock.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed.
            UsageError: a category matches nothing, there are too many, a locked product is not of its
                category, weight or budget is no such number, nothing fits the budget, or the filter is none.
            CatalogueError: the catalogue fails, or has been switched to another model.
        """
        if not 0 <= weight < float("inf"):
            raise UsageError(f"weight is {weight:g}: give a number from 0")
        wishes = Wishes(
            weight=weight,
            budget=None if budget is None else Budget.of(budget),
            where=restriction(where, include_unavailable=include_unavailable, excluded=rules.excluded),
            rules=rules,
            locked=locked_products(self.catalogue, self.model, locked or {}),
            alternatives=alternatives,
        )
        features = self._features(photo)
        slots = self._slots(features, categories, list(wishes.locked))
        stylist = Stylist(self._scene(photo, features), self.catalogue, self.model, wishes)
        look = stylist.look(_name(photo), slots)
        is_short = look.missing or any(len(each.alternatives) < alternatives for each in look.slots)
        return look.model_copy(update=self._notes(where, short=bool(is_short)))

    def explain(
        self, photo: Photo, category: str, k: int = 3, products: Sequence[str] | None = None
    ) -> Explanation:
        """Return where the distances of products of one category come from: the whole scene, and its regions.

        Args:
            photo: as for `complete`.
            category: a whole path, or a level that names one category of the catalogue.
            k: how many of the nearest products to explain, where none are named.
            products: ids of the products to explain, however near they are.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed.
            UsageError: the category matches none or several, or a product is not of it.
            CatalogueError: the catalogue fails, or has been switched to another model.
        """
        counts = self.catalogue.categories()
        chosen, *others = choose_categories(counts, [category])
        if (path := normalise(category)) in counts:  # itself, whatever lies below it
            chosen = path
        elif others:
            raise UsageError(
                f"'{category}' matches {len(others) + 1} categories of the catalogue; name one of them: "
                + "; ".join([chosen, *others])
            )
        scene = self.embed(photo)
        query = Query(scene.query_point(chosen), counts[chosen], frozenset({chosen}))
        (hits,) = self.catalogue.search([query], self.model)
        return explained(scene, hits, self.model, chosen, photo=name_of(photo), k=k, products=products)

    def see(self, photo: Photo) -> Seen:
        """Pass a photo through backbone and model, once for all that is then asked about it."""
        features = self._features(photo)
        return Seen(name_of(photo), features, self.model.embed_scene(features))

    def embed(self, photo: Photo) -> "SceneEmbedding":
        """Return what the model makes of a photo."""
        return self.model.embed_scene(self._features(photo))

    def close(self) -> None:
        """Close the catalogue."""
        self.catalogue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _chosen(self, categories: Sequence[str] | None) -> list[str]:
        return choose_categories(self.catalogue.categories(), categories)

    def _as_product(self, photo: Photo | Seen, categories: Sequence[str] | None) -> dict[str, Float32Array]:
        if isinstance(photo, str) and not Path(photo).exists():
            raise UsageError(
                f"'{photo}': neither a product of {self.catalogue.location} nor the file of a picture; see "
                "`perfectlook complete --all` for ids"
            )
        features, generation = self._features(photo), self.catalogue.generation()
        if categories is None:
            counts = self.catalogue.categories()
            chosen = nearest_categories(features, self.model, generation, counts)
        else:
            chosen = self._chosen(categories)
        return as_product(features, self.model, generation, chosen)

    def _slots(
        self, features: "FeatureBatch", categories: Sequence[str] | None, locked: Sequence[str]
    ) -> dict[str, float | None]:
        """The categories of a look, and how likely each completes the scene."""
        chosen = self._chosen(categories)
        suggested = self._suggested(features, list(dict.fromkeys([*chosen, *locked])))
        if categories is None:
            others = [category for category in suggested if category not in locked]
            kept = {*locked, *others[: max(0, SLOTS - len(locked))]}
            return {category: likely for category, likely in suggested.items() if category in kept}
        slots = {category: suggested[category] for category in dict.fromkeys([*chosen, *locked])}
        if len(slots) > MOST_SLOTS:
            raise UsageError(
                f"a look of {len(slots)} categories: name at most {MOST_SLOTS}, of {'; '.join(slots)}"
            )
        return slots

    def _features(self, photo: Photo | Seen) -> "FeatureBatch":
        if isinstance(photo, Seen):
            return photo.features
        backbone = self.backbone
        picture = opened_photo(photo, backbone.description.input_size)
        return backbone.extract(backbone.prepare(picture)[None])

    def _scene(self, photo: Photo | Seen, features: "FeatureBatch") -> "SceneEmbedding":
        return photo.scene if isinstance(photo, Seen) else self.model.embed_scene(features)

    def _suggested(self, features: "FeatureBatch", categories: Sequence[str]) -> dict[str, float | None]:
        """How likely each category completes the scene, likeliest first; None where nothing is known."""
        suggester = self.model.suggester
        if suggester is None:
            return dict.fromkeys(categories)
        resolved = {name: self.model.resolve(name).category for name in categories}
        return by_probability(categories, dict(suggester.rank(features)), resolved)

    @property
    def backbone(self) -> Backbone:
        """The model's backbone, opened when it is first needed.

        Raises:
            ModelError: the model was trained on another backbone than the one installed.
            CatalogueError: the catalogue was made with another one.
        """
        if self._backbone is None:
            backbone = open_backbone(self.model.backbone, threads=self._threads)
            held = self.catalogue.model.backbone
            if backbone.identity != held:
                raise CatalogueError(
                    f"{self.catalogue.location} was made with the backbone {held}, and here it is "
                    f"{backbone.identity}; run `perfectlook catalogue sync` again"
                )
            self.model.check_backbone(backbone.identity)
            self._backbone = backbone
        return self._backbone

    def _section(self, scene: "SceneEmbedding", ranking: Ranking, suggested: float | None) -> Section:
        return Section(
            category=ranking.category,
            **({} if suggested is None else {"suggested": suggested}),
            resolved=Resolved.of(self.model.resolve(ranking.category)),
            proven_exact=self.catalogue.store.exact,
            products=ranking.answers(),
            attention=Attention(
                rows=REGION_ROWS,
                columns=REGION_COLUMNS,
                weights=scene.attention(ranking.category).tolist(),
            ),
        )

    def _notes(self, where: str | Filter | None, *, short: bool) -> dict[str, list[str]]:
        notes = self._field_notes.on(where) if short else ()
        return {"notes": list(notes)} if notes else {}


def _catalogue_product(point: Point) -> CatalogueProduct:
    record = Record.from_payload(point.id, point.payload)
    return CatalogueProduct(id=point.id, category=point.category, **details_of(record))


def _is_short(sections: Sequence[Section | SimilarSection], k: int) -> bool:
    """Whether less was found than was asked for: then a filter may have been meant otherwise."""
    return any(len(each.products) < k for each in sections)


def _name(photo: Photo | Seen) -> str:
    return photo.name if isinstance(photo, Seen) else name_of(photo)


def _check_count(k: int) -> None:
    if k < 1:
        raise UsageError(f"k is {k}: ask for at least one product")
