"""Files whose hashes are right and whose contents are not: what the fuzzer of `scripts/fuzz.py` found, and its like."""

import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from bad_files import listed, parts_of, with_json, with_tensors, zipped
from gymnasium import spaces
from small_agents import random_vec_env
from torch import nn

from memagents import MemoryA2C, MemoryPPO
from memagents import errors as kinds
from memagents.agents.archives import MANIFEST
from memagents.agents.distributions import LeanCategoricalDistribution
from memagents.agents.parameters import no_larger_than
from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.agents.serialization import known_classes


def agent(**changes):
    options = {"n_steps": 16, "memory": "gru", "memory_kwargs": {"hidden_size": 4}, "seed": 0} | changes
    return MemoryPPO("MlpPolicy", random_vec_env(2), **options)


@pytest.fixture(scope="module")
def contents():
    """The bytes of a model file."""
    stream = io.BytesIO()
    agent().learn(32).save(stream)
    return stream.getvalue()


def attribute(name, value):
    """Another value for an attribute."""

    def change(model):
        model["attributes"][name] = value

    return "model", change


def setting(name, value):
    def change(optimizer):
        optimizer["param_groups"][0][name] = value

    return "optimizer", change


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


SGD = {"$": "class", "name": "torch.optim.SGD"}
SAID = {
    "a text for a number": (attribute("gamma", "x"), "gamma must be of type float, got 'x'"),
    "NaN": (attribute("gamma", float("nan")), "gamma must be of type float, got nan"),
    "no epochs": (attribute("n_epochs", 0), "n_epochs must be at least 1, got 0"),
    "no environments": (attribute("n_envs", -1), "n_envs must be at least 1, got -1"),
    "a negative count": (attribute("num_timesteps", -1), "num_timesteps must be from 0 to"),
    "a huge count": (attribute("_n_updates", 10**30), "_n_updates must be from 0 to"),
    "a method": (attribute("learn", 3), "'learn' is nothing that a file can say"),
    "environments": (attribute("env", 3), "'env' is nothing that a file can say"),
    "odd episodes": (
        attribute("ep_info_buffer", {"$": "deque", "items": [{"r": "x"}], "maxlen": 9}),
        "ep_info_buffer: r must be",
    ),
    "odd successes": (attribute("ep_success_buffer", {"$": "deque", "items": ["x"], "maxlen": 9}), "success must be"),
    "a schedule of texts": (
        attribute("clip_range", {"$": "ConstantSchedule", "val": "x"}),
        "'ConstantSchedule' in the",
    ),
    "a schedule of NaN": (
        attribute("clip_range", {"$": "ConstantSchedule", "val": {"$": "float", "value": "nan"}}),
        "ConstantSchedule of numbers that are not finite",
    ),
    "a huge space": (
        attribute("action_space", {"$": "Discrete", "n": 10**30, "start": 0, "dtype": "<i8"}),
        "'Discrete'",
    ),
    "a foreign policy": (attribute("policy_class", SGD), "MemoryActorCriticPolicy"),
    "an unknown memory": (attribute("memory", "x"), "unknown memory 'x'"),
    "more environments": (attribute("n_envs", 3), r"_last_obs must have shape \(3, 3\), got \(2, 3\)"),
    "episode starts of another type": (
        attribute("_last_episode_starts", {"$": "array", "name": "model.attributes._last_obs"}),
        r"_last_episode_starts must have shape \(2,\)",
    ),
    "a state of other fields": (
        attribute("_last_state", {"$": "tuple", "items": [{"$": "tuple", "items": []}, {"$": "tuple", "items": []}]}),
        "expected the 1 fields of a GRUState",
    ),
    "too deep": (attribute("own", nested(900)), "section 'model' cannot be read|cannot be read: RecursionError"),
    "no dictionary": (("model", lambda model: [model]), "cannot be read: TypeError"),
    "odd reasons": (("model", lambda model: model | {"left_out": {"own": 3}}), "own must be of type str, got 3"),
    "a text for a tensor": (("policy", lambda policy: policy | {"value_net.bias": "x"}), "AttributeError"),
    "settings of texts": (setting("lr", "x"), "cannot be read: TypeError"),
    "settings of NaN": (setting("lr", float("nan")), "lr must be of type float or .*, got nan"),
    "a setting of dictionaries": (setting("differentiable", {"x": {}}), "differentiable must be .*, got {'x': {}}"),
    "one number for two": (setting("betas", 0.9), "cannot be read: TypeError"),
    "no settings": (("optimizer", lambda optimizer: optimizer | {"param_groups": 3}), "cannot be read: TypeError"),
}


@pytest.mark.parametrize("case", SAID)
def test_what_no_model_says_is_refused_by_name(case, contents):
    (section, change), message = SAID[case]
    with pytest.raises(kinds.DamagedFileError, match=message) as error:
        MemoryPPO.load(with_json(contents, section, change))
    assert "the file" in str(error.value)


LARGE = {
    "hidden_size": ("gru", {"hidden_size": 50_000}),
    "num_layers": ("gru", {"hidden_size": 4, "num_layers": 10**6}),
    "memory_size": ("memn2n", {"hidden_size": 4, "memory_size": 10**7}),
}


@pytest.mark.parametrize("case", LARGE)
def test_a_network_much_larger_than_the_file_takes_no_memory(case, contents):
    memory, options = LARGE[case]

    def change(model):
        model["attributes"] |= {"memory": memory, "memory_kwargs": options}

    with pytest.raises(kinds.OtherArchitectureError, match=r"describes a network much larger than the [\d,]+ numbers"):
        MemoryPPO.load(with_json(contents, "model", change))


def test_networks_are_built_as_ever_when_a_load_was_refused():
    with pytest.raises(kinds.OtherArchitectureError), no_larger_than("x", {"a": torch.zeros(5)}):
        nn.Linear(5, 5)
    nn.Linear(5, 5)


def kept(change):
    """Changes what the optimizer keeps for the first parameter."""

    def of_first(tensors):
        name = min(name for name in tensors if name.endswith("exp_avg"))  # files keep no order
        tensors[name] = change(tensors[name])

    return "optimizer", of_first


def weight(value):
    def change(tensors):
        tensors["policy.value_net.bias"] = value

    return "policy", change


TENSORS = {
    "NaN": (weight(torch.tensor([torch.nan])), kinds.DamagedFileError, "holds NaN or infinity.*value_net.bias"),
    "infinity": (weight(torch.tensor([torch.inf])), kinds.DamagedFileError, "holds NaN or infinity.*value_net.bias"),
    "complex numbers": (
        weight(torch.ones(1) * 1j),
        kinds.OtherArchitectureError,
        r"\[1\] of torch.complex64, not \[1\]",
    ),
    "whole numbers": (weight(torch.ones(1, dtype=torch.int64)), kinds.OtherArchitectureError, "torch.int64, not"),
    "another shape": (weight(torch.ones(2)), kinds.OtherArchitectureError, r"value_net.bias \[2\], not \[1\]"),
    # A fused kernel would write beyond its end.
    "less is kept": (kept(lambda x: x.flatten()[:1]), kinds.OtherArchitectureError, r"keeps .*'exp_avg': '\[1\]'"),
    "NaN is kept": (kept(lambda x: x * torch.nan), kinds.DamagedFileError, "NaN or infinity.*exp_avg"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_nothing_can_be_learned_from_are_refused(case, contents):
    (section, change), kind, message = TENSORS[case]
    with pytest.raises(kind, match=message):
        MemoryPPO.load(with_tensors(contents, section, change))
    model = agent()
    before = model.policy.parameters_to_vector()
    with pytest.raises(kind, match=message):
        model.set_parameters(with_tensors(contents, section, change))
    assert np.array_equal(model.policy.parameters_to_vector(), before)


def test_a_state_that_is_undefined_is_not_remembered(contents):
    def change(tensors):
        tensors["model.attributes._last_state.actor.hidden"][0, 0, 0] = torch.nan

    with pytest.raises(kinds.DamagedFileError, match="_last_state holds NaN or infinity"):
        MemoryPPO.load(with_tensors(contents, "model", change))


def test_the_state_of_another_optimizer_is_refused(contents):
    stream = io.BytesIO()
    agent(policy_kwargs={"optimizer_class": torch.optim.SGD, "optimizer_kwargs": {"momentum": 0.9}}).learn(32).save(
        stream
    )
    foreign = {name: part for name, part in parts_of(stream.getvalue()).items() if name.startswith("optimizer")}
    with pytest.raises(kinds.OtherArchitectureError, match=r"keeps \{'momentum_buffer'.*and the optimizer \{'step'"):
        MemoryPPO.load(zipped(listed(parts_of(contents), **foreign)))


def test_a_setting_that_came_with_a_later_version_has_its_default(contents):
    def change(optimizer):
        del optimizer["param_groups"][0]["maximize"]

    model = MemoryPPO.load(with_json(contents, "optimizer", change))
    assert model.policy.optimizer.param_groups[0]["maximize"] is False


@pytest.mark.parametrize(
    "cls", ["torch.optim.LBFGS", "torch.optim.SparseAdam", "torch.nn.GLU", "torch.nn.MultiheadAttention"]
)
def test_a_file_cannot_name_what_no_policy_can_be_made_with(cls):
    assert cls not in known_classes()
    assert {"torch.optim.Adam", "torch.nn.Tanh"} <= known_classes().keys()


# Policies alone.


def test_a_policy_whose_state_fits_into_no_memory_is_refused():
    stream = io.BytesIO()
    agent(memory="dnc", memory_kwargs={"hidden_size": 4, "memory_size": 3, "word_size": 2}).policy.save(stream)

    def change(arguments):
        arguments["memory_kwargs"]["memory_size"] = 10**30

    with pytest.raises(kinds.DamagedFileError, match="the file cannot be read"):
        MemoryActorCriticPolicy.load(with_json(stream.getvalue(), "arguments", change))


# Zip files.


def test_parts_that_lie_inside_each_other_are_refused(contents):
    """David Fifield: A better zip bomb. WOOT 2019, with nothing compressed."""

    def entry(name, part, place=None):
        facts = struct.pack("<4H3I2H", 0, 0, 0, 33, zlib.crc32(part), len(part), len(part), len(name), 0)
        if place is None:
            return b"PK\3\4" + struct.pack("<H", 20) + facts + name.encode()
        return b"PK\1\2" + struct.pack("<2H", 20, 20) + facts + struct.pack("<3H2I", 0, 0, 0, 0, place) + name.encode()

    inner = bytes(10_000)
    outer = entry("a.json", inner) + inner
    whole = entry("b.json", outer) + outer
    manifest = listed({MANIFEST: parts_of(contents)[MANIFEST], "a.json": inner, "b.json": outer})[MANIFEST]
    start = entry(MANIFEST, manifest) + manifest
    first, second = len(start), len(start) + len(whole) - len(outer)
    table = entry(MANIFEST, manifest, 0) + entry("b.json", outer, first) + entry("a.json", inner, second)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 3, 3, len(table), len(start) + len(whole), 0)
    file = io.BytesIO(start + whole + table + end)
    assert zipfile.ZipFile(file).read("a.json") == inner
    with pytest.raises(kinds.UnsafePartError, match=r"has [\d,]+ bytes, and its parts claim [\d,]+"):
        MemoryPPO.load(file)


@pytest.mark.parametrize(
    "manifest", [b"[]", b'{"schema": true, "parts": {}}', b'{"schema": 9, "parts": {}, "versions": 3}']
)
def test_a_manifest_of_other_kinds_is_refused(manifest, contents):
    with pytest.raises(kinds.DamagedFileError, match=r"manifest\.json cannot be read"):
        MemoryPPO.load(zipped(parts_of(contents) | {MANIFEST: manifest}))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_what_is_no_file_is_not_opened(make, name, tmp_path):
    make(tmp_path / name)
    with pytest.raises(kinds.NotAModelFileError, match="is no file, but a folder, a pipe or a device"):
        MemoryPPO.load(tmp_path / "model")


# Acting.


@pytest.mark.parametrize("space", ["discrete", "box"])
def test_outputs_that_are_undefined_choose_no_action(space, unchecked):
    env = random_vec_env(2, action_space={"discrete": spaces.Discrete(3), "box": spaces.Box(-1, 1, (2,))}[space])
    model = MemoryA2C("MlpPolicy", env, memory="none")
    with torch.no_grad():
        model.policy.action_net.bias.fill_(torch.nan)
    with pytest.raises(kinds.NonFiniteAction, match=r"no action can be chosen|not a finite number"):
        model.learn(32)


def test_probabilities_that_are_undefined_choose_no_action():
    with pytest.raises(kinds.NonFiniteAction):
        LeanCategoricalDistribution(2).proba_distribution(torch.full((1, 2), torch.nan)).sample()
