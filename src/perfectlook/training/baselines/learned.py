"""The baselines that are networks: IBR, a Siamese network and BPR-DAE.

As in every model of this package, the backbone is frozen, and negatives have the category of the true
product, as in the test. Each class lists its other differences from its paper.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from perfectlook.model.distances import DistanceFunction, l2, squared_l2
from perfectlook.model.networks import Dropout, GlobalNetwork, InnerProduct, Standardise
from perfectlook.training.checkpoint import Stages
from perfectlook.training.checkpoint import learn as learn_network
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, parts
from perfectlook.training.log import Epoch, Learned
from perfectlook.training.loop import Fit
from perfectlook.training.validation import Round
from perfectlook.types import Float64Array, IntArray

Learn = Callable[[TrainingData, TrainingConfig, Collection[str]], Learned]
"""(sets, settings, names of the given settings) -> what was learned."""

ROWS_AT_ONCE = 4096
THRESHOLD = 2.0
"""c before training: the squared distance of unrelated unit vectors, which standardised features resemble."""
RECONSTRUCTION = 1.0
"""μ, the weight of the reconstruction error."""


class Ranker(GlobalNetwork):
    """A network that learns from pairs, and from products that do not belong to the pairs' scenes.

    Args:
        config: settings of the training and of the network.
        standardise: standardises scenes and products together; None if each has its own.
    """

    def __init__(self, config: TrainingConfig, standardise: Standardise | None = None) -> None:  # noqa: ARG002
        super().__init__(config.model)

    @classmethod
    def start(cls, data: TrainingData, training: IntArray, config: TrainingConfig) -> Self:
        """Create the network before the first epoch, with torch's random generator.

        Args:
            data: the sets.
            training: the pairs to train on.
            config: the settings.
        """
        return cls(config, fitted(data, torch.cat(scene_and_product_rows(data, training))))

    @abstractmethod
    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """The loss of n pairs, a scalar.

        Args:
            scenes: features of the pairs' scenes, [n, global width].
            products: features of the distinct products: the pairs' and the negatives, [m, global width].
            places: rows of `products`, [n, 1 + negatives]; the pair's own product comes first.
        """

    def settle(self, features: Tensor, centres: Tensor) -> None:
        """Fit what embeddings need and the loss does not; by default nothing.

        Called before every validation with the products' features and centres, [N, global width] each.
        """


class StyleSpace(Ranker):
    """IBR, image-based recommendations: a low-rank Mahalanobis distance between features, the *style space*.

    McAuley, Targett, Shi & van den Hengel, "Image-based Recommendations on Styles and Substitutes", SIGIR
    2015:

        d_Y(i, j) = ‖(x_i - x_j) Y‖²,    P(i and j are linked) = σ(c - d_Y(i, j))

    Y and c maximise the likelihood of the links and of an equal number of random non-links.

    Choices: Features are standardised over scenes and products together, because the distance needs one
    scale, and divided by √width. Non-links are drawn again every epoch, from the category of the linked
    product (in the paper from all products). Adam with weight decay and early stopping replaces L-BFGS.
    K = 100, the larger rank of the paper.

    Args:
        config: the dimension of its model is the rank of Y.
        standardise: standardises scenes and products.
    """

    def __init__(self, config: TrainingConfig, standardise: Standardise) -> None:
        super().__init__(config, standardise)
        self.standardise = standardise
        dimension = config.model.dimension
        self.projection = nn.Linear(len(standardise.mean), dimension, bias=False)
        nn.init.normal_(self.projection.weight, std=dimension**-0.5)  # keeps lengths on average
        self.threshold = nn.Parameter(torch.tensor(THRESHOLD))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]; products are embedded in the same way."""
        projected: Tensor = self.projection(self.standardise(whole))
        return projected

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """Minus the mean log-likelihood of links and non-links; see `Ranker.loss`."""
        vectors = self.embed_scene(products)[places]
        margin: Tensor = self.threshold - squared_l2(self.embed_scene(scenes)[:, None, :], vectors)
        linked, unlinked = softplus(-margin[:, :1]), softplus(margin[:, 1:])
        return torch.cat([linked, unlinked], dim=1).mean()


class Siamese(Ranker):
    """Siamese network: one encoder for scenes and products, trained with a contrastive loss.

    Veit, Kovacs, Bell, McAuley, Bala & Belongie, "Learning Visual Clothing Style with Heterogeneous Dyadic
    Co-occurrences", ICCV 2015, with the loss of Hadsell, Chopra & LeCun, CVPR 2006:

        L = Σ d(i, j)² over compatible dyads + Σ max(0, m - d(i, j))² over incompatible ones

    Dyads are heterogeneous: here a scene and a product, in the paper two items of different categories. Each
    compatible dyad has 16 incompatible ones. The style space has 256 dimensions.

    Choices: A two-layer network (Linear-ReLU-Dropout-Linear) on the features of the frozen backbone replaces
    the fine-tuned convolutional network. Features are standardised over scenes and products together and
    divided by √width; without that it overfits immediately. The paper does not publish the margin or whether
    vectors are normalised: here the margin m is 1 and vectors are not normalised.

    Args:
        config: its margin is m; hidden width, dropout and dimension of its model are the encoder's.
        standardise: standardises scenes and products.
    """

    def __init__(self, config: TrainingConfig, standardise: Standardise) -> None:
        super().__init__(config, standardise)
        self._margin = config.margin
        shape = config.model
        self.encoder = nn.Sequential(
            standardise,
            nn.Linear(len(standardise.mean), shape.hidden),
            nn.ReLU(),
            Dropout(shape.dropout),
            nn.Linear(shape.hidden, shape.dimension),
        )

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]; products are embedded in the same way."""
        encoded: Tensor = self.encoder(whole)
        return encoded

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """The mean contrastive loss over all dyads; see `Ranker.loss`."""
        vectors = self.embed_scene(products)[places]
        around = self.embed_scene(scenes)[:, None, :]
        together: Tensor = squared_l2(around, vectors[:, :1])
        apart = (self._margin - l2(around, vectors[:, 1:])).clamp_min(0.0).square()
        return torch.cat([together, apart], dim=1).mean()


class DualAutoEncoder(Ranker):
    """BPR-DAE: a dual auto-encoder whose codes are ranked by their inner product.

    Song, Feng, Liu, Li, Nie & Ma, "NeuroStylist", ACM MM 2017. Tops are the scenes
    here, bottoms are the products; each has its own auto-encoder:

        f = s(W x + b),    x̂ = Ŵ f + b̂,    m_ij = f_i · f_j                        s: sigmoid
        L = Σ -ln σ(m_ij - m_ik) + μ Σ ½‖x̂ - x‖² + λ/2 ‖Θ‖²

    Choices: This version reads pictures only, so it omits the paper's second modality, text, and the term
    that links the two. It has one hidden layer of 256 units. The inputs of scenes and of products are
    standardised separately; they are unbounded, so the decoder's last layer is linear. The reconstruction
    error is the mean over features, so that μ = 1 does not depend on the backbone. λ is Adam's decoupled
    weight decay. One more coordinate turns the inner product into a distance (`InnerProduct`).

    Args:
        config: the dimension of its model is that of the codes; the vectors have one more coordinate.
        scenes: standardises scenes.
        products: standardises products.
    """

    def __init__(self, config: TrainingConfig, scenes: Standardise, products: Standardise) -> None:
        dimension = config.model.dimension
        super().__init__(replace(config, model=replace(config.model, dimension=dimension + 1)))
        self.scenes, self.products = AutoEncoder(scenes, dimension), AutoEncoder(products, dimension)
        self.inner_product = InnerProduct()

    @classmethod
    def start(cls, data: TrainingData, training: IntArray, config: TrainingConfig) -> Self:
        """Create the network; inputs are not divided by √width, which suits torch's initial weights."""
        rows = scene_and_product_rows(data, training)
        return cls(config, *(fitted(data, each, length=each.shape[1] ** 0.5) for each in rows))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d + 1]."""
        return self.inner_product.extend_scenes(self.scenes(whole))

    def embed_product(self, features: Tensor, centres: Tensor) -> Tensor:
        """f_p: [n, global width] to [n, d + 1]."""
        return self.inner_product.extend_products(self.products(features - centres))

    def settle(self, features: Tensor, centres: Tensor) -> None:
        """Choose M for the catalogue."""
        self.inner_product.fit(self.products(features - centres))

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """The mean ranking loss plus the mean reconstruction errors of both sides; see `Ranker.loss`."""
        of_scenes, of_products = self.scenes(scenes), self.products(products)
        matches = (of_scenes[:, None, :] * of_products[places]).sum(dim=-1)
        ranking = softplus(matches[:, 1:] - matches[:, :1]).mean()
        errors = self.scenes.error(scenes, of_scenes) + self.products.error(products, of_products)
        return ranking + RECONSTRUCTION * errors


class AutoEncoder(nn.Module):
    """Encode features [n, width] as codes [n, dimension], and decode them."""

    def __init__(self, standardise: Standardise, dimension: int) -> None:
        super().__init__()
        width = len(standardise.mean)
        self.standardise = standardise
        self.encoder = nn.Linear(width, dimension)
        self.decoder = nn.Linear(dimension, width)

    def forward(self, features: Tensor) -> Tensor:
        """The codes."""
        codes: Tensor = self.encoder(self.standardise(features)).sigmoid()
        return codes

    def error(self, features: Tensor, codes: Tensor) -> Tensor:
        """Half the squared error of the reconstruction, averaged over rows and features."""
        wrong: Tensor = self.decoder(codes) - self.standardise(features)
        return (wrong.square().mean(dim=-1) / 2).mean()


def in_epochs(kind: type[Ranker]) -> Learn:
    """Return the training function of a network baseline; it uses the training loop of the model."""

    def learn(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
        found = learn_network(
            data.features, config, lambda part: RankerFit(data, part, config, kind), Stages(None)
        )
        assert found is not None  # only a network with closed forms may be dropped
        return found

    return learn


class RankerFit(Fit):
    """The fit of a network baseline.

    Args:
        data: the sets.
        part: as for `Fit`.
        config: the settings.
        kind: class of the network.
    """

    network: Ranker

    def __init__(self, data: TrainingData, part: Round, config: TrainingConfig, kind: type[Ranker]) -> None:
        self._kind = kind
        super().__init__(data, part, config)

    def _start(self) -> Ranker:
        return self._kind.start(self.data, self.training, self.config)

    def _make_optimiser(self) -> torch.optim.Optimizer:
        config = self.config
        return torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def _batches(self, order: IntArray) -> Iterator[IntArray]:
        return parts(order, self.config.batch_size)

    def _loss(self, pairs: IntArray, products: IntArray, places: Tensor) -> Tensor:
        features, centres = self.data.products(products)
        return self.network.loss(self.data.whole(pairs), features - centres, places)

    @torch.no_grad()
    def _note(self, number: int, loss: float | None, started: float) -> Epoch:
        self.network.eval()
        self.network.settle(*self.data.products())
        return super()._note(number, loss, started)

    @torch.no_grad()
    def _distances(self) -> list[DistanceFunction]:
        products = (self.data.products(rows) for rows in parts(self.data.every_product, ROWS_AT_ONCE))
        vectors = np.concatenate([self.network.embed_product(*part).numpy() for part in products])
        scenes: dict[int, Float64Array] = {}
        for pairs in parts(self.validation, ROWS_AT_ONCE):
            embedded = self.network.embed_scene(self.data.whole(pairs)).numpy()
            scenes |= dict(zip(self.data.features.pair_scenes[pairs].tolist(), embedded, strict=True))

        def distances(scene_row: int, _category: str, rows: IntArray) -> Float64Array:
            return np.asarray(squared_l2(scenes[scene_row], vectors[rows]), np.float64)

        return [distances]


def fitted(
    data: TrainingData, rows: Tensor, *, length: float = 1.0, blocks: Sequence[int] | None = None
) -> Standardise:
    """Standardise features and divide by √width; with `scaling` = stages, every block gets equal weight.

    Args:
        data: defines the features of the rows.
        rows: the features to take mean and deviation from, [n, global width].
        length: typical length of standardised rows.
        blocks: widths of the blocks that get equal weight, instead of those that `scaling` selects.
    """
    standardise = Standardise(rows.shape[1])
    if blocks is None and data.config.scaling == "stages":
        blocks = data.widths.blocks(data.config)
    with torch.no_grad():
        standardise.fit(rows.mean(dim=0), rows.std(dim=0, correction=0), blocks)
        standardise.scale *= length
    return standardise


def scene_and_product_rows(data: TrainingData, training: IntArray) -> tuple[Tensor, Tensor]:
    """The rows that constants are fitted to: the training pairs' scenes, and all centred products.

    [pairs, global width] and [products, global width].
    """
    products, centres = data.products()
    return data.whole(training), products - centres
