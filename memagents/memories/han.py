"""Hierarchical Attention Network.

Zichao Yang, Diyi Yang, Chris Dyer, Xiaodong He, Alex Smola, Eduard Hovy: Hierarchical Attention Networks for Document
Classification. NAACL 2016, sections 2.1 and 2.2.
Andrew K. Lampinen, Stephanie C. Y. Chan, Andrea Banino, Felix Hill: Towards Mental Time Travel: a Hierarchical Memory
for Reinforcement Learning Agents. NeurIPS 2021, arXiv:2105.14039 (asks which chunk, then what is inside it).
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memagents.memories.base import Memory
from memagents.memories.gru import GRU, GRUState
from memagents.memories.registry import register_memory
from memagents.ops.chunks import Chunks, find_chunks, in_order, last_ring, rows
from memagents.ops.initialisation import linear
from memagents.ops.recurrence import check_positive

QUERIES = "input", "constant"


class HANState(NamedTuple):
    """What a Hierarchical Attention Network holds of the open chunk and of the N closed before it.

    In a ring, chunk number i of the episode has slot i % (N + 1).

    Attributes:
        words: annotations of the open chunk's words, zero where none is yet, `[B, C, H]`.
        keys: ring of what the words are found and read by, `[B, N + 1, C, H]`; `[B, 0, C, H]` for constant queries.
        sentences: ring of annotations, provisional for the open chunk, `[B, N + 1, H]`.
        steps: taken since the episode began, `[B]`.
    """

    words: Tensor
    keys: Tensor
    sentences: Tensor
    steps: Tensor


@register_memory("han")
class HAN(Memory[HANState]):
    """Hierarchical Attention Network: attends to chunks of the episode and to steps inside them (Yang et al. 2016).

    The episode is a document, a step is a word, and every C steps, counted from the episode's start, are a sentence.
    The last sentence is open: it ends with the present word, and changes with every word until it is full.

        h_it = GRU_w(x_it, h_i(t-1)), h_i0 = 0           annotation of a word
        u_it = tanh(W_w h_it + b_w)                      (eq. 5)
        α_it = exp(u_it · u_w) / Σ_t exp(u_it · u_w)     (eq. 6)
        s_i = Σ_t α_it h_it                              (eq. 7)
        h_i = GRU_s(s_i, h_{i-1}), h_0 = 0               annotation of a sentence
        u_i = tanh(W_s h_i + b_s)                        (eq. 8)
        α_i = exp(u_i · u_s) / Σ_i exp(u_i · u_s)        (eq. 9)
        v = Σ_i α_i h_i                                  (eq. 10)
        y = W_y [h_it, v] + b_y                          beside v, the present word

    The paper learns constants u_w and u_s, which put one question to every document. An agent has another question at
    every step, and finds the one word that answers it only if the weights follow the question. With input queries the
    present x asks twice, as in Lampinen et al. 2021: which sentence, and which words of it.

        u_s = W_a x + b_a                                in eq. 9
        q = W_q x + b_q
        β_it = exp(u_it · q) / Σ_t exp(u_it · q)
        v' = Σ_i α_i Σ_t β_it u_it
        y = W_y [h_it, v, v'] + b_y

    Weights are normal with variance 1 / inputs. Attention is to begin nearly even: weights of the queries have 1/H of
    that variance, u_w and a constant u_s have 1/H. Biases are zero.

    Args:
        input_size: features of an input, D.
        hidden_size: features of every annotation and of an output, H.
        chunk_size: steps of a chunk, C.
        num_chunks: closed chunks that are attended to, N. Older ones live on in GRU_s alone.
        query: "input", or "constant" as in the paper.

    Deviations from the paper: GRUs run forward only, an agent has not seen the rest; the last N sentences, not all;
    the output sees the present word too; input queries. From Lampinen et al.: a soft choice of chunks in place of the
    best few, and chunks summarised by Yang et al.'s networks.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 72,
        chunk_size: int = 8,
        num_chunks: int = 16,
        query: Literal["input", "constant"] = "input",
    ) -> None:
        check_positive(hidden_size=hidden_size, chunk_size=chunk_size, num_chunks=num_chunks)
        if query not in QUERIES:
            raise ValueError(f"query must be one of {', '.join(QUERIES)}, got {query!r}")
        super().__init__(input_size, output_size=hidden_size)
        self.chunk_size, self.num_chunks = chunk_size, num_chunks
        self.word_gru = GRU(input_size, hidden_size)
        self.sentence_gru = GRU(hidden_size, hidden_size)
        self.word_key = linear(hidden_size, hidden_size)
        self.sentence_key = linear(hidden_size, hidden_size)
        self.word_context = nn.Parameter(torch.randn(hidden_size) * hidden_size**-0.5)
        self.queries: nn.Linear | None = None
        if query == "input":
            self.queries = linear(input_size, 2 * hidden_size, gain=hidden_size**-0.5)
        else:
            self.sentence_context = nn.Parameter(torch.randn(hidden_size) * hidden_size**-0.5)
        self.readout = linear((2 if self.queries is None else 3) * hidden_size, hidden_size)

    def initial_state(self, batch_size: int) -> HANState:
        zeros, slots = self.word_context.new_zeros, self.num_chunks + 1
        return HANState(
            words=zeros(batch_size, self.chunk_size, self.output_size),
            keys=zeros(batch_size, 0 if self.queries is None else slots, self.chunk_size, self.output_size),
            sentences=zeros(batch_size, slots, self.output_size),
            steps=zeros(batch_size, dtype=torch.int64),
        )

    def step(self, x: Float[Tensor, "B D"], state: HANState) -> tuple[Float[Tensor, "B H"], HANState]:
        output, state, _ = self._step(x, state)
        return output, state

    def _step(self, x: Tensor, state: HANState) -> tuple[Tensor, HANState, dict[str, Tensor]]:
        """`step`, and the weights it attended with."""
        number, position = state.steps // self.chunk_size, state.steps % self.chunk_size
        row = torch.arange(len(x), device=x.device)
        slots = torch.arange(self.num_chunks + 1, device=x.device)
        slot = number % len(slots)
        to_come = torch.arange(self.chunk_size, device=x.device) > position[:, None]

        words, hidden = self._opened(state)
        word, _ = self.word_gru.step(x, hidden)
        words = words.index_put((row, position), word.to(words))
        keys = torch.tanh(self.word_key(words))
        pooling = (keys @ self.word_context).masked_fill(to_come, -torch.inf).softmax(-1)
        previous = torch.where(number[:, None] > 0, state.sentences[row, slot - 1], 0.0)
        sentence, _ = self.sentence_gru.step(weighted(pooling, words), GRUState(previous[:, None]))

        sentences = state.sentences.index_put((row, slot), sentence.to(state.sentences))
        age = (number[:, None] - slots) % len(slots)
        sentence_query, word_query = self._ask(x)
        scores = weighted(sentence_query, torch.tanh(self.sentence_key(sentences)).mT)
        attention = scores.masked_fill(age > number[:, None], -torch.inf).softmax(-1)
        reads, weights = [word, weighted(attention, sentences)], {"pooling": pooling, "attention": attention}
        ring = state.keys
        if word_query is not None:
            ring = ring.index_put((row, slot), keys.to(ring))
            scores = weighted(word_query, ring.flatten(1, 2).mT).view(ring.shape[:3])
            scores = scores.masked_fill((age == 0)[..., None] & to_come[:, None], -torch.inf)
            weights["word_attention"] = attention[..., None] * scores.softmax(-1)
            reads.append(weighted(weights["word_attention"].flatten(1), ring.flatten(1, 2)))
        return self.readout(torch.cat(reads, -1)), HANState(words, ring, sentences, state.steps + 1), weights

    def _opened(self, state: HANState) -> tuple[Tensor, GRUState]:
        """The words of the chunk that the next step stands in, and the word GRU after them; zeros if it opens one."""
        position = state.steps % self.chunk_size
        earlier = torch.arange(self.chunk_size, device=position.device) < position[:, None]
        words = torch.where(earlier[..., None], state.words, 0.0)
        # Where there is no word yet, place -1 is the last one, and zero like all of them.
        return words, GRUState(words[rows(position), position[:, None] - 1])

    def _ask(self, x: Float[Tensor, "*batch D"]) -> tuple[Float[Tensor, "*batch H"], Float[Tensor, "*batch H"] | None]:
        """What sentences and words are asked for."""
        if self.queries is None:
            return self.sentence_context.expand(*x.shape[:-1], -1), None
        sentence_query, word_query = self.queries(x).chunk(2, -1)
        return sentence_query, word_query

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: HANState
    ) -> tuple[Float[Tensor, "T B H"], HANState]:
        if len(inputs) == 1:
            return self.loop(inputs, episode_starts, state)
        state = self.reset(state, episode_starts[0])
        chunks = find_chunks(episode_starts, state.steps, self.chunk_size)
        opened, hidden = self._opened(state)
        word, _ = self.word_gru(inputs, chunks.position == 0, hidden)
        words = chunks.spread(word)
        words = torch.cat([words[:, :1] + opened[:, None], words[:, 1:]], 1)
        keys = torch.tanh(self.word_key(words))
        number = state.steps // self.chunk_size
        sentence, sentences = self._sentences(chunks, words, keys, in_order(state.sentences, number)[:, :-1])
        if self.queries is not None:
            keys = torch.cat([in_order(state.keys, number)[:, :-1], keys], 1)
        reads = self._read(inputs, chunks, keys, sentence, sentences)
        output = self.readout(torch.cat([word, *reads], -1))
        return output, self._final_state(chunks, words, keys, sentence, sentences)

    def _sentences(self, chunks: Chunks, words: Tensor, keys: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Eqs. 6 and 7 and GRU_s in all chunks at once, from words and keys `[B, K, C, H]`.

        Returns:
            At every step the annotation of the open sentence, `[T, B, H]`. And, after the `past` ones, the annotation
            of every sentence at its end, `[B, N + K, H]`; what stands there for one that was cut short is never read.
        """
        to_come = torch.ones(self.chunk_size, self.chunk_size, dtype=torch.bool, device=keys.device).triu(1)
        pooling = (keys @ self.word_context)[:, :, None].masked_fill(to_come, -torch.inf).softmax(-1)
        pooled = pooling @ words
        ends, _ = self.sentence_gru(pooled[:, :, -1].transpose(0, 1), chunks.first, GRUState(past[:, -1:]))
        sentences = torch.cat([past, ends.transpose(0, 1)], 1)
        previous = sentences[:, self.num_chunks - 1 : -1].masked_fill(chunks.first.T[..., None], 0.0)
        hidden = chunks.pick(previous[:, :, None].expand_as(pooled)).flatten(0, 1)
        open_, _ = self.sentence_gru.step(chunks.pick(pooled).flatten(0, 1), GRUState(hidden[:, None]))
        return open_.view(*chunks.since.shape, -1), sentences

    def _read(self, inputs: Tensor, chunks: Chunks, keys: Tensor, sentence: Tensor, sentences: Tensor) -> list[Tensor]:
        """Eqs. 8 to 10 at every step: v and, with input queries, v', `[T, B, H]` each.

        Weights are `[B, N + K, T]` and `[B, N + K, C, T]`: kernels are quick where a long axis is the last.
        What is not attended to has weight 0. An undefined value in an earlier episode of the batch would not be
        stopped by that, but then the loss is undefined already.
        """
        columns = torch.arange(sentences.shape[1], device=inputs.device)[:, None]
        column = (self.num_chunks + chunks.column).T[:, None]
        closed = (columns < column) & (columns >= column - chunks.number.T[:, None].clamp(max=self.num_chunks))
        sentence = sentence.transpose(0, 1)
        sentence_query, word_query = self._ask(inputs.transpose(0, 1))
        scores = torch.tanh(self.sentence_key(sentences)) @ sentence_query.mT
        open_score = (torch.tanh(self.sentence_key(sentence)) * sentence_query).sum(-1)[:, None]
        attention = torch.cat([scores.masked_fill(~closed, -torch.inf), open_score], 1).softmax(1)
        to_closed, to_open = attention[:, :-1], attention[:, -1:]
        reads = [to_closed.mT @ sentences + to_open.mT * sentence]
        if word_query is not None:
            places = torch.arange(columns.numel() * self.chunk_size, device=inputs.device)[:, None]
            to_come = places > column * self.chunk_size + chunks.position.T[:, None]
            # A chunk that is all to come has no weight; it gets equal scores, for infinite ones have no softmax.
            scores = keys.flatten(1, 2) @ word_query.mT
            scores = scores.masked_fill(to_come, torch.finfo(scores.dtype).min)
            inside = scores.view(*keys.shape[:3], -1).softmax(2)
            word_attention = torch.where(columns == column, to_open, to_closed)[:, :, None] * inside
            reads.append(word_attention.flatten(1, 2).mT @ keys.flatten(1, 2))
        return [read.transpose(0, 1) for read in reads]

    def _final_state(
        self, chunks: Chunks, words: Tensor, keys: Tensor, sentence: Tensor, sentences: Tensor
    ) -> HANState:
        """What is held after the last step, in rings again."""
        column, number = chunks.column[-1], chunks.number[-1]
        row, place, slots = rows(column)[:, 0], self.num_chunks + column, self.num_chunks + 1
        sentences = sentences.index_put((row, place), sentence[-1])
        return HANState(
            words=words[row, column],
            keys=keys[:, :0] if self.queries is None else last_ring(keys, place, number, slots),
            sentences=last_ring(sentences, place, number, slots),
            steps=chunks.since[-1] + 1,
        )

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: HANState
    ) -> dict[str, Tensor]:
        """The state after each step, and the weights of what was attended to in it.

        pooling: α_it of the words of the open sentence, `[T, B, C]`.
        attention: α_i of the sentences, by slot of the ring, `[T, B, N + 1]`.
        word_attention: α_i β_it of their words, by slot, `[T, B, N + 1, C]`; with input queries only.
        """
        steps = []
        for x, start in zip(inputs, episode_starts, strict=True):
            _, state, weights = self._step(x, self.reset(state, start))
            steps.append(state._asdict() | weights)
        return {name: torch.stack([step[name] for step in steps]) for name in steps[0]}


def weighted(weights: Float[Tensor, "B Q"], vectors: Float[Tensor, "B Q D"]) -> Float[Tensor, "B D"]:
    """The weighted sum of each row's vectors."""
    return (weights[:, None] @ vectors)[:, 0]
