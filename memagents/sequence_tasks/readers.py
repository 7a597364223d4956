"""A memory between an embedding and a read-out, and how well it reads.

Axes: T time, B batch, D input features, K numbers read out at a step.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memagents.memories import State, make_memory
from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Scores, Task
from memagents.sequence_tasks.scoring import Tally, count

CHUNK = 512
"""Steps that are evaluated in one call."""


class Reader(nn.Module):
    """A memory, read by a linear layer: all that a task is done with.

    The read-out starts at zero, so that a new reader guesses: nothing has to be unlearned first.

    Args:
        task: for its input and target sizes.
        memory: name of a registered memory.
        memory_options: options of it.
        embedding_size: if given, inputs pass through a linear layer with that many outputs before the memory.

    Raises:
        ValueError: for an unknown memory or option, or a size below 1.
    """

    def __init__(
        self, task: Task, memory: str, memory_options: dict[str, Any], embedding_size: int | None = None
    ) -> None:
        super().__init__()
        self.embedding: nn.Module = nn.Identity()
        if embedding_size is not None:
            check_positive(embedding_size=embedding_size)
            self.embedding = nn.Linear(task.input_size, embedding_size)
        self.memory = make_memory(memory, input_size=embedding_size or task.input_size, **memory_options)
        self.readout = nn.Linear(self.memory.output_size, task.target_size)
        nn.init.zeros_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)

    @property
    def device(self) -> torch.device:
        """Where it computes; it can be moved."""
        return self.readout.weight.device

    def initial_state(self, batch_size: int) -> State:
        """The memory's state at the start of a sequence."""
        state: State = self.memory.initial_state(batch_size)
        return state

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: State
    ) -> tuple[Float[Tensor, "T B K"], State]:
        """What is read out at every step, and the state after the last."""
        features, state = self.memory(self.embedding(inputs), episode_starts, state)
        return self.readout(features), state


@torch.no_grad()
def evaluate(
    reader: Reader, task: Task, sequences: int, generator: torch.Generator, batch_size: int = 64, chunk: int = CHUNK
) -> Scores:
    """Scores on newly drawn sequences; long ones are read `chunk` steps at a time, the state carried over.

    Raises:
        ValueError: if a number is below 1.
    """
    check_positive(sequences=sequences, batch_size=batch_size, chunk=chunk)
    total = Tally(0.0, 0.0, 0, 0)
    for first in range(0, sequences, batch_size):
        batch = task.draw(min(batch_size, sequences - first), generator).to(reader.device)
        state, outputs = reader.initial_state(batch.mask.shape[1]), []
        for start in range(0, len(batch.inputs), chunk):
            part = slice(start, start + chunk)
            output, state = reader(batch.inputs[part], batch.episode_starts[part], state)
            outputs.append(output)
        total = total.plus(count(task.loss, torch.cat(outputs), batch))
    return total.scores(task.loss)
