"""One-shot classification: five new classes, and what each is called is said only after the guess.

Adam Santoro, Sergey Bartunov, Matthew Botvinick, Daan Wierstra, Timothy Lillicrap: One-shot Learning with
Memory-Augmented Neural Networks. 2016, arXiv:1605.06065, section 4. Their Omniglot characters are replaced by random
prototypes with noise, which need no download.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.drawing import permutations
from memagents.sequence_tasks.registry import register_task


@register_task("one_shot_classification")
@dataclass(frozen=True)
class OneShotClassification(Task):
    """One-shot classification: samples of new classes in random order, to be named by what was said of earlier ones.

    An episode has `num_classes` classes with `samples_per_class` samples each, shuffled. A class is a prototype from
    the standard normal distribution in R^num_features; a sample is its prototype plus `noise` times another such
    vector. An input is a sample and the label of the one before (one-hot; nothing at first). Its own label is wanted.
    As classes are new in every episode, so are their labels.

    Chance, with n classes of m samples: the sample before is of the same class with probability (m-1) / (nm-1), and of
    each other class with m / (nm-1). Guessing those is right once in n from the second sight of a class on, for the
    gaps between its samples are as long as that before the first; and at first sight 1/n² more often, for then the
    sample before is never of the same class. The loss follows from the same probabilities.

    Args:
        num_classes: classes of an episode, n.
        samples_per_class: how often each is seen, m.
        num_features: features of a sample.
        noise: standard deviation of a sample around its prototype. The default is such that, of one sample of each of
            five classes, the nearest one is of the right class in 95 % of cases (`one_shot_oracle`).
        sight: if given, only the answers at this sight of a class count, from 1.
    """

    loss = "cross-entropy"
    paper = "Santoro et al. 2016, section 4"

    num_classes: int = 5
    samples_per_class: int = 10
    num_features: int = 32
    noise: float = 0.96
    sight: int | None = None

    def __post_init__(self) -> None:
        check_positive(samples_per_class=self.samples_per_class, num_features=self.num_features)
        if self.num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {self.num_classes}")
        if self.sight is not None and not 1 <= self.sight <= self.samples_per_class:
            raise ValueError(f"sight must be from 1 to samples_per_class, {self.samples_per_class}; got {self.sight}")

    @property
    def input_size(self) -> int:
        return self.num_features + self.num_classes

    @property
    def target_size(self) -> int:
        return self.num_classes

    @property
    def chance(self) -> Scores:
        n, m = self.num_classes, self.samples_per_class
        same, other = (m - 1) / (n * m - 1), m / (n * m - 1)
        first = Scores(math.log(n) / n - (1 - 1 / n) * math.log(other), 1 - 1 / n - 1 / n**2)
        if self.sight == 1 or m == 1:
            return first
        later = Scores(-math.log(same) / n - (1 - 1 / n) * math.log(other), 1 - 1 / n)
        share = 0.0 if self.sight else 1 / m
        return Scores(*(share * a + (1 - share) * b for a, b in zip(first, later, strict=True)))

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        num_steps = self.num_classes * self.samples_per_class
        labels = permutations(batch_size, num_steps, generator).T % self.num_classes
        prototypes = torch.randn(self.num_classes, batch_size, self.num_features, generator=generator)
        noise = torch.randn(num_steps, batch_size, self.num_features, generator=generator)
        samples = prototypes[labels, torch.arange(batch_size)] + self.noise * noise
        named = F.one_hot(labels, self.num_classes)
        before = torch.cat([torch.zeros_like(named[:1]), named[:-1]])
        sight = named.cumsum(0).gather(-1, labels[..., None])[..., 0]
        mask = sight == self.sight if self.sight else torch.ones_like(labels, dtype=torch.bool)
        return Batch.of_whole_sequences(torch.cat([samples, before], -1), labels, mask)


def one_shot_oracle(
    samples: Float[Tensor, "T B F"], labels: Int[Tensor, "T B"], num_classes: int
) -> Int[Tensor, "T B"]:
    """The class whose first sample before this step is nearest; 0 where there is none yet.

    It remembers one sample of each class and does nothing else: what one shot is worth.
    """
    first = F.one_hot(labels, num_classes).argmax(0)  # [B, N]: the step at which a class is first seen
    remembered = samples.gather(0, first.T[..., None].expand(-1, -1, samples.shape[-1]))
    distances = torch.cdist(samples.transpose(0, 1), remembered.transpose(0, 1))  # [B, T, N]
    seen = first[:, None] < torch.arange(len(samples))[:, None]
    return torch.where(seen, distances, torch.inf).argmin(-1).T
