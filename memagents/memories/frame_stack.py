"""Frame stacking, the baseline people try first.

Volodymyr Mnih, Koray Kavukcuoglu, David Silver et al.: Human-level control through deep reinforcement learning.
Nature 518, 2015, Methods ("Preprocessing").
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.attention import keep
from memagents.ops.episodes import episode_time
from memagents.ops.recurrence import check_positive


class FrameStackState(NamedTuple):
    """What frame stacking holds: the inputs before the present one, `[B, num_frames - 1, D]`, and for how many steps
    the episode has been running, `[B]`."""

    frames: Tensor
    time: Tensor


@register_memory("frame_stack")
class FrameStack(Memory[FrameStackState]):
    """Frame stacking: the last few inputs side by side, zeros before the episode began (Mnih et al. 2015).

    Nothing is learned. The features are `num_frames` inputs, the oldest first.

    Args:
        input_size: features of an input, D.
        num_frames: inputs that are seen at once, the present one included.

    Deviations from the paper: stacks features, not raw images; the start of an episode is filled with zeros, not with
    copies of its first frame.
    """

    kind: Tensor

    def __init__(self, input_size: int, num_frames: int = 4) -> None:
        check_positive(num_frames=num_frames)
        super().__init__(input_size, output_size=num_frames * input_size)
        self.num_frames = num_frames
        self.register_buffer("kind", torch.zeros(()), persistent=False)

    def initial_state(self, batch_size: int) -> FrameStackState:
        frames = self.kind.new_zeros(batch_size, self.num_frames - 1, self.input_size)
        return FrameStackState(frames, torch.zeros(batch_size, dtype=torch.int64, device=frames.device))

    def step(self, x: Float[Tensor, "B D"], state: FrameStackState) -> tuple[Float[Tensor, "B H"], FrameStackState]:
        frames = torch.cat([state.frames, x[:, None]], 1)
        return frames.flatten(1), FrameStackState(frames[:, 1:], state.time + 1)

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: FrameStackState
    ) -> tuple[Float[Tensor, "T B H"], FrameStackState]:
        length, window = len(inputs), self.num_frames - 1
        state = self.reset(state, episode_starts[0])
        time = episode_time(episode_starts, state.time)
        context = torch.cat([state.frames, inputs.transpose(0, 1)], 1)
        before = torch.arange(window, -1, -1, device=time.device)
        frames = context[:, torch.arange(length, device=time.device)[:, None] + window - before]
        of_this_episode = (before <= time[..., None])[..., None]
        outputs = torch.where(of_this_episode, frames, 0).flatten(2).transpose(0, 1)
        return outputs, FrameStackState(keep(context, time, window), time[:, -1] + 1)
