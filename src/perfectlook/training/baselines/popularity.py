"""Popularity: products of many training pairs first, whatever the scene.

A baseline of Kang et al. 2019, section 4. It says how much of a figure needs no picture at all.
"""

from collections import Counter
from collections.abc import Collection

from perfectlook.training.baselines.base import Learned
from perfectlook.training.config import TrainingConfig
from perfectlook.training.data import TrainingData
from perfectlook.training.validation import learning_pairs


def learn(data: TrainingData, config: TrainingConfig, _given: Collection[str]) -> Learned:
    """Count the pairs of every product; there is nothing to choose.

    Raises:
        TrainingError: there is no pair to count.
    """
    training = learning_pairs(data.features, config)
    return Learned(Counter(data.features.pairs[i].product for i in training), training)
