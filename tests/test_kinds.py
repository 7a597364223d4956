"""Whether values are of the kinds that annotations ask for."""

import math
from collections import deque
from collections.abc import Callable
from inspect import Parameter
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict

import numpy as np
import pytest

from memagents.kinds import check_kinds, expected, fits


class Speaker(Protocol):
    def speak(self) -> str: ...


class Entry(TypedDict):
    name: str


GOOD = [
    *[(3, int), (np.int64(3), int), (3, float), (0.5, float), (np.float32(0.5), float), (True, bool), ("a", str)],
    *[(None, None), (None, int | None), (3, int | None), ("a", int | str), (math.inf, float)],
    *[
        ("a", Literal["a", "b"]),
        ([1], list[int]),
        ((1, 2), tuple[int, ...]),
        ({"a": 1}, dict[str, Any]),
        ([], list[int]),
    ],
    *[(int, type), (int, type[int]), (len, Callable[[Any], int]), ("a/b", Path), (Path("a"), Path), (deque(), deque)],
    *[(object(), Any), (object(), Parameter.empty), (3, Speaker), (3, Entry), (3, "a forward reference")],
]
BAD = [
    *[(True, int), (0.5, int), ("3", int), (None, int), (True, float), (1, bool), (3, str), ("a", int | None)],
    *[
        ("c", Literal["a", "b"]),
        ([], Literal["a", "b"]),
        (["a"], list[int]),
        ([1], tuple[int, ...]),
        ({3: 1}, dict[str, Any]),
    ],
    *[(3, type), (3, Callable[[Any], int]), (3, Path), ([], deque), (0, None)],
]


@pytest.mark.parametrize(("value", "kind"), GOOD)
def test_what_fits(value, kind):
    assert fits(value, kind)


@pytest.mark.parametrize(("value", "kind"), BAD)
def test_what_does_not_fit(value, kind):
    assert not fits(value, kind)


def test_kinds_are_told_in_words():
    assert expected(int | None) == "of type int or None"
    assert expected(bool) == "one of True, False"
    assert expected(Literal["a", "b"] | None) == "one of a, b or None"
    assert expected(float | str) == "of type float or str"
    assert expected(dict[str, Any]) == "of type dict"


def test_the_first_wrong_value_is_named_and_nan_is_no_number():
    check_kinds({"a": 3, "other": object()}, {"a": int})
    with pytest.raises(ValueError, match=r"^here: a must be of type int, got 'x'$"):
        check_kinds({"a": "x"}, {"a": int}, where="here: ")
    with pytest.raises(ValueError, match="a must be of type float, got nan"):
        check_kinds({"a": math.nan}, {"a": float})
    check_kinds({"a": math.nan}, {"a": Any})
