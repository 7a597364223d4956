"""Graph traversal: follow a path through a graph that was described edge by edge.

Alex Graves et al.: Hybrid computing using a neural network with dynamic external memory. Nature 538, 2016, section
"Graph experiments" and Methods.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task, check_range
from memagents.sequence_tasks.drawing import permutations
from memagents.sequence_tasks.registry import register_task


@register_task("graph_traversal")
@dataclass(frozen=True)
class GraphTraversal(Task):
    """Graph traversal: a random graph is described edge by edge, then a path is asked for by the labels of its edges.

    Three phases. Description: every edge once, in random order, as a triple (source, label, destination). Query: the
    node where the path starts with the label of its first edge, then the label of each further edge, with the query
    flag. Answer: as many steps with nothing but the answer flag, at which the destinations along the path are wanted.

    Chance: one node in `num_nodes`, as their numbers are drawn at random.

    Args:
        num_nodes: nodes of the graph.
        num_edges: edges that leave each node, to that many different other nodes, with different labels.
        num_labels: labels of edges there are.
        min_path, max_path: edges of a path; all lengths are equally likely.

    Deviations from the paper: a node or edge label is one symbol, not three digits; edges lead to random nodes, not to
    near ones; the answer is the destination of each triple, whose source and label are known already.
    """

    loss = "cross-entropy"
    paper = "Graves et al. 2016, section 'Graph experiments'"

    num_nodes: int = 6
    num_edges: int = 2
    num_labels: int = 4
    min_path: int = 1
    max_path: int = 4

    def __post_init__(self) -> None:
        check_positive(num_edges=self.num_edges, min_path=self.min_path)
        check_range(self.min_path, self.max_path, "path")
        if self.num_edges > min(self.num_labels, self.num_nodes - 1):
            raise ValueError(
                f"num_edges must not be above num_labels and num_nodes - 1, for they lead to different nodes under "
                f"different labels; got num_edges {self.num_edges}, num_labels {self.num_labels}, "
                f"num_nodes {self.num_nodes}"
            )

    @property
    def input_size(self) -> int:
        return 2 * self.num_nodes + self.num_labels + 2

    @property
    def target_size(self) -> int:
        return self.num_nodes

    @property
    def chance(self) -> Scores:
        return Scores(math.log(self.num_nodes), 1 - 1 / self.num_nodes)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        nodes, edges, rows = self.num_nodes, self.num_edges, torch.arange(batch_size)
        shape = (batch_size, nodes, edges)
        # The k-th of the other nodes, counted on from the node itself.
        others = permutations(batch_size * nodes, nodes - 1, generator)[:, :edges].reshape(shape)
        destination = (torch.arange(nodes)[:, None] + 1 + others) % nodes
        label = permutations(batch_size * nodes, self.num_labels, generator)[:, :edges].reshape(shape)

        order = permutations(batch_size, nodes * edges, generator).T
        source = order // edges
        described = self._triples(source, label.flatten(1)[rows, order], destination.flatten(1)[rows, order])

        node = start = torch.randint(0, nodes, (batch_size,), generator=generator)
        labels, path = [], []
        for _ in range(self.max_path):
            edge = torch.randint(0, edges, (batch_size,), generator=generator)
            labels.append(label[rows, node, edge])
            node = destination[rows, node, edge]
            path.append(node)
        lengths = torch.randint(self.min_path, self.max_path + 1, (batch_size,), generator=generator)
        asked, wanted, mask = self._questions(start, torch.stack(labels), torch.stack(path), lengths)
        targets, counts = (
            torch.cat([torch.zeros_like(part[:1]).expand(len(order), -1), part]) for part in (wanted, mask)
        )
        return Batch.of_whole_sequences(torch.cat([described, asked]), targets, counts)

    def _triples(self, source: torch.Tensor, label: torch.Tensor, destination: torch.Tensor) -> torch.Tensor:
        """Edges as inputs, without a flag."""
        parts = [F.one_hot(source, self.num_nodes), F.one_hot(label, self.num_labels)]
        return torch.cat([*parts, F.one_hot(destination, self.num_nodes), torch.zeros(*source.shape, 2)], -1)

    def _questions(
        self, start: torch.Tensor, labels: torch.Tensor, path: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Query and answer phase of paths whose first `lengths` edges count: inputs, targets, mask."""
        time = torch.arange(2 * int(lengths.max()))[:, None]
        query, answer = time < lengths, (time >= lengths) & (time < 2 * lengths)
        which = torch.where(answer, time - lengths, time).clamp(max=len(labels) - 1)
        first = F.one_hot(start, self.num_nodes) * (time == 0)[..., None]
        label = F.one_hot(labels.gather(0, which), self.num_labels) * query[..., None]
        flags = torch.stack([query, answer], -1)
        inputs = torch.cat([first, label, torch.zeros(*which.shape, self.num_nodes), flags], -1)
        return inputs, path.gather(0, which) * answer, answer
