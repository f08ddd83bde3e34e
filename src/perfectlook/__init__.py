"""Complete the look: products from a shop's own catalogue that go with the photo of a scene.

    import perfectlook as pl

Each name in `__all__` is loaded when you first use it, so importing the package is fast.
"""

import importlib
import os

# onnxruntime sends telemetry from its import on; this must be set before
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
_MODULES = {
    "answers": ("Answer", "Explanation", "Look", "RankedProduct", "Section", "Similar", "Slot"),
    "catalogue": ("Catalogue", "embed"),
    "client": ("AsyncClient", "Client"),
    "data": ("load_set",),
    "errors": ("PerfectLookError",),
    "evaluation.comparison": ("Comparison", "compare"),
    "evaluation.evaluate": ("Evaluation", "evaluate"),
    "model.adaptation": ("adapt",),
    "model.runtime": ("Model",),
    "recommender": ("Recommender", "Rules"),
    "training.train": ("train",),
}
_HOME = {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}
__all__ = [*_HOME, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from perfectlook.errors import MissingExtraError

    try:
        found = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    except MissingExtraError as error:  # `help(perfectlook)` and `hasattr` must work without the extra
        return _raising(name, error)
    return found


def _raising(name: str, error: Exception) -> object:
    """Return a function that raises the error when it is called."""

    def missing(*_: object, **__: object) -> None:
        raise error

    missing.__name__ = name
    missing.__doc__ = str(error)
    return missing


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
