"""Model files hold no code, give back what was saved, and say what is wrong with them."""

import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict, deque
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
import pytest
import torch
from bad_files import listed, parts_of, zipped
from gymnasium import spaces
from sizes import small
from small_agents import algorithms, memories, random_vec_env
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import ConstantSchedule, FloatSchedule, LinearSchedule
from test_algorithms import ACTIONS, OBSERVATIONS, POLICIES
from torch import nn

from memagents import Memory, MemoryA2C, MemoryPPO, register_memory
from memagents import errors as kinds
from memagents.agents.archives import MANIFEST
from memagents.agents.encoding import Decoder, Encoder, NotPlainError, like
from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.memories import registry


def parameters(model):
    return model.policy.parameters_to_vector()


def agent(**changes):
    options = {"n_steps": 16, "memory": "gru", "memory_kwargs": {"hidden_size": 4}, "seed": 0} | changes
    return MemoryPPO("MlpPolicy", random_vec_env(2), **options)


@pytest.fixture(scope="module")
def trained():
    """A model in the bytes of its file."""
    model, stream = agent().learn(32), io.BytesIO()
    model.save(stream)
    return model, stream.getvalue()


@contextmanager
def pickles_refused():
    """Whoever unpickles anything fails."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((pickle, "load"), (pickle, "loads"), (torch, "load"), (cloudpickle, "loads")):
            patch.setattr(module, name, lambda *_, **__: pytest.fail("something was unpickled"))
        yield


@pytest.fixture
def no_pickles():
    """The same for a whole test."""
    with pickles_refused():
        yield


VALUES = {
    "plain": [None, True, 3, -1.5, "text", [1, [2]], {"a": {"b": 1}}, 2**200],
    "floats": [float("inf"), -float("inf"), 0.1 + 0.2, 5e-324],
    "containers": [(1, (2, "x")), {1: "a", (2, 3): "b"}, {"$": "not a tag"}, deque([1, 2], maxlen=5), deque()],
    "arrays": [np.arange(6).reshape(2, 3), np.zeros((0, 2)), np.array(3.5), np.ones(3, np.uint32), np.array([True])],
    "scalars": [np.float64(0.1), np.int64(3), np.bool_(True)],
    "names": [Path("a/b"), nn.Tanh],
}


@pytest.mark.parametrize("case", VALUES)
def test_a_value_comes_back_as_it_was(case):
    encoder = Encoder({"torch.nn.Tanh": nn.Tanh})
    written = json.loads(json.dumps(encoder.encode(VALUES[case], "x"), allow_nan=False))
    read = Decoder(encoder.tensors, {"torch.nn.Tanh": nn.Tanh}).decode(written)
    assert_same(VALUES[case], read)


def assert_same(old, new):
    assert type(old) is type(new)
    if isinstance(old, np.ndarray | np.generic):
        assert old.dtype == new.dtype
        assert np.array_equal(old, new)
    elif isinstance(old, list | tuple | deque):
        assert getattr(old, "maxlen", None) == getattr(new, "maxlen", None)
        for one, other in zip(old, new, strict=True):
            assert_same(one, other)
    else:
        assert old == new


def test_names_that_look_alike_do_not_mix_up_arrays():
    values = {"a.b": np.zeros(2), "a": {"b": np.ones(2), 0: np.full(2, 2.0), "0": np.full(2, 3.0)}}
    encoder = Encoder()
    read = Decoder(encoder.tensors, {}).decode(encoder.encode(values, "x"))
    assert [read["a.b"][0], read["a"]["b"][0], read["a"][0][0], read["a"]["0"][0]] == [0, 1, 2, 3]


@pytest.mark.parametrize("value", [lambda: 0, object(), np.array(["text"]), nn.Linear, {1, 2}, nn.Linear(1, 1), print])
def test_what_could_be_code_is_not_written(value):
    with pytest.raises(NotPlainError, match=r"^place\.0 is "):
        Encoder().encode([value], "place")


SPACES = [
    *OBSERVATIONS.values(),
    *ACTIONS.values(),
    spaces.Box(np.array([-np.inf, 0.0]), np.array([1.0, np.inf]), dtype=np.float64),
    spaces.Box(-1, 1, ()),
    spaces.Discrete(3, start=-2),
    spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[0, 1], [1, 0]]),
    spaces.MultiBinary([2, 3]),
    spaces.Dict(OrderedDict(z=spaces.Discrete(2), a=spaces.Dict({"deep": spaces.Box(0, 1, (1,))}))),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_comes_back_as_it_was(space):
    encoder = Encoder()
    read = Decoder(encoder.tensors).decode(json.loads(json.dumps(encoder.encode(space, "space"))))
    assert type(read) is type(space)
    assert read == space
    assert read.dtype == space.dtype
    assert list(getattr(read, "spaces", ())) == list(getattr(space, "spaces", ()))


def test_named_tuples_come_back_by_their_template():
    class Pair(NamedTuple):
        left: Any
        right: Any

    template = Pair(Pair(0, 0), ())
    assert like(template, [(1, 2), ()]) == Pair(Pair(1, 2), ())
    with pytest.raises(ValueError, match="expected the 2 fields of a Pair"):
        like(template, (1, 2, 3))


KINDS = [*((observations, "discrete") for observations in OBSERVATIONS), *(("box", actions) for actions in ACTIONS)]


@algorithms
@pytest.mark.parametrize(("observations", "actions"), KINDS)
def test_a_model_of_any_spaces_is_loaded_without_a_pickle(algorithm, observations, actions, tmp_path, no_pickles):
    env = random_vec_env(2, observation_space=OBSERVATIONS[observations], action_space=ACTIONS[actions])
    model = algorithm(POLICIES.get(observations, "MlpPolicy"), env, memory="gru", memory_kwargs={"hidden_size": 4})
    model._last_obs = env.reset()
    model.save(tmp_path / "model")
    loaded = algorithm.load(tmp_path / "model", env=env, force_reset=False)
    assert loaded.observation_space == model.observation_space
    assert loaded.action_space == model.action_space
    assert np.array_equal(parameters(loaded), parameters(model))
    observation = env.reset()
    assert np.array_equal(
        loaded.predict(observation, deterministic=True)[0], model.predict(observation, deterministic=True)[0]
    )


@algorithms
@memories
def test_any_memory_what_it_holds_and_its_optimizer_come_back(algorithm, memory, tmp_path, unchecked):
    options = {"memory": memory, "memory_kwargs": small(memory), "critic_memory": "separate"}
    once = {"n_epochs": 1} if algorithm is MemoryPPO else {}
    model = algorithm("MlpPolicy", random_vec_env(2), n_steps=8, **options, **once).learn(16)
    with pickles_refused():  # not while it trains: Numba keeps kernels, its own, in pickles
        model.save(tmp_path / "model")
        loaded = algorithm.load(tmp_path / "model.zip", env=model.env, force_reset=False)
    old, new = model.policy.optimizer.state_dict(), loaded.policy.optimizer.state_dict()
    assert old["param_groups"] == new["param_groups"]
    assert old["state"].keys() == new["state"].keys()
    for i, state in old["state"].items():
        assert all(torch.equal(torch.as_tensor(x), torch.as_tensor(new["state"][i][name])) for name, x in state.items())
    for part, field in (("actor", old) for old in model._last_state.actor._fields):
        assert torch.equal(getattr(getattr(model._last_state, part), field), getattr(loaded._last_state.actor, field))
    assert type(loaded._last_state.critic) is type(model._last_state.critic)
    observations = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    (expected, remembered), (action, state) = (
        each.predict(observations, deterministic=True) for each in (model, loaded)
    )
    assert np.array_equal(action, expected)
    assert all(np.array_equal(old, new) for old, new in zip(remembered, state, strict=True))


def test_hyperparameters_schedules_and_episode_statistics_come_back(tmp_path):
    given = {"activation_fn": nn.ReLU, "optimizer_class": torch.optim.RMSprop, "net_arch": {"pi": [5], "vf": [6]}}
    schedule = LinearSchedule(1e-3, 1e-4, 0.5)
    model = agent(learning_rate=schedule, clip_range=0.3, clip_range_vf=ConstantSchedule(0.4), policy_kwargs=given)
    model.learn(64).save(tmp_path / "model")
    loaded = MemoryPPO.load(tmp_path / "model")
    assert loaded.policy_kwargs == given
    assert type(loaded.policy.optimizer) is torch.optim.RMSprop
    assert type(loaded.learning_rate) is LinearSchedule
    assert [loaded.lr_schedule(x) for x in (1.0, 0.7, 0.1)] == [schedule(x) for x in (1.0, 0.7, 0.1)]
    assert (type(loaded.clip_range), loaded.clip_range(0.5)) == (FloatSchedule, 0.3)
    assert loaded.clip_range_vf(0.5) == 0.4
    assert list(loaded.ep_info_buffer) == list(model.ep_info_buffer)
    assert loaded.ep_info_buffer.maxlen == model.ep_info_buffer.maxlen
    assert (loaded.num_timesteps, loaded._n_updates) == (model.num_timesteps, model._n_updates)


def test_a_shared_encoder_is_written_once(tmp_path):
    env = random_vec_env(1, observation_space=OBSERVATIONS["image"])
    model = MemoryPPO("CnnPolicy", env, memory="none", policy_kwargs={"net_arch": []})
    model.save(tmp_path / "model")
    size = sum(weight.numel() for weight in model.policy.parameters()) * 4
    assert size < (tmp_path / "model.zip").stat().st_size < 1.1 * size


def test_a_stream_is_written_and_read_and_stays_open():
    stream = io.BytesIO()
    model = agent()
    model.save(stream)
    assert np.array_equal(parameters(MemoryPPO.load(stream)), parameters(model))
    assert not stream.closed


def test_what_no_file_can_hold_is_named_when_saving_and_asked_for_when_loading(tmp_path):
    class Policy(MemoryActorCriticPolicy):
        pass

    model = MemoryPPO(Policy, random_vec_env(2), learning_rate=lambda left: left * 1e-3, n_steps=16)
    with pytest.warns(UserWarning, match=r"left out of the model file.*custom_objects=\{.*'learning_rate': ..."):
        model.save(tmp_path / "model")
    with pytest.raises(kinds.MissingObjectError, match=r"could not hold policy_class \(policy_class is .*Policy, of "):
        MemoryPPO.load(tmp_path / "model", custom_objects={"learning_rate": 1e-3})
    loaded = MemoryPPO.load(tmp_path / "model", custom_objects={"learning_rate": 1e-3, "policy_class": Policy})
    assert type(loaded.policy) is Policy
    assert np.array_equal(parameters(loaded), parameters(model))


def test_custom_objects_take_the_place_of_what_the_file_says_and_add_nothing(tmp_path, unchecked):
    agent().save(tmp_path / "model")
    loaded = MemoryPPO.load(tmp_path / "model", custom_objects={"ent_coef": 0.5, "unknown": 1})
    assert loaded.ent_coef == 0.5
    assert not hasattr(loaded, "unknown")
    with pytest.raises(ValueError, match="custom_objects must be a dict or None, got 3"):
        MemoryPPO.load(tmp_path / "model", custom_objects=3)


def test_a_memory_from_outside_is_found_by_its_registered_name_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(registry._MEMORIES, "_classes", dict(registry._MEMORIES._classes))

    @register_memory("test-own")
    class Own(registry.memory_class("gru")):
        pass

    model = agent(memory="test-own")
    model.save(tmp_path / "model")
    assert isinstance(MemoryPPO.load(tmp_path / "model").policy.memory, Memory)
    del registry._MEMORIES._classes["test-own"]
    with pytest.raises(ValueError, match="unknown memory 'test-own'"):
        MemoryPPO.load(tmp_path / "model")


def test_a_policy_alone_is_saved_and_loaded(trained, tmp_path, no_pickles):
    policy = trained[0].policy
    policy.save(tmp_path / "policy.pkl")
    loaded = MemoryActorCriticPolicy.load(tmp_path / "policy.pkl")
    assert np.array_equal(loaded.parameters_to_vector(), policy.parameters_to_vector())
    assert (loaded.memory_name, loaded.memory_kwargs) == ("gru", {"hidden_size": 4})


def test_a_policy_that_no_file_can_hold_is_not_half_written(tmp_path):
    class Swish(nn.SiLU):
        pass

    policy = agent(policy_kwargs={"activation_fn": Swish}).policy
    with pytest.raises(kinds.MissingObjectError, match=r"arguments\.activation_fn is .*Swish"):
        policy.save(tmp_path / "policy")
    assert list(tmp_path.iterdir()) == []


# Broken files, each with an error of its own.


def with_manifest(parts, **changes):
    return parts | {MANIFEST: json.dumps(json.loads(parts[MANIFEST]) | changes).encode()}


def flipped(contents, place):
    return contents[:place] + bytes([contents[place] ^ 0x10]) + contents[place + 1 :]


BROKEN = {
    "empty": (lambda whole, parts: io.BytesIO(), kinds.EmptyFileError, "is empty"),
    "truncated": (lambda whole, parts: io.BytesIO(whole[:-30]), kinds.TruncatedFileError, "breaks off before its end"),
    "half": (lambda whole, parts: io.BytesIO(whole[: len(whole) // 2]), kinds.TruncatedFileError, "breaks off"),
    "text": (lambda whole, parts: io.BytesIO(b"a text"), kinds.NotAModelFileError, "wasn't a zip-file"),
    "flipped": (
        lambda whole, parts: io.BytesIO(flipped(whole, whole.index(parts["policy.safetensors"]) + 900)),
        kinds.DamagedFileError,
        "is damaged: Bad CRC-32 for file 'policy.safetensors'",
    ),
    "changed": (
        lambda whole, parts: zipped(parts | {"policy.safetensors": flipped(parts["policy.safetensors"], 900)}),
        kinds.DamagedFileError,
        r"policy.safetensors has \d+ bytes of SHA-256 \w+, expected",
    ),
    "shorter": (
        lambda whole, parts: zipped(parts | {"model.json": parts["model.json"][:-1]}),
        kinds.DamagedFileError,
        "model.json has",
    ),
    "newer": (
        lambda whole, parts: zipped(with_manifest(parts, schema=99)),
        kinds.NewerSchemaError,
        r"has schema 99, and this version of memagents reads up to 1; it was written by version \d",
    ),
    "lost part": (
        lambda whole, parts: zipped({name: part for name, part in parts.items() if name != "optimizer.json"}),
        kinds.MissingPartError,
        "has no part 'optimizer.json', which its manifest lists",
    ),
    "no such part": (
        lambda whole, parts: zipped(listed({name: x for name, x in parts.items() if name != "policy.json"})),
        kinds.MissingPartError,
        "has no part 'policy.json'; it has model.json",
    ),
    "no manifest": (
        lambda whole, parts: zipped({name: part for name, part in parts.items() if name != MANIFEST}),
        kinds.MissingPartError,
        "has no manifest.json",
    ),
    "bad manifest": (
        lambda whole, parts: zipped(parts | {MANIFEST: b'{"schema": 1, "parts": [3]}'}),
        kinds.DamagedFileError,
        "manifest.json cannot be read",
    ),
    "path": (
        lambda whole, parts: zipped(parts | {"../../evil.json": b"{}"}),
        kinds.UnsafePartError,
        r"holds a part called '\.\./\.\./evil\.json'",
    ),
    "absolute path": (
        lambda whole, parts: zipped(listed(parts, **{"/etc/evil.json": b"{}"})),
        kinds.UnsafePartError,
        "holds a part called '/etc/evil.json'",
    ),
    "extra": (
        lambda whole, parts: zipped(parts | {"more.json": b"{}"}),
        kinds.UnsafePartError,
        "holds more.json, which its manifest does not list",
    ),
    "bomb": (
        lambda whole, parts: zipped(parts, zipfile.ZIP_DEFLATED),
        kinds.UnsafePartError,
        "manifest.json is compressed",
    ),
    "kind": (
        lambda whole, parts: zipped(
            listed(parts, **{"model.json": b'{"attributes": {"n": {"$": "x"}}, "left_out": {}}'})
        ),
        kinds.DamagedFileError,
        "of unknown kind 'x'",
    ),
    "class": (
        lambda whole, parts: zipped(
            listed(
                parts, **{"model.json": b'{"attributes": {"n": {"$": "class", "name": "os.system"}}, "left_out": {}}'}
            )
        ),
        kinds.MissingObjectError,
        "the class 'os.system' is not known here",
    ),
    "tensor": (
        lambda whole, parts: zipped(listed(parts, **{"policy.json": b'{"w": {"$": "tensor", "name": "not there"}}'})),
        kinds.DamagedFileError,
        "a 'tensor' in the file cannot be read: KeyError: 'not there'",
    ),
    "safetensors": (
        lambda whole, parts: zipped(listed(parts, **{"policy.safetensors": b"\xff" * 64})),
        kinds.DamagedFileError,
        "section 'policy' cannot be read",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("on_disk", [False, True])
def test_every_kind_of_broken_file_has_an_error_of_its_own(case, on_disk, trained, tmp_path, unchecked):
    spoil, kind, message = BROKEN[case]
    file = spoil(trained[1], parts_of(trained[1]))
    if on_disk:
        (tmp_path / "model.zip").write_bytes(file.getvalue())
    with pytest.raises(kind, match=message) as error:
        MemoryPPO.load(tmp_path / "model" if on_disk else file)
    assert type(error.value) is kind
    assert isinstance(error.value, ValueError)


def test_a_model_of_another_algorithm_or_architecture_is_refused(trained, tmp_path):
    model, contents = trained
    with pytest.raises(kinds.OtherArchitectureError, match="holds a model of PPO, and MemoryA2C loads those of A2C"):
        MemoryA2C.load(io.BytesIO(contents))
    before = parameters(other := agent(memory_kwargs={"hidden_size": 5})).copy()
    with pytest.raises(kinds.OtherArchitectureError, match=r"another network; of other shape: memory\."):
        other.set_parameters(io.BytesIO(contents))
    with pytest.raises(kinds.OtherArchitectureError, match=r"it has not: memory\.\w+"):
        agent(memory="transformer", memory_kwargs={}).set_parameters(io.BytesIO(contents))
    assert np.array_equal(parameters(other), before)
    again = agent(seed=5)
    again.set_parameters(io.BytesIO(contents))
    assert np.array_equal(parameters(again), parameters(model))


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        MemoryPPO.load(tmp_path / "nothing")


def test_a_flipped_bit_anywhere_is_found_or_changes_nothing(trained, unchecked):
    model, contents = trained
    found = 0
    for place in np.random.default_rng(0).integers(len(contents), size=40):
        try:
            loaded = MemoryPPO.load(io.BytesIO(flipped(contents, place)))
        except kinds.CheckpointError:
            found += 1
        else:  # in the time stamps of the zip file, say
            assert np.array_equal(parameters(loaded), parameters(model))
    assert found > 30


def test_a_file_that_breaks_off_anywhere_is_refused(trained):
    for length in np.random.default_rng(0).integers(len(trained[1]), size=200):
        with pytest.raises(kinds.CheckpointError):
            MemoryPPO.load(io.BytesIO(trained[1][:length]))


# Pickles, which could run anything.


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def as_sb3(parts, bomb):
    """SB3's own file of a model, with a bomb among its attributes."""
    model, stream = agent(), io.BytesIO()
    model.own = bomb
    BaseAlgorithm.save(model, stream)
    return io.BytesIO(stream.getvalue())


def torch_saved(bomb):
    stream = io.BytesIO()
    torch.save(bomb, stream)
    return stream.getvalue()


SERIALIZED = '{"attributes": {"own": {":type:": "x", ":serialized:": "gASVAAAA"}}, "left_out": {}}'
PICKLED = {
    "model of SB3": as_sb3,
    "bare pickle": lambda parts, bomb: io.BytesIO(pickle.dumps(bomb)),
    "torch.save": lambda parts, bomb: io.BytesIO(torch_saved(bomb)),
    "data": lambda parts, bomb: zipped(listed(parts, data=pickle.dumps(bomb))),
    "policy.pth": lambda parts, bomb: zipped(listed(parts, **{"policy.pth": torch_saved(bomb)})),
    "hidden": lambda parts, bomb: zipped(parts | {"deep/own.pkl": pickle.dumps(bomb)}),
    "base64": lambda parts, bomb: zipped(listed(parts, **{"model.json": SERIALIZED.encode()})),
}


@pytest.mark.parametrize("place", PICKLED)
@pytest.mark.parametrize("load", [MemoryPPO.load, MemoryActorCriticPolicy.load], ids=["model", "policy"])
def test_a_pickle_is_refused_wherever_it_is_and_never_run(place, load, trained, tmp_path):
    file = PICKLED[place](parts_of(trained[1]), Bomb(tmp_path / "mark"))
    kind = kinds.MissingPartError if (place, load) == ("base64", MemoryActorCriticPolicy.load) else None
    with pytest.raises(kind or kinds.PickleRefusedError):
        load(file)
    assert not (tmp_path / "mark").exists()


def test_a_pickle_in_the_place_of_a_part_is_not_read_as_one(trained, tmp_path):
    bomb = pickle.dumps(Bomb(tmp_path / "mark"))
    for part in ("model.json", "policy.safetensors", "optimizer.json"):
        with pytest.raises(kinds.DamagedFileError):
            MemoryPPO.load(zipped(listed(parts_of(trained[1]), **{part: bomb})))
    assert not (tmp_path / "mark").exists()


def test_a_file_of_sb3_gives_its_weights_without_its_pickles_and_all_of_it_if_it_is_trusted(tmp_path):
    file = as_sb3({}, Bomb(tmp_path / "mark"))
    model = agent(seed=7)
    model.set_parameters(file)
    assert np.array_equal(parameters(model), parameters(agent()))
    assert not (tmp_path / "mark").exists()
    trusted = MemoryPPO.load(file, trust_pickle=True)
    assert np.array_equal(parameters(trusted), parameters(agent()))
    assert (tmp_path / "mark").exists()


def test_weights_of_sb3_that_hide_code_are_refused(tmp_path):
    file = zipped({"data": b"{}", "policy.pth": torch_saved({"w": Bomb(tmp_path / "mark")})})
    with pytest.raises(kinds.PickleRefusedError, match="hold more than tensors"):
        agent().set_parameters(file)
    assert not (tmp_path / "mark").exists()


def test_a_policy_of_sb3s_format_is_loaded_if_it_is_trusted(tmp_path):
    policy = agent().policy
    BasePolicy.save(policy, tmp_path / "policy")
    with pytest.raises(kinds.PickleRefusedError, match="trust_pickle=True"):
        MemoryActorCriticPolicy.load(tmp_path / "policy")
    loaded = MemoryActorCriticPolicy.load(tmp_path / "policy", trust_pickle=True)
    assert np.array_equal(loaded.parameters_to_vector(), policy.parameters_to_vector())


def test_a_feed_forward_model_of_sb3_does_not_fit(tmp_path):
    PPO("MlpPolicy", random_vec_env(1)).save(tmp_path / "ppo")
    with pytest.raises(kinds.OtherArchitectureError, match=r"it has not: memory\."):
        agent().set_parameters(str(tmp_path / "ppo"))


# Writing, with something in the way.


@pytest.mark.parametrize("function", ["open", "fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file(function, tmp_path, monkeypatch):
    model = agent()
    model.save(tmp_path / "model")
    old = parameters(model).copy()
    model.learn(32)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(kinds.CheckpointWriteError, match=r"cannot write .*: No space left on device; what was"):
            model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]
    # Opening the folder is the last step, so that the new file is in its place already.
    expected = parameters(model) if function == "open" else old
    assert np.array_equal(parameters(MemoryPPO.load(tmp_path / "model")), expected)
