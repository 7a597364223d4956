"""Encoders by name: `--encoder rbf` means the class registered here as "rbf"."""

from collections.abc import Mapping
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecTransposeImage

from memagents.registry import Registry

_ENCODERS: Registry[BaseFeaturesExtractor] = Registry("encoder", "observation_space")

register_encoder = _ENCODERS.register
list_encoders = _ENCODERS.names
encoder_class = _ENCODERS.find
encoder_options = _ENCODERS.options
check_encoder_options = _ENCODERS.check


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
