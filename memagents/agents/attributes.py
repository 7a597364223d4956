"""What a model file may say of a model besides its parameters: values of the kinds that making and training give it."""

from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from memagents.agents.arguments import check_options
from memagents.kinds import check_kinds

LARGEST = 2**63 - 1
"""Of the counts that training makes."""

COUNTERS = ("num_timesteps", "_total_timesteps", "_num_timesteps_at_start", "_episode_num", "_n_updates")

KINDS: dict[str, Any] = {
    **dict.fromkeys(COUNTERS, int),
    "policy_class": type,
    "observation_space": spaces.Space,
    "action_space": spaces.Space,
    "n_envs": int,
    "start_time": float,
    "action_noise": None,
    "_current_progress_remaining": float,
    "_stats_window_size": int,
    "_derived_batch_size": int | None,
    "_optimizer_kwargs": dict[str, Any],
    "_last_obs": np.ndarray | dict[str, Any] | None,
    "_last_original_obs": np.ndarray | dict[str, Any] | None,
    "_last_episode_starts": np.ndarray | None,
    "_last_state": tuple | None,
    "ep_info_buffer": deque | None,
    "ep_success_buffer": deque | None,
}
"""Of the attributes that are no arguments of the algorithm."""

EPISODE: dict[str, Any] = {"r": float, "l": int, "t": float}
"""What an episode is noted by."""


def check_attributes(cls: type, attributes: Mapping[str, Any], never: Collection[str]) -> None:
    """Raises ValueError for attributes that no model of `cls` has, or not in this way.

    What they must be to fit each other and the network is seen when the model is made of them.

    Args:
        cls: the algorithm.
        attributes: by name, as a file gives them. Names that are not known here are the user's own.
        never: names of what no file holds.
    """
    for name in attributes:
        if name in never or callable(getattr(cls, name, None)):
            raise ValueError(f"{name!r} is nothing that a file can say of a model")
    check_options(cls, attributes)
    check_kinds(attributes, KINDS)
    for name in COUNTERS:
        if not 0 <= attributes.get(name, 0) <= LARGEST:
            raise ValueError(f"{name} must be from 0 to {LARGEST}, got {attributes[name]}")
    for episode in attributes.get("ep_info_buffer") or ():
        check_kinds({name: episode.get(name) for name in EPISODE}, EPISODE, where="ep_info_buffer: ")
    for success in attributes.get("ep_success_buffer") or ():
        check_kinds({"success": success}, {"success": bool | int | float}, where="ep_success_buffer: ")


def check_array(name: str, values: Any, shape: tuple[int, ...], dtype: Any = None) -> None:
    """Raises ValueError if an array or tensor has another shape or type, or numbers that are not finite."""
    if not isinstance(values, np.ndarray | Tensor) or tuple(values.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {getattr(values, 'shape', values)}")
    if dtype is not None and values.dtype != dtype:
        raise ValueError(f"{name} must be of type {dtype}, got {values.dtype}")
    if not torch.isfinite(torch.as_tensor(values)).all():
        raise ValueError(f"{name} holds NaN or infinity")
