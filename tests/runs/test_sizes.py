"""Agents of a wanted size."""

from contextlib import closing

import pytest

from memagents.runs.config import TrainConfig
from memagents.runs.models import build_env
from memagents.runs.sizes import of_wanted_size, parameters


@pytest.fixture(scope="module")
def env():
    with closing(build_env(TrainConfig(env="memagents_envs:MemAgents/TMaze-v0"), n_envs=1, seed=0)) as env:
        yield env


def matched(env, wanted, memory, **options):
    asked = TrainConfig(
        env="memagents_envs:MemAgents/TMaze-v0", memory=memory, memory_kwargs=options, match_parameters=wanted
    )
    found = of_wanted_size(asked, env)
    assert parameters(found, env) == pytest.approx(wanted, rel=0.1)
    return found.memory_kwargs


def test_hidden_sizes_are_multiples_of_four_where_that_comes_near_enough(env):
    assert matched(env, 50_000, "lstm")["hidden_size"] % 4 == 0


def test_where_no_multiple_of_four_comes_near_all_sizes_are_tried(env):
    assert matched(env, 50_000, "tcn", num_layers=6) == {"num_layers": 6, "hidden_size": 26}


def test_a_size_that_cannot_be_reached_is_an_error_that_says_how_near_one_comes(env):
    with pytest.raises(ValueError, match=r"cannot be made of about 10 parameters: the nearest has [\d,]+"):
        matched(env, 10, "gtrxl")
