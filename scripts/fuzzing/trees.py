"""Odd values, and what can be done with them to values made of dicts and lists: a part of `fuzz.py`."""

import json
import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

Tree: TypeAlias = Any
TreeDamage: TypeAlias = Callable[[Tree, Random], tuple[Tree, str]]
Place: TypeAlias = tuple[Any, Any]
"""A container, and the key or index of one of its values."""

TEXTS = ("", " ", "x", "lstm", "\0", "\ud800", "é☃\u202e", "../../x", "a" * 10_000, "nan", "-1", "{}", "os.system", "$")
SIZES = (10**4, 10**5, 10**6, 10**9, 2**31, 2**63, 10**30)
NUMBERS = (0, 1, -1, 3, 0.5, -0.5, 1e-320, 1e308, -1e308, math.nan, math.inf, -math.inf, *SIZES, -(10**30))
ODD = (None, True, False, *NUMBERS, *TEXTS, [], [[]], [0, "x", None], {}, {"x": 1}, {"$": "x"}, {"$": "tuple"})
KINDS = (
    "tensor",
    "array",
    "scalar",
    "class",
    "dict",
    "tuple",
    "deque",
    "float",
    "path",
    "Box",
    "Discrete",
    "Dict",
    "x",
)
NAMES = (
    *("gru", "dnc", "gtrxl", "none", "torch.nn.ReLU", "torch.optim.LBFGS", "torch.optim.SGD", "os.system", "x"),
    *("encoder.rbf", "policy.CnnPolicy", "policy.MultiInputPolicy", "memagents.SequenceBuffer", "PPO", "A2C"),
)
KEYS = (
    *("learn", "predict", "policy", "_setup_model", "__class__", "__dict__", "logger", "device", "env", "train"),
    *("rollout_buffer", "_logger", "lr_schedule", "collect_rollouts", "$", ":serialized:", "", "é", "x"),
)
DEEP = "\ud7ffdeep"
"""Stands for a value that is nested too deeply for Python's own writer of JSON; see `as_text`."""


def places(tree: Tree) -> Iterator[Place]:
    """Every place that holds a value."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from places(tree[key])


def walk(tree: Tree, random: Random) -> Place:
    """A place somewhere in a tree, step by step from its root: long lists are not met more often than others."""
    place: Place = ([tree], 0)
    while True:
        value = place[0][place[1]]
        keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        if not keys or (value is not tree and random.random() < 0.15):
            return place
        place = value, random.choice(keys)


def put(tree: Tree, place: Place, value: Any) -> tuple[Tree, str]:
    """The tree with another value at a place, and what was done."""
    told = f"{place[1]!r}: {shortened(place[0][place[1]])} becomes {shortened(value)}"
    if place[0][place[1]] is tree:
        return value, told
    place[0][place[1]] = value
    return tree, told


def shortened(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def odd_value(tree: Tree, random: Random) -> tuple[Tree, str]:
    return put(tree, walk(tree, random), random.choice(ODD))


def number(tree: Tree, random: Random) -> tuple[Tree, str]:
    """Another number where one is, or a size of something."""
    found = [place for place in places(tree) if is_number(place[0][place[1]])]
    return put(tree, random.choice(found), random.choice(NUMBERS)) if found else odd_value(tree, random)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def huge(tree: Tree, random: Random) -> tuple[Tree, str]:
    found = [place for place in places(tree) if is_number(place[0][place[1]])]
    sizes = [place for place in found if isinstance(place[1], str)] or found
    return put(tree, random.choice(sizes), random.choice(SIZES)) if sizes else odd_value(tree, random)


def missing(tree: Tree, random: Random) -> tuple[Tree, str]:
    container, key = walk(tree, random)
    if container[key] is tree:
        return None, "everything removed"
    del container[key]
    return tree, f"{key!r} removed"


def foreign_key(tree: Tree, random: Random) -> tuple[Tree, str]:
    dicts = [place[0][place[1]] for place in [([tree], 0), *places(tree)] if isinstance(place[0][place[1]], dict)]
    if not dicts:
        return odd_value(tree, random)
    key, value = random.choice(KEYS), random.choice(ODD)
    random.choice(dicts[:8])[key] = value
    return tree, f"{key!r} added: {shortened(value)}"


def renamed_key(tree: Tree, random: Random) -> tuple[Tree, str]:
    found = [place for place in places(tree) if isinstance(place[0], dict)]
    if not found:
        return odd_value(tree, random)
    container, key = random.choice(found)
    container[random.choice(KEYS)] = container.pop(key)
    return tree, f"{key!r} renamed"


def swapped(tree: Tree, random: Random) -> tuple[Tree, str]:
    (one, key), (other, name) = walk(tree, random), walk(tree, random)
    if tree in (one[key], other[name]):
        return odd_value(tree, random)
    one[key], other[name] = other[name], one[key]
    return tree, f"{key!r} and {name!r} swapped"


def nested(tree: Tree, random: Random) -> tuple[Tree, str]:
    return put(tree, walk(tree, random), f"{DEEP}{random.choice((50, 200, 450, 900, 5_000, 100_000))}")


def foreign_kind(tree: Tree, random: Random) -> tuple[Tree, str]:
    """Another tag on a tagged value, or a tag on one that has none."""
    tagged = [place for place in places(tree) if place[1] == "$"]
    if tagged:
        return put(tree, random.choice(tagged), random.choice(KINDS))
    return put(tree, walk(tree, random), {"$": random.choice(KINDS)})


def foreign_name(tree: Tree, random: Random) -> tuple[Tree, str]:
    texts = [place for place in places(tree) if isinstance(place[0][place[1]], str)]
    return put(tree, random.choice(texts), random.choice(NAMES)) if texts else odd_value(tree, random)


def odd_text(tree: Tree, random: Random) -> tuple[Tree, str]:
    texts = [place for place in places(tree) if isinstance(place[0][place[1]], str)]
    return put(tree, random.choice(texts), random.choice(TEXTS)) if texts else odd_value(tree, random)


def several(tree: Tree, random: Random) -> tuple[Tree, str]:
    told = []
    for _ in range(random.randint(2, 4)):
        tree, text = random.choice([odd_value, number, missing, renamed_key, swapped, foreign_name])(tree, random)
        told.append(text)
    return tree, "; ".join(told)


TREE_DAMAGES: dict[str, TreeDamage] = {
    "odd value": odd_value,
    "other number": number,
    "huge number": huge,
    "missing entry": missing,
    "foreign entry": foreign_key,
    "renamed entry": renamed_key,
    "swapped entries": swapped,
    "deep nesting": nested,
    "foreign kind": foreign_kind,
    "foreign name": foreign_name,
    "odd text": odd_text,
    "several at once": several,
}


def as_text(tree: Tree) -> bytes:
    """JSON, with NaN and infinity as Python writes them, and nested as deeply as asked."""
    text = json.dumps(tree)
    head, deep, tail = text.partition(json.dumps(DEEP)[:-1])
    if not deep:
        return text.encode()
    depth, _, tail = tail.partition('"')
    opening, closing = ("[", "]") if int(depth) % 900 else ('{"x": ', "}")
    return f"{head}{opening * int(depth)}0{closing * int(depth)}{tail}".encode()
