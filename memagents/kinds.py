"""Whether a value is of the kind that an annotation asks for, and what that kind is in words."""

import math
from collections.abc import Callable, Mapping
from inspect import Parameter
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, is_typeddict


def check_kinds(values: Mapping[str, Any], kinds: Mapping[str, Any], where: str = "") -> None:
    """Raises ValueError for the first value that is not of the kind of its name, and for NaN; `where` leads the text.

    Names without a kind are let through.
    """
    for name, value in values.items():
        kind = kinds.get(name, Any)
        if not fits(value, kind) or (kind is not Any and isinstance(value, float) and math.isnan(value)):
            raise ValueError(f"{where}{name} must be {expected(kind)}, got {value!r}")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the kind of an annotation; annotations that are not known here let everything through.

    As everywhere in Python, a whole number will do for a float, and a text for a path.
    """
    origin, parts = get_origin(kind) or kind or type(None), get_args(kind)
    if origin is Literal:
        return value in parts
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Callable:
        return callable(value)
    if origin in ABSTRACT:
        return isinstance(value, ABSTRACT[origin]) and not isinstance(value, bool)
    if not isinstance(origin, type) or origin in (Any, Parameter.empty) or is_typeddict(origin) or is_protocol(origin):
        return True
    return isinstance(value, origin) and items_fit(value, origin, parts)


ABSTRACT: dict[Any, type | tuple[type, ...]] = {int: Integral, float: Real, Path: (str, Path)}
"""What is taken for a number or a path, NumPy's numbers too."""


def is_protocol(kind: type) -> bool:
    """Whether a class only says what others can do; `typing.is_protocol` is younger than the Python we need."""
    return bool(getattr(kind, "_is_protocol", False))


def items_fit(value: Any, container: type, parts: tuple[Any, ...]) -> bool:
    """Whether all items of a list or tuple, or all keys of a dict, are of their kind."""
    if not parts or not issubclass(container, dict | list | tuple):
        return True
    return all(fits(item, parts[0]) for item in value)


def expected(kind: Any) -> str:
    """What a value of that kind can be, in words."""
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(map(expected, get_args(kind))).replace(" or of type ", " or ")
    if kind in (None, type(None)):
        return "None"
    choices = (True, False) if kind is bool else get_args(kind) if get_origin(kind) is Literal else ()
    if choices:
        return f"one of {', '.join(map(str, choices))}"
    return f"of type {getattr(get_origin(kind) or kind, '__name__', kind)}"
