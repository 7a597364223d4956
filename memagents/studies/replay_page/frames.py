"""How an episode looked: images and texts, each once, small enough for a page."""

import base64
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from memagents.runs.replay import Episode

WIDEST = 360
"""Pixels of an image, across or down; larger ones are made smaller."""

ROOM = 1_500_000
"""Bytes that the images of all episodes may take."""


def looks(episode: Episode) -> list[np.ndarray | str]:
    """A picture for each step: what the environment drew, or else what the agent saw, if that is an image."""
    if episode.frames is not None:
        return episode.frames
    seen = episode.observations
    if not isinstance(seen, np.ndarray) or seen.dtype != np.uint8 or seen.ndim != 4:
        return []
    if seen.shape[-1] not in (1, 3) and seen.shape[1] in (1, 3):
        seen = np.moveaxis(seen, 1, -1)
    return list(seen) if seen.shape[-1] in (1, 3) else []


def scenes(episode: Episode, room: int) -> dict[str, Any]:
    """The pictures of an episode, each once, and which of them belongs to which step.

    Where they take more than `room` bytes, only every other step keeps its own, or every fourth, and so on.
    """
    frames = looks(episode)
    for stride in (2**i for i in range(len(frames).bit_length() + 1)):
        kept = [encoded(frames[t - t % stride]) for t in range(len(frames))]
        unique = list(dict.fromkeys(kept))
        if sum(map(len, unique)) <= room:
            kind = "text" if frames and isinstance(frames[0], str) else "image"
            return {"kind": kind, "each": unique, "at": [unique.index(frame) for frame in kept], "stride": stride}
    return {"kind": "image", "each": [], "at": [], "stride": 1}


def encoded(frame: np.ndarray | str) -> str:
    """An image as the address of its own data; a text as it is."""
    if isinstance(frame, str):
        return frame
    image = Image.fromarray(frame[..., 0] if frame.ndim == 3 and frame.shape[-1] == 1 else frame)
    largest = max(image.size)
    if largest < WIDEST // 2:  # enlarged here, or a browser would blur it
        times = WIDEST // largest
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    image.thumbnail((WIDEST, WIDEST))
    colours = image.convert("RGB").getcolors(256)
    data = BytesIO()
    if colours is not None:
        image.convert("RGB").quantize(256).save(data, "PNG", optimize=True)
    else:
        image.convert("RGB").save(data, "JPEG", quality=80)
    kind = "png" if colours is not None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
