import math

import pytest
import torch

from memagents.sequence_tasks import Reader, make_task
from memagents.sequence_tasks.readers import evaluate


@pytest.fixture
def task():
    return make_task("copy", max_length=6)


def some_reader(task, **kwargs):
    torch.manual_seed(0)
    reader = Reader(task, "gru", {"hidden_size": 8}, **kwargs)
    torch.nn.init.normal_(reader.readout.weight)
    return reader


def test_a_reader_is_an_embedding_a_memory_and_a_linear_read_out(task, generator):
    reader = some_reader(task, embedding_size=3)
    batch = task.draw(4, generator)
    outputs, state = reader(batch.inputs, batch.episode_starts, reader.initial_state(4))
    embedded = batch.inputs @ reader.embedding.weight.T + reader.embedding.bias
    features, expected = reader.memory(embedded, batch.episode_starts, reader.memory.initial_state(4))
    torch.testing.assert_close(outputs, features @ reader.readout.weight.T + reader.readout.bias)
    assert torch.equal(state.hidden, expected.hidden)
    assert reader.memory.input_size == 3


def test_a_new_reader_guesses(task, generator):
    """Its read-out is zero: a bit costs a bit."""
    scores = evaluate(Reader(task, "lstm", {"hidden_size": 8}), task, 500, generator)
    assert scores.loss == pytest.approx(task.chance.loss, rel=0.05)


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_evaluating_in_chunks_through_the_state_changes_nothing(chunk, task):
    reader = some_reader(task)
    scores, whole = (
        evaluate(reader, task, 10, torch.Generator().manual_seed(3), batch_size=10, chunk=length)
        for length in (chunk, 13)
    )
    assert scores == pytest.approx(whole, rel=1e-5)


def test_an_evaluation_covers_as_many_sequences_as_asked_for():
    class Counting(type(make_task("adding"))):
        def draw(self, batch_size, generator):
            drawn.append(batch_size)
            return super().draw(batch_size, generator)

    drawn = []
    task = Counting(length=4)
    scores = evaluate(some_reader(task), task, 150, torch.Generator().manual_seed(0))
    assert drawn == [64, 64, 22]
    assert math.isfinite(scores.loss)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("option", "value"), [("sequences", 0), ("batch_size", 0), ("chunk", -1)])
def test_an_impossible_number_is_named(option, value, task, generator):
    arguments = {"sequences": 10, option: value}
    with pytest.raises(ValueError, match=f"{option} must be an integer of at least 1, got {value}"):
        evaluate(some_reader(task), task, generator=generator, **arguments)


@pytest.mark.usefixtures("unchecked")
def test_unknown_memories_and_options_and_impossible_sizes_are_named(task):
    with pytest.raises(ValueError, match="unknown memory 'gur': did you mean 'gru'"):
        Reader(task, "gur", {})
    with pytest.raises(ValueError, match="memory 'gru' has no option 'slots'"):
        Reader(task, "gru", {"slots": 3})
    with pytest.raises(ValueError, match="embedding_size must be an integer of at least 1, got 0"):
        Reader(task, "gru", {}, embedding_size=0)
