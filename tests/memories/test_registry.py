import pytest
import torch

from memagents.memories import list_memories, make_memory, register_memory
from memagents.memories.none import NoMemory


def test_the_first_memories_are_listed_in_order():
    names = list_memories()
    assert names == sorted(names)
    assert {"none", "rnn", "lstm", "gru"} <= set(names)


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"unknown memory 'lsmt': did you mean 'lstm'\?.*gru.*lstm.*none.*rnn"):
        make_memory("lsmt", input_size=3)


def test_an_unknown_option_is_answered_with_the_valid_ones():
    with pytest.raises(ValueError, match="'gru' has no option 'hiden_size'; its options are: hidden_size, num_layers"):
        make_memory("gru", input_size=3, hiden_size=8)
    with pytest.raises(ValueError, match="'none' has no option 'hidden_size'; its options are: none at all"):
        make_memory("none", input_size=3, hidden_size=8)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("links", "maybe", "one of True, False"),
        ("links", 1, "one of True, False"),
        ("controller", "gru", "one of lstm, feedforward"),
        ("memory_size", "many", "of type int"),
        ("memory_size", True, "of type int"),
        ("memory_size", 8.0, "of type int"),
    ],
)
def test_an_option_of_another_kind_is_answered_with_what_it_can_be(option, value, expected):
    with pytest.raises(ValueError, match=f"memory 'dnc': {option} must be {expected}, got {value!r}"):
        make_memory("dnc", input_size=3, **{option: value})


def test_a_whole_number_is_a_float_too(unchecked):
    assert make_memory("gtrxl", input_size=3, gate_bias=1).output_size == 48


@pytest.mark.parametrize(("option", "value"), [("hidden_size", 0), ("num_layers", 0), ("hidden_size", -3)])
def test_an_impossible_size_is_named(option, value):
    with pytest.raises(ValueError, match=f"{option} must be an integer of at least 1, got {value}"):
        make_memory("lstm", input_size=3, **{option: value})


def test_a_taken_name_is_refused_and_registering_the_same_class_again_is_not():
    with pytest.raises(ValueError, match="'lstm' is taken by LSTM"):
        register_memory("lstm")(type("Other", (NoMemory,), {}))
    assert register_memory("none")(NoMemory) is NoMemory


def test_no_memory_returns_what_it_is_given_and_holds_nothing():
    memory = make_memory("none", input_size=3)
    inputs = torch.randn(4, 2, 3)
    outputs, state = memory(inputs, torch.zeros(4, 2, dtype=torch.bool), memory.initial_state(2))
    assert outputs is inputs
    assert state == ()
    assert not list(memory.parameters())
