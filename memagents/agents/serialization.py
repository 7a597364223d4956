"""Model files that hold no code: everything is JSON and safetensors, and loading unpickles nothing.

A model's attributes stand in the section "model", as far as JSON and tensors can hold them; its parameters in "policy",
its optimizer's state in "optimizer". What they cannot hold, as a lambda or a class of the user's, is left out with a
warning, noted, and must be given to `load` as one of `custom_objects`.
"""

import io
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import torch
from stable_baselines3.common.save_util import open_path
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor, NatureCNN
from stable_baselines3.common.utils import get_system_info
from torch import Tensor, nn

from memagents.agents.archives import Archive, read_archive, write_archive
from memagents.agents.encoding import Encoder, NotPlainError
from memagents.encoders import encoder_class, list_encoders
from memagents.errors import MissingObjectError, OtherArchitectureError
from memagents.files import write_file

ModelFile: TypeAlias = str | Path | io.BufferedIOBase
Classes: TypeAlias = Mapping[str, type]

CLASSES: Classes = {
    **{f"torch.nn.{name}": getattr(nn, name) for name in nn.modules.activation.__all__},
    **{
        f"torch.optim.{name}": cls
        for name, cls in vars(torch.optim).items()
        if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)
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
    kept, left_out = {}, {}
    for name, value in attributes.items():
        try:
            Encoder(classes).encode(value, name)
            kept[name] = value
        except NotPlainError as reason:
            left_out[name] = str(reason)
    if left_out:
        warnings.warn(
            f"left out of the model file, which holds no code: {'; '.join(left_out.values())}. Give what is missing to "
            f"load(..., custom_objects={{{', '.join(f'{name!r}: ...' for name in left_out)}}})",
            stacklevel=4,
        )
    return {"model": {"attributes": kept, "left_out": left_out}, **by_section(parameters)}


def by_section(parameters: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """State dicts by section: "policy.optimizer" is kept as "optimizer"."""
    return {name.rpartition(".")[2]: state for name, state in parameters.items()}


def pack(kind: str, sections: dict[str, Any], classes: Classes, **about: Any) -> bytes:
    """A file of ours, of a kind, with the versions that wrote it."""
    versions = {"memagents": version("memagents"), **get_system_info(print_info=False)[0]}
    return write_archive({"kind": kind, **about, "versions": versions}, sections, classes)


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


def open_archive(path: ModelFile, suffix: str | None = None) -> Archive:
    """Reads and verifies a file of ours.

    Raises:
        CheckpointError: of the kind that says what is wrong with the file.
        FileNotFoundError: if there is none, with and without the suffix.
    """
    file = open_path(path, "r", suffix=suffix)
    with file if isinstance(path, str | Path) else nullcontext():
        return read_archive(file, str(path) if isinstance(path, str | Path) else "the file")


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
    saved, left_out = model["attributes"], model["left_out"]
    if missing := [name for name in left_out if name not in given]:
        raise MissingObjectError(
            f"{archive.name} could not hold {', '.join(missing)} ({'; '.join(left_out[name] for name in missing)}): "
            f"give what is missing to load(..., custom_objects={{{', '.join(f'{name!r}: ...' for name in missing)}}})"
        )
    attributes = {name: given[name] if name in given else decoder.decode(value) for name, value in saved.items()}
    attributes |= {name: given[name] for name in left_out}
    return SavedModel(attributes, read_parameters(archive), archive)


def read_parameters(archive: Archive) -> dict[str, dict[str, Any]]:
    """The state dicts of a model file, as `set_parameters` takes them."""
    return {"policy": archive.section("policy"), "policy.optimizer": archive.section("optimizer")}


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


def load_policy(path: ModelFile) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `save_policy` wrote; raises CheckpointError if it cannot be read."""
    archive = open_archive(path)
    return archive.section("arguments", known_classes()), archive.section("policy")


def complete(name: str, saved: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict in the file `name`, if it has the names and shapes that are expected.

    A name may be missing that is another one for the same tensor, as it is in files of old policies; with a warning.

    Raises:
        OtherArchitectureError: if anything else differs.
    """
    places = {tensor.data_ptr(): key for key, tensor in expected.items() if key in saved and tensor.numel()}
    missing = [key for key in expected if key not in saved]
    aliases = {key: saved[places[place]] for key in missing if (place := expected[key].data_ptr()) in places}
    if aliases:
        warnings.warn(f"{name} lacks {shortened(sorted(aliases))}, which have other names in it too", stacklevel=4)
    found = {**saved, **aliases}
    sizes = {key: (list(found[key].shape), list(expected[key].shape)) for key in expected if key in found}
    differences = {
        "it has not": sorted(expected.keys() - found.keys()),
        "only it has": sorted(found.keys() - expected.keys()),
        "of other shape": [f"{key} {has}, not {wanted}" for key, (has, wanted) in sizes.items() if has != wanted],
    }
    if texts := [f"{what}: {shortened(names)}" for what, names in differences.items() if names]:
        raise OtherArchitectureError(f"{name} holds the parameters of another network; {'; '.join(texts)}")
    return found


def shortened(names: list[str], count: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def print_versions(archive: Archive) -> None:
    """Prints which versions wrote a file, as SB3 does."""
    print("== SAVED MODEL SYSTEM INFO ==")
    for name, value in archive.about.get("versions", {}).items():
        print(f"- {name}: {value}")
