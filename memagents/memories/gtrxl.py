"""Gated Transformer-XL.

Emilio Parisotto, H. Francis Song, Jack W. Rae, Razvan Pascanu, Caglar Gulcehre, Siddhant M. Jayakumar, Max Jaderberg,
Raphaël Lopez Kaufman, Aidan Clark, Seb Noury, Matthew M. Botvinick, Nicolas Heess, Raia Hadsell: Stabilizing
Transformers for Reinforcement Learning. ICML 2020, arXiv:1910.06764, section 3.
"""

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from memagents.kernels.layers import Weights
from memagents.memories.registry import register_memory
from memagents.memories.transformer import feedforward, norm
from memagents.memories.transformer_xl import TransformerXL
from memagents.ops.linear import linear
from memagents.ops.stacked import scaled


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
        self.gate_bias = gate_bias
        super().__init__(input_size, hidden_size, num_layers, num_heads, window, feedforward_size)

    def _parameters_of(self, layers: int, size: int, inner: int) -> dict[str, Tensor]:
        parameters = super()._parameters_of(layers, size, inner)
        for gate in ("attention", "feedforward"):
            parameters |= {
                f"{gate}_gate_bias": torch.full((layers, size), float(self.gate_bias)),
                f"{gate}_branch": scaled(layers, 3 * size, size),
                f"{gate}_stream": scaled(layers, 2 * size, size),
                f"{gate}_reset": scaled(layers, size, size),
            }
        return parameters

    def _known(self, w: Weights, entries: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        return norm(entries, w.attention_norm_weight, w.attention_norm_bias)

    def _join(self, w: Weights, x: Float[Tensor, "*B H"], read: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        y = torch.relu(linear(read, w.output))
        x = gate(x, y, w.attention_branch, w.attention_stream, w.attention_reset, w.attention_gate_bias)
        y = torch.relu(feedforward(w, norm(x, w.feedforward_norm_weight, w.feedforward_norm_bias)))
        return gate(x, y, w.feedforward_branch, w.feedforward_stream, w.feedforward_reset, w.feedforward_gate_bias)


def gate(
    x: Float[Tensor, "*B H"],
    y: Float[Tensor, "*B H"],
    from_branch: Float[Tensor, "3*H H"],
    from_stream: Float[Tensor, "2*H H"],
    from_reset_stream: Float[Tensor, "H H"],
    bias: Float[Tensor, " H"],
) -> Float[Tensor, "*B H"]:
    """Lets a branch y into the stream x as a gated recurrent unit would (section 3.2)."""
    branch_r, branch_z, branch_h = linear(y, from_branch).chunk(3, -1)
    stream_r, stream_z = linear(x, from_stream).chunk(2, -1)
    reset = torch.sigmoid(branch_r + stream_r)
    update = torch.sigmoid(branch_z + stream_z - bias)
    candidate = torch.tanh(branch_h + linear(reset * x, from_reset_stream))
    return torch.lerp(x, candidate.to(x), update.to(x))  # (1 - z) ∘ x + z ∘ h, which autocast does not know
