"""Training compatibility models and baselines. Importing it without the extra `train` is an error."""

from importlib.util import find_spec

from perfectlook.errors import MissingExtraError

if any(find_spec(name) is None for name in ("torch", "onnx", "safetensors", "matplotlib")):
    raise MissingExtraError("training", "train")
