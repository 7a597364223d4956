"""Values as JSON with tensors beside it, and back: what a file can say without holding code.

Plain values stand as they are. Everything else is an object with the key "$", which says what it is. A class is written
as a name and found in a table of known ones; nothing in a file is ever imported or called.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule
from torch import Tensor

from memagents.errors import DamagedFileError, MissingObjectError, PickleRefusedError
from memagents.files import reading

TAG = "$"

SPACES: dict[str, tuple[type[spaces.Space[Any]], tuple[str, ...]]] = {
    "Box": (spaces.Box, ("low", "high", "dtype")),
    "Discrete": (spaces.Discrete, ("n", "start", "dtype")),
    "MultiDiscrete": (spaces.MultiDiscrete, ("nvec", "start", "dtype")),
    "MultiBinary": (spaces.MultiBinary, ("n",)),
    "Dict": (spaces.Dict, ("spaces",)),
}
"""The spaces that SB3 has, and the arguments that make them."""

SCHEDULES: dict[str, tuple[type, tuple[str, ...]]] = {
    "FloatSchedule": (FloatSchedule, ("value_schedule",)),
    "ConstantSchedule": (ConstantSchedule, ("val",)),
    "LinearSchedule": (LinearSchedule, ("start", "end", "end_fraction")),
}

BUILT: dict[str, tuple[type, tuple[str, ...]]] = {**SPACES, **SCHEDULES}


PLAIN = {type(None), bool, int, str}
"""Types whose values are JSON as they are; so are floats that are finite, and lists and dicts of all these."""


def is_json(value: Any) -> bool:
    """Whether a value is JSON as it is. Most of what files hold are long rows of such values."""
    kind = type(value)
    if kind in PLAIN:
        return True
    if kind is float:
        return math.isfinite(value)
    if kind is list:
        return all(map(is_json, value))
    return kind is dict and has_names(value) and all(map(is_json, value.values()))


def has_names(value: dict[Any, Any]) -> bool:
    """Whether the keys of a dict are an object's in JSON, and none is mistaken for a tag."""
    return TAG not in value and set(map(type, value)) <= {str}


class NotPlainError(TypeError):
    """A value that JSON and tensors cannot express; the message says which."""


class Encoded(NamedTuple):
    """A value as it stands in a file."""

    json: Any
    tensors: dict[str, Tensor]


class Encoder:
    """Writes values as JSON, and keeps their tensors and arrays in `tensors`: the tensors themselves where it can.

    Args:
        classes: classes that may be written, by the names they get.
    """

    def __init__(self, classes: Mapping[str, type] | None = None) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names = {cls: name for name, cls in (classes or {}).items()}
        self._places: dict[tuple[Any, ...], str] = {}

    def section(self, value: Any, name: str) -> Encoded:
        """`value` with all that was encoded so far; see `encode`."""
        return Encoded(self.encode(value, name), self.tensors)

    def forget(self, path: str) -> None:
        """Takes back the tensors of a value that could be encoded in part only."""
        self.tensors = {name: tensor for name, tensor in self.tensors.items() if not is_below(name, path)}
        self._places = {place: name for place, name in self._places.items() if not is_below(name, path)}

    def encode(self, value: Any, path: str) -> Any:
        """`value` as JSON; `path` names it in messages and its tensors in the file.

        Raises:
            NotPlainError: if it holds something that cannot be expressed.
        """
        if is_json(value):
            return value
        if type(value) is float:
            return {TAG: "float", "value": repr(value)}
        if isinstance(value, np.ndarray | np.generic | Tensor):
            return self._encode_numbers(value, path)
        if isinstance(value, list | tuple | dict | deque):
            return self._encode_container(value, path)
        if isinstance(value, type) and value in self._names:
            return {TAG: "class", "name": self._names[value]}
        if isinstance(value, Path):
            return {TAG: "path", "value": str(value)}
        for name, (cls, fields) in BUILT.items():
            if type(value) is cls or (issubclass(cls, spaces.Space) and isinstance(value, cls)):
                return {TAG: name, **{field: self._encode_field(value, field, path) for field in fields}}
        name = getattr(value, "__qualname__", None) or repr(value)
        raise NotPlainError(f"{path} is {name}, of type {type(value).__name__}")

    def _encode_field(self, built: Any, field: str, path: str) -> Any:
        value = getattr(built, field)
        if field == "dtype":
            return np.dtype(value).str
        if isinstance(built, spaces.MultiBinary):
            return built.n if isinstance(built.n, int) else list(built.n)
        return self.encode(int(value) if isinstance(value, np.integer) else value, f"{path}.{field}")

    def _encode_numbers(self, value: np.ndarray | np.generic | Tensor, path: str) -> dict[str, Any]:
        kind = "tensor" if isinstance(value, Tensor) else "array" if isinstance(value, np.ndarray) else "scalar"
        try:
            tensor = value.detach() if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        except (TypeError, ValueError) as error:
            raise NotPlainError(f"{path} is an array of {value.dtype}") from error
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device)
        # One tensor under several names, as SB3's shared encoder, is written once. Copies of arrays do not live on.
        shared = isinstance(value, Tensor) and tensor.numel() > 0
        if shared and place in self._places:
            return {TAG: kind, "name": self._places[place]}
        name = path if path not in self.tensors else f"{path}#{len(self.tensors)}"
        self.tensors[name] = tensor.cpu().contiguous()
        if shared:
            self._places[place] = name
        return {TAG: kind, "name": name}

    def _encode_container(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return self._encode_dict(value, path)
        if type(value) is list:
            return self._encode_items(value, path, range(len(value)))
        if isinstance(value, deque):
            return {TAG: "deque", "items": self.encode(list(value), path), "maxlen": value.maxlen}
        names = getattr(value, "_fields", range(len(value)))
        return {TAG: "tuple", "items": self._encode_items(value, path, names)}

    def _encode_items(self, values: Iterable[Any], path: str, names: Iterable[Any]) -> list[Any]:
        return [
            value if is_json(value) else self.encode(value, f"{path}.{name}")
            for name, value in zip(names, values, strict=True)
        ]

    def _encode_dict(self, value: dict[Any, Any], path: str) -> Any:
        if type(value) not in (dict, OrderedDict):
            raise NotPlainError(f"{path} is a {type(value).__name__}")
        if has_names(value):
            return dict(zip(value, self._encode_items(value.values(), path, value), strict=True))
        pairs = [[self.encode(key, path), self.encode(item, f"{path}.{key}")] for key, item in value.items()]
        return {TAG: "dict", "items": pairs}


def is_below(name: str, path: str) -> bool:
    """Whether a tensor's name is a path, or leads on from it."""
    return name == path or name.startswith((f"{path}.", f"{path}#"))


class Decoder:
    """Reads what `Encoder` wrote.

    Args:
        tensors: the tensors that stand beside the JSON.
        classes: the classes that a file may name.
    """

    def __init__(self, tensors: Mapping[str, Tensor], classes: Mapping[str, type] | None = None) -> None:
        self._tensors, self._classes = tensors, classes or {}

    def decode(self, value: Any) -> Any:
        """The value that was written.

        Raises:
            MissingObjectError: for a class that is not known here.
            PickleRefusedError: where SB3 would have put a pickle.
            DamagedFileError: for anything that `Encoder` does not write.
        """
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if ":serialized:" in value:
            raise PickleRefusedError("a value in the file is a pickle, which is never read")
        if TAG not in value:
            return {key: self.decode(item) for key, item in value.items()}
        with reading(f"a {value[TAG]!r} in the file"):
            return self._decode_tagged(value[TAG], value)

    def _decode_tagged(self, kind: str, value: dict[str, Any]) -> Any:
        if kind in ("tensor", "array", "scalar"):
            tensor = self._tensors[value["name"]]
            return tensor if kind == "tensor" else tensor.numpy() if kind == "array" else tensor.numpy()[()]
        if kind == "class":
            return self._decode_class(value["name"])
        if kind in BUILT:
            return self._build(kind, value)
        if kind == "dict":
            return {self.decode(key): self.decode(item) for key, item in value["items"]}
        if kind in ("tuple", "deque"):
            items = [self.decode(item) for item in value["items"]]
            return tuple(items) if kind == "tuple" else deque(items, maxlen=value["maxlen"])
        if kind in ("float", "path"):
            return float(value["value"]) if kind == "float" else Path(value["value"])
        raise DamagedFileError(f"the file holds something of unknown kind {kind!r}")

    def _decode_class(self, name: str) -> type:
        if name not in self._classes:
            raise MissingObjectError(f"the class {name!r} is not known here: register it before loading")
        return self._classes[name]

    def _build(self, kind: str, value: dict[str, Any]) -> Any:
        cls, fields = BUILT[kind]
        arguments = {field: self.decode(value[field]) for field in fields}
        if "dtype" in arguments:
            arguments["dtype"] = np.dtype(arguments["dtype"]).type
        if cls is spaces.Box:
            arguments["shape"] = arguments["low"].shape
        if cls is spaces.Dict:  # an unordered one would be sorted
            arguments["spaces"] = OrderedDict(arguments["spaces"])
        built: Any = cls(*arguments.values()) if cls in (FloatSchedule, ConstantSchedule) else cls(**arguments)
        if kind in SCHEDULES and not all(math.isfinite(built(left)) for left in (1.0, 0.0)):
            raise DamagedFileError(f"the file holds a {kind} of numbers that are not finite")
        return built


def like(template: Any, value: Any) -> Any:
    """`value` with the named tuples of `template`, which a file keeps as plain ones.

    Raises:
        ValueError: if the two are of different sizes.
    """
    if not hasattr(template, "_fields"):
        return value
    if not isinstance(value, list | tuple) or len(value) != len(template):
        raise ValueError(f"expected the {len(template)} fields of a {type(template).__name__}, got {value!r}")
    return type(template)(*map(like, template, value))
