"""What outputs cost: differentiable for training, and summed up over batches for evaluation.

Axes: T time, B batch, K numbers read out at a step.
"""

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from memagents.sequence_tasks.base import Batch, Loss, Scores

NEAR = 0.04
"""A value that is no further off is right (Hochreiter and Schmidhuber 1997, section 5.4)."""


class Tally(NamedTuple):
    """Sums over answers, which can be added up.

    Attributes:
        cost: nats, or squared error.
        wrong: wrong bits, classes or values.
        answers: bits, classes or values that were asked for.
        sequences: of which they are.
    """

    cost: float
    wrong: float
    answers: int
    sequences: int

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.cost + other.cost,
            self.wrong + other.wrong,
            self.answers + other.answers,
            self.sequences + other.sequences,
        )

    def scores(self, loss: Loss) -> Scores:
        """Bits a sequence, nats an answer or squared error an answer; and the share that is wrong."""
        cost = self.cost / math.log(2) / self.sequences if loss == "bits" else self.cost / self.answers
        return Scores(cost, self.wrong / self.answers)


def training_loss(loss: Loss, outputs: Float[Tensor, "T B K"], batch: Batch) -> Float[Tensor, ""]:
    """The mean cost of an answer, in nats or as a squared error."""
    return costs(loss, outputs[batch.mask], batch.targets[batch.mask]).mean()


def count(loss: Loss, outputs: Float[Tensor, "T B K"], batch: Batch) -> Tally:
    """What the outputs for a batch cost, and how many are wrong."""
    answers, targets = outputs[batch.mask], batch.targets[batch.mask]
    cost = costs(loss, answers, targets)
    if loss == "bits":
        wrong = (answers > 0) != (targets > 0.5)
    elif loss == "cross-entropy":
        wrong = answers.argmax(-1) != targets
    else:
        wrong = (answers - targets).abs() > NEAR
    return Tally(float(cost.sum()), float(wrong.sum()), cost.numel(), batch.mask.shape[1])


def costs(loss: Loss, answers: Float[Tensor, "A K"], targets: Tensor) -> Float[Tensor, "..."]:
    """The cost of each of A answers: of every bit `[A, K]`, class `[A]` or value `[A, K]`."""
    if loss == "bits":
        return F.binary_cross_entropy_with_logits(answers, targets, reduction="none")
    if loss == "cross-entropy":
        return F.cross_entropy(answers, targets, reduction="none")
    return (answers - targets).square()
