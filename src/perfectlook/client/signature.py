"""Methods that are made of functions: what `help` and editors say of them."""

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def of_method(method: Method, described: Callable[..., Any]) -> Method:
    """Give a method the name, the text and, behind `self`, the parameters of the function it is made of."""
    update_wrapper(method, described)
    function = inspect.signature(described)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [own, *function.parameters.values()]
    method.__signature__ = function.replace(parameters=parameters)  # type: ignore[attr-defined]
    return method
