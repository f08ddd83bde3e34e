"""Completes the look of a photo: products that go with it, out of a catalogue."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from perfectlook.backbones.registry import Backbone, open_backbone
from perfectlook.bundle import Model
from perfectlook.catalogue import Catalogue
from perfectlook.errors import CatalogueError, UsageError
from perfectlook.recommender.answer import Answer, Section, Suggestion
from perfectlook.recommender.choice import by_probability, choose_categories
from perfectlook.recommender.explanation import Explanation, explained
from perfectlook.recommender.photo import Photo, name_of, opened_photo
from perfectlook.recommender.ranking import Ranking
from perfectlook.stores import Query
from perfectlook.taxonomy import normalise

if TYPE_CHECKING:
    from perfectlook.backbones.registry import FeatureBatch
    from perfectlook.bundle import SceneEmbedding


class Recommender:
    """A model and a catalogue of its vectors. Photos may be completed from several threads."""

    def __init__(self, model: Model, catalogue: Catalogue) -> None:
        """Use a model with a catalogue that is open for it; `Recommender.open` is the way in."""
        self.model = model
        self.catalogue = catalogue
        self._backbone: Backbone | None = None

    @classmethod
    def open(cls, model: Model | Path | str, catalogue: Catalogue | Path | str) -> Self:
        """Open a model and a catalogue, or take them as they are.

        Raises:
            ModelError: the model cannot be used.
            CatalogueError: the catalogue cannot be used, or holds the vectors of another model.
        """
        opened = Model.open(model) if isinstance(model, Path | str) else model
        if isinstance(catalogue, Path | str):
            return cls(opened, Catalogue.open(catalogue, opened))
        catalogue.check(opened)
        return cls(opened, catalogue)

    def complete(
        self,
        photo: Photo,
        categories: Sequence[str] | None = None,
        k: int = 10,
        where: str | None = None,
        *,
        variety: bool = True,
    ) -> Answer:
        """Return the `k` products of each category that go best with a photo.

        Args:
            photo: a path, the bytes or a stream of a picture, or a Pillow picture.
            categories: whole paths, subtrees or single levels of the catalogue's categories; by default all
                of them, those first that are likeliest to complete the photo, or without a suggester the
                largest.
            k: products of a category, at most.
            where: the place of filters; none can be given yet.
            variety: pass over products whose picture is a copy of one already shown.

        Raises:
            PictureError: the photo cannot be read.
            ModelError: the model was trained on another backbone than the one installed.
            UsageError: a category matches nothing, k is below one, or a filter is given.
            CatalogueError: the catalogue fails, or has been switched to another model.
        """
        if where is not None:
            raise UsageError("where: filters are not supported yet; leave it out")
        if k < 1:
            raise UsageError(f"k is {k}: ask for at least one product")
        chosen = choose_categories(self.catalogue.categories(), categories)
        features = self._features(photo)
        scene = self.model.embed_scene(features)
        suggested = self._suggested(features, chosen)
        if categories is None:
            chosen = list(suggested)
        rankings = [
            Ranking(scene, category, k, norm=self.model.distance, variety=variety) for category in chosen
        ]
        while unfinished := [ranking for ranking in rankings if not ranking.done]:
            found = self.catalogue.search([ranking.query for ranking in unfinished], self.model)
            for ranking, hits in zip(unfinished, found, strict=True):
                ranking.take(hits)
        sections = [self._section(scene, each, suggested[each.category]) for each in rankings]
        return Answer(name_of(photo), self.model.name, sections)

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

    def _features(self, photo: Photo) -> "FeatureBatch":
        backbone = self._opened_backbone()
        picture = opened_photo(photo, backbone.description.input_size)
        return backbone.extract(backbone.prepare(picture)[None])

    def _suggested(self, features: "FeatureBatch", categories: Sequence[str]) -> dict[str, float | None]:
        """How likely each category completes the scene, likeliest first; None where nothing is known."""
        suggester = self.model.suggester
        if suggester is None:
            return dict.fromkeys(categories)
        resolved = {name: self.model.resolve(name).category for name in categories}
        return by_probability(categories, dict(suggester.rank(features)), resolved)

    def _opened_backbone(self) -> Backbone:
        if self._backbone is None:
            backbone = open_backbone(self.model.backbone)
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
            resolution=self.model.resolve(ranking.category),
            proven_exact=self.catalogue.store.exact,
            products=[
                Suggestion(rank, each.id, each.total, each.from_global, each.from_local, each.record)
                for rank, each in enumerate(ranking.products, 1)
            ],
            attention=np.asarray(scene.attention(ranking.category), np.float32),
            suggested=suggested,
        )
