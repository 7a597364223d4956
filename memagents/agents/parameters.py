"""Parameters that come from a file: do they belong to this network and its optimizer, and can be learned from?"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.optim import Optimizer

from memagents.errors import DamagedFileError, OtherArchitectureError
from memagents.files import reading
from memagents.kinds import check_kinds

SETTING: Any = float | str | bool | tuple[float | None, ...] | list[int] | None
"""What a setting of an optimizer can be."""

Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def no_larger_than(name: str, saved: Mapping[str, Tensor]) -> Iterator[None]:
    """Networks that are built inside have about as many parameters as the file `name` holds: as sizes are numbers in a
    file, they would take any amount of memory otherwise.

    Raises:
        OtherArchitectureError: as soon as there are more, before they are drawn.
    """
    held = sum(tensor.numel() for tensor in saved.values())
    # A policy may make heads of which it keeps half.
    left = 2 * held

    def count(module: nn.Module, parameter_name: str, parameter: Any) -> None:
        nonlocal left
        left -= 0 if parameter is None else parameter.numel()
        if left < 0:
            raise OtherArchitectureError(f"{name} describes a network much larger than the {held:,} numbers it holds")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def with_parameters(name: str, saved: Mapping[str, Tensor], make: Callable[[], Network]) -> Network:
    """The network that `make` makes of what the file `name` says, with the parameters that stand in it.

    Raises:
        CheckpointError: if there can be no such network, or these are not its parameters.
    """
    with reading(name), no_larger_than(name, saved):
        network = make()
        network.load_state_dict(complete(name, saved, network.state_dict()))
    return network


def complete(name: str, saved: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict in the file `name`, if it has the names, shapes and kinds of numbers that are expected.

    A name may be missing that is another one for the same tensor, as it is in files of old policies; with a warning.

    Raises:
        OtherArchitectureError: if anything else differs.
        DamagedFileError: if a number is not finite.
    """
    places = {tensor.data_ptr(): key for key, tensor in expected.items() if key in saved and tensor.numel()}
    missing = [key for key in expected if key not in saved]
    aliases = {key: saved[places[place]] for key in missing if (place := expected[key].data_ptr()) in places}
    if aliases:
        warnings.warn(f"{name} lacks {shortened(sorted(aliases))}, which have other names in it too", stacklevel=4)
    found = {**saved, **aliases}
    sizes = {key: (described(found[key]), described(expected[key])) for key in expected if key in found}
    differences = {
        "it has not": sorted(expected.keys() - found.keys()),
        "only it has": sorted(found.keys() - expected.keys()),
        "of other shape": [f"{key} {has}, not {wanted}" for key, (has, wanted) in sizes.items() if has != wanted],
    }
    if texts := [f"{what}: {shortened(names)}" for what, names in differences.items() if names]:
        raise OtherArchitectureError(f"{name} holds the parameters of another network; {'; '.join(texts)}")
    check_finite(name, found)
    return found


def described(tensor: Tensor) -> str:
    """A tensor's shape, and what kind of numbers it holds if those are not real."""
    kind = "" if tensor.is_floating_point() else f" of {tensor.dtype}"
    return f"{list(tensor.shape)}{kind}"


def check_finite(name: str, tensors: Mapping[Any, Tensor]) -> None:
    """Raises DamagedFileError if one of the tensors in the file `name` holds NaN or infinity."""
    if wrong := [key for key, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise DamagedFileError(f"{name} holds NaN or infinity, which nothing can be learned from: {shortened(wrong)}")


def fitting(name: str, saved: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """The state of an optimizer in the file `name`, if `optimizer` can go on from it.

    What an optimizer keeps for a parameter, and whether it can do with the settings in the file, is found out by
    letting one of its kind take a step over zeros.

    Raises:
        OtherArchitectureError: if it belongs to other parameters or to another optimizer.
        DamagedFileError: if a number is not finite.
    """
    ours, theirs = optimizer.state_dict()["param_groups"], saved["param_groups"]
    if [group["params"] for group in ours] != [group["params"] for group in theirs]:
        raise OtherArchitectureError(f"{name} holds the state of an optimizer of other parameters")
    for group in theirs:
        check_kinds(group, dict.fromkeys(group, SETTING))
    # Settings that came with a later version than the file's have their defaults.
    groups = [{**group, **other} for group, other in zip(ours, theirs, strict=True)]
    kept = kept_after_a_step(optimizer, groups)
    for index, state in saved["state"].items():
        tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
        if (has := all_described(tensors)) != kept[index]:
            raise OtherArchitectureError(f"{name} keeps {has} for parameter {index}, and the optimizer {kept[index]}")
        check_finite(name, tensors)
    return {"state": saved["state"], "param_groups": groups}


def kept_after_a_step(optimizer: Optimizer, groups: list[dict[str, Any]]) -> dict[int, dict[str, str]]:
    """The tensors that an optimizer with the settings of `groups` keeps for each of its parameters, described."""
    copies = []
    for group, settings in zip(optimizer.param_groups, groups, strict=True):
        zeros = [nn.Parameter(torch.zeros_like(parameter)) for parameter in group["params"]]
        for parameter in zeros:
            parameter.grad = torch.zeros_like(parameter)
        copies.append({**settings, "params": zeros})
    trial = type(optimizer)(copies)  # type: ignore[call-arg]  # every optimizer has defaults for the rest
    trial.step()
    for group in copies:
        check_finite("what the optimizer makes of zeros", dict(enumerate(group["params"])))
    return {index: all_described(state) for index, state in trial.state_dict()["state"].items()}


def all_described(state: Mapping[str, Any]) -> dict[str, str]:
    """The tensors of what is kept for a parameter."""
    return {key: described(value) for key, value in state.items() if isinstance(value, Tensor)}


def shortened(names: list[Any], count: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(map(str, names[:count])) + more
