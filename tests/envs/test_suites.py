"""Other people's environments, where they are installed."""

import importlib
import sys
import tomllib
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from memagents_envs.suites import SUITES
from memagents_envs.wrappers import TupleToDict
from suites import try_out

from memagents import make_vec_env

ROOT = Path(__file__).parents[2]

WHOLE = ("popgym", "bsuite")
"""Suites whose episodes are played to their end; others are slow, and cut after 20 steps."""

SEVERAL = {"atari": 26}
"""Of how many ids one is tried, where trying all would take minutes."""

pytestmark = [
    # What suites say about themselves, and pygame about pkg_resources, is not ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def ids(name: str) -> list[object]:
    """The ids of a suite to try, or one that is skipped because it is not installed."""
    suite = SUITES[name]
    if suite.missing:
        skip = pytest.mark.skip(reason=f"{', '.join(suite.missing)} not installed: {suite.install}")
        return [pytest.param(name, name, marks=skip, id=name)]
    found = suite.ids()[:: SEVERAL.get(name, 1)]
    return [pytest.param(name, env_id, id=env_id.rpartition("/")[2]) for env_id in found]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "env_id"), [case for name in SUITES for case in ids(name)])
def test_an_agent_trains_two_updates_and_is_evaluated(name, env_id, unchecked):
    assert try_out(env_id, {} if name in WHOLE else {"max_episode_steps": 20})["mean_length"] > 0


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_that_is_not_installed_is_answered_with_the_command_that_installs_it(name, monkeypatch):
    suite = SUITES[name]
    monkeypatch.setitem(sys.modules, suite.packages[0], None)
    monkeypatch.delitem(sys.modules, suite.module, raising=False)
    assert suite.packages[0] in suite.missing
    with pytest.raises(ValueError, match="cannot import") as error:
        make_vec_env(f"{suite.module}:MemAgents/Anything-v0")
    assert str(error.value).endswith(f"not installed here. Run: {suite.install}")
    with pytest.raises(ImportError):
        suite.ids()


def test_every_extra_that_a_command_names_is_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {suite.install.partition("[")[2].partition("]")[0] for suite in SUITES.values()} - {""}
    assert named <= extras.keys()


def test_popgym_has_48_ids_and_its_own_stay_as_they_are():
    assert len(SUITES["popgym"].ids()) == 48
    assert isinstance(gym.make("popgym-AutoencodeEasy-v0").observation_space, spaces.Tuple)
    adapted = gym.make("MemAgents/popgym-AutoencodeEasy-v0")
    assert adapted.observation_space == spaces.Dict({"0": spaces.Discrete(2), "1": spaces.Discrete(4)})
    assert set(adapted.reset(seed=0)[0]) == {"0", "1"}


def test_an_adapted_id_survives_json_and_worker_processes():
    SUITES["popgym"].ids()
    spec = gym.spec("MemAgents/popgym-AutoencodeEasy-v0")
    assert isinstance(EnvSpec.from_json(spec.to_json()).make(), TupleToDict)
    env = make_vec_env(
        "memagents_envs.suites.popgym:MemAgents/popgym-AutoencodeEasy-v0", 2, seed=0, vectorization="subproc"
    )
    assert set(env.reset()) == {"0", "1"}
    env.close()


def test_minigrids_view_is_one_hot_of_what_minigrid_shows():
    pytest.importorskip("minigrid")
    minigrid = importlib.import_module("memagents_envs.suites.minigrid")
    env = gym.make("MemAgents/MiniGrid-MemoryS7-v0")
    seen, _ = env.reset(seed=3)
    plain, _ = gym.make("MiniGrid-MemoryS7-v0").reset(seed=3)
    assert set(seen) == {"image", "direction"}
    assert env.observation_space.contains(seen)
    parts = np.split(seen["image"], np.cumsum(minigrid.CATEGORIES)[:-1], axis=-1)
    np.testing.assert_array_equal(np.stack([part.argmax(-1) for part in parts], -1), plain["image"])
    np.testing.assert_array_equal(seen["image"].sum(-1), 3)


def test_bsuites_seeds_and_settings_are_bsuites():
    pytest.importorskip("bsuite")
    importlib.import_module("memagents_envs.suites.bsuite")
    env = gym.make("MemAgents/bsuite-memory_size-9-v0")
    assert env.observation_space.shape == (12,)  # 10 bits, the time and the query
    firsts = [tuple(env.reset(seed=seed)[0]) for seed in (0, 1, 0, 2**40)]
    assert firsts[0] == firsts[2]
    assert len(set(firsts)) == 3
    again = tuple(env.reset()[0])
    assert again != firsts[3]
