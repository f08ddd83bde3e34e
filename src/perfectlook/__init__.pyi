"""Types of the public names, which `__init__.py` loads on first use."""

from perfectlook.answers import Answer as Answer
from perfectlook.answers import Explanation as Explanation
from perfectlook.answers import Look as Look
from perfectlook.answers import RankedProduct as RankedProduct
from perfectlook.answers import Section as Section
from perfectlook.answers import Similar as Similar
from perfectlook.answers import Slot as Slot
from perfectlook.catalogue import Catalogue as Catalogue
from perfectlook.catalogue import embed as embed
from perfectlook.client import AsyncClient as AsyncClient
from perfectlook.client import Client as Client
from perfectlook.data import load_set as load_set
from perfectlook.errors import PerfectLookError as PerfectLookError
from perfectlook.evaluation.comparison import Comparison as Comparison
from perfectlook.evaluation.comparison import compare as compare
from perfectlook.evaluation.evaluate import Evaluation as Evaluation
from perfectlook.evaluation.evaluate import evaluate as evaluate
from perfectlook.model.adaptation import adapt as adapt
from perfectlook.model.runtime import Model as Model
from perfectlook.recommender import Recommender as Recommender
from perfectlook.recommender import Rules as Rules
from perfectlook.training.train import train as train

__version__: str
