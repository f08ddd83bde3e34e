"""Commands that need an optional dependency say so before they start."""

from importlib.util import find_spec

from perfectlook.errors import MissingExtraError


def require_training() -> None:
    """Make sure that training can start.

    Raises:
        MissingExtraError: torch, or what exports its models, is not installed.
    """
    if any(find_spec(name) is None for name in ("torch", "onnx", "safetensors", "matplotlib")):
        raise MissingExtraError("training", "train")


def require(extra: str, what: str, *modules: str) -> None:
    """Make sure that the modules of an extra are installed.

    Raises:
        MissingExtraError: one is not.
    """
    if any(find_spec(name) is None for name in modules):
        raise MissingExtraError(what, extra)
