"""Train compatibility models and baselines. Importing this package requires the extra `train`."""

from importlib.util import find_spec

from perfectlook.errors import MissingExtraError

if any(find_spec(name) is None for name in ("torch", "onnx", "safetensors", "matplotlib")):
    raise MissingExtraError("Training", "train")
