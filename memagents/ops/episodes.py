"""Where episodes start, and where in its episode a step of a sequence is."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def select_rows(where: Bool[Tensor, " B"], chosen: Tensor, otherwise: Tensor) -> Tensor:
    """Rows of `chosen` where `where` holds, rows of `otherwise` elsewhere."""
    return torch.where(where.view(-1, *[1] * (otherwise.dim() - 1)), chosen, otherwise)


def episode_time(episode_starts: Bool[Tensor, "T B"], time: Int[Tensor, " B"]) -> Int[Tensor, "B T"]:
    """Steps since the start of the episode, where `time` steps of it lie before the sequence."""
    step = torch.arange(len(episode_starts), device=time.device)
    start = torch.where(episode_starts.T, step, -1).cummax(1).values
    return torch.where(start < 0, time[:, None] + step, step - start)
