"""Encoders by name: `--encoder rbf` means the class registered here as "rbf"."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecTransposeImage

AnyEncoder = TypeVar("AnyEncoder", bound=type[BaseFeaturesExtractor])

_ENCODERS: dict[str, type[BaseFeaturesExtractor]] = {}


def register_encoder(name: str) -> Callable[[AnyEncoder], AnyEncoder]:
    """Class decorator that makes an encoder available under `name`.

    Raises:
        ValueError: if another class already has that name.
    """

    def register(encoder: AnyEncoder) -> AnyEncoder:
        known = _ENCODERS.get(name)
        if known is not None and known.__qualname__ != encoder.__qualname__:
            raise ValueError(f"the encoder name {name!r} is taken by {known.__qualname__}; choose another name")
        _ENCODERS[name] = encoder
        return encoder

    return register


def list_encoders() -> list[str]:
    """The registered names, in alphabetical order."""
    return sorted(_ENCODERS)


def encoder_class(name: str) -> type[BaseFeaturesExtractor]:
    """The class registered under `name`.

    Raises:
        ValueError: if there is none; the message suggests the nearest name.
    """
    if name in _ENCODERS:
        return _ENCODERS[name]
    near = difflib.get_close_matches(name, _ENCODERS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown encoder {name!r}: {hint}registered are {', '.join(list_encoders())}")


def encoder_options(name: str) -> dict[str, inspect.Parameter]:
    """What can be set when the encoder `name` is built: its constructor's parameters, less the observation space."""
    parameters = inspect.signature(encoder_class(name)).parameters
    return {option: parameter for option, parameter in parameters.items() if option != "observation_space"}


def check_encoder_options(name: str, options: Mapping[str, Any]) -> None:
    """Raises ValueError if the encoder `name` is unknown or has no such option; the message lists the valid ones."""
    valid = encoder_options(name)
    for option in options:
        if option not in valid:
            known = ", ".join(valid) or "none at all"
            raise ValueError(f"encoder {name!r} has no option {option!r}; its options are: {known}")


def check_encoder_observations(name: str, options: Mapping[str, Any], observations: spaces.Space[Any]) -> None:
    """Raises ValueError if the encoder `name` cannot read such observations, by building one for them."""
    if isinstance(observations, spaces.Dict):
        raise ValueError(
            f"encoder {name!r} reads one observation, got a dict of {', '.join(observations)}; leave the encoder out, "
            "and MultiInputPolicy combines them"
        )
    try:
        encoder_class(name)(as_read(observations), **options)
    # SB3's encoders assert, and torch finds that an image is too small.
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0] or repr(error)
        message = f"encoder {name!r} cannot be built for observations of shape {observations.shape}: {reason}"
        raise ValueError(message) from error


def as_read(observations: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space of what an encoder gets to read: the algorithms put the channels of images first."""
    if not (isinstance(observations, spaces.Box) and is_image_space(observations)):
        return observations
    return (
        observations if is_image_space_channels_first(observations) else VecTransposeImage.transpose_space(observations)
    )
