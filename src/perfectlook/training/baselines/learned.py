"""The baselines that are networks: IBR, a Siamese network and BPR-DAE, each from its source.

The backbone is frozen, as for every model here, and negatives are always of the true product's category, as
in the test. Each class says what else differs from its paper.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from perfectlook.model.distances import DistanceFunction, l2, squared_l2
from perfectlook.model.networks import Dropout, GlobalNetwork, Standardise
from perfectlook.training.checkpoint import Stages
from perfectlook.training.checkpoint import learn as learn_network
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData, parts
from perfectlook.training.log import Epoch, Learned
from perfectlook.training.loop import Fit
from perfectlook.training.validation import Round
from perfectlook.types import Float64Array, IntArray

Learn = Callable[[TrainingData, TrainingConfig, Collection[str]], Learned]
"""(sets, settings, names of the settings that were given) -> what was learned."""

ROWS_AT_ONCE = 4096
THRESHOLD = 2.0
"""c before training: the squared distance of unrelated unit vectors, which standardised features are like."""
RECONSTRUCTION = 1.0
"""μ."""
SAFETY = 1.5
"""M is this times the longest product of the training catalogue: later ones may be longer."""


class Ranker(GlobalNetwork):
    """A network that learns from pairs and, for each of them, products that do not belong to its scene.

    Args:
        config: of the training; the shape of the network is its model's.
        standardise: of scenes and products together; None where each has its own.
    """

    def __init__(self, config: TrainingConfig, standardise: Standardise | None = None) -> None:  # noqa: ARG002
        super().__init__(config.model)

    @classmethod
    def start(cls, data: TrainingData, training: IntArray, config: TrainingConfig) -> Self:
        """The network before the first epoch, from torch's generator.

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
            products: features of the distinct products among the pairs' and the negatives, [m, global width].
            places: rows of `products`, [n, 1 + negatives]: the pair's own product first.
        """

    def settle(self, features: Tensor, centres: Tensor) -> None:
        """Take from the catalogue what embeddings need and the loss does not: here nothing.

        Called before every measurement, with the catalogue's features and centres, [N, global width] each.
        """


class StyleSpace(Ranker):
    """IBR, image-based recommendations: a low-rank Mahalanobis distance between features, the *style space*.

    McAuley, Targett, Shi & van den Hengel, "Image-based Recommendations on Styles and Substitutes", SIGIR
    2015, section 3:

        d_Y(i, j) = ‖(x_i - x_j) Y‖²,    P(i and j are linked) = σ(c - d_Y(i, j))

    Y and c maximise the likelihood of the links and of as many random non-links.

    Choices: features are z-scored over scenes and products together, one yardstick as the distance needs, and
    divided by √width; non-links are drawn anew every epoch, of the linked product's category (in the paper
    anywhere); Adam with weight decay and early stopping instead of L-BFGS; K = 100, the paper's larger rank.

    Args:
        config: its model's dimension is the rank of Y.
        standardise: of scenes and products.
    """

    def __init__(self, config: TrainingConfig, standardise: Standardise) -> None:
        super().__init__(config, standardise)
        self.standardise = standardise
        dimension = config.model.dimension
        self.projection = nn.Linear(len(standardise.mean), dimension, bias=False)
        nn.init.normal_(self.projection.weight, std=dimension**-0.5)  # keeps lengths, on average
        self.threshold = nn.Parameter(torch.tensor(THRESHOLD))

    def embed_scene(self, whole: Tensor) -> Tensor:
        """f_s: [n, global width] to [n, d]; products the same."""
        projected: Tensor = self.projection(self.standardise(whole))
        return projected

    def loss(self, scenes: Tensor, products: Tensor, places: Tensor) -> Tensor:
        """Minus the mean log-likelihood of links and non-links; see `Ranker.loss`."""
        vectors = self.embed_scene(products)[places]
        margin: Tensor = self.threshold - squared_l2(self.embed_scene(scenes)[:, None, :], vectors)
        linked, unlinked = softplus(-margin[:, :1]), softplus(margin[:, 1:])
        return torch.cat([linked, unlinked], dim=1).mean()


class Siamese(Ranker):
    """Siamese network: one encoder for scenes and products, trained by a contrastive loss.

    Veit, Kovacs, Bell, McAuley, Bala & Belongie, "Learning Visual Clothing Style with Heterogeneous Dyadic
    Co-occurrences", ICCV 2015, with the loss of Hadsell, Chopra & LeCun, CVPR 2006:

        L = Σ d(i, j)² over compatible dyads + Σ max(0, m - d(i, j))² over incompatible ones

    Dyads are heterogeneous: a scene and a product, as there two items of different categories; 16
    incompatible ones to a compatible one; a style space of 256 dimensions.

    Choices: a two-layer network (Linear-ReLU-Dropout-Linear) upon the features of the frozen backbone takes
    the place of the fine-tuned convolutional network; features are z-scored over scenes and products together
    and divided by √width (without that it overfits at once); vectors are not normalised and the margin m is
    1, both unpublished.

    Args:
        config: its margin is m; its model's hidden width, dropout and dimension are the encoder's.
        standardise: of scenes and products.
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
        """f_s: [n, global width] to [n, d]; products the same."""
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

    Song, Feng, Liu, Li, Nie & Ma, "NeuroStylist: Neural Compatibility Modeling for Clothing Matching", ACM MM
    2017, section 4; tops are the scenes here and bottoms the products, each with an auto-encoder of its own:

        f = s(W x + b),    x̂ = Ŵ f + b̂,    m_ij = f_i · f_j                        s: sigmoid
        L = Σ -ln σ(m_ij - m_ik) + μ Σ ½‖x̂ - x‖² + λ/2 ‖Θ‖²

    Choices: pictures only, so the paper's second modality, text, and the term that ties the two fall away;
    one hidden layer of 256 units; the input is z-scored, scenes and products each on their own, and since
    that has no bounds the decoder's last layer is linear; the reconstruction error is the mean over features,
    so that μ = 1 does not depend on the backbone; λ is Adam's decoupled weight decay. The inner product
    becomes a distance by one more coordinate (`InnerProduct`).

    Args:
        config: its model's dimension is that of the codes; the vectors are one wider.
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
        """The network before training. Its z-scores are not divided by √width: common initial weights fit."""
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
        """The mean ranking loss and the mean reconstruction errors of both sides; see `Ranker.loss`."""
        of_scenes, of_products = self.scenes(scenes), self.products(products)
        matches = (of_scenes[:, None, :] * of_products[places]).sum(dim=-1)
        ranking = softplus(matches[:, 1:] - matches[:, :1]).mean()
        errors = self.scenes.error(scenes, of_scenes) + self.products.error(products, of_products)
        return ranking + RECONSTRUCTION * errors


class AutoEncoder(nn.Module):
    """Features [n, width] to codes [n, dimension] and back."""

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
        """Half of the squared error of the reconstruction, as a mean over rows and features."""
        wrong: Tensor = self.decoder(codes) - self.standardise(features)
        return (wrong.square().mean(dim=-1) / 2).mean()


def in_epochs(kind: type[Ranker]) -> Learn:
    """The training of a baseline that is a network, by the loop that a model is trained by."""

    def learn(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
        return learn_network(
            data.features, config, lambda part: RankerFit(data, part, config, kind), Stages(None)
        )

    return learn


class RankerFit(Fit):
    """A baseline's network in training.

    Args:
        data: the sets.
        part: as for `Fit`.
        config: the settings.
        kind: of network.
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


def fitted(data: TrainingData, rows: Tensor, *, length: float = 1.0) -> Standardise:
    """A z-score of every feature, divided by √width; by `scaling`, head vector and stages count the same.

    Args:
        data: says which features the rows are made of.
        rows: what the means and deviations are taken from, [n, global width].
        length: the usual one of standardised rows.
    """
    standardise = Standardise(rows.shape[1])
    blocks = data.widths.blocks(data.config) if data.config.scaling == "stages" else None
    with torch.no_grad():
        standardise.fit(rows.mean(dim=0), rows.std(dim=0, correction=0), blocks)
        standardise.scale *= length
    return standardise


def scene_and_product_rows(data: TrainingData, training: IntArray) -> tuple[Tensor, Tensor]:
    """What constants are fitted to: the training pairs' scenes and the catalogue's centred products.

    [pairs, global width] and [products, global width].
    """
    products, centres = data.products()
    return data.whole(training), products - centres


class InnerProduct(nn.Module):
    """Extends vectors by one coordinate; a product longer than M gets 0 and seems farther than it is."""

    longest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("longest", torch.ones(()))

    def fit(self, products: Tensor) -> None:
        """Choose M for a catalogue, f_p [n, d]."""
        self.longest.copy_(SAFETY * products.norm(dim=-1).max().clamp_min(1e-6))

    def extend_products(self, products: Tensor) -> Tensor:
        """f_p [n, d] to [n, d + 1]."""
        room = self.longest.square() - products.square().sum(dim=-1, keepdim=True)
        return torch.cat([products, room.clamp_min(0.0).sqrt()], dim=-1)

    def extend_scenes(self, scenes: Tensor) -> Tensor:
        """f_s [n, d] to [n, d + 1]."""
        return torch.cat([scenes, torch.zeros_like(scenes[:, :1])], dim=-1)
