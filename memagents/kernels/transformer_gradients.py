"""The gradients of a transformer's matrices, once those of what a layer computes with them are known: products over all
steps, of which a thread makes some rows.

Axes: as in `transformer.py`; G threads, O outputs and I inputs of a matrix.
"""

from typing import NamedTuple

from jaxtyping import Float, Int

from memagents.kernels.compilation import Array, compiled
from memagents.kernels.products import multiply_once
from memagents.kernels.threads import all_threads, share, this_thread
from memagents.kernels.tiles import ROWS
from memagents.kernels.transformer import Trail
from memagents.kernels.transformer_weights import GATED, Matrices


class Gradients(NamedTuple):
    """Of what came of the layers, `out` and `entries`, to which those of what layers are told are added; where those of
    weights lie; and those of one layer, of which its matrices' are made.

    Of vectors and keys of ages each thread has its own, which begin at 0.
    """

    out: Float[Array, "N H"]
    entries: Float[Array, "B L C H"]
    vectors: Int[Array, "G L V"]
    matrices: Int[Array, "L U"]
    positions: Float[Array, "G L R H"]
    keys_values: Float[Array, "M 2H"]
    queries: Float[Array, "N H"]
    scores: Float[Array, "N KR"]
    read: Float[Array, "N H"]
    attended: Float[Array, "N H"]
    attention_gate: Float[Array, "N 3H"]
    inner: Float[Array, "N F"]
    fed: Float[Array, "N H"]
    feedforward_gate: Float[Array, "N 3H"]


@compiled
def weigh(kind: int, layer: int, trail: Trail, d: Gradients, d_matrices: Matrices) -> None:
    """The gradients of matrices that come after attention."""
    over_rows(d_matrices.output, d.attended, trail.read[layer], 0)
    over_rows(d_matrices.widen, d.inner, trail.asked, 0)
    over_rows(d_matrices.narrow, d.fed, trail.inner[layer], 0)
    if kind == GATED:
        size, steps = trail.out.shape[1], len(trail.out) // len(trail.entries)
        d_told, d_gate = d.attention_gate, d_matrices.attention_gate
        over_rows(d_gate.branch, d_told, trail.attended[layer], 0)
        over_rows(d_gate.reset, d_told[:, 2 * size :], trail.attention_reset, 0)
        for row in range(len(trail.entries)):
            stream = trail.entries[row, layer, -steps:]
            over_rows(d_gate.stream, d_told[row * steps : (row + 1) * steps, : 2 * size], stream, min(row, 1))
        d_told, d_gate = d.feedforward_gate, d_matrices.feedforward_gate
        over_rows(d_gate.branch, d_told, trail.fed[layer], 0)
        over_rows(d_gate.reset, d_told[:, 2 * size :], trail.feedforward_reset, 0)
        over_rows(d_gate.stream, d_told[:, : 2 * size], trail.middle, 0)


@compiled
def weigh_known(trail: Trail, d: Gradients, d_matrices: Matrices) -> None:
    """The gradients of matrices that make queries, keys and values."""
    length, steps = trail.entries.shape[2], len(trail.out) // len(trail.entries)
    over_rows(d_matrices.keys_values, d.keys_values, trail.known, 0)
    for row in range(len(trail.entries)):
        own = trail.known[(row + 1) * length - steps : (row + 1) * length]
        over_rows(d_matrices.queries, d.queries[row * steps : (row + 1) * steps], own, min(row, 1))


@compiled
def over_rows(out: Float[Array, "O I"], d_told: Float[Array, "N O"], x: Float[Array, "N I"], kept: int) -> None:
    """d_told^T x, of which a thread makes some rows."""
    first, stop = share((len(out) + ROWS - 1) // ROWS, this_thread(), all_threads())
    rows = slice(first * ROWS, min(stop * ROWS, len(out)))
    if rows.start < rows.stop:
        multiply_once(out[rows], d_told[:, rows].T, x, kept)
