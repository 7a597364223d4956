import numpy as np
import pytest
import torch
from gymnasium import spaces

from memagents.agents.buffers import SequenceBuffer
from memagents.agents.sequences import AgentState
from memagents.memories.gru import GRUState

T, N = 12, 3


def filled(sequence_length=None, observation_space=None):
    """A buffer in which everything tells its own step and environment: 100 * t + n."""
    space = observation_space or spaces.Box(-np.inf, np.inf, (1,))
    buffer = SequenceBuffer(T, space, spaces.Discrete(5000), "cpu", n_envs=N, sequence_length=sequence_length)
    for t in range(T):
        tag = 100 * t + np.arange(N)
        observation = {"a": tag[:, None], "b": tag} if isinstance(space, spaces.Dict) else tag[:, None]
        state = AgentState(GRUState(torch.tensor(tag)[:, None, None]), ())
        value = torch.tensor(tag, dtype=torch.float32)
        buffer.add(observation, tag[:, None], tag, (tag % 7 == 0), value[:, None], value, state)
    buffer.compute_returns_and_advantage(torch.zeros(N), np.ones(N, bool))
    return buffer


@pytest.mark.parametrize("sequence_length", [None, 1, 4, 6])
@pytest.mark.parametrize("batch_size", [None, 12, 24])
def test_every_step_comes_once_in_whole_sequences_each_with_the_state_at_its_start(sequence_length, batch_size):
    length = sequence_length or T
    seen = []
    for batch in filled(sequence_length).get(batch_size):
        sequences = batch.observations
        tags = sequences.observations.view(length, -1).long()
        assert torch.equal(tags, tags[0] + 100 * torch.arange(length)[:, None]), "a sequence is out of order"
        assert torch.equal(sequences.state.actor.hidden[:, 0, 0], tags[0]), "the state is not that of the first step"
        assert torch.equal(sequences.episode_starts, tags % 7 == 0)
        for values in (batch.actions[:, 0], batch.old_values, batch.old_log_prob):
            assert torch.equal(values.long(), tags.flatten())
        seen += tags.flatten().tolist()
    assert sorted(seen) == sorted(100 * t + n for t in range(T) for n in range(N))


def test_only_states_at_the_start_of_sequences_are_kept():
    assert len(filled(sequence_length=4).states) == 3
    assert len(filled().states) == 1


def test_minibatches_are_shuffled_by_numpys_generator_as_in_sb3():
    def order():
        return [int(batch.actions[0, 0]) for batch in filled(sequence_length=4).get(4)]

    np.random.seed(0)
    first = order()
    np.random.seed(0)
    assert order() == first
    assert order() != first


def test_dict_observations_are_kept_entry_by_entry():
    space = spaces.Dict({"a": spaces.Box(-np.inf, np.inf, (1,)), "b": spaces.Discrete(5000)})
    batch = next(filled(observation_space=space).get())
    observations = batch.observations.observations
    assert torch.equal(observations["a"].long(), observations["b"])
    assert observations["a"].shape == (T * N, 1)


def test_arrays_keep_steps_and_environments_apart_after_minibatches_were_taken():
    buffer = filled(sequence_length=4)
    list(buffer.get(4))
    for array in (buffer.values, buffer.returns, buffer.advantages, buffer.rewards):
        assert array.shape == (T, N)


def test_a_sequence_length_that_does_not_divide_the_buffer_is_refused():
    with pytest.raises(ValueError, match="sequence_length must divide n_steps, got sequence_length=5 and n_steps=12"):
        filled(sequence_length=5)
