"""Gated Transformer-XL.

Emilio Parisotto, H. Francis Song, Jack W. Rae, Razvan Pascanu, Caglar Gulcehre, Siddhant M. Jayakumar, Max Jaderberg,
Raphaël Lopez Kaufman, Aidan Clark, Seb Noury, Matthew M. Botvinick, Nicolas Heess, Raia Hadsell: Stabilizing
Transformers for Reinforcement Learning. ICML 2020, arXiv:1910.06764, section 3.
"""

from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memagents.kernels.layers import Layer
from memagents.kernels.transformer import Gate as GateMatrices
from memagents.memories.registry import register_memory
from memagents.memories.transformer import FeedForward
from memagents.memories.transformer_xl import RelativeAttention, TransformerXL, relative_parts_of
from memagents.ops.initialisation import linear


@register_memory("gtrxl")
class GTrXL(TransformerXL):
    """Gated Transformer-XL: gates instead of residual sums, for learning from reward (Parisotto et al. 2020).

        x = g_1(x, relu(RelativeAttention(LayerNorm(X))))       section 3.1 (X: the window), figure 1
        x = g_2(x, relu(W_2 relu(W_1 LayerNorm(x) + b_1) + b_2))

        g(x, y): r = σ(W_r y + U_r x)                           section 3.2, "gated-recurrent-unit-type gating"
                 z = σ(W_z y + U_z x - b_g)
                 h = tanh(W_g y + U_g (r ∘ x))
                 g = (1 - z) ∘ x + z ∘ h

    The attention is Transformer-XL's. With a large b_g every layer begins as the identity, so that the agent learns to
    react before it learns to remember.

    Args:
        input_size: features of an input, D.
        hidden_size: features of every layer and of an output, H; a multiple of `num_heads`.
        num_layers: layers, L.
        num_heads: attention heads, K.
        window: steps before the present one that each layer can look back, W.
        gate_bias: b_g at the start of training.
        feedforward_size: features between W_1 and W_2; None for 4 H.

    Deviations from the paper: those of Transformer-XL; b_g is a parameter for each feature.
    """

    kind: ClassVar[Literal["plain", "relative", "gated"]] = "gated"

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 48,
        num_layers: int = 2,
        num_heads: int = 4,
        window: int = 64,
        gate_bias: float = 2.0,
        feedforward_size: int | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, num_heads, window, feedforward_size)
        for gate in self.modules():
            if isinstance(gate, Gate):
                nn.init.constant_(gate.bias, gate_bias)

    def _layer(self, hidden_size: int, num_heads: int, inner_size: int) -> nn.Module:
        return GTrXLLayer(hidden_size, num_heads, inner_size)


class GTrXLLayer(nn.Module):
    """Relative attention and a feed-forward network, each let in by a gate."""

    def __init__(self, hidden_size: int, num_heads: int, inner_size: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.attention = RelativeAttention(hidden_size, num_heads)
        self.attention_gate = Gate(hidden_size)
        self.feedforward_norm = nn.LayerNorm(hidden_size)
        self.feedforward = FeedForward(hidden_size, inner_size)
        self.feedforward_gate = Gate(hidden_size)

    def forward(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]) -> Float[Tensor, "B T H"]:
        return self._after(context[:, -readable.shape[1] :], self.attention(self.attention_norm(context), readable))

    def step(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B C"]) -> Float[Tensor, "B H"]:
        """`forward` for the last entry of the context alone."""
        return self._after(context[:, -1], self.attention.step(self.attention_norm(context), readable))

    def _after(self, x: Float[Tensor, "*B H"], read: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        """What comes of an entry and of what was read for it."""
        x = self.attention_gate(x, torch.relu(read))
        out: Tensor = self.feedforward_gate(x, torch.relu(self.feedforward(self.feedforward_norm(x))))
        return out

    def weights(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]) -> Float[Tensor, "B K T C"]:
        """What each head reads."""
        return self.attention.weights(self.attention_norm(context), readable)

    def parts(self) -> Layer:
        """Its parameters, as kernels know them."""
        vectors, matrices, position_keys = relative_parts_of(self)
        gates = {"attention_gate": self.attention_gate, "feedforward_gate": self.feedforward_gate}
        vectors = vectors._replace(**{name: gate.bias for name, gate in gates.items()})
        matrices = matrices._replace(**{name: gate.matrices() for name, gate in gates.items()})
        return Layer(vectors, matrices, position_keys)


class Gate(nn.Module):
    """Lets a branch y into the stream x as a gated recurrent unit would (section 3.2)."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.from_branch = linear(hidden_size, 3 * hidden_size, bias=False)
        self.from_stream = linear(hidden_size, 2 * hidden_size, bias=False)
        self.from_reset_stream = linear(hidden_size, hidden_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x: Float[Tensor, "*B H"], y: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        branch_r, branch_z, branch_h = self.from_branch(y).chunk(3, -1)
        stream_r, stream_z = self.from_stream(x).chunk(2, -1)
        reset = torch.sigmoid(branch_r + stream_r)
        update = torch.sigmoid(branch_z + stream_z - self.bias)
        candidate = torch.tanh(branch_h + self.from_reset_stream(reset * x))
        return torch.lerp(x, candidate.to(x), update.to(x))  # (1 - z) ∘ x + z ∘ h, which autocast does not know

    def matrices(self) -> GateMatrices:
        """Its matrices, as kernels know them."""
        return GateMatrices(self.from_branch.weight, self.from_stream.weight, self.from_reset_stream.weight)
