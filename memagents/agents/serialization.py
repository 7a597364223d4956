"""Model files that hold no code: everything is JSON and safetensors, and loading unpickles nothing.

A model's attributes stand in the section "model", as far as JSON and tensors can hold them; its parameters in "policy",
its optimizer's state in "optimizer". What they cannot hold, as a lambda or a class of the user's, is left out with a
warning, noted, and must be given to `load` as one of `custom_objects`.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeAlias

import torch
from stable_baselines3.common.save_util import load_from_zip_file, open_path
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor, NatureCNN
from stable_baselines3.common.utils import get_system_info
from torch import Tensor, nn

from memagents.agents.archives import Archive, read_archive, write_archive
from memagents.agents.encoding import Encoded, Encoder, NotPlainError
from memagents.encoders import encoder_class, list_encoders
from memagents.errors import MissingObjectError, NotAModelFileError, PickleRefusedError
from memagents.files import reading, write_file
from memagents.kinds import check_kinds

ModelFile: TypeAlias = str | Path | io.BufferedIOBase
Classes: TypeAlias = Mapping[str, type]

NO_ACTIVATIONS = ("MultiheadAttention", "GLU", "Softmax2d", "Threshold")
NO_OPTIMIZERS = ("Optimizer", "LBFGS", "SparseAdam")
"""What torch has beside activations and optimizers, and what SB3's networks and its `train()` can do nothing with."""

CLASSES: Classes = {
    **{f"torch.nn.{name}": getattr(nn, name) for name in nn.modules.activation.__all__ if name not in NO_ACTIVATIONS},
    **{
        f"torch.optim.{name}": cls
        for name, cls in vars(torch.optim).items()
        if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and name not in NO_OPTIMIZERS
    },
    **{f"sb3.{cls.__name__}": cls for cls in (RMSpropTFLike, FlattenExtractor, NatureCNN, CombinedExtractor)},
}
"""What `policy_kwargs` are commonly made of. A file can name these classes and the registered ones, and no others."""


def known_classes(more: Classes | None = None) -> dict[str, type]:
    """The classes that files can name: activations, optimizers, encoders by registered name, and `more`."""
    encoders = {f"encoder.{name}": encoder_class(name) for name in list_encoders()}
    return {**encoders, **CLASSES, **(more or {})}


@dataclass(frozen=True)
class SavedModel:
    """What a model file tells.

    Attributes:
        attributes: the model's attributes, with `custom_objects` in their place.
        parameters: state dicts by the name of what they belong to, as `get_parameters` gives them.
        archive: the file, verified.
    """

    attributes: dict[str, Any]
    parameters: dict[str, dict[str, Any]]
    archive: Archive


def model_sections(
    attributes: dict[str, Any], parameters: dict[str, dict[str, Any]], classes: Classes
) -> dict[str, Any]:
    """The sections of a model file. Attributes that no file can hold are left out, with a warning that names them."""
    encoder, kept, left_out, where = Encoder(classes), {}, {}, "model.attributes."
    for name, value in attributes.items():
        try:
            kept[name] = encoder.encode(value, where + name)
        except (NotPlainError, RecursionError) as reason:
            encoder.forget(where + name)
            left_out[name] = str(reason).removeprefix(where)
    if left_out:
        warnings.warn(
            f"left out of the model file, which holds no code: {'; '.join(left_out.values())}. Give what is missing to "
            f"load(..., custom_objects={{{', '.join(f'{name!r}: ...' for name in left_out)}}})",
            stacklevel=4,
        )
    model = Encoded({"attributes": kept, "left_out": left_out}, encoder.tensors)
    return {"model": model, **by_section(parameters)}


def by_section(parameters: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """State dicts by section: "policy.optimizer" is kept as "optimizer"."""
    return {name.rpartition(".")[2]: state for name, state in parameters.items()}


def pack(kind: str, sections: dict[str, Any], classes: Classes, **about: Any) -> bytes:
    """A file of ours, of a kind, with the versions that wrote it."""
    return write_archive({"kind": kind, **about, "versions": versions()}, sections, classes)


@cache
def versions() -> dict[str, str]:
    """Of what writes files here; they do not change while it does."""
    return {"memagents": version("memagents"), **get_system_info(print_info=False)[0]}


def store(path: ModelFile, contents: bytes, suffix: str = "") -> None:
    """Writes a file by SB3's rules: a path without a suffix gets one, missing folders are made, a stream stays open.

    Raises:
        CheckpointWriteError: if it cannot be written; what was at `path` before is still there.
    """
    if not isinstance(path, str | Path):
        open_path(path, "w").write(contents)
        return
    place = Path(path)
    if not place.suffix and suffix:
        place = place.with_name(f"{place.name}.{suffix}")
    if place.is_dir():
        warnings.warn(f"Path '{place}' is a folder. Will save instead to {place}_2", stacklevel=3)
        place = place.with_name(f"{place.name}_2")
    if not place.parent.exists():
        warnings.warn(f"Path '{place.parent}' does not exist. Will create it.", stacklevel=3)
        place.parent.mkdir(parents=True)
    write_file(place, contents)


def open_archive(path: ModelFile, suffix: str = "") -> Archive:
    """Reads and verifies a file of ours.

    Raises:
        CheckpointError: of the kind that says what is wrong with the file.
        FileNotFoundError: if there is none, with and without the suffix.
    """
    if not isinstance(path, str | Path):
        return read_archive(open_path(path, "r"), "the file")
    place = Path(path)
    if suffix and not place.exists():
        place = place.with_name(f"{place.name}.{suffix}")
    # Whoever reads from a pipe or a device may wait for ever.
    if place.exists() and not place.is_file():
        raise NotAModelFileError(f"{place} is no file, but a folder, a pipe or a device")
    with place.open("rb") as file:
        return read_archive(file, str(path))


def read_model(path: ModelFile, classes: Classes, custom_objects: dict[str, Any] | None = None) -> SavedModel:
    """Reads a model file.

    Args:
        path: as in `open_archive`.
        classes: see `known_classes`.
        custom_objects: values for attributes by name, instead of what the file says of them.

    Raises:
        MissingObjectError: if an attribute was left out and is not in `custom_objects`.
        CheckpointError: see `open_archive`.
        ValueError: if `custom_objects` is no dict.
    """
    if not isinstance(custom_objects, dict | None):
        raise ValueError(f"custom_objects must be a dict or None, got {custom_objects!r}")
    archive, given = open_archive(path, suffix="zip"), custom_objects or {}
    model, decoder = archive.encoded("model", classes)
    with reading(archive.name):
        saved, left_out = model["attributes"], model["left_out"]
        check_kinds(model, {"attributes": dict[str, Any], "left_out": dict[str, Any]})
        check_kinds(left_out, dict.fromkeys(left_out, str))
    if missing := [name for name in left_out if name not in given]:
        raise MissingObjectError(
            f"{archive.name} could not hold {', '.join(missing)} ({'; '.join(left_out[name] for name in missing)}): "
            f"give what is missing to load(..., custom_objects={{{', '.join(f'{name!r}: ...' for name in missing)}}})"
        )
    with reading(archive.name):
        attributes = {name: given[name] if name in given else decoder.decode(value) for name, value in saved.items()}
    attributes |= {name: given[name] for name in left_out}
    return SavedModel(attributes, read_parameters(archive), archive)


def read_parameters(archive: Archive) -> dict[str, dict[str, Any]]:
    """The state dicts of a model file, as `set_parameters` takes them."""
    return {"policy": archive.section("policy"), "policy.optimizer": archive.section("optimizer")}


def sb3_parameters(path: ModelFile) -> dict[str, Any]:
    """The state dicts of a file of SB3, as `set_parameters` takes them; none if it is no such file.

    SB3 reads them with torch's `weights_only`, and leaves the pickles alone.

    Raises:
        PickleRefusedError: if they hold more than tensors.
        DamagedFileError: if they cannot be read.
    """
    with reading("the file"):
        try:
            return load_from_zip_file(path, load_data=False)[1]
        except UnpicklingError as error:
            raise PickleRefusedError(
                f"the weights in the file hold more than tensors, which could be code: {error}"
            ) from error


def save_policy(path: ModelFile, arguments: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Writes a policy: the arguments of its constructor, and its parameters.

    Raises:
        MissingObjectError: for an argument that no file can hold; nothing is written then.
        CheckpointWriteError: see `store`.
    """
    # A policy alone is not trained, so it needs no learning rate.
    kept = {name: value for name, value in arguments.items() if name != "lr_schedule"}
    try:
        contents = pack("policy", {"arguments": kept, "policy": state}, known_classes())
    except NotPlainError as error:
        raise MissingObjectError(
            f"a policy file holds no code, and {error}; keep policy.state_dict(), or save the whole model, whose "
            "load() takes custom_objects"
        ) from error
    store(path, contents)


def load_policy(path: ModelFile) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    """What messages call the file, and what `save_policy` wrote; raises CheckpointError if it cannot be read."""
    archive = open_archive(path)
    return archive.name, archive.section("arguments", known_classes()), archive.section("policy")


def print_versions(archive: Archive) -> None:
    """Prints which versions wrote a file, as SB3 does."""
    print("== SAVED MODEL SYSTEM INFO ==")
    for name, value in archive.about.get("versions", {}).items():
        print(f"- {name}: {value}")
